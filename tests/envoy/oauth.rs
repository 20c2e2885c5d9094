//! OAuth endpoints in a real Envoy: forms in pieces, over two workers, too long, and never complete.
//!
//! What is allowed is tested beside the core.

use super::{code, enforcing, outcome, request_id, Gate, Wire, SOON};
use portcullis_lab::client::Request;
use serde_json::{json, Value};

const FORM: &str = "application/x-www-form-urlencoded";

/// The challenge and the verifier of RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn config(wait_max: &str) -> Value {
    enforcing(json!({
        "request": {"body_read_max": "1KiB", "body_wait_max": wait_max},
        "routes": [
            {"name": "authorize", "path": "/as/authorize"},
            {"name": "token", "path": "/as/token"},
        ],
        "oauth": {
            "authorization_endpoints": [
                {"routes": ["authorize"], "clients": [{"id": "app", "redirect_uris": ["https://app.example/cb"]}]},
            ],
            "token_endpoints": [{"routes": ["token"]}],
        },
    }))
}

fn posted(path: &str, form: &str) -> Request {
    Request::post(path).header("content-type", FORM).body(form.to_owned())
}

fn asking(redirect_uri: &str) -> String {
    format!("response_type=code&client_id=app&redirect_uri={redirect_uri}&code_challenge={CHALLENGE}&code_challenge_method=S256")
}

#[test]
fn forms_are_judged_in_every_framing_on_each_worker() {
    let gate = Gate::start_with(&config("1h"), |bootstrap| bootstrap.concurrency(2));
    let exchange = |verifier: &str| format!("grant_type=authorization_code&code=c&code_verifier={verifier}");
    let (good, evil) = (asking("https%3A%2F%2Fapp.example%2Fcb"), asking("https%3A%2F%2Fevil.example%2Fcb"));
    let cases = [
        ("/as/token", exchange(VERIFIER), "passed"),
        ("/as/token", exchange("short"), "code_verifier_required"),
        ("/as/token", "grant_type=password&username=a&password=b".to_owned(), "grant_type_refused"),
        ("/as/token", "grant_type=client_credentials&grant%5Ftype=password".to_owned(), "oauth_request_invalid"),
        ("/as/token", String::new(), "grant_type_refused"),
        ("/as/authorize", good.clone(), "passed"),
        ("/as/authorize", evil.clone(), "redirect_uri_refused"),
    ];
    let requests = std::sync::atomic::AtomicU64::new(0);
    // More connections than workers, so that each worker has some.
    std::thread::scope(|scope| {
        for sender in 0..6 {
            let client = if sender % 2 == 0 { gate.http1() } else { gate.http2() };
            let (cases, requests) = (&cases, &requests);
            scope.spawn(move || {
                for (path, form, expected) in cases {
                    for piece in [None, Some(1), Some(50)] {
                        let request = posted(path, form);
                        let request =
                            piece.map_or(request.clone(), |piece| request.chunked(piece).trailer("x-end", "1"));
                        let answer = client.send(request).unwrap();
                        assert_eq!(outcome(&answer), *expected, "{path} {form} {piece:?}");
                        requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let passed = u64::try_from(cases.iter().filter(|(_, _, expected)| *expected == "passed").count()).unwrap();
    let all = requests.into_inner();
    assert_eq!(gate.upstream.hits(), all / 7 * passed, "the server saw what was allowed, and nothing else");
    for (protocol, client) in gate.both() {
        let get = |query: &str| client.send(Request::get(&format!("/as/authorize?{query}"))).unwrap();
        assert_eq!(outcome(&get(&good)), "passed", "{protocol}");
        let refused = get(&evil);
        assert_eq!((refused.status, code(&refused).as_str()), (400, "redirect_uri_refused"), "{protocol}");
        let reason = gate.receipt(&request_id(&refused))["portcullis.findings"][0]["reason"].clone();
        assert_eq!(reason, "`https://evil.example/cb`", "{protocol}");
        let leaked = client.send(Request::get("/echo?Access.Token=abc")).unwrap();
        assert_eq!(code(&leaked), "token_in_query", "{protocol}");
    }
    gate.expect_accounted(all + 6);
    gate.expect_unharmed();
}

#[test]
fn a_form_that_nobody_has_read_does_not_pass() {
    let gate = Gate::start_with(&config("50ms"), |bootstrap| bootstrap.concurrency(2));
    let begins =
        format!("POST /as/token HTTP/1.1\r\nhost: a\r\ncontent-type: {FORM}\r\ncontent-length: 100\r\n\r\ngrant");
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write(begins);
    assert!(wire.read_until("oauth_body_unread").starts_with("HTTP/1.1 400"));
    for (protocol, client) in gate.both() {
        for piece in [None, Some(300)] {
            let long = posted("/as/token", &format!("grant_type=client_credentials&x={}", "x".repeat(2000)));
            let long = piece.map_or(long.clone(), |piece| long.chunked(piece));
            let answer = client.send(long).unwrap();
            assert_eq!(
                (answer.status, code(&answer).as_str()),
                (400, "oauth_body_unread"),
                "{protocol} {piece:?}"
            );
        }
        let good = client.send(posted("/as/token", "grant_type=client_credentials")).unwrap();
        assert_eq!(outcome(&good), "passed", "{protocol}");
    }
    assert_eq!(gate.upstream.hits(), 2);
    assert!(gate.envoy.wait_for(|_| gate.accounted() >= 7, SOON));
    gate.expect_unharmed();
}
