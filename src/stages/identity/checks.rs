//! What can be wrong with a token or a key: one constant for each public code.

use crate::finding::{Check, Class, Family, Weight};

/// No token where one is required.
pub static TOKEN_MISSING: Check =
    token("token.missing", "token_missing", None, "The route requires a token and the request has none.");

/// More than one token.
pub static TOKEN_AMBIGUOUS: Check = Check {
    class: Class::Invalid,
    ..token(
        "token.ambiguous",
        "token_ambiguous",
        Some("invalid_request"),
        "The request has more than one token or key (RFC 6750 §2).",
    )
};

/// A token over its limit.
pub static TOKEN_TOO_LARGE: Check =
    token("token.too_large", "token_too_large", INVALID, "The token is longer than `identity.token_bytes_max`.");

/// A token that cannot be read in exactly one way.
pub static TOKEN_MALFORMED: Check = token(
    "token.malformed",
    "token_malformed",
    INVALID,
    "The token is not three base64url parts of strict JSON: duplicate claims, wrong types and deep nesting included.",
);

/// A token made for something else.
pub static TOKEN_TYPE: Check = token(
    "token.type",
    "token_type",
    INVALID,
    "The `typ` of the token is not among the issuer's `types` (RFC 8725 §3.11).",
);

/// `none`, unknown, or not for this key.
pub static TOKEN_ALGORITHM: Check = token(
    "token.algorithm",
    "token_algorithm",
    INVALID,
    "The algorithm is `none`, unknown, not allowed, or not one that the named key may be used with (RFC 8725 §3.1).",
);

/// Extensions that must be understood.
pub static TOKEN_CRITICAL: Check = token(
    "token.critical",
    "token_critical",
    INVALID,
    "The token demands an extension (`crit`, RFC 7515 §4.1.11).",
);

/// An issuer that is not configured.
pub static TOKEN_ISSUER: Check =
    token("token.issuer", "token_issuer", INVALID, "The issuer is missing or not configured.");

/// A token for somebody else.
pub static TOKEN_AUDIENCE: Check =
    token("token.audience", "token_audience", INVALID, "The token is meant for another audience, or for none.");

/// A claim that must be there.
pub static TOKEN_CLAIM_MISSING: Check = token(
    "token.claim_missing",
    "token_claim_missing",
    INVALID,
    "The token lacks `exp`, or a claim of `required_claims` or of its issuer's `profile`.",
);

/// Too late.
pub static TOKEN_EXPIRED: Check = token("token.expired", "token_expired", INVALID, "The token has expired.");

/// Too early.
pub static TOKEN_NOT_YET_VALID: Check =
    token("token.not_yet_valid", "token_not_yet_valid", INVALID, "The token's `nbf` or `iat` lies in the future.");

/// A token that lives longer than allowed.
pub static TOKEN_LIFETIME: Check =
    token("token.lifetime", "token_lifetime", INVALID, "The token lives longer than the issuer's `lifetime_max`.");

/// A key that the issuer does not have.
pub static TOKEN_KEY_UNKNOWN: Check = token(
    "token.key_unknown",
    "token_key_unknown",
    INVALID,
    "The issuer has no key of that `kid`, or several could be meant.",
);

/// No keys to verify with.
pub static TOKEN_KEYS_UNAVAILABLE: Check = Check {
    family: Family::Failure,
    class: Class::Unavailable,
    tunable: false,
    ..token(
        "token.keys_unavailable",
        "token_keys_unavailable",
        None,
        "The issuer's keys could not be fetched in time, or are older than `max_age`; the failure policy decided.",
    )
};

/// A signature that is not the key's.
pub static TOKEN_SIGNATURE: Check =
    token("token.signature", "token_signature", INVALID, "The signature does not verify: altered or forged.");

/// An opaque token that is worth nothing.
pub static TOKEN_INACTIVE: Check = token(
    "token.inactive",
    "token_inactive",
    INVALID,
    "The issuer says that the opaque token is not active, or says things of it that contradict that.",
);

/// Nobody to say what an opaque token is worth.
pub static TOKEN_INTROSPECTION_UNAVAILABLE: Check = Check {
    family: Family::Failure,
    class: Class::Unavailable,
    tunable: false,
    ..token(
        "token.introspection_unavailable",
        "token_introspection_unavailable",
        None,
        "The issuer did not say in time what the opaque token is worth; the failure policy decided.",
    )
};

/// A key that nobody has.
pub static KEY_UNKNOWN: Check =
    token("api_key.unknown", "api_key_unknown", None, "The key is none of `identity.api_keys`.");

/// A key out of its time.
pub static KEY_EXPIRED: Check = token(
    "api_key.expired",
    "api_key_expired",
    None,
    "The key is before its `not_before`, or at or after its `expires`.",
);

/// Too many worthless tokens.
pub static TOKEN_FAILURES: Check = Check {
    class: Class::RateLimited,
    ..token(
        "token.failures",
        "too_many_failed_tokens",
        None,
        "Too many tokens or keys of this source have failed: until some time has passed no other token is checked that is not remembered, and no other key is taken that is not good.",
    )
};

/// A token that is not bound.
pub static TOKEN_UNBOUND: Check = Check {
    tunable: false,
    ..token(
        "token.holder.unbound",
        "token_unbound",
        INVALID,
        "The route demands a token that is bound to its holder, or the token came as a bound one and is not.",
    )
};

/// A token that is bound to what we cannot check.
pub static TOKEN_UNKNOWN_BINDING: Check = Check {
    tunable: false,
    ..token(
        "token.holder.unknown",
        "token_binding_unknown",
        INVALID,
        "The token is bound to something that is not checked here (`cnf`, RFC 7800); unbound it is not accepted.",
    )
};

/// Somebody else's certificate.
pub static TOKEN_CERTIFICATE: Check = Check {
    tunable: false,
    ..token(
        "token.holder.certificate",
        "token_certificate",
        INVALID,
        "The token is bound to another client certificate than the client's (RFC 8705), or there is none.",
    )
};

/// No proof that the client has the token's key.
pub static TOKEN_PROOF: Check = Check {
    tunable: false,
    ..token(
        "token.holder.proof",
        "dpop_proof_invalid",
        INVALID_PROOF,
        "The token is bound to a key, and there is no valid proof for this request that the client has it (DPoP, RFC 9449).",
    )
};

/// A proof that may have been made at any time.
pub static TOKEN_NONCE: Check = Check {
    tunable: false,
    ..token(
        "token.holder.nonce",
        "dpop_nonce_required",
        Some("use_dpop_nonce"),
        "The proof of possession has no nonce of ours that still counts; the answer's `DPoP-Nonce` is one (RFC 9449 §9).",
    )
};

/// A proof that was used before.
pub static TOKEN_PROOF_REPLAYED: Check = Check {
    tunable: false,
    ..token(
        "token.holder.proof_replayed",
        "dpop_proof_replayed",
        INVALID_PROOF,
        "The proof of possession was used before.",
    )
};

/// A one-time token that was used before.
pub static TOKEN_REPLAYED: Check = token(
    "token.replayed",
    "token_replayed",
    INVALID,
    "The route takes a token once, and this one was used before.",
);

/// Nobody can say whether it was.
pub static TOKEN_REPLAY_UNKNOWN: Check = Check {
    family: Family::Failure,
    class: Class::Unavailable,
    tunable: false,
    ..token(
        "token.replay_unknown",
        "token_replay_unknown",
        None,
        "The use of a one-time token or proof could not be recorded, since its memory is full or too many workers changed it at once; the failure policy decided.",
    )
};

/// A token that no longer counts.
pub static TOKEN_REVOKED: Check = Check {
    tunable: false,
    ..token(
        "token.revoked",
        "token_revoked",
        INVALID,
        "The token, its subject, its session or its issuer's tokens have been revoked.",
    )
};

/// No list to look it up in.
pub static TOKEN_REVOCATION_UNKNOWN: Check = Check {
    family: Family::Failure,
    class: Class::Unavailable,
    tunable: false,
    ..token(
        "token.revocation_unknown",
        "token_revocation_unknown",
        None,
        "The list of revocations could not be fetched in time, or is older than `max_age`; the failure policy decided.",
    )
};

/// A scope that was not granted.
pub static SCOPE_INSUFFICIENT: Check = Check {
    class: Class::Forbidden,
    ..token(
        "token.scope",
        "scope_insufficient",
        Some("insufficient_scope"),
        "The token lacks a scope that the route requires.",
    )
};

/// A claim that the route refuses.
pub static CLAIM_REFUSED: Check = Check {
    class: Class::Forbidden,
    ..token(
        "token.claim",
        "claim_refused",
        None,
        "A claim is missing or has none of the values that the route requires.",
    )
};

/// A login that is too weak, or too long ago.
pub static LOGIN_INSUFFICIENT: Check = token(
    "token.login",
    "login_insufficient",
    Some("insufficient_user_authentication"),
    "The login is not one of the route's `acr_values`, or longer ago than its `max_age` (RFC 9470).",
);

const INVALID: Option<&str> = Some("invalid_token");

/// RFC 9449 §7.1.
const INVALID_PROOF: Option<&str> = Some("invalid_dpop_proof");

const fn token(
    id: &'static str,
    code: &'static str,
    bearer_error: Option<&'static str>,
    means: &'static str,
) -> Check {
    let (family, class, weight) = (Family::Token, Class::Unauthenticated, Weight::Refuse);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error,
        means: crate::finding::documented(means),
    }
}
