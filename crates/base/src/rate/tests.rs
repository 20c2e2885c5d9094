use super::*;
use crate::memory::record::STATE_BYTES;
use proptest::prelude::*;

const START: u64 = 1_800_000_000_000;

const WINDOWED: [Algorithm; 3] = [Algorithm::TokenBucket, Algorithm::SlidingWindow, Algorithm::FixedWindow];
const ALL: [Algorithm; 4] =
    [Algorithm::TokenBucket, Algorithm::SlidingWindow, Algorithm::FixedWindow, Algorithm::Concurrency];

fn rate(limit: u64, window: u64) -> Rate {
    Rate { limit, window: Millis::new(window), burst: limit }
}

fn at(offset: u64) -> Millis {
    Millis::new(START.saturating_add(offset))
}

fn fresh() -> State {
    [0; STATE_BYTES]
}

/// Takes one unit at each of these moments; returns those at which it was allowed.
fn replay(algorithm: Algorithm, rate: &Rate, moments: &[u64]) -> Vec<u64> {
    let mut state = fresh();
    let takes = moments.iter().map(|moment| {
        let taken = algorithm.take(state, rate, at(*moment), 1);
        state = taken.state;
        (*moment, taken.allowed)
    });
    takes.filter(|(_, allowed)| *allowed).map(|(moment, _)| moment).collect()
}

/// Most events in any span of this length.
fn densest(moments: &[u64], span: u64) -> usize {
    let within =
        |from: &u64| moments.iter().filter(|moment| (*from..from.saturating_add(span)).contains(moment)).count();
    moments.iter().map(within).max().unwrap_or_default()
}

#[test]
fn from_rest_exactly_the_limit_passes() {
    for algorithm in ALL {
        for limit in [1, 5, 1000] {
            let passed = replay(algorithm, &rate(limit, 60_000), &vec![0; 2000]).len();
            assert_eq!(u64::try_from(passed).unwrap(), limit, "{algorithm:?}");
        }
    }
}

#[test]
fn remaining_counts_down_and_a_refusal_takes_nothing() {
    for algorithm in ALL {
        let rate = rate(3, 60_000);
        let mut state = fresh();
        for left in [2, 1, 0] {
            let taken = algorithm.take(state, &rate, at(0), 1);
            assert_eq!((taken.allowed, taken.remaining), (true, left), "{algorithm:?}");
            state = taken.state;
        }
        let refused = algorithm.take(state, &rate, at(0), 1);
        assert_eq!((refused.allowed, refused.remaining, refused.state), (false, 0, state), "{algorithm:?}");
    }
}

#[test]
fn a_request_that_costs_more_than_there_ever_is_can_never_pass() {
    for algorithm in ALL {
        let taken = algorithm.take(fresh(), &rate(3, 60_000), at(0), 4);
        assert_eq!((taken.allowed, taken.retry_after), (false, None), "{algorithm:?}");
    }
}

#[test]
fn a_token_bucket_refills_evenly_and_bursts_as_configured() {
    let rate = Rate { limit: 60, window: Millis::new(60_000), burst: 5 };
    assert_eq!(replay(Algorithm::TokenBucket, &rate, &[0; 9]).len(), 5);
    let steady: Vec<u64> = (0..100).map(|second| second * 1000).collect();
    assert_eq!(replay(Algorithm::TokenBucket, &rate, &steady), steady, "one a second is within the rate");
}

#[test]
fn a_fixed_window_begins_anew_at_its_border() {
    // START is a multiple of a minute.
    let moments = [59_999, 59_999, 59_999, 60_000, 60_000, 60_000];
    assert_eq!(replay(Algorithm::FixedWindow, &rate(2, 60_000), &moments), [59_999, 59_999, 60_000, 60_000]);
}

#[test]
fn a_sliding_window_remembers_across_the_border() {
    let moments = [59_999, 59_999, 60_000, 90_000, 90_001, 119_999];
    assert_eq!(replay(Algorithm::SlidingWindow, &rate(2, 60_000), &moments), [59_999, 59_999, 90_000]);
}

#[test]
fn requests_in_flight_are_counted_until_they_are_over() {
    let rate = rate(2, 60_000);
    let take = |state, now| concurrency::take(state, &rate, at(now), 1);
    let give = |state, since, now| concurrency::give(state, &rate, at(since), at(now), 1);
    let first = take(fresh(), 0);
    let second = take(first.state, 10_000);
    assert!(second.allowed && !take(second.state, 20_000).allowed);
    let back = give(second.state, 0, 50_000);
    assert!(take(back.state, 50_000).allowed, "one is over");
    assert!(!take(take(back.state, 50_000).state, 50_000).allowed, "the other is not");
}

#[test]
fn a_request_that_never_comes_back_is_forgotten_after_the_window() {
    let rate = rate(1, 60_000);
    let lost = concurrency::take(fresh(), &rate, at(0), 1);
    assert!(!concurrency::take(lost.state, &rate, at(60_000), 1).allowed);
    assert!(concurrency::take(lost.state, &rate, at(80_000), 1).allowed);
    // It comes back after all: what it took is no longer there to be given back.
    let late = concurrency::take(lost.state, &rate, at(80_000), 1);
    let back = concurrency::give(late.state, &rate, at(0), at(81_000), 1);
    assert!(!concurrency::take(back.state, &rate, at(81_000), 1).allowed);
}

#[test]
fn a_unit_taken_by_a_late_clock_at_a_border_is_given_back() {
    // START is a multiple of the slice, 20 s.
    let rate = rate(2, 60_000);
    let early = concurrency::take(fresh(), &rate, at(20_001), 1);
    let late = concurrency::take(early.state, &rate, at(19_999), 1);
    let back = concurrency::give(late.state, &rate, at(19_999), at(30_000), 1);
    assert_eq!(back.remaining, 1);
    let back = concurrency::give(back.state, &rate, at(20_001), at(30_000), 1);
    assert_eq!(back.remaining, 2);
}

#[test]
fn what_another_window_or_algorithm_left_does_not_count_for_ever() {
    for before in ALL {
        for (window, after) in [(1000, 3_600_000), (3_600_000, 1000), (60_000, 61_000), (61_000, 60_000)] {
            let used = (0..5).fold(fresh(), |state, _| before.take(state, &rate(5, window), at(0), 1).state);
            for now in [Algorithm::SlidingWindow, Algorithm::FixedWindow, Algorithm::Concurrency] {
                let later = at(after * 3);
                let taken = now.take(used, &rate(5, after), later, 1);
                assert!(taken.allowed, "{before:?} of {window} ms, then {now:?} of {after} ms");
                let soonest = later.saturating_add(Millis::new(after.saturating_mul(2)));
                assert!(taken.debt.settled <= soonest, "{before:?} of {window} ms, then {now:?} of {after} ms");
            }
        }
    }
}

#[test]
fn an_inherited_debt_leaves_that_much_less() {
    for algorithm in ALL {
        let rate = rate(10, 60_000);
        let state = algorithm.begin(&rate, at(0), Share::of(60, 100));
        let passed = (0..20).scan(state, |state, _| {
            let taken = algorithm.take(*state, &rate, at(0), 1);
            *state = taken.state;
            Some(u64::from(taken.allowed))
        });
        // A share is rounded up to a whole unit, so that rounding never forgives.
        assert!((3..=4).contains(&passed.sum::<u64>()), "{algorithm:?}");
    }
}

#[test]
fn a_shared_window_counts_what_the_fleet_knows_and_what_it_does_not() {
    use shared_window::{learn, restore, settle};
    let rate = rate(10, 60_000);
    let take = |state, cost| Algorithm::SharedWindow.take(state, &rate, at(0), cost);
    let first = take(fresh(), 4);
    let (state, _, reported) = settle(first.state, &rate, at(1));
    assert_eq!(reported.units, 4);
    let meanwhile = take(state, 1);
    assert_eq!(meanwhile.remaining, 5, "what is on its way is not forgotten");
    let (state, _) = learn(meanwhile.state, &rate, at(2), reported, 8);
    assert_eq!(take(state, 1).remaining, 0, "others have used four");
    let (state, _) = restore(meanwhile.state, &rate, at(2), reported);
    assert_eq!(settle(state, &rate, at(3)).2.units, 5, "a lost report is reported again");
    let (state, _) = learn(meanwhile.state, &rate, at(60_000), reported, 8);
    let later = Algorithm::SharedWindow.take(state, &rate, at(60_000), 1);
    assert_eq!(
        (later.remaining, settle(later.state, &rate, at(60_001)).2.units),
        (9, 1),
        "of a window that is over"
    );
}

proptest! {
    #[test]
    fn a_token_bucket_never_exceeds_its_rate(gaps in prop::collection::vec(0..4000_u64, 1..80), limit in 1..20_u64, burst in 1..20_u64) {
        let rate = Rate { limit, window: Millis::new(10_000), burst };
        let moments: Vec<u64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
        let passed = replay(Algorithm::TokenBucket, &rate, &moments);
        for span in [1, 1000, 10_000, 30_000] {
            let most = burst + (span * limit).div_ceil(10_000);
            prop_assert!(u64::try_from(densest(&passed, span)).unwrap() <= most);
        }
    }

    #[test]
    fn a_fixed_window_lets_exactly_its_limit_pass(gaps in prop::collection::vec(0..3000_u64, 1..120), limit in 1..8_u64) {
        let moments: Vec<u64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
        let passed = replay(Algorithm::FixedWindow, &rate(limit, 10_000), &moments);
        for window in 0..40 {
            let inside = |moments: &[u64]| u64::try_from(moments.iter().filter(|moment| *moment / 10_000 == window).count()).unwrap();
            prop_assert_eq!(inside(&passed), inside(&moments).min(limit));
        }
    }

    #[test]
    fn a_sliding_window_never_lets_twice_its_limit_pass(gaps in prop::collection::vec(0..3000_u64, 1..120), limit in 1..8_u64) {
        let moments: Vec<u64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
        let passed = replay(Algorithm::SlidingWindow, &rate(limit, 10_000), &moments);
        prop_assert!(u64::try_from(densest(&passed, 10_000)).unwrap() <= 2 * limit);
        let quiet_before: Vec<u64> = passed.iter().copied().filter(|moment| *moment < 10_000).collect();
        prop_assert!(u64::try_from(quiet_before.len()).unwrap() <= limit);
    }

    #[test]
    fn who_waits_as_told_passes_and_not_earlier(
        gaps in prop::collection::vec(0..5000_u64, 1..40), limit in 1..8_u64, cost in 1..4_u64, which in 0..3_usize,
    ) {
        let (algorithm, rate) = (WINDOWED[which], rate(limit, 10_000));
        let mut state = fresh();
        let mut now = 0;
        for gap in gaps {
            now += gap;
            let taken = algorithm.take(state, &rate, at(now), cost);
            state = taken.state;
            let Some(wait) = taken.retry_after else { prop_assert!(cost > limit); continue };
            if !taken.allowed {
                let passes = |wait: u64| algorithm.take(state, &rate, at(now + wait), cost).allowed;
                prop_assert!(passes(wait.as_u64()), "{algorithm:?} after {wait:?}");
                prop_assert!(!passes(wait.as_u64() - 1), "{algorithm:?} before {wait:?}");
            }
        }
    }

    #[test]
    fn a_settled_debt_is_no_debt(gaps in prop::collection::vec(0..5000_u64, 1..40), limit in 1..8_u64, which in 0..4_usize) {
        let (algorithm, rate) = (ALL[which], rate(limit, 10_000));
        let mut taken = algorithm.take(fresh(), &rate, at(0), 1);
        let mut now = 0;
        for gap in gaps {
            now += gap;
            taken = algorithm.take(taken.state, &rate, at(now), 1);
        }
        let later = algorithm.take(taken.state, &rate, taken.debt.settled, limit);
        prop_assert!(later.allowed, "{algorithm:?}");
    }

    #[test]
    fn no_state_and_no_time_panics(state in any::<[u8; STATE_BYTES]>(), now in any::<u64>(), limit in 1..=u64::MAX, window in 1..=u64::MAX, cost in any::<u64>(), which in 0..4_usize) {
        let rate = Rate { limit, window: Millis::new(window), burst: limit };
        let taken = ALL[which].take(state, &rate, Millis::new(now), cost);
        let _ = concurrency::give(taken.state, &rate, Millis::new(cost), Millis::new(now), cost);
        let _ = ALL[which].begin(&rate, Millis::new(now), Share::WHOLE);
    }
}
