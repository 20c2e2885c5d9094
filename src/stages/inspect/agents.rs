//! Programs that say what they are ([`crate::request::agent`]).
//!
//! A scanner by its own name has no business with an API, unless it is one's own. A browser that a program drives is a sign; tools
//! and crawlers are told and weigh nothing: honest clients are among them, and limits and identity are for them.

use super::inspector::Inspector;
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

/// Looks at the user agent. Those in which nothing was found are remembered: most clients send the same one each time. Returns it if
/// there is also nothing in it as a value like any other.
pub(super) fn check_head<'r>(
    inspector: &Inspector,
    request: &'r Request,
    findings: &mut Findings,
) -> Option<&'r [u8]> {
    let sent = request.headers.first("user-agent")?;
    let hashed = inspector.unnamed().hashed(sent);
    if !inspector.unnamed().knows(hashed) {
        let written = std::str::from_utf8(sent).ok()?;
        match classify(written) {
            None => inspector.unnamed().remember(hashed),
            Some(agent) => findings.add(named(agent)),
        }
    }
    Some(sent).filter(|_| inspector.harmless().knows(hashed))
}

#[cold]
fn named(agent: Agent) -> Finding {
    let check = match agent {
        Agent::Scanner(_) => &SCANNER,
        Agent::Headless(_) => &HEADLESS,
        Agent::Tool(_) | Agent::Crawler(_) => &AUTOMATIC,
    };
    Finding::new(check, format!("named `{}`", agent.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::Headers;

    #[test]
    fn who_names_a_program_is_found_each_time() {
        let inspector = Inspector::built_in([7; 16]).unwrap();
        let found = |agent: &str| {
            let mut findings = Findings::default();
            let request = Request::new(Headers::from_pairs([("user-agent", agent)]), || None);
            check_head(&inspector, &request, &mut findings);
            findings.len()
        };
        for _ in 0..3 {
            assert_eq!((found("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"), found("sqlmap/1.8")), (0, 1));
        }
    }
}
