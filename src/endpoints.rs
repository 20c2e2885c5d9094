//! Requests that the filter answers by itself: exact paths of the configuration, where there is a service of ours.
//!
//! An endpoint's request has a form and a rate like any other ([`crate::stages::shape`], [`crate::stages::limits`]), and what
//! they refuse is refused; a route may name the same path, so that limits apply. What the route demands of its callers does not
//! count here: each endpoint knows itself whom it serves. Its answer is the end of the request, with the verdict `allow` and the
//! endpoint's status, in monitor mode too.
//!
//! An answer has two steps. [`examine`] reads the request and adds what it finds; the engine judges; [`Examined::answer`]
//! then makes the answer, knowing the risk. So nothing is given away before the judgement.
//!
//! An endpoint is a variant of [`Endpoint`], a file beside this one, and an arm in each function here. Bounds: the body is at
//! most `request.body_read_max`. Not covered: preflights of browsers (CORS), which Envoy's `cors` filter answers before this
//! one.

pub mod audit;
mod keys;
mod revocation;
mod token;

use self::audit::Act;
use self::token::{Denied, Grant};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::finding::Findings;
use crate::reply::Reply;
use crate::request::body::Unread;
use crate::request::form::{self, Form};
use crate::request::Request;
use crate::stages::identity::{Caller, Need, Proof, Scene};
use serde_json::json;

/// The media type of errors: RFC 6749 §5.2 has it, and what is no OAuth endpoint does the same.
const JSON: &str = "application/json";

/// One service.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Tokens (RFC 6749 §3.2).
    Token,
    /// The public keys of the tokens that the filter issues (RFC 7517 §5).
    Keys,
    /// The end of tokens (RFC 7009 §2).
    Revocation,
}

/// What has been read of a request's body.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Content {
    /// There is none, or the endpoint wants none.
    #[default]
    None,
    /// All of it.
    Read(Vec<u8>),
    /// It could not be read.
    Unread(Unread),
}

/// A request for an endpoint, with all that an answer may need.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What the identity stage would see.
    pub scene: Scene<'a>,
    /// Random numbers that are new each time.
    pub entropy: &'a dyn Entropy,
    /// The body.
    pub content: &'a Content,
}

/// A request that was read and is to be answered once it was judged.
#[derive(Debug)]
pub enum Examined {
    /// The answer depends on nothing more.
    Answer(Reply),
    /// A token is to be issued.
    Grant(Box<Grant>),
    /// No token is to be issued.
    Denied(Denied),
    /// Something is to be revoked.
    Revoke(Box<revocation::Order>),
    /// There is nothing to revoke.
    Ineffective,
    /// Nothing is to be revoked.
    Unrevoked(revocation::Denied),
}

impl Endpoint {
    /// The endpoint that a request is for, if any. Paths are compared in normal form; a request without one meaning is for
    /// none, and so is one for an endpoint that does not serve its source.
    pub fn of(config: &Config, request: &Request) -> Option<Self> {
        let (minting, revocation) = (config.minting.as_ref(), config.revocation_endpoint());
        if minting.is_none() && revocation.is_none() {
            return None;
        }
        let path = request.path.as_ref().ok().filter(|_| request.has_one_method() && request.host().is_some())?;
        let normal = path.normal.as_str();
        if revocation.is_some_and(|endpoint| endpoint.path == normal && endpoint.serves(*request.source)) {
            return Some(Self::Revocation);
        }
        match minting {
            Some(minting) if minting.token_path == normal => Some(Self::Token),
            Some(minting) if minting.jwks_path == normal => Some(Self::Keys),
            _ => None,
        }
    }

    /// Whether the body must be there before it can answer.
    pub fn wants_body(self, request: &Request) -> bool {
        self.methods() == ["POST"] && request.method() == "POST"
    }

    /// The methods that it knows.
    const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Token | Self::Revocation => &["POST"],
            Self::Keys => &["GET", "HEAD"],
        }
    }
}

/// Reads a request for an endpoint.
///
/// # Errors
/// What must be there first, if the request may wait. What was found until then is to be thrown away.
pub fn examine(endpoint: Endpoint, asked: &Asked<'_>, findings: &mut Findings) -> Result<Examined, Need> {
    if let Some(refused) = refuse_unfit(endpoint, asked.scene.request, asked.content) {
        return Ok(Examined::Answer(refused));
    }
    let body = match asked.content {
        Content::Read(body) => body.as_slice(),
        Content::None | Content::Unread(_) => &[],
    };
    let config = asked.scene.config;
    match (endpoint, &config.minting, config.revocation_endpoint()) {
        (Endpoint::Token, Some(minting), _) => {
            let examined = token::examine(asked, minting, body, findings)?;
            Ok(examined.map_or_else(Examined::Denied, |grant| Examined::Grant(Box::new(grant))))
        }
        (Endpoint::Revocation, _, Some(endpoint)) => {
            Ok(match revocation::examine(asked, endpoint, body, findings)? {
                Ok(Some(order)) => Examined::Revoke(Box::new(order)),
                Ok(None) => Examined::Ineffective,
                Err(denied) => Examined::Unrevoked(denied),
            })
        }
        _ => Ok(Examined::Answer(keys::answer(&asked.scene))),
    }
}

impl Examined {
    /// Who has proved to be the caller, and how that was found.
    pub fn caller(&self) -> Option<(Caller, Proof)> {
        match self {
            Self::Grant(grant) => Some(grant.caller()),
            _ => None,
        }
    }

    /// Answers. `risk` is what was found about the request, 0 to 1.
    pub fn answer(self, asked: &Asked<'_>, risk: f64) -> (Reply, Option<Act>) {
        let config = asked.scene.config;
        let (reply, act) = match (self, &config.minting, config.revocation_endpoint()) {
            (Self::Grant(grant), Some(minting), _) => token::exchange(&grant, asked, minting, risk),
            (Self::Denied(denied), ..) => denied.answer(),
            (Self::Revoke(order), _, Some(endpoint)) => revocation::carry_out(*order, asked, endpoint),
            (Self::Ineffective, ..) => revocation::ineffective(),
            (Self::Unrevoked(denied), ..) => denied.answer(),
            (Self::Answer(reply), ..) => return (reply, None),
            (Self::Grant(_) | Self::Revoke(_), ..) => {
                return (error(503, "temporarily_unavailable", "this is not configured"), None)
            }
        };
        (reply, Some(act))
    }
}

/// Answers in place of a service that grants a token. `values` are those of its field, `risk` is what was found about the
/// request, 0 to 1. Also says whom the token is for.
pub fn grant(asked: &Asked<'_>, values: &[Vec<u8>], request_id: &str, risk: f64) -> (Reply, Act, Caller) {
    token::login::answer(asked, values, request_id, risk)
}

/// What no endpoint can do anything with: another method (RFC 9110 §15.5.6), a body that is not there.
fn refuse_unfit(endpoint: Endpoint, request: &Request, content: &Content) -> Option<Reply> {
    let methods = endpoint.methods();
    if !methods.contains(&request.method()) {
        let mut reply = error(405, "invalid_request", "this method is not for this endpoint");
        reply.headers.push(("allow", methods.join(", ")));
        return Some(reply);
    }
    let Content::Unread(why) = content else { return None };
    Some(match why {
        Unread::TooLong => error(413, "invalid_request", "the body is too large"),
        Unread::Late => error(408, "invalid_request", "the body did not arrive in time"),
        Unread::NotJson | Unread::Unavailable => {
            error(503, "temporarily_unavailable", "the body could not be read")
        }
    })
}

/// The form in a request's body.
///
/// # Errors
/// The status and what to say where there is none that has one meaning.
fn read_form(request: &Request, body: &[u8]) -> Result<Form, (u16, &'static str)> {
    form::in_body(request, body).map_err(|fault| match fault {
        form::Fault::Kind => (415, fault.reason()),
        _ => (400, fault.reason()),
    })
}

/// An error as OAuth endpoints tell it (RFC 6749 §5.2). Both texts are ours: nothing that a client wrote is repeated.
fn error(status: u16, error: &'static str, description: &'static str) -> Reply {
    let body = json!({ "error": error, "error_description": description }).to_string();
    Reply::served(status, JSON, "no-store", body)
}

#[cfg(test)]
mod tests;
