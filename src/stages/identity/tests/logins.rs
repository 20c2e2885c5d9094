//! Which logins are good enough.

use super::*;

fn config(step_up: &Value, requirement: &Value) -> Result<Config, String> {
    let lab = Lab::demo();
    let issuer = json!({"issuer": lab.url(), "audiences": [lab.audience()], "jwks": lab.jwks()});
    let mut requirement = requirement.clone();
    requirement["routes"] = json!(["pay"]);
    let mut identity = json!({"issuers": [issuer], "requirements": [requirement]});
    if !step_up.is_null() {
        identity["step_up"] = step_up.clone();
    }
    let routes = json!([{"name": "pay", "path": "/pay"}]);
    let document = json!({"version": 1, "mode": "enforce", "routes": routes, "identity": identity});
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|error| error.to_string())
}

/// What is found on the route, and whether a challenge would be satisfied.
fn judged(config: &Config, changes: &Value) -> (Vec<&'static str>, bool) {
    let bearer = format!("Bearer {}", Lab::demo().mint(&spec(changes)));
    let request = &Request::new(Headers::from_pairs([(":path", "/pay"), ("authorization", &bearer)]), || None);
    let cache = &RefCell::new(TokenCache::new(0, [0; 16]));
    let mut findings = Findings::default();
    let caller = check_at(NOW, RouteId::Written(0), config, request, cache, &mut findings);
    let ids = findings.iter().map(|finding| finding.check.id).collect();
    (ids, step_up::is_proved(config.identity.as_ref().unwrap(), &caller, Millis::from_secs(NOW)))
}

#[test]
fn a_login_is_one_of_those_named_and_recent() {
    let login = json!({"acr_values": ["mfa", "phr"], "max_age": "15m"});
    let config = config(&login, &login).unwrap();
    for (changes, enough) in [
        (json!({"acr": "mfa", "auth_time": NOW}), true),
        (json!({"acr": "phr", "auth_time": NOW - 930}), true),
        (json!({"acr": "phr", "auth_time": NOW - 931}), false),
        (json!({"acr": "phr", "auth_time": NOW + 30}), true),
        (json!({"acr": "phr", "auth_time": NOW + 31}), false),
        (json!({"acr": "phr"}), false),
        (json!({"auth_time": NOW}), false),
        (json!({"acr": "pwd", "auth_time": NOW}), false),
        (json!({"acr": "MFA", "auth_time": NOW}), false),
        (json!({"acr": "mfa phr", "auth_time": NOW}), false),
        (json!({"acr": ["mfa"], "auth_time": NOW}), false),
        (json!({"acr": "mfa", "auth_time": NOW.to_string()}), false),
        (json!({"acr": "mfa", "auth_time": -1}), false),
        (json!({"acr": "mfa", "auth_time": 1e300}), false),
        (json!({"acr": "mfa", "auth_time": true}), false),
    ] {
        let findings = if enough { vec![] } else { vec!["token.login"] };
        assert_eq!(judged(&config, &changes), (findings, enough), "{changes}");
    }
}

#[test]
fn either_half_may_be_asked_for_alone() {
    let by_acr = config(&json!({"acr_values": ["mfa"]}), &json!({"max_age": "1m"})).unwrap();
    assert_eq!(judged(&by_acr, &json!({"acr": "mfa"})), (vec!["token.login"], true));
    assert_eq!(judged(&by_acr, &json!({"auth_time": NOW - 60})), (vec![], false));
}

#[test]
fn nothing_satisfies_what_is_not_configured() {
    let config = config(&Value::Null, &json!({})).unwrap();
    assert_eq!(judged(&config, &json!({"acr": "mfa", "auth_time": NOW})), (vec![], false));
    // A token that proves nothing is no proof of a login.
    let expired = json!({"acr": "mfa", "auth_time": NOW, "iat": NOW - 100, "exp": NOW - 50});
    let strict = self::config(&json!({"acr_values": ["mfa"]}), &json!({})).unwrap();
    assert_eq!(judged(&strict, &expired), (vec!["token.expired"], false));
}

#[test]
fn what_could_be_written_wrongly_is_refused() {
    for (step_up, requirement, place) in [
        (json!({}), json!({}), "identity.step_up"),
        (json!({"acr_values": []}), json!({}), "identity.step_up"),
        (json!({"acr_values": ["a b"]}), json!({}), "identity.step_up.acr_values[0]"),
        (json!({"acr_values": ["a", "\""]}), json!({}), "identity.step_up.acr_values[1]"),
        (json!({"max_age": "500ms"}), json!({}), "identity.step_up.max_age"),
        (json!({"acr_values": vec!["a"; 17]}), json!({}), "identity.step_up.acr_values"),
        (json!(null), json!({"acr_values": [""]}), "identity.requirements[0].acr_values[0]"),
        (json!(null), json!({"max_age": "1m", "token": "optional"}), "identity.requirements[0]"),
    ] {
        let fault = config(&step_up, &requirement).unwrap_err();
        assert!(fault.contains(place), "{fault}");
    }
}
