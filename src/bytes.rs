//! Loops over many bytes, so written that the compiler makes vectors of them (wasm's SIMD128).
//!
//! The standard library's own look at one byte at a time in wasm (`memcmp`) or at four.

/// Whether all are ASCII.
pub(crate) fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let seen = words.iter().fold(0, |seen, word| seen | u64::from_ne_bytes(*word));
    seen & 0x8080_8080_8080_8080 == 0 && rest.is_ascii()
}

/// Whether two texts are the same. For long ones: short ones are compared faster by `==`.
pub(crate) fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let (words, rest) = one.as_chunks();
    let (others, other_rest) = other.as_chunks();
    let pairs = words.iter().zip(others);
    let differing =
        pairs.fold(0, |seen, (one, other)| seen | (u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other)));
    differing == 0 && one.len() == other.len() && rest == other_rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_standard_library_says_the_same(one in proptest::collection::vec(any::<u8>(), 0..70), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut other = one.clone();
            prop_assert!(are_equal(&one, &other));
            prop_assert_eq!(is_ascii(&one), one.is_ascii());
            let ascii: Vec<u8> = one.iter().map(|byte| byte & 0x7f).collect();
            prop_assert!(is_ascii(&ascii));
            other.push(0);
            prop_assert!(!are_equal(&one, &other));
            let at = at.index(other.len());
            other[at] ^= 1 << bit;
            let mut changed = other.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(!are_equal(&changed, &other));
        }
    }
}
