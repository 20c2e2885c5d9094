//! Every abuse of a shop, as somebody does it who goes on whatever he is told.

use super::visitor::{Abuse, Visitor};
use super::Harm;
use crate::envoy::crowd::{told, CONNECTIONS};
use portcullis_lab::client::Request;
use serde_json::{json, Value};

/// All of them.
pub(super) const ABUSES: [Abuse; 17] = [
    Abuse {
        name: "lowers-the-price",
        check: "quote.mismatch",
        harm: Harm::Underpaid,
        act: |m| sell(m, &[("p-1", "1.29", 1)], "EUR"),
    },
    Abuse { name: "lowers-the-total", check: "quote.mismatch", harm: Harm::Underpaid, act: lower_the_total },
    Abuse { name: "orders-another-cart", check: "quote.mismatch", harm: Harm::Underpaid, act: order_another_cart },
    Abuse {
        name: "changes-the-currency",
        check: "quote.currency",
        harm: Harm::Currency,
        act: |m| sell(m, &[("p-1", "129.50", 1)], "IDR"),
    },
    Abuse {
        name: "orders-less-than-nothing",
        check: "quote.quantity",
        harm: Harm::Backwards,
        act: |m| sell(m, &[("p-1", "129.50", -6)], "EUR"),
    },
    Abuse {
        name: "orders-more-than-there-is",
        check: "quote.mismatch",
        harm: Harm::Oversold,
        act: |m| sell(m, &[("p-2", "899.00", 4)], "EUR"),
    },
    Abuse { name: "skips-the-address", check: "workflow.order", harm: Harm::Unaddressed, act: skip_the_address },
    Abuse {
        name: "pays-many-times-at-once",
        check: "workflow.repeated",
        harm: Harm::PaidTwice,
        act: pay_many_times,
    },
    Abuse { name: "stacks-coupons", check: "business.rule", harm: Harm::Stacked, act: stack_coupons },
    Abuse { name: "enumerates-orders", check: "objects.enumeration", harm: Harm::Foreign, act: enumerate_orders },
    Abuse { name: "reads-others-orders", check: "objects.owner", harm: Harm::Foreign, act: read_an_order },
    Abuse { name: "probes-the-shop", check: "manipulation.risk", harm: Harm::Probed, act: probe },
    Abuse {
        name: "guesses-a-password",
        check: "business.rule",
        harm: Harm::AccountGuessed,
        act: guess_a_password,
    },
    Abuse { name: "guesses-a-reset", check: "business.rule", harm: Harm::ResetGuessed, act: guess_a_reset },
    Abuse {
        name: "guesses-gift-cards",
        check: "business.rule",
        harm: Harm::CardGuessed,
        act: |m| each(m, 1000..1040, "gift-cards", |n| json!({"code": format!("GC-{n}")})),
    },
    Abuse {
        name: "floods-with-letters",
        check: "business.rule",
        harm: Harm::Flooded,
        act: |m| each(m, 0..20, "password/forgot", |_| json!({"user": "ada"})),
    },
    Abuse {
        name: "farms-accounts",
        check: "business.rule",
        harm: Harm::Multiplied,
        act: |m| each(m, 0..20, "signup", |n| json!({"user": format!("farmed-{n}"), "email": "farm@example.com"})),
    },
];

fn sell(mallory: &Visitor<'_>, lines: &[(&str, &str, i64)], currency: &str) {
    if let Some((order, total)) = mallory.order(&Visitor::cart(lines, currency), &[], true) {
        mallory.pay(&order, &total);
    }
}

/// Something small that he might buy.
fn lantern() -> Value {
    Visitor::cart(&[("p-3", "24.50", 1)], "EUR")
}

fn lower_the_total(mallory: &Visitor<'_>) {
    let Some((order, _)) = mallory.order(&lantern(), &[], true) else { panic!("an honest order") };
    mallory.pay(&order, "0.01");
}

/// The total of one cart with the lines of another, each of which was quoted.
fn order_another_cart(mallory: &Visitor<'_>) {
    let gate = Visitor::cart(&[("p-2", "899.00", 1)], "EUR");
    mallory.get("products");
    mallory.post("cart", &gate);
    mallory.post("cart", &lantern());
    mallory.post("address", &json!({"street": "9 Rheinsprung"}));
    for subtotal in [json!("899.00"), json!("24.50"), json!(null)] {
        let mut order = gate.clone();
        (order["subtotal"], order["total"]) = (subtotal, json!("24.50"));
        let made = mallory.post("orders", &order).json().unwrap();
        if let Some(order) = made["id"].as_str() {
            mallory.pay(order, "24.50");
        }
    }
}

fn skip_the_address(mallory: &Visitor<'_>) {
    if let Some((order, total)) = mallory.order(&lantern(), &[], false) {
        mallory.pay(&order, &total);
    }
}

/// Over all connections at the same time: one of the payments is honest.
fn pay_many_times(mallory: &Visitor<'_>) {
    let Some((order, total)) = mallory.order(&lantern(), &[], true) else { panic!("an honest order") };
    let pay = || (0..4).map(|_| told(&mallory.pay(&order, &total))).filter(|told| told == "200").count();
    let paid: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(pay)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(paid >= 1);
    mallory.shop.till.lock().unwrap().take(&total, 1);
}

fn stack_coupons(mallory: &Visitor<'_>) {
    let all = ["WELCOME", "SPRING", "NEIGHBOUR", "LANTERN"];
    if let Some((order, total)) = mallory.order(&lantern(), &all, true) {
        mallory.pay(&order, &total);
    }
}

fn enumerate_orders(mallory: &Visitor<'_>) {
    // Somebody has ordered something, and the numbers in a row lead to it.
    Visitor::new(mallory.shop, 999, "somebody-else").order(&lantern(), &[], true);
    for number in 1..=80 {
        mallory.get(&format!("users/{}/orders/o-{}", mallory.name, 9_000 - number));
    }
    for number in 1..=20 {
        mallory.get(&format!("users/{}/orders/o-{number}", mallory.name));
    }
}

/// He reads it, and pays it to have it sent to himself.
fn read_an_order(mallory: &Visitor<'_>) {
    let owner = Visitor::new(mallory.shop, 998, "its-owner");
    let Some((order, total)) = owner.order(&lantern(), &[], true) else { panic!("an honest order") };
    mallory.get(&format!("users/its-owner/orders/{order}"));
    mallory.order(&lantern(), &[], true);
    mallory.pay(&order, &total);
}

fn probe(mallory: &Visitor<'_>) {
    for number in 0..80 {
        mallory.get(&format!("products/p-{}", 1 + number % 8));
        mallory.get(&format!("stock/p-{}", 1 + number % 8));
        mallory.post("cart", &lantern());
    }
}

/// From another address each time.
fn guess_a_password(mallory: &Visitor<'_>) {
    for number in 0..40 {
        let guess = json!({"user": "bob", "password": format!("dragon-{number}")});
        mallory.send_from(&format!("10.9.0.{number}"), Request::post("/shop/login").json(&guess));
    }
}

fn guess_a_reset(mallory: &Visitor<'_>) {
    mallory.post("password/forgot", &json!({"user": "bob"}));
    each(mallory, 985..1030, "password/reset", |code| json!({"token": code.to_string(), "password": "mine"}));
}

fn each(mallory: &Visitor<'_>, numbers: std::ops::Range<u32>, path: &str, body: impl Fn(u32) -> Value) {
    for number in numbers {
        mallory.post(path, &body(number));
    }
}
