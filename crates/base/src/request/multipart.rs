//! Forms in parts: `multipart/form-data` (RFC 7578; RFC 2046 §5.1).
//!
//! A filter that finds other parts than the service does inspects the wrong bytes, and parsers of this format agree on little
//! beyond what browsers send. So only that is read: each part between exact delimiters, one `Content-Disposition` with one
//! `name`, lines that end in CR LF. Whatever one parser takes and another does not, or takes for something else, is a
//! [`Fault`] of the whole body; an operator may want to let some of them pass where the service is known.
//!
//! Bounds: [`PARTS_MAX`], [`HEADER_BYTES_MAX`]; the body is bounded by what the caller buffers. Every byte is compared with
//! the delimiter at most once per byte of the delimiter (74); nothing but names is copied, nothing recurses. Not covered:
//! names that are there twice (files of one field are, RFC 7578 §4.3), percent-encoding in names (browsers write `%22` for a
//! quotation mark, services take it as it is), the charset of a part, what is in a file.

/// Parts of one body at most.
pub const PARTS_MAX: usize = 64;

/// Longest header section of a part, in bytes, its line ends included.
pub const HEADER_BYTES_MAX: usize = 1024;

/// Longest boundary, in bytes (RFC 2046 §5.1.1).
pub const BOUNDARY_BYTES_MAX: usize = 70;

/// Parameters of one header field at most. Three are known.
const PARAMETERS_MAX: usize = 8;

/// One field or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of the field.
    pub name: String,
    /// The name of the file: with one, the part is a file (RFC 7578 §4.2). It is the client's, a path perhaps.
    pub filename: Option<String>,
    /// The media type that the client claims, as sent.
    pub content_type: Option<&'a [u8]>,
    /// The value.
    pub bytes: &'a [u8],
}

/// Why a body has no parts that every parser agrees on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The media type is another one, or the `Content-Type` is malformed.
    ContentType,
    /// No parameter `boundary`.
    NoBoundary,
    /// The parameter `boundary` twice, or continued (`boundary*0`, RFC 2231 §3).
    BoundaryTwice,
    /// A boundary of more than [`BOUNDARY_BYTES_MAX`] or other characters than those of RFC 2046 §5.1.1.
    Boundary,
    /// Something before the first delimiter.
    Preamble,
    /// Something after the last delimiter.
    Epilogue,
    /// No last delimiter: the body is cut off.
    Unfinished,
    /// The delimiter inside a line, or with something behind it.
    Delimiter,
    /// More than [`PARTS_MAX`].
    TooMany,
    /// More than [`HEADER_BYTES_MAX`].
    HeaderTooLong,
    /// A line that ends in LF or CR alone.
    BareLineEnd,
    /// A header line that continues the one before.
    Folded,
    /// A malformed header field, or no end of the header section.
    Header,
    /// Two header fields of a name that decides something.
    FieldTwice,
    /// No `Content-Disposition`, or no `name` in it.
    Unnamed,
    /// A parameter of `Content-Disposition` twice.
    ParameterTwice,
    /// Both `filename` and `filename*`. Some clients (.NET) send both.
    FilenameTwice,
    /// An extended or continued parameter (`filename*`, `name*0`): RFC 7578 §4.2 forbids them.
    Extended,
    /// A backslash in a name, or before a quotation mark: an escape to some.
    Escape,
    /// A name that is not UTF-8.
    Encoding,
    /// A transfer encoding that changes bytes (deprecated, RFC 7578 §4.7).
    TransferEncoding,
    /// Parts within a part (deprecated, RFC 7578 §4.3).
    Nested,
}

impl Fault {
    /// For the operator.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ContentType => "the content type is not that of a multipart form",
            Self::NoBoundary => "the content type has no boundary",
            Self::BoundaryTwice => "the content type has more than one boundary",
            Self::Boundary => "the boundary is malformed",
            Self::Preamble => "there is text before the first part",
            Self::Epilogue => "there is text after the last part",
            Self::Unfinished => "the last delimiter is missing",
            Self::Delimiter => "a delimiter is not alone on its line",
            Self::TooMany => "the form has too many parts",
            Self::HeaderTooLong => "the header of a part is too long",
            Self::BareLineEnd => "a line ends without CR LF",
            Self::Folded => "the header of a part has a folded line",
            Self::Header => "the header of a part is malformed",
            Self::FieldTwice => "a header field of a part is repeated",
            Self::Unnamed => "a part has no name",
            Self::ParameterTwice => "a part has a parameter twice",
            Self::FilenameTwice => "a part has both filename and filename*",
            Self::Extended => "a part has an extended parameter",
            Self::Escape => "a name has a backslash",
            Self::Encoding => "a name is not UTF-8",
            Self::TransferEncoding => "a part has a transfer encoding",
            Self::Nested => "a part has parts itself",
        }
    }
}

/// Reads a body. `content_type` is the value of the request's only `Content-Type`.
///
/// # Errors
/// The first thing on which parsers disagree, or the bound that is exceeded.
pub fn parts<'a>(content_type: &[u8], body: &'a [u8]) -> Result<Vec<Part<'a>>, Fault> {
    read(content_type, body, Extent::Whole)
}

/// The parts in the beginning of a body, the last one as far as it goes.
///
/// # Errors
/// See [`parts`]; a missing end is none.
pub fn parts_of_beginning<'a>(content_type: &[u8], beginning: &'a [u8]) -> Result<Vec<Part<'a>>, Fault> {
    read(content_type, beginning, Extent::Beginning)
}

/// How much of a body is there.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Extent {
    Whole,
    Beginning,
}

fn read<'a>(content_type: &[u8], body: &'a [u8], extent: Extent) -> Result<Vec<Part<'a>>, Fault> {
    let delimiter = [b"--".as_slice(), boundary(content_type)?].concat();
    let mut places = places(body, &delimiter);
    match places.next() {
        Some(0) => {}
        Some(_) => return Err(Fault::Preamble),
        None => return Err(Fault::Unfinished),
    }
    let mut found = Vec::new();
    let mut rest = body.get(delimiter.len()..).unwrap_or_default();
    // Where `rest` begins in the body.
    let mut start = delimiter.len();
    while !rest.starts_with(b"--") {
        let next = match (places.next(), extent) {
            (Some(next), _) => next,
            // What there is of the last one.
            (None, Extent::Beginning) => {
                found.extend(rest.strip_prefix(b"\r\n").and_then(|inside| part(inside).ok()));
                return Ok(found);
            }
            (None, Extent::Whole) => return Err(unfinished(rest)),
        };
        let inside = rest.strip_prefix(b"\r\n").ok_or(line_end_fault(rest))?;
        let length = next.saturating_sub(start).saturating_sub(2);
        let (region, after) = inside.split_at_checked(length).ok_or(Fault::Delimiter)?;
        if found.len() >= PARTS_MAX {
            return Err(Fault::TooMany);
        }
        found.push(part(region_before_delimiter(region)?)?);
        rest = after.get(delimiter.len()..).unwrap_or_default();
        start = next.saturating_add(delimiter.len());
    }
    match rest {
        b"--" | b"--\r\n" => Ok(found),
        _ => Err(Fault::Epilogue),
    }
}

/// What is wrong with a last part that has no end.
fn unfinished(rest: &[u8]) -> Fault {
    if rest.starts_with(b"\r\n") {
        Fault::Unfinished
    } else {
        line_end_fault(rest)
    }
}

/// Where the delimiter is, wherever in a line.
fn places<'a>(body: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut behind = 0;
    body.windows(delimiter.len()).enumerate().filter_map(move |(at, window)| {
        // One that overlaps the one before is none.
        let here = at >= behind && window == delimiter;
        if here {
            behind = at.saturating_add(delimiter.len());
        }
        here.then_some(at)
    })
}

/// What is wrong behind a delimiter that CR LF does not follow.
fn line_end_fault(rest: &[u8]) -> Fault {
    match rest.first() {
        None => Fault::Unfinished,
        Some(b'\n' | b'\r') => Fault::BareLineEnd,
        Some(_) => Fault::Delimiter,
    }
}

/// A part without the line end before the delimiter, which is the delimiter's (RFC 2046 §5.1.1).
fn region_before_delimiter(region: &[u8]) -> Result<&[u8], Fault> {
    region.strip_suffix(b"\r\n").ok_or(match region.last() {
        Some(b'\n' | b'\r') => Fault::BareLineEnd,
        _ => Fault::Delimiter,
    })
}

fn boundary(content_type: &[u8]) -> Result<&[u8], Fault> {
    let (media_type, parameters) = valued(content_type).ok_or(Fault::ContentType)?;
    if !media_type.eq_ignore_ascii_case(b"multipart/form-data") {
        return Err(Fault::ContentType);
    }
    let mut boundary = None;
    for (name, value) in parameters {
        if is_extended(name, b"boundary") {
            return Err(Fault::BoundaryTwice);
        }
        if name.eq_ignore_ascii_case(b"boundary") && boundary.replace(value).is_some() {
            return Err(Fault::BoundaryTwice);
        }
    }
    let boundary = boundary.ok_or(Fault::NoBoundary)?;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    let fits = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) && boundary.last() != Some(&b' ');
    (fits && boundary.iter().all(allowed)).then_some(boundary).ok_or(Fault::Boundary)
}

/// Whether a parameter is an extended or continued form of another (RFC 2231 §3, §4).
fn is_extended(name: &[u8], plain: &[u8]) -> bool {
    let head = name.split(|byte| *byte == b'*').next().unwrap_or_default();
    name.len() != head.len() && head.eq_ignore_ascii_case(plain)
}

type Parameter<'a> = (&'a [u8], &'a [u8]);

/// A value with parameters (RFC 2045 §5.1): a value is a token or stands between quotation marks. `None` for anything else,
/// such as white space around the equals sign. Backslashes are kept, and end nothing.
fn valued(text: &[u8]) -> Option<(&[u8], Vec<Parameter<'_>>)> {
    let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
    let (value, mut rest) = text.split_at_checked(end)?;
    let mut parameters = Vec::new();
    while let Some(after) = rest.strip_prefix(b";") {
        rest = after.trim_ascii_start();
        // Many write a semicolon at the end.
        if rest.is_empty() || rest.starts_with(b";") {
            continue;
        }
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let (name, after) = rest.split_at_checked(equals)?;
        let after = after.get(1..)?;
        let (value, behind) = match after.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = quoted.iter().position(|byte| *byte == b'"')?;
                (quoted.get(..end)?, quoted.get(end.checked_add(1)?..)?)
            }
            None => {
                let end = after.iter().position(|byte| *byte == b';').unwrap_or(after.len());
                let (token, behind) = after.split_at_checked(end)?;
                (Some(token.trim_ascii_end()).filter(|token| is_token(token))?, behind)
            }
        };
        if !is_token(name) || parameters.len() >= PARAMETERS_MAX {
            return None;
        }
        parameters.push((name, value));
        rest = behind.trim_ascii_start();
    }
    rest.is_empty().then_some((value.trim_ascii(), parameters))
}

/// RFC 2045 §5.1, without the braces: everything but space, control characters and `tspecials`.
fn is_token(text: &[u8]) -> bool {
    let in_token = |byte: &u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(byte);
    !text.is_empty() && text.iter().all(in_token)
}

/// One part: its header section, an empty line, its bytes.
fn part(region: &[u8]) -> Result<Part<'_>, Fault> {
    let mut rest = region;
    let mut header = Header::default();
    let mut left = HEADER_BYTES_MAX;
    loop {
        let window = rest.get(..left).unwrap_or(rest);
        let end = window.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or(if window.len() < rest.len() { Fault::HeaderTooLong } else { Fault::Header })?;
        let (line, after) = rest.split_at_checked(end).ok_or(Fault::Header)?;
        let line = line.strip_suffix(b"\r").ok_or(Fault::BareLineEnd)?;
        rest = after.get(1..).unwrap_or_default();
        left = left.saturating_sub(end).saturating_sub(1);
        if line.is_empty() {
            return header.part(rest);
        }
        header.line(line)?;
    }
}

/// What the header section of one part has told so far.
#[derive(Debug, Default)]
struct Header<'a> {
    disposition: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    transfer_encoding: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), Fault> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(Fault::Folded);
        }
        if line.contains(&b'\r') {
            return Err(Fault::BareLineEnd);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Fault::Header)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Fault::Header)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if !is_token(name) || value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(Fault::Header);
        }
        let slot = match name.to_ascii_lowercase().as_slice() {
            b"content-disposition" => &mut self.disposition,
            b"content-type" => &mut self.content_type,
            b"content-transfer-encoding" => &mut self.transfer_encoding,
            // The rest is to be ignored (RFC 7578 §4.8).
            _ => return Ok(()),
        };
        slot.replace(value).map_or(Ok(()), |_| Err(Fault::FieldTwice))
    }

    fn part(self, bytes: &'a [u8]) -> Result<Part<'a>, Fault> {
        let same = [b"7bit".as_slice(), b"8bit", b"binary"];
        if self.transfer_encoding.is_some_and(|value| !same.iter().any(|same| value.eq_ignore_ascii_case(same))) {
            return Err(Fault::TransferEncoding);
        }
        let begins = |value: &[u8]| value.get(..10).is_some_and(|head| head.eq_ignore_ascii_case(b"multipart/"));
        if self.content_type.is_some_and(begins) {
            return Err(Fault::Nested);
        }
        let (name, filename) = names(self.disposition.ok_or(Fault::Unnamed)?)?;
        Ok(Part { name, filename, content_type: self.content_type, bytes })
    }
}

/// The name of the field and that of the file, from a `Content-Disposition` (RFC 7578 §4.2).
fn names(disposition: &[u8]) -> Result<(String, Option<String>), Fault> {
    // Before anything else, as this decides where a value ends.
    if disposition.windows(2).any(|pair| pair == b"\\\"") {
        return Err(Fault::Escape);
    }
    let (kind, parameters) = valued(disposition).ok_or(Fault::Header)?;
    if !kind.eq_ignore_ascii_case(b"form-data") {
        return Err(Fault::Header);
    }
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let (mut name, mut filename, mut extended) = (None, None, None);
    for (parameter, value) in parameters {
        let parameter = parameter.to_ascii_lowercase();
        if seen.contains(&parameter) {
            return Err(Fault::ParameterTwice);
        }
        match parameter.as_slice() {
            b"name" if value.contains(&b'\\') => return Err(Fault::Escape),
            b"name" => name = Some(text(value)?),
            b"filename" => filename = Some(text(value)?),
            other if is_extended(other, b"filename") => extended = Some(Fault::FilenameTwice),
            other if other.contains(&b'*') => return Err(Fault::Extended),
            _ => {}
        }
        seen.push(parameter);
    }
    match extended {
        Some(fault) if filename.is_some() => return Err(fault),
        Some(_) => return Err(Fault::Extended),
        None => {}
    }
    Ok((name.ok_or(Fault::Unnamed)?, filename))
}

fn text(value: &[u8]) -> Result<String, Fault> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| Fault::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &[u8] = b"multipart/form-data; boundary=b";
    const NAMED: &str = "Content-Disposition: form-data; name=\"a\"";

    /// A part of which the header section is given.
    fn fault_of_header(header: &str) -> Option<Fault> {
        let body = format!("--b\r\n{header}\r\n\r\nx\r\n--b--\r\n");
        parts(TYPE, body.as_bytes()).err()
    }

    #[test]
    fn fields_and_files_are_told_apart() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"a b\"\r\n\r\n1\r\n2\r\n--b\r\n\
            content-type: image/png\r\nX-Other: y\r\nCONTENT-DISPOSITION:form-data ;name=f; FileName=\"C:\\é;.png\"\r\n\r\n\r\n--b--";
        let field = Part { name: "a b".into(), filename: None, content_type: None, bytes: b"1\r\n2" };
        let file = Part {
            name: "f".into(),
            filename: Some("C:\\é;.png".into()),
            content_type: Some(b"image/png"),
            bytes: b"",
        };
        assert_eq!(parts(TYPE, body.as_bytes()), Ok(vec![field, file]));
        assert_eq!(parts(TYPE, b"--b--\r\n"), Ok(vec![]));
    }

    #[test]
    fn boundaries_have_one_reading() {
        let longest = format!("multipart/form-data; boundary={}", "b".repeat(BOUNDARY_BYTES_MAX));
        let too_long = format!("{longest}b");
        for (content_type, wanted) in [
            ("multipart/form-data; boundary=b", Ok(&b"b"[..])),
            ("Multipart/Form-Data;charset=utf-8;Boundary=\"a b:=?\";", Ok(b"a b:=?")),
            ("multipart/form-data; boundary=----WebKitFormBoundary7MA4", Ok(b"----WebKitFormBoundary7MA4")),
            (&longest, Ok(&[b'b'; BOUNDARY_BYTES_MAX][..])),
            (&too_long, Err(Fault::Boundary)),
            ("multipart/form-data", Err(Fault::NoBoundary)),
            ("multipart/form-data; xboundary=b", Err(Fault::NoBoundary)),
            ("multipart/form-data; boundary=\"\"", Err(Fault::Boundary)),
            ("multipart/form-data; boundary=\"b \"", Err(Fault::Boundary)),
            ("multipart/form-data; boundary=\"b\\\\c\"", Err(Fault::Boundary)),
            ("multipart/form-data; boundary=é", Err(Fault::ContentType)),
            ("multipart/form-data; boundary=", Err(Fault::ContentType)),
            ("multipart/form-data; boundary =b", Err(Fault::ContentType)),
            ("multipart/form-data; boundary=b c", Err(Fault::ContentType)),
            ("multipart/form-data; boundary=b,c", Err(Fault::ContentType)),
            ("multipart/form-data; boundary=\"b\"c", Err(Fault::ContentType)),
            ("multipart/form-data; boundary=\"b", Err(Fault::ContentType)),
            ("multipart/form-data, text/plain; boundary=b", Err(Fault::ContentType)),
            ("multipart/mixed; boundary=b", Err(Fault::ContentType)),
            ("", Err(Fault::ContentType)),
            ("multipart/form-data; boundary=b; BOUNDARY=b", Err(Fault::BoundaryTwice)),
            ("multipart/form-data; boundary=b; boundary*=c", Err(Fault::BoundaryTwice)),
            ("multipart/form-data; boundary*0=b", Err(Fault::BoundaryTwice)),
        ] {
            assert_eq!(boundary(content_type.as_bytes()), wanted, "{content_type}");
        }
    }

    #[test]
    fn delimiters_have_one_reading() {
        let whole = format!("--b\r\n{NAMED}\r\n\r\nx\r\n--b--\r\n");
        assert!(parts(TYPE, whole.as_bytes()).is_ok());
        for (from, to, fault) in [
            ("--b--\r\n", "", Fault::Unfinished),
            ("--b--\r\n", "--b", Fault::Unfinished),
            ("--b--\r\n", "--b\r\n", Fault::Unfinished),
            ("--b--\r\n", "--b-", Fault::Delimiter),
            ("--b--\r\n", "--b--\n", Fault::Epilogue),
            ("--b--\r\n", "--b--x", Fault::Epilogue),
            ("--b--\r\n", "--b--\r\n--b--\r\n", Fault::Epilogue),
            ("--b\r\n", "\r\n--b\r\n", Fault::Preamble),
            ("--b\r\n", "x\r\n--b\r\n", Fault::Preamble),
            ("--b\r\n", "--b\n", Fault::BareLineEnd),
            ("--b\r\n", "--b \r\n", Fault::Delimiter),
            ("--b\r\n", "--bc\r\n", Fault::Delimiter),
            ("\r\nx\r\n--b", "\r\nx\n--b", Fault::BareLineEnd),
            ("\r\nx\r\n--b", "\r\nx\r--b", Fault::BareLineEnd),
            ("\r\nx\r\n--b", "\r\nx--b", Fault::Delimiter),
            ("\r\nx\r\n--b", "\r\nx\r\n--bc\r\n--b", Fault::Delimiter),
            ("\r\nx\r\n--b", "\r\nx\n--b\r\n--b", Fault::BareLineEnd),
            ("\r\nx\r\n--b", "\r\n\r\n---b\r\n--b", Fault::Delimiter),
            ("--b\r\n", "--b\r\n--b\r\n", Fault::Delimiter),
        ] {
            let body = whole.replacen(from, to, 1);
            assert_eq!(parts(TYPE, body.as_bytes()), Err(fault), "{body:?}");
        }
        assert_eq!(parts(TYPE, b""), Err(Fault::Unfinished));
    }

    #[test]
    fn headers_have_one_reading() {
        for (header, fault) in [
            (NAMED, None),
            (&format!("{NAMED}\r\nContent-Transfer-Encoding: BINARY"), None),
            (&format!("{NAMED}; filename=\"\""), None),
            ("Content-Disposition: form-data; name=\"a;filename=b\"", None),
            ("X: y", Some(Fault::Unnamed)),
            ("Content-Disposition: form-data", Some(Fault::Unnamed)),
            ("Content-Disposition: form-data; filename=a", Some(Fault::Unnamed)),
            ("Content-Disposition: attachment; name=a", Some(Fault::Header)),
            ("Content-Disposition: form-data; name=a b", Some(Fault::Header)),
            ("Content-Disposition: form-data; name", Some(Fault::Header)),
            ("Content-Disposition: form-data; name='a;b'", Some(Fault::Header)),
            ("Content-Disposition : form-data; name=a", Some(Fault::Header)),
            ("Content-Disposition", Some(Fault::Header)),
            (&format!("{NAMED}\0"), Some(Fault::Header)),
            (&format!("{NAMED}\r\n{NAMED}"), Some(Fault::FieldTwice)),
            (&format!("{NAMED}\r\nContent-Type: a/b\r\ncontent-type: a/b"), Some(Fault::FieldTwice)),
            (&format!("{NAMED}; NAME=a"), Some(Fault::ParameterTwice)),
            (&format!("{NAMED}; filename=a; filename=a"), Some(Fault::ParameterTwice)),
            (&format!("{NAMED}; filename=a; filename*=utf-8''a"), Some(Fault::FilenameTwice)),
            (&format!("{NAMED}; filename*=utf-8''a; filename=a"), Some(Fault::FilenameTwice)),
            (&format!("{NAMED}; filename*=utf-8''a"), Some(Fault::Extended)),
            (&format!("{NAMED}; filename*0=a"), Some(Fault::Extended)),
            (&format!("{NAMED}; name*=utf-8''a"), Some(Fault::Extended)),
            ("Content-Disposition: form-data; name=\"a\\\"; x=\"", Some(Fault::Escape)),
            ("Content-Disposition: form-data; name=\"a\\b\"", Some(Fault::Escape)),
            (&format!("{NAMED}\r\nContent-Transfer-Encoding: base64"), Some(Fault::TransferEncoding)),
            (&format!("{NAMED}\r\nContent-Type: Multipart/Mixed; boundary=c"), Some(Fault::Nested)),
            (&NAMED.replace("; name", ";\r\n name"), Some(Fault::Folded)),
            (&format!("{NAMED}\nX: y"), Some(Fault::BareLineEnd)),
            (&format!("{NAMED}\rX: y"), Some(Fault::BareLineEnd)),
            (&format!("{NAMED}\n\nX: y"), Some(Fault::BareLineEnd)),
        ] {
            assert_eq!(fault_of_header(header), fault, "{header:?}");
        }
        let body = b"--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--b--";
        assert_eq!(parts(TYPE, body), Err(Fault::Encoding));
        // Without an empty line there is no value.
        assert_eq!(parts(TYPE, format!("--b\r\n{NAMED}\r\n\r\n--b--").as_bytes()), Err(Fault::Header));
    }

    #[test]
    fn number_and_length_are_bounded() {
        let many = |count: usize| format!("{}--b--", format!("--b\r\n{NAMED}\r\n\r\nx\r\n").repeat(count));
        assert_eq!(parts(TYPE, many(PARTS_MAX).as_bytes()).map(|parts| parts.len()), Ok(PARTS_MAX));
        assert_eq!(parts(TYPE, many(PARTS_MAX + 1).as_bytes()), Err(Fault::TooMany));
        // Three line ends and the name of the other field.
        let room = HEADER_BYTES_MAX - NAMED.len() - 6 - 2;
        let header = |padding: usize| format!("{NAMED}\r\nX:{}", "y".repeat(padding));
        assert_eq!(fault_of_header(&header(room)), None);
        assert_eq!(fault_of_header(&header(room + 1)), Some(Fault::HeaderTooLong));
        assert_eq!(fault_of_header(&header(100_000)), Some(Fault::HeaderTooLong));
        assert_eq!(
            fault_of_header(&format!("{NAMED}{}", ";a=b".repeat(PARAMETERS_MAX - 1))),
            Some(Fault::ParameterTwice)
        );
        let parameters: String = (0..PARAMETERS_MAX).map(|at| format!(";a{at}=b")).collect();
        assert_eq!(fault_of_header(&format!("{NAMED}{parameters}")), Some(Fault::Header));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            boundary in "[0-9A-Za-z'()+_,./:=?-]{30,70}",
            wanted in prop::collection::vec(("[ -!#-\\[\\]-~é]{0,8}", prop::option::of("[ -!#-~é]{0,8}x"), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        ) {
            let mut body = Vec::new();
            for (name, filename, bytes) in &wanted {
                body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").into_bytes());
                if let Some(filename) = filename {
                    body.extend(format!("; filename=\"{filename}\"\r\nContent-Type: text/plain").into_bytes());
                }
                body.extend(b"\r\n\r\n");
                body.extend(bytes);
                body.extend(b"\r\n");
            }
            body.extend(format!("--{boundary}--\r\n").into_bytes());
            let found = parts(format!("multipart/form-data; boundary=\"{boundary}\"").as_bytes(), &body).unwrap();
            let found: Vec<_> = found.into_iter().map(|part| (part.name, part.filename, part.bytes.to_vec())).collect();
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn no_body_panics(body in "(--b|--|\r\n|\r|\n|Content-Disposition: form-data|; |name=|filename|\\*|\"|\\\\|a|é|:|;|=| ){0,40}") {
            let _ = parts(TYPE, body.as_bytes());
            let _ = parts(body.as_bytes(), TYPE);
        }
    }
}
