//! What the shop sells, what it costs, and what a request says of it.

use serde_json::{json, Value};

/// Lines of a cart that are kept.
const LINES_MAX: usize = 64;

/// Beyond any price; larger numbers are not read.
const CENTS_MAX: i64 = 1_000_000_000;

/// What a coupon takes off, in hundredths.
const COUPON_PERCENT: i64 = 10;

/// The currency of every price.
pub(super) const CURRENCY: &str = "EUR";

/// The coupons that there are.
pub(super) const COUPONS: [&str; 4] = ["WELCOME", "SPRING", "NEIGHBOUR", "LANTERN"];

/// Something that is sold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Good {
    pub(super) id: &'static str,
    name: &'static str,
    pub(super) cents: i64,
    pub(super) stock: i64,
}

/// All of it, with what is in stock when the shop opens.
pub(super) const GOODS: [Good; 8] = [
    Good { id: "p-1", name: "Portcullis chain, 10 m", cents: 12_950, stock: 100_000 },
    Good { id: "p-2", name: "Oak gate", cents: 89_900, stock: 3 },
    Good { id: "p-3", name: "Lantern", cents: 2_450, stock: 100_000 },
    Good { id: "p-4", name: "Signal horn", cents: 3_999, stock: 0 },
    Good { id: "p-5", name: "Hinge", cents: 1_250, stock: 100_000 },
    Good { id: "p-6", name: "Lock", cents: 7_900, stock: 100_000 },
    Good { id: "p-7", name: "Bell", cents: 5_901, stock: 100_000 },
    Good { id: "p-8", name: "Rope, 50 m", cents: 1_990, stock: 100_000 },
];

impl Good {
    /// As it is offered.
    pub(super) fn offer(&self, stock: i64) -> Value {
        json!({"id": self.id, "name": self.name, "price": money(self.cents), "stock": stock})
    }
}

/// A line of a cart as the client wrote it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Index into [`GOODS`].
    pub(super) good: usize,
    pub(super) quantity: i64,
    cents: i64,
}

/// What somebody wants to buy, as he says it himself.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    pub(super) lines: Vec<Line>,
    pub(super) currency: String,
}

impl Wish {
    /// What the body of a request says; nothing if it is no wish.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let lines = body["lines"].as_array()?;
        let currency = body["currency"].as_str().unwrap_or(CURRENCY).chars().take(8).collect();
        let lines = lines.iter().take(LINES_MAX).map(line).collect::<Option<_>>()?;
        Some(Self { lines, currency })
    }

    /// What the client says that it comes to, with so many coupons.
    pub(super) fn said(&self, coupons: usize) -> i64 {
        reduced(self.lines.iter().map(|line| line.cents * line.quantity).sum(), coupons)
    }

    /// What it costs, with so many coupons.
    pub(super) fn worth(&self, coupons: usize) -> i64 {
        let cost = |line: &Line| GOODS[line.good].cents * line.quantity.max(0);
        reduced(self.lines.iter().map(cost).sum(), coupons)
    }

    /// As an answer shows it.
    pub(super) fn shown(&self, coupons: usize) -> Value {
        let line = |line: &Line| json!({"product": GOODS[line.good].id, "quantity": line.quantity, "price": amount(line.cents)});
        json!({
            "lines": self.lines.iter().map(line).collect::<Value>(),
            "currency": self.currency,
            "subtotal": amount(self.said(0)),
            "total": amount(self.said(coupons)),
        })
    }
}

fn line(written: &Value) -> Option<Line> {
    let good = position(written["product"].as_str()?)?;
    let quantity = written["quantity"].as_i64().filter(|quantity| quantity.abs() < 10_000)?;
    Some(Line { good, quantity, cents: cents(&written["price"])? })
}

fn reduced(cents: i64, coupons: usize) -> i64 {
    (0..coupons).fold(cents, |cents, _| cents * (100 - COUPON_PERCENT) / 100)
}

/// Where in [`GOODS`] a good is.
pub(super) fn position(id: &str) -> Option<usize> {
    GOODS.iter().position(|good| good.id == id)
}

/// An amount in cents, from a number or a text that is one.
pub(super) fn cents(written: &Value) -> Option<i64> {
    let text = match written {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole: i64 = whole.parse().ok().filter(|whole: &i64| whole.abs() < CENTS_MAX)?;
    let digits: String = fraction.chars().chain("00".chars()).take(2).collect();
    let fraction: i64 =
        if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok()? } else { return None };
    Some(whole * 100 + if text.starts_with('-') { -fraction } else { fraction })
}

/// An amount as it is written.
pub(super) fn amount(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

fn money(cents: i64) -> Value {
    json!({"amount": amount(cents), "currency": CURRENCY})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        for (written, read) in [
            (json!("129.50"), Some(12_950)),
            (json!(24.5), Some(2_450)),
            (json!(899), Some(89_900)),
            (json!("-0.05"), Some(-5)),
            (json!("1e3"), None),
            (json!("99999999999"), None),
            (json!(null), None),
        ] {
            assert_eq!(cents(&written), read, "{written}");
        }
        assert_eq!([amount(5), amount(-12_950)], ["0.05", "-129.50"]);
    }

    #[test]
    fn a_wish_says_its_own_price_and_has_its_worth() {
        let line = |price: &str, quantity: i64| json!({"product": "p-3", "price": price, "quantity": quantity});
        let wish = Wish::read(&json!({"lines": [line("1.00", 3), line("24.50", -1)]})).unwrap();
        assert_eq!((wish.said(0), wish.worth(0), wish.worth(2)), (-2_150, 7_350, 5_953));
        for none in [json!({}), json!({"lines": [line("x", 1)]}), json!({"lines": [{"product": "p-9"}]})] {
            assert!(Wish::read(&none).is_none(), "{none}");
        }
        let long = json!({"lines": vec![line("1.00", 1); 1000]});
        assert_eq!(Wish::read(&long).unwrap().lines.len(), LINES_MAX);
    }
}
