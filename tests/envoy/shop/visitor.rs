//! Who comes to the shop: from an address of his own, with a token of his own, each request over another connection.

use super::{Harm, Shop, AT_ONCE, VISITS};
use crate::envoy::crowd::{token, told, CONNECTIONS};
use portcullis_lab::client::{Request, Response};
use serde_json::{json, Value};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

/// Somebody in the shop.
pub(super) struct Visitor<'s> {
    pub(super) shop: &'s Shop,
    pub(super) name: String,
    bearer: String,
    address: String,
    sent: AtomicUsize,
    /// What he was refused, by the ids of the requests.
    pub(super) refused: Mutex<Vec<String>>,
}

impl<'s> Visitor<'s> {
    /// The visitor with this number; his address is 10.x.y.z.
    pub(super) fn new(shop: &'s Shop, number: usize, name: &str) -> Self {
        Self {
            shop,
            name: name.to_owned(),
            bearer: token(name, json!({})),
            address: format!("10.1.{}.{}", number / 250, number % 250),
            sent: AtomicUsize::new(number * 7),
            refused: Mutex::default(),
        }
    }

    /// Sends something from this address, over the next connection.
    pub(super) fn send_from(&self, address: &str, request: Request) -> Response {
        let request = request.header("x-forwarded-for", address).bearer(&self.bearer);
        let turn = self.sent.fetch_add(5, Ordering::Relaxed) % CONNECTIONS;
        let answer = self.shop.clients[turn].send(request).unwrap();
        if told(&answer) != answer.status.to_string() {
            self.refused.lock().unwrap().push(crate::envoy::request_id(&answer));
        }
        answer
    }

    pub(super) fn get(&self, path: &str) -> Response {
        self.send_from(&self.address, Request::get(&format!("/shop/{path}")))
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Response {
        self.send_from(&self.address, Request::post(&format!("/shop/{path}")).json(body))
    }

    /// Asks for something that has to be granted, and returns the answer.
    pub(super) fn ask(&self, path: &str, body: &Value, status: u16) -> Value {
        let answer = if body.is_null() { self.get(path) } else { self.post(path, body) };
        assert_eq!(told(&answer), status.to_string(), "{} asks for {path} with {body}", self.name);
        answer.json().unwrap()
    }

    /// What he wants, at the prices and in the currency that he says.
    pub(super) fn cart(lines: &[(&str, &str, i64)], currency: &str) -> Value {
        let line = |(product, price, quantity): &(&str, &str, i64)| json!({"product": product, "price": price, "quantity": quantity});
        json!({"currency": currency, "lines": lines.iter().map(line).collect::<Value>()})
    }

    /// Goes from the goods to the order, whatever is answered on the way: the order's number and total, if he gets that far.
    pub(super) fn order(&self, cart: &Value, coupons: &[&str], address: bool) -> Option<(String, String)> {
        self.get("products");
        let mut shown = self.post("cart", cart);
        for code in coupons {
            shown = self.post("coupons", &json!({"code": code}));
        }
        if address {
            self.post("address", &json!({"street": "12 St James's Square"}));
        }
        let shown = shown.json().unwrap();
        let mut order = cart.clone();
        order["subtotal"] = shown["subtotal"].clone();
        order["total"] = shown["total"].clone();
        let made = self.post("orders", &order).json().unwrap();
        Some((made["id"].as_str()?.to_owned(), made["total"].as_str()?.to_owned()))
    }

    pub(super) fn payment(&self, order: &str, amount: &str, card: &str) -> Request {
        Request::post("/shop/payments").json(&json!({"order": order, "amount": amount, "card": card}))
    }

    pub(super) fn pay(&self, order: &str, amount: &str) -> Response {
        self.send_from(&self.address, self.payment(order, amount, "visa"))
    }
}

/// A whole visit of an honest customer; not all do the same. Every answer has to be the shop's own.
pub(super) fn visit(customer: &Visitor<'_>, number: usize) {
    let (name, has_account) = (&customer.name, number.is_multiple_of(3));
    let every = |nth: usize| number.is_multiple_of(nth);
    let account =
        |password: &str| json!({"user": name, "email": format!("{name}@example.com"), "password": password});
    // Who is here for the second time has one.
    if has_account && number < VISITS - AT_ONCE {
        customer.ask("signup", &account("four words of mine"), 201);
        if every(6) {
            customer.ask("login", &account("four word of mine"), 401);
        }
        customer.ask("login", &account("four words of mine"), 200);
    }
    customer.ask("products", &Value::Null, 200);
    for look in 0..number % 3 {
        customer.ask(&format!("products/p-{}", 1 + (number + look) % 8), &Value::Null, 200);
    }
    if every(4) {
        customer.ask("stock/p-1", &Value::Null, 200);
        customer.ask("cart", &Visitor::cart(&[("p-6", "79.00", 9)], "EUR"), 200);
    }
    buy(customer, number);
    if every(7) {
        customer.ask("gift-cards", &json!({"code": format!("GC-{}", 37 * (140 + number / 7))}), 200);
    }
    if has_account && every(9) {
        customer.ask("password/forgot", &account(""), 202);
        let code = customer.shop.gate.upstream.letter(name).unwrap();
        customer.ask("password/reset", &json!({"token": code, "password": "five words of my own"}), 200);
        customer.ask("login", &account("five words of my own"), 200);
    }
}

/// From the cart to the paid order.
fn buy(customer: &Visitor<'_>, number: usize) {
    let many = 1 + (number % 10) as i64;
    let lines = [("p-3", "24.50", many), ("p-7", "59.01", 1), ("p-1", "129.50", 2)];
    let lines = &lines[..1 + number % 3];
    let cart = Visitor::cart(lines, "EUR");
    let mut shown = customer.ask("cart", &cart, 200);
    if number.is_multiple_of(8) {
        customer.ask("coupons", &json!({"code": "SPRIGN"}), 404);
    }
    if number.is_multiple_of(4) {
        shown = customer.ask("coupons", &json!({"code": "SPRING"}), 200);
    }
    customer.ask("address", &json!({"street": format!("{number} St James's Square")}), 200);
    let mut order = cart;
    (order["subtotal"], order["total"]) = (shown["subtotal"].clone(), shown["total"].clone());
    let made = customer.ask("orders", &order, 201);
    let mut payment = json!({"order": made["id"], "amount": made["total"], "card": "declined"});
    if number.is_multiple_of(5) {
        customer.ask("payments", &payment, 402);
    }
    payment["card"] = json!("visa");
    customer.ask("payments", &payment, 200);
    let pieces = lines.iter().map(|(_, _, quantity)| quantity).sum();
    customer.shop.till.lock().unwrap().take(made["total"].as_str().unwrap(), pieces);
    let path = format!("users/{}/orders/{}", customer.name, made["id"].as_str().unwrap());
    customer.ask(&path, &Value::Null, 200);
}

/// Something that no customer does.
pub(super) struct Abuse {
    pub(super) name: &'static str,
    /// The check that it has to be caught by.
    pub(super) check: &'static str,
    /// What it does to a shop without a filter.
    pub(super) harm: Harm,
    pub(super) act: fn(&Visitor<'_>),
}
