//! Programs that say in `User-Agent` what they are (RFC 9110 §10.1.5).
//!
//! The field is the client's choice: who hides is not found here. But most scanners and scripts run with their defaults, and
//! crawlers mean to be known, so the name is cheap evidence. It is no proof of a good one either: whether a crawler is the one
//! it names takes its address.
//!
//! A name counts as a word alone: from a letter that follows none, or that begins a word of its own in mixed case (`Bot` in
//! `OtherBot/1`), to a character that is no letter; never behind a dot, where hosts and files have their endings. The words
//! `bot`, `crawler` and `spider` may also end another (`otherbot`), for hardly anything else ends so: the phones of Cubot do,
//! and are excepted. So neither `about` nor `CUBOT` is a bot. Letter case decides nothing else. A web address behind a plus
//! sign is how automatic clients name their owner, and no browser does. Where several names are found, the most alarming kind
//! counts, and of one kind the first name, a crawler's own before general words.
//!
//! Bounds: the first [`BYTES_MAX`] bytes, each compared with the few names that begin with its letter and with the endings;
//! nothing is copied. Not covered: an absent or empty field (the caller's matter), browsers with versions that do not fit,
//! applications that use a library under their own name.

mod names;

use self::names::{Names, CRAWLERS, HEADLESS, SCANNERS, TOOLS, WORDS};

/// Bytes of the field that are read. Browsers send some 100 to 300, apps in browsers up to 500.
pub const BYTES_MAX: usize = 1024;

/// A program that is no browser in the hands of a person, each with the name that told it, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Looks for weaknesses, or guesses paths or passwords.
    Scanner(&'static str),
    /// A browser without a window, or one that a program drives.
    Headless(&'static str),
    /// A library or command-line program: honest services use them as much as scripts do.
    Tool(&'static str),
    /// Reads pages for search, models, marketing, previews, archives or monitoring.
    Crawler(&'static str),
}

impl Agent {
    /// The name that told it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scanner(name) | Self::Headless(name) | Self::Tool(name) | Self::Crawler(name) => name,
        }
    }
}

/// The names of a kind, and the kind.
type Kind = (Names, Initials, fn(&'static str) -> Agent);

/// The most alarming first.
const KINDS: [Kind; 5] = [
    (SCANNERS, Initials::of(SCANNERS), Agent::Scanner),
    (HEADLESS, Initials::of(HEADLESS), Agent::Headless),
    (TOOLS, Initials::of(TOOLS), Agent::Tool),
    (CRAWLERS, Initials::of(CRAWLERS), Agent::Crawler),
    (WORDS, Initials::of(WORDS), Agent::Crawler),
];

/// The bytes that names begin with.
#[derive(Debug, Copy, Clone)]
struct Initials(u128);

impl Initials {
    const fn of(mut names: &[&str]) -> Self {
        let mut initials = 0;
        while let Some((name, others)) = names.split_first() {
            if let Some((first, _)) = name.as_bytes().split_first() {
                initials |= Self::bit(*first);
            }
            names = others;
        }
        Self(initials)
    }

    /// Names are ASCII: another byte has the bit of one of their own, and is found to be none of them later.
    const fn bit(byte: u8) -> u128 {
        1 << (byte.to_ascii_lowercase() & 127)
    }

    const fn has(self, byte: u8) -> bool {
        self.0 & Self::bit(byte) != 0
    }
}

/// The place of [`WORDS`], and of [`ENDINGS`], in [`KINDS`].
const WORDS_RANK: usize = 4;

/// How crawlers that have no other sign end their names.
const ENDINGS: [&str; 3] = ["bot", "crawler", "spider"];

/// The kind of program that the field names; `None` for browsers and whatever is unknown.
pub fn classify(user_agent: &str) -> Option<Agent> {
    let bytes = user_agent.as_bytes();
    let mut rest = bytes.get(..BYTES_MAX).unwrap_or(bytes);
    let mut before = None;
    // The letters around the place, from their first.
    let mut run = rest;
    let mut best: Option<(usize, Agent)> = None;
    while let [first, after @ ..] = rest {
        if !before.is_some_and(is_letter) {
            run = rest;
        }
        let better = best.map_or(KINDS.len(), |(rank, _)| rank);
        let begins = begins_word(before, *first, after.first().copied());
        let kinds = KINDS.iter().enumerate().take(if begins { better } else { 0 });
        let mut kinds = kinds.filter(|(_, (_, initials, _))| initials.has(*first));
        let found = kinds.find_map(|(rank, (names, _, agent))| Some((rank, agent(named(names, *first, rest)?))));
        let ending = || ending(run, rest).filter(|_| best.is_none());
        best = found.or_else(|| ending().map(|name| (WORDS_RANK, Agent::Crawler(name)))).or(best);
        before = Some(*first);
        rest = after;
    }
    best.map(|(_, agent)| agent)
}

/// Whether a name may begin at a byte, by those around it. Behind a dot are parts of hosts and of files.
fn begins_word(before: Option<u8>, first: u8, second: Option<u8>) -> bool {
    let is_lower = |byte: u8| byte.is_ascii_lowercase();
    match before {
        Some(b'.') => false,
        Some(letter) if is_letter(letter) => {
            first.is_ascii_uppercase() && (is_lower(letter) || second.is_some_and(is_lower))
        }
        _ => true,
    }
}

/// The ending that stands at `rest`, within the word at `run`. Most letters begin none ([`ENDINGS`]).
fn ending(run: &[u8], rest: &[u8]) -> Option<&'static str> {
    if !matches!(rest.first()?, b'b' | b'B' | b'c' | b'C' | b's' | b'S') {
        return None;
    }
    let before = run.len().saturating_sub(rest.len());
    let ending = ENDINGS.into_iter().find(|ending| stands(ending, rest))?;
    let word = run.get(..before.saturating_add(ending.len()))?;
    (!word.eq_ignore_ascii_case(b"cubot")).then_some(ending)
}

/// The longest of the names that stands at the beginning, as a word.
fn named(names: Names, first: u8, text: &[u8]) -> Option<&'static str> {
    let first = Some(first.to_ascii_lowercase());
    let initial = |name: &&str| name.bytes().next();
    let from = names.partition_point(|name| initial(name) < first);
    let candidates = names.iter().skip(from).take_while(|name| initial(name) == first);
    candidates.filter(|name| stands(name, text)).max_by_key(|name| name.len()).copied()
}

fn stands(name: &str, text: &[u8]) -> bool {
    let Some((head, tail)) = text.split_at_checked(name.len()) else { return false };
    // `java/` ends by itself.
    let open = name.ends_with(|last: char| last.is_ascii_alphabetic());
    let goes_on = open && tail.first().is_some_and(|byte| is_letter(*byte));
    head.eq_ignore_ascii_case(name.as_bytes()) && !goes_on
}

/// Bytes beyond ASCII are parts of letters more often than not.
const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_is_told() {
        for (field, agent) in [
            ("sqlmap/1.8 (https://sqlmap.org)", Agent::Scanner("sqlmap")),
            ("Mozilla/5.00 (Nikto/2.5.0)", Agent::Scanner("nikto")),
            ("Mozilla/5.0 zgrab/0.x", Agent::Scanner("zgrab")),
            ("Fuzz Faster U Fool v2.1.0", Agent::Scanner("fuzz")),
            (
                "Mozilla/5.0 AppleWebKit/537.36 HeadlessChrome/126.0 Safari/537.36",
                Agent::Headless("headlesschrome"),
            ),
            ("CURL/8.5.0", Agent::Tool("curl")),
            ("python-requests/2.31.0", Agent::Tool("python-requests")),
            ("Go-http-client/2.0", Agent::Tool("go-http-client")),
            ("Java/17.0.1", Agent::Tool("java/")),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", Agent::Crawler("googlebot")),
            ("OtherBot/1.2", Agent::Crawler("bot")),
            ("XYZBot/1.2", Agent::Crawler("bot")),
            ("9bot", Agent::Crawler("bot")),
            ("otherbot", Agent::Crawler("bot")),
            ("OTHERBOT-2", Agent::Crawler("bot")),
            ("Bot (+https://reader.example/a.php)", Agent::Crawler("bot")),
            ("my_crawler", Agent::Crawler("crawler")),
            ("Mozilla/5.0 (compatible; Site Reader; +https://reader.example/)", Agent::Crawler("+https:")),
            // The most alarming kind, wherever it stands.
            ("Mozilla/5.0 (compatible; Googlebot/2.1) curl nuclei", Agent::Scanner("nuclei")),
        ] {
            assert_eq!(classify(field), Some(agent), "{field}");
        }
    }

    #[test]
    fn people_are_not_told() {
        for field in [
            "",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Mozilla/5.0 (Linux; Android 10; CUBOT_X30) AppleWebKit/537.36",
            "Mozilla/5.0 (Linux; Android 10; cubot) about javascript nikton curly botanik spidermonkey",
            "Mozilla/5.0 (Linux; Android 6; Lenovo K6 Power) AppleWebKit/537.36",
            "boté",
            "Company Reader/3.1 (https://www.curl.example/a.php)",
        ] {
            assert_eq!(classify(field), None, "{field}");
        }
    }

    #[test]
    fn only_the_beginning_is_read() {
        let padded = |length: usize| format!("{}sqlmap", " ".repeat(length));
        assert!(classify(&padded(BYTES_MAX - 6)).is_some());
        assert!(classify(&padded(BYTES_MAX - 5)).is_none());
        assert_eq!(classify(&"é".repeat(BYTES_MAX)), None);
    }

    #[test]
    fn names_are_sorted_and_found_in_any_case() {
        for (names, _, agent) in KINDS {
            assert!(names.is_sorted_by(|one, next| one < next));
            for name in names {
                assert_eq!(*name, name.to_ascii_lowercase());
                for field in [format!("X/1 ({name})"), name.to_ascii_uppercase(), format!("{name}/2.0")] {
                    let found = classify(&field).unwrap();
                    // A name may contain the word of a kind that alarms more.
                    let same = std::mem::discriminant(&found) == std::mem::discriminant(&agent(name));
                    assert!(same && found.name().len() <= name.len(), "{field}: {found:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn letters_around_a_name_hide_it(before in "[a-z]{1,4}", after in "[a-z]{1,4}") {
            prop_assert_eq!(classify(&format!("{before}zmeu")), None);
            prop_assert_eq!(classify(&format!("zmeu{after}")), None);
        }

        #[test]
        fn no_field_panics(field in "\\PC{0,20}(bot|Bot|curl|\\+http:|/|é|B){0,20}") {
            let _ = classify(&field);
        }
    }
}
