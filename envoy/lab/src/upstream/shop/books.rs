//! What an honest bookkeeper writes down about a shop that checks nothing: what it earned, and how it was harmed.
//!
//! The shop does not read its own books: it is as naive as the shops that need a filter. Tests read them. A harm is
//! noted when it is done, so what the shop forgets afterwards stays counted.

use std::collections::BTreeMap;

/// Requests about prices, stock, cart and coupons that no customer makes in one visit.
pub(super) const LOOKS_MAX: u32 = 200;

/// Coupons that one order may have.
pub(super) const COUPONS_MAX: usize = 2;

/// Wrong passwords in a row, codes of reset and codes of gift cards that people mistype.
pub(super) const MISTAKES_MAX: u32 = 10;

/// Letters about one account that people ask for.
pub(super) const LETTERS_MAX: u32 = 3;

/// Accounts that one address of mail needs.
pub(super) const ACCOUNTS_MAX: u32 = 3;

/// A way in which a shop is harmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// An order was paid with less than its goods cost.
    Underpaid,
    /// An order was paid in another currency.
    Currency,
    /// An order was paid again, and its goods went out again.
    PaidTwice,
    /// An order was paid that has nowhere to go to.
    Unaddressed,
    /// Goods came back that had never gone out.
    Backwards,
    /// More goods went out than there were.
    Oversold,
    /// An order was paid with more coupons than one may have.
    Stacked,
    /// An order was shown to somebody else than its owner, or paid by him.
    Foreign,
    /// Somebody found out prices, stock and coupons by trying.
    Probed,
    /// An account was opened with a guessed password.
    AccountGuessed,
    /// A password was changed with a guessed code.
    ResetGuessed,
    /// A gift card was emptied by somebody who guessed its code.
    CardGuessed,
    /// Somebody got more letters than he asked for.
    Flooded,
    /// Somebody has more accounts than one needs.
    Multiplied,
}

impl Harm {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Underpaid,
        Self::Currency,
        Self::PaidTwice,
        Self::Unaddressed,
        Self::Backwards,
        Self::Oversold,
        Self::Stacked,
        Self::Foreign,
        Self::Probed,
        Self::AccountGuessed,
        Self::ResetGuessed,
        Self::CardGuessed,
        Self::Flooded,
        Self::Multiplied,
    ];
}

/// The books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// Orders that were paid.
    pub paid: u64,
    /// What was paid for them, in cents.
    pub earned_cents: i64,
    /// Pieces that went out, less those that came back.
    pub shipped: i64,
    /// Pieces that are in stock.
    pub in_stock: i64,
    harms: BTreeMap<Harm, u64>,
}

impl Books {
    /// How often the shop was harmed so.
    pub fn harm(&self, harm: Harm) -> u64 {
        self.harms.get(&harm).copied().unwrap_or_default()
    }

    /// Every harm that was done, and how often.
    pub fn harms(&self) -> &BTreeMap<Harm, u64> {
        &self.harms
    }

    pub(super) fn note(&mut self, harm: Harm, happened: bool) {
        if happened {
            *self.harms.entry(harm).or_default() += 1;
        }
    }
}
