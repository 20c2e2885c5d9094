//! The `packs` section as it is written.

use super::Mode;
use crate::config::units::Duration;
use serde::Deserialize;

/// Ready-made rules and workflows for what most sites have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Packs {
    pub(crate) login: Option<LoginPack>,
    pub(crate) signup: Option<SignupPack>,
    pub(crate) checkout: Option<CheckoutPack>,
    pub(crate) password_reset: Option<PasswordResetPack>,
    pub(crate) gift_cards: Option<GiftCardsPack>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginPack {
    pub(crate) routes: Vec<String>,
    pub(crate) account: String,
    #[serde(default = "minutes::<10>")]
    pub(crate) window: Duration,
    #[serde(default = "number::<30>")]
    pub(crate) per_source: u32,
    #[serde(default = "number::<10>")]
    pub(crate) per_account: u32,
    #[serde(default = "number::<5>")]
    pub(crate) accounts_per_source: u32,
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignupPack {
    pub(crate) routes: Vec<String>,
    pub(crate) email: String,
    #[serde(default = "minutes::<1440>")]
    pub(crate) window: Duration,
    #[serde(default = "number::<5>")]
    pub(crate) per_source: u32,
    #[serde(default = "number::<3>")]
    pub(crate) per_email: u32,
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckoutPack {
    pub(crate) cart: Vec<String>,
    pub(crate) pay: Vec<String>,
    #[serde(default = "subject")]
    pub(crate) per: String,
    #[serde(default = "minutes::<120>")]
    pub(crate) expires: Duration,
    #[serde(default = "second")]
    pub(crate) min_gap: Duration,
    #[serde(default = "minutes::<10>")]
    pub(crate) window: Duration,
    #[serde(default = "number::<10>")]
    pub(crate) attempts: u32,
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordResetPack {
    pub(crate) request: Vec<String>,
    pub(crate) account: String,
    pub(crate) reset: Vec<String>,
    pub(crate) token: String,
    #[serde(default = "minutes::<60>")]
    pub(crate) window: Duration,
    #[serde(default = "number::<3>")]
    pub(crate) per_account: u32,
    #[serde(default = "number::<3>")]
    pub(crate) accounts_per_source: u32,
    #[serde(default = "number::<10>")]
    pub(crate) attempts_per_source: u32,
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiftCardsPack {
    pub(crate) routes: Vec<String>,
    pub(crate) code: String,
    #[serde(default = "minutes::<10>")]
    pub(crate) window: Duration,
    #[serde(default = "number::<5>")]
    pub(crate) codes_per_source: u32,
    #[serde(default = "number::<3>")]
    pub(crate) codes_per_subject: u32,
    #[serde(default = "number::<5>")]
    pub(crate) per_code: u32,
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
