use super::*;
use crate::config::Config;
use crate::engine::{Engine, Ports};
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::CHECKS;

const NOW: Millis = Millis::from_secs(1_800_000_000);

fn answer() -> Answer {
    let document = br#"{"version": 1, "mode": "enforce", "request": {"body_bytes_max": "1KiB"}, "response": {"body_read_max": "64B"}}"#;
    let engine = Engine::new(Config::parse(document, CHECKS).unwrap(), Ports::in_process([7; 16]));
    let fields = [(":method", "GET"), (":path", "/"), (":authority", "shop.example")];
    let request = Request::new(Headers::from_pairs(fields), || None);
    match engine.open(request, NOW, || "r-1".to_owned()).judge(false) {
        Step::Forward(_, body) => body.finish(),
        _ => panic!("not forwarded"),
    }
}

fn head(pairs: &[(&str, &str)], has_body: bool) -> Head {
    let base = [(":status", "200"), ("content-type", "application/json")];
    let replaced = |name: &str| pairs.iter().any(|(other, _)| *other == name);
    let base = base.into_iter().filter(|(name, _)| !replaced(name));
    Head::new(Headers::from_pairs(base.chain(pairs.iter().copied())), has_body).unwrap()
}

fn meet(want: Want, head: Head) -> Course<Answer> {
    answer().case.meet(head, want, NOW, |case| Answer { case })
}

#[test]
fn nothing_is_held_that_nobody_wants_or_that_is_a_stream() {
    for (want, pairs, has_body) in [
        (Want::Nothing, &[][..], true),
        (Want::Hold, &[("content-type", "text/event-stream")], true),
        (Want::Hold, &[("content-type", "application/grpc")], true),
        (Want::Hold, &[("content-type", "image/png")], true),
        (Want::Hold, &[(":status", "101")], true),
        (Want::Hold, &[], false),
        (Want::Hold, &[("content-encoding", "gzip")], true),
        (Want::Hold, &[(":status", "206")], true),
        (Want::Hold, &[("content-type", "application/json; charset=utf-16")], true),
        (Want::Copy, &[("content-type", "application/x-protobuf")], true),
    ] {
        let course = meet(want, head(pairs, has_body));
        assert!(matches!(course, Course::Pass(ref changes, _) if *changes == Changes::default()), "{pairs:?}");
    }
}

#[test]
fn what_may_be_changed_is_held_within_bounds() {
    let Course::Hold(held) = meet(Want::Hold, head(&[], true)) else { panic!("not held") };
    assert_eq!((held.bytes_max(), held.deadline()), (64, NOW.saturating_add(Millis::from_secs(10))));
    assert!(matches!(held.judge(b"{}", None, NOW), Course::Pass(ref changes, _) if changes.body.is_none()));
}

/// What becomes of an answer of a thousand bytes that begins with a leak, where 64 are read: in both framings.
fn too_long(exposure: &serde_json::Value) -> [(&'static str, String, Vec<String>); 2] {
    [Some("1000"), None].map(|length| {
        let document = serde_json::json!({"version": 1, "mode": "enforce", "exposure": exposure,
            "response": {"body_read_max": "64B"}});
        let engine = Engine::new(
            Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(),
            Ports::in_process([7; 16]),
        );
        let fields = [(":method", "GET"), (":path", "/"), (":authority", "shop.example")];
        let request = Request::new(Headers::from_pairs(fields), || None);
        let Step::Forward(_, body) = engine.open(request, NOW, || "r-1".to_owned()).judge(false) else {
            panic!("not forwarded")
        };
        let pairs: Vec<(&str, &str)> = length.map(|length| ("content-length", length)).into_iter().collect();
        let text = [LEAK, &[b' '; 64]].concat();
        let (what, done) = match body.finish().answer(head(&pairs, true), NOW) {
            Course::Hold(held) => match held.judge(&text[..64], Some(Unread::TooLong), NOW) {
                Course::Pass(changes, answer) => {
                    assert_eq!(changes, Changes::default());
                    ("passed", Box::new(answer.finish(Response::default())))
                }
                Course::Replace(_, done) => ("replaced", done),
                _ => panic!("neither passed nor replaced"),
            },
            Course::Watch(_, mut watched) => {
                watched.piece(&text[..64], 1000);
                ("passed", Box::new(watched.end(NOW).finish(Response::default())))
            }
            _ => panic!("not read"),
        };
        let told = done.findings().iter().map(|own| format!("{}: {}", own.finding.check.id, own.finding.reason));
        (what, done.summary(), told.collect())
    })
}

#[test]
fn what_is_too_long_is_treated_alike_in_both_framings_and_told_once() {
    let unchecked = "exposure.unchecked: too long".to_owned();
    let seen = |verb: &str| format!("exposure.payment_card: 1 {verb}");
    for (exposure, what, summary, verb) in [
        (serde_json::json!({"rules": [{"action": "block"}]}), "replaced", "deny:response_withheld", "withheld"),
        (serde_json::json!({"rules": [{"action": "mask"}]}), "passed", "allow", "seen"),
        (
            serde_json::json!({"rules": [{"action": "mask"}], "on_error": {"too_long": "block"}}),
            "replaced",
            "deny:response_withheld",
            "seen",
        ),
        // What is only looked at is never stopped.
        (serde_json::json!({"on_error": {"too_long": "block"}}), "passed", "allow", "seen"),
    ] {
        for (became, verdict, told) in too_long(&exposure) {
            assert_eq!((became, verdict.as_str()), (what, summary), "{exposure}");
            assert_eq!(told, [unchecked.clone(), seen(verb)], "{exposure}");
        }
    }
}

#[test]
fn what_has_passed_is_not_said_to_be_denied() {
    // A check that refuses holds the answer back, unless the rest of it is too long to be read.
    let checks = serde_json::json!([{"id": "exposure.payment_card", "effect": "refuse"}]);
    let document = serde_json::json!({"version": 1, "mode": "enforce", "exposure": {}, "checks": checks});
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let engine = Engine::new(config, Ports::in_process([7; 16]));
    let answered = |watched: bool| {
        let fields = [(":method", "GET"), (":path", "/"), (":authority", "shop.example")];
        let request = Request::new(Headers::from_pairs(fields), || None);
        let Step::Forward(_, body) = engine.open(request, NOW, || "r-1".to_owned()).judge(false) else {
            panic!("not forwarded")
        };
        if watched {
            let head = head(&[], true);
            let mut case = body.finish().case;
            let content = Content::new(&head, LEAK, None);
            assert!(case.weigh_answer(&content, false, NOW).reply.is_none());
            return Answer { case }.finish(Response::default()).summary();
        }
        let Course::Hold(held) = body.finish().answer(head(&[], true), NOW) else { panic!("not held") };
        let Course::Replace(_, done) = held.judge(LEAK, None, NOW) else { panic!("not replaced") };
        done.summary()
    };
    assert_eq!(answered(false), "deny:response_withheld");
    assert_eq!(answered(true), "would_deny:response_withheld");
}

#[test]
fn a_copy_ends_at_its_bound() {
    let Course::Watch(_, mut watched) = meet(Want::Copy, head(&[], true)) else { panic!("not watched") };
    watched.piece(&[b'a'; 60], 60);
    assert_eq!((watched.room(), watched.unread), (4, None));
    watched.piece(&[b'b'; 4], 100);
    assert_eq!((watched.room(), watched.copy.len(), watched.unread), (0, 64, Some(Unread::TooLong)));
    watched.end(NOW);
}

#[test]
fn a_request_is_counted_while_its_answer_passes() {
    let Course::Hold(held) = meet(Want::Hold, head(&[], true)) else { panic!("not held") };
    let Step::Forward(_, held) = held.judge_request(1024) else { panic!("not forwarded") };
    assert!(matches!(held.judge_request(1), Step::Refuse(reply, _) if reply.status == 413));
}

fn exposing(exposure: serde_json::Value) -> Answer {
    let document = serde_json::json!({"version": 1, "mode": "enforce", "exposure": exposure,
        "telemetry": {"allow_sample": 1}});
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let engine = Engine::new(config, Ports::in_process([7; 16]));
    let fields = [
        (":method", "GET"),
        (":path", "/"),
        (":authority", "shop.example"),
        ("accept-encoding", "gzip"),
        ("range", "bytes=0-9"),
    ];
    let request = Request::new(Headers::from_pairs(fields), || None);
    match engine.open(request, NOW, || "r-1".to_owned()).judge(false) {
        Step::Forward(permit, body) => {
            assert_eq!(
                permit.remove,
                ["accept-encoding", "range"],
                "what is compressed or partial could not be read"
            );
            body.finish()
        }
        _ => panic!("not forwarded"),
    }
}

const LEAK: &[u8] = br#"{"card":"4111111111111111"}"#;

#[test]
fn a_masked_answer_is_an_allowed_one_with_another_body() {
    let answer = exposing(serde_json::json!({"rules": [{"action": "mask"}]}));
    let Course::Hold(held) = answer.answer(head(&[("content-length", "27"), ("etag", "\"1\"")], true), NOW) else {
        panic!("not held")
    };
    let Course::Pass(changes, answer) = held.judge(LEAK, None, NOW) else { panic!("not passed") };
    assert_eq!(changes.body.as_deref(), Some(br#"{"card":"************1111"}"#.as_slice()));
    assert_eq!(
        (changes.remove, changes.set),
        (vec!["etag".to_owned()], vec![("content-length", "27".to_owned())])
    );
    let done = answer.finish(Response::default());
    assert_eq!(done.summary(), "allow");
    let receipt = done.receipt(Response { status: Some(200), bytes: 27 }, None, None);
    assert!(receipt.contains("1 masked in `card`") && !receipt.contains("411111"), "{receipt}");
}

#[test]
fn a_withheld_answer_is_a_problem_that_says_nothing() {
    let answer = exposing(serde_json::json!({"rules": [{"action": "block"}]}));
    let Course::Hold(held) = answer.answer(head(&[], true), NOW) else { panic!("not held") };
    let Course::Replace(reply, done) = held.judge(LEAK, None, NOW) else { panic!("not replaced") };
    assert_eq!((reply.status, done.summary().as_str()), (502, "deny:response_withheld"));
    assert!(reply.body.contains("response_withheld") && !reply.body.contains("card"), "{}", reply.body);
}

#[test]
fn an_error_that_is_withheld_stays_an_error_of_its_kind() {
    for (status, told) in [("500", 500), ("404", 404), ("418", 400), ("200", 502)] {
        let answer = exposing(serde_json::json!({"rules": [{"action": "block"}]}));
        let head = head(&[(":status", status), ("content-type", "text/plain")], true);
        let Course::Hold(held) = answer.answer(head, NOW) else { panic!("not held") };
        let trace = b"Traceback (most recent call last):\n";
        assert!(
            matches!(held.judge(trace, None, NOW), Course::Replace(reply, _) if reply.status == told),
            "{status}"
        );
    }
}

#[test]
fn what_cannot_be_read_passes_or_is_withheld_as_configured() {
    for (policy, passes) in [("allow", true), ("block", false)] {
        let rules = serde_json::json!({"rules": [{"action": "mask"}], "on_error": {"compressed": policy, "partial": policy}});
        for pairs in [[("content-encoding", "gzip")], [(":status", "206")]] {
            let course = exposing(rules.clone()).answer(head(&pairs, true), NOW);
            assert_eq!(matches!(course, Course::Pass(..)), passes, "{pairs:?}");
            assert_eq!(matches!(course, Course::Replace(..)), !passes, "{pairs:?}");
        }
    }
}

#[test]
fn what_an_actor_was_given_counts_for_its_next_requests() {
    let document = br#"{"version": 1, "mode": "monitor", "exposure": {}, "behaviour": {}}"#;
    let engine = Engine::new(Config::parse(document, CHECKS).unwrap(), Ports::in_process([7; 16]));
    let ask = |path: &str, status: u16| {
        let fields = [(":method", "GET"), (":path", path), (":authority", "shop.example")];
        let source = || Some(std::net::Ipv4Addr::LOCALHOST.into());
        let request = Request::new(Headers::from_pairs(fields), source);
        let Step::Forward(_, body) = engine.open(request, NOW, || "r-1".to_owned()).judge(false) else {
            panic!("not forwarded")
        };
        let head = head(&[(":status", &status.to_string())], true);
        let Course::Watch(_, mut watched) = body.finish().answer(head, NOW) else { panic!("not watched") };
        watched.piece(LEAK, LEAK.len());
        let mut done = Box::new(watched.end(NOW).finish(Response::default()));
        done.close(Response { status: Some(status), bytes: 27 }, NOW);
        done.findings().iter().map(|weighed| weighed.finding.check.id).collect::<Vec<_>>()
    };
    for number in 0..3 {
        assert_eq!(ask(&format!("/probe-{number};a"), 404), ["request.path.parameter", "exposure.payment_card"]);
    }
    assert!(ask("/orders", 200).contains(&"behaviour.chain"), "reconnaissance and exfiltration are a chain");
}

/// An engine with a memory, and an actor that takes lists from it.
struct Lists(Engine);

impl Lists {
    fn under(volume: &serde_json::Value) -> Self {
        let document = serde_json::json!({"version": 1, "mode": "enforce", "routes": [{"name": "list", "path": "/list"}],
            "exposure": {"rules": [], "volume": [volume]}, "telemetry": {"allow_sample": 1}});
        Self(Engine::new(
            Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(),
            Ports::in_process([7; 16]),
        ))
    }

    /// Takes a page of so many records, and says what became of the request and what was told.
    fn take(&self, page: usize, records: usize, now: Millis) -> (String, String) {
        let path = format!("/list?page={page}");
        let fields =
            [(":method", "GET"), (":path", &*path), (":authority", "shop.example"), ("accept-encoding", "gzip")];
        let source = || Some(std::net::Ipv4Addr::LOCALHOST.into());
        let request = Request::new(Headers::from_pairs(fields), source);
        let done = match self.0.open(request, now, || "r-1".to_owned()).judge(false) {
            Step::Refuse(_, done) => done,
            Step::Forward(permit, body) => {
                assert_eq!(permit.remove, ["accept-encoding"], "records of a compressed list cannot be counted");
                let text = format!("[{}]", vec!["{}"; records].join(","));
                let Course::Watch(_, mut watched) = body.finish().answer(head(&[], true), now) else {
                    panic!("not watched")
                };
                watched.piece(text.as_bytes(), text.len());
                let mut done = Box::new(watched.end(now).finish(Response::default()));
                done.close(Response { status: Some(200), bytes: 0 }, now);
                done
            }
            _ => panic!("neither forwarded nor refused"),
        };
        let told = done.findings().first().map(|own| own.finding.reason.to_string());
        (done.summary(), told.unwrap_or_default())
    }
}

#[test]
fn a_list_that_is_taken_page_by_page_is_the_sum_of_its_pages() {
    let lists =
        Lists::under(&serde_json::json!({"name": "rows", "routes": ["list"], "records_max": 200, "window": "1h"}));
    let outcomes: Vec<String> = (0..6).map(|page| lists.take(page, 50, NOW).0).collect();
    assert_eq!(outcomes[..4], ["allow"; 4]);
    assert_eq!(outcomes[4..], ["challenge:step_up_required"; 2], "what was refused adds nothing");
    assert_eq!(lists.take(6, 50, NOW).1, "volume `rows`: 200 records, at most 200");
    let later = NOW.saturating_add(Millis::from_secs(3600));
    assert_eq!(lists.take(7, 50, later).0, "allow");
}

#[test]
fn who_takes_many_times_what_it_usually_takes_is_told() {
    let lists = Lists::under(
        &serde_json::json!({"name": "rows", "routes": ["list"], "baseline_factor": 5, "baseline_min": 100}),
    );
    let hour = |number: u64| NOW.saturating_add(Millis::from_secs(3600 * number));
    for number in 0..4 {
        assert_eq!(lists.take(0, 40, hour(number)).0, "allow", "hour {number}: nothing is known, or it is usual");
    }
    assert_eq!(lists.take(0, 300, hour(4)).0, "allow", "what a response adds counts for the next request");
    let (verdict, why) = lists.take(1, 300, hour(4));
    assert_eq!(
        (verdict.as_str(), why.as_str()),
        ("challenge:step_up_required", "volume `rows`: 300 records, usually 40")
    );
}

/// One request after the other of one actor, each answered in full; what was found, and what the limit allowed.
fn exchange(
    engine: &Engine,
    path: &str,
    status: u16,
    body: &[u8],
    now: Millis,
) -> (Vec<&'static str>, Option<u64>) {
    let fields = [(":method", "GET"), (":path", path), (":authority", "shop.example")];
    let source = || Some(std::net::Ipv4Addr::LOCALHOST.into());
    let request = Request::new(Headers::from_pairs(fields), source);
    let Step::Forward(_, before) = engine.open(request, now, || "r-1".to_owned()).judge(false) else {
        panic!("not forwarded")
    };
    let answer = match before.finish().answer(head(&[(":status", &status.to_string())], true), now) {
        Course::Watch(_, mut watched) => {
            watched.piece(body, body.len());
            watched.end(now)
        }
        Course::Pass(_, answer) => answer,
        _ => panic!("held"),
    };
    let mut done = Box::new(answer.finish(Response::default()));
    done.close(Response { status: Some(status), bytes: 0 }, now);
    let found = done.findings().iter().map(|weighed| weighed.finding.check.id).collect();
    (found, done.ledger().applied.first().map(|applied| applied.remaining))
}

#[test]
fn what_the_service_says_to_an_attack_counts_with_the_attack() {
    let document = br#"{"version": 1, "mode": "monitor", "exposure": {}, "behaviour": {}, "inspect": {}}"#;
    let engine = Engine::new(Config::parse(document, CHECKS).unwrap(), Ports::in_process([7; 16]));
    let message = br#"{"error":"You have an error in your SQL syntax"}"#;
    for _ in 0..3 {
        let (found, _) =
            exchange(&engine, "/orders?q=%27%20union%20select%20password%20from%20users%20--", 400, message, NOW);
        assert!(found.contains(&"payload.sql") && found.contains(&"exposure.sql_error"), "{found:?}");
    }
    let (found, _) = exchange(&engine, "/orders", 200, b"{}", NOW);
    assert_eq!(found, ["behaviour.chain"], "exploitation, and reconnaissance that the answers gave away");
}

#[test]
fn faults_of_the_service_leave_less_of_an_adaptive_limit() {
    let limit = serde_json::json!({"name": "all", "key": ["source"], "limit": 1000, "window": "1h",
        "adapt": {"reputation": {}}});
    let document = serde_json::json!({"version": 1, "mode": "enforce", "limits": [limit]});
    let left = |status: u16| {
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        let engine = Engine::new(config, Ports::in_process([7; 16]));
        let later = NOW.saturating_add(Millis::from_secs(1));
        let left = (0..40).filter_map(|_| exchange(&engine, "/orders", status, b"", later).1);
        left.fold(None, |_, left| Some(left)).unwrap()
    };
    assert!(left(404) < left(200), "{} < {}", left(404), left(200));
}
