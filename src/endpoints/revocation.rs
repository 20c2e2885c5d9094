//! The revocation endpoint: a token, or all of a subject, a session or an issuer, ends now (RFC 7009).
//!
//! | parameters | what ends |
//! |---|---|
//! | `token` | a signed token of an issuer of the configuration, by its issuer and `jti`, until its `exp` |
//! | `issuer`, `jti` | the token of that name, for as long as one can live |
//! | `issuer`, `subject` or `session` | their tokens, issued before `issued_before` (seconds since 1970), or until now |
//! | `issuer`, `issued_before` | all tokens of the issuer that were issued before |
//!
//! Only the first is RFC 7009's; `token_type_hint` is ignored, as it may be (§2.1). A token that is worth nothing is answered
//! like one that was revoked (§2.2): it is worth nothing. But where nobody can say now what it is worth, and where there is
//! no room, the answer is 503, and the token still counts.
//!
//! Who calls must be in a network of the configuration and have the secret. To everybody else the endpoint is not there: their
//! request goes on as one for any other path would, so nobody outside learns that there is something to try. Wrong secrets
//! are counted for each source. Once there were too many the right one is not taken either: a limit that it would pass
//! by limited no guesses. These counts are apart from those of tokens, so that nobody who sends junk tokens keeps others from
//! revoking.
//!
//! Bounds: a secret of [`SECRET_BYTES_MAX`]; `records_max` live revocations; what is kept longest is `keep`. Not covered:
//! opaque tokens by their text, tokens without `jti`, and tokens that do not say when they were issued and that live longer than
//! their issuer's `lifetime_max` allows.

use super::audit::{Act, Revoked};
use super::{error, read_form, Asked, JSON};
use crate::config::identity::Identity;
use crate::config::RevocationEndpoint;
use crate::finding::Findings;
use crate::jose::Claims;
use crate::memory::roll::Entered;
use crate::receipt;
use crate::reply::{Reply, REALM};
use crate::request::form::Form;
use crate::stages::identity::checks::TOKEN_FAILURES;
use crate::stages::identity::failures::{self, Tried};
use crate::stages::identity::revocation::{self, Target};
use crate::stages::identity::subject::{self, Subject};
use crate::stages::identity::{Caller, Need, Scene, Verified};
use crate::time::Millis;
use hmac_sha256::Hash;
use serde_json::Value;
use std::rc::Rc;

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 512;

/// Characters of a token's name that the log shows.
const NAME_CHARS_MAX: usize = 128;

/// Parameters that name what ends without showing it.
const NAMES: [&str; 5] = ["issuer", "jti", "subject", "session", "issued_before"];

/// Why nothing is revoked.
#[derive(Debug)]
pub struct Denied {
    status: u16,
    error: &'static str,
    description: &'static str,
    header: Option<(&'static str, String)>,
}

/// What is to be revoked, once the request was judged.
#[derive(Debug)]
pub struct Order {
    issuer: String,
    kind: Kind,
    /// What it is called; empty for all of an issuer's.
    name: String,
    /// See [`revocation::revoke`].
    before: Option<u64>,
    until: u64,
    /// Whose it is, as receipts name him.
    whose: Option<String>,
}

/// What kind of thing.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Kind {
    Token,
    Subject,
    Session,
    Issuer,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Subject => "subject",
            Self::Session => "session",
            Self::Issuer => "issuer",
        }
    }

    const fn target(self, name: &str) -> Target<'_> {
        match self {
            Self::Token => Target::Token(name),
            Self::Subject => Target::Subject(name),
            Self::Session => Target::Session(name),
            Self::Issuer => Target::All,
        }
    }
}

impl Denied {
    const fn new(status: u16, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description, header: None }
    }

    const fn invalid(description: &'static str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    pub(super) fn answer(self) -> (Reply, Act) {
        let mut reply = error(self.status, self.error, self.description);
        reply.headers.extend(self.header);
        (reply, Act::NotRevoked { error: self.error })
    }
}

/// Reads a request. `None` for a token that is worth nothing already.
///
/// # Errors
/// What must be there first, if the request may wait.
pub(super) fn examine(
    asked: &Asked<'_>,
    endpoint: &RevocationEndpoint,
    body: &[u8],
    findings: &mut Findings,
) -> Result<Result<Option<Order>, Denied>, Need> {
    let scene = &asked.scene;
    let form = authorize(scene, endpoint).and_then(|()| {
        read_form(scene.request, body)
            .map_err(|(status, description)| Denied::new(status, "invalid_request", description))
    });
    let form = match form {
        Ok(form) => form,
        Err(denied) => return Ok(Err(denied)),
    };
    match form.get("token") {
        Some(_) if NAMES.iter().any(|name| form.get(name).is_some()) => {
            Ok(Err(Denied::invalid("expected a `token`, or what names one, and not both")))
        }
        Some(token) => shown(scene, token, findings),
        None => Ok(named(scene, endpoint, &form).map(Some)),
    }
}

/// The secret must come by `Authorization: Bearer` (RFC 6750 §2.1), in one field.
fn authorize(scene: &Scene<'_>, endpoint: &RevocationEndpoint) -> Result<(), Denied> {
    if let Some(seconds) = failures::pause(scene, Tried::Revocation) {
        let header = Some(("retry-after", seconds.to_string()));
        return Err(Denied { header, ..Denied::new(429, "temporarily_unavailable", "too many failures") });
    }
    let mut fields = scene.request.headers.all("authorization");
    let presented = fields.next();
    let secret = presented.filter(|_| fields.next().is_none()).and_then(bearer);
    // Digests of one length, compared in constant time: how long it takes tells nothing of the secret.
    let is_right = |secret: &[u8]| {
        secret.len() <= SECRET_BYTES_MAX && ct_codecs::verify(&Hash::hash(secret), &endpoint.secret)
    };
    if secret.is_some_and(is_right) {
        return Ok(());
    }
    // Who brings nothing guesses nothing.
    if presented.is_some() {
        failures::charge(scene, Tried::Revocation);
    }
    let header = Some(("www-authenticate", format!("Bearer realm=\"{REALM}\"")));
    Err(Denied { header, ..Denied::new(401, "invalid_client", "not authorized") })
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer") && rest.first() == Some(&b' ');
    is_bearer.then(|| rest.trim_ascii())
}

/// A token that is shown.
fn shown(scene: &Scene<'_>, token: &str, findings: &mut Findings) -> Result<Result<Option<Order>, Denied>, Need> {
    if !subject::is_signed(token.as_bytes()) {
        let fault = "opaque tokens are revoked at their issuer";
        return Ok(Err(Denied::new(400, "unsupported_token_type", fault)));
    }
    let unknown = Denied::new(503, "temporarily_unavailable", "the token cannot be judged now");
    Ok(match subject::identify(scene, token.as_bytes(), findings)? {
        Subject::Unknown => Err(unknown),
        // Nobody has looked at its signature.
        Subject::Bad if findings.has(&TOKEN_FAILURES) => Err(unknown),
        Subject::Bad => Ok(None),
        Subject::Good(verified, _) => of(&verified, scene).map(Some),
    })
}

fn of(verified: &Rc<Verified>, scene: &Scene<'_>) -> Result<Order, Denied> {
    let claims = verified.claims();
    let Some(jti) = claims.text("jti").filter(|jti| !jti.is_empty()) else {
        let fault = "the token has no `jti` to tell it from others: revoke its subject's or session's tokens";
        return Err(Denied::new(400, "unsupported_token_type", fault));
    };
    let ends = claims.date("exp").ok().flatten().map_or(scene.now, Millis::from_secs);
    let skew = scene.config.identity.as_ref().map(|identity| verified.clock_skew(identity)).unwrap_or_default();
    Ok(Order {
        issuer: verified.issuer().to_owned(),
        kind: Kind::Token,
        name: jti.to_owned(),
        before: None,
        until: beyond(ends.saturating_add(skew)),
        whose: Some(receipt::actor(scene.config, &Caller::Verified(Rc::clone(verified)), None)),
    })
}

/// The second in which a moment is over everywhere, whatever rounding and a worker that read the clock before.
fn beyond(moment: Millis) -> u64 {
    moment.as_u64().div_ceil(1000).saturating_add(1)
}

/// What is named.
fn named(scene: &Scene<'_>, endpoint: &RevocationEndpoint, form: &Form) -> Result<Order, Denied> {
    let issuer = form.get("issuer").ok_or_else(|| Denied::invalid("`token` or `issuer` is missing"))?;
    let lives = scene.config.identity.as_ref().and_then(|identity| lives(identity, endpoint, issuer));
    let lives = lives.ok_or_else(|| Denied::invalid("`issuer` is none of the configuration's"))?;
    let names = [(Kind::Token, "jti"), (Kind::Subject, "subject"), (Kind::Session, "session")];
    let mut names = names.into_iter().filter_map(|(kind, name)| Some((kind, form.get(name)?)));
    let (kind, name) = names.next().unwrap_or((Kind::Issuer, ""));
    if names.next().is_some() {
        return Err(Denied::invalid("expected one of `jti`, `subject` and `session`"));
    }
    let now_secs = scene.now.as_u64() / 1000;
    let written = form.get("issued_before").map(|text| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds =
            text.parse::<u64>().ok().filter(|seconds| is_number && *seconds <= now_secs.saturating_add(1));
        seconds
            .ok_or_else(|| Denied::invalid("`issued_before` is no number of seconds since 1970 that have passed"))
    });
    let before = match (written.transpose()?, kind) {
        (Some(before), _) => Some(before),
        (None, Kind::Token) => None,
        // What is issued in this very second is meant too; what is issued later is not, or a new login would be worth nothing.
        (None, Kind::Subject | Kind::Session) => Some(now_secs.saturating_add(1)),
        (None, Kind::Issuer) => {
            return Err(Denied::invalid("of what the issuer has issued: `issued_before` is missing"))
        }
    };
    Ok(Order {
        issuer: issuer.to_owned(),
        kind,
        name: name.to_owned(),
        before,
        until: beyond(scene.now.saturating_add(lives)),
        whose: (kind == Kind::Subject).then(|| holder(scene, issuer, name)),
    })
}

/// A subject as receipts name him.
fn holder(scene: &Scene<'_>, issuer: &str, subject: &str) -> String {
    let claims = Claims::only("sub", Value::from(subject));
    let caller = Caller::Verified(Rc::new(Verified::new(usize::MAX, issuer.to_owned(), claims)));
    receipt::actor(scene.config, &caller, None)
}

/// How long what an issuer has issued until now can count. `None` for nobody's name.
fn lives(identity: &Identity, endpoint: &RevocationEndpoint, name: &str) -> Option<Millis> {
    let signed = identity.issuers.iter().find(|issuer| issuer.name == name);
    let signed = signed.map(|issuer| issuer.lifetime_max.saturating_add(issuer.clock_skew));
    let is_asked = identity.introspection.as_ref().is_some_and(|asked| asked.issuer == name);
    let has_keys = identity.api_keys.as_ref().is_some_and(|keys| keys.issuer == name);
    signed.max((is_asked || has_keys).then_some(endpoint.keep))
}

/// Revokes. For all workers, from their next request on.
pub(super) fn carry_out(order: Order, asked: &Asked<'_>, endpoint: &RevocationEndpoint) -> (Reply, Act) {
    let Order { issuer, kind, name, before, until, whose } = order;
    match revocation::revoke(endpoint, &asked.scene, (&issuer, kind.target(&name)), before, until) {
        Entered::Done => {
            let shown = || name.chars().take(NAME_CHARS_MAX).flat_map(char::escape_debug).collect();
            let jti = (kind == Kind::Token).then(shown);
            let revoked = Revoked { target: kind.name(), issuer, jti, whose, before, until };
            (done(), Act::Revoked(Box::new(revoked)))
        }
        Entered::Full => Denied::new(503, "revocations_full", "there is no room for another revocation").answer(),
        Entered::Contended => {
            Denied::new(503, "temporarily_unavailable", "too many revocations at the same time").answer()
        }
    }
}

/// What is worth nothing needs no revocation.
pub(super) fn ineffective() -> (Reply, Act) {
    (done(), Act::Ineffective)
}

/// RFC 7009 §2.2: the status says it all.
fn done() -> Reply {
    let mut reply = Reply::served(200, JSON, "no-store", String::new());
    reply.headers.retain(|(name, _)| *name != "content-type");
    reply
}

#[cfg(test)]
mod tests;
