use super::*;
use crate::config::Config;
use crate::engine::waiting::Wait;
use crate::engine::{Engine, Ports, Step};
use crate::request::body::Unread;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::response::Response;
use crate::stages::CHECKS;
use serde_json::json;
use std::net::IpAddr;

const NOW: u64 = 1_800_000_000;

/// What one request was found at, and whether it passed.
#[derive(Debug, PartialEq)]
struct Seen {
    checks: Vec<&'static str>,
    passed: bool,
}

struct Site(Engine);

fn key_of(name: &str) -> String {
    format!("a-long-enough-key-of-{name}")
}

impl Site {
    fn new(objects: &Value) -> Self {
        let key = |name: &str, claims: Value| {
            let digest = hmac_sha256::Hash::hash(key_of(name).as_bytes());
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"id": name, "sha256": hex, "claims": claims})
        };
        let mut keys = vec![
            key("ada", json!({"sub": "ada", "customer": "42", "role": "clerk"})),
            key("bob", json!({"sub": "bob", "customers": [7, "8"], "role": "clerk"})),
            key("sue", json!({"sub": "sue", "scope": "orders:all", "role": "admin"})),
            key("tim", json!({"sub": "tim", "role": ["clerk", "auditor"]})),
        ];
        keys.extend((0..40).map(|n| key(&format!("c{n}"), json!({"sub": format!("c{n}"), "role": "clerk"}))));
        let document = json!({
            "version": 1,
            "mode": "enforce",
            "routes": [
                {"name": "order", "path": "/orders/{id}"},
                {"name": "search", "path": "/search"},
                {"name": "batch", "path": "/batch"},
                {"name": "users", "path": "/users"},
            ],
            "identity": {"api_keys": {"keys": keys}, "default": "optional"},
            "objects": objects,
            "risk": {"thresholds": {"challenge": 1.0, "deny": 1.0}},
        });
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        Self(Engine::new(config, Ports::in_process([7; 16])))
    }

    fn send(
        &self,
        who: &str,
        secs: u64,
        method: &str,
        path: &str,
        body: Result<&str, Unread>,
        status: u16,
    ) -> Seen {
        let key = key_of(who);
        let mut fields = vec![(":method", method), (":path", path), (":authority", "shop.example")];
        let source: IpAddr = who.parse().unwrap_or([192, 0, 2, 1].into());
        if who.parse::<IpAddr>().is_err() {
            fields.push(("x-api-key", &key));
        }
        let now = Millis::from_secs(NOW + secs);
        let request = Request::new(Headers::from_pairs(fields), move || Some(source));
        let mut step = self.0.open(request, now, || "r".to_owned()).judge(body != Ok(""));
        if let Step::Wait(Wait::Body(held)) = step {
            step = match body {
                Ok(text) => held.judge(text.as_bytes(), now),
                Err(why) => held.judge_unread(why, b"", 9, now),
            };
        }
        let mut response = Response { status: Some(status), bytes: 0 };
        let (mut done, passed) = match step {
            Step::Forward(_permit, body) => (body.finish().finish(response), true),
            Step::Refuse(reply, done) => {
                response.status = Some(reply.status);
                (*done, false)
            }
            Step::Serve(..) | Step::Wait(_) => panic!("neither passed nor refused"),
        };
        done.close(response, now);
        let checks = done.findings().iter().map(|weighed| weighed.finding.check.id);
        Seen { checks: checks.filter(|id| id.starts_with("objects.")).collect(), passed }
    }

    fn get(&self, who: &str, path: &str) -> Vec<&'static str> {
        self.send(who, 0, "GET", path, Ok(""), 200).checks
    }

    fn post(&self, who: &str, path: &str, body: &str) -> Vec<&'static str> {
        self.send(who, 0, "POST", path, Ok(body), 200).checks
    }
}

const NOTHING: [&str; 0] = [];

fn kind(more: Value) -> Value {
    let mut kind = json!({"name": "orders", "routes": ["order"], "id": "path:id"});
    kind.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"kinds": [kind]})
}

fn owned(more: Value) -> Site {
    let mut kind = kind(json!({"owner": "claim:customer", "enumeration": {"enabled": false}}));
    kind["kinds"][0].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Site::new(&kind)
}

#[test]
fn only_ones_own_object_is_let_through() {
    let site = owned(json!({"unless": {"scopes": ["orders:all"], "claims": {"role": ["auditor"]}}}));
    for (who, path, own) in [
        ("ada", "/orders/42", true),
        ("ada", "/orders/%34%32", true),
        ("ada", "/orders/43", false),
        ("ada", "/orders/042", false),
        ("ada", "/orders/42%20", false),
        ("bob", "/orders/42", false),
        ("sue", "/orders/42", true),
        ("tim", "/orders/42", true),
        ("192.0.2.9", "/orders/42", false),
    ] {
        let seen = site.send(who, 0, "GET", path, Ok(""), 200);
        assert_eq!(seen.passed, own, "{who} {path}: {seen:?}");
        assert_eq!(seen.checks == ["objects.owner"], !own, "{who} {path}: {seen:?}");
    }
    assert_eq!(site.get("ada", "/search"), NOTHING, "another route");
}

#[test]
fn a_claim_may_be_a_list() {
    let site = owned(json!({"owner": "claim:customers"}));
    assert_eq!(site.get("bob", "/orders/7"), NOTHING);
    assert_eq!(site.get("bob", "/orders/8"), NOTHING);
    assert_eq!(site.get("bob", "/orders/9"), ["objects.owner"]);
    assert_eq!(site.get("ada", "/orders/42"), ["objects.owner"], "who has no such claim has no objects");
}

#[test]
fn an_id_in_the_query_is_there_exactly_once() {
    let site = owned(json!({"routes": ["search"], "id": "query:id"}));
    assert_eq!(site.get("ada", "/search?id=42"), NOTHING);
    assert_eq!(site.get("ada", "/search?%69d=%342"), NOTHING);
    for query in ["", "?id=", "?id=43", "?id=42&id=43", "?id=42&%69d=42"] {
        assert_eq!(site.get("ada", &format!("/search{query}")), ["objects.owner"], "{query}");
    }
    // What a service may take for the id is refused before.
    for query in ["?ID=42", "?id=42&ID=43", "?id=42&id[]=43"] {
        let seen = site.send("ada", 0, "GET", &format!("/search{query}"), Ok(""), 200);
        assert!(!seen.passed && seen.checks == NOTHING, "{query}: {seen:?}");
    }
}

#[test]
fn every_id_of_a_body_is_looked_at_and_no_body_hides_one() {
    let site = owned(json!({"routes": ["batch"], "id": "body:order.ids", "owner": "claim:customers"}));
    let post = |body: &str| site.post("bob", "/batch", body);
    assert_eq!(post(r#"{"order": {"ids": [7, "8"]}}"#), NOTHING);
    assert_eq!(post(r#"{"order": {"ids": 7}}"#), NOTHING);
    assert_eq!(post(r#"{"order": {"ids": 7.0}}"#), NOTHING);
    for body in [
        r#"{"order": {"ids": [7, 9]}}"#,
        r#"{"order": {"ids": []}}"#,
        r#"{"order": {"ids": [[7]]}}"#,
        r#"{"order": {"ids": null}}"#,
        r#"{"order": {"ids": 9.0}}"#,
        r#"{"order": {"ids": 7.5}}"#,
        r#"{"order": {"ids": 7, "ids": 9}}"#,
        r#"{"order": {}}"#,
        "order=7",
        " ",
        "",
    ] {
        assert_eq!(post(body), ["objects.owner"], "{body}");
    }
    for why in [Unread::TooLong, Unread::Late, Unread::Unavailable] {
        assert!(!site.send("bob", 0, "POST", "/batch", Err(why), 200).passed, "{why:?}");
    }
}

#[test]
fn many_different_ids_are_an_enumeration_and_one_again_and_again_is_none() {
    let site = Site::new(&kind(json!({})));
    (0..100).for_each(|_| assert_eq!(site.get("ada", "/orders/42"), NOTHING));
    for number in 0..60 {
        site.get("bob", &format!("/orders/x{}", number * number * 7919));
    }
    assert_eq!(site.get("bob", "/orders/42"), ["objects.enumeration"]);
    assert_eq!(site.get("bob", "/search"), NOTHING, "another route");
    assert_eq!(site.get("ada", "/orders/42"), NOTHING, "another actor at the same address");
    assert_eq!(site.send("bob", 1300, "GET", "/orders/1", Ok(""), 200).checks, NOTHING, "forgotten");
}

#[test]
fn nobody_gets_fresh_by_spelling() {
    let site = Site::new(&kind(json!({})));
    for zeros in 0..60 {
        site.get("ada", &format!("/orders/{}42", "0".repeat(zeros)));
        site.get("bob", &format!("/orders/{}", if zeros % 2 == 0 { "aB" } else { "%41b" }));
    }
    assert_eq!((site.get("ada", "/orders/42"), site.get("bob", "/orders/ab")), (vec![], vec![]), "one id each");
}

#[test]
fn a_row_is_seen_before_there_are_many() {
    let site = Site::new(&kind(json!({})));
    for number in [3, 1, 2, 5, 4, 6, 8, 7] {
        assert_eq!(site.get("ada", &format!("/orders/ord-{number}")), NOTHING);
    }
    assert_eq!(site.get("ada", "/orders/ord-9"), ["objects.sequence"]);
    let ids = (0..20).map(|number| (number * 50).to_string()).collect::<Vec<_>>().join(",");
    let site = Site::new(&kind(json!({"routes": ["batch"], "id": "body:ids"})));
    site.post("ada", "/batch", &format!("{{\"ids\": [{ids}]}}"));
    assert!(site.post("ada", "/batch", "{\"ids\": 1}").contains(&"objects.sequence"), "in one body");
}

#[test]
fn who_mostly_guesses_is_seen_by_the_answers() {
    let site = Site::new(&kind(json!({"enumeration": {"distinct": 40, "refused_share": 0.5}})));
    let ask = |who: &str, number: u64, status: u16| {
        let path = format!("/orders/{}", number * number * 7919);
        site.send(who, 0, "GET", &path, Ok(""), status).checks
    };
    (0..30).for_each(|number| drop(ask("ada", number, 404)));
    (0..30).for_each(|number| drop(ask("bob", number, 200)));
    (0..30).for_each(|number| drop(ask("sue", number, 500)));
    assert_eq!(ask("ada", 1, 200), ["objects.refused"]);
    assert_eq!((ask("bob", 1, 200), ask("sue", 1, 200)), (vec![], vec![]));
}

#[test]
fn what_we_refuse_ourselves_counts_as_an_attempt() {
    let site = Site::new(&kind(json!({"owner": "claim:customer"})));
    for number in 100..160 {
        site.get("ada", &format!("/orders/{}", number * number));
    }
    let seen = site.get("ada", "/orders/42");
    assert_eq!(seen, ["objects.enumeration", "objects.refused"]);
}

fn privilege(more: Value) -> Site {
    let mut privilege = json!({"role": "claim:role", "requests": 50, "learning": "1h"});
    privilege.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Site::new(&json!({"privilege": privilege}))
}

/// Forty clerks do what clerks do.
fn work(site: &Site, secs: u64) {
    for number in 0..80 {
        site.send(&format!("c{}", number % 40), secs, "GET", "/search", Ok(""), 200);
    }
}

#[test]
fn a_role_is_known_by_what_its_members_do() {
    let site = privilege(json!({}));
    let probe = |secs: u64| site.send("ada", secs, "DELETE", "/users", Ok(""), 403).checks;
    assert_eq!(probe(0), NOTHING);
    work(&site, 0);
    assert_eq!(probe(10), NOTHING, "known for too short a time");
    assert_eq!(probe(3700), ["objects.privilege"]);
    let search = |who: &str| site.send(who, 3700, "HEAD", "/search", Ok(""), 200).checks;
    assert_eq!((search("ada"), search("bob")), (vec![], vec![]), "what all do, by `HEAD` too");
    let other = |who: &str| site.send(who, 3700, "DELETE", "/users", Ok(""), 200).checks;
    assert_eq!((other("sue"), other("tim")), (vec![], vec![]), "roles of which nothing is known");
    assert_eq!(other("192.0.2.9"), NOTHING);
}

#[test]
fn one_subject_teaches_a_role_nothing_and_failures_teach_nobody() {
    let site = privilege(json!({}));
    work(&site, 0);
    let delete = |who: &str, status: u16| site.send(who, 3700, "DELETE", "/users", Ok(""), status).checks;
    (0..200).for_each(|_| assert_eq!(delete("ada", 200), ["objects.privilege"]));
    (0..40).for_each(|number| assert_eq!(delete(&format!("c{number}"), 404), ["objects.privilege"]));
    assert_eq!(delete("bob", 200), ["objects.privilege"], "the second");
    // Two subjects share a bit once in a while, so more than three may be needed.
    (0..6).for_each(|number| drop(delete(&format!("c{number}"), 200)));
    assert_eq!(delete("c7", 200), NOTHING, "now it is what clerks do");
}

#[test]
fn a_role_of_few_is_never_known() {
    let site = privilege(json!({}));
    (0..300).for_each(|_| drop(site.get("sue", "/search")));
    assert_eq!(site.send("sue", 9000, "DELETE", "/users", Ok(""), 200).checks, NOTHING);
}

#[test]
fn a_suspicion_because_of_the_past_is_not_held_against_this_request() {
    let past: Vec<&str> = CHECKS.iter().filter(|check| is_of_the_past(check)).map(|check| check.id).collect();
    assert_eq!(past, ["objects.enumeration", "objects.sequence", "objects.refused"]);
}
