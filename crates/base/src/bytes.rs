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

/// Bytes that an [`Alphabet`] looks at at once.
const VECTOR: usize = 16;

/// Letters and digits of ASCII and some bytes more, one of which parts a text into pieces.
#[derive(Debug)]
pub(crate) struct Alphabet {
    others: [u8; 5],
    parting: u8,
    barred: [u8; 2],
}

impl Alphabet {
    /// Of texts in which no piece begins with one of `barred`. The parting byte itself is one of the others too.
    pub(crate) const fn of_pieces(others: [u8; 5], parting: u8, barred: [u8; 2]) -> Self {
        Self { others, parting, barred }
    }

    /// Whether a text is spelled so. Called from several places, and once in the module.
    #[inline(never)]
    pub(crate) fn spells(&self, text: &[u8]) -> bool {
        let Some((first, behind)) = text.split_first() else { return true };
        let before = text.get(..behind.len()).unwrap_or_default();
        let strange = match behind.len() {
            // The last vector overlaps the one before it.
            VECTOR.. => {
                let vectors = before.as_chunks::<VECTOR>().0.iter().zip(behind.as_chunks::<VECTOR>().0);
                let last = before.last_chunk::<VECTOR>().zip(behind.last_chunk());
                vectors.chain(last).fold(0, |seen, (before, bytes)| seen | self.strange(before, bytes))
            }
            8.. => self.strange(&ends(before), &ends(behind)),
            _ => self.strange(before, behind),
        };
        strange | self.strange(&[self.parting], &[*first]) == 0
    }

    /// Something other than zero if one of some bytes may not be there, behind the one before it.
    fn strange(&self, before: &[u8], bytes: &[u8]) -> u8 {
        let is_strange = |(before, byte): (&u8, &u8)| {
            let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            let is_digit = byte.wrapping_sub(b'0') < 10;
            let is_one_of = |some: &[u8]| some.iter().fold(false, |seen, one| seen | (one == byte));
            let begins = *before == self.parting;
            !(is_letter | is_digit | is_one_of(&self.others)) | (begins & is_one_of(&self.barred))
        };
        before.iter().zip(bytes).fold(0, |seen, pair| seen | u8::from(is_strange(pair)))
    }
}

/// All of a text of eight bytes to sixteen: those in the middle may be there twice.
fn ends(text: &[u8]) -> [u8; VECTOR] {
    let (first, last) = (text.first_chunk::<8>(), text.last_chunk::<8>());
    let ends = [*first.unwrap_or(&[0; 8]), *last.unwrap_or(&[0; 8])];
    *ends.as_flattened().first_chunk().unwrap_or(&[0; VECTOR])
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
            const NAME: Alphabet = Alphabet::of_pieces(*b"-_.//", b'/', *b"/.");
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
