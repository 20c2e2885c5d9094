//! What somebody probably meant: the known name that is most like one that is not known.
//!
//! By the similarity of Jaro and Winkler, which forgives a letter more, less or moved, most of all behind the first
//! ones. Not covered: words that mean the same.

/// Least similarity, from 0 to 1, at which a name is worth proposing.
const SIMILARITY_MIN: f64 = 0.8;

/// The most similar of the known names, whatever the case of the unknown one; `None` if none is similar enough.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let similarity =
        |candidate: &str| strsim::jaro_winkler(&name.to_ascii_lowercase(), &candidate.to_ascii_lowercase());
    let best = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(best) > SIMILARITY_MIN).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_similar_is_proposed() {
        assert_eq!(nearest("requst", &["body", "request"]), Some("request"));
        assert_eq!(nearest("STARTSWITH", &["endsWith", "startsWith"]), Some("startsWith"));
        assert_eq!(nearest("zebra", &["body", "request"]), None);
        assert_eq!(nearest("", &[]), None);
    }
}
