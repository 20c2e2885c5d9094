//! Text to words: numbers, texts, names and signs.
//!
//! The lexical grammar of CEL ("Language Definition", Syntax) without `bytes`, unsigned numbers, triple quotes and
//! octal escapes. Each word is taken once, from left to right.

use crate::expression::fault::Raw;

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lexeme<'t> {
    /// A whole number without its sign.
    Int(u64),
    Double(f64),
    Text(String),
    Name(&'t str),
    Sign(&'static str),
    End,
}

/// A word and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Token<'t> {
    pub(super) lexeme: Lexeme<'t>,
    pub(super) offset: usize,
}

/// The signs, each before those it begins with.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[",
    "]",
];

#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexeme<'_> {
    /// As it is shown in a fault.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Int(number) => format!("`{number}`"),
            Self::Double(number) => format!("`{number}`"),
            Self::Text(_) => "a string".to_owned(),
            Self::Name(name) => format!("`{name}`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Takes the longest beginning whose characters all fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.skip(length);
        rest.get(..length).unwrap_or_default()
    }

    /// The next word; [`Lexeme::End`] again and again at the end.
    pub(super) fn next(&mut self) -> Result<Token<'t>, Raw> {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest().starts_with("//") {
                break;
            }
            self.take_while(|c| c != '\n');
        }
        let offset = self.at;
        let lexeme = self.lexeme(offset)?;
        Ok(Token { lexeme, offset })
    }

    fn lexeme(&mut self, offset: usize) -> Result<Lexeme<'t>, Raw> {
        let Some(first) = self.rest().chars().next() else { return Ok(Lexeme::End) };
        if let Some(raw) = self.rest().strip_prefix(['r', 'R']).filter(|rest| rest.starts_with(['"', '\''])) {
            self.skip(1);
            let quote = raw.chars().next().unwrap_or('"');
            return self.raw_text(quote);
        }
        match first {
            '"' | '\'' => self.text(first),
            '0'..='9' => self.number(offset),
            '_' | 'a'..='z' | 'A'..='Z' => {
                Ok(Lexeme::Name(self.take_while(|c| c == '_' || c.is_ascii_alphanumeric())))
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign));
                let sign = sign.ok_or_else(|| self.unknown_sign(first, offset))?;
                self.skip(sign.len());
                Ok(Lexeme::Sign(sign))
            }
        }
    }

    fn unknown_sign(&self, first: char, offset: usize) -> Raw {
        let meant = match first {
            '=' => Some("=="),
            '&' => Some("&&"),
            '|' => Some("||"),
            _ => None,
        };
        Raw::new(offset, format!("`{}` means nothing here", first.escape_debug())).hinting(meant)
    }

    fn number(&mut self, offset: usize) -> Result<Lexeme<'t>, Raw> {
        let broken = |fault: &str| Raw::new(offset, fault);
        if let Some(rest) = self.rest().strip_prefix("0x") {
            let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            let number = u64::from_str_radix(rest.get(..digits).unwrap_or_default(), 16);
            self.skip(digits.saturating_add(2));
            return number.map(Lexeme::Int).map_err(|_| broken("expected a hexadecimal number of 64 bits"));
        }
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        let mut is_double = false;
        let fraction =
            self.rest().strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if fraction {
            is_double = true;
            self.skip(1);
            self.take_while(|c| c.is_ascii_digit());
        }
        if let Some(rest) = self.rest().strip_prefix(['e', 'E']) {
            let signed = rest.strip_prefix(['+', '-']);
            if signed.unwrap_or(rest).starts_with(|c: char| c.is_ascii_digit()) {
                is_double = true;
                self.skip(if signed.is_some() { 2 } else { 1 });
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        if is_double {
            let number = written.parse::<f64>().ok().filter(|number| number.is_finite());
            return number.map(Lexeme::Double).ok_or_else(|| broken("the number is out of range"));
        }
        written.parse().map(Lexeme::Int).map_err(|_| broken("the number is out of range"))
    }

    fn raw_text(&mut self, quote: char) -> Result<Lexeme<'t>, Raw> {
        let offset = self.at;
        self.skip(1);
        let inside = self.take_while(|c| c != quote);
        if self.rest().is_empty() {
            return Err(Raw::new(offset, "the string has no end"));
        }
        self.skip(1);
        Ok(Lexeme::Text(inside.to_owned()))
    }

    fn text(&mut self, quote: char) -> Result<Lexeme<'t>, Raw> {
        let offset = self.at;
        self.skip(1);
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\' && c != '\n'));
            match self.rest().chars().next() {
                Some('\\') => text.push(self.escape()?),
                Some(c) if c == quote => {
                    self.skip(1);
                    return Ok(Lexeme::Text(text));
                }
                _ => return Err(Raw::new(offset, "the string has no end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Raw> {
        let offset = self.at;
        let unknown = || {
            let fault = "unknown escape, expected one of: \\n \\r \\t \\\\ \\' \\\" \\` \\? \\a \\b \\f \\v \\xHH \\uHHHH \\UHHHHHHHH";
            Raw::new(offset, fault)
        };
        self.skip(1);
        let letter = self.rest().chars().next().ok_or_else(unknown)?;
        self.skip(letter.len_utf8());
        let digits = match letter {
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'v' => return Ok('\u{b}'),
            '\\' | '\'' | '"' | '`' | '?' => return Ok(letter),
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            _ => return Err(unknown()),
        };
        let written = self.rest().get(..digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = written.and_then(|code| u32::from_str_radix(code, 16).ok());
        self.skip(digits);
        code.and_then(char::from_u32).ok_or_else(unknown)
    }
}
