//! A filter whose memory lasts from one request to the next.

use crate::config::{Config, RouteId};
use crate::finding::Findings;
use crate::jose::native::NoNative;
use crate::memory::in_process::InProcess;
use crate::memory::once::Once;
use crate::memory::Memory;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::identity::cache::TokenCache;
use crate::stages::identity::{check, Patience, Scene};
use crate::stages::CHECKS;
use crate::time::Millis;
use portcullis_lab::tokens::{Algorithm, Issuer as Lab, Spec};
use serde_json::{json, Value};
use std::cell::RefCell;

/// When all tests begin, in seconds.
pub(in crate::stages::identity) const NOW: u64 = 1_800_000_000;

pub(in crate::stages::identity) const NOTHING: [&str; 0] = [];

/// The filter.
pub(in crate::stages::identity) struct World {
    pub(in crate::stages::identity) config: Config,
    pub(in crate::stages::identity) shared: InProcess,
    pub(in crate::stages::identity) memory: Memory,
    cache: RefCell<TokenCache>,
}

impl World {
    /// With `more` in its identity section. The route `/admin` asks for a scope, `/once` takes a token once.
    pub(in crate::stages::identity) fn new(more: &Value, checks: &Value) -> Self {
        let lab = Lab::demo();
        let issuer = json!({"issuer": lab.url(), "audiences": [lab.audience()], "jwks": lab.jwks()});
        let requirements =
            json!([{"routes": ["admin"], "scopes": ["admin"]}, {"routes": ["once"], "one_time": true}]);
        let mut identity = json!({"issuers": [issuer], "requirements": requirements});
        identity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let routes = json!([{"name": "admin", "path": "/admin"}, {"name": "once", "path": "/once"}]);
        let document =
            json!({"version": 1, "mode": "enforce", "routes": routes, "identity": identity, "checks": checks});
        let shared = InProcess::default();
        Self {
            config: Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(),
            memory: Memory::open(&shared, 0, [3; 16]),
            shared,
            cache: RefCell::new(TokenCache::new(1 << 20, [0; 16])),
        }
    }

    /// What is found about a request so many milliseconds after the beginning.
    pub(in crate::stages::identity) fn request(
        &self,
        path: &str,
        after: u64,
        source: &str,
        token: &str,
        fields: &[(&str, &str)],
    ) -> Vec<&'static str> {
        let bearer = format!("Bearer {token}");
        let pairs = [(":path", path), ("authorization", &bearer)].into_iter().chain(fields.iter().copied());
        let source = source.parse().ok();
        let request = Request::new(Headers::from_pairs(pairs), move || source);
        let mut findings = Findings::default();
        let now = Millis::from_secs(NOW).saturating_add(Millis::new(after));
        self.scene(path, &request, now, |scene| check(scene, &mut findings).unwrap());
        findings.iter().map(|finding| finding.check.id).collect()
    }

    /// One bucket for what is seen once.
    pub(in crate::stages::identity) fn scene<R>(
        &self,
        path: &str,
        request: &Request,
        now: Millis,
        with: impl FnOnce(&Scene<'_>) -> R,
    ) -> R {
        let route = match path {
            "/admin" => RouteId::Written(0),
            "/once" => RouteId::Written(1),
            _ => RouteId::Unmatched,
        };
        with(&Scene {
            config: &self.config,
            route: self.config.routes.get(route),
            request,
            cache: &self.cache,
            native: &NoNative,
            memory: &self.memory,
            once: &Once::open(&self.memory, 0),
            shared: &self.shared,
            keys: &RefCell::default(),
            revocations: &RefCell::default(),
            told: None,
            patience: Patience::None,
            now,
        })
    }
}

/// A token for `ada` that lives for an hour, with some claims replaced and those set to null removed.
pub(in crate::stages::identity) fn minted(algorithm: Algorithm, changes: &Value) -> String {
    let lab = Lab::demo();
    let mut claims = json!({"iss": lab.url(), "aud": lab.audience(), "sub": "ada", "iat": NOW, "exp": NOW + 3600});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    lab.mint(&Spec::new(algorithm, claims))
}

pub(in crate::stages::identity) fn token(changes: &Value) -> String {
    minted(Algorithm::EdDSA, changes)
}
