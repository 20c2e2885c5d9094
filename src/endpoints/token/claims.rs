//! What stands in a token that we issue (RFC 9068 §2.2, and the claims that bind it to where it is used).
//!
//! A binding of the subject's token is taken over as it is: were it made anew, whoever has stolen that token could bind it to
//! himself. Only what the subject's token leaves open is filled in from the request. Bounds: a value of the request is taken
//! if it is text of at most [`VALUE_BYTES_MAX`] bytes. Not covered: keys and certificates
//! ([`crate::stages::identity::subject::confirmation`]).

use crate::config::identity::Bindings;
use crate::config::{Minting, SoftBinding, Thresholds};
use crate::jose::Claims;
use crate::request::Request;
use crate::stages::identity::binding::user_agent_hash;
use crate::stages::identity::Scene;
use serde_json::{Map, Value};

/// Longest value of a header field or cookie that becomes a claim, in bytes.
const VALUE_BYTES_MAX: usize = 128;

/// Claims about the subject's login that are taken over (OpenID Connect Core 1.0 §2, RFC 8176, RFC 8693 §4.1).
const TAKEN_OVER: [&str; 4] = ["auth_time", "acr", "amr", "act"];

/// What the subject's token says about who uses it, by kind: knowledge, possession, inherence (RFC 8176 §2).
const FACTORS: [&[&str]; 3] = [
    &["pwd", "pin", "kba"],
    &["otp", "sms", "tel", "hwk", "swk", "sc"],
    &["face", "fpt", "iris", "retina", "vbm"],
];

/// The one `acr` that a standard defines to mean several factors (OpenID PAPE 1.0 §4).
const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// Soft bindings of a token: claims with their values.
#[derive(Debug)]
pub(super) struct Bound {
    claims: Vec<(String, String)>,
    has_new_session: bool,
}

/// What a token is made of.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub(super) minting: &'a Minting,
    pub(super) subject: &'a Claims,
    pub(super) scopes: &'a [String],
    pub(super) audiences: &'a [String],
    pub(super) bound: &'a Bound,
    /// Whether the subject's token is one of ours.
    pub(super) is_own: bool,
    pub(super) level: &'static str,
    pub(super) jti: &'a str,
    pub(super) now_secs: u64,
    pub(super) lifetime_secs: u64,
}

impl Bound {
    /// The bindings that the configuration asks for and the subject's token or the request can fill. `session` is new.
    pub(super) fn new(minting: &Minting, scene: &Scene<'_>, subject: &Claims, session: &str) -> Self {
        let mut bound = Self { claims: Vec::new(), has_new_session: false };
        let Some(identity) = &scene.config.identity else { return bound };
        for binding in ALL {
            let Some(claim) = claim_of(&identity.bindings, binding) else { continue };
            // What a subject's token is bound to stays, whether or not we would bind to it ourselves.
            let kept = subject.get(claim).map(|value| value.as_str().unwrap_or_default().to_owned());
            let is_wanted = minting.bindings.contains(&binding);
            let value = match (kept, binding) {
                (Some(kept), _) => Some(kept),
                (None, _) if !is_wanted => None,
                (None, SoftBinding::SessionId) => {
                    let known = subject.text("sid").map(str::to_owned);
                    let known = known.or_else(|| shown(&identity.bindings, binding, scene.request));
                    bound.has_new_session = known.is_none();
                    Some(known.unwrap_or_else(|| session.to_owned()))
                }
                (None, _) => shown(&identity.bindings, binding, scene.request),
            };
            bound.claims.extend(value.map(|value| (claim.to_owned(), value)));
        }
        bound
    }

    /// The claims, for the answer and the log.
    pub(super) fn names(&self) -> Vec<String> {
        self.claims.iter().map(|(claim, _)| claim.clone()).collect()
    }

    /// Whether the session is one that the client does not know yet.
    pub(super) const fn has_new_session(&self) -> bool {
        self.has_new_session
    }
}

const ALL: [SoftBinding; 5] = [
    SoftBinding::IpBinding,
    SoftBinding::DeviceId,
    SoftBinding::UserAgentHash,
    SoftBinding::GeoLocation,
    SoftBinding::SessionId,
];

/// The claim of a binding, unless `identity.bindings` switches it off.
fn claim_of(bindings: &Bindings, binding: SoftBinding) -> Option<&str> {
    match binding {
        SoftBinding::IpBinding => bindings.ip.as_ref().map(|binding| binding.claim.as_str()),
        SoftBinding::DeviceId => bindings.device.as_ref().map(|binding| binding.claim.as_str()),
        SoftBinding::UserAgentHash => bindings.user_agent.as_deref(),
        SoftBinding::GeoLocation => bindings.geo.as_ref().map(|binding| binding.claim.as_str()),
        SoftBinding::SessionId => bindings.session.as_ref().map(|binding| binding.claim.as_str()),
    }
}

/// What the request shows of what a binding compares.
fn shown(bindings: &Bindings, binding: SoftBinding, request: &Request) -> Option<String> {
    let fits = |value: &&str| !value.is_empty() && value.len() <= VALUE_BYTES_MAX;
    let field = |name: &str| request.text(name).filter(fits).map(str::to_owned);
    match binding {
        SoftBinding::IpBinding => request.source.map(|source| source.to_string()),
        SoftBinding::DeviceId => field(&bindings.device.as_ref()?.header),
        SoftBinding::UserAgentHash => request.headers.first("user-agent").map(user_agent_hash),
        SoftBinding::GeoLocation => field(&bindings.geo.as_ref()?.header),
        SoftBinding::SessionId => {
            let session = bindings.session.as_ref()?;
            let cookie = request.headers.cookies(&session.cookie).next();
            let sent = cookie.or_else(|| request.headers.first(&session.header))?;
            std::str::from_utf8(sent).ok().filter(fits).map(str::to_owned)
        }
    }
}

impl Terms<'_> {
    /// The payload.
    pub(super) fn claims(&self, confirmation: Option<&Value>) -> Map<String, Value> {
        let Self { minting, subject, audiences, .. } = self;
        let mut claims = Map::new();
        let further = minting.claims.iter().map(String::as_str);
        for name in TAKEN_OVER.into_iter().chain(further) {
            claims.extend(subject.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        let soft = self.bound.claims.iter();
        claims.extend(soft.map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
        let audience = match audiences {
            [only] => Value::from(only.as_str()),
            several => (*several).into(),
        };
        let client = subject.text("client_id").or_else(|| subject.text("azp"));
        let scope = (!self.scopes.is_empty()).then(|| self.scopes.join(" "));
        // Last, so that nothing of the above can take their place.
        let own = [
            ("iss", Some(minting.issuer.as_str().into())),
            ("sub", subject.text("sub").map(Value::from)),
            ("aud", Some(audience)),
            ("iat", Some(self.now_secs.into())),
            ("exp", Some(self.now_secs.saturating_add(self.lifetime_secs).into())),
            ("jti", Some(self.jti.into())),
            ("scope", scope.map(Value::from)),
            ("client_id", client.map(Value::from)),
            ("risk_level", Some(self.level.into())),
            ("mfa_verified", Some(has_several_factors(subject, self.is_own).into())),
            ("cnf", confirmation.cloned()),
        ];
        claims.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        claims
    }
}

/// How risky the request was that a token was issued for: below half of what would have been a challenge is `low`.
pub(super) fn level(risk: f64, thresholds: Thresholds) -> &'static str {
    match risk / thresholds.challenge.value() {
        share if share < 0.5 => "low",
        share if share < 1.0 => "medium",
        _ => "high",
    }
}

/// Whether the subject logged in with several factors: by `amr` (RFC 8176: `mfa`, or methods of two kinds), by `acr`, or by
/// our own word where the token is one of ours.
fn has_several_factors(subject: &Claims, is_own: bool) -> bool {
    let methods: Vec<&str> = match subject.get("amr") {
        Some(Value::Array(methods)) => methods.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kinds = FACTORS.iter().filter(|kind| methods.iter().any(|method| kind.contains(method))).count();
    methods.contains(&"mfa")
        || kinds > 1
        || subject.text("acr") == Some(MULTI_FACTOR)
        || (is_own && subject.get("mfa_verified") == Some(&Value::Bool(true)))
}
