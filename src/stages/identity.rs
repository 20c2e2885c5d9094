//! Who is calling, and is the token really theirs?
//!
//! A bearer token (RFC 6750) is found, read, judged by its claims and then by its signature. Claims come first
//! because they are cheap: an expired token, or one from a stranger, costs no signature. Until the signature has
//! been checked nothing of the token is used for anything but a refusal. A check that is held back holds back nothing
//! else, and a token whose signature was not verified is no token.
//!
//! Exactly one token may be present, whatever its place: a second one is a sign that somebody hopes for two readers.
//! A token that is optional must still be valid when it is there. Clients that have no tokens may have a key ([`api_keys`]),
//! which then takes the token's place in all of this.
//!
//! A token that was in order is remembered ([`cache`]).
//!
//! Bounds: the token's length, the JSON within ([`crate::jose::token`]), one signature a request.

mod api_keys;
mod authorization;
pub mod binding;
pub mod cache;
mod caller;
pub mod checks;
pub mod failures;
mod holder;
pub mod introspection;
pub mod keys;
mod replay;
pub mod revocation;
mod source;
pub mod step_up;
pub mod subject;
mod token;
pub mod usage;

pub use self::caller::{Caller, Verified};

use self::cache::{Kind as Cached, Remembered, TokenCache};
use self::caller::Origin;
use self::checks::TOKEN_MISSING;
use self::holder::Effort;
use self::keys::{KeyRing, Missing};
use self::revocation::Revocations;
use self::source::{Kind, Presented};
use crate::config::identity::Identity;
use crate::config::{Config, Demand, Route};
use crate::finding::{Family, Finding, Findings};
use crate::jose::keys::By;
use crate::jose::native::Native;
use crate::memory::once::Once;
use crate::memory::{Memory, Shared};
use crate::remote::answer::{Answer, Fault};
use crate::remote::call::Call;
use crate::request::Request;
use crate::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// What is needed to establish a caller.
#[derive(Debug, Copy, Clone)]
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The route.
    pub route: &'a Route,
    /// The request.
    pub request: &'a Request,
    /// Tokens verified before.
    pub cache: &'a RefCell<TokenCache>,
    /// The host's signature check.
    pub native: &'a dyn Native,
    /// The memory of all requests.
    pub memory: &'a Memory,
    /// What may be seen once.
    pub once: &'a Once,
    /// Where both lie.
    pub shared: &'a dyn Shared,
    /// The keys of issuers that serve them.
    pub keys: &'a RefCell<KeyRing>,
    /// What has been revoked.
    pub revocations: &'a RefCell<Revocations>,
    /// What the issuer of an opaque token has said of it.
    pub told: Option<&'a Result<Answer, Fault>>,
    /// Whether the request may wait.
    pub patience: Patience,
    /// When.
    pub now: Millis,
}

/// Whether a request may wait for what is not there.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Patience {
    /// It may.
    Fresh,
    /// It has waited for this.
    Waited(Need),
    /// It may not: too many others do.
    None,
}

/// What a caller cannot be established without.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Need {
    /// Keys of an issuer.
    Keys(Missing),
    /// The first list of revocations.
    Revocations,
    /// What its issuer says of an opaque token.
    Introspection,
}

/// How a token or key was found to be good.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// It was verified before.
    Remembered,
    /// Its signature was checked.
    Signature(By),
    /// Its issuer was asked.
    Asked,
    /// It is a key of the configuration.
    Key,
}

impl Proof {
    /// Every way, in a fixed order.
    pub const ALL: [Self; 5] =
        [Self::Remembered, Self::Signature(By::Host), Self::Signature(By::Filter), Self::Asked, Self::Key];

    /// Its name in the statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Signature(By::Host) => "host",
            Self::Signature(By::Filter) => "filter",
            Self::Asked => "issuer",
            Self::Key => "key",
        }
    }
}

/// Of a token that was let pass all the same, or of several.
const PROVES_NOTHING: &str = "the token proves nothing";

/// Establishes the caller of a request, and how.
///
/// # Errors
/// What must be there first, if the request may wait. What was found until then is to be thrown away: everything is looked
/// at again.
pub fn check(scene: &Scene<'_>, findings: &mut Findings) -> Result<(Caller, Option<Proof>), Need> {
    let Scene { config, route, request, .. } = *scene;
    let Some(identity) = config.identity.as_ref().filter(|_| route.requirement.token != Demand::Ignored) else {
        return Ok((Caller::Anonymous, None));
    };
    let reason = match source::credential(identity, request) {
        Ok(None) => "no token in any configured place",
        Ok(Some(presented)) => {
            if let Some((verified, proof)) = believe(identity, &presented, scene, findings)? {
                admit(identity, &verified, &presented, scene, findings)?;
                return Ok((Caller::Verified(verified), Some(proof)));
            }
            PROVES_NOTHING
        }
        Err(finding) => {
            findings.add(finding);
            PROVES_NOTHING
        }
    };
    // A check that is held back lets a token pass that proves nothing; that is then the same as none. Where the keys are
    // missing their own policy has decided.
    let decides = |finding: &Finding| match finding.check.family {
        Family::Token => config.refuses(finding),
        family => family == Family::Failure,
    };
    if route.requirement.token == Demand::Required && !findings.iter().any(decides) {
        findings.add(Finding::new(&TOKEN_MISSING, reason));
    }
    Ok((Caller::Anonymous, None))
}

/// What a credential proves, and how that was found.
fn believe(
    identity: &Identity,
    presented: &Presented<'_>,
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Result<Option<(Rc<Verified>, Proof)>, Need> {
    match (presented.kind, &identity.api_keys) {
        (Kind::Key, Some(keys)) => {
            Ok(api_keys::verify(keys, &presented.text, scene, findings).map(|verified| (verified, Proof::Key)))
        }
        _ => recall(identity, &presented.text, scene, findings),
    }
}

/// Judges whether the holder of a valid token or key may do what is asked with it.
///
/// # Errors
/// See [`check`]. Nothing has been recorded then.
fn admit(
    identity: &Identity,
    verified: &Verified,
    presented: &Presented<'_>,
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Result<(), Need> {
    let Scene { config, route, request, .. } = *scene;
    revocation::check(identity, verified, scene, findings)?;
    authorization::check(&route.requirement, verified, findings);
    step_up::check(identity, &route.requirement, verified, scene.now, findings);
    if !identity.bindings.is_empty() {
        binding::check(&identity.bindings, verified, request, findings);
    }
    let is_stopped = |findings: &Findings| findings.iter().any(|finding| config.stops(finding, route.mode));
    let effort = if is_stopped(findings) { Effort::Cheap } else { Effort::Whole };
    let unrecorded = holder::check(identity, verified, presented, effort, scene).unwrap_or_else(|finding| {
        findings.add(finding);
        None
    });
    // Last of all: what is refused already uses up neither a token nor a proof.
    if let Some(proof) = unrecorded.filter(|_| !is_stopped(findings)) {
        holder::record(identity, &proof, scene).unwrap_or_else(|finding| findings.add(finding));
    }
    // A use that a check of its own refuses does not use the token up either.
    if !is_stopped(findings) {
        usage::check(identity, verified, &presented.text, scene, findings);
    }
    if route.requirement.one_time && !is_stopped(findings) {
        replay::check(identity, verified, scene).unwrap_or_else(|finding| findings.add(finding));
    }
    Ok(())
}

/// The field that tells a caller the nonce of its next proof of possession (RFC 9449 §8.2), if it has to make one.
pub fn next_nonce(caller: &Caller, scene: &Scene<'_>) -> Option<(&'static str, String)> {
    holder::next_nonce(scene.config.identity.as_ref()?, caller, scene)
}

/// Adds the fields that say who somebody is, from somebody who is not believed: they are taken out of the request.
pub fn add_disbelieved(config: &Config, request: &Request, fields: &mut Vec<String>) {
    let holder = config.identity.as_ref().map(|identity| &identity.holder);
    let certificate = holder.and_then(|holder| holder.certificate.as_ref());
    if let Some(trusted) = certificate.and_then(|certificate| certificate.forwarded.as_ref()) {
        fields.extend(holder::disbelieved(trusted, request));
    }
}

/// The question to the issuer of the request's opaque token.
pub fn question(config: &Config, request: &Request) -> Option<Call> {
    let identity = config.identity.as_ref()?;
    let token = source::credential(identity, request).ok()??;
    Some(introspection::call(identity.introspection.as_ref()?, &token.text)).filter(|_| token.kind != Kind::Key)
}

/// What a token proves: by memory, if it was verified before, is still in date and its key still counts, or else by its
/// signature.
fn recall(
    identity: &Identity,
    text: &[u8],
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Result<Option<(Rc<Verified>, Proof)>, Need> {
    if let Some(configured) = identity.introspection.as_ref().filter(|_| introspection::is_opaque(text)) {
        return introspection::recall(identity, configured, text, scene, findings);
    }
    let known = scene.cache.borrow().get(Cached::Signed, text);
    if let Some(Remembered::Good(verified)) = known {
        if still_counts(identity, &verified, scene) {
            return Ok(Some((verified, Proof::Remembered)));
        }
    }
    let before = findings.len();
    let Some((verified, by)) = token::verify(identity, text, scene, findings)? else { return Ok(None) };
    let verified = Rc::new(verified);
    // What was only let pass is judged anew each time.
    if findings.len() == before {
        scene.cache.borrow_mut().insert(Cached::Signed, text, Remembered::Good(Rc::clone(&verified)));
    }
    Ok(Some((verified, Proof::Signature(by))))
}

/// Whether a signed token that was in order still is.
fn still_counts(identity: &Identity, verified: &Verified, scene: &Scene<'_>) -> bool {
    let (Origin::Signed { issuer: place }, Some(key)) = (verified.origin, verified.key) else { return false };
    let issuer = identity.issuers.get(place);
    let in_date = issuer.is_some_and(|issuer| verified.is_in_date(issuer, scene.now));
    in_date && scene.keys.borrow().holds(identity, place, key, scene.now)
}

#[cfg(test)]
mod tests;
