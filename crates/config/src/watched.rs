//! The names that are read in the requests of a route, by which other spellings of them are noticed.
//!
//! Names are compared folded: in small letters, without underscores but those at the beginning. A name without a letter has one spelling.

use super::field::Field;
use super::flows::Flows;
use super::keys::KeyPart;
use super::objects::{Id, Objects};
use super::rules::schema::{BODY, QUERY};
use super::Rule;
use portcullis_base::expression::Expression;

/// The names that are read in the requests of a route.
#[derive(Debug, Default, Clone)]
pub struct Watched {
    /// Of members of the JSON body.
    pub body: Names,
    /// Of parameters of the query.
    pub query: Names,
}

/// Names of one place, in the order of their folded forms.
#[derive(Debug, Default, Clone)]
pub struct Names(Vec<Name>);

/// Names with one folded form.
#[derive(Debug, Clone)]
struct Name {
    folded: String,
    /// The spellings that are read.
    written: Vec<String>,
    /// Whether whoever reads them is on trial.
    monitor: bool,
}

/// What a name may be taken for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Taken<'a> {
    /// The name that is read.
    pub written: &'a str,
    /// Whether whoever reads it is on trial.
    pub monitor: bool,
}

impl Watched {
    /// Of a route.
    pub(super) fn on_route(route: &str, rules: &[Rule], flows: &Flows, objects: Option<&Objects>) -> Self {
        let mut watched = Self::default();
        for rule in rules.iter().filter(|rule| rule.holds_on(route)) {
            rule.when.iter().chain([&rule.condition]).for_each(|own| watched.add_expression(own, rule.monitor));
        }
        for workflow in &flows.workflows {
            for step in workflow.steps.iter().filter(|step| step.is_on(route)) {
                watched.add_part(&workflow.per, workflow.monitor);
                step.when.iter().for_each(|own| watched.add_expression(own, workflow.monitor));
            }
        }
        for quote in flows.quotes.iter().filter(|quote| quote.assert.is_on(route)) {
            quote.assert.names().for_each(|name| watched.body.add(name, quote.monitor));
        }
        if let Some(own) = flows.manipulation.as_ref().filter(|own| own.judges(route)) {
            watched.add_part(&own.per, own.monitor);
            let values = own.indicators.iter().filter(|indicator| indicator.is_on(route));
            values.flat_map(|own| &own.distinct).for_each(|value| watched.add_expression(value, own.monitor));
        }
        for (_, _, id) in objects.into_iter().flat_map(|own| own.on_route(route)) {
            if let Id::Field(field) = id {
                watched.add_field(field, false);
            }
        }
        watched
    }

    fn add_part(&mut self, part: &KeyPart, monitor: bool) {
        match part {
            KeyPart::Field(field) => self.add_field(field, monitor),
            KeyPart::Computed(own) => self.add_expression(&own.expression, monitor),
            _ => {}
        }
    }

    fn add_field(&mut self, field: &Field, monitor: bool) {
        match field {
            Field::Body(names) => names.iter().for_each(|name| self.body.add(name, monitor)),
            Field::Query(name) => self.query.add(name, monitor),
            _ => {}
        }
    }

    fn add_expression(&mut self, expression: &Expression, monitor: bool) {
        expression.members(BODY).into_iter().for_each(|name| self.body.add(name, monitor));
        let parameters = expression.uses().iter().filter(|used| used.tag == QUERY);
        parameters.filter_map(|used| used.key.as_deref()).for_each(|name| self.query.add(name, monitor));
    }
}

impl Names {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name for which a service may take another one, which is given as it is and folded.
    #[inline]
    pub fn taken_for(&self, name: &str, folded: &str) -> Option<Taken<'_>> {
        let at = self.0.binary_search_by(|known| known.folded.as_str().cmp(folded)).ok()?;
        let known = self.0.get(at).filter(|known| known.written.iter().all(|written| written != name))?;
        Some(Taken { written: known.written.first()?, monitor: known.monitor })
    }

    fn add(&mut self, name: &str, monitor: bool) {
        if !name.contains(|letter: char| letter.is_ascii_alphabetic()) {
            return;
        }
        let folded = folded(name);
        match self.0.binary_search_by(|known| known.folded.cmp(&folded)) {
            Ok(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    known.monitor &= monitor;
                    if known.written.iter().all(|written| written != name) {
                        known.written.push(name.to_owned());
                    }
                }
            }
            Err(at) => self.0.insert(at, Name { folded, written: vec![name.to_owned()], monitor }),
        }
    }
}

/// A name as the most lenient of services reads it. Besides those of ASCII there are letters that fold into it: the long s, the Kelvin
/// sign, and the two of Turkish (Unicode, CaseFolding.txt).
#[inline]
pub fn folded(name: &str) -> String {
    let rest = name.trim_start_matches('_');
    let beginning = name.strip_suffix(rest).unwrap_or_default();
    let letters = rest.chars().filter(|letter| *letter != '_').map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{130}' | '\u{131}' => 'i',
        other => other.to_ascii_lowercase(),
    });
    beginning.chars().chain(letters).collect()
}

/// The name of a parameter as the most lenient of services reads it. Many have lists for `id[]` and `id[0]`, and PHP has no dots and
/// blanks in names.
#[inline]
pub fn folded_parameter(name: &str) -> String {
    let name = name.split_once('[').map_or(name, |(name, _)| name);
    folded(&name.trim_start().replace(['.', ' '], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_services_take_for_each_other_fold_to_one() {
        for (one, other) in [
            ("unit_price", "unitPrice"),
            ("unitPrice", "UNITPRICE"),
            ("price", "Price"),
            ("sku", "\u{17f}\u{212a}u"),
            ("item", "\u{130}tem"),
            ("total", "total_"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("id", "_id"), ("price", "prices"), ("unit_price", "unit-price"), ("a", "\u{430}")] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
    }

    #[test]
    fn parameters_have_more_spellings() {
        for (one, other) in
            [("id", "ID"), ("id", "id[]"), ("id", "Id[0][a]"), ("user_id", "user.id"), ("user_id", " user id")]
        {
            assert_eq!(folded_parameter(one), folded_parameter(other), "{one} {other}");
        }
        assert_ne!(folded_parameter("id"), folded_parameter("ids"));
    }

    #[test]
    fn only_another_spelling_is_taken_for_a_name() {
        let mut watched = Names::default();
        for (name, monitor) in [("sku", true), ("price", true), ("Price", false), ("0", false), ("quantity", true)]
        {
            watched.add(name, monitor);
        }
        let taken = |name: &str| watched.taken_for(name, &folded(name));
        assert_eq!(taken("PRICE"), Some(Taken { written: "price", monitor: false }));
        assert_eq!(taken("SKU"), Some(Taken { written: "sku", monitor: true }));
        for name in ["price", "Price", "sku", "prices", "0", "", "_"] {
            assert_eq!(taken(name), None, "{name}");
        }
    }
}
