//! What are they sending?
//!
//! Every value of a request ([`crate::request::values`]) is judged by the detectors and the model ([`inspector`]). The head is
//! judged before the body is waited for, and the body before anything of it reaches the service. A value that looks like an
//! attack is a finding that names the detector, the place, what was seen and what the model minded; the value itself is
//! nowhere.
//!
//! How sure a finding is decides its score: from [`SCORE_MIN`], which challenges by itself, to [`SCORE_MAX`], which denies by
//! itself. What stands in a header field or cookie was written by a program, so it is a finding only if a phrase proves it.
//!
//! Bounds: those of the values, [`SIGHTINGS_MAX`] findings of each detector. What cannot be looked at (too long, too much, of no known
//! form) is a finding of its own, whose weight is the failure policy's. Not inspected: gRPC, upgrades, event streams, and bodies
//! of types that are not text. Not covered: what only the service knows to be wrong.

pub mod agents;
pub mod detectors;
pub mod graphql;
pub mod harmless;
pub mod inspector;
pub mod lexer;
pub mod model;
pub mod phrase;
pub mod privileged;

use self::inspector::{Ignored, Inspector, Sighting};
use crate::config::inspect::Inspect;
use crate::config::Route;
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Score, Weight};
use crate::request::body::{Body, Unread};
use crate::request::multipart;
use crate::request::place::Place;
use crate::request::values::{self, Part};
use crate::request::Request;

/// The score of the least sure finding: a challenge by default.
pub const SCORE_MIN: f64 = 0.3;

/// The score of the surest: a denial by default.
pub const SCORE_MAX: f64 = 0.9;

/// Odds (as a logarithm) from which on a finding is as sure as it can be.
const SURE_ODDS: f64 = 4.0;

/// What a phrase is worth that is seldom written for another purpose: proof without the model.
const PROVEN_ODDS: f64 = 2.5;

/// Findings of one detector in one request; further sightings are of no use to anybody.
const SIGHTINGS_MAX: usize = 2;

/// A body that could not be inspected, or not all of it.
pub static UNINSPECTED: Check = Check {
    id: "payload.uninspected",
    family: Family::Failure,
    code: "payload_uninspected",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented("The body, or a part of the request, could not be inspected: too long, too many values, or too late; the failure policy decided."),
};

/// A body that is not what it says it is.
pub static MISMATCH: Check = Check {
    id: "payload.mismatch",
    family: Family::Payload,
    code: "payload_mismatch",
    class: Class::Invalid,
    weight: Weight::Score(Score::constant(0.3)),
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented("The body is not of its content type, or has several meanings: broken JSON, duplicate keys, nesting beyond reason."),
};

/// How the types of bodies begin that are not text, or have no end.
const OPAQUE: &[&str] = &[
    "image/",
    "audio/",
    "video/",
    "font/",
    "application/grpc",
    "application/octet-stream",
    "application/pdf",
    "application/protobuf",
    "application/x-protobuf",
    "application/zip",
    "application/gzip",
    "text/event-stream",
];

/// What a body says it is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Multipart,
    Text,
    /// Nothing that could be read as text.
    Other,
}

/// Whether the body of a request is to be inspected at all, and so to be waited for.
pub fn wants_body(inspect: Option<&Inspect>, route: &Route, request: &Request) -> bool {
    let applies = inspect.is_some_and(|inspect| inspect.bodies && !inspect.is_excluded(&route.name, "", ""));
    applies && !request.is_grpc() && !request.is_upgrade() && kind(request, b"") != Kind::Other
}

/// Inspects the head.
pub fn check_head(
    inspector: &Inspector,
    inspect: &Inspect,
    route: &Route,
    request: &Request,
    findings: &mut Findings,
) {
    if inspect.is_excluded(&route.name, "", "") {
        return;
    }
    let mut whole = Findings::default();
    let agent = agents::check_head(inspector, request, &mut whole);
    add_believed(inspect, route, &whole, findings);
    let mut scene = Scene { inspector, inspect, route, findings };
    let is_agent = |sent: &[u8]| agent.is_some_and(|agent| std::ptr::eq(agent, sent));
    let known = |part: Part, sent: &[u8]| is_agent(sent) || inspector.knows(part, sent);
    if !values::of_head(request, &known, &mut |part, place, text| scene.look(part, place, text)) {
        findings.add(uninspected(inspect, "the head has more values than are looked at"));
    }
}

/// Inspects a body, or as much of it as there is, and says what was not. `bytes` is what was read of it.
pub fn check_body(
    inspector: &Inspector,
    inspect: &Inspect,
    route: &Route,
    request: &Request,
    (body, bytes): (&Body, &[u8]),
    findings: &mut Findings,
) {
    if request.text("content-encoding").is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        findings.add(uninspected(inspect, "the body is compressed"));
        return;
    }
    if let Some(why @ (Unread::TooLong | Unread::Late | Unread::Unavailable)) = body.fault() {
        findings.add(uninspected(inspect, why.reason()));
        return check_beginning(inspector, inspect, route, request, bytes, findings);
    }
    let mut whole = Findings::default();
    let kind = match (body.fault(), kind(request, bytes)) {
        (Some(Unread::NotJson), Kind::Json) => {
            whole.add(Finding::new(&MISMATCH, "said to be JSON, and not one document with one meaning"));
            Kind::Text
        }
        (_, kind) => kind,
    };
    let document = body.get::<&str>(&[]).filter(|_| kind == Kind::Json);
    let mut arguments = None;
    if let Some(document) = document {
        arguments = graphql::check_body(&inspect.graphql, document, &mut whole);
        privileged::check_document(&inspect.privileged_fields, document, &mut whole);
    }
    let parts = match kind {
        Kind::Multipart => multipart::parts(request.headers.first("content-type").unwrap_or_default(), bytes),
        _ => Ok(Vec::new()),
    };
    let parts = parts.unwrap_or_else(|fault| {
        whole.add(Finding::new(&MISMATCH, fault.reason()));
        Vec::new()
    });
    add_believed(inspect, route, &whole, findings);
    let mut scene = Scene { inspector, inspect, route, findings };
    // A GraphQL document is code rightly; the texts in it are values.
    for text in arguments.iter().flatten() {
        scene.look(Part::Json, Place::named("query"), text);
    }
    let is_read = |place: Place<'_>| arguments.is_some() && graphql::is_place_of_document(document, &place.text());
    let mut look = |part: Part, place: Place<'_>, text: &str| {
        if !(part == Part::Json && is_read(place)) {
            scene.look(part, place, text);
        }
    };
    let complete = match kind {
        Kind::Json => values::of_document(body, &mut look),
        Kind::Form => values::of_form(bytes, &mut look),
        Kind::Multipart if !parts.is_empty() => values::of_parts(&parts, &mut look),
        Kind::Multipart | Kind::Text => values::of_text(bytes, &mut look),
        Kind::Other => true,
    };
    if !complete {
        findings.add(uninspected(inspect, "the body has more values than are looked at, or longer ones"));
    }
}

/// Inspects what has come of a body whose end is missing.
fn check_beginning(
    inspector: &Inspector,
    inspect: &Inspect,
    route: &Route,
    request: &Request,
    bytes: &[u8],
    findings: &mut Findings,
) {
    let mut scene = Scene { inspector, inspect, route, findings };
    let mut look = |part: Part, place: Place<'_>, text: &str| scene.look(part, place, text);
    // Whether all of it was looked at makes no difference to what is said already.
    let _ = match kind(request, bytes) {
        Kind::Json => values::of_beginning_of_document(bytes, &mut look),
        Kind::Form => values::of_form(bytes, &mut look),
        Kind::Multipart => {
            let written = request.headers.first("content-type").unwrap_or_default();
            match multipart::parts_of_beginning(written, bytes) {
                Ok(parts) if !parts.is_empty() => values::of_parts(&parts, &mut look),
                _ => values::of_text(bytes, &mut look),
            }
        }
        Kind::Text => values::of_text(bytes, &mut look),
        Kind::Other => true,
    };
}

/// Adds what was found about a head or body as a whole, unless it is excluded: such findings have no place.
fn add_believed(inspect: &Inspect, route: &Route, whole: &Findings, findings: &mut Findings) {
    let is_believed = |finding: &&Finding| !inspect.is_excluded(&route.name, "", finding.check.id);
    whole.iter().filter(is_believed).for_each(|finding| findings.add(finding.clone()));
}

/// What a body is, by its content type, or by its first byte where that says nothing.
fn kind(request: &Request, bytes: &[u8]) -> Kind {
    let written = request.text("content-type").unwrap_or_default();
    let essence = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Kind::Form,
        "application/json" | "text/json" => Kind::Json,
        "multipart/form-data" => Kind::Multipart,
        other if other.ends_with("+json") => Kind::Json,
        "image/svg+xml" => Kind::Text,
        other if OPAQUE.iter().any(|start| other.starts_with(start)) => Kind::Other,
        other
            if other.starts_with("text/")
                || other.ends_with("xml")
                || other.starts_with("application/graphql") =>
        {
            Kind::Text
        }
        // Of no type, or of one that nobody knows: services often read such a body all the same.
        _ => match bytes.trim_ascii().first() {
            Some(b'{' | b'[') => Kind::Json,
            _ if bytes.contains(&b'=') && !bytes.contains(&b'\n') => Kind::Form,
            _ => Kind::Text,
        },
    }
}

fn uninspected(inspect: &Inspect, why: &'static str) -> Finding {
    Finding::new(&UNINSPECTED, why).weighing(inspect.on_uninspected.weight())
}

struct Scene<'a> {
    inspector: &'a Inspector,
    inspect: &'a Inspect,
    route: &'a Route,
    findings: &'a mut Findings,
}

impl Scene<'_> {
    fn look(&mut self, part: Part, place: Place<'_>, text: &str) {
        if let (Part::Form, Place::Member(_, name)) = (part, place) {
            if !self.inspect.is_excluded(&self.route.name, "", privileged::FIELD.id) {
                privileged::check_name(&self.inspect.privileged_fields, name, self.findings);
            }
        }
        if !part.is_machine_written() {
            self.search(part, place, text);
            return;
        }
        // As it was sent it was unknown. What it was decoded to may be known.
        let harmless = self.inspector.harmless();
        let hashed = harmless.hashed(text.as_bytes());
        if !harmless.knows(hashed) && !self.search(part, place, text) {
            harmless.remember(hashed);
        }
    }

    /// Reports what the detectors see in a text, and tells whether they see anything.
    fn search(&mut self, part: Part, place: Place<'_>, text: &str) -> bool {
        // Where one detector is not believed, what it sees must not cover what another one sees.
        let mut ignored = Ignored::default();
        while let Some(sighting) = self.inspector.inspect_but(text, ignored) {
            // What the model minds is what the first one saw: the others have to prove theirs.
            let is_proven = sighting.odds - sighting.model_odds >= PROVEN_ODDS;
            if ignored != Ignored::default() && !is_proven {
                return true;
            }
            ignored = ignored.and(sighting.detector);
            if self.report(part, place, &sighting) {
                return true;
            }
        }
        ignored != Ignored::default()
    }

    /// Adds a finding, and tells whether the value needs no further look.
    fn report(&mut self, part: Part, place: Place<'_>, sighting: &Sighting) -> bool {
        let Some(detector) = detectors::ALL.get(sighting.detector) else { return true };
        if part.is_machine_written() && sighting.phrase.is_none() {
            return true;
        }
        let place = match place {
            Place::Whole => part.name().to_owned(),
            place => format!("{}.{}", part.name(), place.text()),
        };
        if self.inspect.is_excluded(&self.route.name, &place, detector.check.id) {
            return false;
        }
        // Some of each are enough, and none crowds out another.
        let seen = self.findings.iter().filter(|finding| finding.check == &detector.check).count();
        if seen < SIGHTINGS_MAX {
            let weight = Weight::Score(score(sighting.odds));
            self.findings.add(Finding::new(&detector.check, self.reason(&place, sighting)).weighing(weight));
        }
        !self.inspect.is_held_back(detector.check.id)
    }

    /// What was seen, where, and what the model minded. Nothing of the value.
    fn reason(&self, place: &str, sighting: &Sighting) -> String {
        let vocabulary = self.inspector.vocabulary();
        let minded =
            sighting.reasons.iter().map(|(feature, weight)| format!("{weight:+.1} {}", feature.name(vocabulary)));
        let minded = minded.collect::<Vec<_>>().join(", ");
        let seen = sighting.phrase.unwrap_or("its shape");
        let encoded =
            if sighting.rounds > 0 { format!(", encoded {} times more", sighting.rounds) } else { String::new() };
        format!(
            "{}: {seen}{encoded}; odds {:.1}, model {:.1} ({minded})",
            quoted(place),
            sighting.odds,
            sighting.model_odds
        )
    }
}

/// Logarithms of odds as a score: even odds challenge, and [`SURE_ODDS`] are sure.
fn score(odds: f64) -> Score {
    let sure = (odds / SURE_ODDS).clamp(0.0, 1.0);
    let value = SCORE_MIN + (SCORE_MAX - SCORE_MIN) * sure;
    Score::new((value * 100.0).round() / 100.0).unwrap_or(Score::constant(SCORE_MAX))
}

#[cfg(test)]
mod tests;
