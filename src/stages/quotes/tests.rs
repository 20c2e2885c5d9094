use super::*;
use crate::config::Config;
use crate::engine::answer::Course;
use crate::engine::waiting::Wait;
use crate::engine::{Done, Engine, Ports, Step};
use crate::request::headers::Headers;
use crate::request::Request;
use crate::response::{Head, Response};
use crate::stages::CHECKS;
use crate::time::Millis;
use proptest::prelude::*;
use serde_json::json;

const NOW: u64 = 1_800_000_000_000;

struct Shop(Engine);

impl Shop {
    /// A shop whose prices are quoted, changed as given.
    fn new(changes: &Value, assert: &Value) -> Self {
        let routes = json!([
            {"name": "products", "path": "/products"},
            {"name": "order", "path": "/order"},
            {"name": "other", "path": "/other"},
        ]);
        let mut quote = json!({
            "name": "price", "per": "header:x-customer",
            "capture": {"routes": ["products"], "each": "items[*]", "key": "id", "value": "price.amount", "currency": "price.currency"},
            "assert": {"routes": ["order"], "each": "lines[*]", "key": "sku", "value": "price", "currency": "$.currency",
                       "quantity": {"value": "quantity", "max": 10}, "total": "total"},
        });
        quote.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        quote["assert"].as_object_mut().unwrap().extend(assert.as_object().unwrap().clone());
        let document = json!({"version": 1, "mode": "enforce", "routes": routes, "quotes": [quote]});
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        Self(Engine::new(config, Ports::in_process([7; 16])))
    }

    /// A whole exchange: what was found.
    fn send(&self, who: &str, path: &str, at: u64, body: &str, answer: (u16, &str)) -> Vec<String> {
        let named = (!who.is_empty()).then_some(("x-customer", who));
        let fields = [(":method", "POST"), (":path", path), (":authority", "shop.example")];
        let request = Request::new(Headers::from_pairs(fields.into_iter().chain(named)), || None);
        let now = Millis::new(NOW + at);
        let mut step = self.0.open(request, now, || "r".to_owned()).judge(!body.is_empty());
        if let Step::Wait(Wait::Body(held)) = step {
            step = held.judge(body.as_bytes(), now);
        }
        let (status, said) = answer;
        let response = Response { status: Some(status), bytes: 0 };
        let mut done = match step {
            Step::Forward(_permit, body) => {
                let kind = [(":status", status.to_string()), ("content-type", "application/json".to_owned())];
                let fields = kind.iter().map(|(name, value)| (*name, value.as_str()));
                let head = Head::new(Headers::from_pairs(fields), !said.is_empty()).unwrap();
                match body.finish().answer(head, now) {
                    Course::Pass(_, answer) => answer.finish(response),
                    Course::Watch(_, mut watched) => {
                        said.as_bytes().chunks(7).for_each(|piece| watched.piece(piece, piece.len()));
                        watched.end(now).finish(response)
                    }
                    other => panic!("{other:?}"),
                }
            }
            Step::Refuse(_, done) => *done,
            _ => panic!("neither passed nor refused"),
        };
        done.close(response, now);
        found(&done)
    }

    fn browse(&self, who: &str, at: u64) {
        let said = json!({"items": [
            {"id": "p-1", "price": {"amount": "129.50", "currency": "EUR"}},
            {"id": 2, "price": {"amount": 24.5, "currency": "eur"}},
            {"id": "p-3"},
        ]});
        assert_eq!(self.send(who, "/products", at, "", (200, &said.to_string())), [""; 0]);
    }

    fn order(&self, who: &str, at: u64, order: &Value) -> Vec<String> {
        self.send(who, "/order", at, &order.to_string(), (201, ""))
    }
}

fn found(done: &Done) -> Vec<String> {
    let findings = done.findings().iter().map(|weighed| &weighed.finding);
    findings.map(|finding| format!("{} {}", finding.check.id, finding.reason)).collect()
}

fn honest() -> Value {
    json!({"currency": "EUR", "total": "283.50", "lines": [
        {"sku": "p-1", "price": 129.5, "quantity": 2}, {"sku": "2", "price": "24.50", "quantity": 1}]})
}

/// The honest order with one thing changed.
fn tampered(pointer: &str, value: Value) -> Value {
    let mut order = honest();
    *order.pointer_mut(pointer).unwrap() = value;
    order
}

#[test]
fn who_keeps_to_the_quotes_passes() {
    let shop = Shop::new(&json!({}), &json!({}));
    shop.browse("ada", 0);
    assert_eq!(shop.order("ada", 900_000, &honest()), [""; 0]);
    // What is left out is the service's own.
    assert_eq!(shop.order("ada", 1, &json!({"lines": [{"sku": "p-1"}]})), [""; 0]);
    assert_eq!(shop.order("ada", 1, &json!({"lines": []})), [""; 0]);
    assert_eq!(shop.send("ada", "/other", 1, "", (200, "")), [""; 0]);
}

/// `2`, `2.0` and `2e0` are one number to services.
#[test]
fn a_key_that_is_a_number_is_one_however_it_is_written() {
    let shop = Shop::new(&json!({}), &json!({}));
    shop.browse("eve", 0);
    let cheap = ["quote.mismatch price: item 1 (`2`) 0.01, quoted 24.50"];
    for sku in ["2", "2.0", "2e0", "20E-1", "\"2\""] {
        let order = format!(r#"{{"lines": [{{"sku": {sku}, "price": "0.01"}}]}}"#);
        assert_eq!(shop.send("eve", "/order", 1, &order, (201, "")), cheap, "{sku}");
    }
}

#[test]
fn each_way_to_tamper_is_found() {
    let shop = Shop::new(&json!({}), &json!({}));
    shop.browse("eve", 0);
    for (order, expected) in [
        (
            tampered("/lines/0/price", json!("0.01")),
            vec!["quote.mismatch price: item 1 (`p-1`) 0.01, quoted 129.50"],
        ),
        (
            tampered("/lines/1/price", json!("24.500001")),
            vec!["quote.mismatch price: item 2 (`2`) 24.500001, quoted 24.50"],
        ),
        (
            tampered("/lines/0/price", json!("1e1")),
            vec!["quote.mismatch price: item 1 (`p-1`) `1e1` is no decimal"],
        ),
        (
            tampered("/lines/0/price", json!(["129.50"])),
            vec!["quote.mismatch price: item 1 (`p-1`) a list is no decimal"],
        ),
        (
            tampered("/currency", json!("IDR")),
            vec!["quote.currency price: item 1 (`p-1`) `IDR`, quoted in another"],
        ),
        (tampered("/total", json!(1)), vec!["quote.total price: total 1.00, the items amount to 283.50"]),
        (
            tampered("/lines/0/quantity", json!(-1)),
            vec![
                "quote.quantity price: item 1 (`p-1`) -1.00, expected 1.00 to 10.00",
                "quote.total price: total 283.50, the items amount to -105.00",
            ],
        ),
        (
            tampered("/lines/0/quantity", json!(0.01)),
            vec![
                "quote.quantity price: item 1 (`p-1`) 0.01, expected 1.00 to 10.00",
                "quote.total price: total 283.50, the items amount to 25.795",
            ],
        ),
        (
            tampered("/lines/0/quantity", json!("many\n")),
            vec!["quote.quantity price: item 1 (`p-1`) `many\\n` is no number"],
        ),
        (tampered("/lines/0/sku", json!("p-9")), vec!["quote.unknown price: item 1 (`p-9`) was not quoted"]),
        (
            tampered("/lines/0/sku", json!(null)),
            vec![
                "quote.unread price: item 1 has no key",
                "quote.total price: total 283.50, the items amount to 24.50",
            ],
        ),
    ] {
        assert_eq!(shop.order("eve", 1000, &order), expected, "{order}");
    }
}

#[test]
fn quotes_are_for_whom_they_were_told_and_for_a_while() {
    let shop = Shop::new(&json!({}), &json!({"missing": "deny"}));
    shop.browse("ada", 0);
    let unknown = ["quote.unknown price: item 1 (`p-1`) was not quoted"];
    assert_eq!(shop.order("eve", 1, &honest()), unknown);
    assert_eq!(shop.order("", 1, &honest()), unknown, "nobody");
    assert_eq!(shop.order("ada", 901_000, &honest()), unknown, "it is over");
    let anyone = Shop::new(&json!({"per": "anyone"}), &json!({}));
    anyone.browse("ada", 0);
    assert_eq!(anyone.order("eve", 1, &honest()), [""; 0]);
    assert_eq!(anyone.order("eve", 1, &tampered("/lines/0/price", json!(1))).len(), 1);
}

#[test]
fn the_last_quote_counts_and_lives_on_when_it_is_heard_again() {
    let shop = Shop::new(&json!({}), &json!({}));
    let said =
        |price: &str| json!({"items": [{"id": "p-1", "price": {"amount": price, "currency": "EUR"}}]}).to_string();
    let order = |price: &str| json!({"lines": [{"sku": "p-1", "price": price}]});
    shop.send("ada", "/products", 0, "", (200, &said("1")));
    shop.send("ada", "/products", 10, "", (200, &said("2")));
    assert_eq!(shop.order("ada", 20, &order("1")).len(), 1);
    assert_eq!(shop.order("ada", 20, &order("2")), [""; 0]);
    shop.send("ada", "/products", 800_000, "", (200, &said("2")));
    assert_eq!(shop.order("ada", 1_600_000, &order("2")), [""; 0]);
}

#[test]
fn only_good_answers_of_one_document_are_listened_to() {
    let shop = Shop::new(&json!({}), &json!({}));
    let said = json!({"items": [{"id": "p-1", "price": {"amount": "1", "currency": "EUR"}}]}).to_string();
    shop.send("ada", "/products", 0, "", (404, &said));
    shop.send("ada", "/products", 0, "", (200, &format!("{said}{said}")));
    shop.send("ada", "/other", 0, "", (200, &said));
    let unknown = ["quote.unknown price: item 1 (`p-1`) was not quoted"];
    assert_eq!(shop.order("ada", 1, &json!({"lines": [{"sku": "p-1", "price": 2}]})), unknown);
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let shop = Shop::new(&json!({}), &json!({"missing": "challenge"}));
    shop.browse("eve", 0);
    for body in ["sku=p-1&price=1", "{\"lines\": [], \"lines\": []}", "{"] {
        let found = shop.send("eve", "/order", 1, body, (201, ""));
        assert!(
            found.contains(&"quote.unread price: not one JSON document with one meaning".to_owned()),
            "{found:?}"
        );
    }
    let lines: Vec<Value> = (0..65).map(|_| json!({"sku": "p-1", "price": 129.5})).collect();
    assert_eq!(shop.order("eve", 1, &json!({"lines": lines})), ["quote.unread price: more than 64 items"]);
}

#[test]
fn tolerance_and_direction_are_those_configured() {
    let order = |price: &str| json!({"lines": [{"sku": "p-1", "price": price}]});
    for (assert, right, wrong) in [
        (json!({"tolerance": {"absolute": "0.05"}}), ["129.45", "129.55"], ["129.44", "129.56"]),
        (json!({"tolerance": {"relative": 0.01}}), ["128.205", "130.795"], ["128.20", "130.80"]),
        (json!({"compare": "at_least"}), ["129.50", "1000"], ["129.49", "0"]),
        (json!({"compare": "at_most"}), ["129.50", "0"], ["129.51", "1000"]),
    ] {
        let shop = Shop::new(&json!({}), &assert);
        shop.browse("ada", 0);
        for price in right {
            assert_eq!(shop.order("ada", 1, &order(price)), [""; 0], "{assert} {price}");
        }
        for price in wrong {
            assert_eq!(shop.order("ada", 1, &order(price)).len(), 1, "{assert} {price}");
        }
    }
}

#[test]
fn a_value_without_a_key_is_one_for_the_actor() {
    let shop = Shop::new(
        &json!({"capture": {"routes": ["products"], "value": "cart.total"}, "assert": {"routes": ["order"], "value": "amount"}}),
        &json!({}),
    );
    shop.send("ada", "/products", 0, "", (200, r#"{"cart": {"total": 30}}"#));
    assert_eq!(shop.order("ada", 1, &json!({"amount": 30.0})), [""; 0]);
    assert_eq!(shop.order("ada", 1, &json!({"amount": 3})), ["quote.mismatch price: 3.00, quoted 30.00"]);
}

#[test]
fn sixty_four_items_are_remembered() {
    let shop = Shop::new(&json!({}), &json!({"quantity": null, "total": null, "currency": null}));
    let items: Vec<Value> =
        (0..80).map(|n| json!({"id": format!("p-{n}"), "price": {"amount": n, "currency": "EUR"}})).collect();
    shop.send("ada", "/products", 0, "", (200, &json!({"items": items}).to_string()));
    let lines: Vec<Value> = (0..64).map(|n| json!({"sku": format!("p-{n}"), "price": n})).collect();
    assert_eq!(shop.order("ada", 1, &json!({"lines": lines})), [""; 0]);
    let unknown = ["quote.unknown price: item 1 (`p-64`) was not quoted"];
    assert_eq!(shop.order("ada", 1, &json!({"lines": [{"sku": "p-64", "price": 64}]})), unknown);
}

/// Any document, of any form.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.\\-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let names = prop_oneof![
            Just("items"),
            Just("lines"),
            Just("id"),
            Just("sku"),
            Just("price"),
            Just("quantity"),
            Just("total")
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(names.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Nobody gets another price by writing a number in another way.
#[test]
fn a_number_is_one_key_however_it_is_written() {
    let shop = Shop::new(&json!({}), &json!({"quantity": null, "total": null, "currency": null}));
    let items = json!({"items": [{"id": 7, "price": {"amount": 5}}]});
    assert_eq!(shop.send("ada", "/products", 0, "", (200, &items.to_string())), [""; 0]);
    for key in ["7", "7.0", "7e0", "70e-1", "\"7\""] {
        let order = format!(r#"{{"lines": [{{"sku": {key}, "price": 0.01}}]}}"#);
        let found = shop.send("ada", "/order", 1, &order, (201, ""));
        assert_eq!(found, ["quote.mismatch price: item 1 (`7`) 0.01, quoted 5.00"], "{key}");
    }
}

/// Neither a currency that is no name hides behind another one, nor is nothing said a currency.
#[test]
fn a_currency_has_a_name_or_a_number() {
    let asked = |quoted: Value, said: Value| {
        let shop = Shop::new(&json!({}), &json!({"quantity": null, "total": null, "currency": "currency"}));
        let items = json!({"items": [{"id": "p", "price": {"amount": 5, "currency": quoted}}]});
        assert_eq!(shop.send("ada", "/products", 0, "", (200, &items.to_string())), [""; 0]);
        shop.order("ada", 1, &json!({"lines": [{"sku": "p", "price": 5, "currency": said}]})).is_empty()
    };
    for (quoted, said, is_right) in [
        (json!("EUR"), json!("eur"), true),
        (json!("EUR"), json!(" EUR"), false),
        (json!("EUR"), json!(978), false),
        (json!(978), json!(978), true),
        (json!(978), json!("978"), true),
        (json!(978), json!(840), false),
        // Nothing said is nothing to compare, on either side.
        (json!("EUR"), json!(null), true),
        (json!(null), json!("EUR"), true),
        (json!(null), json!(true), true),
        // What is no currency is not the one that was quoted, and quotes none.
        (json!("EUR"), json!(true), false),
        (json!("EUR"), json!(["EUR"]), false),
        (json!("EUR"), json!({"EUR": 1}), false),
        (json!("EUR"), json!(""), false),
        (json!(true), json!(false), true),
        (json!({"code": "EUR"}), json!("EUR"), true),
    ] {
        assert_eq!(asked(quoted.clone(), said.clone()), is_right, "{quoted} {said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_answer_and_no_request_panics(said in any_json(), order in any_json()) {
        let shop = Shop::new(&json!({}), &json!({}));
        shop.send("ada", "/products", 0, "", (200, &said.to_string()));
        prop_assert!(shop.order("ada", 1, &order).len() <= 5);
    }

    /// Whatever was quoted is right, and what differs beyond the tolerance is wrong.
    #[test]
    fn a_price_is_right_or_wrong_to_the_cent(cents in 0_i64..100_000_000, off in -500_i64..500) {
        let shop = Shop::new(&json!({}), &json!({"tolerance": {"absolute": 0.02}}));
        let money = |cents: i64| Decimal::from_millionths(cents * 10_000).to_string();
        let said = json!({"items": [{"id": "p", "price": {"amount": money(cents), "currency": "EUR"}}]});
        shop.send("ada", "/products", 0, "", (200, &said.to_string()));
        let order = json!({"lines": [{"sku": "p", "price": money(cents + off)}]});
        prop_assert_eq!(shop.order("ada", 1, &order).is_empty(), off.abs() <= 2);
    }

    #[test]
    fn no_record_panics(state in any::<[u8; 16]>(), now in any::<u64>()) {
        use crate::memory::record::{Debt, Record};
        let mut record = Record::new(1, Debt::default());
        record.settle(state, Debt::default());
        let lifetime = Millis::from_secs(900);
        if let Some(quoted) = Quoted::of(&record, lifetime, Millis::new(now)) {
            prop_assert!(quoted.stored(record, lifetime, Millis::new(now)).is_none_or(|record| !record.is_new()));
        }
    }
}

#[test]
fn what_services_take_for_a_list_is_one() {
    let shop = Shop::new(&json!({}), &json!({}));
    shop.browse("ada", 0);
    for lines in [
        json!([{"sku": "p-1", "price": 0.01, "quantity": 1}]),
        json!({"0": {"sku": "p-1", "price": 0.01, "quantity": 1}}),
        json!({"sku": "p-1", "price": 0.01, "quantity": 1}),
    ] {
        let order = json!({"lines": lines, "currency": "EUR"}).to_string();
        let found = shop.send("ada", "/order", 1, &order, (200, ""));
        assert!(found.iter().any(|found| found.contains("quote.mismatch")), "{order}: {found:?}");
    }
}
