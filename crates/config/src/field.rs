//! A place in the request or the token that a rule names: `claim:plan`, `header:x-client`, `body:order.account`.

use crate::{ConfigError, Path};

/// Names in the path of a body field at most.
const BODY_PATH_MAX: usize = 16;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A claim of a verified token.
    Claim(String),
    /// A header field, lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A parameter of the query.
    Query(String),
    /// A value in a JSON body: names of members and, for arrays, numbers.
    Body(Vec<String>),
    /// The name of the GraphQL operation. Clients choose it.
    GraphqlOperation,
}

impl Field {
    /// The forms that can be written.
    pub const FORMS: [&'static str; 6] =
        ["claim:…", "header:…", "cookie:…", "query:…", "body:…", "graphql_operation"];

    /// Reads one of [`Field::FORMS`].
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some((_, "")) => None,
            Some(("claim", name)) => Some(Self::Claim(name.to_owned())),
            Some(("header", name)) => Some(Self::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) => Some(Self::Cookie(name.to_owned())),
            Some(("query", name)) => Some(Self::Query(name.to_owned())),
            Some(("body", path)) => Self::body(path),
            Some(_) => None,
            None => (text == "graphql_operation").then_some(Self::GraphqlOperation),
        }
    }

    /// A value in a JSON body by its dotted path: `order.items.0.sku`.
    pub fn body(path: &str) -> Option<Self> {
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        (names.len() <= BODY_PATH_MAX && names.iter().all(|name| !name.is_empty())).then_some(Self::Body(names))
    }

    /// The fault of a text that is none of the forms.
    pub(super) fn unknown(path: &Path<'_>, text: &str) -> ConfigError {
        ConfigError::unknown(path, "field", text, &Self::FORMS)
    }

    /// Whether it can be known only once the body is there.
    pub const fn needs_body(&self) -> bool {
        matches!(self, Self::Body(_) | Self::GraphqlOperation)
    }
}
