use super::*;
use crate::config::RouteId;
use crate::memory::in_process::InProcess;
use crate::request::headers::Headers;
use crate::stages::identity::Verified;
use crate::stages::CHECKS;
use serde_json::{json, Value};
use std::rc::Rc;

const START: u64 = 1_800_000_000_000;

/// A configuration and the memory behind it, used by as many requests as a test likes.
struct World {
    config: Config,
    shared: InProcess,
    memory: Memory,
    once: Once,
    outbox: RefCell<Outbox>,
    leases: RefCell<Leases>,
}

impl World {
    fn new(limits: &Value) -> Self {
        Self::with(
            &json!({"version": 1, "mode": "enforce", "routes": [{"name": "login", "path": "/login"}], "limits": limits}),
        )
    }

    fn with(document: &Value) -> Self {
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        let shared = InProcess::default();
        let memory = Memory::open(&shared, 0, [3; 16]);
        let once = Once::open(&memory, 0);
        Self { config, shared, memory, once, outbox: RefCell::default(), leases: RefCell::default() }
    }

    fn check(&self, sent: &Sent) -> (Findings, Ledger) {
        let base = [(":method", sent.method), (":path", sent.path)];
        let source = sent.source;
        let request = Request::new(Headers::from_pairs(base.iter().chain(&sent.headers).copied()), move || {
            source.parse().ok()
        });
        let route = self.config.routes.get(self.config.routes.find("", sent.method, sent.path));
        let caller = sent.claims.as_ref().map_or(Caller::Anonymous, |claims| {
            let claims = crate::jose::Claims::new(claims.as_object().unwrap().clone());
            Caller::Verified(Rc::new(Verified::new(0, "https://id.example".to_owned(), claims)))
        });
        let before = self.scene(route, &request, &caller, sent.risk, sent.at);
        let (mut findings, mut ledger) = Default::default();
        recognise(&before, &mut ledger);
        check(&before, &mut findings, &mut ledger);
        let body = Body::read(sent.body.as_bytes());
        check(&Scene { body: Some(&body), ..before }, &mut findings, &mut ledger);
        (findings, ledger)
    }

    fn scene<'a>(
        &'a self,
        route: &'a Route,
        request: &'a Request,
        caller: &'a Caller,
        risk: u32,
        at: u64,
    ) -> Scene<'a> {
        let Self { config, shared, memory, once, outbox, leases } = self;
        let (body, now) = (None, Millis::new(START.saturating_add(at)));
        // As they are looked up where nobody has hashed them before.
        let owners = &[];
        Scene { config, memory, owners, shared, once, outbox, leases, route, request, body, caller, risk, now }
    }

    /// How many of so many equal requests pass.
    fn passing(&self, sent: &Sent, requests: usize) -> usize {
        (0..requests).filter(|_| self.check(sent).0.is_empty()).count()
    }

    fn ground(&self, at: u64) -> Ground<'_> {
        let Self { config, shared, memory, once, .. } = self;
        Ground { config, memory, shared, once, now: Millis::new(START + at) }
    }

    fn decisions(&self, sent: &Sent) -> Vec<Decision> {
        self.check(sent).1.applied.iter().map(|applied| applied.decision).collect()
    }
}

#[derive(Clone)]
struct Sent {
    method: &'static str,
    path: &'static str,
    source: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    claims: Option<Value>,
    body: &'static str,
    risk: u32,
    at: u64,
}

fn get() -> Sent {
    Sent {
        method: "GET",
        path: "/",
        source: "192.0.2.7",
        headers: Vec::new(),
        claims: None,
        body: "",
        risk: 0,
        at: 0,
    }
}

fn from(source: &'static str) -> Sent {
    Sent { source, ..get() }
}

fn with_header(name: &'static str, value: &'static str) -> Sent {
    Sent { headers: vec![(name, value)], ..get() }
}

fn holding(claims: Value) -> Sent {
    Sent { claims: Some(claims), ..get() }
}

fn limit(key: &[&str]) -> Value {
    json!({"name": "l", "key": key, "limit": 2, "window": "1m"})
}

fn with(mut limit: Value, key: &str, value: Value) -> Value {
    limit[key] = value;
    limit
}

#[test]
fn each_source_has_its_own_count() {
    let world = World::new(&json!([limit(&["source"])]));
    assert_eq!(world.passing(&from("192.0.2.7"), 5), 2);
    assert_eq!(world.passing(&from("192.0.2.8"), 5), 2);
    assert_eq!(world.passing(&from("2001:db8::1"), 5), 2);
    assert_eq!(world.passing(&from("2001:db8::2"), 5), 0, "the same /64");
    assert_eq!(world.passing(&from("2001:db8:0:1::1"), 5), 2);
}

#[test]
fn a_source_is_as_wide_as_configured() {
    let world =
        World::new(&json!([with(with(limit(&["source"]), "prefix_v4", json!(24)), "prefix_v6", json!(128))]));
    assert_eq!(world.passing(&from("192.0.2.7"), 5) + world.passing(&from("192.0.2.8"), 5), 2);
    assert_eq!(world.passing(&from("2001:db8::1"), 5) + world.passing(&from("2001:db8::2"), 5), 4);
}

#[test]
fn every_part_of_a_request_can_be_counted() {
    let token = |sub: &str, client: &str| holding(json!({"sub": sub, "client_id": client, "tenant": "acme"}));
    for (key, one, other) in [
        ("subject", token("ada", "c"), token("bob", "c")),
        ("client", token("ada", "c"), token("ada", "d")),
        ("claim:sub", token("ada", "c"), token("bob", "c")),
        ("header:x-plan", with_header("x-plan", "a"), with_header("x-plan", "b")),
        ("api_key", with_header("x-api-key", "a"), with_header("x-api-key", "b")),
        ("cookie:sid", with_header("cookie", "sid=a"), with_header("cookie", "sid=b")),
        ("method", get(), Sent { method: "POST", ..get() }),
        ("route", get(), Sent { path: "/login", ..get() }),
    ] {
        let world = World::new(&json!([limit(&[key])]));
        assert_eq!((world.passing(&one, 5), world.passing(&other, 5), world.passing(&one, 5)), (2, 2, 0), "{key}");
    }
    let tenant = World::new(&json!([limit(&["claim:tenant"])]));
    assert_eq!(tenant.passing(&token("ada", "c"), 5) + tenant.passing(&token("bob", "d"), 5), 2);
}

#[test]
fn who_leaves_a_part_out_is_counted_by_its_source() {
    let world = World::new(&json!([limit(&["api_key"])]));
    assert_eq!(world.passing(&from("192.0.2.7"), 5), 2);
    assert_eq!(world.passing(&from("192.0.2.8"), 5), 2);
}

#[test]
fn parts_cannot_be_shifted_into_one_another() {
    let world = World::new(&json!([limit(&["header:a", "header:b"])]));
    let both = |a, b| Sent { headers: vec![("a", a), ("b", b)], ..get() };
    assert_eq!(world.passing(&both("xy", "z"), 5), 2);
    assert_eq!(world.passing(&both("x", "yz"), 5), 2);
}

#[test]
fn a_limit_is_for_its_routes_and_conditions() {
    let login = World::new(&json!([with(limit(&["source"]), "routes", json!(["login"]))]));
    assert_eq!(login.passing(&get(), 5), 5);
    assert_eq!(login.passing(&Sent { path: "/login", ..get() }, 5), 2);
    for (when, held, free) in [
        (json!({"methods": ["POST"]}), Sent { method: "POST", ..get() }, get()),
        (json!({"claims": {"plan": ["free"]}}), holding(json!({"plan": "free"})), holding(json!({"plan": "pro"}))),
        (json!({"headers": {"X-Kind": ["refund"]}}), with_header("x-kind", "refund"), get()),
        (json!({"anonymous": true}), get(), holding(json!({"sub": "ada"}))),
        (json!({"anonymous": false}), holding(json!({"sub": "ada"})), get()),
    ] {
        let world = World::new(&json!([with(limit(&["source"]), "when", when.clone())]));
        assert_eq!((world.passing(&held, 5), world.passing(&free, 5)), (2, 5), "{when}");
    }
}

#[test]
fn a_condition_may_be_an_expression() {
    let with_body = |body| Sent { body, ..get() };
    for (when, held, free) in [
        (
            "request.method == 'POST' && !actor.anonymous",
            Sent { method: "POST", ..holding(json!({"sub": "a"})) },
            get(),
        ),
        ("claims.plan == 'free'", holding(json!({"plan": "free"})), holding(json!({"plan": "pro"}))),
        // Absent: it is for others.
        ("claims.plan == 'free'", holding(json!({"plan": "free"})), get()),
        ("actor.risk >= 0.2", Sent { risk: 300, ..get() }, Sent { risk: 100, ..get() }),
        ("body.amount > 1000", with_body(r#"{"amount": 5000}"#), with_body(r#"{"amount": 5}"#)),
        ("request.size > 10", with_body(r#"{"amount": 5000}"#), with_body("{}")),
        // What cannot be read, or has a type that nobody expected, is not known to be another request.
        ("body.amount > 1000", with_body("amount=5"), with_body("{}")),
        ("body.amount > 1000", with_body(r#"{"amount": "5"}"#), with_body("")),
    ] {
        let world = World::new(&json!([with(limit(&["source"]), "when", json!(when))]));
        assert_eq!((world.passing(&held, 5), world.passing(&free, 5)), (2, 5), "{when}");
    }
}

#[test]
fn a_key_may_be_an_expression() {
    let token = |sub: &str, tenant: &str| holding(json!({"sub": sub, "tenant": tenant}));
    let with_body = |body| Sent { body, ..get() };
    for (key, one, other) in [
        ("expr:claims.tenant", token("ada", "a"), token("ada", "b")),
        // A subject is told with its issuer, as everywhere.
        ("expr:[actor.subject, request.route]", token("ada", "a"), token("bob", "a")),
        ("expr:request.headers['x-plan'].lowerAscii()", with_header("x-plan", "A"), with_header("x-plan", "b")),
        ("expr:body.id", with_body(r#"{"id": 7}"#), with_body(r#"{"id": "7"}"#)),
        ("expr:body.n > 10", with_body(r#"{"n": 7}"#), with_body(r#"{"n": 70}"#)),
    ] {
        let world = World::new(&json!([limit(&[key])]));
        assert_eq!((world.passing(&one, 5), world.passing(&other, 5), world.passing(&one, 5)), (2, 2, 0), "{key}");
    }
    let world = World::new(&json!([limit(&["expr:body.user.trim().lowerAscii()"])]));
    let spellings = [r#"{"user": "Ada"}"#, r#"{"user": " ada "}"#, r#"{"user": "ADA"}"#];
    assert_eq!(spellings.map(|body| world.passing(&with_body(body), 1)), [1, 1, 0]);
    // What has no value is counted by its source, whichever way.
    let nothing = ["", "{}", "a=b", r#"{"user": null}"#, r#"{"user": 7}"#, r#"{"user": "  "}"#];
    let passed: usize = nothing.map(|body| world.passing(&with_body(body), 5)).iter().sum();
    assert_eq!((passed, world.passing(&Sent { source: "192.0.2.8", ..get() }, 5)), (2, 2));
}

#[test]
fn requests_may_cost_more_than_one_or_nothing() {
    let cost = json!({"default": 1, "methods": {"POST": 3, "OPTIONS": 0}});
    let world = World::new(&json!([with(with(limit(&["source"]), "cost", cost), "limit", json!(7))]));
    assert_eq!(world.passing(&Sent { method: "POST", ..get() }, 5), 2);
    assert_eq!(world.passing(&get(), 5), 1);
    assert_eq!(world.passing(&Sent { method: "OPTIONS", ..get() }, 5), 5);
}

#[test]
fn nothing_is_charged_after_a_refusal() {
    let tight = json!({"name": "tight", "key": ["source"], "limit": 1, "window": "1m"});
    let wide =
        json!({"name": "wide", "key": ["source"], "limit": 3, "window": "10m", "algorithm": "fixed_window"});
    let world = World::new(&json!([tight, wide]));
    assert_eq!(world.decisions(&get()), [Decision::Allow, Decision::Allow]);
    for _ in 0..20 {
        assert_eq!(world.decisions(&get()), [Decision::Refuse]);
    }
    assert_eq!(world.decisions(&Sent { at: 60_000, ..get() }), [Decision::Allow, Decision::Allow]);
}

#[test]
fn a_limit_on_trial_refuses_nothing_and_hides_none_behind_it() {
    let trial = with(with(limit(&["source"]), "name", json!("trial")), "mode", json!("monitor"));
    let world = World::new(&json!([trial, with(limit(&["source"]), "limit", json!(3))]));
    let decisions: Vec<_> = (0..4).map(|_| world.decisions(&get())).collect();
    assert_eq!(decisions[1], [Decision::Allow, Decision::Allow]);
    assert_eq!(decisions[2], [Decision::WouldRefuse, Decision::Allow]);
    assert_eq!(decisions[3], [Decision::WouldRefuse, Decision::Refuse]);
}

#[test]
fn a_refusal_tells_how_long_to_wait() {
    let world = World::new(&json!([with(limit(&["source"]), "algorithm", json!("fixed_window"))]));
    world.passing(&get(), 2);
    let (findings, _) = world.check(&Sent { at: 15_500, ..get() });
    let finding = findings.iter().next().unwrap();
    let advice: Vec<_> = finding.advice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(
        advice,
        [("ratelimit-policy", "\"l\";q=2;w=60"), ("ratelimit", "\"l\";r=0;t=45"), ("retry-after", "45")]
    );
}

#[test]
fn what_is_in_flight_is_given_back_when_it_is_over() {
    let concurrent = with(limit(&["source"]), "algorithm", json!("concurrency"));
    let world = World::new(&json!([concurrent]));
    let mut flights: Vec<Ledger> = (0..3).map(|_| world.check(&get()).1).collect();
    assert_eq!(flights[2].applied[0].decision, Decision::Refuse);
    let over = world.ground(50);
    let (findings, _) = world.check(&get());
    assert!(!findings.is_empty());
    // Twice, and by one that held nothing: nothing is given back that was not taken.
    flights[0].close(Some(Deed::Good), 0, &over);
    flights[0].close(Some(Deed::Good), 0, &over);
    flights[2].close(Some(Deed::Good), 0, &over);
    assert_eq!(world.passing(&get(), 5), 1);
}

#[test]
fn a_count_survives_a_change_of_the_rules_around_it() {
    let before = World::new(&json!([limit(&["source"])]));
    before.passing(&get(), 2);
    let other = with(limit(&["source"]), "name", json!("new"));
    let document = json!({"version": 1, "mode": "enforce", "limits": [other, limit(&["source"])]});
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let memory = Memory::open(&before.shared, 0, [9; 16]);
    let after = World {
        config,
        once: Once::open(&memory, 0),
        memory,
        shared: before.shared,
        outbox: RefCell::default(),
        leases: RefCell::default(),
    };
    assert_eq!(after.decisions(&get()), [Decision::Allow, Decision::Refuse]);
    let document =
        json!({"version": 1, "mode": "enforce", "limits": [with(limit(&["source"]), "window", json!("1h"))]});
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let slower = World { config, ..after };
    assert_eq!(slower.decisions(&get()), [Decision::Allow], "another window counts anew");
}

#[test]
fn a_newcomer_to_a_crowded_place_waits_as_long_as_it_is_told() {
    let daily =
        with(with(with(limit(&["source"]), "name", json!("daily")), "window", json!("1d")), "limit", json!(1));
    let fast = with(with(limit(&["header:x"]), "window", json!("1s")), "limit", json!(10));
    let world = World::new(&json!([
        with(daily, "when", json!({"methods": ["PUT"]})),
        with(fast, "when", json!({"methods": ["POST"]}))
    ]));
    for number in 0..64 * 25 * 3 {
        let source: &'static str = format!("10.0.{}.{}", number / 250, number % 250).leak();
        world.check(&Sent { method: "PUT", ..from(source) });
    }
    let mut waited = 0;
    for client in 0..40 {
        let client: &'static str = format!("client {client}").leak();
        let request = Sent { method: "POST", headers: vec![("x", client)], ..get() };
        let refused = world.check(&request).0.iter().next().cloned();
        let Some(refused) = refused else { continue };
        let wait =
            refused.advice.iter().find(|(name, _)| *name == "retry-after").unwrap().1.parse::<u64>().unwrap();
        assert_eq!(world.decisions(&Sent { at: wait * 1000, ..request }), [Decision::Allow], "after {wait} s");
        waited += 1;
    }
    assert!(waited > 10, "there was room for nearly everybody: {waited}");
}

#[test]
fn a_count_that_cannot_be_kept_follows_the_policy() {
    for (policy, weight) in [("allow", Weight::Note), ("challenge", Weight::Challenge), ("deny", Weight::Refuse)] {
        let document =
            json!({"version": 1, "limits": [limit(&["source"])], "memory": {"on_error": {"contention": policy}}});
        let world = World::with(&document);
        let finding = contended(&world.config.limits[0], world.config.memory.on_contention);
        assert_eq!(finding.weight, Some(weight));
    }
}

fn posting(body: &'static str) -> Sent {
    Sent { method: "POST", body, ..get() }
}

#[test]
fn a_field_of_the_body_or_the_query_is_counted() {
    let world = World::new(&json!([limit(&["body:account.id"]), with(limit(&["query:q"]), "name", json!("q"))]));
    assert_eq!(world.decisions(&posting(r#"{"account": {"id": 7}}"#)), [Decision::Allow, Decision::Allow]);
    assert_eq!(world.passing(&Sent { path: "/?q=a", ..posting(r#"{"account": {"id": 8}}"#) }, 5), 2);
    assert_eq!(world.passing(&Sent { path: "/?q=b", ..posting(r#"{"account": {"id": 7}}"#) }, 5), 1);
    let lacking = [posting("{}"), posting("no json"), posting(r#"{"account": {"id": null}}"#), get()];
    let passed: usize = lacking.iter().map(|sent| world.passing(sent, 1)).sum();
    assert_eq!(passed, 1, "who leaves it out is counted by its source, which the query's limit has seen once");
}

/// `7`, `7.0` and `7e0` are one number to services.
#[test]
fn a_number_is_counted_as_one_however_it_is_written() {
    let world = World::new(&json!([limit(&["body:id"])]));
    let bodies = [r#"{"id": 7}"#, r#"{"id": 7.0}"#, r#"{"id": 7e0}"#, r#"{"id": "7"}"#, r#"{"id": 0.7e1}"#];
    assert_eq!(bodies.map(|body| world.passing(&posting(body), 1)), [1, 1, 0, 0, 0]);
    let world = World::new(&json!([with(limit(&["source"]), "when", json!({"body": {"id": ["7"]}}))]));
    assert_eq!(bodies.map(|body| world.passing(&posting(body), 1)), [1, 1, 0, 0, 0]);
}

#[test]
fn devices_and_sessions_are_the_tokens_before_they_are_the_clients() {
    let world = World::new(&json!([limit(&["device"]), with(limit(&["session"]), "name", json!("s"))]));
    let proved =
        Sent { headers: vec![("x-device-id", "other")], ..holding(json!({"device_id": "d", "session_id": "s"})) };
    assert_eq!(world.passing(&proved, 2), 2);
    let changed = Sent { headers: vec![("x-device-id", "third"), ("cookie", "session_id=x")], ..proved.clone() };
    assert_eq!(world.passing(&changed, 1), 0, "what the client says does not matter beside a token");
    let unproved = Sent { headers: vec![("x-device-id", "d"), ("cookie", "session_id=y")], ..get() };
    assert_eq!(world.decisions(&unproved), [Decision::Refuse], "the same device");
}

#[test]
fn graphql_operations_have_names() {
    let world = World::new(&json!([limit(&["graphql_operation"])]));
    assert_eq!(world.passing(&posting(r#"{"query": "query Orders { orders { id } }"}"#), 5), 2);
    assert_eq!(world.passing(&posting(r#"{"query": "{ a }", "operationName": "Orders"}"#), 5), 0);
    assert_eq!(world.passing(&Sent { path: "/?query=query%20Stock%7Bstock%7D", ..get() }, 5), 2);
}

#[test]
fn conditions_look_at_body_and_query_too() {
    let transfers =
        with(limit(&["source"]), "when", json!({"body": {"type": ["transfer"]}, "query": {"v": ["2"]}}));
    let world = World::new(&json!([transfers]));
    assert_eq!(world.passing(&Sent { path: "/?v=2", ..posting(r#"{"type": "transfer"}"#) }, 5), 2);
    assert_eq!(world.passing(&Sent { path: "/?v=2", ..posting(r#"{"type": "deposit"}"#) }, 5), 5);
    assert_eq!(world.passing(&posting(r#"{"type": "transfer"}"#), 5), 5);
}

#[test]
fn a_field_can_say_what_a_request_costs() {
    let costly = with(limit(&["source"]), "cost", json!({"field": "query:limit", "field_max": 8, "default": 2}));
    let world = World::new(&json!([with(costly, "limit", json!(10))]));
    let left = |path: &'static str| world.check(&Sent { path, ..get() }).1.applied[0].remaining;
    assert_eq!((left("/"), left("/?limit=3"), left("/?limit=0")), (8, 5, 4));
    assert_eq!(
        world.decisions(&Sent { path: "/?limit=ten", ..get() }),
        [Decision::Refuse],
        "nonsense costs the most"
    );
    assert_eq!(world.decisions(&Sent { path: "/?limit=999", ..get() }), [Decision::Refuse]);
}

#[test]
fn what_a_response_cost_is_charged_when_it_is_over() {
    let by_size = with(limit(&["source"]), "cost", json!({"response_unit": "1KiB"}));
    for algorithm in ["token_bucket", "fixed_window", "sliding_window"] {
        let world =
            World::new(&json!([with(with(by_size.clone(), "limit", json!(60)), "algorithm", json!(algorithm))]));
        let (_, mut ledger) = world.check(&get());
        assert!(ledger.charges_responses());
        ledger.close(Some(Deed::Good), 50 << 10, &world.ground(0));
        assert_eq!(world.check(&get()).1.applied[0].remaining, 8, "{algorithm}");
        let (_, mut ledger) = world.check(&get());
        ledger.close(Some(Deed::Good), 500 << 10, &world.ground(0));
        assert_eq!(world.decisions(&get()), [Decision::Refuse], "{algorithm} owes more than there is");
    }
}

#[test]
fn a_limit_follows_its_factors_within_its_bounds() {
    let adapt = json!({
        "min": 0.2, "max": 1.5, "risk": 0.5, "sensitivity": 0.5,
        "hours": [{"from": "00:00", "to": "24:00", "factor": 2.0}],
        "geo": {"factors": {"CH": 1.0}, "others": 0.5},
    });
    let limits = json!([with(with(limit(&["source"]), "limit", json!(100)), "adapt", adapt)]);
    let world = World::with(&json!({
        "version": 1, "mode": "enforce", "limits": limits,
        "routes": [{"name": "pay", "path": "/pay", "sensitivity": 1.0}],
    }));
    let allowed = |sent: Sent| world.check(&sent).1.applied[0].rate.limit;
    let swiss = || with_header("x-geo-country", "ch");
    assert_eq!(allowed(swiss()), 150, "2.0, at most 1.5");
    assert_eq!(allowed(get()), 100, "2.0 × 0.5");
    assert_eq!(allowed(Sent { risk: 500, ..get() }), 75, "× 0.75");
    assert_eq!(allowed(Sent { path: "/pay", ..get() }), 50, "× 0.5");
    assert_eq!(allowed(Sent { path: "/pay", risk: 1000, ..get() }), 25, "× 0.25");
    let (_, ledger) = world.check(&Sent { path: "/pay", risk: 1000, ..get() });
    let shown = ledger.applied[0].factors.unwrap().to_string();
    assert_eq!(shown, "×0.250 (risk 0.500, sensitivity 0.500, hours 2.000, geo 0.500)");
}

#[test]
fn reputation_is_earned_and_lost() {
    let adapt = json!({"max": 3.0, "reputation": {"bonus": 1.0, "malus": 0.8}});
    let world = World::new(&json!([with(with(limit(&["source"]), "limit", json!(1000)), "adapt", adapt)]));
    let live = |source: &'static str, deed: Deed, at: u64, requests: usize| {
        let mut allowed = 0;
        for _ in 0..requests {
            let (_, mut ledger) = world.check(&Sent { at, ..from(source) });
            allowed = ledger.applied[0].rate.limit;
            ledger.close(Some(deed), 0, &world.ground(at));
        }
        allowed
    };
    assert_eq!(live("192.0.2.1", Deed::Good, 0, 1), 1000, "a newcomer has what is written");
    live("192.0.2.1", Deed::Good, 0, 50);
    live("192.0.2.1", Deed::Good, 86_400_000, 50);
    assert_eq!(live("192.0.2.1", Deed::Good, 86_400_000, 1), 2000, "a regular has the bonus");
    let hostile = live("192.0.2.2", Deed::Refused, 0, 60);
    assert!((200..280).contains(&hostile), "{hostile}");
    let forgiven = live("192.0.2.2", Deed::Good, 86_400_000, 1);
    assert!(forgiven > 990, "{forgiven}");
}

/// A world whose limit of 10 a minute is shared with other Envoys.
fn shared_with_a_fleet(mode: &str) -> World {
    let limit = json!({
        "name": "l", "key": ["source"], "algorithm": "fixed_window", "limit": 10, "window": "1m", "fleet": mode,
    });
    World::with(&json!({
        "version": 1, "mode": "enforce", "limits": [limit],
        "fleet": {"cluster": "c", "secret": "s", "on_error": {"timeout": "deny", "unavailable": "challenge"}},
    }))
}

impl World {
    fn report(&self, at: u64) -> Option<fleet::Report> {
        self.outbox.borrow_mut().report(&self.ground(at), &mut Trace::default())
    }

    fn settle(&self, report: fleet::Report, answer: Result<Vec<crate::rls::Reply>, crate::rls::Fault>) {
        self.outbox.borrow_mut().settle(report, answer, &self.ground(2), &mut Trace::default());
    }
}

fn reply(over: bool, remaining: u64) -> crate::rls::Reply {
    crate::rls::Reply { over, remaining, reset: Millis::from_secs(60) }
}

#[test]
fn synced_hits_are_reported_once_for_each_key() {
    let world = shared_with_a_fleet("synced");
    assert_eq!(world.passing(&from("192.0.2.1"), 3) + world.passing(&from("192.0.2.2"), 2), 5);
    let report = world.report(1).unwrap();
    let mut units: Vec<u64> = report.question().counts.iter().map(|count| count.units).collect();
    units.sort_unstable();
    assert_eq!(units, [2, 3]);
    let keys: Vec<&String> = report.question().counts.iter().map(|count| &count.key).collect();
    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.len() == 32), "{keys:?}");
    assert!(world.report(1).is_none(), "nothing is reported twice");
    world.settle(report, Ok(vec![reply(false, 1), reply(false, 1)]));
    assert_eq!(world.passing(&from("192.0.2.1"), 5), 1, "the fleet has one left");
}

#[test]
fn a_report_that_is_lost_is_made_again() {
    let world = shared_with_a_fleet("synced");
    world.passing(&get(), 4);
    let report = world.report(1).unwrap();
    world.settle(report, Err(crate::rls::Fault::Unavailable("away")));
    let again = world.report(2).unwrap();
    assert_eq!(again.question().counts[0].units, 4);
    assert_eq!(world.passing(&get(), 20), 6, "and this Envoy's own count goes on");
}

#[test]
fn a_report_that_may_have_been_counted_is_not_made_again() {
    let world = shared_with_a_fleet("synced");
    world.passing(&get(), 4);
    let report = world.report(1).unwrap();
    world.settle(report, Err(crate::rls::Fault::Timeout));
    assert!(world.report(2).is_none());
    assert_eq!(world.passing(&get(), 20), 6);
}

#[test]
fn an_answer_about_the_window_before_does_not_count_against_this_one() {
    let world = shared_with_a_fleet("synced");
    world.passing(&get(), 4);
    let report = world.report(1).unwrap();
    world.settle(report, Ok(vec![crate::rls::Reply { over: true, remaining: 0, reset: Millis::from_secs(1) }]));
    assert_eq!(world.passing(&get(), 20), 6, "59 seconds are left, not one");
}

#[test]
fn the_longest_waiting_is_reported_first() {
    let world = shared_with_a_fleet("synced");
    world.passing(&from("192.0.2.1"), 1);
    for number in 0..fleet::REPORT_KEYS_MAX {
        let source: &'static str = format!("10.0.{}.{}", number / 250, number % 250).leak();
        world.passing(&from(source), 1);
    }
    let first = world.report(1).unwrap();
    assert_eq!(first.question().counts.len(), fleet::REPORT_KEYS_MAX);
    let (second, alone) = (world.report(1).unwrap(), shared_with_a_fleet("synced"));
    let last: &'static str = format!("10.0.{}.{}", 499 / 250, 499 % 250).leak();
    alone.passing(&from(last), 1);
    assert_eq!(second.question().counts, alone.report(1).unwrap().question().counts, "the youngest has to wait");
}

#[test]
fn an_outbox_is_bounded() {
    let world = shared_with_a_fleet("synced");
    let limit = &world.config.limits[0];
    for number in 0..fleet::OUTBOX_KEYS_MAX + 100 {
        let place = world.memory.locate(&number.to_le_bytes(), &limit.owner);
        world.outbox.borrow_mut().add(place, 0, || "k".to_owned());
    }
    assert!(format!("{:?}", world.outbox).matches("Entry").count() <= fleet::OUTBOX_KEYS_MAX);
}

#[test]
fn the_fleet_has_the_last_word_on_a_strict_limit() {
    type Answer = Result<Vec<crate::rls::Reply>, crate::rls::Fault>;
    let judged = |answer: Answer| {
        let world = shared_with_a_fleet("strict");
        let (mut findings, mut ledger) = world.check(&get());
        let asked = fleet::question(world.config.fleet.as_ref().unwrap(), &mut ledger).unwrap();
        assert_eq!(asked.question().counts[0].units, 1);
        let request = Request::new(Headers::from_pairs([(":path", "/")]), || None);
        let route = world.config.routes.get(RouteId::Unmatched);
        let scene = world.scene(route, &request, &Caller::Anonymous, 0, 0);
        fleet::take_in(&asked, answer, &scene, &mut findings, &mut ledger);
        let found: Vec<_> = findings.iter().map(|finding| (finding.check.id, finding.weight)).collect();
        (ledger.applied[0].decision, ledger.applied[0].remaining, found)
    };
    assert_eq!(judged(Ok(vec![reply(false, 4)])), (Decision::Allow, 4, vec![]));
    assert_eq!(judged(Ok(vec![reply(true, 0)])), (Decision::Refuse, 0, vec![("limits.exceeded", None)]));
    let unavailable = |weight| vec![("limits.fleet_unavailable", Some(weight))];
    assert_eq!(judged(Err(crate::rls::Fault::Timeout)), (Decision::Unknown, 9, unavailable(Weight::Refuse)));
    let away = crate::rls::Fault::Unavailable("away");
    assert_eq!(judged(Err(away)), (Decision::Unknown, 9, unavailable(Weight::Challenge)));
}

#[test]
fn what_is_repeated_is_nobodys_and_costs_the_most() {
    let costly = with(limit(&["header:x-client"]), "cost", json!({"field": "query:limit", "field_max": 8}));
    let world = World::new(&json!([with(costly, "limit", json!(10))]));
    let left = |sent: &Sent| world.check(sent).1.applied.first().map(|applied| applied.remaining);
    assert_eq!(left(&Sent { path: "/?limit=1&limit=9", ..with_header("x-client", "a") }), Some(2));
    let twice = |first| Sent { headers: vec![("x-client", first), ("x-client", "a")], ..get() };
    assert_eq!(
        (left(&twice("b")), left(&twice("c")), left(&get())),
        (Some(9), Some(8), Some(7)),
        "as their source"
    );
}

#[test]
fn invented_methods_share_a_count() {
    let world = World::new(&json!([limit(&["method"])]));
    let passes = |method: &'static str| world.passing(&Sent { method, ..get() }, 1);
    assert_eq!((passes("FOO"), passes("BAR"), passes("BAZ")), (1, 1, 0));
    assert_eq!((passes("GET"), passes("HEAD"), passes("GET"), passes("POST")), (1, 1, 0, 1));
}

#[test]
fn a_body_that_cannot_be_read_escapes_no_condition() {
    let transfers = with(limit(&["source"]), "when", json!({"body": {"type": ["transfer"]}}));
    assert_eq!(World::new(&json!([transfers])).passing(&posting("\u{feff}{\"type\": \"transfer\"}"), 5), 2);
    let login = with(limit(&["source"]), "when", json!({"graphql_operations": ["Login"]}));
    let world = World::new(&json!([login]));
    assert_eq!(world.passing(&posting(r#"[{"query": "{a}"}, {"operationName": "Login"}]"#), 5), 2);
    assert_eq!(world.passing(&posting(r#"[{"query": "{a}"}]"#), 5), 5);
}

#[test]
fn a_debt_of_seconds_does_not_become_one_of_days() {
    let fast = with(with(limit(&["header:x"]), "window", json!("10s")), "limit", json!(1));
    let daily =
        with(with(with(limit(&["source"]), "window", json!("1d")), "limit", json!(100)), "name", json!("daily"));
    for algorithm in ["fixed_window", "token_bucket", "sliding_window"] {
        let daily = with(with(daily.clone(), "algorithm", json!(algorithm)), "when", json!({"methods": ["POST"]}));
        let world = World::new(&json!([with(fast.clone(), "when", json!({"methods": ["PUT"]})), daily]));
        for number in 0..64 * 25 * 3 {
            let client: &'static str = format!("client {number}").leak();
            world.check(&Sent { method: "PUT", headers: vec![("x", client)], ..get() });
        }
        for source in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let passing = world.passing(&Sent { method: "POST", ..from(source) }, 100);
            assert!(passing >= 98, "{algorithm}: {passing}");
        }
    }
}
