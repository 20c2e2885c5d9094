//! Every fuzz target (`fuzz/targets.rs`) on its seeds and on some thousand changes of them, the same on every run.
//!
//! Changes are those that find most: bytes flipped, cut out, doubled, taken from another seed, and characters that mean
//! something to a parser put between. Not covered: what needs longer to find; that is for `make fuzz`.

#[path = "../fuzz/targets.rs"]
mod targets;

use targets::TARGETS;

/// Changes of each target's seeds.
const CHANGES: u64 = 4000;

/// Longest text.
const BYTES_MAX: usize = 4096;

/// What parsers look for.
const MARKS: &[&str] = &[
    "%",
    "%25",
    "&",
    "&#",
    "\\",
    "\\u",
    "'",
    "\"",
    "`",
    "<",
    ">",
    "/*",
    "*/",
    "--",
    "${",
    "{{",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\r\n",
    "\n\n",
    "\0",
    "..",
    "/",
    ";",
    "=",
    "\u{feff}",
    "\u{200b}",
    "é",
    "999999999999999999999",
    "1e999",
    "-",
    "#",
    "@",
    "$",
    "...",
    "--x",
    "--x--",
    ":",
    ",",
    "true",
    "null",
    "\u{10ffff}",
];

/// Xorshift: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

fn changed(mut text: Vec<u8>, seeds: &[&str], numbers: &mut Numbers) -> Vec<u8> {
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(text.len() + 1);
        let end = (at + numbers.below(16)).min(text.len());
        match numbers.below(6) {
            0 if !text.is_empty() => text[at.min(end.saturating_sub(1))] ^= 1 << numbers.below(8),
            1 => drop(text.drain(at..end)),
            2 => {
                let again = text[at..end].repeat(1 + numbers.below(40));
                text.splice(at..at, again);
            }
            3 => {
                let other = seeds[numbers.below(seeds.len())].as_bytes();
                text.splice(at..end, other[numbers.below(other.len())..].iter().copied());
            }
            _ => {
                let mark = MARKS[numbers.below(MARKS.len())];
                text.splice(at..at, mark.repeat(1 + numbers.below(3)).into_bytes());
            }
        }
        text.truncate(BYTES_MAX);
    }
    text
}

#[test]
fn no_parser_meets_bytes_that_it_cannot_take() {
    for target in TARGETS {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut pool: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
        pool.push(Vec::new());
        for text in &pool {
            (target.run)(text);
        }
        for _ in 0..CHANGES {
            let from = numbers.below(pool.len());
            let text = changed(pool[from].clone(), target.seeds, &mut numbers);
            let outcome = std::panic::catch_unwind(|| (target.run)(&text));
            assert!(outcome.is_ok(), "{}: {:?}", target.name, String::from_utf8_lossy(&text));
            // Some changes are changed again, so that what is far from the seeds is reached too.
            if pool.len() < 200 && numbers.below(8) == 0 {
                pool.push(text);
            }
        }
    }
}
