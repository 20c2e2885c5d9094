use super::*;
use crate::config::Config;
use crate::config::RouteId;
use crate::jose::claims::Claims;
use crate::request::headers::Headers;
use crate::stages::risk::{self, Judgement, Verdict};
use crate::stages::CHECKS;
use serde_json::{json, Value};

/// A card that pays for nothing.
const CARD: &str = "4111111111111111";

fn config(exposure: Value) -> Config {
    let routes = json!([{"name": "orders", "path": "/orders"}, {"name": "users", "path": "/users"}]);
    let document = json!({"version": 1, "mode": "enforce", "routes": routes, "exposure": exposure});
    Config::parse(document.to_string().as_bytes(), CHECKS).unwrap()
}

fn head(pairs: &[(&str, &str)]) -> Head {
    let base = [(":status", "200"), ("content-type", "application/json")];
    let replaced = |name: &str| pairs.iter().any(|(other, _)| *other == name);
    let base = base.into_iter().filter(|(name, _)| !replaced(name));
    Head::new(Headers::from_pairs(base.chain(pairs.iter().copied())), true).unwrap()
}

/// What became of a body.
struct Outcome {
    body: Option<String>,
    changes: Changes,
    findings: Vec<(&'static str, String)>,
    verdict: Verdict,
    would: Verdict,
}

fn judged_as(config: &Config, claims: Option<&Claims>, content: &Content<'_>, is_held: bool) -> Outcome {
    let exposure = config.exposure.as_ref().unwrap();
    let route = config.routes.get(RouteId::Written(0));
    let scene = Scene { config, exposure, route, claims };
    let mut findings = Findings::default();
    let mut changes = check_body(&scene, content, is_held, &mut findings);
    let mut judgement = Judgement::default();
    risk::judge_response(config, route, &findings, &mut judgement);
    Outcome {
        body: changes.body.take().map(|body| String::from_utf8(body).unwrap()),
        changes,
        findings: findings.iter().map(|finding| (finding.check.id, finding.reason.to_string())).collect(),
        verdict: judgement.verdict,
        would: judgement.would,
    }
}

fn judged(rules: Value, body: &str) -> Outcome {
    judged_as(&config(rules), None, &Content::new(&head(&[]), body.as_bytes(), None), true)
}

fn with_action(action: &str) -> Value {
    json!({"rules": [{"action": action}]})
}

#[test]
fn a_masked_value_is_unreadable_and_everything_else_is_as_it_was() {
    let body = format!(
        "{{ \"id\" : 7,\n  \"card\": {{\"number\": \"{CARD}\", \"pin\":null}}, \"é\": \"\\u00e9\\/\" }}\n"
    );
    let outcome = judged(with_action("mask"), &body);
    assert_eq!(outcome.body.as_deref(), Some(body.replace(CARD, "************1111").as_str()));
    assert_eq!(outcome.findings, [("exposure.payment_card", "1 masked in `card.number`".to_owned())]);
    assert_eq!(outcome.verdict, Verdict::Allow);
}

#[test]
fn a_number_becomes_a_string_and_a_name_takes_its_member_with_it() {
    let outcome = judged(with_action("mask"), &format!("[{CARD},{{\"{CARD}\":[1]}}]"));
    assert_eq!(outcome.body.unwrap(), "[\"************1111\",{}]");
    // The name itself is not told.
    assert_eq!(outcome.findings, [("exposure.payment_card", "2 masked in `[]`, `[].…`".to_owned())]);
}

#[test]
fn what_is_removed_is_gone_with_its_member() {
    let body = format!("{{\"a\":1,\"card\":\"{CARD}\",\"keys\":[\"x\",\"AKIAQ3EGRIY5KXJ7WZ2N\"]}}");
    assert_eq!(judged(with_action("remove"), &body).body.as_deref(), Some("{\"a\":1,\"keys\":[\"x\"]}"));
}

#[test]
fn what_is_flagged_is_told_and_stays() {
    let outcome = judged(json!({}), &format!("{{\"card\":\"{CARD}\"}}"));
    assert_eq!(outcome.body, None);
    assert_eq!(outcome.findings, [("exposure.payment_card", "1 seen in `card`".to_owned())]);
}

#[test]
fn a_blocked_response_is_withheld_and_no_other() {
    let outcome = judged(with_action("block"), &format!("{{\"card\":\"{CARD}\"}}"));
    assert_eq!((outcome.verdict, outcome.body), (Verdict::Deny, None));
    assert_eq!(judged(with_action("block"), "{\"card\":\"4111111111111112\"}").verdict, Verdict::Allow);
}

#[test]
fn in_monitor_mode_and_for_what_has_passed_nothing_is_changed() {
    let document = json!({"version": 1, "mode": "monitor", "routes": [{"name": "orders", "path": "/"}],
        "exposure": {"rules": [{"kinds": ["iban"], "action": "mask"}, {"action": "block"}]}});
    let monitor = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let body = format!("[\"{CARD}\",\"GB33BUKB20201555555555\"]");
    let head = head(&[]);
    let content = Content::new(&head, body.as_bytes(), None);
    let outcome = judged_as(&monitor, None, &content, false);
    assert_eq!((outcome.body, outcome.verdict, outcome.would), (None, Verdict::Allow, Verdict::Deny));
    let exposure = monitor.exposure.as_ref().unwrap();
    let scene = Scene { config: &monitor, exposure, route: monitor.routes.get(RouteId::Written(0)), claims: None };
    assert_eq!(wish(&scene, &head), Wish { reads: true, holds: false, stops: false });
    let passed = judged_as(&config(with_action("mask")), None, &content, false);
    assert_eq!(passed.body, None);
    assert_eq!(passed.findings[0].1, "1 seen in `[]`");
}

#[test]
fn only_what_may_change_a_response_holds_it_back() {
    let wished = |rules: Value| {
        let config = config(rules);
        let exposure = config.exposure.as_ref().unwrap();
        let route = config.routes.get(RouteId::Written(0));
        let wish = wish(&Scene { config: &config, exposure, route, claims: None }, &head(&[]));
        (wish.reads, wish.holds)
    };
    assert_eq!(wished(json!({})), (true, false));
    assert_eq!(wished(json!({"rules": []})), (false, false));
    assert_eq!(wished(with_action("pass")), (false, false));
    assert_eq!(wished(with_action("mask")), (true, true));
    assert_eq!(wished(json!({"rules": [{"routes": ["users"], "action": "mask"}]})), (false, false));
    assert_eq!(wished(json!({"rules": [{"statuses": ["5xx"], "action": "mask"}]})), (false, false));
    assert_eq!(wished(json!({"rules": [], "fields": [{"allow": ["id"], "action": "remove"}]})), (true, true));
    assert_eq!(
        wished(json!({"rules": [], "volume": [{"name": "v", "routes": ["orders"], "records_max": 1}]})),
        (true, false)
    );
    assert_eq!(
        wished(json!({"rules": [], "volume": [{"name": "v", "routes": ["orders"], "bytes_max": "1KiB"}]})),
        (false, false)
    );
}

#[test]
fn the_first_rule_that_is_for_the_caller_decides() {
    let rules = json!({"rules": [
        {"scopes": ["support"], "kinds": ["payment_card"], "action": "pass"},
        {"claims": {"role": ["agent"]}, "kinds": ["payment_card"], "action": "flag"},
        {"kinds": ["payment_card"], "action": "mask", "mask": "redact"}]});
    let config = config(rules);
    let body = format!("[\"{CARD}\"]");
    let as_caller = |claims: Value| {
        let claims = claims.as_object().cloned().map(Claims::new);
        let outcome = judged_as(&config, claims.as_ref(), &Content::new(&head(&[]), body.as_bytes(), None), true);
        (outcome.findings.len(), outcome.body)
    };
    assert_eq!(as_caller(json!({"scope": "read support"})), (0, None));
    assert_eq!(as_caller(json!({"role": "agent"})), (1, None));
    assert_eq!(as_caller(json!({"role": "user"})), (1, Some("[\"[redacted]\"]".to_owned())));
    assert_eq!(as_caller(json!(null)), (1, Some("[\"[redacted]\"]".to_owned())));
}

#[test]
fn one_address_is_everyday_and_ten_are_a_list() {
    let list = |count: usize| (0..count).map(|number| format!("user{number}@example.com")).collect::<Vec<_>>();
    let rules = || json!({"rules": [{"kinds": ["email"], "action": "mask"}]});
    assert_eq!(judged(rules(), &json!(list(9)).to_string()).findings, []);
    let outcome = judged(rules(), &json!(list(10)).to_string());
    assert_eq!(outcome.findings, [("exposure.email", "10 masked in `[]`".to_owned())]);
    assert!(!outcome.body.unwrap().contains('@'));
    let strict = json!({"rules": [{"kinds": ["email"], "at_least": 1, "action": "mask"}]});
    assert_eq!(judged(strict, &json!(list(1)).to_string()).body.as_deref(), Some("[\"[redacted]\"]"));
}

fn allowed(allow: Value, action: &str, body: &str) -> Outcome {
    judged(json!({"rules": [], "fields": [{"allow": allow, "action": action}]}), body)
}

#[test]
fn fields_that_are_not_listed_are_taken_out() {
    for (allow, body, left) in [
        (json!(["id", "name"]), r#"{"id":1, "name":"a", "secret":2}"#, r#"{"id":1, "name":"a"}"#),
        (json!(["[].id"]), r#"[{"id":1,"x":2},{"x":3}]"#, r#"[{"id":1},{}]"#),
        (json!(["items[].sku"]), r#"{"items":[{"sku":1,"cost":2}],"total":3}"#, r#"{"items":[{"sku":1}]}"#),
        (json!(["a.*.b"]), r#"{"a":{"x":{"b":1,"c":2},"y":{"c":3}}}"#, r#"{"a":{"x":{"b":1},"y":{}}}"#),
        (json!(["card.last4"]), r#"{"card":"4111","o":1}"#, "{}"),
        (json!(["card.last4"]), r#"{"card":null}"#, r#"{"card":null}"#),
        (json!(["a"]), r#"{"a":{"deep":[1,2]},"A":1}"#, r#"{"a":{"deep":[1,2]}}"#),
        (json!(["a"]), r#"{"\u0061":1,"b":1,"b":2,"a":3}"#, r#"{"\u0061":1,"a":3}"#),
        (json!(["id"]), r#"[1,2]"#, "[]"),
        (json!(["id"]), "\"text\"", "null"),
    ] {
        let outcome = allowed(allow, "remove", body);
        assert_eq!(outcome.body.unwrap_or_else(|| body.to_owned()), left, "{body}");
    }
}

#[test]
fn a_schema_lists_fields_as_paths_do() {
    let schema = json!({"type": "array", "items": {"properties": {"id": {}, "owner": {"$ref": "#/components/schemas/owner"}}}});
    let schemas = json!({"orders": schema, "owner": {"properties": {"name": {"type": "string"}}}});
    let fields = json!([{"schema": "orders", "allow": ["[].note"], "action": "remove"}]);
    let rules = json!({"rules": [], "schemas": schemas, "fields": fields});
    let outcome = judged(rules, r#"[{"id":1,"owner":{"name":"a","mail":"b"},"note":2,"cost":3}]"#);
    assert_eq!(outcome.body.unwrap(), r#"[{"id":1,"owner":{"name":"a"},"note":2}]"#);
}

#[test]
fn fields_are_masked_flagged_or_block() {
    let body = r#"{"id":1,"email":"ada@example.com","tags":["a"],"n":12345678}"#;
    let masked = allowed(json!(["id"]), "mask", body);
    assert_eq!(masked.body.unwrap(), r#"{"id":1,"email":"[redacted]","tags":"[redacted]","n":"[redacted]"}"#);
    assert_eq!(masked.findings, [("exposure.fields", "3 masked in `email`, `n`, `tags`".to_owned())]);
    let flagged = allowed(json!(["id"]), "flag", body);
    assert_eq!((flagged.body, flagged.findings.len()), (None, 1));
    assert_eq!(allowed(json!(["id"]), "block", body).verdict, Verdict::Deny);
    assert_eq!(allowed(json!(["id", "email", "tags", "n"]), "block", body).verdict, Verdict::Allow);
    let ends =
        judged(json!({"rules": [], "fields": [{"allow": ["id"], "action": "mask", "mask": "last4"}]}), body);
    assert_eq!(ends.body.unwrap(), r#"{"id":1,"email":"*********e.com","tags":"[redacted]","n":"****5678"}"#);
}

#[test]
fn two_actions_at_once_leave_one_valid_document() {
    let rules = json!({
        "rules": [{"kinds": ["payment_card"], "action": "mask"}, {"kinds": ["credential"], "action": "remove"}],
        "fields": [{"allow": ["id", "card", "key", "note"], "action": "remove"}]});
    let body = format!(
        r#"{{"x":{CARD},"id":1,"card":"{CARD} and {CARD}","key":"AKIAQ3EGRIY5KXJ7WZ2N","note":"n","y":[1]}}"#
    );
    let outcome = judged(rules, &body);
    assert_eq!(outcome.body.unwrap(), r#"{"id":1,"card":"************1111 and ************1111","note":"n"}"#);
    assert_eq!(
        outcome.findings.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        ["exposure.fields", "exposure.credential", "exposure.payment_card"]
    );
}

#[test]
fn lines_and_text_are_changed_too() {
    let lines = head(&[("content-type", "application/x-ndjson")]);
    let body = format!("{{\"a\":1}}\n{{\"card\":{CARD}}}\n");
    let outcome =
        judged_as(&config(with_action("mask")), None, &Content::new(&lines, body.as_bytes(), None), true);
    assert_eq!(outcome.body.unwrap(), "{\"a\":1}\n{\"card\":\"************1111\"}\n");
    let page = head(&[("content-type", "text/html"), (":status", "500")]);
    let body = "<pre>java.lang.Error\n\tat a.B.c(B.java:1)\n\tat a.B.<init>(B.java:2)</pre>";
    let outcome = judged_as(&config(with_action("mask")), None, &Content::new(&page, body.as_bytes(), None), true);
    assert_eq!(outcome.body.unwrap(), "<pre>java.lang.Error\n\t[redacted]\n\t[redacted]</pre>");
    assert_eq!(outcome.findings, [("exposure.stack_trace", "2 masked".to_owned())]);
}

#[test]
fn what_vouches_for_the_old_bytes_goes_and_the_length_is_new() {
    let head =
        head(&[("etag", "\"1\""), ("content-length", "20"), ("accept-ranges", "bytes"), ("repr-digest", "x")]);
    let body = format!("[\"{CARD}\"]");
    let config = config(with_action("mask"));
    let outcome = judged_as(&config, None, &Content::new(&head, body.as_bytes(), None), true);
    assert_eq!(outcome.changes.remove, ["etag", "repr-digest", "accept-ranges"]);
    assert_eq!(outcome.changes.length, Some(outcome.body.unwrap().len()));
    let untouched = judged_as(&config, None, &Content::new(&head, b"[1]", None), true);
    assert_eq!((untouched.changes, untouched.body), (Changes::default(), None));
}

#[test]
fn a_head_without_a_body_does_not_vouch_for_what_would_be_changed() {
    let fields =
        [(":status", "200"), ("content-type", "application/json"), ("etag", "\"1\""), ("content-length", "20")];
    let bare = Head::new(Headers::from_pairs(fields), false).unwrap();
    let removed = |rules: Value| {
        let config = config(rules);
        let exposure = config.exposure.as_ref().unwrap();
        let route = config.routes.get(RouteId::Written(0));
        let scene = Scene { config: &config, exposure, route, claims: None };
        check_head(&scene, &bare, None, &mut Findings::default()).remove
    };
    assert_eq!(removed(with_action("mask")), ["etag", "content-length"]);
    assert_eq!(removed(with_action("flag")), Vec::<String>::new());
}

#[test]
fn header_fields_that_tell_of_programs_are_found_and_removed() {
    let checked = |action: &str, fields: &[(&str, &str)]| {
        let config = config(json!({"headers": {"action": action}}));
        let exposure = config.exposure.as_ref().unwrap();
        let route = config.routes.get(RouteId::Written(0));
        let scene = Scene { config: &config, exposure, route, claims: None };
        let mut findings = Findings::default();
        let changes = check_head(&scene, &head(fields), None, &mut findings);
        (changes.remove, findings.iter().map(|finding| finding.reason.to_string()).collect::<Vec<_>>())
    };
    let telling = [("server", "Apache/2.4.1"), ("x-powered-by", "PHP/8.1")];
    assert_eq!(
        checked("remove", &telling),
        (vec!["x-powered-by".to_owned(), "server".to_owned()], vec!["2 removed: x-powered-by, server".to_owned()])
    );
    assert_eq!(checked("flag", &telling).0, Vec::<String>::new());
    assert_eq!(checked("remove", &[("server", "envoy")]), (vec![], vec![]));
    assert_eq!(checked("pass", &telling), (vec![], vec![]));
}

#[test]
fn what_cannot_be_read_follows_its_policy() {
    let json = head(&[]);
    let rules = |policy: &str| json!({"rules": [{"action": "mask"}], "on_error": {"too_long": policy}});
    let body = format!("[\"{CARD}\"");
    let cut = || Content::new(&json, body.as_bytes(), Some(Unread::TooLong));
    let allowed = judged_as(&config(rules("allow")), None, &cut(), true);
    assert_eq!((allowed.verdict, allowed.body), (Verdict::Allow, None));
    let ids: Vec<_> = allowed.findings.iter().map(|(id, reason)| (*id, reason.as_str())).collect();
    assert_eq!(ids, [("exposure.unchecked", "too long"), ("exposure.payment_card", "1 seen")]);
    assert_eq!(judged_as(&config(rules("block")), None, &cut(), true).verdict, Verdict::Deny);
    // Whoever is to be stopped is stopped by the beginning alone.
    assert_eq!(judged_as(&config(with_action("block")), None, &cut(), true).verdict, Verdict::Deny);
    let broken = judged(
        json!({"rules": [], "fields": [{"allow": ["id"], "action": "remove"}], "on_error": {"broken": "block"}}),
        "{\"id\":",
    );
    assert_eq!(
        (broken.verdict, broken.findings),
        (Verdict::Deny, vec![("exposure.unchecked", "not JSON".to_owned())])
    );
}

#[test]
fn broken_json_is_masked_as_text() {
    assert_eq!(
        judged(with_action("mask"), &format!("{{\"card\":\"{CARD}\"")).body.unwrap(),
        "{\"card\":\"************1111\""
    );
}

#[test]
fn records_are_the_items_of_the_list() {
    let volume = |records: Value| json!({"rules": [], "volume": [{"name": "v", "routes": ["orders"], "records": records, "records_max": 9}]});
    assert_eq!(judged(volume(json!(null)), "[1,[2,3],{}]").changes.records, [3]);
    assert_eq!(judged(volume(json!("data.items")), r#"{"data":{"n":1,"items":[1,2]}}"#).changes.records, [2]);
    assert_eq!(judged(volume(json!("data.items")), r#"{"data":{}}"#).changes.records, [1]);
    assert_eq!(judged(json!({}), "[1,2]").changes.records, [0; 0]);
}

#[test]
fn no_value_reaches_a_finding() {
    let secret = "AKIAQ3EGRIY5KXJ7WZ2N";
    let body = json!({"a": {CARD: secret}, secret: CARD, "list": [CARD, {"x": secret}]}).to_string();
    for action in ["flag", "mask", "remove", "block"] {
        let outcome = judged(with_action(action), &body);
        let told = format!("{:?}", outcome.findings);
        assert!(!told.contains(CARD) && !told.contains(secret) && outcome.findings.len() == 2, "{told}");
    }
}

/// A key of a cloud that opens nothing.
const KEY: &str = "AKIAQ3EGRIY5KXJ7WZ2N";

fn judged_under(rules: Value, fields: &[(&str, &str)], body: &[u8]) -> Outcome {
    judged_as(&config(rules), None, &Content::new(&head(fields), body, None), true)
}

const TEXT: &[(&str, &str)] = &[("content-type", "text/plain")];

#[test]
fn a_line_that_is_flagged_hides_nothing_that_is_to_be_changed() {
    let rules = |action: &str| json!({"rules": [{"kinds": ["payment_card", "credential"], "action": action}, {"action": "flag"}]});
    let error = format!("You have an error in your SQL syntax near {CARD} for {KEY}, line 1");
    let masked = error.replace(CARD, "************1111").replace(KEY, "[redacted]");
    let outcome = judged_under(rules("mask"), TEXT, error.as_bytes());
    assert_eq!(outcome.body.as_deref(), Some(masked.as_str()));
    let told: Vec<&str> = outcome.findings.iter().map(|(id, _)| *id).collect();
    assert_eq!(told, ["exposure.credential", "exposure.payment_card", "exposure.sql_error"]);
    let outcome = judged(rules("mask"), &json!({"e": format!("at a.B.c(B.java:1) {CARD}\n{error}")}).to_string());
    assert_eq!(
        outcome.body.unwrap(),
        json!({"e": format!("at a.B.c(B.java:1) ************1111\n{masked}")}).to_string()
    );
    assert_eq!(judged(rules("block"), &json!({"e": error}).to_string()).verdict, Verdict::Deny);
}

#[test]
fn nor_does_a_find_about_which_less_is_done() {
    let rules = |action: &str| {
        json!({"rules": [{"kinds": ["payment_card", "credential"], "action": action},
            {"kinds": ["phone"], "at_least": 1, "action": "mask"}, {"action": "flag"}]})
    };
    // A number with a plus sign, a key under a name of tokens.
    for body in ["{\"p\":\"+378282246310005\"}", "{\"api_key\":\"AKIAQ3EGRIY5KXJ7WZ2N\"}"] {
        assert_eq!(judged(rules("block"), body).verdict, Verdict::Deny, "{body}");
        assert_eq!(judged(rules("remove"), body).body.as_deref(), Some("{}"), "{body}");
    }
    // An address that is one of too few to be told hides no host.
    let few = json!({"rules": [{"action": "mask"}]});
    assert_eq!(judged(few, r#"["root@db.internal"]"#).body.as_deref(), Some(r#"["root@[redacted]"]"#));
}

/// How many make a finding is the rule's choice, and so is what hides nothing.
#[test]
fn nor_does_a_find_that_is_one_of_too_few() {
    let rules = json!({"rules": [{"kinds": ["iban"], "at_least": 2, "action": "mask"}, {"action": "mask"}]});
    let outcome = judged(rules, r#"["LB14 4111 1111 1111 1111 0000 0000"]"#);
    assert_eq!(outcome.body.as_deref(), Some(r#"["LB14 **** **** **** 1111 0000 0000"]"#));
    let rules = json!({"rules": [{"kinds": ["phone"], "at_least": 1, "action": "mask"}, {"action": "mask"}]});
    let outcome = judged(rules, r#"["+491711234567@shop.example"]"#);
    assert_eq!(outcome.body.as_deref(), Some(r#"["+********4567@shop.example"]"#));
}

/// Most of what is above what leaks is never told, and not looked into either.
#[test]
fn of_deep_places_the_innermost_names_are_told() {
    let cards = vec![format!("\"{CARD}\""); 64].join(",");
    let body = format!("{}[{cards}]{}", "{\"a\":".repeat(990), "}".repeat(990));
    let outcome = judged(with_action("mask"), &body);
    assert_eq!(outcome.findings, [("exposure.payment_card", "64 masked in `a.a.a.a.a.a.a[]`".to_owned())]);
}

#[test]
fn of_what_overlaps_nothing_stays() {
    let line = format!("SQLSTATE[42000]: {CARD} {}", "x".repeat(400));
    let rules =
        || json!({"rules": [{"kinds": ["sql_error"], "action": "mask", "mask": "last4"}, {"action": "mask"}]});
    assert_eq!(judged(rules(), &json!([line]).to_string()).body.as_deref(), Some("[\"[redacted]\"]"));
    assert_eq!(judged_under(rules(), TEXT, line.as_bytes()).body.as_deref(), Some("[redacted]"));
    let removed = json!({"rules": [{"kinds": ["payment_card"], "action": "remove"}, {"action": "mask"}]});
    assert_eq!(judged_under(removed, TEXT, format!("a: {line}").as_bytes()).body.as_deref(), Some("a: "));
    // A number that one rule masks and another one removes is removed.
    let both = json!({"rules": [{"kinds": ["payment_card"], "action": "remove"}, {"action": "mask"}],
        "fields": [{"allow": ["id"], "action": "mask"}]});
    assert_eq!(judged(both, &format!("{{\"id\":1,\"n\":{CARD}}}")).body.as_deref(), Some("{\"id\":1}"));
}

#[test]
fn a_line_is_hidden_to_its_end() {
    let rules = || json!({"rules": [{"action": "mask"}]});
    let text = "ERROR: syntax error at or near \"FROM\" in query\nFile \"/srv/app.py\", line 12, in pay\nok";
    let hidden = "ERROR: [redacted]\n[redacted]\nok";
    assert_eq!(judged_under(rules(), TEXT, text.as_bytes()).body.as_deref(), Some(hidden));
    let body = json!({"error": text, "b": 1}).to_string();
    assert_eq!(judged(rules(), &body).body.unwrap(), json!({"error": hidden, "b": 1}).to_string());
    let page = "<b title=\"HTTP Status 500 in\">HTTP Status 500 \u{2013} error</b>";
    assert_eq!(
        judged_under(rules(), TEXT, page.as_bytes()).body.as_deref(),
        Some("<b title=\"[redacted]\">[redacted]</b>")
    );
}

#[test]
fn numbers_that_are_masked_in_a_text_stay_values() {
    let rules = |action: &str| json!({"rules": [{"action": action}]});
    // More than is read of JSON; broken; a script.
    let deep = format!("{}{CARD}{}", "[".repeat(1001), "]".repeat(1001));
    assert_eq!(judged(rules("mask"), &deep).body.unwrap(), deep.replace(CARD, "\"************1111\""));
    assert_eq!(judged(rules("remove"), &deep).body.unwrap(), deep.replace(CARD, "null"));
    let broken = format!("{{\"a\":[ {CARD} , \"{CARD}\"], \"b\" : {CARD}}}}}");
    let masked = "{\"a\":[ \"************1111\" , \"************1111\"], \"b\" : \"************1111\"}}";
    assert_eq!(judged(rules("mask"), &broken).body.as_deref(), Some(masked));
    let script = format!("call({{\"card\":{CARD}}}); // card: {CARD}, [{CARD}]");
    let masked = "call({\"card\":\"************1111\"}); // card: ************1111, [************1111]";
    assert_eq!(judged_under(rules("mask"), TEXT, script.as_bytes()).body.as_deref(), Some(masked));
}

#[test]
fn what_is_too_complex_is_told_and_follows_its_own_policy() {
    let fields = |policy: &str| {
        json!({"rules": [], "fields": [{"allow": ["id"], "action": "remove"}],
            "on_error": {"too_complex": policy, "broken": "allow"}})
    };
    let deep = format!("{{\"id\":1,\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    let many = format!("[{}1]", "1,".repeat(300_000));
    for (body, why) in [(&deep, "nested too deeply"), (&many, "too many values")] {
        let passed = judged(fields("allow"), body);
        assert_eq!((passed.verdict, passed.body), (Verdict::Allow, None));
        assert_eq!(passed.findings, [("exposure.unchecked", why.to_owned())]);
        assert_eq!(judged(fields("block"), body).verdict, Verdict::Deny);
        // Where nothing is looked for in fields, and nothing was found, nothing is missed.
        assert_eq!(
            judged(json!({"rules": [{"action": "mask"}], "on_error": {"too_complex": "block"}}), body).findings,
            []
        );
    }
    let leak = deep.replace("\"id\":1", &format!("\"card\":{CARD}"));
    let blocked = json!({"rules": [{"action": "mask"}], "on_error": {"too_complex": "block"}});
    assert_eq!(judged(blocked, &leak).verdict, Verdict::Deny);
}

#[test]
fn json_is_read_under_whatever_name_and_disguise() {
    let rules = || json!({"rules": [], "fields": [{"allow": ["id"], "action": "remove"}]});
    let lines = "{\"id\":1,\"x\":2}\n{\"x\":3}\n";
    for (kind, body, left) in [
        ("text/plain", "{\"id\":1,\"x\":2}", "{\"id\":1}"),
        ("application/javascript", ")]}',\n{\"id\":1,\"x\":2}", ")]}',\n{\"id\":1}"),
        ("application/json", ")]}'\n{\"id\":1,\"x\":2}", ")]}'\n{\"id\":1}"),
        ("application/json", "\u{feff}{\"id\":1,\"x\":2}", "\u{feff}{\"id\":1}"),
        ("application/vnd.x+json; charset=utf-8", "{\"id\":NaN,\"x\":-Infinity}", "{\"id\":NaN}"),
        ("application/json", lines, "{\"id\":1}\n{}\n"),
        ("application/stream+json", lines, "{\"id\":1}\n{}\n"),
    ] {
        let outcome = judged_under(rules(), &[("content-type", kind)], body.as_bytes());
        assert_eq!((outcome.body.as_deref(), outcome.findings.len()), (Some(left), 1), "{kind} {body}");
    }
    let page = judged_under(rules(), &[("content-type", "text/html")], b"<html>");
    assert_eq!(page.findings, [("exposure.unchecked", "not JSON".to_owned())]);
}

#[test]
fn how_a_value_is_written_does_not_hide_it() {
    let rules = || json!({"rules": [{"action": "mask"}]});
    for (body, masked) in [
        (r#"["\u00341111111\u0031111111\u0031"]"#, r#"["************1111"]"#),
        (r#"["mysql:\/\/app:s3cr3t@db.example"]"#, r#"["[redacted]@db.example"]"#),
        (
            r#"{"n":4.111111111111111e15,"m":4111111111111111.0}"#,
            r#"{"n":"*.**************1e15","m":"*************111.0"}"#,
        ),
        (r#"["a\\u00344111111111111111"]"#, r#"["a\\u00344111111111111111"]"#),
    ] {
        assert_eq!(judged(rules(), body).body.as_deref().unwrap_or(body), masked);
    }
}

/// What is said of a body that was not read, by the head alone.
fn unread(rules: Value, fields: &[(&str, &str)]) -> (Vec<String>, bool) {
    let config = config(rules);
    let scene = Scene {
        config: &config,
        exposure: config.exposure.as_ref().unwrap(),
        route: config.routes.get(RouteId::Written(0)),
        claims: None,
    };
    let head = head(fields);
    let mut findings = Findings::default();
    check_head(&scene, &head, head.obstacle(), &mut findings);
    let withheld = risk::judge_response(&config, scene.route, &findings, &mut Judgement::default());
    (findings.iter().map(|finding| finding.reason.to_string()).collect(), withheld)
}

#[test]
fn data_that_are_no_text_follow_a_policy_where_something_would_be_changed() {
    let policy = |mut rules: Value, policy: &str| {
        rules["on_error"] = json!({"unreadable": policy});
        rules
    };
    let (mask, flag) = (json!({"rules": [{"action": "mask"}]}), json!({"rules": [{"action": "flag"}]}));
    let fields = json!({"rules": [], "fields": [{"allow": ["id"], "action": "remove"}]});
    let wide = "application/json; charset=utf-16";
    for (rules, kind, told, stopped) in [
        (&mask, "application/x-protobuf", true, true),
        (&mask, "multipart/mixed", true, true),
        (&mask, wide, true, true),
        (&mask, "image/png", false, false),
        (&mask, "text/event-stream", false, false),
        (&fields, "application/x-protobuf", true, true),
        (&fields, "image/png", true, true),
        (&fields, "text/event-stream", true, false),
        (&flag, "application/x-protobuf", false, false),
        (&flag, wide, true, false),
    ] {
        let pairs = [("content-type", kind)];
        let (reasons, withheld) = unread(policy(rules.clone(), "block"), &pairs);
        assert_eq!((reasons.len(), withheld), (usize::from(told), stopped), "{rules} {kind}");
        let (reasons, withheld) = unread(policy(rules.clone(), "allow"), &pairs);
        assert_eq!((reasons.len(), withheld), (usize::from(told), false), "{rules} {kind}");
    }
    let wide: Vec<u8> = format!("[\"{CARD}\"]").bytes().flat_map(|byte| [byte, 0]).collect();
    assert_eq!(judged_under(policy(mask, "block"), &[], &wide).verdict, Verdict::Deny);
}

#[test]
fn records_of_what_is_too_long_are_those_of_its_beginning() {
    let volume = json!({"rules": [], "volume": [{"name": "v", "routes": ["orders"], "records": "items", "records_max": 9}]});
    let cut = format!("{{\"n\":1,\"items\":[{}", "{\"id\":1},".repeat(7));
    let head = head(&[]);
    let content = Content::new(&head, cut.as_bytes(), Some(Unread::TooLong));
    assert_eq!(judged_as(&config(volume.clone()), None, &content, false).changes.records, [7]);
    let table = judged_under(volume, &[("content-type", "text/csv; header=present")], b"id,name\n1,a\n2,b\n");
    assert_eq!(table.changes.records, [3]);
}

#[test]
fn what_cannot_be_counted_is_told() {
    let volume = |limit: &str| json!({"rules": [], "volume": [{"name": "v", "routes": ["orders"], limit: 9}]});
    for (fields, told) in
        [([("content-encoding", "gzip")], "compressed"), ([("content-type", "application/cbor")], "not text")]
    {
        assert_eq!(unread(volume("records_max"), &fields), (vec![told.to_owned()], false));
    }
    let bytes = json!({"rules": [], "volume": [{"name": "v", "routes": ["orders"], "bytes_max": "1KiB"}]});
    assert_eq!(unread(bytes, &[("content-encoding", "gzip")]).0, [""; 0]);
}
