//! Tokens that cost more than to be remembered: those of which each request brings another proof, those that count once, those
//! whose issuer was asked, and those that are looked up in a list.
//!
//! The rules and claims are those of the other contenders, with one difference each. Proofs and one-time tokens are made by the
//! sender for each request. Not covered: the question to an issuer, which is remembered after the first request of each client.

use crate::contenders::{get, same, Contender, Sent};
use crate::traffic::{self, Token, CLIENTS, TARGET};
use anyhow::Result;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::service::{Answer, Service};
use portcullis_lab::tokens::{now, Algorithm, Issuer, Spec};
use serde_json::{json, Map, Value};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the clients believe to be.
const ORIGIN: &str = "https://shop.example";

/// Entries of the list of revocations.
const REVOKED: usize = 1000;

pub(crate) fn all(answering: &dyn Fn() -> Result<Bootstrap>) -> [Result<Contender>; 4] {
    [bound(answering), one_time(answering), asked(answering), listed(answering)]
}

fn bound(answering: &dyn Fn() -> Result<Bootstrap>) -> Result<Contender> {
    let mut rules = rules();
    rules["identity"]["holder"] = json!({"dpop": {"origins": [ORIGIN], "past": "10m"}});
    rules["identity"]["replay"] = json!({"budget": "32MiB"});
    Ok(Contender::sending(
        "portcullis DPoP",
        "ES256, the token remembered, with a new proof (ES256) for each request",
        answering()?.filter_config(&rules.to_string()),
        (0..CLIENTS).map(proving).collect(),
    ))
}

fn proving(client: usize) -> Sent {
    let issuer = Issuer::demo();
    let mut claims = traffic::claims(&issuer, Token::Good, client);
    claims.insert("cnf".into(), json!({"jkt": issuer.thumbprint(Algorithm::ES256)}));
    let token = issuer.mint(&Spec::new(Algorithm::ES256, claims));
    let ath = URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(token.as_bytes()));
    let htu = format!("{ORIGIN}{}", TARGET.split('?').next().unwrap_or_default());
    let mut fields = traffic::fields(&token, client);
    for (name, value) in &mut fields {
        if *name == "authorization" {
            *value = format!("DPoP {token}");
        }
    }
    Box::new(move || {
        let claims = json!({"jti": fresh(), "htm": "GET", "htu": htu, "iat": now(), "ath": ath});
        let proof = ("dpop", issuer.proof(Algorithm::ES256, Map::new(), &claims));
        get(&fields.iter().cloned().chain([proof]).collect::<Vec<_>>())
    })
}

fn one_time(answering: &dyn Fn() -> Result<Bootstrap>) -> Result<Contender> {
    let mut rules = rules();
    rules["identity"]["requirements"][0]["one_time"] = json!(true);
    rules["identity"]["replay"] = json!({"budget": "32MiB"});
    let request = |client| -> Sent {
        let issuer = Issuer::demo();
        let claims = traffic::claims(&issuer, Token::Good, client);
        Box::new(move || {
            let mut claims = claims.clone();
            claims.insert("jti".into(), json!(fresh()));
            get(&traffic::fields(&issuer.mint(&Spec::new(Algorithm::ES256, claims)), client))
        })
    };
    Ok(Contender::sending(
        "portcullis, one-time",
        "ES256, each token new to the worker, verified and recorded",
        answering()?.filter_config(&rules.to_string()),
        (0..CLIENTS).map(request).collect(),
    ))
}

fn asked(answering: &dyn Fn() -> Result<Bootstrap>) -> Result<Contender> {
    let service = Service::start(|call| {
        let named = |client: &usize| call.body.contains(&opaque(*client));
        let Some(client) = (0..CLIENTS).find(named) else { return Answer::body("{\"active\": false}") };
        let mut claims = traffic::claims(&Issuer::demo(), Token::Good, client);
        claims.insert("active".into(), json!(true));
        Answer::body(Value::Object(claims).to_string())
    })?;
    let mut rules = rules();
    rules["identity"]["introspection"] = json!({
        "cluster": "id", "uri": "http://id.example/introspect", "issuer": Issuer::demo().url(), "cache_max": "1h",
    });
    let request = |client| same(get(&traffic::fields(&opaque(client), client)));
    let contender = Contender::sending(
        "portcullis, asked",
        "an opaque token, what its issuer said of it remembered",
        answering()?.filter_config(&rules.to_string()).cluster("id", service.address()),
        (0..CLIENTS).map(request).collect(),
    );
    Ok(Contender { _service: Some(service), ..contender })
}

fn listed(answering: &dyn Fn() -> Result<Bootstrap>) -> Result<Contender> {
    let issuer = Issuer::demo();
    let entry = |number: usize| json!({"issuer": Issuer::demo().url(), "jti": format!("revoked-{number}")});
    let list = json!({"revocations": (0..REVOKED).map(entry).collect::<Vec<_>>()}).to_string();
    let service = Service::start(move |_| Answer::body(list.clone()))?;
    let mut rules = rules();
    rules["identity"]["revocation"] = json!({"list": {"cluster": "id", "uri": "http://id.example/revocations"}});
    let request = |client| {
        let token = traffic::token(&issuer, Algorithm::ES256, Token::Good, client);
        same(get(&traffic::fields(&token, client)))
    };
    let contender = Contender::sending(
        "portcullis, revocations",
        "ES256, the token remembered, and a list of 1000 revocations",
        answering()?.filter_config(&rules.to_string()).cluster("id", service.address()),
        (0..CLIENTS).map(request).collect(),
    );
    Ok(Contender { _service: Some(service), ..contender })
}

fn rules() -> Value {
    serde_json::from_str(&traffic::rules(&Issuer::demo(), Some(Algorithm::ES256))).unwrap_or_default()
}

fn opaque(client: usize) -> String {
    format!("opaque2d1f6c0ab94e4d7f8b35{client}")
}

/// A name that no other request has.
fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("bench-{:016}", NEXT.fetch_add(1, Ordering::Relaxed))
}
