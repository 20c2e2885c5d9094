use crate::Config;
use portcullis::stages::CHECKS;
use serde_json::{json, Value};

fn parse(packs: &Value) -> Result<Config, String> {
    let routes = ["login", "join", "cart", "pay", "forgot", "reset", "card"];
    let routes: Vec<Value> = routes.iter().map(|name| json!({"name": name, "path": format!("/{name}")})).collect();
    let document = json!({"version": 1, "routes": routes, "packs": packs});
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

fn all() -> Value {
    json!({
        "login": {"routes": ["login"], "account": "body.user"},
        "signup": {"routes": ["join"], "email": "body.email"},
        "checkout": {"cart": ["cart"], "pay": ["pay"]},
        "password_reset": {"request": ["forgot"], "account": "body.email", "reset": ["reset"], "token": "body:token"},
        "gift_cards": {"routes": ["card"], "code": "body.code"},
    })
}

#[test]
fn packs_become_the_rules_and_workflows_that_are_documented() {
    let config = parse(&all()).unwrap();
    let rules: Vec<&str> = config.rules.iter().map(|rule| rule.about.name.as_str()).collect();
    let expected = [
        "pack-login-source",
        "pack-login-account",
        "pack-login-accounts",
        "pack-signup-source",
        "pack-signup-email",
        "pack-checkout-attempts",
        "pack-password-reset-account",
        "pack-password-reset-accounts",
        "pack-password-reset-guesses",
        "pack-gift-cards-source",
        "pack-gift-cards-subject",
        "pack-gift-cards-code",
    ];
    assert_eq!(rules, expected);
    let workflows: Vec<&str> = config.flows.workflows.iter().map(|workflow| workflow.name.as_str()).collect();
    assert_eq!(workflows, ["pack-checkout", "pack-password-reset"]);
    let documentation = include_str!("../../../../docs/business.md");
    for name in expected.into_iter().chain(workflows) {
        assert!(documentation.contains(&format!("`{name}`")), "{name} is not documented");
    }
}

#[test]
fn a_pack_may_be_on_trial() {
    let mut packs = all();
    for pack in packs.as_object_mut().unwrap().values_mut() {
        pack["mode"] = json!("monitor");
    }
    let config = parse(&packs).unwrap();
    assert!(config.rules.iter().all(|rule| rule.monitor));
    assert!(config.flows.workflows.iter().all(|workflow| workflow.monitor));
    assert!(parse(&json!({})).unwrap().rules.is_empty());
}

#[test]
fn faults_are_those_of_the_pack() {
    for (pointer, value, place) in [
        ("/login/routes", json!(["logn"]), "packs.login.routes[0]: unknown route `logn`, expected one of: login, join, cart, pay, forgot, reset, card; did you mean `login`?"),
        ("/login/account", json!("bdy.user"), "packs.login.account: column 5: unknown name `bdy`"),
        ("/login/per_source", json!(0), "packs.login.per_source: is 0, expected 1 to 10000"),
        ("/login/accounts_per_source", json!(61), "packs.login.accounts_per_source: is 61, expected 1 to 60"),
        ("/login/acount", json!("a"), "packs.login.acount: unknown field `acount`"),
        ("/signup/window", json!("1s"), "packs.signup.window: expected 10s to 31d"),
        ("/checkout/per", json!("subjekt"), "packs.checkout.per: unknown actor `subjekt`"),
        ("/checkout/pay", json!([]), "packs.checkout.pay: names no route"),
        ("/checkout/cart", json!(["crt"]), "packs.checkout.cart[0]: unknown route `crt`"),
        ("/password_reset/token", json!("bdy:token"), "packs.password_reset.token: unknown field `bdy:token`"),
        ("/password_reset/reset", json!(["rest"]), "packs.password_reset.reset[0]: unknown route `rest`"),
        ("/gift_cards/code", json!("body."), "packs.gift_cards.code: column 10: "),
        ("/gift_card", json!({}), "packs.gift_card: unknown field `gift_card`"),
    ] {
        let mut packs = all();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        packs.pointer_mut(parent).unwrap()[name] = value;
        let fault = parse(&packs).unwrap_err();
        assert!(fault.starts_with(place), "{pointer}: {fault}");
    }
}

/// One account is one, however it is written, and none is none.
#[test]
fn accounts_are_counted_as_services_compare_them() {
    use portcullis::engine::waiting::Wait;
    use portcullis::engine::{Engine, Ports, Step};
    use portcullis_base::request::{headers::Headers, Request};
    use portcullis_base::time::Millis;

    let engine = || {
        let packs = json!({"login": {"routes": ["login"], "account": "body.user", "per_account": 3}});
        let document = json!({"version": 1, "mode": "enforce", "routes": [{"name": "login", "path": "/login"}], "packs": packs});
        Engine::new(
            portcullis::config::Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(),
            Ports::in_process([7; 16]),
        )
    };
    let passes = |engine: &Engine, user: &Value| {
        let fields = [(":method", "POST"), (":path", "/login"), (":authority", "shop.example")];
        let (now, request) =
            (Millis::from_secs(1_800_000_000), Request::new(Headers::from_pairs(fields), || None));
        let Step::Wait(Wait::Body(held)) = engine.open(request, now, || "r".to_owned()).judge(true) else {
            panic!("nobody waits for the account")
        };
        matches!(held.judge(json!({"user": user}).to_string().as_bytes(), now), Step::Forward(..))
    };
    let passing = |users: &[Value]| {
        let engine = engine();
        users.iter().filter(|user| passes(&engine, user)).count()
    };
    assert_eq!(
        passing(&[json!("ada@x.org"), json!("Ada@x.org"), json!(" ada@X.org\u{a0}"), json!("ADA@X.ORG")]),
        3
    );
    assert_eq!(passing(&[json!(7), json!("7"), json!(" 7"), json!("7 ")]), 3);
    assert_eq!(passing(&[json!("a"), json!("b"), json!("a"), json!("a"), json!("a")]), 4);
    // What is no name has no count, so it does not pass; null is nobody, whom the source is counted for.
    assert_eq!(passing(&[json!(["a"]), json!({"a": 1})]), 0);
    assert_eq!(passing(&vec![json!(null); 30]), 30);
}
