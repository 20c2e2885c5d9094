//! Signed tokens: their compact form, their claims and the keys that verify them (RFC 7515, 7517, 7518, 7519).
//!
//! The cryptography is jwt-simple's. What stands here is what decides *whether* it is asked: the token's exact
//! form, the algorithm, the key. The algorithm is a property of the key, never of the token alone (RFC 8725 §3.1).
//! Not covered: encrypted tokens, and any JOSE header that carries or points to a key (`jwk`, `jku`, `x5u`, `x5c`):
//! they are ignored.

pub mod claims;
pub mod keys;
pub mod token;

pub use claims::Claims;
pub use keys::{Algorithm, KeySet};
pub use token::{Token, TokenFault};
