use crate::config::Config;
use crate::engine::waiting::Wait;
use crate::engine::{Engine, Ports, Step};
use crate::request::body::Unread;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::response::Response;
use crate::stages::CHECKS;
use crate::time::Millis;
use serde_json::{json, Value};

const NOW: Millis = Millis::from_secs(1_800_000_000);

fn engine(rules: Value) -> Engine {
    let document = json!({
        "version": 1,
        "mode": "enforce",
        "routes": [
            {"name": "orders", "path": "/orders/{id}"},
            {"name": "other", "path": "/other"},
        ],
        "rules": rules,
    });
    Engine::new(Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(), Ports::in_process([7; 16]))
}

/// What came of one request: its verdict with the code, the reasons of what was found, and what the client was told.
#[derive(Debug, PartialEq)]
struct Told {
    summary: String,
    reasons: Vec<String>,
    reply: Option<Value>,
}

struct Sent<'a> {
    fields: Vec<(&'a str, &'a str)>,
    body: Result<&'a str, Unread>,
    source: [u8; 4],
    now: Millis,
}

impl<'a> Sent<'a> {
    fn post(body: &'a str) -> Self {
        let fields = vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":path", "/orders/o-1?plan=free&tag=a&tag=b"),
            (":authority", "shop"),
        ];
        Self { fields, body: Ok(body), source: [192, 0, 2, 1], now: NOW }
    }

    fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.fields.push((name, value));
        self
    }

    fn to(&self, engine: &Engine) -> Told {
        let source = self.source.into();
        let request = Request::new(Headers::from_pairs(self.fields.iter().copied()), move || Some(source));
        let has_body = self.body != Ok("");
        let mut step = engine.open(request, self.now, || "r".to_owned()).judge(has_body);
        if let Step::Wait(Wait::Body(held)) = step {
            step = match self.body {
                Ok(body) => held.judge(body.as_bytes(), self.now),
                Err(why) => held.judge_unread(why, b"", 9, self.now),
            };
        }
        let (done, reply) = match step {
            Step::Forward(_permit, body) => (Box::new(body.finish().finish(Response::default())), None),
            Step::Refuse(reply, done) => (done, serde_json::from_str(&reply.body).ok()),
            other => panic!("{other:?}"),
        };
        let reasons = done.findings().iter().filter(|weighed| weighed.finding.check.id.starts_with("business"));
        let reasons = reasons.map(|weighed| format!("{} {}", weighed.finding.check.id, weighed.finding.reason));
        Told { summary: done.summary(), reasons: reasons.collect(), reply }
    }
}

/// The verdict on a request with a body under one rule.
fn under(rule: &Value, body: &str) -> String {
    let mut rule = rule.clone();
    rule["name"] = json!("r");
    Sent::post(body).to(&engine(json!([rule]))).summary
}

const VIOLATED: &str = "deny:rule_violated";
const UNDECIDED: &str = "deny:rule_undecided";

#[test]
fn a_requirement_must_hold_and_what_is_forbidden_must_not() {
    for (condition, body, required, forbidden) in [
        ("body.n <= 10", r#"{"n": 5}"#, "allow", VIOLATED),
        ("body.n <= 10", r#"{"n": 50}"#, VIOLATED, "allow"),
        // Absent: what is required is not there, what is forbidden neither.
        ("body.n <= 10", "{}", VIOLATED, "allow"),
        ("body.n <= 10", "", VIOLATED, "allow"),
        // A wrong type helps nobody.
        ("body.n <= 10", r#"{"n": "5"}"#, VIOLATED, VIOLATED),
        ("body.n * 2 <= 10", r#"{"n": 9223372036854775807}"#, VIOLATED, VIOLATED),
        ("body.n <= 10", "not json", UNDECIDED, UNDECIDED),
        ("body.n <= 10", r#"{"n": 5, "n": 50}"#, UNDECIDED, UNDECIDED),
        ("request.query.tag == 'a'", "{}", UNDECIDED, UNDECIDED),
        // Whatever decides, decides.
        ("request.query.plan == 'free' || body.n == 1", "not json", "allow", VIOLATED),
    ] {
        let found = (under(&json!({"require": condition}), body), under(&json!({"forbid": condition}), body));
        assert_eq!(found, (required.to_owned(), forbidden.to_owned()), "{condition} {body}");
    }
}

#[test]
fn a_rule_is_for_what_is_not_known_to_be_another_request() {
    let rule = json!({"when": "body.kind == 'gift'", "require": "has(request.headers['x-gift'])"});
    for (body, expected) in [
        (r#"{"kind": "gift"}"#, VIOLATED),
        (r#"{"kind": "plain"}"#, "allow"),
        ("{}", "allow"),
        // It may be one: it cannot be read.
        ("not json", VIOLATED),
        (r#"{"kind": "gift", "kind": "plain"}"#, VIOLATED),
    ] {
        assert_eq!(under(&rule, body), expected, "{body}");
    }
    let rule = json!({"when": "body.n > 3", "require": "false"});
    assert_eq!(under(&rule, r#"{"n": "many"}"#), VIOLATED);
}

#[test]
fn bodies_that_do_not_come_are_no_way_around() {
    let engine = engine(json!([{"name": "r", "require": "body.n == 1"}]));
    for why in [Unread::TooLong, Unread::Late, Unread::Unavailable] {
        let told = Sent { body: Err(why), ..Sent::post("") }.to(&engine);
        assert_eq!(told.summary, UNDECIDED, "{why:?}");
        assert_eq!(told.reasons, ["business.undecided `r`: a value cannot be read (offset 5)"]);
    }
    let upgrade = Sent::post(r#"{"n": 1}"#).with("upgrade", "websocket").to(&engine);
    assert_eq!(upgrade.summary, UNDECIDED);
}

#[test]
fn names_are_what_the_request_says() {
    for condition in [
        "request.method == 'POST' && request.path == '/orders/o-1' && request.host == 'shop'",
        "request.route == 'orders' && request.query.plan == 'free'",
        "request.headers['X-Client'] == 'app' && request.cookies.theme == 'dark'",
        "request.time == timestamp(1800000000) && actor.source == '192.0.2.1'",
        "request.scheme == 'https' && request.size == 76",
        "actor.anonymous && actor.risk == 0.0 && !has(actor.subject) && !has(claims.sub)",
        "actor.session == 's-1' && !has(actor.device) && !has(actor.client)",
        "graphql.operation == 'Checkout'",
        "size(body.items) == 2 && body.items.all(item, item.n > 0)",
    ] {
        let engine = engine(json!([{"name": "r", "require": condition}]));
        let body = r#"{"items": [{"n": 1}, {"n": 2}], "operationName": "Checkout", "query": "{a}"}"#;
        let sent = Sent::post(body).with("x-client", "app").with("cookie", "theme=dark; session_id=s-1");
        assert_eq!(sent.to(&engine).summary, "allow", "{condition}");
    }
    let told = |require: &str, sent: Sent<'_>| {
        sent.to(&engine(json!([{"name": "r", "routes": ["orders"], "require": require}]))).summary
    };
    assert_eq!(told("path.id.startsWith('x-')", Sent::post("")), VIOLATED);
    // What the client says of its connection, and what Envoy knows.
    assert_eq!(told("request.scheme == 'https'", Sent::post("").with("x-forwarded-proto", "http")), VIOLATED);
}

#[test]
fn a_rule_speaks_for_itself() {
    let rules = json!([{
        "name": "cap", "require": "body.n <= 10", "code": "too_many_items", "message": "At most ten items an order.",
    }]);
    let told = Sent::post(r#"{"n": 11}"#).to(&engine(rules));
    assert_eq!(
        (told.summary.as_str(), told.reasons.as_slice()),
        ("deny:too_many_items", &["business.rule `cap`".to_owned()][..])
    );
    let reply = told.reply.unwrap();
    assert_eq!((&reply["code"], &reply["status"]), (&json!("too_many_items"), &json!(403)));
    assert_eq!(reply["detail"], "At most ten items an order.");
    let plain = Sent::post(r#"{"n": 11}"#).to(&engine(json!([{"name": "cap", "require": "body.n <= 10"}])));
    assert_eq!(plain.reply.unwrap().get("detail"), None);
}

#[test]
fn effects_scores_and_modes_are_the_rules_own() {
    for (more, expected) in [
        (json!({"effect": "note"}), "allow"),
        (json!({"effect": "challenge"}), "challenge:step_up_required"),
        (json!({"score": 0.2}), "allow"),
        (json!({"score": 0.5}), "challenge:step_up_required"),
        (json!({"score": 0.9}), "deny:risk_denied"),
        (json!({"mode": "monitor", "code": "capped"}), "would_deny:capped"),
    ] {
        let mut rule = more.clone();
        rule["require"] = json!("false");
        assert_eq!(under(&rule, ""), expected, "{more}");
    }
    for (policy, expected) in
        [("allow", "allow"), ("challenge", "challenge:step_up_required"), ("deny", UNDECIDED)]
    {
        let rule = json!({"require": "body.n == 1", "on_error": policy});
        assert_eq!(under(&rule, "not json"), expected);
    }
    // Several that are weak are enough together.
    let weak = |name: &str| json!({"name": name, "require": "false", "score": 0.35});
    let told = Sent::post("").to(&engine(json!([weak("a"), weak("b"), weak("c")])));
    assert_eq!((told.summary.as_str(), told.reasons.len()), ("deny:risk_denied", 3));
}

#[test]
fn a_rule_of_another_route_is_none_of_this_one() {
    let engine = engine(json!([{"name": "r", "routes": ["other"], "require": "false"}]));
    assert_eq!(Sent::post("").to(&engine).summary, "allow");
    let other =
        Sent { fields: vec![(":method", "GET"), (":path", "/other"), (":authority", "shop")], ..Sent::post("") };
    assert_eq!(other.to(&engine).summary, VIOLATED);
}

#[test]
fn different_coupons_are_counted_and_the_same_one_is_not_another() {
    let engine = engine(json!([{
        "name": "coupons", "when": "has(body.coupon)",
        "require": "distinct(body.coupon, actor.subject, duration('10m')) <= 3",
    }]));
    let sent = |coupon: &str, at: u64| {
        let now = NOW.saturating_add(Millis::from_secs(at));
        Sent { now, ..Sent::post(&json!({"coupon": coupon}).to_string()) }.to(&engine)
    };
    for coupon in ["A", "B", "A", "C", "C"] {
        assert_eq!(sent(coupon, 0).summary, "allow", "{coupon}");
    }
    let told = sent("D", 1);
    assert_eq!(
        (told.summary.as_str(), told.reasons.as_slice()),
        (VIOLATED, &["business.rule `coupons`, distinct 4".to_owned()][..])
    );
    assert_eq!(sent("A", 599).summary, VIOLATED, "what was tried is remembered for the window");
    assert_eq!(sent("A", 2000).summary, "allow", "and not for ever");
    // What is not for the rule is not counted, and others have their own count.
    assert_eq!(Sent::post("{}").to(&engine).summary, "allow");
    let neighbour = Sent { source: [192, 0, 2, 9], ..Sent::post(r#"{"coupon": "Z"}"#) };
    assert_eq!(neighbour.to(&engine).summary, "allow");
}

#[test]
fn requests_are_counted_and_values_recognised() {
    let engine = engine(json!([
        {"name": "few", "require": "count(path.id, duration('1m')) <= 2", "routes": ["orders"]},
        {"name": "once", "when": "has(body.payment)", "forbid": "seen(body.payment, actor.source, duration('1h'))",
            "code": "payment_repeated"},
    ]));
    assert_eq!(Sent::post(r#"{"payment": 7}"#).to(&engine).summary, "allow");
    assert_eq!(Sent::post(r#"{"payment": 7.0}"#).to(&engine).summary, "deny:payment_repeated", "7 is 7.0");
    assert_eq!(Sent::post(r#"{"payment": 8}"#).to(&engine).reasons, ["business.rule `few`, count 3"]);
    let later = NOW.saturating_add(Millis::from_secs(3600));
    let again = Sent { now: later, ..Sent::post(r#"{"payment": 7}"#) }.to(&engine);
    assert_eq!(again.summary, "allow");
}

#[test]
fn what_is_refused_already_is_counted_nowhere() {
    let engine = engine(json!([
        {"name": "first", "require": "!has(request.headers['x-bad'])"},
        {"name": "second", "when": "has(body.n)", "require": "count(actor.source, duration('1m')) <= 1"},
    ]));
    for _ in 0..5 {
        assert_eq!(Sent::post(r#"{"n": 1}"#).with("x-bad", "1").to(&engine).reasons, ["business.rule `first`"]);
    }
    assert_eq!(Sent::post(r#"{"n": 1}"#).to(&engine).summary, "allow");
}

#[test]
fn a_key_that_is_left_out_is_the_source() {
    let engine = engine(json!([{
        "name": "few", "require": "count([request.headers['x-tenant'], request.route], duration('1m')) <= 1",
    }]));
    for (expected, source) in [("allow", 1), (VIOLATED, 1), ("allow", 2)] {
        assert_eq!(Sent { source: [192, 0, 2, source], ..Sent::post("") }.to(&engine).summary, expected);
    }
    assert_eq!(Sent::post("").with("x-tenant", "a").to(&engine).summary, "allow");
    // One that is ambiguous is nobody's.
    let twice = Sent::post("").with("x-tenant", "a").with("x-tenant", "b").to(&engine);
    assert_eq!(twice.summary, UNDECIDED);
}

#[test]
fn a_form_that_is_also_a_document_is_none() {
    let engine = engine(json!([{"name": "price", "forbid": "body.price < 1"}]));
    let both = r#"{"price": 5, "x": "&price=0.01&"}"#;
    assert_eq!(Sent::post(both).to(&engine).summary, "allow");
    for (name, value) in [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "Multipart/Form-Data; boundary=x"),
        ("content-encoding", "gzip"),
    ] {
        assert_eq!(Sent::post(both).with(name, value).to(&engine).summary, "deny:rule_undecided", "{value}");
    }
}

/// What a service may take for what a rule reads is refused, whoever of the two it would take.
#[test]
fn a_name_in_another_spelling_is_no_way_around_a_rule() {
    let rules =
        json!([{"name": "r", "forbid": "body.lines.exists(line, line.unit_price < 1.0) || has(body.vip)"}]);
    let engine = engine(rules);
    let spelling = "deny:member_spelling";
    for (body, expected) in [
        (r#"{"lines": [{"unit_price": 5.0}]}"#, "allow"),
        (r#"{"lines": [{"unit_price": 5.0, "unitPrice": 0.01}]}"#, spelling),
        (r#"{"lines": [{"unit_price": 5.0, "UNIT_PRICE": 0.01}]}"#, spelling),
        (r#"{"Lines": [{"unit_price": 0.01}]}"#, spelling),
        (r#"{"\u017fines": 1, "line\u017f": []}"#, spelling),
        (r#"{"lines": [], "Vip": true}"#, spelling),
        (r#"{"lines": [], "_vip": true, "vips": 1, "line": 1, "price": 1, "Other": {"any": 1}}"#, "allow"),
        // Names that are texts are no names.
        (r#"{"lines": [], "note": "UnitPrice"}"#, "allow"),
    ] {
        assert_eq!(Sent::post(body).to(&engine).summary, expected, "{body}");
    }
    let told = Sent::post(r#"{"lines": [], "VIP\n": 1, "VIP": 1}"#).to(&engine);
    assert_eq!(told.reasons, ["business.spelling `VIP` may be taken for `vip`"]);
}

/// A name may be asked for as a text, too.
#[test]
fn nor_around_a_rule_that_has_the_name_in_quotes() {
    for rule in ["'vip' in body", "body['vip'] == true", "'vip' in body.flags"] {
        let engine = engine(json!([{"name": "r", "forbid": rule}]));
        let body = r#"{"flags": {"Vip": true}, "Vip": true}"#;
        assert_eq!(Sent::post(body).to(&engine).summary, "deny:member_spelling", "{rule}");
    }
}

#[test]
fn spellings_of_what_is_on_trial_or_elsewhere_are_only_told() {
    let body = r#"{"VIP": true}"#;
    for (rule, expected) in [
        (json!({"name": "r", "forbid": "has(body.vip)", "mode": "monitor"}), "would_deny:member_spelling"),
        (json!({"name": "r", "forbid": "has(body.vip)", "routes": ["other"]}), "allow"),
        (json!({"name": "r", "forbid": "has(claims.vip) || body.n > 3"}), "allow"),
        (json!({"name": "r", "forbid": "has(request.headers.vip)"}), "allow"),
    ] {
        assert_eq!(Sent::post(body).to(&engine(json!([rule]))).summary, expected, "{rule}");
    }
    let both = json!([
        {"name": "a", "forbid": "has(body.vip)", "mode": "monitor"},
        {"name": "b", "forbid": "count([body.vip], duration('1m')) > 5"},
    ]);
    assert_eq!(Sent::post(body).to(&engine(both)).summary, "deny:member_spelling");
}

/// `?plan=free` is sent with every request of these tests.
#[test]
fn parameters_have_one_spelling_too() {
    let rule = json!([{"name": "r", "require": "request.query.plan == 'free'"}]);
    for (path, expected) in [
        ("/orders/o-1?plan=free&plans=2&p=3", "allow"),
        ("/orders/o-1?plan=free&PLAN=pro", "deny:member_spelling"),
        ("/orders/o-1?plan=free&plan[]=pro", "deny:member_spelling"),
        ("/orders/o-1?plan=free&pl%61N=pro", "deny:member_spelling"),
        ("/orders/o-1?plan=free&&=&Plan", "deny:member_spelling"),
        ("/orders/o-1?plan=free&note=Plan", "allow"),
    ] {
        let mut sent = Sent::post("");
        sent.fields.retain(|(name, _)| *name != ":path");
        assert_eq!(sent.with(":path", path).to(&engine(rule.clone())).summary, expected, "{path}");
    }
}
