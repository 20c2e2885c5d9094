use super::*;
use crate::config::{Config, RouteId};
use crate::jose::native::NoNative;
use crate::jose::Claims;
use crate::memory::in_process::InProcess;
use crate::memory::once::Once;
use crate::memory::Memory;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::identity::cache::TokenCache;
use crate::stages::identity::Patience;
use crate::stages::CHECKS;
use portcullis_lab::tokens::Issuer as Lab;
use serde_json::{json, Value};
use std::cell::RefCell;

const EXP: u64 = 1_800_000_000;

/// How far the issuer's clock may be from ours.
const SKEW: u64 = 30;

/// The memory of one process.
#[derive(Default)]
struct Process(InProcess);

impl Process {
    /// The check that a use meets, if any.
    fn meets(&self, claims: Value, now_millis: u64) -> Option<&'static str> {
        let lab = Lab::demo();
        let issuer = json!({"issuer": lab.url(), "audiences": [lab.audience()], "jwks": lab.jwks()});
        let document = json!({"version": 1, "identity": {"issuers": [issuer]}});
        let config = &Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        let memory = &Memory::open(&self.0, 0, [0; 16]);
        let scene = Scene {
            config,
            route: config.routes.get(RouteId::Unmatched),
            request: &Request::new(Headers::default(), || None),
            cache: &RefCell::new(TokenCache::new(0, [0; 16])),
            native: &NoNative,
            memory,
            once: &Once::open(memory, 1),
            shared: &self.0,
            keys: &RefCell::default(),
            revocations: &RefCell::default(),
            told: None,
            patience: Patience::None,
            now: Millis::new(now_millis),
        };
        let claims = Claims::new(claims.as_object().unwrap().clone());
        let verified = Verified::new(0, lab.url().to_owned(), claims);
        check(config.identity.as_ref().unwrap(), &verified, &scene).err().map(|finding| finding.check.id)
    }
}

fn named(jti: &str) -> Value {
    json!({"jti": jti, "exp": EXP})
}

#[test]
fn a_name_is_taken_once() {
    let process = Process::default();
    let now = EXP * 1000 - 1;
    assert_eq!(process.meets(named("a"), now), None);
    assert_eq!(process.meets(named("a"), now), Some("token.replayed"));
    assert_eq!(process.meets(json!({"jti": "a", "exp": EXP + 300}), now), Some("token.replayed"));
    assert_eq!(process.meets(named("b"), now), None);
    for odd in
        [json!({"exp": EXP}), json!({"jti": 7, "exp": EXP}), json!({"jti": "c"}), json!({"jti": "c", "exp": "x"})]
    {
        assert_eq!(process.meets(odd.clone(), now), Some("token.claim_missing"), "{odd}");
    }
}

/// A record's place may be taken once its time is over, and another worker may have read the clock before that.
#[test]
fn no_worker_takes_what_another_has_forgotten() {
    let process = Process::default();
    let over = (EXP + SKEW) * 1000;
    assert_eq!(process.meets(named("a"), over - 1), None);
    assert_eq!(process.meets(named("b"), over), None);
    assert_eq!(process.meets(named("a"), over - 1), Some("token.replayed"));
}

#[test]
fn what_finds_no_room_is_not_taken_and_evicts_nothing() {
    let process = Process::default();
    let now = EXP * 1000;
    let taken = (0..1000).take_while(|number| process.meets(named(&number.to_string()), now).is_none()).count();
    assert_eq!(taken, 340, "places of one bucket");
    assert_eq!(process.meets(named("more"), now), Some("token.replay_unknown"));
    assert_eq!(process.meets(named("0"), now), Some("token.replayed"));
}
