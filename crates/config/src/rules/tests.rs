use crate::{Config, RouteId};
use portcullis::stages::CHECKS;
use serde_json::{json, Value};

fn parse(rules: Value) -> Result<Config, String> {
    let document = json!({
        "version": 1,
        "routes": [
            {"name": "orders", "path": "/orders/{id}"},
            {"name": "files", "path": "/files/{*rest}"},
            {"name": "plain", "path": "/plain"},
        ],
        "rules": rules,
    });
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

fn rule(more: Value) -> Value {
    let mut rule = json!({"name": "r"});
    for (key, value) in more.as_object().unwrap() {
        rule[key] = value.clone();
    }
    rule
}

#[test]
fn faults_name_the_place_within_the_text_too() {
    let nine = ["count(1, duration('1m')) < 3"; 9].join(" && ");
    for (written, expected) in [
        (json!({}), "rules[0]: has neither `require` nor `forbid`"),
        (json!({"require": "true", "forbid": "true"}), "rules[0]: has both `require` and `forbid`"),
        (json!({"require": "true", "score": 0.5, "effect": "note"}), "rules[0]: has both `effect` and `score`"),
        (json!({"require": "true", "score": 1.5}), "rules[0].score: is 1.5, expected a number from 0 to 1"),
        (json!({"require": "true", "name": "No Name"}), "rules[0].name: expected 1 to 64 of"),
        (json!({"require": "true", "code": "NotPlain"}), "rules[0].code: expected 1 to 64 of a-z, 0-9 and `_`"),
        (json!({"require": "true", "code": ""}), "rules[0].code: "),
        (json!({"require": "true", "message": "two\nlines"}), "rules[0].message: expected 1 to 200 characters on one line"),
        (json!({"require": "true", "message": "x".repeat(201)}), "rules[0].message: "),
        (json!({"require": "true", "routes": ["order"]}), "rules[0].routes[0]: unknown route `order`"),
        (json!({"require": "true", "wen": "true"}), "rules[0].wen: unknown field `wen`"),
        (json!({"require": "true", "effect": "deny"}), "rules[0].effect: unknown variant `deny`"),
        (
            json!({"when": "true", "require": "requst.method == 'GET'"}),
            "rules[0].require: column 1: unknown name `requst`, expected one of: request, path, body, claims, actor, graphql; did you mean `request`?",
        ),
        (json!({"require": "true", "when": "body.n ="}), "rules[0].when: column 8: `=` means nothing here; did you mean `==`?"),
        (json!({"forbid": "actor.risk"}), "rules[0].forbid: column 1: this is double; expected bool"),
        (json!({"forbid": "actor.risc > 0.5"}), "rules[0].forbid: column 7: unknown member of `actor` `risc`"),
        (
            json!({"require": "true", "when": "true && count(actor.subject, duration('1m')) > 3"}),
            "rules[0].when: column 9: counters stand in `require` and `forbid`",
        ),
        (json!({"require": "count(actor.subject, duration('1s')) < 3"}), "rules[0].require: column 1: the window of `count`: expected 10s to 31d"),
        (json!({"require": "count(actor.subject, duration('-1m')) < 3"}), "rules[0].require: column 1: the window"),
        (json!({"require": "count(actor.subject, body.window) < 3"}), "rules[0].require: column 22: expected a constant duration"),
        (json!({"require": "count(actor.subject, '1m') < 3"}), "rules[0].require: column 22: this is string; expected duration"),
        (json!({"require": "path.id == 'a'"}), "rules[0].require: column 1: `path.id` needs `routes`"),
        (
            json!({"require": "'a' == path.ident", "routes": ["orders"]}),
            "rules[0].require: column 8: unknown parameter of the path of `orders` `ident`, expected one of: id",
        ),
        (json!({"require": "path[body.x] == 'a'", "routes": ["orders"]}), "rules[0].require: column 1: expected the name"),
        (json!({"require": "path.id == 'a'", "routes": ["orders", "plain"]}), "rules[0].require: column 1: unknown parameter"),
        (
            json!({"require": nine}),
            "rules[0].require: has 9 counters, at most 8",
        ),
        (json!({"require": "true", "message": "m", "on_error": "maybe"}), "rules[0].on_error: unknown variant"),
    ] {
        let fault = parse(json!([rule(written.clone())])).expect_err("a faulty rule was accepted");
        assert!(fault.starts_with(expected), "{written}\n{fault}");
    }
    let fault = parse(json!([rule(json!({"require": "true"})), rule(json!({"require": "true"}))])).unwrap_err();
    assert_eq!(fault, "rules[1].name: `r` is taken");
    let many: Vec<Value> = (0..=1024).map(|n| json!({"name": format!("r{n}"), "require": "true"})).collect();
    assert_eq!(parse(json!(many)).unwrap_err(), "rules: has 1025 rules, at most 1024");
}

#[test]
fn a_rule_is_put_on_its_routes() {
    let config = parse(json!([
        {"name": "all", "require": "true"},
        {"name": "orders", "routes": ["orders"], "require": "path.id != '' && body.n > 0"},
        {"name": "files", "routes": ["files"], "require": "path.rest != ''"},
        {"name": "nowhere", "routes": ["unmatched"], "forbid": "count(actor.source, duration('1m')) > 5"},
    ]))
    .unwrap();
    let on = |id| config.routes.get(id);
    assert_eq!(on(RouteId::Written(0)).rules, [0, 1]);
    assert_eq!(on(RouteId::Written(1)).rules, [0, 2]);
    assert_eq!(on(RouteId::Written(2)).rules, [0]);
    assert_eq!(
        (on(RouteId::Unmatched).rules.as_slice(), on(RouteId::Ambiguous).rules.as_slice()),
        (&[0, 3][..], &[0, 3][..])
    );
    let waits: Vec<bool> = (0..3).map(|index| on(RouteId::Written(index)).needs_json).collect();
    assert_eq!(
        (waits.as_slice(), config.may_wait(), config.needs_memory()),
        (&[true, false, false][..], true, true)
    );
    assert_eq!(config.rules[3].counters[0].owner, "rule/nowhere/0/count/60000");
}

#[test]
fn rules_without_counters_need_no_memory() {
    let config = parse(json!([{"name": "all", "require": "request.method == 'GET'"}])).unwrap();
    assert!(!config.needs_memory() && !config.may_wait());
    assert!(config.memory_budget_bytes() < config.memory.budget_bytes);
}
