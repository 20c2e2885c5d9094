//! The routes of the upstream: one table, one small function per answer that is more than data.
//!
//! Unknown paths get 404 and known paths with another method too: the service has no opinion about attackers.

use super::data;
use super::say;
use super::shop::Call;
use super::House;
use crate::body::Frames;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue, AUTHORIZATION, CONTENT_TYPE};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::{json, Value};
use std::convert::Infallible;
use std::time::Duration;

const BODY_BYTES_MAX: usize = 16 << 20;
const EVENT_PAUSE: Duration = Duration::from_millis(20);
const EVENTS: usize = 5;

/// A request's body and trailers, read to their end.
struct Received {
    body: Bytes,
    trailers: HeaderMap,
}

pub(super) async fn answer(request: Request<Incoming>, house: House) -> Result<Response<Frames>, Infallible> {
    let (head, body) = request.into_parts();
    // Every route reads its body, also those that ignore it, so that no connection closes on unread bytes.
    let Ok(collected) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(problem(StatusCode::PAYLOAD_TOO_LARGE, "the body was cut off or is too long"));
    };
    if head.uri.path() == "/hold" {
        house.hold.wait().await;
    }
    if let Some(said) = head.headers.get(say::FIELD) {
        return Ok(say::answer(said.as_bytes()).unwrap_or_else(|fault| problem(StatusCode::BAD_REQUEST, &fault)));
    }
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let received = Received { body: collected.to_bytes(), trailers };
    let call = Call {
        method: head.method.as_str(),
        path: head.uri.path(),
        authorization: head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()),
        body: &received.body,
    };
    let said = house.shop().answer(call);
    Ok(match said {
        Some(said) => {
            say::response(&said).unwrap_or_else(|fault| problem(StatusCode::INTERNAL_SERVER_ERROR, &fault))
        }
        None => route(&head, &received),
    })
}

fn route(head: &Parts, received: &Received) -> Response<Frames> {
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    match (head.method.as_str(), segments.as_slice()) {
        (_, ["echo"]) => echo(head, received),
        ("GET", ["healthz"] | ["hold"]) => json(StatusCode::OK, &json!({"status": "ok"})),
        ("GET", ["api", "products"]) => json(StatusCode::OK, &data::products()),
        ("GET", ["api", "products", id]) => found(data::product(id)),
        ("GET", ["api", "orders"]) => json(StatusCode::OK, &data::orders()),
        ("GET", ["api", "orders", id]) => found(data::order(id)),
        ("POST", ["api", "orders"]) => create_order(received),
        ("POST", ["api", "orders", id, "payment"]) => found(data::order(id)),
        ("GET", ["api", "users", id]) => found(data::user(id)),
        ("GET", ["api", "export"]) => export(),
        ("GET", ["admin", "users"]) => json(StatusCode::OK, &data::users()),
        // Where the endpoints of an authorization server would be.
        (_, ["as", "authorize" | "par" | "token"]) => json(StatusCode::OK, &json!({"status": "ok"})),
        ("POST", ["login"]) => login(received),
        ("GET", ["events"]) => events(),
        ("POST", ["grpc.Demo", "Ping"]) => grpc_ping(),
        _ => problem(StatusCode::NOT_FOUND, "no such resource"),
    }
}

/// The request as it arrived. Headers keep their order, but a repeated name stands where it stood first.
fn echo(head: &Parts, received: &Received) -> Response<Frames> {
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let echoed = json!({
        "method": head.method.as_str(),
        "path": path,
        "version": format!("{:?}", head.version),
        "authority": head.uri.authority().map(|authority| authority.as_str()),
        "headers": lossy_pairs(&head.headers),
        "body_length": received.body.len(),
        "trailers": lossy_pairs(&received.trailers),
    });
    json(StatusCode::OK, &echoed)
}

fn create_order(received: &Received) -> Response<Frames> {
    match serde_json::from_slice::<Value>(&received.body) {
        Ok(order) => {
            json(StatusCode::CREATED, &json!({"id": data::NEXT_ORDER, "status": "created", "order": order}))
        }
        Err(error) => problem(StatusCode::BAD_REQUEST, &format!("not JSON: {error}")),
    }
}

fn login(received: &Received) -> Response<Frames> {
    let given: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default();
    match data::session(text("user"), text("password")) {
        Some(session) => json(StatusCode::OK, &session),
        None => problem(StatusCode::UNAUTHORIZED, "wrong user or password"),
    }
}

/// Every order as one line of JSON, each line in a frame of its own.
fn export() -> Response<Frames> {
    let orders = data::orders();
    let lines = orders.as_array().into_iter().flatten().map(|order| Bytes::from(format!("{order}\n")));
    respond(StatusCode::OK, "application/x-ndjson", Frames::pieces(lines))
}

fn events() -> Response<Frames> {
    let event =
        |number| Bytes::from(format!("id: {number}\nevent: order\ndata: {}\n\n", json!({"shipped": number})));
    let events = Frames::pieces((1..=EVENTS).map(event)).paced(EVENT_PAUSE);
    respond(StatusCode::OK, "text/event-stream", events)
}

/// A gRPC answer: one empty message (flag and length, no bytes) and the status in the trailers.
fn grpc_ping() -> Response<Frames> {
    let status = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let message = Frames::pieces([Bytes::from_static(&[0; 5])]).with_trailers(status);
    respond(StatusCode::OK, "application/grpc", message)
}

fn found(value: Option<Value>) -> Response<Frames> {
    match value {
        Some(value) => json(StatusCode::OK, &value),
        None => problem(StatusCode::NOT_FOUND, "no such resource"),
    }
}

fn problem(status: StatusCode, message: &str) -> Response<Frames> {
    json(status, &json!({"error": message}))
}

fn json(status: StatusCode, value: &Value) -> Response<Frames> {
    respond(status, "application/json", Frames::whole(value.to_string()))
}

fn respond(status: StatusCode, content_type: &'static str, body: Frames) -> Response<Frames> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn lossy_pairs(headers: &HeaderMap) -> Vec<(&str, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}
