//! The `packs` section as it is written.

use super::Mode;
use crate::reading::Written;
use crate::units::Duration;

/// Ready-made rules and workflows for what most sites have.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Packs {
    /// Logins: `count` and `distinct` rules per source and account.
    pub(crate) login: Option<LoginPack>,
    /// Sign-ups.
    pub(crate) signup: Option<SignupPack>,
    /// Carts and payments, in this order.
    pub(crate) checkout: Option<CheckoutPack>,
    /// Requests for, and uses of, a token that resets a password.
    pub(crate) password_reset: Option<PasswordResetPack>,
    /// Redeeming codes.
    pub(crate) gift_cards: Option<GiftCardsPack>,
}

/// Rules for logins.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginPack {
    /// Routes on which accounts are logged in to.
    pub(crate) routes: Vec<String>,
    /// The expression of the account: `body.user`.
    pub(crate) account: String,
    /// The window of its counts.
    #[serde(default = "minutes::<10>")]
    pub(crate) window: Duration,
    /// Logins from one source.
    #[serde(default = "number::<30>")]
    pub(crate) per_source: u32,
    /// Logins to one account.
    #[serde(default = "number::<10>")]
    pub(crate) per_account: u32,
    /// Different accounts from one source.
    #[serde(default = "number::<5>")]
    pub(crate) accounts_per_source: u32,
    /// `monitor`: judged and counted, refuses nothing. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// Rules for sign-ups.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct SignupPack {
    /// Routes on which accounts are made.
    pub(crate) routes: Vec<String>,
    /// The expression of the address: `body.email`.
    pub(crate) email: String,
    /// The window of its counts.
    #[serde(default = "minutes::<1440>")]
    pub(crate) window: Duration,
    /// Sign-ups from one source.
    #[serde(default = "number::<5>")]
    pub(crate) per_source: u32,
    /// Sign-ups with one address.
    #[serde(default = "number::<3>")]
    pub(crate) per_email: u32,
    /// `monitor`: judged and counted, refuses nothing. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// A workflow and a rule for carts and payments.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckoutPack {
    /// Routes that fill a cart.
    pub(crate) cart: Vec<String>,
    /// Routes that pay.
    pub(crate) pay: Vec<String>,
    /// Who has a cart of his own.
    #[serde(default = "subject")]
    pub(crate) per: String,
    /// Life of a cart.
    #[serde(default = "minutes::<120>")]
    pub(crate) expires: Duration,
    /// Least time from the cart to the payment.
    #[serde(default = "second")]
    pub(crate) min_gap: Duration,
    /// The window of the attempts.
    #[serde(default = "minutes::<10>")]
    pub(crate) window: Duration,
    /// Payments of one subject in it.
    #[serde(default = "number::<10>")]
    pub(crate) attempts: u32,
    /// `monitor`: judged and counted, refuses nothing. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// Rules and a workflow for resets of passwords.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordResetPack {
    /// Routes that ask for a reset.
    pub(crate) request: Vec<String>,
    /// The expression of the account: `body.email`.
    pub(crate) account: String,
    /// Routes that use the token.
    pub(crate) reset: Vec<String>,
    /// The field with the token: `body:token`.
    pub(crate) token: String,
    /// The window of its counts, and the life of a token.
    #[serde(default = "minutes::<60>")]
    pub(crate) window: Duration,
    /// Requests for one account.
    #[serde(default = "number::<3>")]
    pub(crate) per_account: u32,
    /// Different accounts from one source.
    #[serde(default = "number::<3>")]
    pub(crate) accounts_per_source: u32,
    /// Uses from one source.
    #[serde(default = "number::<10>")]
    pub(crate) attempts_per_source: u32,
    /// `monitor`: judged and counted, refuses nothing. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// Rules for codes.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct GiftCardsPack {
    /// Routes on which codes are redeemed.
    pub(crate) routes: Vec<String>,
    /// The expression of the code: `body.code`.
    pub(crate) code: String,
    /// The window of its counts.
    #[serde(default = "minutes::<10>")]
    pub(crate) window: Duration,
    /// Different codes from one source.
    #[serde(default = "number::<5>")]
    pub(crate) codes_per_source: u32,
    /// Different codes of one subject.
    #[serde(default = "number::<3>")]
    pub(crate) codes_per_subject: u32,
    /// Attempts at one code.
    #[serde(default = "number::<5>")]
    pub(crate) per_code: u32,
    /// `monitor`: judged and counted, refuses nothing. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

const fn minutes<const N: u64>() -> Duration {
    Duration::from_secs(N.saturating_mul(60))
}

const fn second() -> Duration {
    Duration::from_secs(1)
}

const fn number<const N: u32>() -> u32 {
    N
}

fn subject() -> String {
    "subject".to_owned()
}
