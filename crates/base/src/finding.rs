//! What one check saw.
//!
//! A stage that finds nothing adds nothing: no finding means *no opinion*, which is not the same as *good*.
//! Every check is declared once as a [`Check`] constant and listed in `stages::CHECKS`; statistics,
//! configuration and documentation all come from that table.
//!
//! Bounds: a request keeps at most [`FINDINGS_MAX`] findings (the rest are counted), and a reason is cut at
//! [`REASON_BYTES_MAX`]. Client text enters a reason only through [`quoted`].

use std::borrow::Cow;
use std::sync::Arc;

/// Findings kept per request; further ones are only counted.
pub const FINDINGS_MAX: usize = 32;

/// Longest private reason, in bytes.
pub const REASON_BYTES_MAX: usize = 256;

/// Characters of client text that [`quoted`] lets through.
const QUOTED_CHARS_MAX: usize = 48;

/// How likely abuse is, from 0 (no sign of it) to 1 (certain).
#[derive(Copy, Clone, Debug, PartialEq, PartialOrd)]
pub struct Score(f64);

impl Score {
    /// A score, or `None` outside `0..=1` and for NaN.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// A score that is known when the program is compiled; in a constant, out of range does not compile.
    pub const fn constant(value: f64) -> Self {
        assert!(value >= 0.0 && value <= 1.0);
        Self(value)
    }

    /// The number.
    pub const fn value(self) -> f64 {
        self.0
    }
}

/// What kind of refusal a check leads to: HTTP and gRPC statuses follow from it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// The caller did not prove who it is: 401, gRPC `UNAUTHENTICATED`.
    Unauthenticated,
    /// The caller is known and may not: 403, gRPC `PERMISSION_DENIED`.
    Forbidden,
    /// Too many requests: 429, gRPC `RESOURCE_EXHAUSTED`.
    RateLimited,
    /// The request has no single meaning: 400, gRPC `INVALID_ARGUMENT`.
    Invalid,
    /// A part of the request is larger than allowed: 413, gRPC `RESOURCE_EXHAUSTED`.
    TooLarge,
    /// We could not judge, and the failure policy says no: 503, gRPC `UNAVAILABLE`.
    Unavailable,
}

impl Class {
    /// The HTTP status code (RFC 9110 §15).
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::RateLimited => 429,
            Self::Invalid => 400,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
        }
    }

    /// The gRPC status code (gRPC "Status codes and their use in gRPC").
    pub const fn grpc_status(self) -> i32 {
        match self {
            Self::Unauthenticated => 16,
            Self::Forbidden => 7,
            Self::RateLimited | Self::TooLarge => 8,
            Self::Invalid => 3,
            Self::Unavailable => 14,
        }
    }

    /// The status phrase, which RFC 9457 §4.2.1 asks for as the title of an `about:blank` problem.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unauthenticated => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::RateLimited => "Too Many Requests",
            Self::Invalid => "Bad Request",
            Self::TooLarge => "Content Too Large",
            Self::Unavailable => "Service Unavailable",
        }
    }
}

/// What a finding does to the verdict.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Weight {
    /// Counted and reported, without effect.
    Note,
    /// Adds to the risk.
    Score(Score),
    /// The verdict is at least a challenge.
    Challenge,
    /// The verdict is a denial, whatever the risk.
    Refuse,
}

/// A group of checks that look at the same thing. Scores of one family are capped together, so that many weak
/// signs of one kind cannot deny alone.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The form of the request.
    Request,
    /// The token and what it allows.
    Token,
    /// Whether the token is in the hands it was issued to.
    Binding,
    /// How often.
    Limits,
    /// What the values say.
    Payload,
    /// What the business allows.
    Business,
    /// Whose things are asked for, and how many of them.
    Objects,
    /// What is usual.
    Anomaly,
    /// What several requests amount to.
    Behaviour,
    /// What the service gave away.
    Exposure,
    /// Our own trouble in judging.
    Failure,
}

impl Family {
    /// Every family, in a fixed order.
    pub const ALL: [Self; 11] = [
        Self::Request,
        Self::Token,
        Self::Binding,
        Self::Limits,
        Self::Payload,
        Self::Business,
        Self::Objects,
        Self::Anomaly,
        Self::Behaviour,
        Self::Exposure,
        Self::Failure,
    ];

    /// The name used in the configuration and in receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Token => "token",
            Self::Binding => "binding",
            Self::Limits => "limits",
            Self::Payload => "payload",
            Self::Business => "business",
            Self::Objects => "objects",
            Self::Anomaly => "anomaly",
            Self::Behaviour => "behaviour",
            Self::Exposure => "exposure",
            Self::Failure => "failure",
        }
    }

    /// The stage that its checks belong to, as the statistics name it.
    pub const fn stage(self) -> &'static str {
        match self {
            Self::Request => "shape",
            Self::Token | Self::Binding => "identity",
            Self::Limits => "limits",
            Self::Payload => "inspect",
            Self::Business => "business",
            Self::Objects => "objects",
            Self::Anomaly => "anomaly",
            Self::Behaviour => "behaviour",
            Self::Exposure => "exposure",
            Self::Failure => "engine",
        }
    }
}

/// One thing that Portcullis looks for.
#[derive(Debug)]
pub struct Check {
    /// Stable name, dotted: statistics, receipts and the configuration use it.
    pub id: &'static str,
    /// What it is capped together with.
    pub family: Family,
    /// Stable public code, told to the client when the check refuses. Says as little as is useful.
    pub code: &'static str,
    /// What a refusal by this check answers.
    pub class: Class,
    /// The effect unless the configuration says otherwise.
    pub weight: Weight,
    /// Whether the configuration may say otherwise. It may not where nothing else could guard a request that passes.
    pub tunable: bool,
    /// The `error` attribute of `WWW-Authenticate` (RFC 6750 §3.1), where the client's token is the matter.
    pub bearer_error: Option<&'static str>,
    /// One sentence for the reference.
    pub means: &'static str,
}

/// What is for whoever reads the documentation, and not in the filter itself.
pub const fn documented(text: &'static str) -> &'static str {
    if cfg!(target_arch = "wasm32") {
        ""
    } else {
        text
    }
}

impl PartialEq for Check {
    /// Ids are unique (a test holds that), so the id is the identity.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// A rule of the configuration, as far as it speaks for itself: one check finds the violations of all of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its place in the configuration.
    pub index: usize,
    /// Its name in statistics and receipts.
    pub name: String,
    /// What it tells the client in place of the check's code; stable, lower snake case.
    pub code: Option<String>,
    /// What it tells a person besides (RFC 9457 §3.1.4, `detail`).
    pub message: Option<String>,
}

/// One observation by one check.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which check.
    pub check: &'static Check,
    /// For the operator: rich, bounded and free of secrets. Never shown to the client.
    pub reason: Cow<'static, str>,
    /// Where the effect depends on more than the check: it replaces the check's own weight.
    pub weight: Option<Weight>,
    /// Whether it is without effect although its route and check are in force: what it comes from is on trial.
    pub held_back: bool,
    /// Header fields to tell the client if this finding refuses.
    pub advice: Vec<(&'static str, String)>,
    /// The rule that was violated, where the check is about rules of the configuration.
    pub rule: Option<Arc<Rule>>,
}

impl Finding {
    /// An observation with the check's own weight. The reason is cut at [`REASON_BYTES_MAX`].
    #[cold]
    #[inline(never)]
    pub fn new(check: &'static Check, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            check,
            reason: bounded(reason.into()),
            weight: None,
            held_back: false,
            advice: Vec::new(),
            rule: None,
        }
    }

    /// What the client is told: the code of the rule that was violated, or else that of the check.
    pub fn code(&self) -> Cow<'static, str> {
        let own = self.rule.as_ref().and_then(|rule| rule.code.clone());
        own.map_or(Cow::Borrowed(self.check.code), Cow::Owned)
    }

    /// The same observation with another weight.
    pub fn weighing(self, weight: Weight) -> Self {
        Self { weight: Some(weight), ..self }
    }
}

/// What has been found about one request so far, in the order of the stages.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    dropped: u32,
}

impl Findings {
    /// Adds what a later stage has found.
    pub fn append(&mut self, later: Self) {
        if later.kept.is_empty() {
            return;
        }
        self.dropped = self.dropped.saturating_add(later.dropped);
        later.kept.into_iter().for_each(|finding| self.add(finding));
    }

    /// Adds one; beyond [`FINDINGS_MAX`] it is only counted.
    #[cold]
    #[inline(never)]
    pub fn add(&mut self, finding: Finding) {
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Takes their effect from some.
    pub fn hold_back(&mut self, which: impl Fn(&Finding) -> bool) {
        self.kept.iter_mut().filter(|finding| which(finding)).for_each(|finding| finding.held_back = true);
    }

    /// Whether a check has found something already.
    pub fn has(&self, check: &Check) -> bool {
        self.kept.iter().any(|finding| finding.check == check)
    }

    /// Those kept.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter()
    }

    /// How many there were, those that were not kept among them.
    pub fn len(&self) -> usize {
        self.kept.len().saturating_add(usize::try_from(self.dropped).unwrap_or(usize::MAX))
    }

    /// How many were not kept.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// What became of a request.
#[derive(Debug, Copy, Clone)]
pub struct Outcome<'a> {
    /// The status that the client got, where there was one.
    pub status: Option<u16>,
    /// Whether it was let through, so that the status is the service's.
    pub passed: bool,
    /// Everything that was found, with its weight, in force or not: this is about what an actor did.
    pub findings: &'a [(&'static Check, Weight)],
}

/// Client text made safe for a reason: escaped, in backquotes, at most 48 characters.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn bounded(reason: Cow<'static, str>) -> Cow<'static, str> {
    if reason.len() <= REASON_BYTES_MAX {
        return reason;
    }
    let cut = (0..=REASON_BYTES_MAX).rev().find(|at| reason.is_char_boundary(*at));
    Cow::Owned(cut.and_then(|at| reason.get(..at)).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    static CHECK: Check = Check {
        id: "test.check",
        family: Family::Request,
        code: "test",
        class: Class::Invalid,
        weight: Weight::Note,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented("A test."),
    };

    #[test]
    fn a_score_is_between_zero_and_one() {
        assert!(Score::new(0.0).is_some() && Score::new(1.0).is_some());
        assert!(Score::new(-0.1).is_none() && Score::new(1.1).is_none() && Score::new(f64::NAN).is_none());
    }

    #[test]
    fn client_text_is_escaped_and_cut() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\\nb\\u{1b}[31m`");
        assert!(quoted(&"x".repeat(1000)).chars().count() < 60);
    }

    #[test]
    fn reasons_are_cut_on_a_character() {
        let finding = Finding::new(&CHECK, "é".repeat(1000));
        assert!(finding.reason.len() <= REASON_BYTES_MAX && finding.reason.ends_with('é'));
    }

    #[test]
    fn findings_beyond_the_bound_are_counted() {
        let mut findings = Findings::default();
        for _ in 0..FINDINGS_MAX + 3 {
            findings.add(Finding::new(&CHECK, "seen"));
        }
        assert_eq!((findings.iter().count(), findings.dropped()), (FINDINGS_MAX, 3));
    }
}
