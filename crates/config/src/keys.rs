//! What things are counted under: parts of the request and the token, and expressions over them.

use super::field::Field;
use super::rules::compiled_plain;
use super::rules::schema::IN_BODY;
use super::{each, raw, ConfigError, Path};
use portcullis_base::expression::{Expression, Kinds};
use std::fmt;
use std::sync::Arc;

/// Parts of a key at most.
const KEY_PARTS_MAX: usize = 8;

/// What stands before an expression.
const EXPRESSION: &str = "expr:";

/// A part of what is counted together. One that a request does not have is replaced by the source address, so that
/// nobody escapes a limit by leaving something out, and nobody shares a count with all the others who did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    /// The source address.
    Source,
    /// The issuer and subject of a verified token.
    Subject,
    /// The client of a verified token: `client_id`, or else `azp` (RFC 9068 §2.2).
    Client,
    /// The first of these that there is: what a verified token says of the device or session, or what the client says.
    Any(Vec<Field>),
    /// A value of the request or the token.
    Field(Field),
    /// The value of an expression.
    Computed(Computed),
    /// The route.
    Route,
    /// The method.
    Method,
}

/// An expression that gives a part of a key. What has no value is as good as absent.
#[derive(Clone)]
pub struct Computed {
    text: String,
    /// The expression.
    pub expression: Arc<Expression>,
}

impl PartialEq for Computed {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Computed {}

impl fmt::Debug for Computed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl KeyPart {
    /// Whether it can be known only once the body is there.
    pub(super) fn needs_body(&self) -> bool {
        match self {
            Self::Field(field) => field.needs_body(),
            Self::Computed(own) => IN_BODY.iter().any(|name| own.expression.needs(*name)),
            _ => false,
        }
    }
}

/// Where a part is written: what names of an actor stand for, and the routes whose paths have the parameters that an expression may speak of.
#[derive(Debug, Copy, Clone)]
pub(super) struct Context<'a> {
    pub(super) bindings: &'a raw::Bindings,
    pub(super) on: &'a [String],
    pub(super) routes: &'a [raw::Route],
}

/// What a limit counts under.
pub(super) fn key(written: &[String], path: &Path<'_>, context: Context<'_>) -> Result<Vec<KeyPart>, ConfigError> {
    if written.is_empty() || written.len() > KEY_PARTS_MAX {
        let fault = format!("has {} parts, expected 1 to {KEY_PARTS_MAX}", written.len());
        return Err(ConfigError::new(path, fault));
    }
    each(written, path, |text, path| {
        part(text, path, context)?.ok_or_else(|| ConfigError::unknown(path, "key part", text, &PARTS))
    })
}

/// A part of a key, `None` for what is none.
pub(super) fn part(text: &str, path: &Path<'_>, context: Context<'_>) -> Result<Option<KeyPart>, ConfigError> {
    let Some(source) = text.strip_prefix(EXPRESSION) else { return Ok(key_part(text, context.bindings)) };
    // Blanks in place of the prefix: a fault is told with its column in what is written.
    let padded = format!("{}{source}", " ".repeat(EXPRESSION.len()));
    let expression = compiled_plain(Kinds::ANY, &padded, path, context.on, context.routes)?;
    Ok(Some(KeyPart::Computed(Computed { text: source.to_owned(), expression: Arc::new(expression) })))
}

const PARTS: [&str; 15] = [
    "source",
    "subject",
    "client",
    "device",
    "session",
    "api_key",
    "route",
    "method",
    "claim:…",
    "header:…",
    "cookie:…",
    "query:…",
    "body:…",
    "graphql_operation",
    "expr:…",
];

pub(super) fn key_part(text: &str, bindings: &raw::Bindings) -> Option<KeyPart> {
    let raw::Bindings { device_id, session_id, .. } = bindings;
    Some(match text {
        "source" => KeyPart::Source,
        "subject" => KeyPart::Subject,
        "client" => KeyPart::Client,
        "device" => KeyPart::Any(vec![
            Field::Claim(device_id.claim.clone()),
            Field::Header(device_id.header.to_ascii_lowercase()),
        ]),
        "session" => KeyPart::Any(vec![
            Field::Claim(session_id.claim.clone()),
            Field::Cookie(session_id.cookie.clone()),
            Field::Header(session_id.header.to_ascii_lowercase()),
        ]),
        "api_key" => KeyPart::Field(Field::Header("x-api-key".to_owned())),
        "route" => KeyPart::Route,
        "method" => KeyPart::Method,
        other => KeyPart::Field(Field::parse(other)?),
    })
}
