//! Programs that say what they are ([`crate::request::agent`]).
//!
//! A scanner by its own name has no business with an API, unless it is one's own. A browser that a program drives is a sign; tools
//! and crawlers are told and weigh nothing: honest clients are among them, and limits and identity are for them.

use super::harmless::Harmless;
use crate::finding::{Check, Class, Family, Finding, Findings, Score, Weight};
use crate::request::agent::{classify, Agent};
use crate::request::Request;

/// A scanner.
pub static SCANNER: Check = check(
    "agent.scanner",
    "agent_scanner",
    Weight::Score(Score::constant(0.5)),
    "The user agent is a scanner by its own name.",
);

/// A browser without a person.
pub static HEADLESS: Check = check(
    "agent.headless",
    "agent_headless",
    Weight::Score(Score::constant(0.2)),
    "The user agent is a browser that a program drives, by its own name.",
);

/// A library, a command-line program or a crawler.
pub static AUTOMATIC: Check = check(
    "agent.automatic",
    "agent_automatic",
    Weight::Note,
    "The user agent is a tool or a crawler by its own name.",
);

const fn check(id: &'static str, code: &'static str, weight: Weight, means: &'static str) -> Check {
    let (family, class) = (Family::Payload, Class::Forbidden);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// Looks at the user agent. Those in which nothing was found are remembered: most clients send the same one each time.
pub(super) fn check_head(unnamed: &Harmless, request: &Request, findings: &mut Findings) {
    let Some(written) = request.text("user-agent") else { return };
    let Some(unknown) = unnamed.unknown(written) else { return };
    let Some(agent) = classify(written) else { return unnamed.remember(unknown) };
    let check = match agent {
        Agent::Scanner(_) => &SCANNER,
        Agent::Headless(_) => &HEADLESS,
        Agent::Tool(_) | Agent::Crawler(_) => &AUTOMATIC,
    };
    findings.add(Finding::new(check, format!("named `{}`", agent.name())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::Headers;

    #[test]
    fn who_names_a_program_is_found_each_time() {
        let unnamed = Harmless::new([7; 16]);
        let found = |agent: &str| {
            let mut findings = Findings::default();
            check_head(
                &unnamed,
                &Request::new(Headers::from_pairs([("user-agent", agent)]), || None),
                &mut findings,
            );
            findings.len()
        };
        for _ in 0..3 {
            assert_eq!((found("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"), found("sqlmap/1.8")), (0, 1));
        }
    }
}
