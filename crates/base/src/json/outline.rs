//! Where the values of a JSON text stand: every value with its place in the text, so that some can be changed and every other
//! byte stays as it is.
//!
//! A flat list in the order of the text, each value with its parent, its member's key and its neighbours. The syntax is
//! checked (RFC 8259), but for what cannot change where a value ends: escapes and the form of numbers. Keys may repeat; each is a value
//! of its own, so that no reader of the last or of the first one is forgotten. What other readers take for JSON is read too: a byte
//! order mark, the line `)]}'` that keeps scripts from running it, `NaN` and `Infinity`.
//! Bounds: the caller's; one pass, and 40 bytes a value.

use super::Bounds;
use std::ops::Range;

/// No value.
const NONE: u32 = u32::MAX;

/// UTF-8's byte order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the line begins that keeps a document from being run as a script.
const GUARD: &[u8] = b")]}'";

/// Words that are values.
const LITERALS: [&[u8]; 6] = [b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity"];

/// Why a text has no outline.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not JSON.
    Broken,
    /// It is nested more deeply than the bounds allow.
    TooDeep,
    /// It has more values than the bounds allow.
    TooMany,
}

/// What a value is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// An array.
    Array,
    /// A string, with its quotes.
    String,
    /// A number.
    Number,
    /// `true`, `false` or `null`.
    Literal,
}

/// One value.
#[derive(Debug, Copy, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    key: (u32, u32),
    value: (u32, u32),
    parent: u32,
    before: u32,
    next: u32,
}

/// All values of a text.
#[derive(Debug, Default)]
pub struct Outline {
    nodes: Vec<Node>,
}

impl Node {
    /// The key with its quotes; empty for what is no member.
    pub fn key(&self) -> Range<usize> {
        span(self.key)
    }

    /// The value.
    pub fn value(&self) -> Range<usize> {
        span(self.value)
    }

    /// Key and value.
    pub fn whole(&self) -> Range<usize> {
        let start = if self.key.0 == self.key.1 { self.value.0 } else { self.key.0 };
        span((start, self.value.1))
    }

    /// The value that it is in.
    pub fn parent(&self) -> Option<usize> {
        (self.parent != NONE).then(|| span((0, self.parent)).end)
    }

    /// Where the sibling before it ends.
    pub fn before(&self) -> Option<usize> {
        (self.before != NONE).then(|| span((0, self.before)).end)
    }

    /// Where the sibling after it begins, key and all.
    pub fn next(&self) -> Option<usize> {
        (self.next != NONE).then(|| span((0, self.next)).end)
    }
}

fn span((start, end): (u32, u32)) -> Range<usize> {
    usize::try_from(start).unwrap_or_default()..usize::try_from(end).unwrap_or_default()
}

impl Outline {
    /// The outline of one document.
    ///
    /// # Errors
    /// What keeps it from having one.
    pub fn of_document(bytes: &[u8], bounds: Bounds) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, bounds);
        match reader.document() {
            Some(()) => Ok(Self { nodes: reader.nodes }),
            None => Err(reader.fault),
        }
    }

    /// The values that one document begins with, as far as it can be read.
    pub fn of_beginning(bytes: &[u8], bounds: Bounds) -> Self {
        let mut reader = Reader::new(bytes, bounds);
        // It ends where it was cut.
        let _ = reader.document();
        Self { nodes: reader.nodes }
    }

    /// The outline of one document a line. Empty lines are nothing.
    ///
    /// # Errors
    /// What keeps one of them from having one.
    pub fn of_lines(bytes: &[u8], bounds: Bounds) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, bounds);
        let mut start = reader.at;
        for line in bytes.get(start..).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            (reader.at, reader.end) = (start, start.saturating_add(line.len()));
            // A record may begin with a mark (RFC 7464).
            if line.first() == Some(&0x1e) {
                reader.step();
            }
            if !line.trim_ascii().is_empty() && reader.document().is_none() {
                return Err(reader.fault);
            }
            start = start.saturating_add(line.len());
        }
        Ok(Self { nodes: reader.nodes })
    }

    /// All values, in the order of the text.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The innermost value that a part of the text lies in, its member's key included.
    pub fn around(&self, part: &Range<usize>) -> Option<usize> {
        let behind = self.nodes.partition_point(|node| node.whole().start <= part.start);
        let mut at = behind.checked_sub(1)?;
        loop {
            let node = self.nodes.get(at)?;
            if node.whole().end >= part.end {
                return Some(at);
            }
            at = node.parent()?;
        }
    }

    /// How many documents there are.
    pub fn documents(&self) -> usize {
        self.nodes.iter().filter(|node| node.parent().is_none()).count()
    }

    /// How many values are directly in this one.
    pub fn children(&self, parent: usize) -> usize {
        self.nodes.iter().filter(|node| node.parent() == Some(parent)).count()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    bounds: Bounds,
    nodes: Vec<Node>,
    /// What is wrong, once something is.
    fault: Fault,
    /// Open arrays and objects, each with its last child.
    open: Vec<(usize, Option<usize>)>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], bounds: Bounds) -> Self {
        let marked = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let rest = bytes.get(marked..).unwrap_or_default();
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_guard =
            line.strip_prefix(GUARD).is_some_and(|more| more.iter().all(|byte| b",; \t\r".contains(byte)));
        let at = marked.saturating_add(if is_guard { line.len() } else { 0 });
        Self { bytes, at, end: bytes.len(), bounds, nodes: Vec::new(), fault: Fault::Broken, open: Vec::new() }
    }

    fn peek(&self) -> Option<u8> {
        (self.at < self.end).then(|| self.bytes.get(self.at).copied()).flatten()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn blank(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
        self.peek()
    }

    /// Reads one document to its end, and nothing but blanks behind it.
    fn document(&mut self) -> Option<()> {
        self.blank()?;
        self.value((0, 0))?;
        while let Some((parent, last)) = self.open.last().copied() {
            let is_object = self.nodes.get(parent)?.kind == Kind::Object;
            let closing = if is_object { b'}' } else { b']' };
            let mut byte = self.blank()?;
            if byte == closing {
                self.step();
                self.close(parent)?;
                continue;
            }
            if last.is_some() {
                if byte != b',' {
                    return None;
                }
                self.step();
                byte = self.blank()?;
            }
            let mut key = (0, 0);
            if is_object {
                if byte != b'"' {
                    return None;
                }
                key = self.string()?;
                if self.blank()? != b':' {
                    return None;
                }
                self.step();
                self.blank()?;
            }
            self.value(key)?;
        }
        self.blank().is_none().then_some(())
    }

    fn close(&mut self, node: usize) -> Option<()> {
        let end = u32::try_from(self.at).ok()?;
        self.nodes.get_mut(node)?.value.1 = end;
        self.open.pop();
        Some(())
    }

    fn value(&mut self, key: (u32, u32)) -> Option<()> {
        let start = u32::try_from(self.at).ok()?;
        let (kind, value) = match self.peek()? {
            b'{' => (Kind::Object, self.opening()?),
            b'[' => (Kind::Array, self.opening()?),
            b'"' => (Kind::String, self.string()?),
            b'-' if self.bytes.get(self.at.saturating_add(1)) == Some(&b'I') => (Kind::Literal, self.literal()?),
            b'-' | b'0'..=b'9' => {
                (Kind::Number, self.run(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))?)
            }
            _ => (Kind::Literal, self.literal()?),
        };
        let index = self.nodes.len();
        if u32::try_from(index).map_or(true, |index| index >= self.bounds.values) {
            self.fault = Fault::TooMany;
            return None;
        }
        let begins = if key.0 == key.1 { start } else { key.0 };
        let (mut parent, mut before) = (NONE, NONE);
        if let Some((open, last)) = self.open.last_mut() {
            parent = u32::try_from(*open).ok()?;
            if let Some(sibling) = last.replace(index).and_then(|last| self.nodes.get_mut(last)) {
                before = sibling.value.1;
                sibling.next = begins;
            }
        }
        self.nodes.push(Node { kind, key, value, parent, before, next: NONE });
        if matches!(kind, Kind::Object | Kind::Array) {
            self.open.push((index, None));
        }
        Some(())
    }

    /// The beginning of an array or object; its end is not known yet.
    fn opening(&mut self) -> Option<(u32, u32)> {
        let depth = u32::try_from(self.open.len()).ok()?;
        let start = u32::try_from(self.at).ok()?;
        self.step();
        if depth >= self.bounds.depth {
            self.fault = Fault::TooDeep;
            return None;
        }
        Some((start, start))
    }

    fn string(&mut self) -> Option<(u32, u32)> {
        let start = u32::try_from(self.at).ok()?;
        self.step();
        loop {
            let byte = self.peek()?;
            self.step();
            match byte {
                b'"' => return Some((start, u32::try_from(self.at).ok()?)),
                b'\\' => {
                    self.peek()?;
                    self.step();
                }
                0..=0x1f => return None,
                _ => {}
            }
        }
    }

    fn literal(&mut self) -> Option<(u32, u32)> {
        let start = self.at;
        let value = self.run(|byte| byte.is_ascii_alphabetic() || byte == b'-')?;
        LITERALS.contains(&self.bytes.get(start..self.at)?).then_some(value)
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> Option<(u32, u32)> {
        let start = u32::try_from(self.at).ok()?;
        while self.peek().is_some_and(&belongs) {
            self.step();
        }
        let end = u32::try_from(self.at).ok()?;
        (end > start).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { depth: 8, values: 64 };

    fn outline(text: &str) -> Option<Outline> {
        Outline::of_document(text.as_bytes(), BOUNDS).ok()
    }

    fn fault(text: &str) -> Fault {
        Outline::of_document(text.as_bytes(), BOUNDS).map(|_| ()).unwrap_err()
    }

    #[test]
    fn every_value_stands_where_it_is() {
        let text = r#" {"a": [1, "x\"]"], "b" : {"c":null}} "#;
        let outline = outline(text).unwrap();
        let shown: Vec<(&str, &str, Option<usize>)> = outline
            .nodes()
            .iter()
            .map(|node| (text.get(node.key()).unwrap(), text.get(node.value()).unwrap(), node.parent()))
            .collect();
        assert_eq!(
            shown,
            [
                ("", r#"{"a": [1, "x\"]"], "b" : {"c":null}}"#, None),
                (r#""a""#, r#"[1, "x\"]"]"#, Some(0)),
                ("", "1", Some(1)),
                ("", r#""x\"]""#, Some(1)),
                (r#""b""#, r#"{"c":null}"#, Some(0)),
                (r#""c""#, "null", Some(4)),
            ]
        );
        let [_, a, one, x, b, _] = outline.nodes() else { panic!("six values") };
        assert_eq!((one.before(), one.next(), x.before()), (None, text.find(r#""x"#), Some(one.value().end)));
        assert_eq!((a.next(), b.before()), (Some(b.whole().start), Some(a.value().end)));
        let null = text.find("null").unwrap();
        assert_eq!(outline.around(&(null..null + 4)), Some(5));
        assert_eq!(outline.around(&(one.value().start..x.value().end)), Some(1));
        assert_eq!(outline.children(1), 2);
    }

    #[test]
    fn lines_are_documents() {
        let text = b"{\"a\":1}\n\n[2]\r\n\x1e{\"b\":3}\n";
        let outline = Outline::of_lines(text, BOUNDS).unwrap();
        assert_eq!(outline.documents(), 3);
        assert_eq!(Outline::of_lines(b"{\"a\":1}\n{\n", BOUNDS).unwrap_err(), Fault::Broken);
    }

    #[test]
    fn what_is_broken_or_too_much_has_none_and_says_why() {
        for text in [
            "",
            "{",
            "[1,]",
            "[1 2]",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
            "{1:2}",
            "nul",
            "[]]",
            "\"a",
            "\"\n\"",
            "tru e",
            "nan",
            "-NaN",
        ] {
            assert_eq!(fault(text), Fault::Broken, "{text}");
        }
        assert_eq!(fault(&"[".repeat(9)), Fault::TooDeep);
        assert_eq!(fault(&format!("{}{}", "[".repeat(9), "]".repeat(9))), Fault::TooDeep);
        assert_eq!(fault(&format!("[{}1]", "1,".repeat(64))), Fault::TooMany);
    }

    #[test]
    fn what_others_take_for_json_has_one() {
        for text in ["\u{feff}[1]", ")]}',\n[1]", "\u{feff})]}'\n[1]", "[NaN]", "[-Infinity]", "[Infinity]"] {
            assert_eq!(outline(text).map(|outline| outline.nodes().len()), Some(2), "{text}");
        }
        assert!(outline(")]}'[1]").is_none() && outline(")]}' \"a\"\n[1]").is_none());
    }

    #[test]
    fn the_beginning_of_a_document_has_values_too() {
        let outline = Outline::of_beginning(br#"[{"a":1},{"a":2},{"a"#, BOUNDS);
        assert_eq!((outline.children(0), outline.nodes().len()), (3, 6));
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_has_an_outline(text in r#"[\[\]{}:,"a0-9 .truefalsn\\-]{0,40}"#) {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(outline(&text).is_some());
            }
        }

        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Outline::of_document(&bytes, BOUNDS);
            let _ = Outline::of_lines(&bytes, BOUNDS);
        }
    }
}
