//! Why a request got its verdict, on one line of JSON.
//!
//! Field names are stable; where the Elastic Common Schema has one, it is that one. Nothing of the request's content
//! appears but its method, and text that clients chose is escaped and cut ([`crate::finding::quoted`]). The actor is a
//! keyed hash: receipts of one actor can be told to belong together, not whom they are about.

use crate::config::{Config, Route};
use crate::finding::Weight;
use crate::response::Response;
use crate::stages::identity::Caller;
use crate::stages::limits::Applied;
use crate::stages::risk::{Judgement, Weighed};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::net::IpAddr;

/// Hex digits that stand for an actor.
const ACTOR_DIGITS: usize = 16;

/// Longest method that is worth printing.
const METHOD_CHARS_MAX: usize = 16;

/// What a receipt is made from.
pub(crate) struct Subject<'a> {
    pub(crate) config: &'a Config,
    pub(crate) route: &'a Route,
    pub(crate) request_id: &'a str,
    pub(crate) method: &'a str,
    pub(crate) caller: &'a Caller,
    pub(crate) source: Option<IpAddr>,
    pub(crate) judgement: &'a Judgement,
    pub(crate) applied: &'a [Applied],
    pub(crate) chain: Numbers<u8>,
    pub(crate) response: Response,
    /// If it was measured.
    pub(crate) spent_nanos: Option<u64>,
}

#[derive(Serialize)]
struct Receipt<'a> {
    #[serde(rename = "event.kind")]
    kind: &'static str,
    #[serde(rename = "http.request.id")]
    request_id: &'a str,
    #[serde(rename = "http.request.method")]
    method: String,
    #[serde(rename = "http.response.status_code", skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(rename = "user.hash")]
    actor: String,
    #[serde(rename = "event.duration", skip_serializing_if = "Option::is_none")]
    duration_nanos: Option<u64>,
    #[serde(rename = "portcullis.route")]
    route: &'a str,
    #[serde(rename = "portcullis.verdict")]
    verdict: &'static str,
    #[serde(rename = "portcullis.would")]
    would: &'static str,
    #[serde(rename = "portcullis.mode")]
    mode: &'static str,
    #[serde(rename = "portcullis.risk")]
    risk: f64,
    /// `satisfied` if a challenge was due that the caller's token had satisfied already.
    #[serde(rename = "portcullis.challenge", skip_serializing_if = "Option::is_none")]
    challenge: Option<&'static str>,
    #[serde(rename = "portcullis.findings")]
    findings: Vec<Entry<'a>>,
    #[serde(rename = "portcullis.findings_dropped", skip_serializing_if = "is_zero")]
    dropped: u32,
    #[serde(rename = "portcullis.limits", skip_serializing_if = "Vec::is_empty")]
    limits: Vec<Line<'a>>,
    /// Findings that the source or the subject has had lately, by the stage of an attack that they belong to.
    #[serde(rename = "portcullis.behaviour.chain", skip_serializing_if = "Numbers::is_empty")]
    chain: &'a Numbers<u8>,
    #[serde(rename = "portcullis.config")]
    config: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    check: &'static str,
    /// The rule of the configuration that was violated.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    code: Cow<'static, str>,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    mode: &'static str,
    reason: &'a str,
}

/// What one limit said.
#[derive(Serialize)]
struct Line<'a> {
    limit: &'a str,
    decision: &'static str,
    allowed: u64,
    remaining: u64,
    reset_ms: u64,
    /// The factors that were not 1, and `product`; absent if the limit does not adapt.
    #[serde(skip_serializing_if = "Option::is_none")]
    factors: Option<Numbers<f64>>,
}

/// A few numbers by their names, in the order of the names.
pub(crate) struct Numbers<N>(Vec<(&'static str, N)>);

impl<N> Numbers<N> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N> FromIterator<(&'static str, N)> for Numbers<N> {
    fn from_iter<I: IntoIterator<Item = (&'static str, N)>>(numbers: I) -> Self {
        let mut all: Vec<(&'static str, N)> = Vec::new();
        for (name, number) in numbers {
            let at = all.partition_point(|(before, _)| *before < name);
            all.insert(at, (name, number));
        }
        Self(all)
    }
}

impl<N: Serialize> Serialize for Numbers<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, number)| (name, number)))
    }
}

/// Whether a request has a receipt though nothing was found. The same request is sampled wherever it passes.
pub(crate) fn is_sampled(config: &Config, request_id: &str) -> bool {
    let share = config.telemetry.allow_sample.value();
    // The seeds are of no importance.
    share > 0.0 && share >= fraction(ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(request_id))
}

/// A hash as a number from 0 to 1.
fn fraction(hash: u64) -> f64 {
    f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// Writes the receipt.
pub(crate) fn write(subject: &Subject<'_>) -> String {
    let judgement = subject.judgement;
    let receipt = Receipt {
        kind: if judgement.would == crate::stages::risk::Verdict::Allow { "event" } else { "alert" },
        request_id: subject.request_id,
        method: subject.method.chars().take(METHOD_CHARS_MAX).collect(),
        status: subject.response.status,
        actor: actor(subject.config, subject.caller, subject.source),
        duration_nanos: subject.spent_nanos,
        route: &subject.route.name,
        verdict: judgement.verdict.name(),
        would: judgement.would.name(),
        mode: subject.route.mode.name(),
        risk: (judgement.risk * 1000.0).round() / 1000.0,
        challenge: judgement.satisfied.then_some("satisfied"),
        findings: judgement.weighed.iter().map(entry).collect(),
        dropped: judgement.dropped,
        limits: subject.applied.iter().filter_map(|applied| line(applied, subject.config)).collect(),
        chain: &subject.chain,
        config: &subject.config.digest,
    };
    serde_json::to_string(&receipt).unwrap_or_default()
}

fn entry(weighed: &Weighed) -> Entry<'_> {
    let (effect, score) = match weighed.weight {
        Weight::Note => ("note", None),
        Weight::Score(score) => ("score", Some(score.value())),
        Weight::Challenge => ("challenge", None),
        Weight::Refuse => ("refuse", None),
    };
    Entry {
        check: weighed.finding.check.id,
        rule: weighed.finding.rule.as_ref().map(|rule| rule.name.as_str()),
        code: weighed.finding.code(),
        effect,
        score,
        mode: weighed.mode.name(),
        reason: &weighed.finding.reason,
    }
}

fn line<'a>(applied: &Applied, config: &'a Config) -> Option<Line<'a>> {
    let factor = |(name, permille): (&'static str, u32)| (name, f64::from(permille) / 1000.0);
    let factors = applied.factors.map(|factors| {
        let changing = factors.named().into_iter().filter(|(_, permille)| *permille != 1000);
        changing.chain([("product", factors.product)]).map(factor).collect()
    });
    Some(Line {
        limit: &config.limits.get(applied.limit)?.name,
        decision: applied.decision.name(),
        allowed: applied.rate.limit,
        remaining: applied.remaining,
        reset_ms: applied.reset.as_u64(),
        factors,
    })
}

/// The holder of the token; without one, the source address.
pub(crate) fn actor(config: &Config, caller: &Caller, source: Option<IpAddr>) -> String {
    let holder = caller.claims().map(|claims| claims.text("sub").unwrap_or_default());
    let name = match (holder, source) {
        (Some(holder), _) => format!("sub\0{}\0{holder}", caller.issuer()),
        (None, Some(source)) => format!("ip\0{source}"),
        (None, None) => return "unknown".to_owned(),
    };
    let hash = hmac_sha256::HMAC::mac(name.as_bytes(), config.telemetry.actor_salt.as_bytes());
    hash.iter().take(ACTOR_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

const fn is_zero(count: &u32) -> bool {
    *count == 0
}
