//! Which rules are for a response, and what they want of it.

use super::scan::Detector;
use super::{detectors, FIELDS};
use crate::config::exposure::{Exposure, FieldRule, KindRule, Whom};
use crate::config::{Config, Mode, Route, Treatment, Unchecked};
use crate::finding::{Check, Finding, Weight};
use crate::jose::claims::Claims;

/// What is needed to judge a response.
#[derive(Debug, Copy, Clone)]
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The section.
    pub exposure: &'a Exposure,
    /// The route of its request.
    pub route: &'a Route,
    /// What is proved of who gets it.
    pub claims: Option<&'a Claims>,
}

/// What the rules want of a response.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Wish {
    /// To read its body.
    pub reads: bool,
    /// To read it before the client does.
    pub holds: bool,
    /// To read the beginning before the client does even if the rest is too long to be read.
    pub stops: bool,
}

/// A rule that is for a response, and what is done by it.
#[derive(Debug)]
pub(super) struct Applied<'a, Rule> {
    pub(super) rule: &'a Rule,
    /// What the rule says; `block` where the check refuses by itself.
    pub(super) action: Treatment,
    pub(super) mode: Mode,
}

/// The rules that are for one response.
pub(super) struct Plan<'a> {
    /// For each detector.
    pub(super) kinds: Vec<Option<Applied<'a, KindRule>>>,
    pub(super) fields: Option<Applied<'a, FieldRule>>,
    /// Whether records are counted.
    pub(super) counts: bool,
    too_long: Unchecked,
}

impl<'a> Scene<'a> {
    fn is_for(&self, whom: &Whom, status: u16) -> bool {
        let claims = self.claims;
        whom.is_on(&self.route.name)
            && whom.has_status(status)
            && whom.scopes.iter().all(|scope| claims.is_some_and(|claims| claims.has_scope(scope)))
            && whom.claims.iter().all(|(name, values)| claims.is_some_and(|claims| claims.matches(name, values)))
    }

    /// The mode of what a check finds here; `None` where it is switched off.
    pub(super) fn mode(&self, check: &'static Check) -> Option<Mode> {
        self.config.weigh(&Finding::new(check, ""), self.route.mode).map(|(_, mode)| mode)
    }

    fn apply<Rule>(&self, check: &'static Check, action: Treatment, rule: &'a Rule) -> Option<Applied<'a, Rule>> {
        let (weight, mode) = self.config.weigh(&Finding::new(check, ""), self.route.mode)?;
        let action = if weight == Weight::Refuse { Treatment::Block } else { action };
        Some(Applied { rule, action, mode })
    }

    pub(super) fn plan(&self, status: u16) -> Plan<'a> {
        let exposure = self.exposure;
        let rules: Vec<&KindRule> = exposure.rules.iter().filter(|rule| self.is_for(&rule.whom, status)).collect();
        let rule = |check: &'static Check| {
            let rule = *rules.iter().find(|rule| rule.is_about(check.id))?;
            (rule.action != Treatment::Pass).then(|| self.apply(check, rule.action, rule)).flatten()
        };
        let fields = exposure.fields.iter().find(|rule| self.is_for(&rule.whom, status));
        let fields = fields.filter(|rule| rule.action != Treatment::Pass);
        Plan {
            kinds: detectors::ALL.iter().map(|detector| rule(&detector.check)).collect(),
            fields: fields.and_then(|rule| self.apply(&FIELDS, rule.action, rule)),
            counts: exposure.counts_records(&self.route.name),
            too_long: exposure.on_error.too_long,
        }
    }
}

impl<Rule> Applied<'_, Rule> {
    /// How much is done: what is in force before what is not.
    pub(super) fn rank(&self) -> (bool, Treatment) {
        (self.mode == Mode::Enforce && self.action != Treatment::Flag, self.action)
    }
}

impl Applied<'_, KindRule> {
    /// From how many in one response on it is a finding.
    pub(super) fn at_least(&self, detector: &Detector) -> u32 {
        self.rule.at_least.unwrap_or(detector.at_least)
    }
}

impl Plan<'_> {
    fn ranks(&self) -> impl Iterator<Item = (bool, Treatment)> + '_ {
        self.kinds.iter().flatten().map(Applied::rank).chain(self.fields.iter().map(Applied::rank))
    }

    /// Whether a rule looks at the body.
    pub(super) fn looks(&self) -> bool {
        self.ranks().next().is_some()
    }

    /// Whether a rule may change the response, in force or not.
    pub(super) fn may_change(&self) -> bool {
        self.ranks().any(|(_, action)| action > Treatment::Flag)
    }

    pub(super) fn wish(&self) -> Wish {
        let has_force = |least: Treatment| self.ranks().any(|(in_force, action)| in_force && action >= least);
        let holds = has_force(Treatment::Mask);
        let stops = has_force(Treatment::Block) || (holds && self.too_long == Unchecked::Block);
        Wish { reads: self.counts || self.looks(), holds, stops }
    }

    /// Whether a body that the client was told of is not the one it gets.
    pub(super) fn changes(&self) -> bool {
        self.ranks().any(|(in_force, action)| in_force && matches!(action, Treatment::Mask | Treatment::Remove))
    }
}
