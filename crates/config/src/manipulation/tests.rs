use crate::Config;
use portcullis::stages::CHECKS;
use serde_json::{json, Value};

fn parse(manipulation: &Value) -> Result<Config, String> {
    let routes = json!([{"name": "price", "path": "/price"}, {"name": "coupon", "path": "/coupon"}]);
    let document = json!({"version": 1, "routes": routes, "manipulation": manipulation});
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

#[test]
fn the_defaults_are_those_documented() {
    let config = parse(&json!({
        "rapid_price_checks": {"routes": ["price"]}, "cart_manipulation": {"routes": ["price"]},
        "discount_abuse": {"routes": ["coupon"], "distinct": "body.code"}, "inventory_probing": {"routes": ["price"]},
    }))
    .unwrap();
    let own = config.flows.manipulation.as_ref().unwrap();
    assert_eq!((own.window.as_u64(), own.threshold, own.monitor), (600_000, 700, false));
    let ranges: Vec<_> = own.indicators.iter().map(|one| (one.name, one.from, one.to)).collect();
    let expected = [
        ("rapid_price_checks", 60, 240),
        ("cart_manipulation", 20, 80),
        ("discount_abuse", 3, 10),
        ("inventory_probing", 30, 120),
    ];
    assert_eq!(ranges, expected);
    assert!(own.needs_body && config.may_wait() && own.judges("coupon") && !own.judges("other"));
    let degree = |number| own.indicators[2].degree(number);
    assert_eq!([degree(0), degree(3), degree(4), degree(10), degree(i64::MAX)], [0, 0, 142, 1000, 1000]);
}

#[test]
fn faults_are_named_with_their_place() {
    let one = |indicator: Value| json!({"discount_abuse": indicator});
    for (written, place) in [
        (json!({}), "manipulation: has none of `rapid_price_checks`"),
        (
            json!({"rapid_price_check": {"routes": ["price"]}}),
            "manipulation.rapid_price_check: unknown field `rapid_price_check`",
        ),
        (json!({"window": "1s"}), "manipulation.window: expected 10s to 1d"),
        (json!({"threshold": 1.5, "discount_abuse": {"routes": ["price"]}}), "manipulation.threshold: is 1.5"),
        (json!({"per": "route"}), "manipulation.per: unknown actor `route`"),
        (
            json!({"routes": ["prize"]}),
            "manipulation.routes[0]: unknown route `prize`, expected one of: price, coupon; did you mean `price`?",
        ),
        (one(json!({"routes": []})), "manipulation.discount_abuse.routes: names no route"),
        (
            one(json!({"routes": ["price"], "from": 10})),
            "manipulation.discount_abuse.to: is 10, expected more than `from` (10)",
        ),
        (
            one(json!({"routes": ["price"], "to": 70000})),
            "manipulation.discount_abuse.to: is 70000, at most 60000",
        ),
        (
            one(json!({"routes": ["price"], "distinct": "body.x", "to": 61})),
            "manipulation.discount_abuse.to: is 61, at most 60",
        ),
        (
            one(json!({"routes": ["price"], "distinct": "bdy.x"})),
            "manipulation.discount_abuse.distinct: column 1: unknown name `bdy`",
        ),
        (
            one(json!({"routes": ["price"], "distinct": "count(1, duration('1m'))"})),
            "manipulation.discount_abuse.distinct: column 1: counters stand in",
        ),
    ] {
        let fault = parse(&written).unwrap_err();
        assert!(fault.starts_with(place), "{written}: {fault}");
    }
}
