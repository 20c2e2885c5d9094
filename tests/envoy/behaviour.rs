//! What several requests amount to is known to every worker, by the address and the status that Envoy sees.

use super::crowd::{self, flood, token, told};
use super::{code, demo_issuer, request_id, Gate, SOON};
use portcullis_lab::client::{Client, Request};
use serde_json::{json, Value};

fn gate(behaviour: Value, checks: Value) -> Gate {
    let routes = json!([{"name": "echo", "path": "/echo"}, {"name": "login", "path": "/login"}]);
    let identity = json!({"issuers": [demo_issuer()], "default": "optional"});
    crowd::gate(json!({"routes": routes, "identity": identity, "behaviour": behaviour, "checks": checks,
        "telemetry": {"allow_sample": 1}}))
}

fn clients(gate: &Gate, source: &str) -> Vec<Client> {
    crowd::clients(gate, Some(source))
}

/// Requests count when they are over for Envoy, a moment after the client knows.
impl Gate {
    fn expect_soon(&self, clients: &[Client], wanted: &str) {
        for client in clients {
            let ask = || told(&client.send(Request::get("/echo")).unwrap());
            self.envoy.wait_for(|_| ask() == wanted, SOON);
            assert_eq!(ask(), wanted, "{}", self.envoy.log());
        }
    }
}

#[test]
fn a_scanner_is_known_to_every_worker() {
    let gate = gate(json!({}), json!([{"id": "behaviour.scanning", "effect": "refuse"}]));
    let (scanner, crawler) = (clients(&gate, "127.0.5.1"), clients(&gate, "127.0.5.2"));
    flood(&crawler, 600, |number| match number % 12 {
        0 => Request::get(&format!("/dead/{}", number % 13)),
        _ => Request::get("/echo"),
    });
    flood(&scanner, 80, |number| Request::get(&format!("/backup/{number}.zip")));
    gate.expect_soon(&scanner, "scanning");
    gate.expect_soon(&crawler, "200");
    gate.expect_soon(&clients(&gate, "127.0.5.3")[..2], "200");
    gate.expect_unharmed();
}

#[test]
fn stuffing_counts_what_the_service_says_and_the_chain_is_in_the_receipt() {
    let login = json!([{"routes": ["login"], "account": "body:user", "failed_statuses": [401]}]);
    let gate = gate(json!({"logins": login}), json!([{"id": "behaviour.stuffing.source", "effect": "refuse"}]));
    let bots = clients(&gate, "127.0.6.1");
    let attempt = |user: &str| Request::post("/login").json(&json!({"user": user, "password": "123456"}));
    flood(&bots, 60, |number| Request::get(&format!("/.git/{number}")));
    flood(&bots, 80, |number| attempt(&format!("victim-{number}")));
    for bot in &bots {
        gate.envoy.wait_for(|_| bot.send(attempt("ada")).unwrap().status == 403, SOON);
        let refused = bot.send(attempt("ada")).unwrap();
        assert_eq!(code(&refused), "stuffing_source", "{}", gate.envoy.log());
    }
    let refused = bots[0].send(attempt("ada")).unwrap();
    let receipt = gate.receipt(&request_id(&refused));
    let chain = &receipt["portcullis.behaviour.chain"];
    assert!(
        chain["reconnaissance"].as_u64() >= Some(3) && chain["credential_access"].as_u64() >= Some(3),
        "{receipt}"
    );
    let found: Vec<&str> = receipt["portcullis.findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["check"].as_str())
        .collect();
    assert!(found.contains(&"behaviour.chain") && found.contains(&"behaviour.scanning"), "{receipt}");
    let elsewhere = clients(&gate, "127.0.6.2");
    assert_eq!(elsewhere[0].send(attempt("ada")).unwrap().status, 401, "the service's own answer");
    gate.expect_unharmed();
}

/// From each address too few tries for anybody to notice, but all with one subject's tokens.
#[test]
fn a_subject_is_followed_over_addresses_and_tokens() {
    let gate = gate(json!({}), json!([{"id": "behaviour.scanning", "effect": "refuse"}]));
    for address in 1..=8 {
        let from = clients(&gate, &format!("127.0.7.{address}"));
        let token = token("eve", json!({}));
        flood(&from, 10, |number| Request::get(&format!("/nothing/{address}-{number}")).bearer(&token));
        assert_eq!(told(&from[0].send(Request::get("/echo")).unwrap()), "200", "the address is not suspected");
    }
    let elsewhere = clients(&gate, "127.0.7.99");
    let echo = |subject: &str| Request::get("/echo").bearer(token(subject, json!({})));
    let refused = || told(&elsewhere[0].send(echo("eve")).unwrap()) == "scanning";
    assert!(gate.envoy.wait_for(|_| refused(), SOON), "{}", gate.envoy.log());
    assert_eq!(told(&elsewhere[1].send(echo("ada")).unwrap()), "200");
    gate.expect_unharmed();
}

/// Names, paths and accounts of every form that a client can send.
#[test]
fn hostile_names_harm_nothing() {
    let login = json!([{"routes": ["login"], "account": "body:user"}]);
    let gate = gate(json!({"logins": login, "rotation": {"headers": ["x-odd", "accept"]}}), json!([]));
    let client = gate.http1();
    for odd in ["", "\u{0}", "\u{202e}", "'\"\\\n", &"x".repeat(8000), "{\"a\":1}"] {
        client.send(Request::post("/login").json(&json!({"user": odd, "password": odd}))).unwrap();
        client.send(Request::post("/login").json(&json!({"user": [odd], "password": 1}))).unwrap();
    }
    for agent in [&b"\xff\xfe"[..], b"", b"a\tb"] {
        client.send(Request::get("/echo").header("user-agent", agent).header("x-odd", agent)).unwrap();
    }
    assert_eq!(client.send(Request::get("/echo")).unwrap().status, 200);
    gate.expect_unharmed();
}
