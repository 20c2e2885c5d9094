//! The payload of a token (RFC 7519 §4), with typed access to what the stages ask for.
//!
//! A claim of the wrong type is not the same as a missing one: readers of dates and audiences say so.

use serde_json::{Map, Value};

/// The claims of one token.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

/// A claim that is there and not of the type it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType(pub &'static str);

impl Claims {
    /// Claims as parsed.
    pub const fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// One claim.
    pub fn only(name: &str, value: Value) -> Self {
        let mut claims = Map::new();
        claims.insert(name.to_owned(), value);
        Self(claims)
    }

    /// A claim of any type. Null is no claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A NumericDate: seconds since the epoch, where fractions are allowed and dropped (RFC 7519 §2).
    ///
    /// # Errors
    /// A negative number, one beyond 2^53, or no number at all.
    pub fn date(&self, name: &'static str) -> Result<Option<u64>, WrongType> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => whole_seconds(number).map(Some).ok_or(WrongType(name)),
            Some(_) => Err(WrongType(name)),
        }
    }

    /// The audiences: one string, or an array of strings (RFC 7519 §4.1.3).
    ///
    /// # Errors
    /// Anything else.
    pub fn audiences(&self) -> Result<Vec<&str>, WrongType> {
        match self.0.get("aud") {
            None => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(many)) => {
                many.iter().map(Value::as_str).collect::<Option<_>>().ok_or(WrongType("aud"))
            }
            Some(_) => Err(WrongType("aud")),
        }
    }

    /// Every scope that was granted, in either form; see [`Claims::has_scope`].
    pub fn scopes(&self) -> Vec<&str> {
        let words =
            ["scope", "scp"].iter().filter_map(|name| self.0.get(*name)).flat_map(|granted| match granted {
                Value::String(words) => words.split(' ').collect::<Vec<_>>(),
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            });
        let mut scopes = Vec::new();
        for scope in words.filter(|scope| !scope.is_empty()) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Whether a scope was granted: `scope` as a string of words (RFC 8693 §4.2), or `scp`/`scope` as an array.
    pub fn has_scope(&self, scope: &str) -> bool {
        ["scope", "scp"].iter().filter_map(|name| self.0.get(*name)).any(|granted| match granted {
            Value::String(words) => words.split(' ').any(|word| word == scope),
            Value::Array(items) => items.iter().any(|item| item.as_str() == Some(scope)),
            _ => false,
        })
    }

    /// Whether a claim has one of the `allowed` values, or, where it is an array, contains one. Strings, numbers and
    /// booleans are compared by their text.
    pub fn matches(&self, name: &str, allowed: &[String]) -> bool {
        let fits = |value: &Value| match value {
            Value::String(text) => allowed.contains(text),
            Value::Number(number) => allowed.contains(&number.to_string()),
            Value::Bool(flag) => allowed.contains(&flag.to_string()),
            _ => false,
        };
        match self.0.get(name) {
            Some(Value::Array(items)) => items.iter().any(fits),
            Some(value) => fits(value),
            None => false,
        }
    }
}

/// Largest integer that every JSON reader agrees on (RFC 8259 §6).
const NUMERIC_DATE_MAX: u64 = (1 << 53) - 1;

fn whole_seconds(number: &serde_json::Number) -> Option<u64> {
    let seconds = match number.as_u64() {
        Some(seconds) => seconds,
        // Through text, since a cast from floating point could not fail where it must.
        None => format!("{:.0}", number.as_f64().filter(|seconds| *seconds >= 0.0)?.floor()).parse().ok()?,
    };
    (seconds <= NUMERIC_DATE_MAX).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Claims {
        Claims::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn dates_are_whole_seconds() {
        assert_eq!(claims(json!({"exp": 7})).date("exp"), Ok(Some(7)));
        assert_eq!(claims(json!({"exp": 7.9})).date("exp"), Ok(Some(7)));
        assert_eq!(claims(json!({})).date("exp"), Ok(None));
        for wrong in [json!("7"), json!(-1), json!(-0.5), json!(1e300), json!(null), json!(u64::MAX)] {
            assert_eq!(claims(json!({ "exp": wrong })).date("exp"), Err(WrongType("exp")), "{wrong}");
        }
    }

    #[test]
    fn audiences_of_both_forms() {
        assert_eq!(claims(json!({"aud": "a"})).audiences(), Ok(vec!["a"]));
        assert_eq!(claims(json!({"aud": ["a", "b"]})).audiences(), Ok(vec!["a", "b"]));
        assert_eq!(claims(json!({"aud": ["a", 1]})).audiences(), Err(WrongType("aud")));
    }

    #[test]
    fn scopes_are_whole_words() {
        let granted = claims(json!({"scope": "orders:read profile"}));
        assert!(granted.has_scope("profile") && granted.has_scope("orders:read"));
        assert!(!granted.has_scope("orders") && !granted.has_scope("orders:read profile"));
        assert!(claims(json!({"scp": ["a", "b"]})).has_scope("b"));
    }

    #[test]
    fn claims_match_by_value_or_membership() {
        let has = claims(json!({"tenant": "acme", "roles": ["admin", "ops"], "level": 2, "mfa": true}));
        let allowed = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        assert!(has.matches("tenant", &allowed(&["umbrella", "acme"])));
        assert!(has.matches("roles", &allowed(&["ops"])) && !has.matches("roles", &allowed(&["dev"])));
        assert!(has.matches("level", &allowed(&["2"])) && has.matches("mfa", &allowed(&["true"])));
        assert!(!has.matches("missing", &allowed(&[""])));
    }
}
