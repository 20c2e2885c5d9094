//! Which rules are for a response, and what they want of it.

use super::{detectors, FIELDS};
use crate::config::exposure::{Exposure, FieldRule, KindRule, Whom};
use crate::config::{Config, Mode, Route, Treatment};
use crate::finding::{Check, Finding};
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
}

/// The rules that are for one response.
pub(super) struct Plan<'a> {
    /// For each detector.
    pub(super) kinds: Vec<Option<(&'a KindRule, Mode)>>,
    pub(super) fields: Option<(&'a FieldRule, Mode)>,
    pub(super) counts: bool,
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

    pub(super) fn plan(&self, status: u16) -> Plan<'a> {
        let exposure = self.exposure;
        let rule = |check: &'static Check| {
            let rule =
                exposure.rules.iter().find(|rule| rule.is_about(check.id) && self.is_for(&rule.whom, status))?;
            (rule.action != Treatment::Pass).then_some((rule, self.mode(check)?))
        };
        let fields = exposure.fields.iter().find(|rule| self.is_for(&rule.whom, status));
        let fields = fields.filter(|rule| rule.action != Treatment::Pass);
        Plan {
            kinds: detectors::ALL.iter().map(|detector| rule(&detector.check)).collect(),
            fields: fields.and_then(|rule| Some((rule, self.mode(&FIELDS)?))),
            counts: exposure.volumes_on(&self.route.name).next().is_some(),
        }
    }
}

impl Plan<'_> {
    pub(super) fn treatments(&self) -> impl Iterator<Item = (Treatment, Mode)> + '_ {
        let kinds = self.kinds.iter().flatten().map(|(rule, mode)| (rule.action, *mode));
        kinds.chain(self.fields.iter().map(|(rule, mode)| (rule.action, *mode)))
    }

    pub(super) fn wish(&self) -> Wish {
        let holds = self.treatments().any(|(action, mode)| mode == Mode::Enforce && action != Treatment::Flag);
        Wish { reads: self.counts || self.treatments().next().is_some(), holds }
    }

    /// Whether a body that the client was told of is not the one it gets.
    pub(super) fn changes(&self) -> bool {
        self.treatments()
            .any(|(action, mode)| mode == Mode::Enforce && matches!(action, Treatment::Mask | Treatment::Remove))
    }
}
