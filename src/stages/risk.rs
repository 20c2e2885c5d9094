//! What all findings together amount to — and the one place where a request gets its permit.
//!
//! Scores combine as `1 − Π(1 − sᵢ)` within a family, up to the family's cap, and the families combine the same way.
//! Several independent signs thus add up without ever exceeding certainty, and ten weak signs of one kind cannot
//! deny alone. The risk is compared with the route's thresholds; a refusal denies whatever the risk.
//!
//! Each request is judged twice: by everything that was found, and by what is in force (not in monitor mode). The
//! second verdict is carried out; the first is reported as `would_…` where it is worse.
//!
//! A [`Permit`] cannot be made anywhere else, and the host forwards nothing without one.

use crate::config::{Config, Mode, Route};
use crate::finding::{Class, Family, Finding, Findings, Weight};
use std::borrow::Cow;

/// What happens to a request, from best to worst.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It passes.
    #[default]
    Allow,
    /// The caller must prove more.
    Challenge,
    /// It is refused.
    Deny,
}

/// A finding as it was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// What was seen.
    pub finding: Finding,
    /// What it did.
    pub weight: Weight,
    /// Whether it was in force.
    pub mode: Mode,
}

/// The outcome for one request, with everything that led to it.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What is carried out.
    pub verdict: Verdict,
    /// What everything found would have led to, were all of it in force.
    pub would: Verdict,
    /// The risk of everything found, 0 to 1.
    pub risk: f64,
    /// The findings in the order they were made, without those switched off.
    pub weighed: Vec<Weighed>,
    /// The public code of what decided, for every outcome but `allow`.
    pub code: Option<Cow<'static, str>>,
    /// Whether it would have been challenged, and has already proved what the challenge would ask for.
    pub satisfied: bool,
    /// Findings beyond the bound.
    pub dropped: u32,
}

/// Proof that a request was judged and may go on; with what must change on it first.
#[derive(Debug)]
#[must_use = "a permit that is not used leaves the request waiting"]
pub struct Permit {
    /// Header fields to take away.
    pub remove: Vec<String>,
    /// Header fields to add.
    pub add: Vec<(&'static str, String)>,
    _proof: Judged,
}

impl Permit {
    /// One that changes nothing yet.
    const fn new() -> Self {
        Self { remove: Vec::new(), add: Vec::new(), _proof: Judged }
    }
}

/// Private, so that a permit cannot be written down elsewhere.
#[derive(Debug)]
struct Judged;

/// Why a request does not go on, as far as the client is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Challenge or denial.
    pub verdict: Verdict,
    /// Decides the status.
    pub class: Class,
    /// The public code.
    pub code: Cow<'static, str>,
    /// What a person is told besides.
    pub detail: Option<String>,
    /// The `error` of `WWW-Authenticate`.
    pub bearer_error: Option<&'static str>,
    /// Further header fields.
    pub advice: Vec<(&'static str, String)>,
}

/// The two ways out of a judgement.
#[derive(Debug)]
pub enum Ruling {
    /// The request goes on.
    Forward(Permit),
    /// It does not.
    Refuse(Refusal),
}

impl Verdict {
    /// Its name in statistics, receipts and headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
        }
    }

    /// What is left of it for a caller who has proved what a challenge asks for.
    const fn given(self, proved: bool) -> Self {
        match self {
            Self::Challenge if proved => Self::Allow,
            verdict => verdict,
        }
    }
}

/// The public code of a response that is not passed on. What it had is nobody's business but the operator's.
pub const WITHHELD: &str = "response_withheld";

impl Judgement {
    /// Every outcome that [`Judgement::outcome`] can name.
    pub const OUTCOMES: [&'static str; 5] = ["allow", "challenge", "deny", "would_challenge", "would_deny"];

    /// What was done; where nothing was done and something would have been, that.
    pub fn outcome(&self) -> &'static str {
        match (self.verdict, self.would) {
            (Verdict::Allow, Verdict::Challenge) => "would_challenge",
            (Verdict::Allow, Verdict::Deny) => "would_deny",
            (done, _) => done.name(),
        }
    }
}

/// Adds what was found in the response to the judgement of its request: it decides about the response, not about the request.
/// Says whether the response is withheld.
pub fn judge_response(config: &Config, route: &Route, findings: &Findings, judgement: &mut Judgement) -> bool {
    let weigh = |finding: &Finding| {
        let (weight, mode) = config.weigh(finding, route.mode)?;
        Some(Weighed { finding: finding.clone(), weight, mode })
    };
    let weighed: Vec<Weighed> = findings.iter().filter_map(weigh).collect();
    let would = weighed.iter().any(|weighed| weighed.weight == Weight::Refuse);
    let withheld = in_force(&weighed).any(|weighed| weighed.weight == Weight::Refuse);
    if would {
        judgement.would = Verdict::Deny;
    }
    if withheld {
        judgement.verdict = Verdict::Deny;
    }
    if withheld || (would && judgement.code.is_none()) {
        judgement.code = Some(WITHHELD.into());
    }
    judgement.weighed.extend(weighed);
    judgement.dropped = judgement.dropped.saturating_add(findings.dropped());
    withheld
}

/// The permit of a request of which nothing was found, as nearly always: its judgement is the default one, since thresholds are
/// greater than nothing.
pub fn acquit(findings: &Findings) -> Option<Permit> {
    findings.is_empty().then(Permit::new)
}

/// Turns findings into a judgement and a ruling. `proved` tells whether the caller has proved already what a challenge would
/// ask for: that satisfies a challenge and no denial.
#[inline(never)]
pub fn judge(config: &Config, route: &Route, findings: &Findings, proved: bool) -> (Judgement, Ruling) {
    let weigh = |finding: &Finding| {
        let (weight, mode) = config.weigh(finding, route.mode)?;
        Some(Weighed { finding: finding.clone(), weight, mode })
    };
    let weighed: Vec<Weighed> = findings.iter().filter_map(weigh).collect();
    let (would, risk) = verdict(config, route, weighed.iter());
    let (verdict, _) = verdict(config, route, in_force(&weighed));
    let satisfied = proved && would == Verdict::Challenge;
    let (would, verdict) = (would.given(proved), verdict.given(proved));
    let refused = refusal(verdict, in_force(&weighed));
    let would_be_refused = refusal(would, weighed.iter());
    let code = refused.as_ref().or(would_be_refused.as_ref()).map(|refusal| refusal.code.clone());
    let ruling = refused.map_or_else(|| Ruling::Forward(Permit::new()), Ruling::Refuse);
    (Judgement { verdict, would, risk, weighed, code, satisfied, dropped: findings.dropped() }, ruling)
}

/// Whether something found already refuses, so that further stages would only cost time.
pub fn is_refused(config: &Config, route: &Route, findings: &Findings) -> bool {
    findings.iter().any(|finding| config.stops(finding, route.mode))
}

/// Whether what was found already keeps the request from going on, by refusal or by risk.
pub fn is_decided(config: &Config, route: &Route, findings: &Findings, proved: bool) -> bool {
    !findings.is_empty() && matches!(judge(config, route, findings, proved).1, Ruling::Refuse(_))
}

/// The risk of what was found so far, in thousandths.
pub fn so_far(config: &Config, route: &Route, findings: &Findings) -> u32 {
    if findings.is_empty() {
        return 0;
    }
    let risk = judge(config, route, findings, false).0.risk;
    // The largest number of thousandths that it reaches, bit by bit: there is no cast that could not fail.
    [512, 256, 128, 64, 32, 16, 8, 4, 2, 1].into_iter().fold(0, |sum: u32, bit| {
        let more = sum.saturating_add(bit);
        if f64::from(more) <= risk * 1000.0 + 1e-6 {
            more
        } else {
            sum
        }
    })
}

fn in_force(weighed: &[Weighed]) -> impl Iterator<Item = &Weighed> + Clone {
    weighed.iter().filter(|weighed| weighed.mode == Mode::Enforce)
}

fn verdict<'w>(
    config: &Config,
    route: &Route,
    weighed: impl Iterator<Item = &'w Weighed> + Clone,
) -> (Verdict, f64) {
    let risk = combined(config, weighed.clone());
    let by_risk = match risk {
        risk if risk >= route.thresholds.deny.value() => Verdict::Deny,
        risk if risk >= route.thresholds.challenge.value() => Verdict::Challenge,
        _ => Verdict::Allow,
    };
    let by_finding = weighed.map(|weighed| match weighed.weight {
        Weight::Refuse => Verdict::Deny,
        Weight::Challenge => Verdict::Challenge,
        Weight::Note | Weight::Score(_) => Verdict::Allow,
    });
    (by_finding.fold(by_risk, Verdict::max), risk)
}

fn combined<'w>(config: &Config, weighed: impl Iterator<Item = &'w Weighed> + Clone) -> f64 {
    // Almost always.
    if weighed.clone().next().is_none() {
        return 0.0;
    }
    let innocence_by = |family: Family| {
        let own = weighed.clone().filter(|weighed| weighed.finding.check.family == family);
        let innocence = own.fold(1.0, |innocence, weighed| match weighed.weight {
            Weight::Score(score) => innocence * (1.0 - score.value()),
            Weight::Note | Weight::Challenge | Weight::Refuse => innocence,
        });
        1.0 - (1.0 - innocence).min(config.cap(family).value())
    };
    let risk: f64 = 1.0 - Family::ALL.into_iter().map(innocence_by).product::<f64>();
    // Twelve digits: three tenths are then three tenths, whatever the order of the factors.
    (risk * 1e12).round() / 1e12
}

fn refusal<'w>(verdict: Verdict, mut weighed: impl Iterator<Item = &'w Weighed>) -> Option<Refusal> {
    match verdict {
        Verdict::Allow => None,
        Verdict::Challenge => Some(STEP_UP),
        Verdict::Deny => {
            let decisive = weighed.find(|weighed| weighed.weight == Weight::Refuse);
            Some(decisive.map_or(RISK_DENIED, |weighed| by(verdict, &weighed.finding)))
        }
    }
}

fn by(verdict: Verdict, finding: &Finding) -> Refusal {
    Refusal {
        verdict,
        class: finding.check.class,
        code: finding.code(),
        detail: finding.rule.as_ref().and_then(|rule| rule.message.clone()),
        bearer_error: finding.check.bearer_error,
        advice: finding.advice.clone(),
    }
}

/// Denied for the sum of what was found. Which findings they were is nobody's business but the operator's.
const RISK_DENIED: Refusal = Refusal {
    verdict: Verdict::Deny,
    class: Class::Forbidden,
    code: Cow::Borrowed("risk_denied"),
    detail: None,
    bearer_error: None,
    advice: Vec::new(),
};

/// The caller may come back with stronger proof (RFC 9470 §3).
const STEP_UP: Refusal = Refusal {
    verdict: Verdict::Challenge,
    class: Class::Unauthenticated,
    code: Cow::Borrowed("step_up_required"),
    detail: None,
    bearer_error: Some("insufficient_user_authentication"),
    advice: Vec::new(),
};

#[cfg(test)]
mod tests;
