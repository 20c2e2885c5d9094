//! Good and hostile requests, round by round: every part of the dashboard has something to show.
//!
//! Each request says which answers are right; one that gets another fails the run. Where a limit may have been reached, two
//! answers are right. Bound: [`ROUNDS`] rounds of a second or so, so that rates have several scrapes to be made from.

use crate::{eventually, GATEWAY, ISSUER};
use anyhow::{ensure, Context, Result};
use portcullis_lab::client::{raw, Client, Request};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const ROUNDS: u32 = 25;
const PAUSE: Duration = Duration::from_secs(1);

/// Of `identity.revocation.endpoint` in the harness's configuration, which has its hash.
const REVOCATION_SECRET: &str = "harness-revocation-secret";

/// Tokens of one round.
struct Tokens {
    customer: String,
    admin: String,
    forged: String,
    leaver: String,
}

/// Sends it all and counts the answers.
pub(crate) fn send() -> Result<()> {
    let gateway = Client::http1(GATEWAY);
    let issuer = Client::http1(ISSUER);
    eventually(|| ready(&gateway)).context("Envoy does not answer as it should")?;
    let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
    for round in 0..ROUNDS {
        let tokens = tokens(&issuer, round)?;
        for (what, request, right) in requests(round, &tokens) {
            let status = gateway.send(request)?.status;
            ensure!(right.contains(&status), "round {round}: {what} got {status}, expected one of {right:?}");
            *answers.entry(status).or_default() += 1;
        }
        // What no client library sends.
        let smuggled =
            raw(GATEWAY, "GET /api/products/..%2f..%2fadmin HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        ensure!(smuggled.status == 400, "an ambiguous path got {}", smuggled.status);
        *answers.entry(smuggled.status).or_default() += 1;
        std::thread::sleep(PAUSE);
    }
    println!("{} requests: {answers:?}", answers.values().sum::<u32>());
    Ok(())
}

fn ready(gateway: &Client) -> Result<()> {
    let status = gateway.send(Request::get("/healthz"))?.status;
    ensure!(status == 200, "/healthz got {status}");
    Ok(())
}

fn tokens(issuer: &Client, round: u32) -> Result<Tokens> {
    let token = |subject: &str, scope: &str| -> Result<String> {
        let form = format!("sub={subject}&scope={scope}");
        let granted = eventually(|| issuer.send(Request::post("/token").body(form.clone())))?.json()?;
        granted["access_token"].as_str().map(str::to_owned).context("the issuer grants no token")
    };
    let customer = token(&format!("customer-{}", round % 3), "orders:read+orders:write")?;
    let forged = format!("{}AAAA", customer.get(..customer.len() - 4).unwrap_or_default());
    Ok(Tokens { customer, admin: token("root", "admin")?, forged, leaver: token("leaver", "orders:read")? })
}

/// What is sent, and the statuses that are right. Envoy takes the word of the proxy before it, which this is, on where a
/// request comes from: so that what attackers do is not held against customers.
fn requests(round: u32, tokens: &Tokens) -> Vec<(&'static str, Request, &'static [u16])> {
    let order = json!({"product": "p-3", "quantity": 1, "coupon": format!("SPRING-{round}")});
    let login = json!({"user": format!("user-{round}"), "password": "guess"});
    let customer = |request: Request| request.header("x-forwarded-for", format!("198.51.100.{}", round % 3));
    let attacker = |number: u8, request: Request| request.header("x-forwarded-for", format!("203.0.113.{number}"));
    let order_of = |id: &str| Request::get(&format!("/api/orders/{id}"));
    let injected = Request::get("/api/products?q=1%27%20UNION%20SELECT%20password%20FROM%20users--");
    vec![
        ("a product list", customer(Request::get("/api/products")), &[200]),
        ("a product", customer(Request::get("/api/products/p-1")), &[200]),
        ("an order", customer(order_of("o-1001").bearer(&tokens.customer)), &[200]),
        ("another order", customer(order_of("o-1002").bearer(&tokens.customer)), &[200]),
        ("a list of users for an admin", customer(Request::get("/admin/users").bearer(&tokens.admin)), &[200]),
        ("a user, on a route that is only watched", customer(Request::get("/api/users/ada")), &[200]),
        ("a revocation", revocation(&tokens.leaver).header("x-forwarded-for", "10.0.0.9"), &[200]),
        (
            "an order with one coupon more",
            attacker(1, Request::post("/api/orders").bearer(&tokens.customer).json(&order)),
            &[201, 403],
        ),
        ("an order without a token", attacker(2, order_of("o-1001")), &[401]),
        ("an order with a forged token", attacker(3, order_of("o-1001").bearer(&tokens.forged)), &[401, 429]),
        (
            "a list of users for a customer",
            attacker(4, Request::get("/admin/users").bearer(&tokens.customer)),
            &[403, 401],
        ),
        ("SQL in a query", attacker(5, injected), &[403, 429]),
        ("a guessed password", attacker(6, Request::post("/login").json(&login)), &[401, 403]),
        (
            "a page that is not there",
            attacker(7, Request::get(&format!("/api/products/x-{round}"))),
            &[404, 401, 403],
        ),
        ("one list more", attacker(8, Request::get("/api/products")), &[200, 401, 429]),
        ("and another", attacker(8, Request::get("/api/products")), &[200, 401, 429]),
    ]
}

fn revocation(token: &str) -> Request {
    Request::post("/internal/revoke")
        .header("authorization", format!("Bearer {REVOCATION_SECRET}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={token}"))
}
