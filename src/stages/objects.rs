//! Whose things do they ask for, and how many?
//!
//! | check | asks | refuses |
//! |---|---|---|
//! | [`OWNER`] | Is the object the caller's own? (OWASP API1:2023, broken object level authorization) | 403 |
//! | [`ENUMERATION`] | Do they ask for very many different ones? | – |
//! | [`SEQUENCE`] | Do they go through them one after the other ([`sequence`])? | – |
//! | [`REFUSED`] | Do they mostly get 403 and 404? | – |
//! | [`PRIVILEGE`] | Do others of their role do that too ([`privilege`])? | – |
//!
//! **Ownership.** The configuration says where a route's requests name their objects and which claim has those of the caller. Each
//! id must be among them. A route whose objects have owners lets nothing through that names none, several, or where nobody
//! can tell: an id that is missing, repeated, or in a body that cannot be read is a finding.
//!
//! **Enumeration** is counted for each actor (the subject, or else the source) and kind of objects, over all of its routes, in two
//! records that share a bucket: [`crate::memory::tally`] with the ids as things and 403 and 404 as what went wrong, and
//! [`sequence`]. A request's findings come from what was there before it; what it adds is written when it is over. What is
//! refused for its owner counts as an attempt that was refused; what another stage has refused before is not looked at.
//!
//! Bounds: for each kind on the route one look and one change, and two for privilege; [`ids::IDS_MAX`] ids of a request are
//! counted. Ids are kept as bits of keyed hashes, and the last one as a number. A change that meets too many others is not made.
//!
//! Not covered: ids in several places of one body (a kind for each), in forms, in GraphQL variables by name of the operation, in
//! answers; who owns an object where the token does not say; actors that spread over subjects and sources.

mod ids;
mod privilege;
mod sequence;

use self::ids::Named;
use self::privilege::Use;
use self::sequence::Sequence;
use crate::config::objects::{Enumeration, Kind, Privilege, Unless};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Outcome, Score, Weight};
use crate::gather;
use crate::jose::claims::Claims;
use crate::memory::record::Record;
use crate::memory::tally::{half, worth, Tally};
use crate::memory::together::Part;
use crate::memory::{Hashed, Trace};
use crate::stages::limits::{fields, Ground, Scene};
use crate::time::Millis;
use serde_json::Value;

/// Somebody else's.
pub static OWNER: Check = Check {
    id: "objects.owner",
    family: Family::Objects,
    code: "object_forbidden",
    class: Class::Forbidden,
    weight: Weight::Refuse,
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented("The object is not among those of the caller's claim, or the request does not name exactly what it asks for."),
};

/// Very many.
pub static ENUMERATION: Check = soft(
    "objects.enumeration",
    "object_enumeration",
    0.25,
    "The actor has asked for more different objects than `objects.kinds[].enumeration.distinct`.",
);

/// One after the other.
pub static SEQUENCE: Check = soft(
    "objects.sequence",
    "object_sequence",
    0.25,
    "The actor goes through the ids of objects: neighbours without a gap, or always the same step.",
);

/// Mostly in vain.
pub static REFUSED: Check = soft(
    "objects.refused",
    "object_guessing",
    0.25,
    "The actor has asked for many different objects, and a large share of the answers were 403 or 404.",
);

/// What nobody of the role does.
pub static PRIVILEGE: Check = soft(
    "objects.privilege",
    "privilege_probing",
    0.25,
    "Hardly anybody of the caller's role has used this method on this route, and it is known what the role does.",
);

const fn soft(id: &'static str, code: &'static str, score: f64, means: &'static str) -> Check {
    let weight = Weight::Score(Score::constant(score));
    let (family, class) = (Family::Objects, Class::Forbidden);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// Whether a check is about earlier requests and not about this one.
pub fn is_of_the_past(check: &Check) -> bool {
    [&ENUMERATION, &SEQUENCE, &REFUSED].contains(&check)
}

/// What a request asks for, until it is over.
#[derive(Debug, Default)]
pub struct Watch {
    asked: Vec<Asked>,
    used: Option<Use>,
}

/// Objects of one kind.
#[derive(Debug)]
struct Asked {
    kind: usize,
    /// Of the tally and of the sequence; they share a bucket.
    places: [Hashed; 2],
    things: Vec<u64>,
    numbers: Vec<u64>,
    is_foreign: bool,
}

/// Looks at what the request asks for: before its body is there at what the head names, afterwards at the rest.
pub fn check(scene: &Scene<'_>, watch: &mut Watch, findings: &mut Findings) {
    let Some(objects) = &scene.config.objects else { return };
    for (index, kind, id) in objects.on_route(&scene.route.name) {
        if id.needs_body() != scene.body.is_some() {
            continue;
        }
        let named = ids::named(id, scene);
        let foreign = foreign(kind, &named, scene);
        let is_foreign = foreign.is_some();
        foreign.into_iter().for_each(|reason| findings.add(Finding::new(&OWNER, reason)));
        let (Some(enumeration), Named::Ids(ids)) = (&kind.enumeration, &named) else { continue };
        let asked = Asked::new(index, enumeration, ids, is_foreign, scene);
        let records = scene.memory.read(scene.shared, &asked.places, scene.now);
        if let [tally, sequence] = records.as_slice() {
            judge(kind, enumeration, tally, sequence, scene.now, findings);
        }
        watch.asked.push(asked);
    }
    if let Some(settings) = objects.privilege.as_ref().filter(|_| scene.body.is_none()) {
        watch.used = privilege::check(settings, scene, findings);
    }
}

/// Why the caller may not have what it asks for, if it may not.
fn foreign(kind: &Kind, named: &Named, scene: &Scene<'_>) -> Option<String> {
    let owner = kind.owner.as_ref()?;
    let claims = scene.caller.claims();
    if claims.is_some_and(|claims| excuses(&kind.unless, claims)) {
        return None;
    }
    let ids = match named {
        Named::Nothing(why) => return Some(format!("`{}`: no id: {why}", kind.name)),
        Named::Ids(ids) => ids,
    };
    let Some(own) = claims.and_then(|claims| claims.get(owner)) else {
        return Some(format!("`{}`: the caller has no `{owner}`", kind.name));
    };
    let own = match own {
        Value::Array(items) => items.iter().filter_map(fields::plain).collect(),
        other => Vec::from_iter(fields::plain(other)),
    };
    let own = gather::set(own.iter().map(|id| ids::comparable(id)));
    let foreign = ids.iter().find(|id| !own.contains(&ids::comparable(id)))?;
    Some(format!("`{}`: {} is not the caller's", kind.name, quoted(&String::from_utf8_lossy(foreign))))
}

fn excuses(unless: &Unless, claims: &Claims) -> bool {
    unless.scopes.iter().any(|scope| claims.has_scope(scope))
        || unless.claims.iter().any(|(name, values)| claims.matches(name, values))
}

/// Adds what the actor has asked for before.
fn judge(
    kind: &Kind,
    settings: &Enumeration,
    tally: &Record,
    sequence: &Record,
    now: Millis,
    findings: &mut Findings,
) {
    let half = half(now, settings.window);
    let (tally, row) = (Tally::of(tally, half), Sequence::of(sequence, half).length());
    let (distinct, (bad, all), name) = (tally.distinct(), tally.requests(), &kind.name);
    if distinct >= settings.distinct {
        findings.add(Finding::new(&ENUMERATION, format!("`{name}`: about {distinct} different ids")));
    }
    if row >= settings.sequential {
        findings.add(Finding::new(&SEQUENCE, format!("`{name}`: {row} ids in a row")));
    }
    // Half as many as would be too many, if most are refused.
    let least = settings.distinct.div_ceil(2);
    if distinct >= least && tally.goes_wrong(least, settings.refused_share) {
        let reason = format!("`{name}`: about {distinct} different ids, {bad} of {all} answers were 403 or 404");
        findings.add(Finding::new(&REFUSED, reason));
    }
}

impl Asked {
    fn new(index: usize, settings: &Enumeration, ids: &[Vec<u8>], is_foreign: bool, scene: &Scene<'_>) -> Self {
        let source = || fields::source(scene.request.source.as_ref(), 32, 64);
        let actor = fields::subject(scene).unwrap_or_else(source);
        let places = scene.memory.locate_all(&actor, settings.owners.each_ref().map(String::as_str));
        let counted = || ids.iter().take(ids::IDS_MAX);
        let things = counted().map(|id| scene.memory.digest("object", &ids::countable(id))).collect();
        let numbers = counted().filter_map(|id| ids::number(id, scene.memory)).collect();
        Self { kind: index, places, things, numbers, is_foreign }
    }

    /// Whether the answer says that there is no such thing for this caller. `None` where it says nothing about that.
    fn is_refused(&self, outcome: &Outcome<'_>) -> Option<bool> {
        match outcome.status {
            _ if self.is_foreign => Some(true),
            Some(403 | 404) if outcome.passed => Some(true),
            Some(status) if outcome.passed && status < 400 => Some(false),
            _ => None,
        }
    }
}

/// What became of a request, to be remembered.
#[derive(Debug)]
pub struct Lesson<'a> {
    asked: Vec<(Asked, &'a Enumeration, Option<bool>)>,
    places: Vec<Hashed>,
    /// What its role is taught.
    used: Option<(Use, &'a Privilege)>,
    now: Millis,
}

/// Under contention it is forgotten.
impl Part for Lesson<'_> {
    fn places(&self) -> &[Hashed] {
        &self.places
    }

    fn step(&mut self, at: usize, mut record: Record) -> Option<Record> {
        let (asked, settings, is_refused) = self.asked.get(at / 2)?;
        let half = half(self.now, settings.window);
        let state = if at.is_multiple_of(2) {
            let tally = asked.things.iter().fold(Tally::of(&record, half), |tally, thing| tally.seeing(*thing));
            is_refused.map_or(tally, |is_refused| tally.counting(is_refused)).state()
        } else if asked.numbers.is_empty() {
            return None;
        } else {
            asked.numbers.iter().fold(Sequence::of(&record, half), |row, number| row.with(*number)).state()
        };
        record.settle(state, worth(self.now, settings.window));
        Some(record)
    }
}

impl Lesson<'_> {
    /// Teaches the role of the caller.
    pub fn teach(&self, trace: &mut Trace, ground: &Ground<'_>) {
        if let Some((used, settings)) = &self.used {
            used.teach(settings, trace, ground);
        }
    }
}

impl Watch {
    /// Whether the status of the answer is to be known.
    pub const fn wants_status(&self) -> bool {
        !self.asked.is_empty() || self.used.is_some()
    }

    /// What is to be remembered of the request. Call it once.
    pub fn close<'a>(&mut self, outcome: &Outcome<'_>, ground: &Ground<'a>) -> Option<Lesson<'a>> {
        let Self { asked, used } = std::mem::take(self);
        let objects = ground.config.objects.as_ref()?;
        let settings = |kind: usize| objects.kinds.get(kind).and_then(|kind| kind.enumeration.as_ref());
        let places = asked.iter().flat_map(|asked| asked.places).collect();
        let counted = |asked: Asked| {
            let is_refused = asked.is_refused(outcome);
            settings(asked.kind).map(|settings| (asked, settings, is_refused))
        };
        let asked = asked.into_iter().filter_map(counted).collect();
        let succeeded = outcome.passed && outcome.status.is_some_and(|status| status < 400);
        let found = |(check, weight): &(&'static Check, Weight)| **check != PRIVILEGE && *weight != Weight::Note;
        let teaches = succeeded && !outcome.findings.iter().any(found);
        let used = used.filter(|_| teaches).zip(objects.privilege.as_ref());
        Some(Lesson { asked, places, used, now: ground.now })
    }
}

#[cfg(test)]
mod tests;
