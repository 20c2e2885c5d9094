//! The shop by itself: an honest visit leaves clean books, every abuse leaves its mark, and nothing grows.

use super::*;

fn bearer(who: &str) -> String {
    format!("Bearer x.{}.x", BASE64URL.encode(json!({"sub": who}).to_string()))
}

fn ask(shop: &mut Shop, who: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let (authorization, body) = (bearer(who), body.to_string());
    let path = format!("/shop/{path}");
    let call = Call { method, path: &path, authorization: Some(&authorization), body: body.as_bytes() };
    let answer = shop.answer(call).unwrap();
    (answer.status, serde_json::from_str(&answer.text()).unwrap())
}

fn post(shop: &mut Shop, who: &str, path: &str, body: Value) -> (u16, Value) {
    ask(shop, who, "POST", path, &body)
}

fn cart(price: &str, quantity: i64, currency: &str) -> Value {
    json!({"currency": currency, "lines": [{"product": "p-3", "price": price, "quantity": quantity}]})
}

/// A visit with coupons: what was paid, and the order.
fn buy(shop: &mut Shop, who: &str, cart: &Value, coupons: &[&str]) -> String {
    let mut total = post(shop, who, "cart", cart.clone()).1["total"].clone();
    for code in coupons {
        total = post(shop, who, "coupons", json!({"code": code})).1["total"].clone();
    }
    post(shop, who, "address", json!({"street": "12 St James's Square"}));
    let mut order = cart.clone();
    order["total"] = total.clone();
    let order = post(shop, who, "orders", order).1["id"].as_str().unwrap().to_owned();
    let payment = json!({"order": order, "amount": total, "card": "visa"});
    assert_eq!(post(shop, who, "payments", payment).0, 200);
    order
}

#[test]
fn an_honest_visit_leaves_clean_books() {
    let mut shop = Shop::default();
    let before = shop.books().in_stock;
    let order = buy(&mut shop, "ada", &cart("24.50", 4, "EUR"), &["WELCOME", "SPRING"]);
    let (status, shown) = ask(&mut shop, "ada", "GET", &format!("users/ada/orders/{order}"), &json!(null));
    assert_eq!((status, &shown["order"]["total"]), (200, &json!("79.38")));
    let books = shop.books();
    assert_eq!((books.paid, books.earned_cents, books.shipped, books.in_stock), (1, 7_938, 4, before - 4));
    assert!(books.harms().is_empty(), "{books:?}");
    let declined = json!({"order": order, "amount": "1", "card": "declined"});
    assert_eq!(post(&mut shop, "ada", "payments", declined).0, 402);
    assert_eq!(shop.books(), books);
}

#[test]
fn the_shop_believes_whatever_it_is_told_and_the_books_say_so() {
    let mut shop = Shop::default();
    let of = |shop: &Shop, harm: Harm| shop.books().harm(harm);
    buy(&mut shop, "m", &cart("0.01", 1, "EUR"), &[]);
    assert_eq!(of(&shop, Harm::Underpaid), 1);
    buy(&mut shop, "m", &cart("24.50", 1, "IDR"), &[]);
    buy(&mut shop, "m", &cart("24.50", -3, "EUR"), &[]);
    assert_eq!((of(&shop, Harm::Currency), of(&shop, Harm::Backwards)), (1, 1));
    let order = buy(&mut shop, "m", &cart("24.50", 1, "EUR"), &["WELCOME", "SPRING", "NEIGHBOUR"]);
    assert_eq!((of(&shop, Harm::Stacked), of(&shop, Harm::PaidTwice), of(&shop, Harm::Foreign)), (1, 0, 0));
    post(&mut shop, "eve", "payments", json!({"order": order, "amount": "24.50"}));
    assert_eq!((of(&shop, Harm::PaidTwice), of(&shop, Harm::Foreign)), (1, 1));
    ask(&mut shop, "eve", "GET", &format!("users/m/orders/{order}"), &json!(null));
    assert_eq!((of(&shop, Harm::Foreign), of(&shop, Harm::Unaddressed)), (2, 0));
    let wish = json!({"lines": [{"product": "p-2", "price": "899", "quantity": 4}], "total": "3596"});
    let order = post(&mut shop, "m", "orders", wish).1["id"].clone();
    post(&mut shop, "m", "payments", json!({"order": order, "amount": "3596"}));
    assert_eq!((of(&shop, Harm::Unaddressed), of(&shop, Harm::Oversold)), (1, 1));
}

#[test]
fn whoever_tries_long_enough_gets_in() {
    let mut shop = Shop::default();
    for number in 0..=40 {
        post(&mut shop, "m", "login", json!({"user": "bob", "password": format!("dragon-{number}")}));
        post(&mut shop, "m", "gift-cards", json!({"code": format!("GC-{}", 1000 + number)}));
        post(&mut shop, "m", "signup", json!({"user": format!("m-{number}"), "email": "m@example.com"}));
        post(&mut shop, "m", "password/reset", json!({"token": (990 + number).to_string(), "password": "mine"}));
        if number == 5 {
            assert_eq!(post(&mut shop, "m", "password/forgot", json!({"user": "ada"})).0, 202);
        }
        ask(&mut shop, "m", "GET", "products", &json!(null));
    }
    for harm in [Harm::AccountGuessed, Harm::CardGuessed, Harm::Multiplied, Harm::ResetGuessed] {
        assert!(shop.books().harm(harm) > 0, "{harm:?}");
    }
    for _ in 0..200 {
        ask(&mut shop, "m", "GET", "stock/p-2", &json!(null));
        post(&mut shop, "m", "password/forgot", json!({"user": "bob"}));
    }
    assert_eq!((shop.books().harm(Harm::Probed), shop.books().harm(Harm::Flooded)), (1, 197));
    assert_eq!(shop.letter("bob").as_deref(), Some("1201"));
    let reset = json!({"token": "1201", "password": "new"});
    assert_eq!(post(&mut shop, "bob", "password/reset", reset).0, 200);
    assert_eq!(post(&mut shop, "bob", "login", json!({"user": "bob", "password": "new"})).0, 200);
}

#[test]
fn errors_are_json_and_nothing_grows() {
    let mut shop = Shop::default();
    for path in ["cart", "orders", "payments", "coupons", "address", "gift-cards", "password/reset", "nowhere"] {
        for body in [json!(null), json!([1]), json!({"lines": 1, "total": {}}), json!("x")] {
            let (status, answer) = post(&mut shop, "ada", path, body);
            assert!((400..500).contains(&status) && answer["error"].is_string(), "{path}: {status} {answer}");
        }
    }
    for number in 0..20_000 {
        let who = format!("customer-{number}");
        post(&mut shop, &who, "cart", cart("24.50", 1, "EUR"));
        post(&mut shop, &who, "orders", json!({"lines": [], "total": "1"}));
        post(&mut shop, &who, "signup", json!({"user": who, "email": who}));
    }
    assert_eq!(shop.remembered(), CUSTOMERS + ORDERS);
    let call = Call { method: "GET", path: "/api/orders", authorization: None, body: b"" };
    assert!(shop.answer(call).is_none());
}
