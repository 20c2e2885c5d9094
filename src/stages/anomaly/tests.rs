use super::*;
use crate::config::Config;
use crate::engine::{Engine, Ports, Step};
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::CHECKS;

const START: u64 = 1_800_000_000_000;

/// Gaps of a person, in milliseconds: about eight in a minute.
const GAPS: [u64; 8] = [800, 9_000, 2_500, 22_000, 4_000, 1_200, 15_000, 6_000];

/// One request, and the answer.
#[derive(Clone, Copy)]
struct Visit {
    path: &'static str,
    length: u64,
    status: u16,
    bytes: u64,
}

const HOME: Visit = Visit { path: "/", length: 0, status: 200, bytes: 12_000 };
const PAGE: Visit = Visit { path: "/pages/1", length: 0, status: 200, bytes: 30_000 };
const MAIL: Visit = Visit { path: "/mail", length: 500, status: 200, bytes: 200 };

/// What people do, over and over.
const ROUND: [Visit; 5] = [HOME, PAGE, PAGE, PAGE, MAIL];

struct Site(Engine);

/// Somebody with an address and a clock.
struct Caller {
    address: [u8; 4],
    now: u64,
}

impl Caller {
    fn new(number: u8, now: u64) -> Self {
        Self { address: [192, 0, 2, number], now: START + now }
    }
}

impl Site {
    fn new(more: &str) -> Self {
        let document = format!(
            r#"{{"version": 1, "anomaly": {{"learning": "0s", "lessons": 20{more}}}, "routes": [
            {{"name": "home", "path": "/"}}, {{"name": "page", "path": "/pages/{{id}}"}}, {{"name": "mail", "path": "/mail"}}]}}"#
        );
        let config = Config::parse(document.as_bytes(), CHECKS).unwrap();
        Self(Engine::new(config, Ports::in_process([7; 16])))
    }

    /// Forty people have been there for half an hour each.
    fn known() -> Self {
        let site = Self::new("");
        site.people(40, 200);
        site
    }

    fn people(&self, people: u8, requests: usize) {
        let mut callers: Vec<Caller> =
            (0..people).map(|number| Caller::new(number, u64::from(number) * 1700)).collect();
        for request in 0..requests {
            for (number, caller) in callers.iter_mut().enumerate() {
                caller.now += GAPS[(request * 3 + number + request / 7) % GAPS.len()];
                self.send(caller, ROUND[(request + request / 11 * number) % ROUND.len()]);
            }
        }
    }

    fn send(&self, caller: &Caller, visit: Visit) -> Vec<(&'static str, String)> {
        let length = visit.length.to_string();
        let fields = [
            (":method", "GET"),
            (":path", visit.path),
            (":authority", "shop.example"),
            ("content-length", length.as_str()),
        ];
        let (now, source) = (Millis::new(caller.now), caller.address.into());
        let request = Request::new(Headers::from_pairs(fields), move || Some(source));
        let step = self.0.open(request, now, || "r".to_owned()).judge(false);
        let Step::Forward(_permit, body) = step else { panic!("in monitor mode everything passes") };
        let response = Response { status: Some(visit.status), bytes: visit.bytes };
        let mut done = body.finish().finish(response);
        assert!(!done.outcome().contains("deny"), "no anomaly denies alone");
        let seen =
            done.findings().iter().map(|one| (one.finding.check.id, one.finding.reason.to_string())).collect();
        done.close(response, now);
        seen
    }

    /// What is found last of a caller that makes so many requests after the gaps.
    fn last(
        &self,
        caller: &mut Caller,
        requests: usize,
        gaps: &[u64],
        visits: &[Visit],
    ) -> Vec<(&'static str, String)> {
        let mut seen = Vec::new();
        for request in 0..requests {
            caller.now += gaps[request % gaps.len()];
            seen = self.send(caller, visits[request % visits.len()]);
        }
        seen
    }
}

/// After everybody.
const LATER: u64 = 3_600_000;

fn ids(seen: &[(&'static str, String)]) -> Vec<&'static str> {
    seen.iter().map(|(id, _)| *id).collect()
}

#[test]
fn before_anything_is_known_there_is_no_opinion() {
    let site = Site::new("");
    let seen = site.last(&mut Caller::new(200, 0), 5000, &[100], &[Visit { status: 404, ..PAGE }]);
    assert!(seen.is_empty(), "{seen:?}");
    let site = Site::new(r#", "requests": 60000"#);
    site.people(40, 200);
    let seen = site.last(&mut Caller::new(200, LATER), 500, &[100], &[PAGE]);
    assert!(seen.is_empty(), "of this actor too little is known: {seen:?}");
}

#[test]
fn who_does_as_others_do_is_not_found() {
    let site = Site::known();
    let seen = site.last(&mut Caller::new(200, LATER), 100, &GAPS, &ROUND);
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn each_kind_of_unusual_use_is_found_and_told_in_words() {
    let site = Site::known();
    let last = |number: u8, requests: usize, gaps: &[u64], visits: &[Visit]| {
        site.last(&mut Caller::new(number, LATER), requests, gaps, visits)
    };
    let fast: Vec<u64> = GAPS.iter().map(|gap| gap / 40).collect();
    for (check, words, seen) in [
        ("anomaly.rate", "callers of the route make about", last(200, 150, &fast, &ROUND)),
        ("anomaly.rhythm", "gaps between requests differ by a factor of 1.0", last(201, 80, &[7_000], &ROUND)),
        ("anomaly.size", "answers lately are", last(202, 80, &GAPS, &[HOME, Visit { bytes: 4_000_000, ..PAGE }])),
        ("anomaly.size", "requests lately are", last(203, 80, &GAPS, &[Visit { length: 90_000, ..PAGE }])),
        ("anomaly.transition", "usual here is one of", last(204, 80, &GAPS, &[MAIL, HOME, MAIL, HOME, HOME])),
        (
            "anomaly.errors",
            "faults; usual here are 0 %",
            last(205, 80, &GAPS, &[PAGE, Visit { status: 404, ..PAGE }]),
        ),
    ] {
        let reason = seen.iter().find(|(id, _)| *id == check).map(|(_, reason)| reason.as_str());
        assert!(reason.is_some_and(|reason| reason.contains(words)), "{check}: {seen:?}");
    }
}

#[test]
fn all_of_it_together_challenges_and_does_not_deny() {
    let site = Site::known();
    let visit = Visit { length: 90_000, status: 404, ..MAIL };
    let seen = site.last(&mut Caller::new(200, LATER), 300, &[50], &[visit]);
    assert!(ids(&seen).len() >= 4, "{seen:?}");
}

/// One actor that has been there all the time is found all the same, and so is the next of its kind.
#[test]
fn nobody_makes_usual_what_it_repeats() {
    let site = Site::new("");
    let visit = Visit { status: 404, ..PAGE };
    let mut early = Caller::new(200, 0);
    site.last(&mut early, 3000, &[100], &[visit]);
    site.people(40, 200);
    early.now = START + LATER;
    let found = ["anomaly.rate", "anomaly.rhythm", "anomaly.errors"];
    let again = ids(&site.last(&mut early, 2900, &[100], &[visit]));
    assert!(found.iter().all(|check| again.contains(check)), "{again:?}");
    let next = ids(&site.last(&mut Caller::new(201, LATER), 200, &[100], &[visit]));
    assert!(found.iter().all(|check| next.contains(check)), "{next:?}");
}

#[test]
fn the_services_own_trouble_is_nobodys_fault() {
    let site = Site::known();
    let seen = site.last(&mut Caller::new(200, LATER), 80, &GAPS, &[PAGE, Visit { status: 503, ..PAGE }]);
    assert!(!ids(&seen).contains(&"anomaly.errors"), "{seen:?}");
}

/// What is refused has no answer that could make it good, so pauses do.
#[test]
fn who_was_challenged_is_not_challenged_for_ever() {
    let site = Site::known();
    let mut caller = Caller::new(200, LATER);
    let faults = site.last(&mut caller, 80, &GAPS, &[Visit { status: 404, ..PAGE }]);
    assert_eq!(ids(&faults), ["anomaly.errors"]);
    for _ in 0..4 {
        caller.now += 600_000;
        // Neither passed nor refused: only that it was there is remembered.
        site.send(&caller, Visit { status: 503, ..PAGE });
    }
    caller.now += 600_000;
    let seen = site.send(&caller, PAGE);
    assert!(seen.is_empty(), "{seen:?}");
}
