//! `--keep`: one Envoy left running, with commands to try and its verdicts as they come.
//!
//! It runs the configuration of the example `least-privilege`; the tokens are good for an hour, the most that
//! configuration accepts. Bound: until Ctrl-C (or a termination signal); then Envoy and its files are gone.

use crate::{BOLD, DIM};
use anstream::println;
use anyhow::{Context, Result};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::scenario::Example;
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use portcullis_lab::upstream::Upstream;
use portcullis_lab::workspace;
use serde_json::{json, Value};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::signal::unix::{signal, SignalKind};

const EXAMPLE: &str = "least-privilege";
const TOKEN_LIFE_S: u64 = 3600;
const LOG_POLL: Duration = Duration::from_millis(200);

/// Runs until somebody ends it.
pub(crate) fn keep(upstream: &Upstream) -> Result<()> {
    let example = Example::load(&workspace().join("examples").join(EXAMPLE))?;
    let envoy = Envoy::start(&example.bootstrap(upstream.address())?)?;
    println!("\n{BOLD}Envoy stays{BOLD:#} at http://{} with the rules of examples/{EXAMPLE}.\n", envoy.address());
    introduce(envoy.address(), envoy.admin());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(until_ended(&envoy))?;
    println!("\nEnvoy and the service have ended.");
    Ok(())
}

fn introduce(envoy: SocketAddr, admin: SocketAddr) {
    let issuer = Issuer::demo();
    let customer = token(&issuer, "ada", &[]);
    let admin_claims = [("scope", json!("admin")), ("role", json!("admin")), ("amr", json!(["pwd", "mfa"]))];
    println!("{DIM}# Two tokens, good for an hour: paste them into your shell.{DIM:#}");
    println!("ADA={customer}\nGRACE={}\n", token(&issuer, "root", &admin_claims));
    let order = r#"-d '{"product":"p-3","quantity":1}'"#;
    for (says, command) in [
        ("Products are for everybody, orders are not.", format!("curl -i http://{envoy}/api/products")),
        ("", format!("curl -i http://{envoy}/api/orders/o-1001")),
        (
            "A customer reads and writes orders.",
            format!("curl -i -H \"authorization: Bearer $ADA\" http://{envoy}/api/orders/o-1001"),
        ),
        ("", format!("curl -i -H \"authorization: Bearer $ADA\" {order} http://{envoy}/api/orders")),
        (
            "The admin pages want the scope, the role and a second factor.",
            format!("curl -i -H \"authorization: Bearer $ADA\" http://{envoy}/admin/users"),
        ),
        ("", format!("curl -i -H \"authorization: Bearer $GRACE\" http://{envoy}/admin/users")),
        ("One letter more, and the signature is wrong.", {
            format!("curl -i -H \"authorization: Bearer ${{ADA}}A\" http://{envoy}/api/orders/o-1001")
        }),
        (
            "Another spelling of the same page.",
            format!("curl -i --path-as-is http://{envoy}/api/../admin%2Fusers"),
        ),
        ("What Envoy counted.", format!("curl -s http://{admin}/stats/prometheus | grep 'portcullis_.* [1-9]'")),
    ] {
        if !says.is_empty() {
            println!("{DIM}# {says}{DIM:#}");
        }
        println!("{command}");
    }
    println!("\nThe filter's verdicts appear below. Ctrl-C ends it all.\n");
}

fn token(issuer: &Issuer, subject: &str, more: &[(&str, Value)]) -> String {
    let mut claims = issuer.claims(subject);
    let issued = claims.get("iat").and_then(Value::as_u64).unwrap_or_default();
    claims.insert("exp".into(), json!(issued + TOKEN_LIFE_S));
    claims.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    issuer.mint(&Spec::new(Algorithm::ES256, claims))
}

/// Prints each line of the access log once, until a signal comes.
async fn until_ended(envoy: &Envoy) -> Result<()> {
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let terminated = signal(SignalKind::terminate()).context("cannot wait for a signal")?;
    let ended = tokio::spawn(async move {
        let mut terminated = terminated;
        terminated.recv().await
    });
    let mut printed = 0;
    while tokio::time::timeout(LOG_POLL, interrupted.recv()).await.is_err() && !ended.is_finished() {
        let log = envoy.access_log();
        log.iter().skip(printed).for_each(report);
        printed = log.len();
    }
    Ok(())
}

fn report(line: &Value) {
    let text = |key: &str| line[key].as_str().unwrap_or("-");
    println!(
        "{} {} → {} {BOLD}{}{BOLD:#}",
        text("method"),
        text("path"),
        line["response_code"],
        text("portcullis_verdict")
    );
    println!("{DIM}{}{DIM:#}", text("portcullis_receipt"));
}
