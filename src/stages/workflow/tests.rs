use super::instance::{entered, settled, End, Instance, Violation};
use super::*;
use crate::config::Config;
use crate::engine::answer::Course;
use crate::engine::waiting::Wait;
use crate::engine::{Answer, Done, Engine, Ports, Step as Judged};
use crate::request::headers::Headers;
use crate::request::Request;
use crate::response::{Head, Response};
use crate::stages::CHECKS;
use proptest::prelude::*;
use serde_json::{json, Value};

const NOW: u64 = 1_800_000_000_000;
const UNDER_WAY: &str = "workflow.repeated checkout: `pay` while it is under way";

struct Shop(Engine);

impl Shop {
    /// A shop with a checkout of three steps, changed as given.
    fn new(changes: &Value) -> Self {
        let names = ["cart", "address", "pay", "other"];
        let routes: Vec<Value> =
            names.iter().map(|name| json!({"name": name, "path": format!("/{name}")})).collect();
        let mut checkout = json!({"name": "checkout", "per": "header:x-customer", "steps": [
            {"name": "cart", "routes": ["cart"]},
            {"name": "address", "routes": ["address"]},
            {"name": "pay", "routes": ["pay"], "once": true},
        ]});
        checkout.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let document = json!({"version": 1, "mode": "enforce", "routes": routes, "workflows": [checkout]});
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        Self(Engine::new(config, Ports::in_process([7; 16])))
    }

    /// A request up to its answer.
    fn begin(&self, who: &str, what: &str, at: u64) -> Result<Answer, Box<Done>> {
        let path = format!("/{what}");
        let named = (!who.is_empty()).then_some(("x-customer", who));
        let fields = [(":method", "POST"), (":path", path.as_str()), (":authority", "shop.example")];
        let request = Request::new(Headers::from_pairs(fields.into_iter().chain(named)), || None);
        let now = Millis::new(NOW + at);
        let mut step = self.0.open(request, now, || "r".to_owned()).judge(true);
        if let Judged::Wait(Wait::Body(held)) = step {
            step = held.judge(json!({"customer": who}).to_string().as_bytes(), now);
        }
        match step {
            Judged::Forward(_permit, body) => Ok(body.finish()),
            Judged::Refuse(_, done) => Err(done),
            _ => panic!("neither passed nor refused"),
        }
    }

    /// A whole exchange: what was found, check by check.
    fn send(&self, who: &str, what: &str, at: u64, status: u16) -> Vec<String> {
        match self.begin(who, what, at) {
            Ok(answer) => end(answer, at, status),
            Err(mut done) => {
                done.close(Response { status: Some(403), bytes: 0 }, Millis::new(NOW + at));
                found(&done)
            }
        }
    }
}

/// The service answers.
fn end(answer: Answer, at: u64, status: u16) -> Vec<String> {
    let now = Millis::new(NOW + at);
    let head = Head::new(Headers::from_pairs([(":status", status.to_string().as_str())]), false).unwrap();
    let Course::Pass(_, answer) = answer.answer(head, now) else { panic!("an answer without a body is not held") };
    let response = Response { status: Some(status), bytes: 0 };
    let mut done = answer.finish(response);
    done.close(response, now);
    found(&done)
}

fn found(done: &Done) -> Vec<String> {
    done.findings()
        .iter()
        .map(|weighed| format!("{} {}", weighed.finding.check.id, weighed.finding.reason))
        .collect()
}

#[test]
fn who_keeps_the_order_passes_and_may_buy_again() {
    let shop = Shop::new(&json!({}));
    for round in [0, 50_000] {
        for (what, at) in [("cart", 0), ("cart", 1000), ("address", 2000), ("cart", 3000), ("pay", 4000)] {
            assert_eq!(shop.send("ada", what, round + at, 200), [""; 0], "{what} {round}");
        }
    }
}

#[test]
fn skipped_steps_are_named() {
    let shop = Shop::new(&json!({}));
    assert_eq!(shop.send("eve", "pay", 0, 200), ["workflow.order checkout: `pay` before `address`"]);
    shop.send("eve", "cart", 0, 200);
    assert_eq!(shop.send("eve", "pay", 0, 200), ["workflow.order checkout: `pay` before `address`"]);
    assert_eq!(shop.send("bob", "address", 0, 200), ["workflow.order checkout: `address` before `cart`"]);
    assert_eq!(shop.send("", "pay", 0, 200), ["workflow.order checkout: `pay` before `address`"], "nobody");
    assert_eq!(shop.send("eve", "other", 0, 200), [""; 0]);
}

#[test]
fn a_step_may_need_several_or_none() {
    let steps = json!([
        {"name": "cart", "routes": ["cart"]},
        {"name": "address", "routes": ["address"], "after": []},
        {"name": "pay", "routes": ["pay"], "after": ["cart", "address"]},
    ]);
    let shop = Shop::new(&json!({"steps": steps}));
    assert_eq!(shop.send("ada", "pay", 0, 200), ["workflow.order checkout: `pay` before `cart`, `address`"]);
    shop.send("ada", "address", 0, 200);
    assert_eq!(shop.send("ada", "pay", 0, 200), ["workflow.order checkout: `pay` before `cart`"]);
    shop.send("ada", "cart", 0, 200);
    assert_eq!(shop.send("ada", "pay", 0, 200), [""; 0]);
}

#[test]
fn a_step_counts_only_if_the_service_says_so() {
    let steps = json!([
        {"name": "cart", "routes": ["cart"], "completes": ["201", "3xx"]},
        {"name": "pay", "routes": ["pay"]},
    ]);
    let shop = Shop::new(&json!({"steps": steps}));
    for (status, counts) in [(200, false), (404, false), (500, false), (201, true), (303, true)] {
        let who = format!("c{status}");
        shop.send(&who, "cart", 0, status);
        assert_eq!(shop.send(&who, "pay", 0, 200).is_empty(), counts, "{status}");
    }
    // Who leaves before there is an answer has not done it.
    let Ok(answer) = shop.begin("ada", "cart", 0) else { panic!("refused") };
    answer.finish(Response::default()).close(Response::default(), Millis::new(NOW));
    assert_eq!(shop.send("ada", "pay", 0, 200).len(), 1);
}

#[test]
fn a_one_time_step_passes_once_also_at_once() {
    let shop = Shop::new(&json!({}));
    shop.send("ada", "cart", 0, 200);
    shop.send("ada", "address", 0, 200);
    let Ok(first) = shop.begin("ada", "pay", 10) else { panic!("refused") };
    assert_eq!(shop.send("ada", "pay", 11, 200), [UNDER_WAY]);
    assert_eq!(end(first, 20, 500), [""; 0]);
    // It failed, so it may be tried again.
    assert_eq!(shop.send("ada", "pay", 30, 200), [""; 0]);
    assert_eq!(shop.send("ada", "pay", 40, 200), ["workflow.repeated checkout: `pay` a second time"]);
}

/// The answer does not come, and the client decides for how long.
#[test]
fn no_clock_gives_a_reservation_back() {
    let shop = Shop::new(&json!({}));
    for what in ["cart", "address"] {
        shop.send("bob", what, 0, 200);
    }
    let Ok(first) = shop.begin("bob", "pay", 0) else { panic!("refused") };
    for at in [299_000, 305_000, 1_799_000] {
        assert_eq!(shop.send("bob", "pay", at, 200), [UNDER_WAY], "{at}");
    }
    assert_eq!(end(first, 1_799_500, 200), [""; 0]);
    assert_eq!(shop.send("bob", "pay", 1_799_900, 200), ["workflow.repeated checkout: `pay` a second time"]);
}

/// The service may have done what nobody has waited to hear.
#[test]
fn whoever_hangs_up_cannot_do_a_one_time_step_again() {
    let steps = json!([{"name": "redeem", "routes": ["pay"], "once": true}]);
    let shop = Shop::new(&json!({"steps": steps, "expires": "1h"}));
    let Ok(answer) = shop.begin("eve", "pay", 0) else { panic!("refused") };
    answer.finish(Response::default()).close(Response::default(), Millis::new(NOW));
    let under_way = ["workflow.repeated checkout: `redeem` while it is under way"];
    assert_eq!(shop.send("eve", "pay", 1, 200), under_way);
    assert_eq!(shop.send("eve", "pay", 3_599_999, 200), under_way);
    assert_eq!(shop.send("eve", "pay", 3_600_000, 200), [""; 0]);
    for (status, is_kept) in [(408, true), (502, true), (504, true), (500, false), (503, false), (422, false)] {
        let who = format!("c{status}");
        assert_eq!(shop.send(&who, "pay", 0, status), [""; 0]);
        assert_eq!(!shop.send(&who, "pay", 1, 200).is_empty(), is_kept, "{status}");
    }
}

/// A service need not wait for the end of a body, but nobody can act on what it has not got.
#[test]
fn only_what_the_service_may_have_had_stays_reserved() {
    for (waits, hangs_up) in [(false, false), (true, false), (true, true)] {
        let document = json!({
            "version": 1, "mode": "enforce", "request": {"body_bytes_max": "16B"},
            "routes": [{"name": "pay", "path": "/pay"}],
            "rules": if waits { json!([{"name": "r", "forbid": "has(body.x)"}]) } else { json!([]) },
            "workflows": [{"name": "w", "per": "header:x-customer",
                "steps": [{"name": "redeem", "routes": ["pay"], "once": true}]}],
        });
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        let engine = Engine::new(config, Ports::in_process([7; 16]));
        let ask = || {
            let fields =
                [(":method", "POST"), (":path", "/pay"), (":authority", "shop.example"), ("x-customer", "ada")];
            let request = Request::new(Headers::from_pairs(fields), || None);
            engine.open(request, Millis::new(NOW), || "r".to_owned()).judge(true)
        };
        let mut done = match ask() {
            Judged::Forward(_permit, body) => match body.judge(17) {
                Judged::Refuse(_, done) => done,
                other => panic!("{other:?}"),
            },
            Judged::Wait(wait) if hangs_up => wait.abandon(),
            Judged::Wait(Wait::Body(held)) => match held.judge(b"{}", Millis::new(NOW)) {
                Judged::Forward(_permit, body) => match body.judge_held(17) {
                    Judged::Refuse(_, done) => done,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        done.close(Response { status: Some(413), bytes: 0 }, Millis::new(NOW));
        assert_eq!(matches!(ask(), Judged::Refuse(..)), !waits, "{waits} {hangs_up}");
    }
}

#[test]
fn a_single_use_lasts_until_it_expires() {
    let steps = json!([{"name": "redeem", "routes": ["pay"], "once": true}]);
    let shop = Shop::new(&json!({"steps": steps, "expires": "1m"}));
    assert_eq!(shop.send("ada", "pay", 0, 200), [""; 0]);
    assert_eq!(shop.send("ada", "pay", 59_999, 200), ["workflow.repeated checkout: `redeem` a second time"]);
    assert_eq!(shop.send("ada", "pay", 60_000, 200), [""; 0]);
    assert_eq!(shop.send("", "pay", 0, 200), ["workflow.order checkout: `redeem` by nobody who is known"]);
}

#[test]
fn gaps_are_measured_from_the_last_step() {
    let steps = json!([
        {"name": "cart", "routes": ["cart"]},
        {"name": "pay", "routes": ["pay"], "min_gap": "2s", "max_gap": "1m"},
    ]);
    let shop = Shop::new(&json!({"steps": steps, "effect": "refuse"}));
    shop.send("ada", "cart", 0, 200);
    let fast = ["workflow.too_fast checkout: `pay` 1999 ms after the last step, expected 2000"];
    assert_eq!(shop.send("ada", "pay", 1999, 200), fast);
    assert_eq!(shop.send("ada", "pay", 2000, 500), [""; 0]);
    let late = ["workflow.too_late checkout: `pay` 60001 ms after the last step, at most 60000"];
    assert_eq!(shop.send("ada", "pay", 60_001, 200), late);
    let expired = ["workflow.too_late checkout: `pay` 1800000 ms after the first step, expired after 1800000"];
    assert_eq!(shop.send("ada", "pay", 1_800_000, 200), expired);
    assert_eq!(shop.send("ada", "cart", 1_800_000, 200), [""; 0]);
    assert_eq!(shop.send("ada", "pay", 1_803_000, 200), [""; 0]);
}

#[test]
fn a_workflow_on_trial_and_a_soft_one_let_pass() {
    for (changes, checks) in
        [(json!({"mode": "monitor"}), 1), (json!({"score": 0.2}), 1), (json!({"effect": "note"}), 1)]
    {
        let shop = Shop::new(&changes);
        let Ok(answer) = shop.begin("eve", "pay", 0) else { panic!("{changes}: refused") };
        assert_eq!(end(answer, 0, 200).len(), checks);
        // What passed was done.
        assert_eq!(shop.send("eve", "pay", 1, 200).len(), 2, "{changes}");
    }
}

#[test]
fn the_actor_may_stand_in_the_body() {
    let shop = Shop::new(&json!({"per": "body:customer"}));
    for what in ["cart", "address", "pay"] {
        assert_eq!(shop.send("ada", what, 0, 200), [""; 0], "{what}");
    }
    assert_eq!(shop.send("bob", "pay", 0, 200).len(), 1);
}

#[test]
fn what_a_request_says_may_tell_the_step() {
    let steps = json!([
        {"name": "quote", "routes": ["pay"], "when": "body.customer == 'ada'"},
        {"name": "pay", "routes": ["pay"]},
        {"name": "ship", "routes": ["other"]},
    ]);
    let shop = Shop::new(&json!({"steps": steps, "per": "header:host"}));
    assert_eq!(shop.send("bob", "pay", 0, 200), ["workflow.order checkout: `pay` before `quote`"]);
    let shop = Shop::new(&json!({"steps": steps, "per": "header::authority"}));
    assert_eq!(shop.send("bob", "pay", 0, 200), ["workflow.order checkout: `pay` before `quote`"]);
    assert_eq!(shop.send("ada", "pay", 0, 200), [""; 0]);
    assert_eq!(shop.send("bob", "pay", 0, 200), [""; 0]);
}

fn checkout() -> Workflow {
    let document = br#"{"version": 1, "routes": [{"name": "a", "path": "/a"}, {"name": "b", "path": "/b"}], "workflows": [
        {"name": "w", "per": "source", "expires": "1h", "steps": [
            {"name": "one", "routes": ["a"]}, {"name": "two", "routes": ["b"], "once": true, "min_gap": "1s", "max_gap": "1m"}]}]}"#;
    Config::parse(document, CHECKS).unwrap().flows.workflows.pop().unwrap()
}

fn record(state: [u8; 16]) -> Record {
    let mut record = Record::new(1, Debt::default());
    record.settle(state, Debt::default());
    record
}

proptest! {
    #[test]
    fn no_record_and_no_clock_panics(state in any::<[u8; 16]>(), now in any::<u64>(), at in 0_usize..2, end in 0_usize..3) {
        let (workflow, now, end) = (checkout(), Millis::new(now), [End::Done, End::Failed, End::Unknown][end]);
        let step = &workflow.steps[at];
        let before = Instance::of(&record(state));
        let state = before.map_or([0; 16], Instance::state);
        prop_assert_eq!(Instance::of(&record(state)).map(Instance::state), (state != [0; 16]).then_some(state));
        let entered = entered(before, &workflow, step, now);
        prop_assert!(entered.violations.len() <= 2);
        let reserved = entered.instance.reserved(step);
        if let Some(after) = settled(Some(reserved), &workflow, step, Some(reserved.began()), end, now) {
            prop_assert!(Instance::of(&record(after.state())).is_some());
        }
    }

    /// The machine against the list of what was done, in any order and at any pace.
    #[test]
    fn the_order_is_that_of_what_was_done(acts in proptest::collection::vec((0_usize..2, 0_u64..90_000, any::<bool>()), 1..30)) {
        let workflow = checkout();
        let (mut stored, mut now, mut began) = (None, NOW, None::<u64>);
        let (mut first, mut second, mut last) = (false, false, 0_u64);
        for (at, pause, succeeds) in acts {
            now += pause;
            if began.is_some_and(|began| now - began >= 3_600_000) {
                (first, second, began) = (false, false, None);
            }
            if at == 0 && second {
                (first, second, began) = (false, false, if succeeds { None } else { began });
                // Only what succeeds begins anew.
                if !succeeds {
                    (first, second) = (true, true);
                }
            }
            let met = entered(stored, &workflow, &workflow.steps[at], Millis::new(now));
            let gap = now - last.max(began.unwrap_or(now));
            let right = at == 0 || first && !second && (1000..=60_000).contains(&gap);
            prop_assert_eq!(met.violations.is_empty(), right, "{:?} at {}", met, at);
            if at == 1 && !first {
                let is_order = matches!(met.violations.first(), Some(Violation::Order(1) | Violation::Expired(_)));
                prop_assert!(is_order);
            }
            if right && succeeds {
                let step = &workflow.steps[at];
                stored = settled(stored, &workflow, step, None, End::Done, Millis::new(now));
                began = began.or(Some(now));
                (first, second) = (first || at == 0, second || at == 1);
                last = now;
            }
        }
    }
}

#[test]
fn who_cannot_be_read_does_no_earlier_step_instead_of_a_later_one() {
    let when = |action: &str| format!("body.action == '{action}'");
    let document = json!({
        "version": 1, "mode": "enforce", "routes": [{"name": "checkout", "path": "/checkout"}],
        "workflows": [{"name": "checkout", "per": "header:x-customer", "steps": [
            {"name": "cart", "routes": ["checkout"], "when": when("cart")},
            {"name": "pay", "routes": ["checkout"], "when": when("pay"), "once": true},
        ]}],
    });
    let engine =
        Engine::new(Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(), Ports::in_process([7; 16]));
    let send = |body: &str| {
        let fields =
            [(":method", "POST"), (":path", "/checkout"), (":authority", "shop.example"), ("x-customer", "ada")];
        let now = Millis::new(NOW);
        let request = Request::new(Headers::from_pairs(fields), || None);
        match engine.open(request, now, || "r".to_owned()).judge(true) {
            Judged::Wait(Wait::Body(held)) => held.judge(body.as_bytes(), now),
            other => other,
        }
    };
    for unreadable in [r#"{"action": "cart", "action": "pay"}"#, "action=pay"] {
        assert!(matches!(send(unreadable), Judged::Refuse(..)), "{unreadable} may be a payment without a cart");
    }
    assert!(matches!(send(r#"{"action": "cart"}"#), Judged::Forward(..)));
}

/// What may be a step is held to its order, and opens no other.
#[test]
fn who_cannot_be_read_has_done_nothing_for_certain() {
    let when = |name: &str| format!("request.headers['x-action'] == '{name}'");
    let shop = |once: bool| {
        Shop::new(&json!({"steps": [
            {"name": "address", "routes": ["address"], "when": when("address"), "once": once},
            {"name": "pay", "routes": ["pay"]},
        ]}))
    };
    for once in [false, true] {
        let shop = shop(once);
        let send = |actions: &[&str]| {
            let head = [
                (":method", "POST"),
                (":path", "/address"),
                (":authority", "shop.example"),
                ("x-customer", "eve"),
            ];
            let fields = head.into_iter().chain(actions.iter().map(|action| ("x-action", *action)));
            let request = Request::new(Headers::from_pairs(fields), || None);
            match shop.0.open(request, Millis::new(NOW), || "r".to_owned()).judge(false) {
                Judged::Forward(_permit, body) => end(body.finish(), 0, 200),
                Judged::Refuse(_, done) => found(&done),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(send(&["address", "none"]), [""; 0], "it may be another request");
        assert_eq!(shop.send("eve", "pay", 1, 200), ["workflow.order checkout: `pay` before `address`"], "{once}");
        let again = send(&["address"]);
        let under_way = ["workflow.repeated checkout: `address` while it is under way"];
        assert_eq!(again, if once { &under_way[..] } else { &[] }, "what may be done once may be done");
        assert_eq!(shop.send("eve", "pay", 1, 200).is_empty(), !once);
    }
}
