//! A shop with a memory, under `/shop`: goods, carts, coupons, orders, payments, accounts, gift cards.
//!
//! It is as naive as the shops that need a filter, on purpose. It takes the prices, quantities, currency, total and order
//! numbers that it is sent, lets steps be skipped, shows every order to everybody and never counts a try. Who somebody is it reads out of his
//! token without a look at the signature. Its [`Books`] are kept by somebody who knows better: they say what harm was done.
//!
//! | request | does |
//! |---|---|
//! | `GET products`, `products/{id}`, `stock/{id}` | shows what there is |
//! | `GET cart`, `POST cart` `{currency, lines: [{product, price, quantity}]}` | shows or replaces the cart |
//! | `POST coupons` `{code}` | takes a tenth off the cart |
//! | `POST address` `{street}` | says where the next order goes |
//! | `POST orders` (a cart, and its `total`) | makes an order of it |
//! | `POST payments` `{order, amount, card}` | pays; the card `declined` is |
//! | `GET users/{user}/orders/{id}` | shows an order |
//! | `POST login`, `GET signup`, `POST signup` `{user, password, email}` | opens a session, shows the form, opens an account |
//! | `POST password/forgot` `{user}`, `password/reset` `{token, password}` | sends a letter with a code, changes the password |
//! | `POST gift-cards` `{code}` | takes the card's credit |
//!
//! Bounds: everything has a size ([`shelf`]), and the oldest makes room. Errors are JSON.

mod accounts;
mod books;
mod goods;
mod shelf;

pub use books::{Books, Harm};

use super::say::Answer;
use accounts::Accounts;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use base64::Engine;
use books::{COUPONS_MAX, LOOKS_MAX};
use goods::{amount, cents, Wish, COUPONS, CURRENCY, GOODS};
use serde_json::{json, Value};
use shelf::Shelf;
use std::collections::BTreeSet;

const CUSTOMERS: usize = 4096;
const ORDERS: usize = 8192;

/// Letters of a name, an address or a code that are kept.
const TEXT_MAX: usize = 64;

/// One request as the shop sees it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a str,
    /// The path without its query.
    pub path: &'a str,
    /// The value of `authorization`.
    pub authorization: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The shop.
#[derive(Debug)]
pub struct Shop {
    customers: Shelf<Customer>,
    orders: Shelf<Order>,
    accounts: Accounts,
    stock: [i64; GOODS.len()],
    numbered: u64,
    books: Books,
}

/// Who is in the shop.
#[derive(Debug, Default)]
struct Customer {
    cart: Wish,
    coupons: BTreeSet<&'static str>,
    address: Option<String>,
    looks: u32,
    wrong_cards: u32,
}

#[derive(Debug)]
struct Order {
    owner: String,
    wish: Wish,
    total: i64,
    coupons: usize,
    address: Option<String>,
    payments: u32,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            customers: Shelf::new(CUSTOMERS),
            orders: Shelf::new(ORDERS),
            accounts: Accounts::new(),
            stock: GOODS.map(|good| good.stock),
            numbered: 0,
            books: Books::default(),
        }
    }
}

impl Shop {
    /// The books at present.
    pub fn books(&self) -> Books {
        let mut books = self.books.clone();
        books.in_stock = self.stock.iter().sum();
        books
    }

    /// The code in the last letter that somebody got about a forgotten password.
    pub fn letter(&self, user: &str) -> Option<String> {
        self.accounts.letter(user)
    }

    /// Things that it remembers, which never grow beyond their sizes.
    pub fn remembered(&self) -> usize {
        self.customers.len() + self.orders.len()
    }

    /// What it answers; nothing to what is not under `/shop`.
    pub fn answer(&mut self, call: Call<'_>) -> Option<Answer> {
        let path = call.path.strip_prefix("/shop/")?;
        let who = subject(call.authorization).unwrap_or_else(|| "somebody".to_owned());
        let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
        let segments: Vec<&str> = path.split('/').collect();
        Some(match (call.method, segments.as_slice()) {
            ("GET", ["products"]) => self.offers(&who, None),
            ("GET", ["products", id]) => self.offers(&who, Some(id)),
            ("GET", ["stock", id]) => self.in_stock(&who, id),
            ("GET", ["cart"]) => self.cart(&who),
            ("POST", ["cart"]) => self.fill(&who, &body),
            ("POST", ["coupons"]) => self.coupon(&who, &body),
            ("POST", ["address"]) => self.address(&who, &body),
            ("POST", ["orders"]) => self.order(&who, &body),
            ("POST", ["payments"]) => self.pay(&who, &body),
            ("GET", ["users", _, "orders", id]) => self.show(&who, id),
            ("GET", ["signup"]) => said(200, &json!({"fields": ["user", "password", "email"]})),
            ("POST", ["login"]) => self.accounts.login(&body, &mut self.books),
            ("POST", ["signup"]) => self.accounts.sign_up(&body, &mut self.books),
            ("POST", ["password", "forgot"]) => self.accounts.forget(&body, &mut self.books),
            ("POST", ["password", "reset"]) => self.accounts.reset(&body, &mut self.books),
            ("POST", ["gift-cards"]) => self.accounts.redeem(&body, self.customers.of(&who), &mut self.books),
            _ => problem(404, "no such page"),
        })
    }

    fn look(&mut self, who: &str) {
        let looks = &mut self.customers.of(who).looks;
        *looks += 1;
        self.books.note(Harm::Probed, *looks == LOOKS_MAX + 1);
    }

    fn offers(&mut self, who: &str, id: Option<&str>) -> Answer {
        self.look(who);
        let wanted = GOODS.iter().zip(self.stock).filter(|(good, _)| id.is_none_or(|id| id == good.id));
        let offers: Vec<Value> = wanted.map(|(good, stock)| good.offer(stock)).collect();
        if offers.is_empty() {
            return problem(404, "no such product");
        }
        said(200, &json!({"items": offers}))
    }

    fn in_stock(&mut self, who: &str, id: &str) -> Answer {
        self.look(who);
        match goods::position(id) {
            Some(at) => said(200, &json!({"id": id, "stock": self.stock[at]})),
            None => problem(404, "no such product"),
        }
    }

    fn cart(&mut self, who: &str) -> Answer {
        let customer = self.customers.of(who);
        said(200, &customer.cart.shown(customer.coupons.len()))
    }

    fn fill(&mut self, who: &str, body: &Value) -> Answer {
        self.look(who);
        let Some(wish) = Wish::read(body) else { return problem(400, "no cart") };
        self.customers.of(who).cart = wish;
        self.cart(who)
    }

    fn coupon(&mut self, who: &str, body: &Value) -> Answer {
        self.look(who);
        let code = text(body, "code");
        let Some(coupon) = COUPONS.iter().find(|coupon| **coupon == code) else {
            return problem(404, "no such coupon");
        };
        self.customers.of(who).coupons.insert(coupon);
        self.cart(who)
    }

    fn address(&mut self, who: &str, body: &Value) -> Answer {
        let street = text(body, "street");
        if street.is_empty() {
            return problem(400, "no street");
        }
        self.customers.of(who).address = Some(street);
        said(200, &json!({"status": "ok"}))
    }

    fn order(&mut self, who: &str, body: &Value) -> Answer {
        let (Some(wish), Some(total)) = (Wish::read(body), cents(&body["total"])) else {
            return problem(400, "no order");
        };
        let customer = self.customers.of(who);
        let (coupons, address) = (std::mem::take(&mut customer.coupons).len(), customer.address.take());
        self.numbered += 1;
        let id = format!("o-{}", self.numbered);
        let answer = json!({"id": id, "owner": who, "total": amount(total), "currency": wish.currency});
        self.orders.put(&id, Order { owner: who.to_owned(), wish, total, coupons, address, payments: 0 });
        said(201, &answer)
    }

    fn pay(&mut self, who: &str, body: &Value) -> Answer {
        let id = text(body, "order");
        let (Some(order), Some(paid)) = (self.orders.get_mut(&id), cents(&body["amount"])) else {
            return problem(404, "no such order");
        };
        if text(body, "card") == "declined" {
            return problem(402, "the card was declined");
        }
        order.payments += 1;
        let books = &mut self.books;
        books.paid += 1;
        books.earned_cents += paid;
        books.note(Harm::Underpaid, paid < order.wish.worth(order.coupons.min(COUPONS_MAX)));
        books.note(Harm::Currency, order.wish.currency != CURRENCY);
        books.note(Harm::PaidTwice, order.payments > 1);
        books.note(Harm::Unaddressed, order.address.is_none());
        books.note(Harm::Stacked, order.coupons > COUPONS_MAX);
        books.note(Harm::Foreign, order.owner != who);
        for line in &order.wish.lines {
            let stock = &mut self.stock[line.good];
            *stock -= line.quantity;
            books.shipped += line.quantity;
            books.note(Harm::Backwards, line.quantity < 0);
            books.note(Harm::Oversold, *stock < 0);
        }
        self.customers.of(who).looks = 0;
        said(200, &json!({"order": id, "paid": amount(paid)}))
    }

    fn show(&mut self, who: &str, id: &str) -> Answer {
        let Some(order) = self.orders.get(id) else { return problem(404, "no such order") };
        self.books.note(Harm::Foreign, order.owner != who);
        let more = json!({
            "id": id, "owner": order.owner, "total": amount(order.total), "address": order.address, "paid": order.payments > 0,
        });
        said(200, &json!({"order": more, "cart": order.wish.shown(order.coupons)}))
    }
}

/// Who the token says that it is of.
fn subject(authorization: Option<&str>) -> Option<String> {
    let payload = authorization?.strip_prefix("Bearer ")?.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
    Some(text(&claims, "sub"))
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_default().chars().take(TEXT_MAX).collect()
}

fn said(status: u16, body: &Value) -> Answer {
    Answer { status, ..Answer::json(&body.to_string()) }
}

fn problem(status: u16, message: &str) -> Answer {
    said(status, &json!({"error": message}))
}

#[cfg(test)]
mod tests;
