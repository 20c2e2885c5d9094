use crate::Config;
use portcullis::stages::CHECKS;
use portcullis_base::finding::Weight;
use portcullis_base::time::Millis;
use serde_json::{json, Value};

fn parse(workflows: &Value) -> Result<Config, String> {
    let routes = json!([{"name": "cart", "path": "/cart"}, {"name": "pay", "path": "/pay"}]);
    let document = json!({"version": 1, "routes": routes, "workflows": workflows});
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

fn steps(steps: Value) -> Value {
    json!([{"name": "w", "per": "subject", "steps": steps}])
}

#[test]
fn the_defaults_are_those_documented() {
    let config =
        parse(&steps(json!([{"name": "a", "routes": ["cart"]}, {"name": "b", "routes": ["pay"]}]))).unwrap();
    let workflow = &config.flows.workflows[0];
    assert_eq!(
        (workflow.expires, workflow.weight, workflow.monitor),
        (Millis::from_secs(1800), None::<Weight>, false)
    );
    let [first, second] = &workflow.steps[..] else { panic!("two steps") };
    assert_eq!((first.bit, first.after, second.bit, second.after), (1, 0, 2, 1));
    assert_eq!((second.min_gap, second.max_gap, second.once), (Millis::default(), None, false));
    let completes = |status| second.is_completed_by(status);
    assert!(completes(200) && completes(299) && !completes(199) && !completes(300) && !completes(404));
    assert!(config.needs_memory() && !config.may_wait());
    assert!(config.memory_budget_bytes() > 4 << 20);
}

#[test]
fn another_definition_has_other_records() {
    let owner = |expires: &str| {
        let steps = json!([{"name": "a", "routes": ["cart"]}]);
        let workflows = json!([{"name": "w", "per": "source", "expires": expires, "steps": steps}]);
        parse(&workflows).unwrap().flows.workflows[0].owner.clone()
    };
    assert_eq!(owner("1m"), owner("1m"));
    assert_ne!(owner("1m"), owner("2m"));
    // No limit can have records of that name: theirs has two slashes.
    assert_eq!(owner("1m").matches('/').count(), 1);
}

#[test]
fn an_actor_in_the_body_needs_the_body() {
    let per = |per: &str| {
        let steps = json!([{"name": "a", "routes": ["cart"]}]);
        parse(&json!([{"name": "w", "per": per, "steps": steps}])).unwrap()
    };
    let needs = |config: &Config, name: &str| {
        config.routes.iter().any(|(_, route)| route.name == name && route.needs_body())
    };
    let body = per("body:order");
    assert!(body.may_wait() && needs(&body, "cart") && !needs(&body, "pay"));
    assert!(!per("query:token").may_wait());
}

#[test]
fn faults_are_named_with_their_place() {
    let two = |step: Value| steps(json!([{"name": "a", "routes": ["cart"]}, step]));
    let long: Vec<Value> = (0..17).map(|n| json!({"name": format!("s{n}"), "routes": ["cart"]})).collect();
    for (written, place) in [
        (json!([{"name": "W", "per": "subject", "steps": []}]), "workflows[0].name: expected 1 to 64"),
        (json!([{"name": "w", "per": "subjct", "steps": []}]), "workflows[0].per: unknown actor `subjct`, expected one of: session, subject, source, client, device, claim:…, header:…, cookie:…, expr:…; did you mean `subject`?"),
        (json!([{"name": "w", "per": "route", "steps": []}]), "workflows[0].per: unknown actor `route`"),
        (steps(json!([])), "workflows[0].steps: has 0 steps, expected 1 to 16"),
        (steps(json!(long)), "workflows[0].steps: has 17 steps, expected 1 to 16"),
        (json!([{"name": "w", "per": "source", "expires": "1s", "steps": [{"name": "a", "routes": ["cart"]}]}]), "workflows[0].expires: expected 2s to 3d"),
        (json!([{"name": "w", "per": "source", "effect": "note", "score": 0.1, "steps": [{"name": "a", "routes": ["cart"]}]}]), "workflows[0]: has both `effect` and `score`"),
        (json!([{"name": "w", "per": "source", "score": 1.1, "steps": [{"name": "a", "routes": ["cart"]}]}]), "workflows[0].score: "),
        (steps(json!([{"name": "a", "route": ["cart"]}])), "workflows[0].steps[0].route: unknown field `route`"),
        (steps(json!([{"name": "a", "routes": []}])), "workflows[0].steps[0].routes: names no route"),
        (two(json!({"name": "b", "routes": ["payy"]})), "workflows[0].steps[1].routes[0]: unknown route `payy`, expected one of: cart, pay; did you mean `pay`?"),
        (two(json!({"name": "a", "routes": ["pay"]})), "workflows[0].steps[1].name: `a` is taken"),
        (two(json!({"name": "b", "routes": ["cart"]})), "workflows[0].steps[1].routes: every request on `cart` does the step `a`, unless that has a `when`"),
        (two(json!({"name": "b", "routes": ["pay"], "after": ["c"]})), "workflows[0].steps[1].after[0]: unknown earlier step `c`, expected one of: a"),
        (steps(json!([{"name": "a", "routes": ["cart"], "after": ["a"]}])), "workflows[0].steps[0].after[0]: no step is written before"),
        (steps(json!([{"name": "a", "routes": ["cart"], "min_gap": "1s"}])), "workflows[0].steps[0]: has a gap and no step before it"),
        (two(json!({"name": "b", "routes": ["pay"], "min_gap": "2s", "max_gap": "2s"})), "workflows[0].steps[1].max_gap: expected more"),
        (json!([{"name": "w", "per": "expr:bdy.cart", "steps": []}]), "workflows[0].per: column 6: unknown name `bdy`"),
        (two(json!({"name": "b", "routes": ["pay"], "when": "bdy.total > 1"})), "workflows[0].steps[1].when: column 1: unknown name `bdy`"),
        (two(json!({"name": "b", "routes": ["pay"], "when": "count(actor.source, duration('1m')) > 1"})), "workflows[0].steps[1].when: column 1: counters stand in `require`"),
        (two(json!({"name": "b", "routes": ["pay"], "completes": []})), "workflows[0].steps[1].completes: expected"),
        (two(json!({"name": "b", "routes": ["pay"], "completes": ["2x"]})), "workflows[0].steps[1].completes[0]: unknown status `2x`"),
        (two(json!({"name": "b", "routes": ["pay"], "completes": ["600"]})), "workflows[0].steps[1].completes[0]: unknown"),
    ] {
        let fault = parse(&written).unwrap_err();
        assert!(fault.starts_with(place), "{written}: {fault}");
    }
    let twice = json!([{"name": "w", "per": "source", "steps": [{"name": "a", "routes": ["cart"]}]}, {"name": "w", "per": "source", "steps": [{"name": "a", "routes": ["cart"]}]}]);
    assert_eq!(parse(&twice).unwrap_err(), "workflows[1].name: `w` is taken");
    let many: Vec<Value> = (0..9)
        .map(|n| json!({"name": format!("w{n}"), "per": "source", "steps": [{"name": "a", "routes": ["cart"]}]}))
        .collect();
    assert_eq!(parse(&json!(many)).unwrap_err(), "workflows: 9 steps are done on `cart`, at most 8");
}
