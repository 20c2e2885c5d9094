use super::*;
use crate::config::Config;
use crate::engine::waiting::Wait;
use crate::engine::{Engine, Ports, Step};
use crate::finding::Family;
use crate::memory::in_process::InProcess;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::response::Response;
use crate::stages::CHECKS;
use crate::time::Millis;
use serde_json::{json, Value};
use std::net::IpAddr;
use std::rc::Rc;

const NOW: u64 = 1_800_000_000;

/// What one request was found at, and what its receipt says.
struct Seen {
    checks: Vec<&'static str>,
    summary: String,
    receipt: Value,
}

struct Site(Engine);

impl Site {
    fn new(more: &Value) -> Self {
        Self::over(&Rc::default(), more)
    }

    /// One worker of several.
    fn over(memory: &Rc<InProcess>, more: &Value) -> Self {
        let mut document = json!({
            "version": 1,
            "mode": "enforce",
            "routes": [
                {"name": "login", "path": "/login"},
                {"name": "search", "path": "/search"},
            ],
            "behaviour": {"logins": [{"routes": ["login"], "account": "body:user"}]},
        });
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        let shared = Box::new(Rc::clone(memory));
        Self(Engine::new(config, Ports { shared, ..Ports::in_process([7; 16]) }))
    }

    /// A request and the service's answer to it, should it pass.
    fn send(&self, source: &str, secs: u64, fields: &[(&str, &str)], body: &str, status: u16) -> Seen {
        let source: Option<IpAddr> = source.parse().ok();
        let base = [(":method", "GET"), (":path", "/"), (":authority", "shop.example"), ("user-agent", "A")];
        let base = base.into_iter().filter(|(name, _)| !fields.iter().any(|(other, _)| other == name));
        let headers = Headers::from_pairs(base.chain(fields.iter().copied()));
        let now = Millis::from_secs(NOW + secs);
        let head = self.0.open(Request::new(headers, move || source), now, || "r".to_owned());
        let mut step = head.judge(!body.is_empty());
        if let Step::Wait(Wait::Body(held)) = step {
            step = held.judge(body.as_bytes(), now);
        }
        let mut response = Response { status: Some(status), bytes: 0 };
        let mut done = match step {
            Step::Forward(_permit, body) => body.finish().finish(response),
            Step::Refuse(reply, done) => {
                response.status = Some(reply.status);
                *done
            }
            Step::Serve(..) | Step::Wait(_) => panic!("neither passed nor refused"),
        };
        assert!(done.wants_response_status());
        done.close(response, now);
        Seen {
            checks: done.findings().iter().map(|weighed| weighed.finding.check.id).collect(),
            summary: done.summary(),
            receipt: serde_json::from_str(&done.receipt(response, source, None)).unwrap(),
        }
    }

    fn get(&self, source: &str, path: &str, status: u16) -> Seen {
        self.send(source, 0, &[(":path", path)], "", status)
    }

    fn login(&self, source: &str, account: &str, status: u16) -> Seen {
        let body = json!({"user": account, "password": "x"}).to_string();
        self.send(source, 0, &[(":method", "POST"), (":path", "/login")], &body, status)
    }
}

fn site() -> Site {
    Site::new(&json!({}))
}

#[test]
fn who_tries_many_paths_is_scanning() {
    let site = site();
    for number in 0..14 {
        let seen = site.get("192.0.2.1", &format!("/admin/{number}"), 404);
        assert!(seen.checks.is_empty(), "{number}: {:?}", seen.checks);
    }
    (14..60).for_each(|number| drop(site.get("192.0.2.1", &format!("/admin/{number}"), 404)));
    let seen = site.get("192.0.2.1", "/", 200);
    assert_eq!((seen.checks.as_slice(), seen.summary.as_str()), ([SCANNING.id].as_slice(), "allow"));
    assert!(site.get("192.0.2.2", "/", 200).checks.is_empty(), "a neighbour");
    let later = site.send("192.0.2.1", 1300, &[], "", 200);
    assert!(later.checks.is_empty(), "two windows later");
}

#[test]
fn who_fails_at_one_thing_is_not() {
    let site = site();
    (0..500).for_each(|number| drop(site.get("192.0.2.1", &format!("/gone?{number}"), 404)));
    assert!(site.get("192.0.2.1", "/", 200).checks.is_empty());
}

/// A crawler follows links, and one in ten is dead.
#[test]
fn a_crawler_is_not_scanning() {
    let site = site();
    for number in 0..2000 {
        let status = if number % 10 == 3 { 404 } else { 200 };
        let seen = site.get("192.0.2.1", &format!("/page/{number}"), status);
        assert!(seen.checks.is_empty(), "{number}: {:?}", seen.checks);
    }
}

#[test]
fn many_refusing_checks_are_scanning_too() {
    let site = site();
    let odd: [&[(&str, &str)]; 7] = [
        &[(":path", "/a;b")],
        &[(":path", "/a%2fb")],
        &[(":path", "/a/../b")],
        &[(":method", "get")],
        &[("x-http-method", "PUT")],
        &[(":authority", "a,b")],
        &[("x-a", "\u{e9}"), (":path", "/%")],
    ];
    (0..3).for_each(|_| odd.iter().for_each(|fields| drop(site.send("192.0.2.1", 0, fields, "", 200))));
    let seen = site.get("192.0.2.1", "/", 200);
    assert_eq!(seen.checks, [SCANNING.id]);
    assert!(seen.receipt["portcullis.behaviour.chain"]["reconnaissance"].as_u64() >= Some(21), "{}", seen.receipt);
}

#[test]
fn one_source_that_fails_at_many_accounts_is_stuffing() {
    let site = site();
    (0..40).for_each(|number| drop(site.login("192.0.2.1", &format!("user-{number}"), 401)));
    let seen = site.login("192.0.2.1", "ada", 200);
    assert_eq!((seen.checks.as_slice(), seen.summary.as_str()), ([STUFFING_SOURCE.id].as_slice(), "allow"));
    assert!(site.get("192.0.2.1", "/", 200).checks.is_empty(), "elsewhere it is no finding");
    assert!(site.login("192.0.2.9", "ada", 200).checks.is_empty());
}

/// Three hundred people log in from one address; one in six mistypes, some spell their name otherwise.
#[test]
fn an_office_behind_one_address_is_not_stuffing() {
    let site = site();
    for number in 0..300 {
        let name = format!("user-{number}");
        if number % 6 == 0 {
            let seen = site.login("192.0.2.1", &name.to_uppercase(), 401);
            assert!(seen.checks.is_empty(), "{number}: {:?}", seen.checks);
        }
        let seen = site.login("192.0.2.1", &name, 200);
        assert!(seen.checks.is_empty(), "{number}: {:?}", seen.checks);
    }
}

#[test]
fn one_user_who_has_forgotten_a_password_is_not_stuffing() {
    let site = site();
    for name in ["ada", "Ada", " ada ", "ADA"].into_iter().cycle().take(100) {
        assert!(site.login("192.0.2.1", name, 401).checks.is_empty());
    }
}

#[test]
fn one_account_that_many_sources_fail_at_is_stuffed() {
    let site = site();
    (0..60).for_each(|number| drop(site.login(&format!("198.51.100.{number}"), "ada", 401)));
    assert_eq!(site.login("192.0.2.1", "ada", 401).checks, [STUFFING_ACCOUNT.id]);
    assert!(site.login("192.0.2.1", "grace", 401).checks.is_empty());
}

/// A service that is down, or answers too late, says nothing about passwords.
#[test]
fn broken_services_are_no_failed_logins() {
    let site = site();
    for number in 0..200 {
        assert!(site
            .login("192.0.2.1", &format!("user-{number}"), [500, 503, 429, 404][number % 4])
            .checks
            .iter()
            .all(|id| *id != STUFFING_SOURCE.id));
    }
}

fn limits() -> Value {
    let limits = json!([{"name": "search", "routes": ["search"], "key": ["source"], "limit": 2, "window": "1h"}]);
    json!({"limits": limits})
}

fn limited() -> Site {
    Site::new(&limits())
}

#[test]
fn one_program_that_is_refused_under_many_addresses_rotates() {
    let site = limited();
    for address in 0..60 {
        (0..6).for_each(|_| drop(site.get(&format!("198.51.100.{address}"), "/search", 200)));
    }
    assert_eq!(site.get("192.0.2.1", "/search", 200).checks, [ROTATION_FINGERPRINT.id]);
    let other = [(":path", "/search"), ("accept", "text/html")];
    assert!(site.send("192.0.2.1", 0, &other, "", 200).checks.is_empty(), "another program");
}

/// Each worker knows sources and subjects at once, and what others have met with a program a quarter of a second later.
#[test]
fn what_another_worker_has_met_with_a_program_counts_a_moment_later() {
    let memory = Rc::<InProcess>::default();
    let [one, other] = [(); 2].map(|()| Site::over(&memory, &limits()));
    assert!(other.get("192.0.2.1", "/search", 200).checks.is_empty());
    for address in 0..60 {
        (0..6).for_each(|_| drop(one.get(&format!("198.51.100.{address}"), "/search", 200)));
    }
    assert_eq!(one.get("192.0.2.1", "/search", 200).checks, [ROTATION_FINGERPRINT.id]);
    assert!(other.get("192.0.2.2", "/search", 200).checks.is_empty(), "in the same moment");
    assert_eq!(other.send("192.0.2.2", 1, &[(":path", "/search")], "", 200).checks, [ROTATION_FINGERPRINT.id]);
    (0..60).for_each(|number| drop(one.get("192.0.2.3", &format!("/admin/{number}"), 404)));
    assert!(other.get("192.0.2.3", "/", 200).checks.contains(&SCANNING.id), "of a source at once");
}

/// Some of those who have a popular browser reach a limit: many sources, a small share.
#[test]
fn a_popular_browser_is_not_suspicious() {
    let site = limited();
    for number in 0..2000_u32 {
        let source = format!("10.0.{}.{}", number / 250, number % 250);
        let requests = if number % 8 == 0 { 3 } else { 2 };
        for _ in 0..requests {
            let seen = site.get(&source, "/search", 200);
            let behaviour = seen.checks.iter().find(|id| id.starts_with("behaviour"));
            assert_eq!(behaviour, None, "{number}");
        }
    }
}

#[test]
fn a_source_that_changes_its_name_when_it_is_refused_rotates() {
    let site = limited();
    let agents: Vec<String> = (0..40).map(|number| format!("agent-{number}")).collect();
    for agent in &agents {
        drop(site.send("192.0.2.1", 0, &[(":path", "/search"), ("user-agent", agent)], "", 200));
    }
    let seen = site.get("192.0.2.1", "/", 200);
    assert!(seen.checks.contains(&ROTATION_USER_AGENT.id), "{:?}", seen.checks);
    // An office has as many, and is refused nothing.
    for agent in &agents {
        assert!(site
            .send("192.0.2.2", 0, &[("user-agent", agent)], "", 200)
            .checks
            .iter()
            .all(|id| *id != ROTATION_USER_AGENT.id));
    }
}

#[test]
fn several_stages_are_a_chain_and_challenge() {
    let site = site();
    (0..60).for_each(|number| drop(site.get("192.0.2.1", &format!("/admin/{number}"), 404)));
    (0..40).for_each(|number| drop(site.login("192.0.2.1", &format!("user-{number}"), 401)));
    let seen = site.get("192.0.2.1", "/", 200);
    assert_eq!(seen.checks, [SCANNING.id, CHAIN.id]);
    assert_eq!(seen.summary, "challenge:step_up_required");
    let chain = &seen.receipt["portcullis.behaviour.chain"];
    assert!(
        chain["reconnaissance"].as_u64() >= Some(3) && chain["credential_access"].as_u64() >= Some(3),
        "{chain}"
    );
    let reason = &seen.receipt["portcullis.findings"][1]["reason"];
    assert_eq!(reason, "reconnaissance, credential_access");
}

/// What is refused for a suspicion feeds no suspicion.
#[test]
fn a_suspicion_does_not_feed_on_itself() {
    let site = Site::new(&json!({"checks": [{"id": SCANNING.id, "effect": "refuse"}]}));
    (0..60).for_each(|number| drop(site.get("192.0.2.1", &format!("/admin/{number}"), 404)));
    for number in 0..100 {
        let agent = format!("agent-{number}");
        let seen = site.send("192.0.2.1", 0, &[("user-agent", &agent)], "", 200);
        assert_eq!((seen.checks.as_slice(), seen.summary.as_str()), ([SCANNING.id].as_slice(), "deny:scanning"));
    }
    assert!(site.send("192.0.2.1", 1200, &[], "", 200).checks.is_empty(), "and it ends");
}

#[test]
fn everyday_refusals_do_not_count() {
    let findings = |id: &str, weight| {
        let check = *CHECKS.iter().find(|check| check.id == id).unwrap();
        let findings = [(check, weight)];
        is_refused(&Outcome { status: Some(401), passed: false, findings: &findings })
    };
    for (id, counts) in [
        ("limits.exceeded", true),
        ("token.signature", true),
        ("request.path.ambiguous", true),
        ("token.expired", false),
        ("token.missing", false),
        ("engine.internal", false),
        ("behaviour.scanning", false),
    ] {
        assert_eq!(findings(id, Weight::Refuse), counts, "{id}");
        assert!(!findings(id, Weight::Note), "{id}");
    }
}

#[test]
fn in_monitor_mode_the_same_is_seen_and_nothing_done() {
    let site = Site::new(&json!({"mode": "monitor"}));
    (0..60).for_each(|number| drop(site.get("192.0.2.1", &format!("/admin/{number}"), 404)));
    (0..40).for_each(|number| drop(site.login("192.0.2.1", &format!("user-{number}"), 401)));
    assert_eq!(site.get("192.0.2.1", "/", 200).summary, "would_challenge:step_up_required");
}

#[test]
fn what_is_switched_off_is_no_stage() {
    let site = Site::new(&json!({"checks": [{"id": SCANNING.id, "mode": "off"}]}));
    (0..80).for_each(|number| drop(site.get("192.0.2.1", &format!("/admin/{number}"), 404)));
    let seen = site.get("192.0.2.1", "/", 200);
    assert!(seen.checks.is_empty() && seen.receipt.get("portcullis.behaviour.chain").is_none());
}

#[test]
fn a_source_that_envoy_does_not_know_is_nobody() {
    let site = site();
    (0..80).for_each(|number| drop(site.get("unix", &format!("/admin/{number}"), 404)));
    assert!(site.get("unix", "/", 200).checks.is_empty());
}

#[test]
fn the_whole_family_cannot_deny_alone() {
    let scores: f64 = CHECKS
        .iter()
        .filter(|check| check.family == Family::Behaviour)
        .map(|check| match check.weight {
            Weight::Score(score) => 1.0 - score.value(),
            _ => panic!("{} is not soft", check.id),
        })
        .product();
    let config = Config::parse(br#"{"version": 1, "behaviour": {}}"#, CHECKS).unwrap();
    assert!((1.0 - scores).min(config.cap(Family::Behaviour).value()) < 0.7);
}

/// Statuses that are neither served nor faulty do not dilute: whoever gets 401 for every second try is scanning all the same.
#[test]
fn what_one_may_not_is_not_part_of_the_share() {
    let site = site();
    for number in 0..60 {
        drop(site.get("192.0.2.1", &format!("/admin/{number}"), 404));
        (0..3).for_each(|_| drop(site.get("192.0.2.1", &format!("/secret/{number}"), 403)));
    }
    assert_eq!(site.get("192.0.2.1", "/", 200).checks, [SCANNING.id]);
}

#[test]
fn the_services_own_limits_count_as_refusals() {
    let site = site();
    for number in 0..40 {
        drop(site.send("192.0.2.1", 0, &[("user-agent", &format!("agent-{number}"))], "", 429));
    }
    assert_eq!(site.get("192.0.2.1", "/", 200).checks, [ROTATION_USER_AGENT.id, ROTATION_FINGERPRINT.id]);
}

/// What is suspected of earlier requests does not make an actor's reputation worse, and so its limits smaller.
#[test]
fn a_suspicion_does_not_cost_reputation() {
    let adapt = json!({"reputation": {"bonus": 0.0, "malus": 0.9}});
    let limits = json!([{"name": "all", "key": ["source"], "limit": 100_000, "window": "1h", "adapt": adapt}]);
    let site = Site::new(&json!({"limits": limits, "checks": [{"id": SCANNING.id, "effect": "challenge"}]}));
    (0..60).for_each(|number| drop(site.get("192.0.2.1", &format!("/admin/{number}"), 404)));
    let allowed = |seen: &Seen| seen.receipt["portcullis.limits"][0]["allowed"].as_u64().unwrap();
    let before = allowed(&site.get("192.0.2.1", "/", 200));
    (0..200).for_each(|_| assert!(site.get("192.0.2.1", "/", 200).summary.starts_with("challenge")));
    assert_eq!(allowed(&site.get("192.0.2.1", "/", 200)), before);
}

/// Findings of every kind come from the address of a mobile network, among thousands of good requests.
#[test]
fn thousands_behind_one_address_are_no_chain() {
    let site = site();
    let odd: [&[(&str, &str)]; 6] = [
        &[(":path", "/a;b")],
        &[(":path", "/a%2fb")],
        &[(":path", "/a/../b")],
        &[(":method", "get")],
        &[("x-http-method", "PUT")],
        &[(":path", "/%")],
    ];
    for number in 0..3000 {
        if number % 20 == 7 {
            drop(site.send("192.0.2.1", 0, odd[number / 20 % odd.len()], "", 200));
        }
        if number % 50 == 9 {
            drop(site.login("192.0.2.1", &format!("user-{number}"), 401));
        }
        let seen = site.get("192.0.2.1", "/", 200);
        assert!(number < 20 || seen.checks.is_empty(), "{number}: {:?}", seen.checks);
    }
    let seen = site.get("192.0.2.1", "/", 200);
    assert!(seen.receipt["portcullis.behaviour.chain"]["reconnaissance"].as_u64() >= Some(3), "{}", seen.receipt);
}
