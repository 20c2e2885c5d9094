//! API keys in a real Envoy: what reaches the service, what reaches the log, and the end of a key under load.
//!
//! What a key proves is tested beside the core.

use super::{demo_issuer, echoed, enforcing, outcome, request_id, while_asking, Gate, Scratch, SOON};
use portcullis_lab::client::{Client, Request};
use portcullis_lab::tokens::Issuer;
use serde_json::{json, Value};

/// Keys for these tests alone: they protect nothing.
const BILLING: &str = "pk_test_billing_6a1f0c93d7e24b58";
const WAREHOUSE: &str = "pk_test_warehouse_e52b7f10c4d849a6";

/// SHA-256 of the two.
const BILLING_DIGEST: &str = "1bce82124626be89b6036330258b2e4fe0cf73b9ed11348858c20f7a749bb6fd";
const WAREHOUSE_DIGEST: &str = "b78d81b061c6408d638cc76d7ed9cad5e7d7a6d35c7ca70f644769e8b257a798";

fn keys() -> Value {
    json!([
        {"id": "billing", "sha256": BILLING_DIGEST, "claims": {"scope": "orders:read"}},
        {"id": "warehouse", "sha256": WAREHOUSE_DIGEST},
    ])
}

fn config(keys: Value, section: Value) -> Value {
    let mut written = json!({ "keys": keys });
    written.as_object_mut().unwrap().extend(section.as_object().unwrap().clone());
    enforcing(json!({
        "identity": {"issuers": [demo_issuer()], "api_keys": written, "failures": {"per_source": 0}},
        "telemetry": {"allow_sample": 1.0},
    }))
}

fn with(key: &str) -> Request {
    Request::get("/echo").header("x-api-key", key)
}

fn ask(client: &Client, key: &str) -> String {
    client.send(with(key)).map_or_else(|error| format!("{error:#}"), |answer| outcome(&answer))
}

#[test]
fn a_key_opens_the_api_and_its_text_is_in_no_log() {
    let gate = Gate::start(&config(keys(), json!({})));
    for (protocol, client) in gate.both() {
        let answer = client.send(with(BILLING)).unwrap();
        assert_eq!(answer.status, 200, "{protocol}: {}", answer.text());
        let seen = answer.json().unwrap();
        assert_eq!(echoed(&seen, "headers", "x-api-key"), [BILLING], "{protocol}: forwarded, as tokens are");
        assert_eq!(ask(&client, "SECRET-guess"), "api_key_unknown", "{protocol}");
        assert_eq!(ask(&client, BILLING_DIGEST), "api_key_unknown", "{protocol}");
        let both = with(BILLING).bearer(Issuer::demo().token("ada"));
        assert_eq!(outcome(&client.send(both).unwrap()), "token_ambiguous", "{protocol}");
        let twice = with(BILLING).header("x-api-key", WAREHOUSE);
        assert_eq!(outcome(&client.send(twice).unwrap()), "token_ambiguous", "{protocol}");
        let refused = client.send(with(&"SECRET".repeat(1300))).unwrap();
        assert_eq!(outcome(&refused), "api_key_unknown", "{protocol}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"portcullis\""), "{protocol}");
        let receipt = gate.receipt(&request_id(&refused));
        assert_eq!(receipt["portcullis.findings"][0]["check"], "api_key.unknown", "{protocol}");
    }
    let logs = format!("{}{:?}", gate.envoy.log(), gate.envoy.access_log());
    assert!(!logs.contains("SECRET") && !logs.contains(BILLING) && !logs.contains(WAREHOUSE));
    let counted = "wasmcustom.event=.=key;.;portcullis_tokens_total";
    assert!(gate.envoy.wait_for(|envoy| envoy.stats().get(counted).copied() >= Some(2), SOON));
    gate.expect_unharmed();
}

#[test]
fn a_service_that_is_not_to_see_a_key_does_not() {
    let gate = Gate::start(&config(keys(), json!({"forward": false})));
    for (protocol, client) in gate.both() {
        let answer = client.send(with(BILLING)).unwrap();
        assert_eq!(answer.status, 200, "{protocol}: {}", answer.text());
        assert!(echoed(&answer.json().unwrap(), "headers", "x-api-key").is_empty(), "{protocol}");
    }
    gate.expect_unharmed();
}

#[test]
fn a_key_that_is_taken_out_under_load_ends_at_once_and_for_good() {
    let scratch = Scratch::new();
    let gate = Gate::start_with(&config(keys(), json!({})), |bootstrap| bootstrap.concurrency(2).ecds(&scratch.0));
    let clients: Vec<_> = (0..4).map(|number| if number % 2 == 0 { gate.http1() } else { gate.http2() }).collect();
    let seen = while_asking(
        &clients,
        |client| (ask(client, BILLING), ask(client, WAREHOUSE)),
        || {
            let only_billing = json!([keys()[0]]);
            gate.envoy.push_filter_config(&config(only_billing, json!({})).to_string()).unwrap();
            let ended = || (0..20).all(|_| ask(&gate.http1(), WAREHOUSE) == "api_key_unknown");
            assert!(gate.envoy.wait_for(|_| ended(), SOON), "{}", gate.envoy.log());
        },
    );
    for met in seen {
        assert!(met.iter().all(|(billing, _)| billing == "passed"), "the other key is not disturbed: {met:?}");
        let change = met.iter().position(|(_, other)| other != "passed").expect("it ends");
        assert!(change > 0 && met.iter().skip(change).all(|(_, other)| other == "api_key_unknown"), "{met:?}");
    }
    gate.expect_unharmed();
}
