//! A remembered token is judged as one that was never seen before, whatever was found of it in the meantime.

use super::lasting::{token, World};
use crate::stages::identity::binding::user_agent_hash;
use proptest::prelude::*;
use serde_json::json;

const AGENTS: [&str; 3] = ["shop/1.0", "curl/8", ""];

/// What varies from use to use.
#[derive(Debug, Clone)]
struct Use {
    path: &'static str,
    source: &'static str,
    agent: Option<String>,
    device: Option<&'static str>,
    session: Option<&'static str>,
    country: Option<&'static str>,
}

prop_compose! {
    fn uses()(
        path in prop::sample::select(vec!["/", "/admin"]),
        source in prop::sample::select(vec!["192.0.2.7", "192.0.2.200", "198.51.100.1"]),
        // A long one is compared anew each time.
        agent in prop::option::of(prop_oneof![prop::sample::select(AGENTS.to_vec()).prop_map(str::to_owned), Just("long".repeat(200))]),
        device in prop::option::of(prop::sample::select(vec!["d-1", "d-2", ""])),
        session in prop::option::of(prop::sample::select(vec!["s-1", "s-2", ""])),
        country in prop::option::of(prop::sample::select(vec!["CH", "ch", "DE"])),
    ) -> Use {
        Use { path, source, agent, device, session, country }
    }
}

fn judged(world: &World, token: &str, used: &Use) -> Vec<&'static str> {
    let cookie = used.session.map(|session| format!("session_id={session}"));
    let agent = used.agent.as_deref().map(|agent| ("user-agent", agent));
    let device = used.device.map(|device| ("x-device-id", device));
    let country = used.country.map(|country| ("x-geo-country", country));
    let cookie = cookie.as_deref().map(|cookie| ("cookie", cookie));
    let fields: Vec<_> = [agent, device, country, cookie].into_iter().flatten().collect();
    world.request(used.path, 0, used.source, token, &fields)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_found_before_changes_nothing(
        scope in prop::sample::select(vec!["admin", "orders"]),
        ip in prop::sample::select(vec![json!("192.0.2.7"), json!("192.0.2.0/25"), json!("nowhere"), json!(7), json!(null)]),
        agent in prop::sample::select(vec![AGENTS[0].to_owned(), AGENTS[2].to_owned(), "long".repeat(200)]),
        device in prop::sample::select(vec![json!("d-1"), json!(""), json!(["d-1"]), json!(null)]),
        uses in prop::collection::vec(uses(), 1..8),
    ) {
        let claims = json!({
            "scope": scope, "ip_binding": ip, "user_agent_hash": user_agent_hash(agent.as_bytes()), "device_id": device,
            "session_id": "s-1", "geo_location": "CH",
        });
        let (token, world) = (token(&claims), World::new(&json!({}), &json!([])));
        for used in uses {
            let anew = World::new(&json!({}), &json!([]));
            prop_assert_eq!(judged(&world, &token, &used), judged(&anew, &token, &used), "{:?}", used);
        }
    }
}

#[test]
fn the_uses_differ_in_what_is_found() {
    let claims = json!({"scope": "orders", "user_agent_hash": user_agent_hash(b"shop/1.0"), "device_id": "d-1"});
    let (token, world) = (token(&claims), World::new(&json!({}), &json!([])));
    let good = Use {
        path: "/",
        source: "192.0.2.7",
        agent: Some("shop/1.0".to_owned()),
        device: Some("d-1"),
        session: None,
        country: None,
    };
    let admin = Use { path: "/admin", ..good.clone() };
    let other = Use { agent: None, device: Some("d-2"), ..good.clone() };
    let found = [&good, &admin, &other, &good].map(|used| judged(&world, &token, used));
    assert_eq!(
        found,
        [vec![], vec!["token.scope"], vec!["token.binding.device", "token.binding.user_agent"], vec![]]
    );
}
