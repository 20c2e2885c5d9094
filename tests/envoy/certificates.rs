//! Client certificates on real TLS connections: what Envoy says of them, and what tokens that are bound to them are worth.
//!
//! Every connection's own certificate counts, whatever was remembered of the token. What is compared is tested beside the
//! core. Not covered: certificates whose chain has several links.

use super::{demo_issuer, enforcing, outcome, Gate};
use portcullis_lab::client::{Client, Request};
use portcullis_lab::tls::{Authority, Certificate};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::{json, Value};

/// Enough that each of two workers serves some of them.
const CONNECTIONS: usize = 12;

fn config() -> Value {
    enforcing(json!({
        "routes": [{"name": "echo", "path": "/echo"}],
        "identity": {
            "issuers": [demo_issuer()],
            "holder": {"certificate": true},
            "requirements": [{"routes": ["echo"], "binding": "certificate"}],
        },
    }))
}

fn gate(authority: &Authority, required: bool) -> Gate {
    Gate::start_with(&config(), |bootstrap| bootstrap.concurrency(2).tls(authority, required).unwrap())
}

fn bound(certificate: &Certificate) -> String {
    let mut claims = Issuer::demo().claims("ada");
    claims.insert("cnf".into(), json!({"x5t#S256": certificate.thumbprint()}));
    Issuer::demo().mint(&Spec::new(Algorithm::ES256, claims))
}

/// One new client of each protocol.
fn clients(gate: &Gate, authority: &Authority, shown: Option<&Certificate>) -> [(&'static str, Client); 2] {
    gate.both().map(|(protocol, client)| (protocol, client.over_tls(authority, shown).unwrap()))
}

#[test]
fn a_token_passes_on_connections_of_its_certificate_alone() {
    let authority = Authority::new().unwrap();
    let [ada, bob] = ["ada", "bob"].map(|name| authority.client(name).unwrap());
    let token = bound(&ada);
    let gate = gate(&authority, false);
    for round in 0..CONNECTIONS {
        // Each client has a connection of its own, so that both workers come to know the token.
        for (shown, expected) in
            [(Some(&ada), "passed"), (Some(&bob), "token_certificate"), (None, "token_certificate")]
        {
            for (protocol, client) in clients(&gate, &authority, shown) {
                for _again in 0..2 {
                    let answer = client.send(Request::get("/echo").bearer(&token)).unwrap();
                    assert_eq!(outcome(&answer), expected, "{protocol} {round}");
                }
            }
        }
    }
    let remembered = gate.envoy.stats().into_iter().filter(|(name, _)| name.contains("remembered"));
    assert!(remembered.map(|(_, count)| count).sum::<u64>() > 0, "no token was remembered");
    let free = Issuer::demo().token("ada");
    let [(_, client), _] = clients(&gate, &authority, Some(&ada));
    assert_eq!(outcome(&client.send(Request::get("/echo").bearer(free)).unwrap()), "token_unbound");
    gate.expect_unharmed();
}

#[test]
fn a_listener_that_requires_certificates_lets_nobody_else_connect() {
    let authority = Authority::new().unwrap();
    let (ada, stranger) = (authority.client("ada").unwrap(), Certificate::self_signed("ada").unwrap());
    let gate = gate(&authority, true);
    for shown in [Some(&stranger), None] {
        for (protocol, client) in clients(&gate, &authority, shown) {
            let answer = client.send(Request::get("/echo").bearer(bound(&stranger)));
            assert!(answer.is_err(), "{protocol}: {answer:?}");
        }
    }
    for (protocol, client) in clients(&gate, &authority, Some(&ada)) {
        let answer = client.send(Request::get("/echo").bearer(bound(&ada))).unwrap();
        assert_eq!(outcome(&answer), "passed", "{protocol}");
    }
    gate.expect_unharmed();
}

#[test]
fn a_connection_without_tls_has_no_certificate() {
    let gate = Gate::start(&config());
    let ada = Authority::new().unwrap().client("ada").unwrap();
    for (protocol, client) in gate.both() {
        let claimed = format!("Hash={}", ada.hex());
        let request = Request::get("/echo").bearer(bound(&ada)).header("x-forwarded-client-cert", claimed);
        assert_eq!(outcome(&client.send(request).unwrap()), "token_certificate", "{protocol}");
    }
    gate.expect_unharmed();
}
