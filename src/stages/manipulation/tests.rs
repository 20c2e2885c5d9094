use crate::config::Config;
use crate::engine::waiting::Wait;
use crate::engine::{Engine, Ports, Step};
use crate::request::headers::Headers;
use crate::request::Request;
use crate::response::Response;
use crate::stages::CHECKS;
use crate::time::Millis;
use serde_json::{json, Value};

const NOW: u64 = 1_800_000_000_000;

struct Shop(Engine);

impl Shop {
    fn new(changes: &Value) -> Self {
        let names = ["price", "cart", "coupon", "stock", "pay"];
        let routes: Vec<Value> =
            names.iter().map(|name| json!({"name": name, "path": format!("/{name}")})).collect();
        let range = |route: &str| json!({"routes": [route], "from": 2, "to": 12});
        let mut own = json!({
            "per": "header:x-customer", "window": "1m", "routes": ["pay"],
            "rapid_price_checks": range("price"), "cart_manipulation": range("cart"),
            "discount_abuse": {"routes": ["coupon"], "distinct": "body.code", "from": 1, "to": 5},
            "inventory_probing": range("stock"),
        });
        own.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let document = json!({"version": 1, "mode": "enforce", "routes": routes, "manipulation": own});
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        Self(Engine::new(config, Ports::in_process([7; 16])))
    }

    fn send(&self, who: &str, what: &str, at: u64, code: u32) -> Vec<String> {
        let path = format!("/{what}");
        let fields = [(":method", "POST"), (":path", &path), (":authority", "shop.example"), ("x-customer", who)];
        let request = Request::new(Headers::from_pairs(fields), || None);
        let now = Millis::new(NOW + at);
        let mut step = self.0.open(request, now, || "r".to_owned()).judge(true);
        if let Step::Wait(Wait::Body(held)) = step {
            step = held.judge(json!({"code": code}).to_string().as_bytes(), now);
        }
        let done = match step {
            Step::Forward(_permit, body) => body.finish().finish(Response::default()),
            Step::Refuse(_, done) => *done,
            _ => panic!("neither passed nor refused"),
        };
        let findings = done.findings().iter().map(|weighed| &weighed.finding);
        findings.map(|finding| format!("{} {}", finding.check.id, finding.reason)).collect()
    }
}

#[test]
fn the_mean_of_the_indicators_decides() {
    let shop = Shop::new(&json!({}));
    let mut last = Vec::new();
    for number in 0..12 {
        last = shop.send("eve", "price", 0, 0);
        assert_eq!(last.is_empty(), number < 2, "{number}: {last:?}");
    }
    assert_eq!(last, ["manipulation.signs risk 0.25: rapid_price_checks 1.00 (12)"]);
    (0..12).for_each(|_| last = shop.send("eve", "cart", 0, 0));
    assert_eq!(last, ["manipulation.signs risk 0.50: rapid_price_checks 1.00 (12), cart_manipulation 1.00 (12)"]);
    (0..5).for_each(|code| last = shop.send("eve", "coupon", 0, code));
    let risk = "manipulation.risk risk 0.75: rapid_price_checks 1.00 (12), cart_manipulation 1.00 (12), discount_abuse 1.00 (5)";
    assert_eq!(last, [risk]);
    assert_eq!(shop.send("eve", "pay", 0, 0), [risk], "judged elsewhere too");
    assert_eq!(shop.send("ada", "pay", 0, 0), [""; 0]);
    // After a window and its longest part it is forgotten.
    assert_eq!(shop.send("eve", "pay", 130_000, 0), [""; 0]);
}

#[test]
fn one_indicator_alone_decides_by_itself() {
    let nothing = json!(null);
    let shop = Shop::new(
        &json!({"cart_manipulation": nothing, "inventory_probing": nothing, "rapid_price_checks": nothing}),
    );
    // The same code again is no other one.
    for _ in 0..20 {
        assert_eq!(shop.send("ada", "coupon", 0, 1), [""; 0]);
    }
    assert_eq!(shop.send("ada", "coupon", 0, 2), ["manipulation.signs risk 0.25: discount_abuse 0.25 (2)"]);
    (3..5).for_each(|code| drop(shop.send("ada", "coupon", 0, code)));
    assert_eq!(shop.send("ada", "coupon", 0, 5), ["manipulation.risk risk 1.00: discount_abuse 1.00 (5)"]);
}

#[test]
fn a_trial_refuses_nobody() {
    let shop = Shop::new(&json!({"mode": "monitor", "threshold": 0}));
    (0..12).for_each(|_| drop(shop.send("eve", "price", 0, 0)));
    assert!(shop.0.config().flows.manipulation.as_ref().unwrap().monitor);
    assert_eq!(shop.send("eve", "price", 0, 0), ["manipulation.risk risk 0.25: rapid_price_checks 1.00 (13)"]);
}
