//! The tokens of a GraphQL document (GraphQL October 2021, §2.1).
//!
//! String literals are decoded, since what inspects them is to see what the service sees: escapes of both forms
//! (`\u0041`, and `\u{41}` of the September 2025 edition), and block strings without their common indentation (§2.9.4).
//! Linear in the document, without recursion. Not covered: control characters, which a service refuses and this lets through
//! in comments and strings.

use super::shape::Fault;
use super::{skip_ignored, skip_string, take_name};

const BLOCK: &str = "\"\"\"";

/// One lexical token; white space, commas and comments are none (§2.1.7).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// One of ``! $ & ( ) : = @ [ ] { | }``.
    Punctuator(char),
    /// `...`.
    Spread,
    /// A name or keyword.
    Name(&'a str),
    /// A whole number: 0 for a negative one, the greatest there is for one that is greater.
    Integer(u64),
    /// A number with a fraction or an exponent.
    Float,
    /// The value of a string literal.
    Text(String),
}

/// What is left of a document.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(document: &'a str) -> Self {
        Self { rest: document }
    }

    /// Takes the next token; `None` at the end.
    pub(super) fn take(&mut self) -> Result<Option<Token<'a>>, Fault> {
        let text = skip_ignored(self.rest);
        let Some(first) = text.chars().next() else {
            self.rest = text;
            return Ok(None);
        };
        let taken = match first {
            '"' => string(text),
            '.' => text.strip_prefix("...").map(|after| (Token::Spread, after)),
            '-' | '0'..='9' => number(text),
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                text.get(1..).map(|after| (Token::Punctuator(first), after))
            }
            _ => take_name(text).map(|(name, after)| (Token::Name(name), after)),
        };
        let (token, after) = taken.ok_or(Fault::Syntax)?;
        self.rest = after;
        Ok(Some(token))
    }
}

/// A number (§2.9.1, §2.9.2). No digit, dot or name may follow one without a gap.
fn number(text: &str) -> Option<(Token<'_>, &str)> {
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    let (digits, after) = take_digits(magnitude)?;
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    let behind_fraction = match after.strip_prefix('.') {
        Some(fraction) => take_digits(fraction)?.1,
        None => after,
    };
    let end = match behind_fraction.strip_prefix(['e', 'E']) {
        Some(exponent) => take_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))?.1,
        None => behind_fraction,
    };
    if end.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        return None;
    }
    let token = if end.len() != after.len() {
        Token::Float
    } else if magnitude.len() != text.len() {
        Token::Integer(0)
    } else {
        // Digits alone are wrong only by being too many.
        Token::Integer(digits.parse().unwrap_or(u64::MAX))
    };
    Some((token, end))
}

/// One digit or more.
fn take_digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())
}

fn string(text: &str) -> Option<(Token<'_>, &str)> {
    let after = skip_string(text)?;
    let literal = text.get(..text.len().checked_sub(after.len())?)?;
    let value = match literal.strip_prefix(BLOCK) {
        Some(block) => block_value(block.strip_suffix(BLOCK)?),
        None => unescaped(literal.strip_prefix('"')?.strip_suffix('"')?)?,
    };
    Some((Token::Text(value), after))
}

/// The value of a string on one line; `None` with a line end or an escape that there is not.
fn unescaped(raw: &str) -> Option<String> {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['\\', '\n', '\r']) {
        let (plain, marked) = rest.split_at_checked(at)?;
        let (character, after) = escape(marked)?;
        value.push_str(plain);
        value.push(character);
        rest = after;
    }
    value.push_str(rest);
    Some(value)
}

fn escape(text: &str) -> Option<(char, &str)> {
    let mut characters = text.strip_prefix('\\')?.chars();
    let character = match characters.next()? {
        same @ ('"' | '\\' | '/') => same,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unicode_escape(characters.as_str()),
        _ => return None,
    };
    Some((character, characters.as_str()))
}

/// What follows `\u`: four digits, two of those for a surrogate pair, or digits in braces.
fn unicode_escape(text: &str) -> Option<(char, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (digits, after) = braced.split_once('}')?;
        return Some((char::from_u32(hexadecimal(digits)?)?, after));
    }
    let (digits, after) = text.split_at_checked(4)?;
    let unit = hexadecimal(digits)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, after));
    }
    let (digits, after) = after.strip_prefix("\\u")?.split_at_checked(4)?;
    let pair = [u16::try_from(unit).ok()?, u16::try_from(hexadecimal(digits)?).ok()?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((character, after))
}

fn hexadecimal(digits: &str) -> Option<u32> {
    // The parser of the standard library also takes a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// A block string without the indentation that its lines share, and without blank lines around it (§2.9.4).
fn block_value(raw: &str) -> String {
    let text = raw.replace("\\\"\"\"", BLOCK).replace("\r\n", "\n").replace('\r', "\n");
    let indent = |line: &str| line.len().saturating_sub(line.trim_start_matches([' ', '\t']).len());
    let is_blank = |line: &str| indent(line) == line.len();
    let common = text.split('\n').skip(1).filter(|line| !is_blank(line)).map(indent).min().unwrap_or_default();
    // The first line begins behind the quotation marks, wherever those are.
    let cut = text.split('\n').enumerate().map(|(at, line)| match at {
        0 => line,
        _ => line.get(common..).unwrap_or_default(),
    });
    let lines: Vec<&str> = cut.collect();
    let first = lines.iter().position(|line| !is_blank(line));
    let last = lines.iter().rposition(|line| !is_blank(line));
    let kept = first.zip(last).and_then(|(first, last)| lines.get(first..=last));
    kept.unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Result<Vec<Token<'_>>, Fault> {
        let mut tokens = Tokens::new(text);
        let mut found = Vec::new();
        while let Some(token) = tokens.take()? {
            found.push(token);
        }
        Ok(found)
    }

    #[test]
    fn every_kind_of_token_is_told() {
        assert_eq!(
            all("{ a,b: # c\n -12 ...3.5e+1 $d 18446744073709551616}").unwrap(),
            [
                Token::Punctuator('{'),
                Token::Name("a"),
                Token::Name("b"),
                Token::Punctuator(':'),
                Token::Integer(0),
                Token::Spread,
                Token::Float,
                Token::Punctuator('$'),
                Token::Name("d"),
                Token::Integer(u64::MAX),
                Token::Punctuator('}'),
            ]
        );
    }

    #[test]
    fn strings_are_decoded() {
        for (literal, value) in [
            (r#""""#, ""),
            (r#""a\"b\\\/\b\f\n\r\t""#, "a\"b\\/\u{8}\u{c}\n\r\t"),
            (r#""\u0041\u{1F600}\uD83D\uDE00 é""#, "A😀😀 é"),
            (r#""""""""#, ""),
            (r#""""a \""" \n""""#, r#"a """ \n"#),
            (
                "\"\"\"\n    Hello,\n      World!\n\n    Yours,\n      GraphQL.\n  \"\"\"",
                "Hello,\n  World!\n\nYours,\n  GraphQL.",
            ),
            ("\"\"\"a\r\n\tb\r\t\tc\"\"\"", "a\nb\n\tc"),
        ] {
            assert_eq!(all(literal), Ok(vec![Token::Text(value.to_owned())]), "{literal}");
        }
    }

    #[test]
    fn what_is_no_token_is_a_fault() {
        for text in [
            "..",
            "01",
            "1.",
            "1.a",
            "1e",
            "1a",
            "-",
            "1.2.3",
            "\"",
            "\"a\nb\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\u+123""#,
            r#""\uD800""#,
            r#""\uD800\u0041""#,
            r#""\u{}""#,
            r#""\u{110000}""#,
            "\"\"\"a",
            "é",
            "?",
            "%",
        ] {
            assert_eq!(all(text), Err(Fault::Syntax), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_escaped_is_read_back(value in "\\PC{0,20}[\"\\\\\n\r\t]{0,4}") {
            // JSON escapes a string as GraphQL reads one.
            let literal = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(all(&literal), Ok(vec![Token::Text(value)]));
        }

        #[test]
        fn no_text_panics(text in "(\"|\"\"\"|\\\\|\\\\u|\\{|\\}|D83D|é|\n| |\\.|-|1|e|a){0,40}") {
            let _ = all(&text);
        }
    }
}
