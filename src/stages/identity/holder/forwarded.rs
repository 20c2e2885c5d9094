//! Which client certificate does a proxy before Envoy say it has seen?
//!
//! Such a proxy writes `x-forwarded-client-cert`: elements divided by commas, one a proxy; each has pairs `Key=value`
//! divided by semicolons; a value with one of these in it stands in double quotes, in which `\"` is a double quote and `\\` a
//! backslash (Envoy, "HTTP headers"). `Hash` is the SHA-256 of the certificate in hexadecimal. Anybody can write the field, so
//! who calls this has to know who did.
//!
//! The reading is strict: what two readers could read differently is refused whole. Of the keys of an element only those may be
//! repeated of which a certificate has several (`By`, `URI`, `DNS`). Bounds: [`BYTES_MAX`], [`ELEMENTS_MAX`],
//! [`KEYS_MAX`]; nothing is copied but the keys of one element. Not covered: proxies that forward a certificate in another
//! field (RFC 9440), and names that an authority has signed with a comma in them, which Envoy writes without quotes.

use crate::config::identity::Element;

/// Longest field: a chain of certificates takes some KiB.
const BYTES_MAX: usize = 32 << 10;

/// Most elements: as many proxies.
const ELEMENTS_MAX: usize = 16;

/// Most different keys of an element: Envoy knows seven.
const KEYS_MAX: usize = 16;

/// Of SHA-256, in hexadecimal.
const DIGEST_DIGITS: usize = 64;

/// Keys of which a certificate may have several.
const REPEATABLE: [&[u8]; 3] = [b"by", b"uri", b"dns"];

/// The digest in an element of a field, in lower-case hexadecimal. `None` if the element has none: that proxy has seen no
/// certificate.
///
/// # Errors
/// What is wrong with the field; nothing of it then counts.
pub(super) fn digest(field: &[u8], wanted: Element) -> Result<Option<String>, &'static str> {
    if field.len() > BYTES_MAX {
        return Err("it is too long");
    }
    let mut rest = field;
    let mut chosen = None;
    for index in 0..ELEMENTS_MAX {
        let (found, after) = element(rest)?;
        if wanted == Element::Last || index == 0 {
            chosen = found;
        }
        match after {
            Some(after) => rest = after,
            None => return Ok(chosen.map(|digest| String::from_utf8_lossy(digest).to_ascii_lowercase())),
        }
    }
    Err("it has too many elements")
}

/// Some of the field.
type Piece<'a> = Option<&'a [u8]>;

/// The digest of the first element, and what follows its comma.
fn element(text: &[u8]) -> Result<(Piece<'_>, Piece<'_>), &'static str> {
    let mut rest = text.trim_ascii_start();
    let mut digest = None;
    let mut known: Vec<Vec<u8>> = Vec::new();
    loop {
        let at = rest.iter().position(|byte| *byte == b'=').ok_or("a key has no value")?;
        let (key, after) = rest.split_at_checked(at).ok_or("a key has no value")?;
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphanumeric) {
            return Err("a key is no word");
        }
        let key = key.to_ascii_lowercase();
        let (value, after) = value(after.get(1..).unwrap_or_default())?;
        if key == b"hash" {
            digest = Some(Some(value).filter(|value| is_digest(value)).ok_or("`Hash` is no SHA-256")?);
        }
        if !REPEATABLE.contains(&key.as_slice()) {
            if known.contains(&key) {
                return Err("a key is repeated");
            }
            known.push(key);
        }
        if known.len() > KEYS_MAX {
            return Err("an element has too many keys");
        }
        match after.split_first() {
            None => return Ok((digest, None)),
            Some((b',', after)) => return Ok((digest, Some(after))),
            Some((b';', after)) => rest = after,
            Some(_) => return Err("something follows a quoted value"),
        }
    }
}

fn is_digest(value: &[u8]) -> bool {
    value.len() == DIGEST_DIGITS && value.iter().all(u8::is_ascii_hexdigit)
}

/// A value, without its quotes, and what follows it.
fn value(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let Some((b'"', quoted)) = text.split_first() else {
        let end = text.iter().position(|byte| matches!(byte, b',' | b';')).unwrap_or(text.len());
        let (plain, after) = text.split_at_checked(end).unwrap_or_default();
        // Blanks are allowed around a comma alone (RFC 9110 §5.6.1).
        let plain = if after.starts_with(b";") { plain } else { plain.trim_ascii_end() };
        let is_plain = |byte: &u8| *byte > b' ' && !matches!(byte, b'"' | b'\\' | 0x7f);
        return plain.iter().all(is_plain).then_some((plain, after)).ok_or("a value needs quotes");
    };
    let mut escaped = false;
    for (index, byte) in quoted.iter().enumerate() {
        match (escaped, byte) {
            (true, b'"' | b'\\') => escaped = false,
            (true, _) => return Err("a backslash escapes nothing"),
            (false, b'\\') => escaped = true,
            (false, b'"') => {
                let (inside, after) = quoted.split_at_checked(index).unwrap_or_default();
                let after = after.get(1..).unwrap_or_default();
                let blanks = after.len().saturating_sub(after.trim_ascii_start().len());
                let behind = after.get(blanks..).unwrap_or_default();
                let is_end = behind.is_empty() || behind.starts_with(b",");
                return Ok((inside, if is_end { behind } else { after }));
            }
            (false, ..=0x1f | 0x7f) => return Err("a value has control characters"),
            (false, _) => {}
        }
    }
    Err("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
    const B: &str = "0000d33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

    fn last(field: &str) -> Result<Option<String>, &'static str> {
        digest(field.as_bytes(), Element::Last)
    }

    #[test]
    fn what_envoy_writes_is_read() {
        // The examples of Envoy's documentation, with whole digests.
        for field in [
            format!("By=http://frontend.lyft.com;Hash={A};Subject=\"/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client\";URI=http://testclient.lyft.com"),
            format!("By=http://frontend.lyft.com;Hash={A};URI=http://testclient.lyft.com,By=http://backend.lyft.com;Hash={A};URI=http://frontend.lyft.com"),
            format!("hash={};DNS=a.example;DNS=b.example;URI=a;URI=", A.to_ascii_uppercase()),
            format!("Subject=\"CN=a\\\"b\\\\,O=c;Hash={B}\";Hash={A}"),
            format!("Hash={B} ,\tHash={A}"),
            format!("Subject=\"x\" , Hash=\"{A}\""),
        ] {
            assert_eq!(last(&field), Ok(Some(A.to_owned())), "{field}");
        }
        assert_eq!(last(&format!("Hash={A},By=x")), Ok(None));
        assert_eq!(digest(format!("Hash={A},Hash={B}").as_bytes(), Element::First), Ok(Some(A.to_owned())));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for field in [
            "",
            ",",
            "Hash",
            "=x",
            &format!("Hash={A};"),
            &format!("Hash={A},"),
            &format!("Hash={A};Hash={A}"),
            &format!("Hash={A};hash={B}"),
            &format!("Hash={A};URI=x;Hash={B}"),
            &format!("Subject=\"a\";Hash={A};subject=\"b\""),
            &format!("Subject=\"a;Hash={A}"),
            &format!("Subject=\"a\"b;Hash={A}"),
            &format!("Subject=\"a\\b\";Hash={A}"),
            &format!("Subject=a b;Hash={A}"),
            &format!("Subject=a\"b;Hash={A}"),
            &format!("Hash ={A}"),
            &format!("Hash= {A}"),
            &format!("Hash={A} ;By=x"),
            &format!("Hash={A}0"),
            "Hash=",
            "Hash=x",
            &vec!["By=x"; ELEMENTS_MAX + 1].join(","),
            &"By=x;".repeat(BYTES_MAX),
        ] {
            assert!(last(field).is_err(), "{field}");
        }
    }

    proptest! {
        #[test]
        fn no_field_panics(field in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = digest(&field, Element::Last);
        }

        #[test]
        fn no_mixture_of_its_signs_panics(field in "([,;=\"\\\\ a]|Hash=|By=){0,60}") {
            let _ = last(&field);
        }

        /// Whatever stands in a quoted value, the digest beside it is the one that is read.
        #[test]
        fn nothing_escapes_from_quotes(subject in "[ -~]{0,80}") {
            let quoted = subject.replace('\\', "\\\\").replace('"', "\\\"");
            let field = format!("By=x;Hash={A};Subject=\"{quoted}\";URI=spiffe://a/b");
            prop_assert_eq!(last(&field), Ok(Some(A.to_owned())));
        }
    }
}
