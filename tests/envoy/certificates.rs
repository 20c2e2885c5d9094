//! Client certificates on real TLS connections: what Envoy says of them, and what tokens that are bound to them are worth.
//!
//! Every connection's own certificate counts, whatever was remembered of the token. What is compared is tested beside the
//! core. Not covered: certificates whose chain has several links.

use super::{demo_issuer, echoed, enforcing, outcome, Gate, SOON};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::tls::{Authority, Certificate};
use portcullis_lab::tokens::{now, Algorithm, Issuer, Spec};
use serde_json::{json, Map, Value};

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
    let remembered =
        |envoy: &Envoy| envoy.stats().into_iter().any(|(name, count)| name.contains("remembered") && count > 0);
    assert!(gate.envoy.wait_for(remembered, SOON), "no token was remembered");
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

#[test]
fn a_token_that_is_exchanged_over_tls_is_bound_to_the_clients_certificate_and_key() {
    let authority = Authority::new().unwrap();
    let [ada, bob] = ["ada", "bob"].map(|name| authority.client(name).unwrap());
    let mut config = config();
    config["identity"]["requirements"] = json!([]);
    config["identity"]["holder"]["dpop"] = json!({"origins": ["https://api.example"]});
    let ours = json!({"issuer": "https://api.example", "audiences": ["shop"], "minted": true});
    config["identity"]["issuers"].as_array_mut().unwrap().push(ours);
    let key = include_str!("../../envoy/lab/keys/test-p256.pem");
    config["minting"] = json!({
        "issuer": "https://api.example", "audiences": ["shop"], "bindings": [],
        "keys": [{"kid": "k", "alg": "ES256", "private_key": key}],
    });
    let gate = Gate::start_with(&config, |bootstrap| bootstrap.concurrency(2).tls(&authority, false).unwrap());
    let of = |path: &str, method: &str, jti: String, token: Option<&str>| {
        let htu = format!("https://api.example{path}");
        let mut claims = json!({"jti": jti, "htm": method, "htu": htu, "iat": now()});
        if let Some(token) = token {
            claims["ath"] = json!(URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(token.as_bytes())));
        }
        Issuer::demo().proof(Algorithm::EdDSA, Map::new(), &claims)
    };
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token={}\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        Issuer::demo().token("ada")
    );
    for (protocol, client) in clients(&gate, &authority, Some(&ada)) {
        let asked = Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        let asked =
            asked.header("dpop", of("/oauth/token", "POST", format!("t-{protocol}"), None)).body(form.clone());
        let answer = client.send(asked.clone()).unwrap().json().unwrap();
        assert_eq!(answer["token_type"], "DPoP", "{protocol}: {answer}");
        let again = client.send(asked).unwrap().json().unwrap();
        assert_eq!(again["error"], "invalid_dpop_proof", "{protocol}");
        let token = answer["access_token"].as_str().unwrap();
        let using = |jti: &str| {
            let proof = of("/echo", "GET", format!("{jti}-{protocol}"), Some(token));
            Request::get("/echo").header("authorization", format!("DPoP {token}")).header("dpop", proof)
        };
        assert_eq!(outcome(&client.send(using("a")).unwrap()), "passed", "{protocol}");
        let bare = client.send(Request::get("/echo").bearer(token)).unwrap();
        assert_eq!(outcome(&bare), "dpop_proof_invalid", "{protocol}");
        let [(_, theirs), _] = clients(&gate, &authority, Some(&bob));
        assert_eq!(outcome(&theirs.send(using("b")).unwrap()), "token_certificate", "{protocol}");
    }
    gate.expect_unharmed();
}

/// An Envoy behind a proxy that is at 127.0.0.2.
fn behind_a_proxy(details: &str) -> Gate {
    let mut config = config();
    config["identity"]["holder"] = json!({"certificate": {"forwarded": {"trusted_peers": ["127.0.0.2"]}}});
    config["identity"]["requirements"] = json!([]);
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let noted = json!({
        "name": "envoy.filters.http.set_filter_state",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [{
                "object_key": "portcullis.peer",
                "factory_key": "envoy.string",
                "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"}},
            }],
        },
    });
    Gate::start_with(&config, |bootstrap| {
        bootstrap.concurrency(2).edit(|document| {
            let manager = document.pointer_mut(manager).unwrap();
            manager["forward_client_cert_details"] = json!(details);
            manager["xff_num_trusted_hops"] = json!(1);
            manager["http_filters"].as_array_mut().unwrap().insert(0, noted);
        })
    })
}

#[test]
fn what_a_proxy_has_seen_counts_from_its_own_address_alone() {
    let gate = behind_a_proxy("ALWAYS_FORWARD_ONLY");
    let authority = Authority::new().unwrap();
    let [ada, bob] = ["ada", "bob"].map(|name| authority.client(name).unwrap());
    let token = bound(&ada);
    let seen = |certificate: &Certificate| {
        format!("By=spiffe://demo.example/edge;Hash={};Subject=\"CN=a,b\\\"\"", certificate.hex())
    };
    let both = format!("{},{}", seen(&bob), seen(&ada));
    for (address, field, expected) in [
        ("127.0.0.2", seen(&ada), "passed"),
        ("127.0.0.2", both.clone(), "passed"),
        ("127.0.0.2", seen(&bob), "token_certificate"),
        ("127.0.0.2", format!("{},{}", seen(&ada), seen(&bob)), "token_certificate"),
        ("127.0.0.2", format!("{};Hash={}", seen(&bob), ada.hex()), "token_certificate"),
        ("127.0.0.3", seen(&ada), "token_certificate"),
        ("127.0.0.3", both, "token_certificate"),
    ] {
        for (protocol, client) in gate.both() {
            let client = client.from(address.parse().unwrap());
            // Whoever connects may say that it is the proxy; of a request's source Envoy believes that here.
            let request = Request::get("/echo").bearer(&token).header("x-forwarded-for", "127.0.0.2, 127.0.0.2");
            let answer = client.send(request.header("x-forwarded-client-cert", &field)).unwrap();
            assert_eq!(outcome(&answer), expected, "{protocol} {address} {field}");
        }
    }
    // Of two fields Envoy makes one, so the last element is the last of all.
    let proxy = gate.http1().from("127.0.0.2".parse().unwrap());
    let two = [seen(&ada), seen(&bob)].into_iter();
    let two = two.fold(Request::get("/echo").bearer(&token), |request, field| {
        request.header("x-forwarded-client-cert", field)
    });
    assert_eq!(outcome(&proxy.send(two).unwrap()), "token_certificate");
    // Services behind the filter see the field only if it comes from the proxy.
    let free = Issuer::demo().token("ada");
    for (address, count) in [("127.0.0.2", 1), ("127.0.0.3", 0)] {
        let request = Request::get("/echo").bearer(&free).header("x-forwarded-client-cert", seen(&ada));
        let answer = gate.http1().from(address.parse().unwrap()).send(request).unwrap();
        let answer = answer.json().unwrap();
        assert_eq!(echoed(&answer, "headers", "x-forwarded-client-cert").len(), count, "{address}");
    }
    gate.expect_unharmed();
}

/// A fact about Envoy: of these settings one alone lets the field reach a filter on a connection without a certificate.
#[test]
fn envoy_takes_the_field_out_unless_it_is_told_to_forward_it_always() {
    let ada = Authority::new().unwrap().client("ada").unwrap();
    for details in ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET"] {
        let gate = behind_a_proxy(details);
        let proxy = gate.http1().from("127.0.0.2".parse().unwrap());
        let request = Request::get("/echo").bearer(bound(&ada));
        let answer = proxy.send(request.header("x-forwarded-client-cert", format!("Hash={}", ada.hex()))).unwrap();
        assert_eq!(outcome(&answer), "token_certificate", "{details}");
    }
}
