//! The key set: what others verify our tokens with (RFC 7517 §5).
//!
//! It lists every key that has not retired, those whose time has not come included, so that who fetches it every now and then
//! knows a key before the first token is signed with it. Private members are never in it.

use crate::reply::Reply;
use crate::stages::identity::Scene;
use serde_json::json;

/// RFC 7517 §8.5.2.
const MEDIA_TYPE: &str = "application/jwk-set+json";

/// How long it may be kept. A new key is to be configured longer than that before its `use_from`.
const CACHE: &str = "public, max-age=300";

pub(super) fn answer(scene: &Scene<'_>) -> Reply {
    let set = scene.config.minting.as_ref().map_or_else(|| json!({"keys": []}), |minting| minting.jwks(scene.now));
    Reply::served(200, MEDIA_TYPE, CACHE, set.to_string())
}
