//! Requests for an endpoint of ours: they pass form and limits, are read, judged and answered.

use super::waiting::{Unidentified, Wait};
use super::{Body, Case, Done, Open, Step};
use crate::endpoints::audit::Act;
use crate::endpoints::{self, Asked, Content, Endpoint};
use crate::finding::Findings;
use crate::reply::Reply;
use crate::request::body::Unread;
use crate::request::Request;
use crate::response::Response;
use crate::stages::identity::{Need, Patience};
use crate::stages::risk::Ruling;
use std::rc::Rc;

/// An endpoint's request.
#[derive(Debug)]
pub(super) struct Service {
    endpoint: Endpoint,
    content: Content,
}

impl Service {
    pub(super) const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, content: Content::None }
    }

    /// Whether its body must be there before it can be answered.
    pub(super) fn wants_body(&self, request: &Request) -> bool {
        self.endpoint.wants_body(request)
    }

    /// Takes in what was read of the body.
    pub(super) fn read(&mut self, body: Result<&[u8], Unread>) {
        self.content = body.map_or_else(Content::Unread, |bytes| Content::Read(bytes.to_vec()));
    }
}

impl Open {
    /// Goes on with a request for an endpoint: the limits, and the body where it is wanted.
    pub(super) fn approach(mut self: Box<Self>) -> Step<Body> {
        self.case.limit(&self.request, None, self.now);
        self.proceed()
    }

    /// Reads and judges it, and answers what is not refused. `waited` is what it has waited for already.
    pub(super) fn serve(mut self: Box<Self>, waited: Option<Need>) -> Step<Body> {
        let service = match self.service.take() {
            Some(service) if !self.is_decided() => service,
            _ => return self.settle(0),
        };
        let world = Rc::clone(&self.case.world);
        let patience = waited.map_or_else(|| world.patience(), Patience::Waited);
        let route = world.config.routes.get(self.case.route);
        let asked = Asked {
            scene: world.identity_scene(route, &self.request, None, patience, self.now),
            entropy: world.entropy.as_ref(),
            content: &service.content,
        };
        let mut findings = Findings::default();
        match endpoints::examine(service.endpoint, &asked, &mut findings) {
            Ok(examined) => {
                self.case.findings.append(findings);
                if let Some((caller, proof)) = examined.caller() {
                    (self.case.caller, self.case.proof) = (caller, Some(proof));
                }
                self.case.serve(|risk| examined.answer(&asked, risk))
            }
            Err(need) => {
                self.service = Some(service);
                Step::Wait(Wait::Identity(Unidentified::new(self, need)))
            }
        }
    }
}

impl Case {
    /// Where findings become the verdict on a request that is answered here.
    fn serve<Next>(mut self: Box<Self>, answer: impl FnOnce(f64) -> (Reply, Option<Act>)) -> Step<Next> {
        match self.judge() {
            // Nothing is forwarded, so the permit lapses.
            Ruling::Forward(_unused) => {
                let (reply, act) = answer(self.judgement.risk);
                self.act = act;
                let response = Response { status: Some(reply.status), bytes: 0 };
                Step::Serve(reply, Box::new(Done { case: self, response }))
            }
            Ruling::Refuse(refusal) => self.refuse(&refusal),
        }
    }
}
