use crate::quotes::Compare;
use crate::{Config, FailurePolicy};
use portcullis::stages::CHECKS;
use portcullis_base::time::Millis;
use serde_json::{json, Value};

fn parse(quote: &Value) -> Result<Config, String> {
    let routes = json!([{"name": "products", "path": "/products"}, {"name": "order", "path": "/order"}]);
    let document = json!({"version": 1, "routes": routes, "quotes": [quote]});
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

/// A whole quote, with the value at one place taken from `value`.
fn with(pointer: &str, value: Value) -> Value {
    let mut quote = json!({
        "name": "price", "per": "session",
        "capture": {"routes": ["products"], "each": "items[*]", "key": "id", "value": "price"},
        "assert": {"routes": ["order"], "each": "lines[*]", "key": "sku", "value": "price"},
    });
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    quote.pointer_mut(parent).unwrap()[name] = value;
    quote
}

#[test]
fn the_defaults_are_those_documented() {
    let config = parse(&with("/name", json!("price"))).unwrap();
    let quote = &config.flows.quotes[0];
    assert_eq!((quote.lifetime, quote.weight, quote.monitor), (Millis::from_secs(900), None, false));
    let assert = &quote.assert;
    assert_eq!((assert.compare, assert.missing), (Compare::Equal, FailurePolicy::Allow));
    assert!(assert.quantity.is_none() && assert.total.is_none() && assert.currency.is_none());
    let needs = |name: &str| config.routes.iter().any(|(_, route)| route.name == name && route.needs_body());
    assert!(config.may_wait() && config.needs_memory() && needs("order") && !needs("products"));
}

#[test]
fn lists_may_stand_in_lists_and_at_the_top() {
    for each in ["[*]", "a[*]", "a.b[*]", "orders[*].lines[*]", "[*].lines[*]", "a[*].b[*].c[*]"] {
        assert!(parse(&with("/assert/each", json!(each))).is_ok(), "{each}");
    }
}

#[test]
fn faults_are_named_with_their_place() {
    for (pointer, value, place) in [
        ("/per", json!("sesion"), "quotes[0].per: unknown actor `sesion`, expected one of: session"),
        ("/per", json!("body:user"), "quotes[0].per: is in the body"),
        ("/lifetime", json!("1s"), "quotes[0].lifetime: expected 2s to 30d"),
        ("/capture/routes", json!(["product"]), "quotes[0].capture.routes[0]: unknown route `product`, expected one of: products, order; did you mean `products`?"),
        ("/assert/routes", json!([]), "quotes[0].assert.routes: names no route"),
        ("/capture/each", json!("items"), "quotes[0].capture.each: `items`: expected lists"),
        ("/capture/each", json!("items[*].x"), "quotes[0].capture.each: "),
        ("/capture/each", json!("a[*].b[*].c[*].d[*]"), "quotes[0].capture.each: goes through 4 lists, at most 3"),
        ("/capture/each", json!("a[0][*]"), "quotes[0].capture.each: "),
        ("/capture/value", json!(""), "quotes[0].capture.value: ``: expected names"),
        ("/capture/value", json!("a..b"), "quotes[0].capture.value: "),
        ("/capture/vlue", json!("a"), "quotes[0].capture.vlue: unknown field `vlue`"),
        ("/capture/key", json!(null), "quotes[0]: `capture` and `assert` have to agree"),
        ("/assert/currency", json!("currency"), "quotes[0].assert.currency: no currency is captured"),
        ("/assert/value", json!(null), "quotes[0].assert: asserts none of"),
        ("/assert/compare", json!("atmost"), "quotes[0].assert.compare: unknown variant `atmost`"),
        ("/assert/missing", json!("refuse"), "quotes[0].assert.missing: unknown variant `refuse`"),
        ("/assert/tolerance", json!({"absolute": -1}), "quotes[0].assert.tolerance.absolute: is out of range"),
        ("/assert/tolerance", json!({"relative": 1.1}), "quotes[0].assert.tolerance.relative: is out of range"),
        ("/assert/tolerance", json!({"absolute": "1,5"}), "quotes[0].assert.tolerance.absolute: is \"1,5\", expected a number"),
        ("/assert/quantity", json!({"value": "n", "min": 2, "max": 1}), "quotes[0].assert.quantity.max: is less than `min`"),
        ("/assert/quantity", json!({"value": "n", "min": "x"}), "quotes[0].assert.quantity.min: "),
        ("/score", json!(2), "quotes[0].score: "),
    ] {
        let fault = parse(&with(pointer, value)).unwrap_err();
        assert!(fault.starts_with(place), "{pointer}: {fault}");
    }
}
