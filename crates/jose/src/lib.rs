//! Signed tokens: their compact form, their claims, the keys that verify them and those that sign ours (RFC 7515, 7517, 7518, 7519).
//!
//! The cryptography is jwt-simple's. What stands here is what decides *whether* it is asked: the token's exact
//! form, the algorithm, the key. The algorithm is a property of the key, never of the token alone (RFC 8725 §3.1).
//! jwt-simple reads header and claims once more and has rules of its own (a `jwk` or `x5c` that is no string, a `jti` that
//! is a number); what it refuses for its form is malformed to us too.
//! Not covered: encrypted tokens, and keys that a JOSE header points to (`jku`, `x5u`, `x5c`); one that it carries (`jwk`) counts
//! in proofs of possession alone ([`proof`]).

// What clippy.toml cannot say: a test that overflows stops with a message, as it should.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

pub mod claims;
pub mod keys;
pub mod native;
pub mod proof;
mod public_key;
mod signature;
pub mod signer;
pub mod token;

pub use claims::Claims;
pub use keys::{Algorithm, KeySet};
pub use signer::Signer;
pub use token::{Token, TokenFault};
