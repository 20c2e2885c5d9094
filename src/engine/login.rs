//! Answers of services that grant tokens: the field never reaches a client, and on a login's route a token takes the answer's
//! place.

use super::{Answer, Body, Case, Done, Engine};
use crate::endpoints::{self, Asked, Content};
use crate::gather;
use crate::reply::Reply;
use crate::request::Request;
use crate::response::Response;
use crate::stages::identity::Patience;
use crate::time::Millis;
use std::collections::BTreeSet;
use std::rc::Rc;

impl Engine {
    /// Fields of answers that are meant for us and never for a client.
    pub fn withheld(&self) -> BTreeSet<&str> {
        let login = self.config().minting.iter().flat_map(|minting| &minting.login);
        gather::set(login.map(|login| login.header.as_str()))
    }
}

impl Case {
    /// Keeps what a token would be bound to, since the service may grant one.
    pub(super) fn keep_for_login(&mut self, request: Request) {
        // The host may not know the source later.
        let _asked_for = *request.source;
        self.request = Some(Box::new(request));
    }

    pub(super) fn login_field(&self) -> Option<&str> {
        let config = &self.world.config;
        config.minting.as_ref()?.grants_on(&config.routes.get(self.route).name)
    }
}

impl Body {
    /// See [`Answer::login_field`].
    pub fn login_field(&self) -> Option<&str> {
        self.case.login_field()
    }
}

impl Answer {
    /// The field in which the service may grant a token in answer to this request.
    pub fn login_field(&self) -> Option<&str> {
        self.case.login_field()
    }

    /// A token, in place of the service's answer. `values` are those of the field.
    pub fn grant(self, values: &[Vec<u8>], now: Millis) -> (Reply, Box<Done>) {
        let mut case = self.case;
        let world = Rc::clone(&case.world);
        let request = case.request.take().unwrap_or_else(|| Box::new(Request::new(Default::default(), || None)));
        let asked = Asked {
            scene: world.identity_scene(world.config.routes.get(case.route), &request, None, Patience::None, now),
            entropy: world.entropy.as_ref(),
            content: &Content::None,
        };
        let (mut reply, act, caller) = endpoints::grant(&asked, values, &case.request_id, case.judgement.risk);
        (case.act, case.caller) = (Some(act), caller);
        reply.headers.extend(case.response_headers());
        let response = Response { status: Some(reply.status), bytes: 0 };
        (reply, Box::new(Done { case, response }))
    }
}
