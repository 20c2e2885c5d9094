use super::hands::Hands;
use super::*;
use crate::jose::Claims;
use crate::memory::record::Record;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::identity::tests::lasting::{minted, token, World as Lasting, NOTHING, NOW};
use portcullis_lab::tokens::Algorithm;
use proptest::prelude::*;
use serde_json::{json, Value};

const HOME: &str = "192.0.2.7";
const NEIGHBOUR: &str = "192.0.2.200";
const ELSEWHERE: &str = "198.51.100.7";

struct World(Lasting);

impl World {
    fn new(usage: &Value) -> Self {
        Self(Lasting::new(&json!({ "usage": usage }), &json!([])))
    }

    /// What is found about a use so many seconds after the beginning.
    fn use_at(&self, after: u64, source: &str, token: &str, fields: &[(&str, &str)]) -> Vec<&'static str> {
        self.0.request("/", after * 1000, source, token, fields)
    }
}

fn ada() -> String {
    token(&json!({"jti": "a-1"}))
}

#[test]
fn nothing_is_remembered_unless_asked_for() {
    let world = World(Lasting::new(&json!({}), &json!([])));
    assert!(world.0.config.identity.as_ref().unwrap().usage.is_none());
    assert_eq!(world.use_at(0, HOME, &ada(), &[("x-device-id", "phone")]), NOTHING);
    assert_eq!(world.use_at(1, ELSEWHERE, &ada(), &[("x-device-id", "thief")]), NOTHING);
}

#[test]
fn both_users_of_a_token_are_seen_until_the_window_is_over() {
    let (world, token) = (World::new(&json!({})), ada());
    assert_eq!(world.use_at(0, HOME, &token, &[]), NOTHING);
    assert_eq!(world.use_at(10, NEIGHBOUR, &token, &[]), NOTHING, "the same /24");
    assert_eq!(world.use_at(20, ELSEWHERE, &token, &[]), ["token.usage.address"]);
    assert_eq!(world.use_at(21, ELSEWHERE, &token, &[]), ["token.usage.address"], "for the whole window");
    assert_eq!(world.use_at(30, HOME, &token, &[]), ["token.usage.address"], "the owner too");
    assert_eq!(world.use_at(321, HOME, &token, &[]), ["token.usage.address"], "300 s after");
    assert_eq!(world.use_at(322, HOME, &token, &[]), NOTHING);
    assert_eq!(world.use_at(900, ELSEWHERE, &token, &[]), NOTHING, "moved slowly");
    assert_eq!(world.use_at(901, ELSEWHERE, &self::token(&json!({"jti": "a-2"})), &[]), NOTHING, "another token");
}

#[test]
fn networks_are_as_wide_as_configured() {
    let (narrow, token) = (World::new(&json!({"prefix_v4": 32, "prefix_v6": 64})), ada());
    assert_eq!(narrow.use_at(0, HOME, &token, &[]), NOTHING);
    assert_eq!(narrow.use_at(1, NEIGHBOUR, &token, &[]), ["token.usage.address"]);
    let wide = World::new(&json!({}));
    assert_eq!(wide.use_at(0, "2001:db8:7:1::1", &token, &[]), NOTHING);
    assert_eq!(wide.use_at(1, "2001:db8:7:2::1", &token, &[]), NOTHING, "the same /48");
    assert_eq!(wide.use_at(2, "", &token, &[]), NOTHING, "an unknown source is no opinion");
    assert_eq!(wide.use_at(3, "2001:db8:8:1::1", &token, &[]), NOTHING, "and nothing to compare with");
    assert_eq!(wide.use_at(4, "2001:db8:7:1::1", &token, &[]), ["token.usage.address"]);
    assert_eq!(wide.use_at(5, "::ffff:192.0.2.7", &token, &[]), ["token.usage.address"]);
    let canonical = World::new(&json!({}));
    assert_eq!(canonical.use_at(0, HOME, &token, &[]), NOTHING);
    assert_eq!(canonical.use_at(1, "::ffff:192.0.2.200", &token, &[]), NOTHING, "IPv4, written as IPv6");
}

#[test]
fn a_device_that_is_not_named_is_another_one() {
    let (world, token) = (World::new(&json!({})), ada());
    assert_eq!(world.use_at(0, HOME, &token, &[("x-device-id", "phone")]), NOTHING);
    assert_eq!(world.use_at(1, HOME, &token, &[]), ["token.usage.device"]);
    let named = World::new(&json!({"device_header": "X-Phone"}));
    assert_eq!(named.use_at(0, HOME, &token, &[("x-phone", "a"), ("x-device-id", "a")]), NOTHING);
    assert_eq!(named.use_at(1, HOME, &token, &[("x-phone", "a"), ("x-device-id", "b")]), NOTHING);
    assert_eq!(named.use_at(2, HOME, &token, &[("x-phone", "b")]), ["token.usage.device"]);
}

#[test]
fn a_country_that_is_not_known_is_no_opinion() {
    let (world, token) = (World::new(&json!({})), ada());
    assert_eq!(world.use_at(0, HOME, &token, &[("x-geo-country", "CH")]), NOTHING);
    assert_eq!(world.use_at(1, HOME, &token, &[("x-geo-country", "ch")]), NOTHING);
    assert_eq!(world.use_at(2, HOME, &token, &[]), NOTHING);
    assert_eq!(world.use_at(3, HOME, &token, &[("x-geo-country", " ")]), NOTHING);
    assert_eq!(world.use_at(4, HOME, &token, &[("x-geo-country", "BR")]), ["token.usage.country"]);
    assert_eq!(world.use_at(5, HOME, &token, &[]), NOTHING, "this request says nothing");
    assert_eq!(world.use_at(6, HOME, &token, &[("x-geo-country", "BR")]), ["token.usage.country"]);
}

#[test]
fn nobody_is_in_two_places_at_once() {
    const ZURICH: [(&str, &str); 2] = [("x-geo-latitude", "47.3769"), ("x-geo-longitude", "8.5417")];
    const BERN: [(&str, &str); 2] = [("x-geo-latitude", "46.9480"), ("x-geo-longitude", "7.4474")];
    const NEW_YORK: [(&str, &str); 2] = [("x-geo-latitude", "40.7128"), ("x-geo-longitude", "-74.0060")];
    let (world, token) = (World::new(&json!({})), ada());
    assert_eq!(world.use_at(0, HOME, &token, &ZURICH), NOTHING);
    assert_eq!(world.use_at(0, HOME, &token, &BERN), NOTHING, "95 km are an estimate's error");
    assert_eq!(world.use_at(60, HOME, &token, &NEW_YORK), ["token.usage.travel"]);
    assert_eq!(world.use_at(61, HOME, &token, &NEW_YORK), ["token.usage.travel"], "for the whole window");
    assert_eq!(world.use_at(62, HOME, &token, &[]), NOTHING, "this request says nothing");
    assert_eq!(world.use_at(361, HOME, &token, &NEW_YORK), NOTHING);
    // The token of these tests lives for an hour, so a faster plane is needed to land in time.
    let fast = World::new(&json!({"speed_max": 10_000}));
    assert_eq!(fast.use_at(0, HOME, &token, &NEW_YORK), NOTHING);
    assert_eq!(fast.use_at(2290, HOME, &token, &ZURICH), NOTHING, "6322 km in 2290 s are 9939 km/h");
    assert_eq!(fast.use_at(4560, HOME, &token, &NEW_YORK), ["token.expired"]);
    assert_eq!(fast.use_at(3500, HOME, &token, &NEW_YORK), ["token.usage.travel"], "6322 km in 1210 s");
}

#[test]
fn uses_are_counted_up_to_their_maximum() {
    let (world, token) = (World::new(&json!({"uses_max": 3})), ada());
    for second in 0..3 {
        assert_eq!(world.use_at(second, HOME, &token, &[]), NOTHING);
    }
    assert_eq!(world.use_at(3500, HOME, &token, &[]), ["token.usage.count"]);
}

#[test]
fn refused_uses_leave_no_trace() {
    let (world, token) = (World::new(&json!({"uses_max": 1})), ada());
    assert_eq!(world.0.request("/admin", 0, ELSEWHERE, &token, &[]), ["token.scope"]);
    assert_eq!(world.use_at(1, HOME, &token, &[]), NOTHING);
    assert_eq!(world.0.request("/admin", 2000, ELSEWHERE, &token, &[]), ["token.scope"]);
    assert_eq!(world.use_at(3, HOME, &token, &[]), ["token.usage.count"]);
}

#[test]
fn a_token_without_a_name_is_known_whatever_its_signature() {
    // RSASSA-PSS signs the same in many ways (RFC 8017 §8.1).
    let (one, other) = (minted(Algorithm::PS256, &json!({})), minted(Algorithm::PS256, &json!({})));
    assert_ne!(one, other);
    let world = World::new(&json!({}));
    assert_eq!(world.use_at(0, HOME, &one, &[]), NOTHING);
    assert_eq!(world.use_at(1, ELSEWHERE, &other, &[]), ["token.usage.address"]);
    // A name that is empty names nobody.
    let world = World::new(&json!({}));
    assert_eq!(world.use_at(0, HOME, &token(&json!({"jti": ""})), &[]), NOTHING);
    assert_eq!(world.use_at(1, ELSEWHERE, &token(&json!({"jti": "", "sub": "bob"})), &[]), NOTHING);
}

#[test]
fn opaque_tokens_are_told_apart_by_name_or_text() {
    let world = World::new(&json!({}));
    let said = |claims: Value| {
        let Value::Object(claims) = claims else { panic!("an object") };
        Verified::from(
            Origin::Asked { until: Millis::default() },
            "https://id.example".to_owned(),
            Claims::new(claims),
        )
    };
    let (named, nameless) = (said(json!({"jti": "a"})), said(json!({})));
    let request = Request::new(Headers::from_pairs([(":path", "/")]), || None);
    world.0.scene("/", &request, Millis::from_secs(NOW), |scene| {
        assert_eq!(name(&named, b"one", scene), name(&named, b"two", scene));
        assert_ne!(name(&nameless, b"a.one", scene), name(&nameless, b"a.two", scene));
    });
}

/// Usage records owe nothing, so they make room first; who is forgotten is new.
#[test]
fn an_eviction_forgets() {
    let world = World::new(&json!({}));
    world.use_at(0, HOME, &ada(), &[]);
    for number in 0..4000 {
        let actor = [&[7_u8; 12][..], &u32::to_le_bytes(number)].concat();
        let place = world.0.memory.locate(&actor, "token.usage");
        let _ = world.0.memory.change(
            &world.0.shared,
            place,
            Millis::from_secs(NOW + 1),
            &mut Default::default(),
            |mut record: Record| {
                record.settle([1; 16], worth(Millis::from_secs(NOW + 1)));
                ((), Some(record))
            },
        );
    }
    assert_eq!(world.use_at(2, ELSEWHERE, &ada(), &[]), NOTHING);
}

#[test]
fn a_record_leaves_no_debt_behind() {
    let mut record = Record::new(1, Debt { share: Share::WHOLE, since: Millis::new(1), settled: Millis::new(9) });
    record.settle([1; 16], worth(Millis::new(2)));
    assert_eq!(record.legacy(Millis::new(2)).share, Share::NONE);
}

/// The most recent sight of something else, in seconds, by looking at all of them.
fn by_hand(sights: &[(u32, u16)], second: u32, seen: u16) -> Option<u32> {
    let others = sights.iter().filter(|(_, other)| *other != seen && *other != 0);
    others.map(|(at, _)| second - at).min()
}

proptest! {
    #[test]
    fn a_mark_tells_what_the_whole_past_would(steps in prop::collection::vec((0_u32..40_000, 1_u16..4), 1..60)) {
        let mut second = 1_000;
        let mut sights = Vec::new();
        let mut mark = Mark::NONE;
        for (idle, seen) in steps {
            second += idle;
            mark = mark.then(seen, idle);
            let expected = by_hand(&sights, second, seen).filter(|ago| *ago < u32::from(u16::MAX));
            prop_assert_eq!(Some(mark.other).filter(|ago| *ago != Ago::NEVER).map(|ago| u32::from(ago.0)), expected);
            sights.push((second, seen));
        }
    }

    /// Where some uses say nothing, less may be seen, and nothing that was not there.
    #[test]
    fn a_mark_tells_no_lies(steps in prop::collection::vec((0_u32..400, 0_u16..3), 1..60)) {
        let mut second = 1_000;
        let mut sights: Vec<(u32, u16)> = Vec::new();
        let mut mark = Mark::NONE;
        for (idle, seen) in steps {
            second += idle;
            mark = mark.then(seen, idle);
            if mark.other != Ago::NEVER && seen != 0 {
                let truth = by_hand(&sights, second, seen);
                prop_assert!(truth.is_some_and(|ago| ago <= u32::from(mark.other.0)), "{mark:?} {truth:?}");
            }
            sights.push((second, seen));
        }
    }

    #[test]
    fn hands_are_stored_as_they_are(
        second in 1_u32.., uses: u32, seen: [u16; 2], other: [u16; 2],
    ) {
        let mark = |at: usize| Mark { seen: seen[at], other: Ago(other[at]) };
        let hands = Hands { second, uses, address: mark(0), device: mark(1) };
        let mut record = Record::new(1, Debt::default());
        prop_assert_eq!(Hands::of(&record), None);
        record.settle(hands.state(), Debt::default());
        prop_assert_eq!(Hands::of(&record), Some(hands));
    }

    /// Clocks of workers are apart by milliseconds; a second that lies back is no second.
    #[test]
    fn time_does_not_go_back(seconds in prop::collection::vec(1_u32.., 1..20)) {
        let mut hands = Hands::first(1, 1, 1);
        for (uses, second) in seconds.into_iter().enumerate() {
            let next = hands.then(second, 1, 1);
            prop_assert!(next.second >= hands.second);
            prop_assert_eq!(usize::try_from(next.uses).unwrap(), uses + 2);
            prop_assert_eq!(next.address.other, Ago::NEVER);
            hands = next;
        }
    }
}
