//! Tokens in the query, which end in logs, histories and `Referer` fields (RFC 9700 §4.3.2).
//!
//! Names are found in every spelling that some service may read: percent-encoded once or twice, in another case, as
//! `access.token` or `access_token[]`, and behind the `#` of a fragment that slipped into the query. Not covered: tokens
//! within values (a URL that is passed on), under other names, and in the path.

use crate::request::form::is_spelling;

/// The first of `names` that the query has.
pub(super) fn token<'n>(query: &[u8], names: &'n [String]) -> Option<&'n str> {
    if query.is_empty() || names.is_empty() {
        return None;
    }
    let parts = query.split(|byte| b"&;#?".contains(byte));
    let sent = parts.filter_map(|part| part.split(|byte| *byte == b'=').next()).filter(|sent| !sent.is_empty());
    sent.into_iter().find_map(|sent| named(sent, names))
}

fn named<'n>(sent: &[u8], names: &'n [String]) -> Option<&'n str> {
    let once: Vec<u8> = percent_encoding::percent_decode(sent).collect();
    let twice: Vec<u8> = percent_encoding::percent_decode(&once).collect();
    let found = |decoded: &[u8]| {
        // What was encoded may again hold separators.
        let inner = decoded.split(|byte| b"&;#?".contains(byte)).filter_map(|part| {
            let name = part.split(|byte| *byte == b'=').next()?;
            Some(name.strip_prefix(b"/").unwrap_or(name))
        });
        let is_any = |part: &[u8]| names.iter().find(|name| is_spelling(part.iter().copied(), name));
        inner.into_iter().find_map(is_any).map(String::as_str)
    };
    found(&once).or_else(|| (twice != once).then(|| found(&twice)).flatten())
}
