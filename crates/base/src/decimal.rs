//! Amounts of money and quantities: exact decimals with six digits behind the point.
//!
//! Read from JSON numbers and from texts such as `"129.50"`, without a detour over binary fractions: a number's shortest decimal
//! form is what was written, up to fifteen digits. Bounds: ±9.2 · 10¹². Not covered: exponents, digit grouping, decimal commas;
//! more than six digits behind the point that are not zero. All of these are no decimals here.

use serde_json::Value;
use std::fmt;

/// Units of one.
const ONE: i64 = 1_000_000;

/// Digits behind the point.
const DIGITS: usize = 6;

/// A decimal number.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(i64);

/// A sum of products, which may be larger than any factor.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Sum(i128);

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many millionths.
    pub const fn from_millionths(units: i64) -> Self {
        Self(units)
    }

    /// How many millionths.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// Reads `-12.50`: digits, at most one point with digits on both sides, at most one minus.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (digits, ""),
        };
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let missing = DIGITS.checked_sub(fraction.len())?;
        let scale = 10_i64.checked_pow(u32::try_from(missing).ok()?)?;
        let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<i64>().ok()?.checked_mul(scale)? };
        let units = whole.parse::<i64>().ok()?.checked_mul(ONE)?.checked_add(fraction)?;
        units.checked_mul(sign).map(Self)
    }

    /// The decimal that a JSON value is: a number, or a text that is one.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::String(text) => Self::parse(text),
            _ => None,
        }
    }

    /// Whether there is nothing behind the point.
    pub fn is_whole(self) -> bool {
        self.0 % ONE == 0
    }

    /// The distance to another.
    pub const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// So many millionths of its size, in millionths of one.
    pub fn share(self, millionths: u64) -> u64 {
        let product = u128::from(self.0.unsigned_abs()).saturating_mul(millionths.into()) / 1_000_000;
        u64::try_from(product).unwrap_or(u64::MAX)
    }
}

impl Sum {
    /// With a product more.
    pub fn with(self, factor: Decimal, other: Decimal) -> Self {
        Self(self.0.saturating_add(i128::from(factor.0).saturating_mul(other.0.into())))
    }

    /// The sum, cut off behind six digits. `None` if it is out of range.
    pub fn total(self) -> Option<Decimal> {
        self.0.checked_div(ONE.into()).and_then(|units| i64::try_from(units).ok()).map(Decimal)
    }
}

impl fmt::Display for Decimal {
    /// Two digits behind the point, more if there are more.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (size, one) = (self.0.unsigned_abs(), ONE.unsigned_abs());
        let whole = size.checked_div(one).unwrap_or_default();
        let fraction = format!("{:06}", size.checked_rem(one).unwrap_or_default());
        let (cents, finer) = fraction.split_at_checked(2).unwrap_or_default();
        write!(formatter, "{sign}{whole}.{cents}{}", finer.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn numbers_and_texts_are_read_as_written() {
        for (value, shown) in [
            (json!(129.5), "129.50"),
            (json!("129.50"), "129.50"),
            (json!(-3), "-3.00"),
            (json!(0.1), "0.10"),
            (json!("0.000001"), "0.000001"),
            (json!("00012.500000000"), "12.50"),
            (json!(9_000_000_000_000_i64), "9000000000000.00"),
        ] {
            assert_eq!(Decimal::of(&value).map(|decimal| decimal.to_string()).as_deref(), Some(shown), "{value}");
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_none() {
        for text in ["", "-", ".5", "5.", "1,50", "1e3", "+1", "--1", " 1", "1 ", "1.2.3", "0.0000001", "٣", "NaN"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        for value in [json!(null), json!(true), json!([1]), json!(1e30), json!(u64::MAX), json!(1e-9)] {
            assert_eq!(Decimal::of(&value), None, "{value}");
        }
    }

    #[test]
    fn products_are_exact_and_sums_do_not_overflow() {
        let decimal = |text: &str| Decimal::parse(text).unwrap();
        let sum = Sum::default().with(decimal("0.1"), decimal("3")).with(decimal("129.50"), decimal("2"));
        assert_eq!(sum.total(), Some(decimal("259.30")));
        let most = Decimal(i64::MAX);
        assert_eq!((0..4).fold(Sum::default(), |sum, _| sum.with(most, most)).total(), None);
        assert_eq!((decimal("200").share(10_000), decimal("-2").distance(decimal("1.5"))), (2_000_000, 3_500_000));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(units in (i64::MIN + 1)..i64::MAX) {
            let decimal = Decimal(units);
            prop_assert_eq!(Decimal::parse(&decimal.to_string()), Some(decimal));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}|-?[0-9]{0,25}\\.?[0-9]{0,25}") {
            if let Some(decimal) = Decimal::parse(&text) {
                prop_assert_eq!(Decimal::parse(&decimal.to_string()), Some(decimal));
            }
        }
    }
}
