//! Do clients keep to what the service has told them?
//!
//! A quote is a value that the service has said: the price of a product, the total of a cart, what is in stock. It is captured
//! from answers ([`Heard`]), one record for each key, and asserted on later requests of the same actor:
//!
//! | check | when |
//! |---|---|
//! | [`MISMATCH`] | the value is another one (or more, or less: `compare`) beyond the tolerance, or is no decimal |
//! | [`CURRENCY`] | the currency is another one |
//! | [`QUANTITY`] | how many is no number, less than `min`, more than `max`, or a fraction |
//! | [`TOTAL`] | the total is not what the items amount to at what was quoted |
//! | [`UNKNOWN`] | there is no quote: `missing` decides |
//! | [`UNREAD`] | the request cannot be compared: `on_error` decides |
//!
//! **Exact.** Values are decimals of six digits behind the point ([`crate::decimal`]); nothing is rounded but the product of a price
//! and a quantity. What a client leaves out is not asserted: the service has its own price then.
//!
//! **When.** A body is remembered when it has passed to the client, so that its next request finds the quote. The last one
//! counts. Only answers of 2xx with one JSON document are listened to. Only a body that is one JSON document can be compared; any
//! other is [`UNREAD`], so that nobody hides a price in a form.
//!
//! Bounds: [`ITEMS_MAX`] items of an answer are remembered, and as many of a request compared; with more, a request is
//! [`UNREAD`]. A record has 40 bytes and no debt. The quotes of an actor are spread over [`record::SPREAD`] buckets, those for anyone over all. A quote
//! that is heard again unchanged is written again when an eighth of its life is over. What cannot be written for contention is
//! not remembered.
//!
//! Not covered: answers that are compressed, or longer than `response.body_read_max`; whether the service told the truth; taxes,
//! shipping and discounts in a total (`compare`: `at_least` lets the client say more).

mod record;

use self::record::{hashed, place, Quoted};
use crate::config::quotes::{within, Compare, Each, Place, Quote};
use crate::decimal::{Decimal, Sum};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Weight};
use crate::memory::{Hashed, Trace};
use crate::stages::limits::{fields, Ground, Scene};
use serde_json::Value;
use std::borrow::Cow;

/// Items of one document at most.
pub const ITEMS_MAX: usize = 64;

/// The value is not the one that was quoted.
pub static MISMATCH: Check = check(
    "quote.mismatch",
    "quote_mismatch",
    "A value is not the one that the service has quoted to the actor, beyond the tolerance.",
);

/// The currency is not the one that was quoted.
pub static CURRENCY: Check =
    check("quote.currency", "quote_currency", "The currency is not the one that the service has quoted.");

/// That many cannot be ordered.
pub static QUANTITY: Check =
    check("quote.quantity", "quote_quantity", "A quantity is no number, a fraction, or out of its bounds.");

/// The sum is wrong.
pub static TOTAL: Check = check(
    "quote.total",
    "quote_total",
    "The total is not what the items amount to at what the service has quoted, beyond the tolerance.",
);

/// There is nothing to compare with.
pub static UNKNOWN: Check = Check {
    weight: Weight::Note,
    ..check("quote.unknown", "quote_unknown", "There is no quote for what the request names; `missing` decided.")
};

/// It cannot be compared.
pub static UNREAD: Check = Check {
    class: Class::Invalid,
    weight: Weight::Note,
    tunable: false,
    ..check(
        "quote.unread",
        "quote_unread",
        "A request that has to keep to quotes is not one JSON document, names no item, or too many; `on_error` decided.",
    )
};

const fn check(id: &'static str, code: &'static str, means: &'static str) -> Check {
    let (family, class) = (Family::Business, Class::Forbidden);
    Check {
        id,
        family,
        code,
        class,
        weight: Weight::Refuse,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// The quotes that the answer to a request is listened to for.
#[derive(Debug, Default)]
pub struct Heard {
    quotes: Vec<(usize, Option<Vec<u8>>)>,
}

impl Heard {
    /// Whether the answer is to be read.
    pub fn is_listening(&self) -> bool {
        !self.quotes.is_empty()
    }

    /// Whose quotes the answer tells, if it does.
    pub fn listen(&mut self, scene: &Scene<'_>) {
        for index in &scene.route.captured {
            let Some(quote) = scene.config.flows.quotes.get(*index) else { continue };
            let actor = quote.per.as_ref().map(|part| fields::actor(part, scene));
            // Nobody whom a later request could be told to come from is told nothing that counts.
            if actor != Some(None) {
                self.quotes.push((*index, actor.flatten()));
            }
        }
    }

    /// Remembers what an answer says.
    pub fn capture(&mut self, document: &Value, trace: &mut Trace, ground: &Ground<'_>) {
        for (index, actor) in std::mem::take(&mut self.quotes) {
            let Some(quote) = ground.config.flows.quotes.get(index) else { continue };
            let (items, _) = items(&quote.capture.each, document);
            let heard: Vec<(Hashed, Quoted)> = items
                .into_iter()
                .take(ITEMS_MAX)
                .filter_map(|item| {
                    let key = quote.capture.key.as_ref().map(|key| text(key.find(item, document)?));
                    let key = if key == Some(None) { return None } else { key.flatten().unwrap_or_default() };
                    let value = Decimal::of(quote.capture.value.find(item, document)?)?;
                    let currency = quote.capture.currency.as_ref().and_then(|place| place.find(item, document));
                    let currency = currency.and_then(|currency| hashed(currency, ground.memory));
                    let quoted = Quoted::new(value, currency, ground.now);
                    Some((place(ground.memory, quote, actor.as_deref(), &key), quoted))
                })
                .collect();
            let mut turns: Vec<(Hashed, usize)> =
                heard.iter().enumerate().map(|(at, (place, _))| (*place, at)).collect();
            turns.sort_unstable();
            let places: Vec<Hashed> = turns.iter().map(|(place, _)| *place).collect();
            // Under contention it is not remembered; the retries are counted.
            let _ = ground.memory.change_all(ground.shared, &places, ground.now, trace, |at, record| {
                let (_, quoted) = heard.get(turns.get(at)?.1)?;
                quoted.stored(record, quote.lifetime, ground.now)
            });
        }
    }
}

/// One item of a request.
struct Item<'v> {
    /// From 1.
    number: usize,
    value: &'v Value,
    key: String,
    quoted: Option<Quoted>,
}

/// Compares what a request says with what was quoted, once its body is there.
pub fn check_request(scene: &Scene<'_>, findings: &mut Findings) {
    let Some(body) = scene.body else { return };
    let asserted = scene.route.asserted.iter().filter_map(|index| scene.config.flows.quotes.get(*index));
    for quote in asserted {
        let mut report = Report { quote, found: Vec::new() };
        match (body.fault(), body.get::<&str>(&[])) {
            (Some(fault), _) => report.unread(fault.reason()),
            (None, Some(document)) => compare(quote, document, scene, &mut report),
            (None, None) => {}
        }
        report.found.into_iter().for_each(|finding| findings.add(finding));
    }
}

fn compare(quote: &Quote, document: &Value, scene: &Scene<'_>, report: &mut Report<'_>) {
    let (values, is_cut) = items(&quote.assert.each, document);
    if is_cut {
        return report.unread(format!("more than {ITEMS_MAX} items"));
    }
    let items = recalled(quote, values, document, scene, report);
    let mut sum = Some(Sum::default());
    for item in &items {
        let quantity = quantity(quote, item, document, report);
        match item.quoted {
            Some(quoted) => compare_item(quote, item, quoted, document, scene, report),
            None => report.unknown(format!("item {} ({}) was not quoted", item.number, quoted(&item.key))),
        }
        let product = item.quoted.zip(quantity);
        sum = sum.zip(product).map(|(sum, (quoted, quantity))| sum.with(quoted.value, quantity));
    }
    let said = quote.assert.total.as_ref().and_then(|total| total.find(document, document));
    // A total of items that are not known is not known.
    if let (Some(said), Some(due)) = (said, sum.and_then(Sum::total).filter(|_| !items.is_empty())) {
        match Decimal::of(said) {
            Some(total) if holds(quote, total, due) => {}
            Some(total) => report.found(&TOTAL, format!("total {total}, the items amount to {due}")),
            None => report.found(&TOTAL, format!("total {} is no decimal", shown(said))),
        }
    }
}

/// The items with what was quoted for them, all read together.
fn recalled<'v>(
    quote: &Quote,
    values: Vec<&'v Value>,
    document: &'v Value,
    scene: &Scene<'_>,
    report: &mut Report<'_>,
) -> Vec<Item<'v>> {
    let actor = quote.per.as_ref().map(|part| fields::actor(part, scene));
    let mut items: Vec<Item<'v>> = Vec::with_capacity(values.len());
    let mut places: Vec<(Hashed, usize)> = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let number = at.saturating_add(1);
        let key = quote.assert.key.as_ref().map(|key| text(key.find(value, document)?));
        let key = match key {
            Some(None) => {
                report.unread(format!("item {number} has no key"));
                continue;
            }
            key => key.flatten().unwrap_or_default(),
        };
        if actor != Some(None) {
            let actor = actor.as_ref().and_then(Option::as_deref);
            places.push((place(scene.memory, quote, actor, &key), items.len()));
        }
        items.push(Item { number, value, key: key.into_owned(), quoted: None });
    }
    places.sort_unstable();
    let sorted: Vec<Hashed> = places.iter().map(|(place, _)| *place).collect();
    let records = scene.memory.read(scene.shared, &sorted, scene.now);
    for ((_, at), record) in places.iter().zip(&records) {
        if let Some(item) = items.get_mut(*at) {
            item.quoted = Quoted::of(record, quote.lifetime, scene.now);
        }
    }
    items
}

/// How many of an item, if that can be told.
fn quantity(quote: &Quote, item: &Item<'_>, document: &Value, report: &mut Report<'_>) -> Option<Decimal> {
    let one = Decimal::from_millionths(1_000_000);
    let Some(wanted) = &quote.assert.quantity else { return Some(one) };
    // Who does not say how many wants one, as services have it.
    let Some(said) = wanted.value.find(item.value, document) else { return Some(one) };
    let Some(quantity) = Decimal::of(said) else {
        report.found(&QUANTITY, format!("{} is no number", report.of(item, &shown(said))));
        return None;
    };
    let out = quantity < wanted.min || wanted.max.is_some_and(|max| quantity > max);
    if out || wanted.whole && !quantity.is_whole() {
        let bounds = wanted
            .max
            .map_or_else(|| format!("at least {}", wanted.min), |max| format!("{} to {max}", wanted.min));
        report.found(&QUANTITY, format!("{}, expected {bounds}", report.of(item, &quantity.to_string())));
    }
    Some(quantity)
}

fn compare_item(
    quote: &Quote,
    item: &Item<'_>,
    quoted: Quoted,
    document: &Value,
    scene: &Scene<'_>,
    report: &mut Report<'_>,
) {
    let said = |place: &Option<Place>| place.as_ref().and_then(|place| place.find(item.value, document));
    if let Some(said) = said(&quote.assert.value) {
        match Decimal::of(said) {
            Some(value) if holds(quote, value, quoted.value) => {}
            Some(value) => {
                let what = report.of(item, &value.to_string());
                report.found(&MISMATCH, format!("{what}, quoted {}", quoted.value));
            }
            None => report.found(&MISMATCH, format!("{} is no decimal", report.of(item, &shown(said)))),
        }
    }
    // Null is what services take for nothing said; what is neither text nor number is a currency that nobody has quoted.
    let said = said(&quote.assert.currency).filter(|said| !said.is_null() && quoted.currency.is_some());
    if let Some(said) = said {
        if hashed(said, scene.memory) != quoted.currency {
            report.found(&CURRENCY, format!("{}, quoted in another", report.of(item, &shown(said))));
        }
    }
}

/// Whether a value compares with a quoted one as it has to.
fn holds(quote: &Quote, value: Decimal, quoted: Decimal) -> bool {
    let is_right = match quote.assert.compare {
        Compare::Equal => false,
        Compare::AtMost => value <= quoted,
        Compare::AtLeast => value >= quoted,
    };
    is_right || quote.assert.tolerance.allows(value, quoted)
}

/// What was found under one quote: of each check the first.
struct Report<'q> {
    quote: &'q Quote,
    found: Vec<Finding>,
}

impl Report<'_> {
    fn found(&mut self, check: &'static Check, what: String) {
        self.add(check, &what, self.quote.weight);
    }

    fn unknown(&mut self, what: impl Into<Cow<'static, str>>) {
        self.add(&UNKNOWN, &what.into(), Some(self.quote.assert.missing.weight()));
    }

    fn unread(&mut self, what: impl Into<Cow<'static, str>>) {
        self.add(&UNREAD, &what.into(), Some(self.quote.assert.on_error.weight()));
    }

    fn add(&mut self, check: &'static Check, what: &str, weight: Option<Weight>) {
        if self.found.iter().all(|finding| finding.check != check) {
            let finding = Finding::new(check, format!("{}: {what}", self.quote.name));
            self.found.push(Finding { weight, held_back: self.quote.monitor, ..finding });
        }
    }

    /// What an item says, with its number, and its name if it has one.
    fn of(&self, item: &Item<'_>, what: &str) -> String {
        match item.key.as_str() {
            "" => what.to_owned(),
            key => format!("item {} ({}) {what}", item.number, quoted(key)),
        }
    }
}

/// The items of a document, and whether there are more than may be looked at.
fn items<'v>(each: &Each, document: &'v Value) -> (Vec<&'v Value>, bool) {
    let mut items = vec![document];
    let mut is_cut = false;
    for names in &each.0 {
        let lists = items.into_iter().filter_map(|item| within(item, names)).map(members);
        items = lists.flatten().take(ITEMS_MAX.saturating_add(1)).collect();
        is_cut |= items.len() > ITEMS_MAX;
    }
    (items, is_cut)
}

/// The items of a list. Services take an object for one, by its values, and what is neither for a list of one.
fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) if members.values().all(Value::is_object) => members.values().collect(),
        Value::Null => Vec::new(),
        single => vec![single],
    }
}

/// What an item is known by: `7`, `7.0` and `"7"` are the same to services.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(fields::number_text(number))),
        _ => None,
    }
}

/// Client text, made safe.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => quoted(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;
