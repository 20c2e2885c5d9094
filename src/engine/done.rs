//! A request that is over: what is to be settled, counted and told about it.

use super::watches::Watches;
use super::Done;
use crate::config::{AccessLog, RouteId};
use crate::endpoints::audit::{About, Act};
use crate::endpoints::Endpoint;
use crate::finding::{Check, Family, Outcome, Weight};
use crate::memory::together::Part;
use crate::receipt::{self, Subject};
use crate::response::Response;
use crate::stages::identity::Proof;
use crate::stages::limits::{Deed, Ledger};
use crate::stages::objects;
use crate::stages::risk::{Judgement, Verdict, Weighed, WITHHELD};
use crate::time::Millis;
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

impl Done {
    /// The route, for the statistics.
    pub fn route(&self) -> RouteId {
        self.case.route
    }

    /// One of [`Judgement::OUTCOMES`].
    pub fn outcome(&self) -> &'static str {
        self.case.judgement.outcome()
    }

    /// Whether [`Done::close`] depends on the length of the response.
    pub fn wants_response_bytes(&self) -> bool {
        let case = &self.case;
        case.ledger.charges_responses() || case.watches.as_ref().is_some_and(|watches| watches.wants_bytes())
    }

    /// Whether it depends on its status.
    pub fn wants_response_status(&self) -> bool {
        let case = &self.case;
        case.ledger.remembers_actors() || case.watches.as_ref().is_some_and(|watches| watches.wants_status())
    }

    /// Whether anything is left to settle; if not, [`Done::close`] changes nothing.
    pub fn is_open(&self) -> bool {
        self.wants_response_bytes() || self.wants_response_status() || self.case.ledger.holds_units()
    }

    /// Settles what the limits left open until the request was over, and remembers what became of it. Once.
    pub fn close(&mut self, response: Response, now: Millis) {
        let world = Rc::clone(&self.case.world);
        let _sight = world.shared.sight();
        let Judgement { verdict, code, .. } = &self.case.judgement;
        // A response that was withheld is the service's answer to a request that had passed.
        let passed = *verdict == Verdict::Allow || code.as_deref() == Some(WITHHELD);
        self.case.settle_steps(response.status, passed, now);
        let deed = self.deed(response.status);
        let ground = world.ground(now);
        self.case.ledger.close(deed, response.bytes, &ground);
        let weighed = &self.case.judgement.weighed;
        let findings: Vec<(&'static Check, Weight)> =
            weighed.iter().map(|weighed| (weighed.finding.check, weighed.weight)).collect();
        let outcome = Outcome { status: response.status, passed, findings: &findings };
        let is_served = self.case.judgement.verdict == Verdict::Allow;
        let Watches { objects, anomaly, tab, behaviour, .. } = &mut **self.case.watches.get_or_insert_default();
        let mut taken = is_served.then(|| tab.close(response.bytes, &ground)).flatten();
        let mut asked = objects.close(&outcome, &ground);
        let mut unusual = anomaly.as_mut().and_then(|anomaly| anomaly.close(&outcome, response, &ground));
        let mut watched = behaviour.close(&outcome, &world.programs, &ground);
        let trace = &mut self.case.ledger.trace;
        let parts: &mut [&mut dyn Part] = &mut [&mut taken, &mut asked, &mut unusual, &mut watched];
        ground.memory.change_together(ground.shared, parts, now, trace);
        // What others learn depends on what the actor's own records say.
        asked.into_iter().for_each(|lesson| lesson.teach(trace, &ground));
        unusual.into_iter().for_each(|lesson| lesson.teach(&world.usual, trace, &ground));
    }

    /// `None` for what we could not judge through no fault of the actor.
    fn deed(&self, status: Option<u16>) -> Option<Deed> {
        let Judgement { would, code, weighed, .. } = &self.case.judgement;
        // What the service gave away is not what the actor did.
        let would = if code.as_deref() == Some(WITHHELD) { &Verdict::Allow } else { would };
        let decisive = weighed.iter().find(|weighed| Some(weighed.finding.code()) == *code);
        match (would, status) {
            (Verdict::Allow, Some(400..=499)) => Some(Deed::Faulted),
            (Verdict::Allow, _) => Some(Deed::Good),
            (Verdict::Challenge | Verdict::Deny, _) => {
                match decisive.map(|weighed| weighed.finding.check.family) {
                    Some(Family::Failure) => None,
                    Some(Family::Limits) => Some(Deed::Limited),
                    // What was found of earlier requests says nothing about this one: they have been counted.
                    _ if weighed.iter().all(|weighed| is_of_the_past(weighed.finding.check)) => None,
                    _ => Some(Deed::Refused),
                }
            }
        }
    }

    /// How the caller's token was found to be good.
    pub fn proof(&self) -> Option<Proof> {
        self.case.proof
    }

    /// What became of a request for a token, or for the end of one; `None` for any other, and where the client left before there was an answer.
    pub fn act(&self) -> Option<Act> {
        self.case.act.clone().or_else(|| self.refused_act(self.case.endpoint?))
    }

    fn refused_act(&self, endpoint: Endpoint) -> Option<Act> {
        let judgement = &self.case.judgement;
        // No rule of the configuration is about an endpoint of ours, so the code is one of a check.
        let error = match judgement.code.as_ref().filter(|_| judgement.verdict != Verdict::Allow)? {
            Cow::Borrowed(code) => *code,
            Cow::Owned(_) => return None,
        };
        match endpoint {
            Endpoint::Token => Some(Act::Refused { error }),
            Endpoint::Revocation => Some(Act::NotRevoked { error }),
            Endpoint::Keys => None,
        }
    }

    /// The line of the log about it.
    pub fn audit(&self, act: &Act, source: Option<IpAddr>) -> String {
        let case = &self.case;
        act.line(&About { config: &case.world.config, request_id: &case.request_id, caller: &case.caller, source })
    }

    /// What the limits said, and what the memory met.
    pub fn ledger(&self) -> &Ledger {
        &self.case.ledger
    }

    /// What was found, as it was judged.
    pub fn findings(&self) -> &[Weighed] {
        &self.case.judgement.weighed
    }

    /// The verdict in one word, with the public code behind a colon: `allow`, `deny:token_expired`.
    pub fn summary(&self) -> String {
        match &self.case.judgement.code {
            Some(code) => format!("{}:{code}", self.outcome()),
            None => self.outcome().to_owned(),
        }
    }

    /// Whether a receipt is to be written: whenever something was found, and for the configured share of the rest.
    pub fn wants_receipt(&self) -> bool {
        self.case.wants_receipt()
    }

    /// Whether the access log is told the verdict.
    pub fn is_told(&self) -> bool {
        self.case.world.config.telemetry.access_log == AccessLog::All || self.wants_receipt()
    }

    /// The receipt, given what the host knows of the answer and the peer, and how long the filter worked, if that was measured.
    pub fn receipt(&self, response: Response, source: Option<IpAddr>, spent_nanos: Option<u64>) -> String {
        let case = &self.case;
        receipt::write(&Subject {
            config: &case.world.config,
            route: case.world.config.routes.get(case.route),
            request_id: &case.request_id,
            method: &case.method,
            caller: &case.caller,
            source,
            judgement: &case.judgement,
            applied: &case.ledger.applied,
            chain: case.watches.iter().flat_map(|watches| watches.behaviour.chain()).collect(),
            response: Response { status: response.status.or(self.response.status), ..response },
            spent_nanos,
        })
    }
}

/// Whether a check is about earlier requests of the actor.
fn is_of_the_past(check: &Check) -> bool {
    matches!(check.family, Family::Behaviour | Family::Anomaly) || objects::is_of_the_past(check)
}
