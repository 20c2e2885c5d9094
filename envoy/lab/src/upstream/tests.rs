//! Upstream and client against each other, without a proxy: what the one sends, the other reports.

use super::Upstream;
use crate::client::{raw, Client, Request};
use serde_json::{json, Value};

fn both(upstream: &Upstream) -> [Client; 2] {
    [Client::http1(upstream.address()), Client::http2(upstream.address())]
}

/// The values of one header in an answer of `/echo`.
fn values<'a>(echoed: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    let pairs = echoed[list].as_array().expect("echo lists pairs");
    pairs.iter().filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect()
}

#[test]
fn echo_reports_what_was_sent_over_both_protocols() {
    let upstream = Upstream::start();
    for client in both(&upstream) {
        let request = Request::post("/echo/?")
            .header("x-twice", "a")
            .header("x-byte", [b'a', 0x80, 0xff])
            .header("x-twice", "b")
            .body("hello, gate");
        assert_eq!(client.send(request.clone()).unwrap().status, 404, "a slash more is another path");
        let request = Request { path: "/echo?q=%00".into(), ..request };
        let echoed = client.send(request).unwrap().json().unwrap();
        assert_eq!((&echoed["method"], &echoed["path"]), (&json!("POST"), &json!("/echo?q=%00")));
        assert_eq!(values(&echoed, "headers", "x-twice"), ["a", "b"]);
        assert_eq!(values(&echoed, "headers", "x-byte"), ["a\u{fffd}\u{fffd}"]);
        assert_eq!(values(&echoed, "headers", "content-length"), ["11"]);
        assert_eq!(echoed["body_length"], 11);
    }
    assert_eq!(upstream.hits(), 4);
}

#[test]
fn trailers_and_pieces_arrive_over_both_protocols() {
    let upstream = Upstream::start();
    for client in both(&upstream) {
        let request = Request::post("/echo").body(vec![b'x'; 1000]).chunked(7).trailer("x-checksum", "42");
        let echoed = client.send(request).unwrap().json().unwrap();
        assert_eq!(echoed["body_length"], 1000);
        assert!(values(&echoed, "headers", "content-length").is_empty());
        assert_eq!(values(&echoed, "trailers", "x-checksum"), ["42"]);
    }
    let answer = both(&upstream)[1].send(Request::post("/grpc.Demo/Ping").header("te", "trailers")).unwrap();
    assert_eq!(answer.header("content-type"), Some("application/grpc"));
    assert_eq!((answer.trailer("grpc-status"), answer.body.len()), (Some("0"), 5));
}

#[test]
fn what_is_held_is_answered_when_it_is_released() {
    let upstream = Upstream::start();
    for client in both(&upstream) {
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..3).map(|_| scope.spawn(|| client.send(Request::get("/hold")))).collect();
            while upstream.held() < 3 {
                std::thread::yield_now();
            }
            assert!(asking.iter().all(|thread| !thread.is_finished()));
            upstream.release();
            for thread in asking {
                assert_eq!(thread.join().unwrap().unwrap().status, 200);
            }
        });
        assert_eq!(upstream.held(), 0);
    }
}

#[test]
fn the_api_answers_as_a_shop_would() {
    let upstream = Upstream::start();
    let client = Client::http1(upstream.address());
    let get = |path: &str| client.send(Request::get(path)).unwrap();
    assert_eq!(get("/healthz").json().unwrap(), json!({"status": "ok"}));
    assert_eq!(get("/api/products").json().unwrap().as_array().unwrap().len(), 4);
    assert_eq!(get("/api/products/p-3").json().unwrap()["price"], json!({"amount": "24.50", "currency": "EUR"}));
    let order = get("/api/orders/o-1001").json().unwrap();
    assert_eq!((&order["owner"], &order["total"]["amount"]), (&json!("ada"), &json!("178.50")));
    assert_eq!(order["card"]["last4"], "1111");
    assert_eq!(get("/api/orders/o-9").status, 404);
    assert!(get("/api/users/bob").json().unwrap()["iban"].is_string());
    assert_eq!(get("/admin/users").json().unwrap().as_array().unwrap().len(), 3);
    assert_eq!(get("/api/export").text().lines().count(), 3);
    assert_eq!(get("/events").text().matches("event: order").count(), 5);

    let created = client.send(Request::post("/api/orders").json(&json!({"items": []}))).unwrap();
    assert_eq!(created.status, 201);
    let login = |password: &str| {
        client.send(Request::post("/login").json(&json!({"user": "ada", "password": password}))).unwrap()
    };
    assert_eq!(login("guess").status, 401);
    assert!(login("correct horse battery staple").json().unwrap()["session_token"].is_string());
}

#[test]
fn raw_bytes_go_out_as_they_are() {
    let upstream = Upstream::start();
    let get = |path: &str| raw(upstream.address(), format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).unwrap();
    for path in ["/a/%00", "/a/../b", "//x"] {
        assert_eq!(get(path).status, 404);
    }
    assert_eq!(get("/echo?/../%2e").json().unwrap()["path"], "/echo?/../%2e");
    assert_eq!(get("/api/export").text().lines().count(), 3, "chunks are put together");
    let head = raw(upstream.address(), "HEAD /api/products HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert!(head.body.is_empty());
}

#[test]
fn a_dropped_upstream_no_longer_listens() {
    let upstream = Upstream::start();
    let client = Client::http1(upstream.address());
    client.send(Request::get("/healthz")).unwrap();
    drop(upstream);
    assert!(client.send(Request::get("/healthz")).is_err());
}
