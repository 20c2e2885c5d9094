//! Proofs of possession in a real Envoy: the host's signature check and ours agree, and a proof is accepted once.
//!
//! What a proof must say is tested beside the core. Client certificates are in `certificates`.

use super::{demo_issuer, enforcing, once_and, outcome, race, Gate};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use portcullis_lab::client::Request;
use portcullis_lab::tokens::{now, Algorithm, Issuer, Spec};
use serde_json::{json, Map, Value};

const KEYS: [Algorithm; 5] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256];

fn gate(workers: u32, native: bool) -> Gate {
    Gate::start_with(&config(native), |bootstrap| bootstrap.concurrency(workers))
}

fn config(native: bool) -> Value {
    enforcing(json!({
        "routes": [{"name": "echo", "path": "/echo"}],
        "identity": {
            "issuers": [demo_issuer()], "native_signatures": native,
            "holder": {"dpop": {"origins": ["https://api.example"]}},
            "requirements": [{"routes": ["echo"], "binding": "dpop"}],
        },
    }))
}

fn bound(algorithm: Algorithm) -> String {
    let demo = Issuer::demo();
    let mut claims = demo.claims("ada");
    claims.insert("cnf".into(), json!({"jkt": demo.thumbprint(algorithm)}));
    demo.mint(&Spec::new(Algorithm::ES256, claims))
}

fn proof(algorithm: Algorithm, token: &str, jti: &str, method: &str) -> String {
    proof_with(algorithm, token, jti, method, None)
}

fn proof_with(algorithm: Algorithm, token: &str, jti: &str, method: &str, nonce: Option<&str>) -> String {
    let ath = URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(token.as_bytes()));
    let mut claims: Value =
        json!({"jti": jti, "htm": method, "htu": "https://api.example/echo", "iat": now(), "ath": ath});
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    Issuer::demo().proof(algorithm, Map::new(), &claims)
}

fn presenting(scheme: &str, token: &str, proof: &str) -> Request {
    Request::get("/echo").header("authorization", format!("{scheme} {token}")).header("dpop", proof)
}

#[test]
fn a_proof_sent_at_once_over_many_connections_is_accepted_once() {
    let gate = gate(4, true);
    for (round, algorithm) in KEYS.into_iter().cycle().take(10).enumerate() {
        let token = bound(algorithm);
        let proof = proof(algorithm, &token, &format!("race-{round}"), "GET");
        let counted = race(&gate, || presenting("DPoP", &token, &proof));
        assert_eq!(counted, once_and("dpop_proof_replayed"), "{}", algorithm.name());
    }
    assert_eq!(gate.upstream.hits(), 10);
    gate.expect_unharmed();
}

#[test]
fn the_host_and_the_filter_agree_on_proofs() {
    let gates = [gate(1, true), gate(1, false)];
    let clients = gates.each_ref().map(Gate::http1);
    for algorithm in KEYS {
        let token = bound(algorithm);
        // The two ways of signing with RSA have one key, whose names of proofs are therefore the same.
        let good = proof(algorithm, &token, &format!("p-{}", algorithm.name()), "GET");
        let (head, signature) = good.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[7] ^= 1;
        let forged = format!("{head}.{}", URL_SAFE_NO_PAD.encode(&bytes));
        let post = proof(algorithm, &token, "p-2", "POST");
        for (scheme, proof, expected) in [
            ("DPoP", &forged, "dpop_proof_invalid"),
            ("DPoP", &post, "dpop_proof_invalid"),
            ("Bearer", &good, "dpop_proof_invalid"),
            ("DPoP", &good, "passed"),
            ("DPoP", &good, "dpop_proof_replayed"),
        ] {
            for client in &clients {
                let answer = client.send(presenting(scheme, &token, proof)).unwrap();
                assert_eq!(outcome(&answer), expected, "{} {scheme}", algorithm.name());
                if answer.status == 401 {
                    let challenge = answer.header("www-authenticate").unwrap();
                    assert!(challenge.starts_with("DPoP realm="), "{challenge}");
                    assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{challenge}");
                    assert!(challenge.contains("algs=\"ES256 ES384 EdDSA RS256 PS256\""), "{challenge}");
                }
            }
        }
    }
    let plain = clients[0].send(Request::get("/echo").bearer(Issuer::demo().token("ada"))).unwrap();
    assert_eq!(outcome(&plain), "token_unbound");
    gates.iter().for_each(Gate::expect_unharmed);
}

#[test]
fn a_client_that_follows_the_challenge_for_a_nonce_is_let_in_by_every_worker() {
    let mut config = config(true);
    config["identity"]["holder"]["dpop"]["nonce"] = json!({});
    let gate = Gate::start_with(&config, |bootstrap| bootstrap.concurrency(2));
    let token = bound(Algorithm::ES256);
    let made = |jti: &str, nonce: Option<&str>| {
        presenting("DPoP", &token, &proof_with(Algorithm::ES256, &token, jti, "GET", nonce))
    };
    let first = gate.http1().send(made("n-0", None)).unwrap();
    assert_eq!((first.status, outcome(&first).as_str()), (401, "dpop_nonce_required"));
    let challenge = first.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = first.header("dpop-nonce").unwrap().to_owned();
    for round in 0..8 {
        // New connections, so that both workers have to know the nonce of one.
        for (protocol, client) in gate.both() {
            let answer = client.send(made(&format!("n-{protocol}-{round}"), Some(&nonce))).unwrap();
            assert_eq!(outcome(&answer), "passed", "{protocol} {round}");
            assert!(answer.header("dpop-nonce").is_some(), "{protocol} {round}");
            let again = client.send(made(&format!("n-{protocol}-{round}"), Some(&nonce))).unwrap();
            assert_eq!(outcome(&again), "dpop_proof_replayed", "{protocol} {round}");
            let odd = client.send(made(&format!("o-{protocol}-{round}"), Some("AAAAAAAAAAAAAAAAAAAAAA"))).unwrap();
            assert_eq!(outcome(&odd), "dpop_nonce_required", "{protocol} {round}");
        }
    }
    gate.expect_unharmed();
}
