use super::possession::PROOF_BYTES_MAX;
use super::*;
use crate::config::{Config, RouteId};
use crate::finding::Findings;
use crate::jose::native::{Native, Signed};
use crate::memory::in_process::InProcess;
use crate::memory::once::Once;
use crate::memory::Memory;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::identity::cache::TokenCache;
use crate::stages::identity::{check as identify, Patience};
use crate::stages::CHECKS;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::json;
use std::cell::{Cell, RefCell};

/// Those of proofs.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256];

const NOW: u64 = 1_800_000_000;

/// A host that counts the signatures it is asked about, and leaves them to the filter.
#[derive(Debug, Default)]
struct Counting(Cell<usize>);

impl Native for Counting {
    fn verify(&self, _: &Signed<'_>) -> Option<bool> {
        self.0.set(self.0.get() + 1);
        None
    }
}

/// One worker's memory, under one configuration.
struct Place {
    config: Config,
    shared: InProcess,
    cache: RefCell<TokenCache>,
    /// Why the last request was refused.
    reasons: RefCell<Vec<String>>,
    /// Signatures of elliptic curves that were checked.
    native: Counting,
    now: Cell<u64>,
    /// The nonce that the last answer brought.
    nonce: RefCell<Option<String>>,
}

impl Place {
    fn new(holder: &Value, binding: &Value) -> Self {
        let demo = Issuer::demo();
        let requirement = json!({"routes": ["r"], "binding": binding});
        let document = json!({
            "version": 1, "mode": "enforce", "routes": [{"name": "r", "path": "/{*rest}"}],
            "identity": {
                "issuers": [{"issuer": demo.url(), "audiences": [demo.audience()], "jwks": demo.jwks()}],
                "requirements": [requirement], "holder": holder,
            },
        });
        Self::under(&document)
    }

    fn under(document: &Value) -> Self {
        Self {
            config: Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(),
            shared: InProcess::default(),
            cache: RefCell::new(TokenCache::new(1 << 20, [1; 16])),
            reasons: RefCell::default(),
            native: Counting::default(),
            now: Cell::new(NOW),
            nonce: RefCell::default(),
        }
    }

    fn judge(&self, scheme: &str, token: &str, proofs: &[&str], certificate: Option<&str>) -> Vec<&'static str> {
        let authorization = format!("{scheme} {token}");
        let fields =
            [(":path", "/a/b?c=d"), (":method", "GET"), (":scheme", "https"), (":authority", "api.example")];
        let fields = fields.into_iter().chain([("authorization", authorization.as_str())]);
        let proofs = proofs.iter().map(|proof| ("dpop", *proof));
        let certificate = certificate.map(str::to_owned);
        self.look(&Request::new(Headers::from_pairs(fields.chain(proofs)), || None).certified(|| certificate))
    }

    /// What is found of a request.
    fn look(&self, request: &Request) -> Vec<&'static str> {
        let memory = Memory::open(&self.shared, 0, [0; 16]);
        let scene = Scene {
            config: &self.config,
            route: self.config.routes.get(RouteId::Written(0)),
            request,
            cache: &self.cache,
            native: &self.native,
            once: &Once::open(&memory, 1 << 16),
            memory: &memory,
            shared: &self.shared,
            keys: &RefCell::default(),
            revocations: &RefCell::default(),
            told: None,
            patience: Patience::None,
            now: Millis::from_secs(self.now.get()),
        };
        let mut findings = Findings::default();
        let (caller, _) = identify(&scene, &mut findings).unwrap();
        let told = findings.iter().flat_map(|finding| &finding.advice).find(|(name, _)| *name == "dpop-nonce");
        let next = crate::stages::identity::next_nonce(&caller, &scene);
        *self.nonce.borrow_mut() = told.cloned().or(next).map(|(_, nonce)| nonce);
        *self.reasons.borrow_mut() = findings.iter().map(|finding| finding.reason.to_string()).collect();
        findings.iter().map(|finding| finding.check.id).collect()
    }
}

fn token(cnf: &Value) -> String {
    let demo = Issuer::demo();
    let mut claims =
        json!({"iss": demo.url(), "aud": demo.audience(), "sub": "ada", "iat": NOW, "exp": NOW + 300});
    if !cnf.is_null() {
        claims["cnf"] = cnf.clone();
    }
    demo.mint(&Spec::new(Algorithm::EdDSA, claims))
}

fn bound_to(algorithm: Algorithm) -> String {
    token(&json!({"jkt": Issuer::demo().thumbprint(algorithm)}))
}

/// A good proof for a token, with changes.
fn proof_with(algorithm: Algorithm, token: &str, header: &Value, changes: &Value) -> String {
    let ath = URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(token.as_bytes()));
    let mut claims = json!({"jti": "p-1", "htm": "GET", "htu": "https://api.example/a/b", "iat": NOW, "ath": ath});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Issuer::demo().proof(algorithm, header.as_object().unwrap().clone(), &claims)
}

fn proof(token: &str, changes: &Value) -> String {
    proof_with(Algorithm::ES256, token, &json!({}), changes)
}

fn dpop() -> Place {
    Place::new(&json!({"dpop": {}}), &json!(null))
}

#[test]
fn a_proof_of_each_algorithm_lets_its_token_in_once() {
    for algorithm in ALGORITHMS {
        let (place, token) = (dpop(), bound_to(algorithm));
        let first = proof_with(algorithm, &token, &json!({}), &json!({}));
        assert_eq!(place.judge("DPoP", &token, &[&first], None), Vec::<&str>::new(), "{}", algorithm.name());
        assert_eq!(place.judge("dpop", &token, &[&first], None), ["token.holder.proof_replayed"]);
        // Another proof of the same name is the same to us; one of another name is not.
        let second = proof_with(algorithm, &token, &json!({}), &json!({"jti": "p-2"}));
        assert!(place.judge("DPoP", &token, &[&second], None).is_empty());
    }
}

#[test]
fn every_single_fault_of_a_proof_refuses() {
    let (place, token) = (dpop(), bound_to(Algorithm::ES256));
    for changes in [
        json!({"htm": "POST"}),
        json!({"htm": "get"}),
        json!({"htm": null}),
        json!({"htu": "https://api.example/a"}),
        json!({"htu": "https://evil.example/a/b"}),
        json!({"htu": "http://api.example/a/b"}),
        json!({"htu": "https://api.example:8443/a/b"}),
        json!({"htu": "https://api.example@evil.example/a/b"}),
        json!({"htu": null}),
        json!({"ath": "x"}),
        json!({"ath": null}),
        json!({"iat": NOW - 61}),
        json!({"iat": NOW + 6}),
        json!({"iat": null}),
        json!({"iat": "now"}),
        json!({"jti": ""}),
        json!({"jti": null}),
        json!({"jti": "x".repeat(257)}),
    ] {
        let odd = proof(&token, &changes);
        assert_eq!(place.judge("DPoP", &token, &[&odd], None), ["token.holder.proof"], "{changes}");
    }
    assert_eq!(place.native.0.get(), 0, "signatures");
    let jwk = |kid: &str| {
        let jwks = Issuer::demo().jwks();
        jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone()
    };
    let mut private = jwk("demo-es256");
    private["d"] = json!("AAAA");
    for header in [
        json!({"typ": "JWT"}),
        json!({"jwk": null}),
        json!({"jwk": jwk("demo-eddsa")}),
        json!({"jwk": jwk("demo-es384")}),
        json!({"jwk": jwk("demo-rs256")}),
        json!({"jwk": private}),
        json!({"jwk": "demo-es256"}),
        json!({"crit": ["jwk"]}),
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "PS256"}),
        json!({"alg": "RS512", "jwk": jwk("demo-rs256")}),
    ] {
        let odd = proof_with(Algorithm::ES256, &token, &header, &json!({}));
        assert_eq!(place.judge("DPoP", &token, &[&odd], None), ["token.holder.proof"], "{header}");
    }
    // The key of another holder, with a proof that is good in itself.
    let stranger = proof_with(Algorithm::ES384, &token, &json!({}), &json!({}));
    let good = proof(&token, &json!({}));
    let long = format!("{good}{}", "A".repeat(PROOF_BYTES_MAX));
    let [good, stranger, long] = [&good, &stranger, &long].map(String::as_str);
    for proofs in [&[][..], &[good, good], &[stranger], &["a.b.c"], &[long]] {
        assert_eq!(place.judge("DPoP", &token, proofs, None), ["token.holder.proof"]);
    }
    // None of them has used the good one up.
    assert!(place.judge("DPoP", &token, &[good], None).is_empty());
}

#[test]
fn a_request_that_is_refused_already_costs_no_signature_and_uses_up_no_proof() {
    let demo = Issuer::demo();
    let place = Place::under(&json!({
        "version": 1, "mode": "enforce", "routes": [{"name": "r", "path": "/{*rest}"}],
        "identity": {
            "issuers": [{"issuer": demo.url(), "audiences": [demo.audience()], "jwks": demo.jwks()}],
            "requirements": [{"routes": ["r"], "scopes": ["pay"]}], "holder": {"dpop": {}},
        },
    }));
    let token = bound_to(Algorithm::ES256);
    let good = proof(&token, &json!({}));
    for _again in 0..2 {
        assert_eq!(place.judge("DPoP", &token, &[&good], None), ["token.scope"]);
    }
    assert_eq!(place.judge("DPoP", &token, &[], None), ["token.scope", "token.holder.proof"]);
    assert_eq!(place.native.0.get(), 0, "signatures");
}

#[test]
fn forged_proofs_lock_out_their_own_key_at_their_own_source() {
    let demo = Issuer::demo();
    let place = Place::under(&json!({
        "version": 1, "mode": "enforce", "routes": [{"name": "r", "path": "/{*rest}"}],
        "identity": {
            "issuers": [{"issuer": demo.url(), "audiences": [demo.audience()], "jwks": demo.jwks()}],
            "holder": {"dpop": {}}, "failures": {"per_source": 3, "window": "1m"},
        },
    }));
    let (ada, bob) = (bound_to(Algorithm::ES256), bound_to(Algorithm::ES384));
    let good = proof(&ada, &json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[9] ^= 1;
    let forged = format!("{head}.{}", URL_SAFE_NO_PAD.encode(bytes));
    for _thief in 0..3 {
        assert_eq!(place.judge("DPoP", &ada, &[&forged], None), ["token.holder.proof"]);
    }
    assert_eq!(place.native.0.get(), 3, "signatures");
    assert_eq!(place.judge("DPoP", &ada, &[&good], None), ["token.failures"]);
    assert_eq!(place.native.0.get(), 3, "signatures");
    // All come from one address.
    let his = proof_with(Algorithm::ES384, &bob, &json!({}), &json!({}));
    assert!(place.judge("DPoP", &bob, &[&his], None).is_empty());
    assert!(place.judge("Bearer", &token(&json!(null)), &[], None).is_empty());
    place.now.set(NOW + 61);
    let later = proof(&ada, &json!({"iat": NOW + 61, "jti": "p-2"}));
    assert!(place.judge("DPoP", &ada, &[&later], None).is_empty());
}

#[test]
fn a_proof_without_our_nonce_is_sent_back_with_one() {
    let secret = "0123456789abcdef0123456789abcdef";
    for nonce in [json!({"lifetime": "1m"}), json!({"lifetime": "1m", "secret": secret})] {
        let place = Place::new(&json!({"dpop": {"nonce": nonce}}), &json!(null));
        let token = bound_to(Algorithm::ES256);
        let number = Cell::new(0);
        let tries = |sent: Value, expected: &[&str]| {
            number.set(number.get() + 1);
            let changes = json!({"nonce": sent, "iat": place.now.get(), "jti": number.get().to_string()});
            assert_eq!(place.judge("DPoP", &token, &[&proof(&token, &changes)], None), expected, "{changes}");
        };
        for odd in [json!(null), json!(""), json!("x"), json!(7), json!("A".repeat(22))] {
            tries(odd, &["token.holder.nonce"]);
        }
        assert_eq!(place.native.0.get(), 0, "signatures");
        let first = place.nonce.borrow().clone().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&first).unwrap().len(), 16);
        tries(json!(first), &[]);
        assert_eq!(place.nonce.borrow().as_ref(), Some(&first), "the nonce has not changed");
        // A minute later it counts still, and the answer brings the next one, which goes on longer.
        place.now.set(NOW + 60);
        tries(json!(first), &[]);
        let second = place.nonce.borrow().clone().unwrap();
        assert_ne!(first, second);
        place.now.set(NOW + 120);
        tries(json!(first), &["token.holder.nonce"]);
        tries(json!(second), &[]);
        let third = place.nonce.borrow().clone().unwrap();
        // By a clock that is behind.
        place.now.set(NOW + 60);
        tries(json!(third), &[]);
        place.now.set(NOW);
        tries(json!(third), &["token.holder.nonce"]);
        // Whoever needs no proof is told none.
        assert!(place.judge("Bearer", &super::tests::token(&json!(null)), &[], None).is_empty());
        assert_eq!(*place.nonce.borrow(), None);
    }
}

#[test]
fn a_place_is_compared_by_its_meaning() {
    let (place, token) = (dpop(), bound_to(Algorithm::ES256));
    for (index, htu) in [
        "https://api.example/a/b?x=y",
        "https://api.example/a/b#f",
        "HTTPS://API.example:443/a/b",
        "https://api.example/%61/b",
        "https://api.example/a/b/",
    ]
    .into_iter()
    .enumerate()
    {
        let proof = proof(&token, &json!({"htu": htu, "jti": format!("p-{index}")}));
        assert!(place.judge("DPoP", &token, &[&proof], None).is_empty(), "{htu}");
    }
    let outside = Place::new(&json!({"dpop": {"origins": ["https://public.example"]}}), &json!(null));
    let theirs = proof(&token, &json!({"htu": "https://public.example/a/b"}));
    assert!(outside.judge("DPoP", &token, &[&theirs], None).is_empty());
    assert_eq!(outside.judge("DPoP", &token, &[&proof(&token, &json!({}))], None), ["token.holder.proof"]);
}

#[test]
fn a_bound_token_is_never_taken_unbound() {
    let (place, bound) = (dpop(), bound_to(Algorithm::ES256));
    let good = proof(&bound, &json!({}));
    assert!(place.judge("DPoP", &bound, &[&good], None).is_empty());
    // It is remembered now, and nothing of the proof is.
    assert_eq!(
        place.judge("Bearer", &bound, &[&proof(&bound, &json!({"jti": "p-9"}))], None),
        ["token.holder.proof"]
    );
    assert_eq!(place.judge("DPoP", &bound, &[], None), ["token.holder.proof"]);
    let free = token(&json!(null));
    assert_eq!(place.judge("DPoP", &free, &[&proof(&free, &json!({}))], None), ["token.holder.unbound"]);
    assert!(place.judge("Bearer", &free, &[], None).is_empty());
    let unconfigured = Place::new(&json!({}), &json!(null));
    for cnf in [
        json!({"jkt": "x"}),
        json!({"x5t#S256": "x"}),
        json!({"jwk": {}}),
        json!({"kid": "k"}),
        json!({}),
        json!("k"),
        json!([]),
    ] {
        assert_eq!(unconfigured.judge("Bearer", &token(&cnf), &[], None), ["token.holder.unknown"], "{cnf}");
    }
    let both = token(&json!({"jkt": Issuer::demo().thumbprint(Algorithm::ES256), "kid": "k"}));
    assert_eq!(place.judge("DPoP", &both, &[&proof(&both, &json!({"jti": "b"}))], None), ["token.holder.unknown"]);
}

#[test]
fn a_certificate_must_be_the_tokens() {
    let place = Place::new(&json!({"certificate": true}), &json!("certificate"));
    let digest = hmac_sha256::Hash::hash(b"a certificate");
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let bound = token(&json!({"x5t#S256": URL_SAFE_NO_PAD.encode(digest)}));
    assert!(place.judge("Bearer", &bound, &[], Some(&hex)).is_empty());
    assert!(place.judge("Bearer", &bound, &[], Some(&hex.to_ascii_uppercase())).is_empty());
    for other in [None, Some(""), hex.get(1..), Some("00"), Some(&*"0".repeat(64))] {
        assert_eq!(place.judge("Bearer", &bound, &[], other), ["token.holder.certificate"], "{other:?}");
    }
    for digest in ["", "=", "x"] {
        let odd = token(&json!({"x5t#S256": digest}));
        assert_eq!(place.judge("Bearer", &odd, &[], Some("")), ["token.holder.certificate"], "{digest}");
    }
    assert_eq!(place.judge("Bearer", &token(&json!(null)), &[], Some(&hex)), ["token.holder.unbound"]);
}

#[test]
fn the_word_of_a_trusted_proxy_counts_where_the_connection_has_no_certificate() {
    let forwarded = json!({"trusted_peers": ["10.0.0.0/8", "2001:db8::1"]});
    let place = Place::new(&json!({"certificate": {"forwarded": forwarded}}), &json!("certificate"));
    let [ada, bob] = [b"ada", b"bob"].map(|who| hmac_sha256::Hash::hash(who));
    let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bearer = format!("Bearer {}", token(&json!({"x5t#S256": URL_SAFE_NO_PAD.encode(ada)})));
    let (hers, his) = (format!("By=p;Hash={}", hex(ada)), format!("By=p;Hash={}", hex(bob)));
    let both = format!("{his},{hers}");
    let seen = |peer: Option<&str>, own: Option<String>, fields: &[&str]| {
        let fields = fields.iter().map(|field| ("x-forwarded-client-cert", *field));
        let fields = [(":path", "/a"), (":method", "GET"), ("authorization", &bearer)].into_iter().chain(fields);
        let peer = peer.map(|peer| peer.parse().unwrap());
        // Envoy believes that the request comes from there, which is nothing to us.
        let source = "10.0.0.1".parse().ok();
        Request::new(Headers::from_pairs(fields), move || source).reached_by(move || peer).certified(|| own)
    };
    let near = Some("10.1.2.3");
    for (peer, fields) in [(near, &hers), (Some("2001:db8::1"), &hers), (near, &both)] {
        assert!(place.look(&seen(peer, None, &[fields])).is_empty(), "{peer:?} {fields}");
    }
    let untrusted = "the connection has no client certificate, and its peer is not trusted to pass one on";
    let none = "the connection has no client certificate";
    for (peer, own, fields, reason) in [
        (Some("192.0.2.1"), None, &[hers.as_str()][..], untrusted),
        (None, None, &[&hers], untrusted),
        (near, None, &[], none),
        (near, None, &["By=p"], "the proxy has seen no client certificate"),
        (near, None, &[&his], "the client certificate is another one"),
        (near, None, &[&hers, &hers], "`x-forwarded-client-cert` counts for nothing: there are several"),
        (near, None, &["Hash=x"], "`x-forwarded-client-cert` counts for nothing: `Hash` is no SHA-256"),
        // The connection's own is not given up for what somebody says.
        (near, Some(hex(bob)), &[&hers], "the client certificate is another one"),
    ] {
        assert_eq!(place.look(&seen(peer, own, fields)), ["token.holder.certificate"], "{fields:?}");
        assert_eq!(*place.reasons.borrow(), [reason]);
    }
    for (peer, removed) in [(near, vec![]), (Some("192.0.2.1"), vec!["x-forwarded-client-cert"])] {
        let mut fields = Vec::new();
        crate::stages::identity::add_disbelieved(&place.config, &seen(peer, None, &[&hers]), &mut fields);
        assert_eq!(fields, removed);
    }
}

#[test]
fn a_route_takes_what_it_demands() {
    let holder = json!({"certificate": true, "dpop": {}});
    let bound = bound_to(Algorithm::ES256);
    for (demanded, expected) in [("any", None), ("dpop", None), ("certificate", Some("token.holder.unbound"))] {
        let place = Place::new(&holder, &json!(demanded));
        let found = place.judge("DPoP", &bound, &[&proof(&bound, &json!({}))], None);
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{demanded}");
        assert_eq!(place.judge("Bearer", &token(&json!(null)), &[], None), ["token.holder.unbound"]);
    }
}
