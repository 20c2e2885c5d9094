use crate::stages::identity::tests::lasting::{token, World, NOTHING, NOW};
use serde_json::json;

const HOME: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.7";

/// The demo issuer's clock may be off by so many seconds.
const SKEW: u64 = 30;

fn world() -> World {
    World::new(&json!({}), &json!([]))
}

fn named(name: &str) -> String {
    token(&json!({ "jti": name }))
}

#[test]
fn a_token_is_taken_once_where_a_route_says_so() {
    let (world, token) = (world(), named("a"));
    assert_eq!(world.request("/", 0, HOME, &token, &[]), NOTHING);
    assert_eq!(world.request("/once", 1, HOME, &token, &[]), NOTHING);
    assert_eq!(world.request("/once", 2, HOME, &token, &[]), ["token.replayed"]);
    assert_eq!(world.request("/", 3, HOME, &token, &[]), NOTHING, "other routes take it still");
    assert_eq!(world.request("/once", 4, HOME, &named("b"), &[]), NOTHING);
}

#[test]
fn uses_are_told_apart_by_name() {
    let world = world();
    for changes in [json!({}), json!({"jti": null})] {
        assert_eq!(world.request("/once", 0, HOME, &token(&changes), &[]), ["token.claim_missing"], "{changes}");
    }
    // Another text of the same name is the same token.
    assert_eq!(world.request("/once", 1, HOME, &named("a"), &[]), NOTHING);
    let renewed = token(&json!({"jti": "a", "exp": NOW + 3000}));
    assert_eq!(world.request("/once", 2, HOME, &renewed, &[]), ["token.replayed"]);
}

/// The record's place may be taken as soon as it is over, and another worker may have read the clock before that.
#[test]
fn no_worker_accepts_what_another_has_forgotten() {
    let world = world();
    let short = token(&json!({"jti": "short", "exp": NOW + 10}));
    let over = (10 + SKEW) * 1000;
    assert_eq!(world.request("/once", 0, HOME, &short, &[]), NOTHING);
    assert_eq!(world.request("/once", over, HOME, &short, &[]), ["token.expired"]);
    assert_eq!(world.request("/once", over, HOME, &named("next"), &[]), NOTHING);
    assert_eq!(world.request("/once", over - 1, HOME, &short, &[]), ["token.replayed"]);
}

/// Whatever refuses, and a check of usage that is tuned to.
#[test]
fn what_is_refused_uses_no_token_up() {
    let refusing = json!([{"id": "token.usage.address", "effect": "refuse"}]);
    let world = World::new(&json!({"usage": {"window": "1s"}}), &refusing);
    let token = named("a");
    assert_eq!(world.request("/admin", 0, HOME, &token, &[]), ["token.scope"]);
    assert_eq!(world.request("/", 0, HOME, &token, &[]), NOTHING);
    assert_eq!(world.request("/once", 1000, ELSEWHERE, &token, &[]), ["token.usage.address"]);
    assert_eq!(world.request("/once", 3000, ELSEWHERE, &token, &[]), NOTHING, "it was not used up");
    assert_eq!(world.request("/once", 4000, ELSEWHERE, &token, &[]), ["token.replayed"]);
}

#[test]
fn a_use_that_finds_no_room_buys_no_replay() {
    let world = world();
    let is_taken = |number: &u32| world.request("/once", 0, HOME, &named(&number.to_string()), &[]).is_empty();
    assert_eq!((0..1000).take_while(is_taken).count(), 340, "places of one bucket");
    assert_eq!(world.request("/once", 1, HOME, &named("more"), &[]), ["token.replay_unknown"]);
    assert_eq!(world.request("/once", 1, HOME, &named("0"), &[]), ["token.replayed"], "nothing is evicted");
}
