//! The `packs` section: ready-made rules and workflows for what most sites have.
//!
//! A pack is no code of its own: it becomes ordinary entries of `rules` and `workflows` when the configuration loads, behind those
//! that are written, and is judged, counted and told like them. Their names begin with `pack-`. What is written in a pack is
//! checked here, so that a fault names the pack and not what it became.

use super::keys::{part, Context};
use super::raw::{self, Document, FailurePolicy, Mode};
use super::rules::compiled_plain;
use super::units::Duration;
use super::workflows::{actor, check_routes};
use super::{ConfigError, Path};
use portcullis_base::expression::Kinds;

/// Most that a counter of different values can be held to exactly is six; beyond, thresholds need room.
const DISTINCT_MAX: u32 = 60;

/// Most requests that a threshold can ask for.
const REQUESTS_MAX: u32 = 10_000;

/// The section.
static PACKS: Path<'static> = Path::new("packs");

/// Puts what the packs stand for behind the rules and workflows that are written.
pub(super) fn expand(document: &mut Document) -> Result<(), ConfigError> {
    let packs = std::mem::take(&mut document.packs);
    if let Some(pack) = packs.login {
        login(pack, document)?;
    }
    if let Some(pack) = packs.signup {
        signup(pack, document)?;
    }
    if let Some(pack) = packs.checkout {
        checkout(pack, document)?;
    }
    if let Some(pack) = packs.password_reset {
        password_reset(pack, document)?;
    }
    if let Some(pack) = packs.gift_cards {
        gift_cards(pack, document)?;
    }
    Ok(())
}

/// Guessing passwords: many attempts, or many accounts, from one place, or many attempts at one account.
fn login(pack: raw::LoginPack, document: &mut Document) -> Result<(), ConfigError> {
    let raw::LoginPack { routes, account, window, per_source, per_account, accounts_per_source, mode } = pack;
    let mut pack = Pack::new("login", routes, "routes", window, mode, document)?;
    pack.needs(&account, "account")?;
    pack.count("source", "actor.source", per_source, "per_source", None)?;
    pack.count("account", &normal(&account), per_account, "per_account", Some(&account))?;
    pack.distinct("accounts", &account, "actor.source", (accounts_per_source, "accounts_per_source"))
}

/// Accounts by the dozen.
fn signup(pack: raw::SignupPack, document: &mut Document) -> Result<(), ConfigError> {
    let raw::SignupPack { routes, email, window, per_source, per_email, mode } = pack;
    let mut pack = Pack::new("signup", routes, "routes", window, mode, document)?;
    pack.needs(&email, "email")?;
    pack.count("source", "actor.source", per_source, "per_source", None)?;
    pack.count("email", &normal(&email), per_email, "per_email", Some(&email))
}

/// Paying without a cart, twice at once, sooner than anybody could, or with one card after the other.
fn checkout(pack: raw::CheckoutPack, document: &mut Document) -> Result<(), ConfigError> {
    let raw::CheckoutPack { cart, pay, per, expires, min_gap, window, attempts, mode } = pack;
    let bindings = document.identity.as_ref().map(|identity| identity.bindings.clone()).unwrap_or_default();
    let on = [cart.clone(), pay.clone()].concat();
    actor(
        &per,
        &Path::new("packs.checkout.per"),
        Context { bindings: &bindings, on: &on, routes: &document.routes },
    )?;
    let names: Vec<&str> = document.routes.iter().map(|route| route.name.as_str()).collect();
    check_routes(&cart, &Path::new("packs.checkout.cart"), &names)?;
    check_routes(&pay, &Path::new("packs.checkout.pay"), &names)?;
    let steps = vec![
        raw::Step { min_gap: None, once: false, ..step("cart", cart) },
        raw::Step { min_gap: Some(min_gap), ..step("pay", pay.clone()) },
    ];
    document.workflows.push(workflow("pack-checkout", per, expires, steps, mode));
    let mut pack = Pack::new("checkout", pay, "pay", window, mode, document)?;
    pack.count("attempts", "actor.subject", attempts, "attempts", None)
}

/// Letters that nobody asked for, guessed tokens, and tokens that are used twice.
fn password_reset(pack: raw::PasswordResetPack, document: &mut Document) -> Result<(), ConfigError> {
    let raw::PasswordResetPack { request, account, reset, token, window, mode, .. } = &pack;
    let context = Context { bindings: &raw::Bindings::default(), on: reset, routes: &document.routes };
    if part(token, &Path::new("packs.password_reset.token"), context)?.is_none() {
        let forms = ["body:…", "query:…", "header:…"];
        return Err(ConfigError::unknown("packs.password_reset.token", "field", token, &forms));
    }
    let mut own = Pack::new("password_reset", request.clone(), "request", *window, *mode, document)?;
    own.needs(account, "account")?;
    own.count("account", &normal(account), pack.per_account, "per_account", Some(account))?;
    own.distinct("accounts", account, "actor.source", (pack.accounts_per_source, "accounts_per_source"))?;
    let mut own = Pack::new("password_reset", reset.clone(), "reset", *window, *mode, document)?;
    own.count("guesses", "actor.source", pack.attempts_per_source, "attempts_per_source", None)?;
    let steps = vec![step("reset", reset.clone())];
    document.workflows.push(workflow("pack-password-reset", token.clone(), *window, steps, *mode));
    Ok(())
}

/// Guessing codes: from one place, under one name, or one code from everywhere.
fn gift_cards(pack: raw::GiftCardsPack, document: &mut Document) -> Result<(), ConfigError> {
    let raw::GiftCardsPack { routes, code, window, codes_per_source, codes_per_subject, per_code, mode } = pack;
    let mut pack = Pack::new("gift_cards", routes, "routes", window, mode, document)?;
    pack.needs(&code, "code")?;
    pack.distinct("source", &code, "actor.source", (codes_per_source, "codes_per_source"))?;
    pack.distinct("subject", &code, "actor.subject", (codes_per_subject, "codes_per_subject"))?;
    pack.count("code", &normal(&code), per_code, "per_code", Some(&code))
}

/// One pack being put into rules.
struct Pack<'d> {
    name: &'static str,
    routes: Vec<String>,
    window: Duration,
    mode: Option<Mode>,
    document: &'d mut Document,
}

impl<'d> Pack<'d> {
    fn new(
        name: &'static str,
        routes: Vec<String>,
        key: &str,
        window: Duration,
        mode: Option<Mode>,
        document: &'d mut Document,
    ) -> Result<Self, ConfigError> {
        let known: Vec<&str> = document.routes.iter().map(|route| route.name.as_str()).collect();
        let path = PACKS.member(name);
        check_routes(&routes, &path.member(key), &known)?;
        if !(10_000..=31 * 86_400_000).contains(&window.0.as_u64()) {
            return Err(ConfigError::new(path.member("window"), "expected 10s to 31d"));
        }
        Ok(Self { name, routes, window, mode, document })
    }

    /// A value of the request, as an expression whose presence can be asked for: `body.user`.
    fn needs(&self, value: &str, key: &str) -> Result<(), ConfigError> {
        let path = PACKS.member(self.name);
        for text in [present(value), normal(value)] {
            compiled_plain(Kinds::ANY, &text, &path.member(key), &self.routes, &self.document.routes)?;
        }
        Ok(())
    }

    /// At most so many requests under a key, where `value` is there.
    fn count(
        &mut self,
        what: &str,
        key: &str,
        most: u32,
        knob: &str,
        value: Option<&str>,
    ) -> Result<(), ConfigError> {
        self.check(most, REQUESTS_MAX, knob)?;
        let require = format!("count({key}, {}) <= {most}", self.duration());
        self.rule(what, value.map(present), require);
        Ok(())
    }

    /// At most so many different values under a key.
    fn distinct(
        &mut self,
        what: &str,
        value: &str,
        key: &str,
        (most, knob): (u32, &str),
    ) -> Result<(), ConfigError> {
        self.check(most, DISTINCT_MAX, knob)?;
        let require = format!("distinct({}, {key}, {}) <= {most}", normal(value), self.duration());
        self.rule(what, Some(present(value)), require);
        Ok(())
    }

    fn check(&self, number: u32, most: u32, knob: &str) -> Result<(), ConfigError> {
        if (1..=most).contains(&number) {
            return Ok(());
        }
        let path = PACKS.member(self.name);
        Err(ConfigError::new(path.member(knob), format!("is {number}, expected 1 to {most}")))
    }

    fn duration(&self) -> String {
        format!("duration('{}ms')", self.window.0.as_u64())
    }

    fn rule(&mut self, what: &str, when: Option<String>, require: String) {
        self.document.rules.push(raw::Rule {
            name: format!("pack-{}-{what}", self.name.replace('_', "-")),
            routes: self.routes.clone(),
            when,
            require: Some(require),
            forbid: None,
            score: None,
            effect: None,
            code: None,
            message: None,
            mode: self.mode,
            on_error: FailurePolicy::default(),
        });
    }
}

/// Whether a value is there; null is what many send for none.
fn present(value: &str) -> String {
    format!("has({value}) && !({value} in [null])")
}

/// A name as services compare it: without blanks around it, in small letters, whether it is written as a text or a number. One that
/// is neither has no value, which violates the rule.
fn normal(value: &str) -> String {
    format!("string({value}).trim().lowerAscii()")
}

/// A step that may be done once, after the one before.
fn step(name: &str, routes: Vec<String>) -> raw::Step {
    let completes = vec!["2xx".to_owned()];
    let (when, after, min_gap, max_gap) = Default::default();
    raw::Step { name: name.to_owned(), routes, when, after, min_gap, max_gap, once: true, completes }
}

fn workflow(
    name: &str,
    per: String,
    expires: Duration,
    steps: Vec<raw::Step>,
    mode: Option<Mode>,
) -> raw::Workflow {
    let (token, effect, score) = Default::default();
    raw::Workflow { name: name.to_owned(), per, expires, steps, token, effect, score, mode }
}

#[cfg(test)]
mod tests;
