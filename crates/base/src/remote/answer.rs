//! What a service answered when it was asked for a document, as far as HTTP decides it.
//!
//! Only 200 is a document and only 304 says that the old one is current (RFC 9110 §15.4.5); redirects are not followed, since
//! where they lead is not the operator's choice.

use crate::request::headers::Headers;

/// Longest entity tag that is asked with; see [`super::Remote`].
const ETAG_BYTES_MAX: usize = 255;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A document.
    Document {
        /// Its entity tag.
        etag: Option<String>,
        /// Its bytes.
        body: Vec<u8>,
    },
    /// The document is still the one that was asked with.
    NotModified,
}

/// Why there is none. The text is for the operator and free of what the service sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

impl Answer {
    /// Reads an answer. A call that was reset has no header fields. `body` is at most one byte longer than `bytes_max`.
    ///
    /// # Errors
    /// No answer, another status, a body that is too long.
    pub fn read(headers: &Headers, body: Vec<u8>, bytes_max: usize) -> Result<Self, Fault> {
        let status =
            headers.first(":status").and_then(|status| std::str::from_utf8(status).ok()?.parse::<u16>().ok());
        match status {
            None => Err(Fault("no answer in time, or the connection failed".to_owned())),
            Some(200) if body.len() > bytes_max => Err(Fault(format!("more than {bytes_max} bytes"))),
            Some(200) => Ok(Self::Document { etag: etag(headers), body }),
            Some(304) => Ok(Self::NotModified),
            Some(status) => Err(Fault(format!("status {status}"))),
        }
    }
}

/// An entity tag that can be sent back as it is.
fn etag(headers: &Headers) -> Option<String> {
    let tag = std::str::from_utf8(headers.first("etag")?).ok()?;
    let plain = tag.len() <= ETAG_BYTES_MAX && tag.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    plain.then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)], body: &[u8]) -> Result<Answer, Fault> {
        Answer::read(&Headers::from_pairs(pairs.iter().copied()), body.to_vec(), 4)
    }

    #[test]
    fn only_a_document_is_a_document() {
        let document =
            |etag: Option<&str>| Answer::Document { etag: etag.map(str::to_owned), body: b"{}".to_vec() };
        assert_eq!(read(&[(":status", "200")], b"{}"), Ok(document(None)));
        assert_eq!(read(&[(":status", "200"), ("etag", "W/\"1\"")], b"{}"), Ok(document(Some("W/\"1\""))));
        assert_eq!(read(&[(":status", "200"), ("etag", "a\tb")], b"{}"), Ok(document(None)));
        assert_eq!(read(&[(":status", "304")], b""), Ok(Answer::NotModified));
        for status in ["201", "204", "206", "301", "404", "500", "503", "abc", ""] {
            assert!(read(&[(":status", status)], b"{}").is_err(), "{status}");
        }
        assert!(read(&[], b"{}").is_err());
        assert!(read(&[(":status", "200")], b"12345").is_err());
    }
}
