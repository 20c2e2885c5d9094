use super::*;
use crate::config::{Config, RouteId};
use crate::jose::native::NoNative;
use crate::memory::in_process::InProcess;
use crate::request::headers::Headers;
use crate::stages::CHECKS;
use portcullis_lab::tokens::{Algorithm, Issuer as Lab, Spec, Tamper};
use proptest::prelude::*;
use serde_json::{json, Value};
use std::sync::LazyLock;

mod differential;
pub(super) mod lasting;
mod logins;
mod remembered;
mod signatures;
mod vectors;

/// All tests happen here, so none depends on the clock.
const NOW: u64 = 1_800_000_000;

static CONFIG: LazyLock<Config> = LazyLock::new(|| config(&json!({})));

fn config(issuer: &Value) -> Config {
    config_with(issuer, &json!([]))
}

fn config_with(issuer: &Value, checks: &Value) -> Config {
    let lab = Lab::demo();
    let mut written = json!({"issuer": lab.url(), "audiences": [lab.audience()], "jwks": lab.jwks()});
    written.as_object_mut().unwrap().extend(issuer.as_object().unwrap().clone());
    let document = json!({"version": 1, "mode": "enforce", "identity": {"issuers": [written]}, "checks": checks});
    Config::parse(document.to_string().as_bytes(), CHECKS).unwrap()
}

/// Claims of a good token, with some replaced and those set to null removed.
fn claims(changes: &Value) -> Value {
    let lab = Lab::demo();
    let mut claims = json!({"iss": lab.url(), "aud": lab.audience(), "sub": "ada", "iat": NOW, "exp": NOW + 300});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn spec(changes: &Value) -> Spec {
    Spec::new(Algorithm::EdDSA, claims(changes))
}

fn judged_under(config: &Config, token: &str, extra: &[(&str, &str)]) -> (Caller, Vec<&'static str>) {
    let bearer = format!("Bearer {token}");
    let pairs = [(":path", "/"), ("authorization", &bearer)].into_iter().chain(extra.iter().copied());
    let request = Request::new(Headers::from_pairs(pairs), || "192.0.2.7".parse().ok());
    let mut findings = Findings::default();
    let caller = check_caller(config, &request, &mut findings);
    let ids = findings.iter().map(|finding| finding.check.id).collect();
    (caller, ids)
}

fn check_caller(config: &Config, request: &Request, findings: &mut Findings) -> Caller {
    let cache = &RefCell::new(TokenCache::new(0, [0; 16]));
    check_at(NOW, RouteId::Unmatched, config, request, cache, findings)
}

/// A check in a memory of its own.
fn check_at(
    now_secs: u64,
    route: RouteId,
    config: &Config,
    request: &Request,
    cache: &RefCell<TokenCache>,
    findings: &mut Findings,
) -> Caller {
    let shared = &InProcess::default();
    let memory = &Memory::open(shared, 0, [0; 16]);
    let once = &Once::open(memory, 1 << 16);
    let (route, now) = (config.routes.get(route), Millis::from_secs(now_secs));
    let (keys, revocations, patience) = (&RefCell::default(), &RefCell::default(), Patience::None);
    let scene = Scene {
        config,
        route,
        request,
        cache,
        native: &NoNative,
        memory,
        once,
        shared,
        keys,
        revocations,
        told: None,
        patience,
        now,
    };
    check(&scene, findings).unwrap().0
}

fn judged(token: &str) -> Vec<&'static str> {
    judged_under(&CONFIG, token, &[]).1
}

fn with_claims(changes: Value) -> Vec<&'static str> {
    judged(&Lab::demo().mint(&spec(&changes)))
}

#[test]
fn the_holder_of_a_good_token_is_known() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::HS256) {
        let token = Lab::demo().mint(&Spec::new(algorithm, claims(&json!({}))));
        let (caller, findings) = judged_under(&CONFIG, &token, &[]);
        assert!(findings.is_empty(), "{}: {findings:?}", algorithm.name());
        assert_eq!(caller.issuer(), Lab::demo().url());
        assert_eq!(caller.claims().and_then(|claims| claims.text("sub")), Some("ada"));
    }
}

#[test]
fn an_issuers_clock_may_be_off_by_the_skew_and_no_more() {
    for (changes, finding) in [
        (json!({"iat": NOW - 100, "exp": NOW - 29}), None),
        (json!({"iat": NOW - 100, "exp": NOW - 30}), Some("token.expired")),
        (json!({"nbf": NOW + 30}), None),
        (json!({"nbf": NOW + 31}), Some("token.not_yet_valid")),
        (json!({"iat": NOW + 30}), None),
        (json!({"iat": NOW + 31}), Some("token.not_yet_valid")),
        (json!({"exp": NOW + 3600}), None),
        (json!({"exp": NOW + 3601}), Some("token.lifetime")),
        (json!({"iat": null, "exp": NOW + 3601}), Some("token.lifetime")),
        (json!({"iat": null, "nbf": NOW - 10, "exp": NOW + 3591}), Some("token.lifetime")),
        (json!({"exp": u64::MAX / 2}), Some("token.malformed")),
        (json!({"exp": (1_u64 << 53) - 1}), Some("token.lifetime")),
    ] {
        assert_eq!(with_claims(changes.clone()), finding.into_iter().collect::<Vec<_>>(), "{changes}");
    }
}

#[test]
fn claims_decide_before_the_signature() {
    for (changes, finding) in [
        (json!({"iss": "https://other.example"}), "token.issuer"),
        (json!({"iss": null}), "token.issuer"),
        (json!({"iss": ["https://id.demo.portcullis"]}), "token.issuer"),
        (json!({"aud": "other"}), "token.audience"),
        (json!({"aud": null}), "token.audience"),
        (json!({"aud": [1]}), "token.malformed"),
        (json!({"exp": null}), "token.claim_missing"),
        (json!({"exp": "2030-01-01"}), "token.malformed"),
        (json!({"iat": true}), "token.malformed"),
    ] {
        assert_eq!(with_claims(changes.clone()), [finding], "{changes}");
    }
}

#[test]
fn forgeries_are_told_apart() {
    let rsa = |tamper| Lab::demo().mint(&Spec::new(Algorithm::RS256, claims(&json!({}))).tamper(tamper));
    assert_eq!(judged(&rsa(Tamper::Signature)), ["token.signature"]);
    assert_eq!(judged(&rsa(Tamper::Payload)), ["token.signature"]);
    assert_eq!(judged(&rsa(Tamper::StripSignature)), ["token.signature"]);
    assert_eq!(judged(&rsa(Tamper::AlgNone)), ["token.algorithm"]);
    assert_eq!(judged(&rsa(Tamper::HmacWithPublicKey)), ["token.algorithm"]);
}

#[test]
fn headers_choose_among_our_keys_and_nothing_else() {
    let mint = |spec: Spec| judged(&Lab::demo().mint(&spec));
    assert_eq!(mint(spec(&json!({})).kid(Some("nobody"))), ["token.key_unknown"]);
    assert_eq!(mint(spec(&json!({})).kid(Some("demo-rs256"))), ["token.algorithm"]);
    assert_eq!(mint(spec(&json!({})).kid(None)), Vec::<&str>::new(), "one key alone can be meant");
    assert_eq!(mint(spec(&json!({})).header("crit", json!(["exp"]))), ["token.critical"]);
    assert_eq!(mint(spec(&json!({})).header("typ", "dpop+jwt")), ["token.type"]);
    assert_eq!(mint(spec(&json!({})).header("typ", "AT+JWT")), Vec::<&str>::new());
    assert_eq!(
        mint(spec(&json!({})).header("jwk", json!({"kty": "oct", "k": "AA"}))),
        ["token.malformed"],
        "jwt-simple reads no such header"
    );
}

#[test]
fn a_token_without_kid_is_not_tried_against_several_keys() {
    let mut jwks = Lab::demo().jwks();
    let second = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "demo-eddsa").unwrap().clone();
    let second = json!({"kty": second["kty"], "crv": second["crv"], "x": second["x"], "kid": "another"});
    jwks["keys"].as_array_mut().unwrap().push(second);
    let config = config(&json!({ "jwks": jwks }));
    let token = Lab::demo().mint(&spec(&json!({})).kid(None));
    assert_eq!(judged_under(&config, &token, &[]).1, ["token.key_unknown"]);
}

#[test]
fn shared_secrets_verify_only_when_asked_for() {
    use ct_codecs::{Base64UrlSafeNoPadding, Encoder};
    let token = Lab::demo().mint(&Spec::new(Algorithm::HS256, claims(&json!({}))));
    assert_eq!(judged(&token), ["token.key_unknown"]);
    let secret = Base64UrlSafeNoPadding::encode_to_string(Lab::demo().hmac_secret()).unwrap();
    let jwks = json!({"keys": [{"kty": "oct", "kid": Algorithm::HS256.kid(), "k": secret}]});
    let config = config(&json!({"jwks": jwks, "algorithms": ["HS256"]}));
    assert!(judged_under(&config, &token, &[]).1.is_empty());
}

#[test]
fn duplicate_claims_have_no_meaning() {
    let lab = Lab::demo();
    let claims = format!(
        r#"{{"iss":"{}","aud":"{}","sub":"ada","sub":"root","exp":{}}}"#,
        lab.url(),
        lab.audience(),
        NOW + 60
    );
    assert_eq!(judged(&lab.mint(&spec(&json!({})).raw_claims(claims))), ["token.malformed"]);
}

#[test]
fn an_issuer_may_demand_claims() {
    let config = config(&json!({"required_claims": ["jti"]}));
    let token = |changes: Value| Lab::demo().mint(&spec(&changes));
    assert_eq!(judged_under(&config, &token(json!({})), &[]).1, ["token.claim_missing"]);
    assert!(judged_under(&config, &token(json!({"jti": "1"})), &[]).1.is_empty());
}

#[test]
fn bindings_compare_what_the_token_carries() {
    let agent = binding::user_agent_hash(b"shop/1.0");
    let sent = [
        ("user-agent", "shop/1.0"),
        ("x-device-id", "d-1"),
        ("x-geo-country", "DE"),
        ("cookie", "a=b; session_id=s-1"),
    ];
    for (changes, finding) in [
        (
            json!({"ip_binding": "192.0.2.7", "device_id": "d-1", "user_agent_hash": agent, "geo_location": "de", "session_id": "s-1"}),
            None,
        ),
        (json!({"ip_binding": "192.0.2.0/24"}), None),
        (json!({"ip_binding": "192.0.2.8"}), Some("token.binding.ip")),
        (json!({"ip_binding": "192.0.3.0/24"}), Some("token.binding.ip")),
        (json!({"ip_binding": "2001:db8::1"}), Some("token.binding.ip")),
        (json!({"ip_binding": "nowhere"}), Some("token.binding.ip")),
        (json!({"ip_binding": 7}), Some("token.binding.ip")),
        (json!({"device_id": "d-2"}), Some("token.binding.device")),
        (json!({"device_id": ""}), Some("token.binding.device")),
        (json!({"user_agent_hash": "0000000000000000"}), Some("token.binding.user_agent")),
        (json!({"geo_location": "FR"}), Some("token.binding.geo")),
        (json!({"session_id": "s-2"}), Some("token.binding.session")),
    ] {
        let token = Lab::demo().mint(&spec(&changes));
        assert_eq!(judged_under(&CONFIG, &token, &sent).1, finding.into_iter().collect::<Vec<_>>(), "{changes}");
    }
}

#[test]
fn a_thief_who_sends_nothing_is_a_mismatch_except_for_the_location() {
    let token = Lab::demo().mint(&spec(
        &json!({"device_id": "d-1", "user_agent_hash": "00", "geo_location": "DE", "session_id": "s-1"}),
    ));
    let missing = ["token.binding.device", "token.binding.user_agent", "token.binding.session"];
    assert_eq!(judged_under(&CONFIG, &token, &[]).1, missing);
}

#[test]
fn the_documented_user_agent_hash() {
    // printf %s curl/8.0.1 | sha256sum | cut -c1-16
    assert_eq!(binding::user_agent_hash(b"curl/8.0.1"), "51aaa3c56eeae249");
}

#[test]
fn a_check_that_is_held_back_holds_back_nothing_else() {
    let lab = Lab::demo();
    let forged = |changes: Value| lab.mint(&spec(&changes).tamper(Tamper::StripSignature));
    for (check, changes) in [
        ("token.type", json!({})),
        ("token.audience", json!({"aud": "other"})),
        ("token.claim_missing", json!({"exp": null})),
        ("token.expired", json!({"exp": NOW - 60})),
        ("token.not_yet_valid", json!({"nbf": NOW + 60})),
        ("token.lifetime", json!({"exp": NOW + 7300})),
        ("token.issuer", json!({"iss": "https://other.example"})),
        ("token.signature", json!({})),
        ("token.malformed", json!({"exp": "x"})),
    ] {
        for tuning in
            [json!({"mode": "off"}), json!({"mode": "monitor"}), json!({"score": 0.2}), json!({"effect": "note"})]
        {
            let mut config = json!({"id": check});
            config.as_object_mut().unwrap().extend(tuning.as_object().unwrap().clone());
            let config = config_with(&json!({}), &json!([config]));
            let token = if check == "token.type" {
                lab.mint(&spec(&changes).header("typ", "x+jwt").tamper(Tamper::StripSignature))
            } else {
                forged(changes.clone())
            };
            let bearer = format!("Bearer {token}");
            let request = Request::new(Headers::from_pairs([(":path", "/"), ("authorization", &bearer)]), || None);
            let route = config.routes.get(RouteId::Unmatched);
            let mut findings = Findings::default();
            let caller = check_caller(&config, &request, &mut findings);
            let (judgement, _) = crate::stages::risk::judge(&config, route, &findings, false);
            assert_eq!((caller, judgement.outcome()), (Caller::Anonymous, "deny"), "{check} {tuning}");
        }
    }
}

#[test]
fn a_held_back_check_lets_a_signed_token_pass() {
    let config = config_with(&json!({}), &json!([{"id": "token.lifetime", "mode": "monitor"}]));
    let token = Lab::demo().mint(&spec(&json!({"exp": NOW + 7300})));
    let (caller, findings) = judged_under(&config, &token, &[]);
    assert!(caller.claims().is_some());
    assert_eq!(findings, ["token.lifetime"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_altered_token_is_accepted(at in any::<prop::sample::Index>(), replacement in "[A-Za-z0-9_.-]") {
        let token = Lab::demo().mint(&spec(&json!({})));
        let at = at.index(token.len());
        let (before, from) = token.split_at(at);
        let (old, after) = from.split_at(1);
        prop_assume!(old != replacement);
        let altered = format!("{before}{replacement}{after}");
        let (caller, findings) = judged_under(&CONFIG, &altered, &[]);
        prop_assert_eq!(caller, Caller::Anonymous);
        prop_assert_eq!(findings.len(), 1);
    }
}

#[test]
fn a_token_of_any_configured_type_is_accepted() {
    let of_type = |kind: &str| {
        let mut spec = spec(&json!({}));
        spec.header.insert("typ".to_owned(), json!(kind));
        Lab::demo().mint(&spec)
    };
    for kind in ["JWT", "at+jwt", "application/at+jwt", "application/jwt", "Application/AT+JWT"] {
        assert_eq!(judged(&of_type(kind)), [""; 0], "{kind}");
    }
    assert_eq!(judged(&of_type("session")), ["token.type"]);
    assert_eq!(judged(&of_type("application/x/jwt")), ["token.type"]);
    let sessions = config(&json!({"types": ["session"]}));
    assert!(judged_under(&sessions, &of_type("session"), &[]).1.is_empty());
}

/// The findings about one token at several moments, with one cache.
fn remembered(config: &Config, token: &str, moments: &[u64]) -> Vec<(bool, Vec<&'static str>)> {
    let cache = &RefCell::new(TokenCache::new(1 << 20, [0; 16]));
    let bearer = format!("Bearer {token}");
    let request = &Request::new(Headers::from_pairs([(":path", "/"), ("authorization", &bearer)]), || None);
    let judge = |now: &u64| {
        let known = cache.borrow().get(super::cache::Kind::Signed, token.as_bytes()).is_some();
        let mut findings = Findings::default();
        check_at(*now, RouteId::Unmatched, config, request, cache, &mut findings);
        (known, findings.iter().map(|finding| finding.check.id).collect())
    };
    moments.iter().map(judge).collect()
}

#[test]
fn a_remembered_token_still_expires() {
    let token = Lab::demo().mint(&spec(&json!({})));
    let seen = remembered(&CONFIG, &token, &[NOW, NOW + 1, NOW + 300, NOW + 331, NOW - 31]);
    let fine = |known| (known, Vec::new());
    let refused = |check| (true, vec![check]);
    assert_eq!(
        seen,
        [fine(false), fine(true), fine(true), refused("token.expired"), refused("token.not_yet_valid")]
    );
}

#[test]
fn a_remembered_token_is_still_bound_to_its_program() {
    let agent = binding::user_agent_hash(b"shop/1.0");
    let bearer = format!("Bearer {}", Lab::demo().mint(&spec(&json!({"user_agent_hash": agent}))));
    let cache = &RefCell::new(TokenCache::new(1 << 20, [0; 16]));
    let found = ["curl/8", "shop/1.0", "shop/1.0", "curl/8", "", "shop/1.0"].map(|agent| {
        let sent = [(":path", "/"), ("authorization", &bearer), ("user-agent", agent)];
        let request = Request::new(Headers::from_pairs(sent), || None);
        let mut findings = Findings::default();
        check_at(NOW, RouteId::Unmatched, &CONFIG, &request, cache, &mut findings);
        findings.len()
    });
    assert_eq!(found, [1, 0, 0, 1, 1, 0]);
}

#[test]
fn what_was_not_quite_in_order_is_not_remembered() {
    let tampered = Spec { tamper: Tamper::Signature, ..spec(&json!({})) };
    let held_back = config_with(&json!({}), &json!([{"id": "token.audience", "mode": "monitor"}]));
    let elsewhere = spec(&json!({"aud": "elsewhere"}));
    for (config, spec) in [(&*CONFIG, tampered), (&held_back, elsewhere)] {
        let seen = remembered(config, &Lab::demo().mint(&spec), &[NOW, NOW + 1]);
        assert!(seen.iter().all(|(known, findings)| !known && !findings.is_empty()), "{seen:?}");
    }
}

#[test]
fn a_profile_takes_access_tokens_with_a_scope_and_no_others() {
    let config = config(&json!({"profile": "at+jwt", "lifetime_max": "10m"}));
    let own = json!({"client_id": "app", "jti": "t-1", "scope": "orders:read"});
    let judged = |kind: Value, name: &str, value: Value| {
        let mut changes = own.clone();
        changes[name] = value;
        let token = Lab::demo().mint(&spec(&changes).header("typ", kind));
        judged_under(&config, &token, &[]).1
    };
    for kind in ["at+jwt", "application/AT+JWT"] {
        assert_eq!(judged(json!(kind), "sub", json!("ada")), [""; 0], "{kind}");
    }
    assert_eq!(judged(json!("JWT"), "sub", json!("ada")), ["token.type"]);
    for name in ["sub", "client_id", "iat", "jti", "scope"] {
        assert_eq!(judged(json!("at+jwt"), name, Value::Null), ["token.claim_missing"], "{name}");
    }
    for scope in [json!(""), json!(" "), json!(["orders:read"]), json!(7)] {
        assert_eq!(judged(json!("at+jwt"), "scope", scope.clone()), ["token.claim_missing"], "{scope}");
    }
    assert_eq!(judged(json!("at+jwt"), "exp", json!(NOW + 601)), ["token.lifetime"]);
}
