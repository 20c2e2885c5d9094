//! A service that has logged somebody in says for whom a token is to be issued, in a field of its answer.
//!
//! The field is base64url of a JSON object with claims: `sub`, and where wanted `scope`, `aud` (among those allowed), `exp`
//! (the token does not outlive it), `client_id`, `sid`, `amr`, `acr`, `auth_time`, `cnf` and those of `minting.claims`. The service
//! is believed: who can write its answers can have any token. What cannot be read in one way is no grant, and its client gets no
//! token and no answer of the service either, since that may say that all went well.
//! Bounds: [`GRANT_BYTES_MAX`], [`GRANT_BOUNDS`].

use super::{issue, Basis, ACCESS_TOKEN};
use crate::config::Minting;
use crate::endpoints::audit::Act;
use crate::endpoints::Asked;
use crate::jose::Claims;
use crate::json::{self, Bounds};
use crate::reply::Reply;
use crate::stages::identity::{Caller, Verified};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::Value;
use std::rc::Rc;

/// Longest grant, in bytes as it is sent.
const GRANT_BYTES_MAX: usize = 8192;

/// What it may contain.
const GRANT_BOUNDS: Bounds = Bounds { depth: 8, values: 256 };

/// The public code of a grant that cannot be read.
const MALFORMED: &str = "grant_malformed";

pub(in crate::endpoints) fn answer(
    asked: &Asked<'_>,
    values: &[Vec<u8>],
    request_id: &str,
    risk: f64,
) -> (Reply, Act, Caller) {
    let read = asked.scene.config.minting.as_ref().and_then(|minting| {
        let claims = read(values)?;
        let audiences = audiences(minting, &claims)?;
        Some((minting, claims, audiences))
    });
    let Some((minting, claims, audiences)) = read else {
        let reply = Reply::problem(502, "Bad Gateway", MALFORMED, request_id);
        return (reply, Act::Refused { error: MALFORMED }, Caller::Anonymous);
    };
    let scopes: Vec<String> = claims.scopes().into_iter().map(str::to_owned).collect();
    let basis = Basis {
        claims: &claims,
        is_own: true,
        scopes: &scopes,
        audiences: &audiences,
        issued_type: ACCESS_TOKEN,
        confirmation: claims.get("cnf"),
    };
    let (reply, issue) = issue(&basis, asked, minting, risk);
    // In the log the holder is called what he will be called when he comes with the token.
    let caller = Caller::Verified(Rc::new(Verified::new(usize::MAX, minting.issuer.clone(), claims)));
    (reply, issue, caller)
}

/// The claims of the only value.
fn read(values: &[Vec<u8>]) -> Option<Claims> {
    let [value] = values else { return None };
    let value = value.trim_ascii();
    let bytes = URL_SAFE_NO_PAD.decode(value).ok().filter(|_| value.len() <= GRANT_BYTES_MAX)?;
    let Ok(Value::Object(object)) = json::parse(&bytes, GRANT_BOUNDS) else { return None };
    let claims = Claims::new(object);
    let names_subject = claims.text("sub").is_some_and(|subject| !subject.is_empty());
    let has_dates = ["exp", "auth_time"].iter().all(|name| claims.date(name).is_ok());
    let has_texts = ["client_id", "sid", "acr"].iter().all(|name| claims.get(name).is_none_or(Value::is_string));
    let has_key = claims.get("cnf").is_none_or(Value::is_object);
    (names_subject && has_dates && has_texts && has_key).then_some(claims)
}

/// For whom: what the grant says, or the only audience there is.
fn audiences(minting: &Minting, claims: &Claims) -> Option<Vec<String>> {
    let wanted = claims.audiences().ok()?;
    let is_allowed = |name: &&str| minting.audiences.iter().any(|allowed| allowed == name);
    match (wanted.as_slice(), minting.audiences.as_slice()) {
        ([], [only]) => Some(vec![only.clone()]),
        ([], _) => None,
        (wanted, _) if wanted.iter().all(is_allowed) => {
            Some(wanted.iter().map(|name| (*name).to_owned()).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
