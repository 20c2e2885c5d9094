//! What the upstream knows: a handful of products, orders and users, the same at every start.
//!
//! The personal data is invented. The card numbers are the payment networks' published test numbers (they pass the
//! Luhn check and pay for nothing), the IBANs are the registry's examples.

use serde_json::{json, Value};

/// The id the next created order gets; it is always the same, as nothing is stored.
pub(super) const NEXT_ORDER: &str = "o-1004";

struct User {
    id: &'static str,
    name: &'static str,
    password: &'static str,
    role: &'static str,
    phone: &'static str,
    iban: &'static str,
    street: &'static str,
    card: (&'static str, &'static str),
}

const USERS: [User; 3] = [
    User {
        id: "ada",
        name: "Ada Lovelace",
        password: "correct horse battery staple",
        role: "customer",
        phone: "+44 20 7946 0101",
        iban: "GB33BUKB20201555555555",
        street: "12 St James's Square, London",
        card: ("visa", "4111111111111111"),
    },
    User {
        id: "bob",
        name: "Bob Bernoulli",
        password: "tr0ub4dor&3",
        role: "customer",
        phone: "+41 44 668 18 00",
        iban: "CH9300762011623852957",
        street: "Rheinsprung 9, Basel",
        card: ("mastercard", "5555555555554444"),
    },
    User {
        id: "root",
        name: "Grace Hopper",
        password: "nanosecond-wire-30cm",
        role: "admin",
        phone: "+1 202 555 0143",
        iban: "DE89370400440532013000",
        street: "1 Navy Yard, Washington",
        card: ("amex", "378282246310005"),
    },
];

/// Product id, name, price in cents, stock.
const PRODUCTS: [(&str, &str, u64, u64); 4] = [
    ("p-1", "Portcullis chain, 10 m", 12_950, 14),
    ("p-2", "Oak gate", 89_900, 3),
    ("p-3", "Lantern", 2_450, 120),
    ("p-4", "Signal horn", 3_999, 0),
];

struct Order {
    id: &'static str,
    owner: &'static str,
    /// Index of the product, and how many of it.
    items: &'static [(usize, u64)],
}

const ORDERS: [Order; 3] = [
    Order { id: "o-1001", owner: "ada", items: &[(0, 1), (2, 2)] },
    Order { id: "o-1002", owner: "bob", items: &[(1, 1)] },
    Order { id: "o-1003", owner: "ada", items: &[(2, 4)] },
];

pub(super) fn products() -> Value {
    PRODUCTS.iter().map(product_json).collect()
}

pub(super) fn product(id: &str) -> Option<Value> {
    PRODUCTS.iter().find(|product| product.0 == id).map(product_json)
}

pub(super) fn orders() -> Value {
    ORDERS.iter().map(order_json).collect()
}

pub(super) fn order(id: &str) -> Option<Value> {
    ORDERS.iter().find(|order| order.id == id).map(order_json)
}

pub(super) fn users() -> Value {
    USERS.iter().map(user_json).collect()
}

pub(super) fn user(id: &str) -> Option<Value> {
    USERS.iter().find(|user| user.id == id).map(user_json)
}

/// The session a right password opens.
pub(super) fn session(id: &str, password: &str) -> Option<Value> {
    let user = USERS.iter().find(|user| user.id == id && user.password == password)?;
    let token = format!("sess_{}_0f5b1c9e7a3d", user.id);
    Some(json!({"user": user.id, "role": user.role, "session_token": token, "expires_in": 900}))
}

fn product_json((id, name, cents, stock): &(&str, &str, u64, u64)) -> Value {
    json!({"id": id, "name": name, "price": money(*cents), "stock": stock})
}

fn order_json(order: &Order) -> Value {
    let lines = || order.items.iter().map(|(product, quantity)| (&PRODUCTS[*product], quantity));
    let total = lines().map(|((_, _, cents, _), quantity)| cents * quantity).sum();
    let items: Value = lines().map(|((id, ..), quantity)| json!({"product": id, "quantity": quantity})).collect();
    let buyer = USERS.iter().find(|user| user.id == order.owner);
    let card = buyer.map(|user| {
        let (brand, number) = user.card;
        json!({"brand": brand, "number": number, "last4": &number[number.len() - 4..]})
    });
    json!({
        "id": order.id,
        "owner": order.owner,
        "items": items,
        "total": money(total),
        "shipping_address": buyer.map(|user| json!({"name": user.name, "street": user.street})),
        "card": card,
    })
}

fn user_json(user: &User) -> Value {
    let email = format!("{}@example.com", user.id);
    json!({
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "email": email,
        "phone": user.phone,
        "iban": user.iban,
    })
}

fn money(cents: u64) -> Value {
    json!({"amount": format!("{}.{:02}", cents / 100, cents % 100), "currency": "EUR"})
}
