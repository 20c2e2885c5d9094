//! Loops over many bytes, so written that the compiler makes vectors of them (wasm's SIMD128).
//!
//! The standard library's own look at one byte at a time in wasm (`memcmp`) or at four.

/// Bytes that are looked at at once: four vectors, since a turn of a loop costs as much as two of them.
const BLOCK: usize = 64;

fn or(mut one: [u8; BLOCK], other: [u8; BLOCK]) -> [u8; BLOCK] {
    one.iter_mut().zip(other).for_each(|(one, other)| *one |= other);
    one
}

/// Whether all are ASCII.
pub fn is_ascii(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let seen = blocks.iter().fold([0; BLOCK], |seen, block| or(seen, *block));
    seen.iter().fold(0, |seen, byte| seen | byte) < 0x80 && rest.is_ascii()
}

/// Letters and digits of ASCII and some bytes more, of texts that one of these bytes parts into pieces.
#[derive(Debug)]
pub(crate) struct Alphabet {
    /// By byte: in the lower half why it may not be there, in the upper half for which of these reasons the next one may not.
    kinds: [u8; 256],
}

/// It is not of the alphabet.
const FOREIGN: u8 = 1;
/// It begins a piece, and no piece begins with it.
const BARRED: u8 = 2;
/// What a byte that begins a piece may not be.
const BEGINNING: u8 = FOREIGN | BARRED;

impl Alphabet {
    pub(crate) const fn new(others: &[u8], parting: u8, barred: &[u8]) -> Self {
        let mut kinds = [0; 256];
        let (mut rest, mut byte) = (kinds.as_mut_slice(), 0_u8);
        while let Some((first, tail)) = rest.split_first_mut() {
            let is_foreign = !byte.is_ascii_alphanumeric() && !contains(others, byte);
            let foreign = if is_foreign { FOREIGN } else { 0 };
            let is_barred = if contains(barred, byte) { BARRED } else { 0 };
            let next = if byte == parting { BEGINNING } else { FOREIGN };
            *first = foreign | is_barred | (next << 4);
            byte = byte.wrapping_add(1);
            rest = tail;
        }
        Self { kinds }
    }

    /// Whether a text is of it, and no piece begins with a byte that it may not begin with. Called from several places, and once in
    /// the module.
    #[inline(never)]
    pub(crate) fn spells(&self, text: &[u8]) -> bool {
        let mut unwanted = BEGINNING;
        for byte in text {
            let kind = self.kinds.get(usize::from(*byte)).copied().unwrap_or(FOREIGN);
            if kind & unwanted != 0 {
                return false;
            }
            unwanted = kind >> 4;
        }
        true
    }
}

const fn contains(mut bytes: &[u8], wanted: u8) -> bool {
    while let Some((first, rest)) = bytes.split_first() {
        if *first == wanted {
            return true;
        }
        bytes = rest;
    }
    false
}

/// Whether one of some bytes is there. It does not stop at the first one, so that many are looked at at once.
#[inline(never)]
pub(crate) fn has_one_of<const WANTED: usize>(bytes: &[u8], wanted: [u8; WANTED]) -> bool {
    let is_wanted = |byte: u8| wanted.iter().fold(0, |seen, one| seen | u8::from(byte == *one));
    bytes.iter().fold(0, |seen, byte| seen | is_wanted(*byte)) != 0
}

/// Whether two texts are the same. Of the same length, they are compared by their ends, which overlap in short ones.
/// Called from many places, and once in the module.
#[inline(never)]
pub fn are_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            0..4 => one.iter().zip(other).fold(true, |same, (one, other)| same & (one == other)),
            4..8 => ends_are_equal::<4>(one, other),
            8..=16 => ends_are_equal::<8>(one, other),
            _ => {
                let (words, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
                let pairs = words.iter().map(|word| u64::from_ne_bytes(*word)).zip(others);
                let differing = pairs.fold(0, |seen, (one, other)| seen | (one ^ u64::from_ne_bytes(*other)));
                differing == 0 && one.last_chunk::<8>() == other.last_chunk()
            }
        }
}

/// Whether a text is a secret. How much of it is right does not show in the time, other than its length.
pub fn is_secret(text: &[u8], secret: &[u8]) -> bool {
    let differing = text.iter().zip(secret).fold(0, |seen, (one, other)| seen | (one ^ other));
    text.len() == secret.len() && std::hint::black_box(differing) == 0
}

fn ends_are_equal<const BYTES: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<BYTES>() == other.first_chunk() && one.last_chunk::<BYTES>() == other.last_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_standard_library_says_the_same(one in proptest::collection::vec(any::<u8>(), 0..200), spelled in "[a-zA-Z0-9_./-]{0,60}", at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let spelled = spelled.into_bytes();
            let mut other = one.clone();
            prop_assert!(are_equal(&one, &other));
            prop_assert_eq!(is_ascii(&one), one.is_ascii());
            prop_assert_eq!(has_one_of(&one, [1, 200]), one.contains(&1) || one.contains(&200));
            let ascii: Vec<u8> = one.iter().map(|byte| byte & 0x7f).collect();
            prop_assert!(is_ascii(&ascii));
            const NAME: Alphabet = Alphabet::new(b"-_./", b'/', b"/.");
            let is_kind = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./".contains(byte);
            for text in [&one, &ascii, &spelled] {
                let is_whole = text.split(|byte| *byte == b'/').all(|piece| !piece.starts_with(b"."));
                let parts = text.is_empty() || !(text.starts_with(b"/") || text.windows(2).any(|pair| pair == b"//"));
                prop_assert_eq!(NAME.spells(text), text.iter().all(is_kind) && is_whole && parts, "{:?}", text);
            }
            other.push(0);
            prop_assert!(!are_equal(&one, &other));
            let at = at.index(other.len());
            other[at] ^= 1 << bit;
            let mut changed = other.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(!are_equal(&changed, &other));
            prop_assert!(is_secret(&one, &one.clone()) && !is_secret(&one, &changed) && !is_secret(&changed, &other));
        }
    }
}
