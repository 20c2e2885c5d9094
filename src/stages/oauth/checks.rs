//! What OAuth 2.1 does not allow: one constant for each public code.

use crate::finding::{Check, Class, Family, Weight};

/// A token where everybody can read it.
pub static QUERY_TOKEN: Check = Check {
    bearer_error: Some("invalid_request"),
    ..oauth(
        "oauth.query_token",
        "token_in_query",
        "The query has a parameter of `oauth.query_token_names`, in whatever spelling (RFC 9700 §4.3.2).",
    )
};

/// A request to an endpoint that two servers would read differently.
pub static REQUEST: Check = oauth(
    "oauth.request",
    "oauth_request_invalid",
    "A request to an OAuth endpoint has not one meaning: a repeated or respelled parameter, two places, no form, another method (RFC 6749 §3.1).",
);

/// A body that nobody has read.
pub static UNREAD: Check = oauth(
    "oauth.unread",
    "oauth_body_unread",
    "The body of a request to an OAuth endpoint is longer than `request.body_read_max`, or came too late.",
);

/// Somebody unknown.
pub static CLIENT: Check = oauth(
    "oauth.client",
    "client_unknown",
    "A request for authorization has no `client_id`, or one that is not among the endpoint's `clients`.",
);

/// A request that hides what it asks for.
pub static REQUEST_OBJECT: Check = oauth(
    "oauth.request_object",
    "request_object_refused",
    "A request object (`request`, `request_uri`) that was not pushed to one of `pushed_routes` (RFC 9101, RFC 9126), or parameters beside one that was.",
);

/// The implicit grant.
pub static RESPONSE_TYPE: Check = oauth(
    "oauth.response_type",
    "response_type_refused",
    "The `response_type` is missing or not among the endpoint's `response_types`: the implicit grant is none (RFC 9700 §2.1.2).",
);

/// A code that whoever sees it can use.
pub static PKCE: Check = oauth(
    "oauth.pkce",
    "pkce_required",
    "A request for authorization without a `code_challenge` of 43 characters by `S256` (RFC 7636, RFC 9700 §2.1.1).",
);

/// A code that is sent to somebody else.
pub static REDIRECT_URI: Check = oauth(
    "oauth.redirect_uri",
    "redirect_uri_refused",
    "The `redirect_uri` is not, character by character, one of the client's (RFC 9700 §2.1); where clients are not configured: not one that is safe.",
);

/// Parameters where logs keep them.
pub static QUERY_PARAMETERS: Check = oauth(
    "oauth.query_parameters",
    "oauth_query_refused",
    "A request to a token endpoint has a query (RFC 6749 §2.3.1, §3.2).",
);

/// A grant that is given up.
pub static GRANT: Check = oauth(
    "oauth.grant",
    "grant_type_refused",
    "The `grant_type` is missing or not among the endpoint's `grant_types`, which never have `password` and `implicit` (RFC 9700 §2.4).",
);

/// A code without proof that it was asked for.
pub static CODE_VERIFIER: Check = oauth(
    "oauth.code_verifier",
    "code_verifier_required",
    "A code is presented without a `code_verifier` of 43 to 128 unreserved characters (RFC 7636 §4.1).",
);

const fn oauth(id: &'static str, code: &'static str, means: &'static str) -> Check {
    let (family, class, weight) = (Family::Token, Class::Invalid, Weight::Refuse);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}
