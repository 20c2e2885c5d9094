//! The stages in their order, and everything they check.
//!
//! | stage | asks | refuses with |
//! |---|---|---|
//! | [`shape`] | Has the request one meaning, within bounds? | 400, 413 |
//! | [`oauth`] | Is this what OAuth 2.1 allows? | 400 |
//! | [`identity`] | Who is calling, and is the token really theirs? | 401, 403 |
//! | [`limits`] | How often? | 429 |
//! | [`inspect`] | What are they sending? | 403 |
//! | [`business`] | What does the business allow? | 403 |
//! | [`workflow`] | In which order? | 403 |
//! | [`quotes`] | Do clients keep to what the service has told them? | 403 |
//! | [`manipulation`] | Who plays with prices, carts, discounts and stock? | 403 |
//! | [`objects`] | Whose things do they ask for, and how many? | 403 |
//! | [`anomaly`] | Is this usual? | – |
//! | [`behaviour`] | What do several requests amount to? | – |
//! | [`risk`] | What do all findings together amount to? | 401, 403 |
//! | [`exposure`] | What does the response give away? | 502 |
//!
//! A stage may use what an earlier one produced, never a later one. Stages know nothing of the host.

pub mod anomaly;
pub mod behaviour;
pub mod business;
pub mod exposure;
pub mod identity;
pub mod inspect;
pub mod limits;
pub mod manipulation;
pub mod oauth;
pub mod objects;
pub mod quotes;
pub mod risk;
pub mod shape;
pub mod workflow;

use crate::finding::{Check, Class, Family, Weight};

/// Portcullis itself could not judge: the host did not say what it should have.
pub static INTERNAL: Check = Check {
    id: "engine.internal",
    family: Family::Failure,
    code: "internal",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: false,
    bearer_error: None,
    means: crate::finding::documented(
        "The request could not be judged through no fault of its own; the failure policy decided.",
    ),
};

/// Every check there is. Statistics are declared from this table when the configuration loads, so a check that is
/// missing here could not be counted; the reference of checks is written from it.
pub static CHECKS: &[&Check] = &[
    &shape::METHOD_UNKNOWN,
    &shape::METHOD_OVERRIDE,
    &shape::HOST_AMBIGUOUS,
    &shape::PATH_AMBIGUOUS,
    &shape::PATH_PARAMETER,
    &shape::PATH_DOT_SEGMENTS,
    &shape::PATH_TOO_LONG,
    &shape::HEADERS_TOO_LARGE,
    &shape::HEADER_NOT_UTF8,
    &shape::FRAMING_AMBIGUOUS,
    &shape::BODY_TOO_LARGE,
    &shape::BODY_UNREAD,
    &oauth::checks::QUERY_TOKEN,
    &oauth::checks::REQUEST,
    &oauth::checks::UNREAD,
    &oauth::checks::CLIENT,
    &oauth::checks::REQUEST_OBJECT,
    &oauth::checks::RESPONSE_TYPE,
    &oauth::checks::PKCE,
    &oauth::checks::REDIRECT_URI,
    &oauth::checks::QUERY_PARAMETERS,
    &oauth::checks::GRANT,
    &oauth::checks::CODE_VERIFIER,
    &identity::checks::TOKEN_MISSING,
    &identity::checks::TOKEN_AMBIGUOUS,
    &identity::checks::TOKEN_TOO_LARGE,
    &identity::checks::TOKEN_MALFORMED,
    &identity::checks::TOKEN_TYPE,
    &identity::checks::TOKEN_ALGORITHM,
    &identity::checks::TOKEN_CRITICAL,
    &identity::checks::TOKEN_ISSUER,
    &identity::checks::TOKEN_AUDIENCE,
    &identity::checks::TOKEN_CLAIM_MISSING,
    &identity::checks::TOKEN_EXPIRED,
    &identity::checks::TOKEN_NOT_YET_VALID,
    &identity::checks::TOKEN_LIFETIME,
    &identity::checks::TOKEN_KEY_UNKNOWN,
    &identity::checks::TOKEN_KEYS_UNAVAILABLE,
    &identity::checks::TOKEN_SIGNATURE,
    &identity::checks::TOKEN_FAILURES,
    &identity::checks::KEY_UNKNOWN,
    &identity::checks::KEY_EXPIRED,
    &identity::checks::TOKEN_UNBOUND,
    &identity::checks::TOKEN_UNKNOWN_BINDING,
    &identity::checks::TOKEN_CERTIFICATE,
    &identity::checks::TOKEN_PROOF,
    &identity::checks::TOKEN_NONCE,
    &identity::checks::TOKEN_PROOF_REPLAYED,
    &identity::checks::TOKEN_REPLAYED,
    &identity::checks::TOKEN_REPLAY_UNKNOWN,
    &identity::checks::TOKEN_INACTIVE,
    &identity::checks::TOKEN_INTROSPECTION_UNAVAILABLE,
    &identity::checks::TOKEN_REVOKED,
    &identity::checks::TOKEN_REVOCATION_UNKNOWN,
    &identity::checks::SCOPE_INSUFFICIENT,
    &identity::checks::CLAIM_REFUSED,
    &identity::checks::LOGIN_INSUFFICIENT,
    &identity::binding::IP,
    &identity::binding::DEVICE,
    &identity::binding::USER_AGENT,
    &identity::binding::GEO,
    &identity::binding::SESSION,
    &identity::usage::COUNT,
    &identity::usage::ADDRESS,
    &identity::usage::DEVICE,
    &identity::usage::COUNTRY,
    &identity::usage::TRAVEL,
    &limits::EXCEEDED,
    &limits::CONTENDED,
    &limits::fleet::UNAVAILABLE,
    &inspect::detectors::sql::DETECTOR.check,
    &inspect::detectors::script::DETECTOR.check,
    &inspect::detectors::command::DETECTOR.check,
    &inspect::detectors::template::DETECTOR.check,
    &inspect::detectors::file::DETECTOR.check,
    &inspect::detectors::ssrf::DETECTOR.check,
    &inspect::detectors::xml::DETECTOR.check,
    &inspect::detectors::nosql::DETECTOR.check,
    &inspect::detectors::ldap::DETECTOR.check,
    &inspect::detectors::xpath::DETECTOR.check,
    &inspect::detectors::header::DETECTOR.check,
    &inspect::detectors::prototype::DETECTOR.check,
    &inspect::detectors::deserialization::DETECTOR.check,
    &inspect::graphql::LIMITS,
    &inspect::graphql::INTROSPECTION,
    &inspect::privileged::FIELD,
    &inspect::agents::SCANNER,
    &inspect::agents::HEADLESS,
    &inspect::agents::AUTOMATIC,
    &inspect::MISMATCH,
    &inspect::UNINSPECTED,
    &business::RULE,
    &business::UNDECIDED,
    &business::CONTENDED,
    &business::SPELLING,
    &workflow::ORDER,
    &workflow::REPEATED,
    &workflow::TOO_FAST,
    &workflow::TOO_LATE,
    &workflow::TOKEN,
    &workflow::CONTENDED,
    &quotes::MISMATCH,
    &quotes::CURRENCY,
    &quotes::QUANTITY,
    &quotes::TOTAL,
    &quotes::UNKNOWN,
    &quotes::UNREAD,
    &manipulation::RISK,
    &manipulation::SIGNS,
    &objects::OWNER,
    &objects::ENUMERATION,
    &objects::SEQUENCE,
    &objects::REFUSED,
    &objects::PRIVILEGE,
    &anomaly::RATE,
    &anomaly::RHYTHM,
    &anomaly::SIZE,
    &anomaly::TRANSITION,
    &anomaly::ERRORS,
    &behaviour::SCANNING,
    &behaviour::STUFFING_SOURCE,
    &behaviour::STUFFING_ACCOUNT,
    &behaviour::ROTATION_FINGERPRINT,
    &behaviour::ROTATION_USER_AGENT,
    &behaviour::CHAIN,
    &exposure::detectors::payment_card::DETECTOR.check,
    &exposure::detectors::iban::DETECTOR.check,
    &exposure::detectors::national_id::DETECTOR.check,
    &exposure::detectors::email::DETECTOR.check,
    &exposure::detectors::phone::DETECTOR.check,
    &exposure::detectors::private_key::DETECTOR.check,
    &exposure::detectors::credential::DETECTOR.check,
    &exposure::detectors::session_token::DETECTOR.check,
    &exposure::detectors::password_hash::DETECTOR.check,
    &exposure::detectors::stack_trace::DETECTOR.check,
    &exposure::detectors::sql_error::DETECTOR.check,
    &exposure::detectors::internal_address::DETECTOR.check,
    &exposure::detectors::introspection::DETECTOR.check,
    &exposure::FIELDS,
    &exposure::HEADER,
    &exposure::VOLUME,
    &exposure::UNCHECKED,
    &INTERNAL,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_codes_are_unique_and_plain() {
        let plain = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte))
        };
        let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
        let codes: BTreeSet<_> = CHECKS.iter().map(|check| check.code).collect();
        assert_eq!((ids.len(), codes.len()), (CHECKS.len(), CHECKS.len()));
        assert!(ids.iter().chain(&codes).all(|name| plain(name)));
    }

    #[test]
    fn only_refusals_for_the_tokens_sake_have_a_bearer_error() {
        for check in CHECKS.iter().filter(|check| check.bearer_error.is_some()) {
            assert_eq!(check.family, Family::Token, "{}", check.id);
        }
    }
}
