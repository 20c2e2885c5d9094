use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const WINDOW: Millis = Millis::from_secs(600);
const START: u64 = 1_800_000_000;

fn at(secs: u64) -> Millis {
    Millis::from_secs(START + secs)
}

fn record(state: State) -> Record {
    let mut record = Record::new(1, Debt::default());
    record.settle(state, worth(at(0), WINDOW));
    record
}

fn fresh() -> Record {
    Record::new(1, Debt::default())
}

fn things(times: impl IntoIterator<Item = (u64, u64)>) -> (Record, i64) {
    times.into_iter().fold((fresh(), 0), |(kept, _), (secs, thing)| {
        let things = Things::of(&kept, at(secs), WINDOW).with(thing);
        (record(things.state()), things.total())
    })
}

/// A mixing function, so that numbers look like keyed hashes.
fn hash(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn requests_are_exact_within_the_window() {
    let mut kept = fresh();
    for number in 1..=100 {
        let requests = Requests::of(&kept, at(number), WINDOW).with_one();
        assert_eq!(requests.total(), i64::try_from(number).unwrap());
        kept = record(requests.state());
    }
    let later = |secs| Requests::of(&kept, at(secs), WINDOW).total();
    assert_eq!(later(600), 100, "all are within the window");
    assert_eq!(later(100 + 720), 0, "none is older than six fifths of it");
    assert_eq!(later(0), 100, "a clock that is late changes nothing");
    assert_eq!(later(1_000_000_000), 0);
}

#[test]
fn up_to_six_things_are_told_apart() {
    for count in 1..=6_u64 {
        let repeated = (0..10).flat_map(|_| (0..count).map(|thing| (1, hash(thing))));
        assert_eq!(things(repeated).1, i64::try_from(count).unwrap());
    }
}

#[test]
fn the_seventh_is_never_less_than_seven() {
    for seed in 0..5000 {
        let seven: Vec<_> = (0..7).map(|thing| (1, hash(seed * 100 + thing))).collect();
        let prints: BTreeSet<u64> = seven.iter().map(|(_, hash)| (hash & 0x3fff).max(1)).collect();
        if prints.len() == 7 {
            assert!(things(seven).1 >= 7, "{seed}");
        }
    }
}

#[test]
fn things_are_forgotten_one_by_one_after_the_window() {
    let (kept, _) = things([(0, hash(1)), (299, hash(2)), (300, hash(3)), (600, hash(1))]);
    let total = |secs| Things::of(&kept, at(secs), WINDOW).total();
    assert_eq!((total(600), total(899), total(900), total(1200), total(1500)), (3, 3, 2, 1, 0));
    // The same of bits, from which no single one is taken back.
    let (kept, total) = things((0..20).map(|thing| (0, hash(thing))).chain([(300, hash(99))]));
    assert!(total >= 15, "{total}");
    let total = |secs| Things::of(&kept, at(secs), WINDOW).total();
    assert!(total(600) >= 15 && total(899) >= 15);
    assert_eq!((total(900), total(1200)), (1, 0));
    let (_, again) = things((0..20).map(|thing| (0, hash(thing))).chain([(5000, hash(1)), (5000, hash(2))]));
    assert_eq!(again, 2, "after a rest things are told apart again");
}

/// The error that the page states.
#[test]
fn the_estimate_is_as_good_as_stated() {
    for (count, error) in [(10_u64, 0.17), (20, 0.17), (30, 0.17), (60, 0.22)] {
        let squares: f64 = (0..1000)
            .map(|seed| {
                let (_, total) = things((0..count).map(|thing| (1, hash(seed * 1000 + thing))));
                (total as f64 - count as f64).powi(2)
            })
            .sum();
        let deviation = (squares / 1000.0).sqrt() / count as f64;
        assert!(deviation < error, "{count}: {deviation}");
    }
}

#[test]
fn a_value_is_known_for_the_window() {
    let kept = record(Last::of(&fresh()).state(at(0)));
    assert!(!Last::of(&fresh()).is_within(at(0), WINDOW));
    for (secs, known) in [(0, true), (599, true), (600, false)] {
        assert_eq!(Last::of(&kept).is_within(at(secs), WINDOW), known, "{secs}");
    }
    let early = Millis::from_secs(START - 5);
    assert!(Last::of(&kept).is_within(early, WINDOW), "a clock that is late changes nothing");
}

proptest! {
    #[test]
    fn no_record_panics(state: [u8; 16], millis: u64, hash: u64, window in 10_000_u64..2_678_400_000) {
        let (kept, now, window) = (record(state), Millis::new(millis), Millis::new(window));
        let things = Things::of(&kept, now, window).with(hash);
        prop_assert!(things.total() >= 1);
        let again = Things::of(&record(things.state()), now, window);
        prop_assert_eq!(again.total(), things.total());
        let requests = Requests::of(&kept, now, window).with_one();
        prop_assert!(requests.total() >= 1);
        prop_assert_eq!(Requests::of(&record(requests.state()), now, window), requests);
        let last = Last::of(&record(Last::of(&kept).state(now)));
        prop_assert!(last.is_within(now, window));
    }

    /// Against a model that keeps everything with its time.
    #[test]
    fn nothing_is_forgotten_early_or_kept_for_long(steps in proptest::collection::vec((0_u64..200, 0_u64..12), 1..60)) {
        let (mut time, mut past, mut kept, mut counted) = (0, Vec::new(), fresh(), fresh());
        for (pause, thing) in steps {
            time += pause;
            past.push((time, thing));
            let things = Things::of(&kept, at(time), WINDOW).with(hash(thing));
            let requests = Requests::of(&counted, at(time), WINDOW).with_one();
            (kept, counted) = (record(things.state()), record(requests.state()));
            let since = |secs: u64| past.iter().filter(move |(when, _)| when + secs > time).collect::<Vec<_>>();
            let different = |seen: Vec<&(u64, u64)>| seen.iter().map(|(_, thing)| thing).collect::<BTreeSet<_>>().len() as i64;
            let (least, most) = (different(since(600)), different(since(900)));
            // Of bits there are at least as many as were set within the window.
            let bits: BTreeSet<u64> = since(600).iter().map(|(_, thing)| (hash(*thing) & 0x3fff) % 32).collect();
            prop_assert!(things.total() >= bits.len() as i64, "{} of {least}", things.total());
            prop_assert!(things.total() <= most.max(7) * 2, "{} of {most}", things.total());
            let is_exact = matches!(things.content, Content::Told(_));
            prop_assert!(!is_exact || (least..=most).contains(&things.total()));
            let total = requests.total();
            prop_assert!((since(600).len() as i64..=since(720).len() as i64).contains(&total), "{total}");
        }
    }
}
