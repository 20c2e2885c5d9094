//! Envoy's shared data as the core's shared memory.
//!
//! Two facts of the host are relied on, and pinned by a test on a real Envoy: a write whose version is not the current
//! one fails, and a write with a version to a key that does not exist creates it. The second makes an insert that cannot
//! overwrite: a version that no key has is given, so it fails if the key exists.

use super::calls;
use crate::memory::{Shared, Version};

/// A version that the host's counter would reach after four billion writes. Should a key have it, the insert would
/// overwrite that key once.
const NEVER: u32 = u32::MAX;

/// The shared data of this plugin's VM id.
#[derive(Debug)]
pub(crate) struct SharedData;

impl Shared for SharedData {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        calls::shared_data(key).map(|(value, version)| (value, Version(version)))
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        calls::set_shared_data(key, value, expected.0).is_ok()
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        calls::set_shared_data(key, value, NEVER).is_ok()
    }
}
