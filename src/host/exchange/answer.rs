//! The service's answer on its way to the client: what is meant for us is taken out of it, what is left of the limits is told,
//! and where it grants a token, the token takes its place.
//!
//! A reply in the response phase ends the exchange: Envoy drops what the service sends, and does not call this filter about the
//! reply. Bounds: nothing of the body is looked at.

use super::{now, send, Exchange, State};
use crate::host::calls::{self, Map};
use crate::request::headers::Headers;
use proxy_wasm::types::Action;

impl Exchange {
    /// The response's head is there. What is meant for us goes no further; where it grants a token, that is the answer.
    pub(crate) fn answer_head(&mut self) -> Action {
        let withheld = self.withhold(Map::ResponseHeaders);
        let is_good = || response_status_field().is_some_and(|status| (200..300).contains(&status));
        let grants = |field: Option<&str>| {
            let field = field?;
            let values: Vec<Vec<u8>> =
                withheld.iter().filter(|(name, _)| name == field).map(|(_, value)| value.clone()).collect();
            (!values.is_empty() && is_good()).then_some(values)
        };
        let values = match &self.state {
            State::Body(body) => grants(body.login_field()),
            State::Answer(answer) => grants(answer.login_field()),
            _ => None,
        };
        let answer = match (values, self.take()) {
            (Some(values), State::Body(body)) => Some((body.finish(), values)),
            (Some(values), State::Answer(answer)) => Some((answer, values)),
            (_, other) => {
                self.state = other;
                None
            }
        };
        let Some((answer, values)) = answer else {
            self.tell_limits();
            return Action::Continue;
        };
        let (reply, done) = answer.grant(&values, now());
        send(&reply);
        self.state = State::Done(done);
        Action::Pause
    }

    /// The response's trailers are there.
    pub(crate) fn answer_trailers(&self) {
        self.withhold(Map::ResponseTrailers);
    }

    /// Takes away what is meant for us and not for the client, and returns it.
    fn withhold(&self, map: Map) -> Vec<(String, Vec<u8>)> {
        let withheld = self.engine.withheld();
        if withheld.is_empty() {
            return Vec::new();
        }
        let fields = calls::header_pairs(map).and_then(Headers::from_wire).unwrap_or_default();
        let mut found = Vec::new();
        for name in withheld {
            let before = found.len();
            found.extend(fields.all(name).map(|value| (name.to_owned(), value.to_vec())));
            if found.len() > before {
                let _ = calls::remove_header(map, name);
            }
        }
        found
    }

    /// Tells the client what is left of its limits.
    fn tell_limits(&self) {
        let headers = match &self.state {
            State::Body(body) => body.response_headers(),
            State::Answer(answer) => answer.response_headers(),
            _ => Vec::new(),
        };
        for (name, value) in headers {
            let _ = calls::add_header(Map::ResponseHeaders, name, &value);
        }
    }
}

/// The status that the service answered with.
fn response_status_field() -> Option<u16> {
    let fields = calls::header_pairs(Map::ResponseHeaders).and_then(Headers::from_wire)?;
    std::str::from_utf8(fields.first(":status")?).ok()?.parse().ok()
}
