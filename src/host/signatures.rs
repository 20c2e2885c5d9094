//! Envoy's signature check, `verify_signature`: a foreign function of its wasm runtime
//! (envoy/source/extensions/common/wasm/ext/verify_signature.proto).
//!
//! An Envoy without it, or one that cannot use the key, gives no answer, and the filter checks by itself. Envoy says no by
//! leaving `result` out and yes by `result: true`; of its errors one is about the signature, all others are about what it cannot
//! do.

use super::calls;
use crate::jose::native::{Native, Signed};
use prost::Message;

/// How Envoy's error about a signature that is not the key's begins (envoy/source/common/crypto/utility_impl.cc).
const NOT_THE_KEYS: &str = "Failed to verify digest";

/// The Envoy that runs the filter.
#[derive(Debug)]
pub(crate) struct Envoy;

impl Native for Envoy {
    fn verify(&self, signed: &Signed<'_>) -> Option<bool> {
        let arguments = Arguments {
            hash_function: signed.hash.to_owned(),
            public_key: signed.key.to_vec(),
            signature: signed.signature.to_vec(),
            text: signed.text.to_vec(),
        };
        let answer = calls::foreign("verify_signature", &arguments.encode_to_vec())?;
        let Answer { result, error } = Answer::decode(answer.as_slice()).ok()?;
        (result || error.is_empty() || error.starts_with(NOT_THE_KEYS)).then_some(result)
    }
}

#[derive(Clone, PartialEq, Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}
