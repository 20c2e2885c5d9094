//! Programs that say what they are ([`crate::request::agent`]).
//!
//! A scanner by its own name has no business with an API, unless it is one's own. A browser that a program drives is a sign; tools
//! and crawlers are told and weigh nothing: honest clients are among them, and limits and identity are for them.

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

/// Looks at the user agent.
pub(super) fn check_head(request: &Request, findings: &mut Findings) {
    let Some(agent) = request.text("user-agent").and_then(classify) else { return };
    let check = match agent {
        Agent::Scanner(_) => &SCANNER,
        Agent::Headless(_) => &HEADLESS,
        Agent::Tool(_) | Agent::Crawler(_) => &AUTOMATIC,
    };
    findings.add(Finding::new(check, format!("named `{}`", agent.name())));
}
