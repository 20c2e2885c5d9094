use super::*;
use crate::memory::in_process::InProcess;
use proptest::prelude::*;

const SCHEDULE: Schedule = Schedule {
    refresh: Millis::from_secs(300),
    refetch_interval: Millis::from_secs(2),
    lasts_max: Millis::from_secs(3),
};

const START: Millis = Millis::from_secs(1_000);

fn after(millis: u64) -> Millis {
    START.saturating_add(Millis::new(millis))
}

fn fetched(body: &[u8]) -> Outcome<'_> {
    Outcome::Fetched { etag: Some("\"1\""), body }
}

fn begin(remote: &Remote, shared: &InProcess, now: Millis) -> Option<Lease> {
    remote.begin(shared, &SCHEDULE, now)
}

#[test]
fn one_worker_fetches_and_all_read() {
    let (shared, remote) = (InProcess::default(), Remote::new("keys"));
    let lease = begin(&remote, &shared, START).unwrap();
    assert_eq!((lease.etag.as_deref(), begin(&remote, &shared, after(1))), (None, None));
    remote.conclude(&shared, &lease, &fetched(b"one"), after(5));
    assert_eq!(remote.body(&shared), Some((1, b"one".to_vec())));
    assert_eq!(remote.state(&shared).age(after(1005)), Some(Millis::from_secs(1)));
    assert_eq!(begin(&remote, &shared, after(299_000)), None, "it is fresh");
    let lease = begin(&remote, &shared, after(300_005)).unwrap();
    assert_eq!(lease.etag.as_deref(), Some("\"1\""));
    remote.conclude(&shared, &lease, &Outcome::Unchanged, after(300_010));
    assert_eq!(remote.body(&shared), Some((1, b"one".to_vec())));
    assert_eq!(remote.state(&shared).succeeded, after(300_010));
}

#[test]
fn a_worker_that_vanishes_hands_over_after_a_while() {
    let (shared, remote) = (InProcess::default(), Remote::new("keys"));
    let lost = begin(&remote, &shared, START).unwrap();
    assert_eq!(begin(&remote, &shared, after(3999)), None);
    let lease = begin(&remote, &shared, after(4000)).unwrap();
    // The lost one comes back late and empty-handed, which says nothing about the fetch that is going on.
    remote.conclude(&shared, &lost, &Outcome::Failed, after(4100));
    assert_eq!(begin(&remote, &shared, after(4200)), None);
    remote.conclude(&shared, &lease, &fetched(b"two"), after(4300));
    assert_eq!(remote.body(&shared), Some((1, b"two".to_vec())));
}

#[test]
fn failures_keep_the_last_good_body_and_their_distance() {
    let (shared, remote) = (InProcess::default(), Remote::new("keys"));
    let lease = begin(&remote, &shared, START).unwrap();
    remote.conclude(&shared, &lease, &fetched(b"good"), START);
    let mut now = after(300_000);
    let mut starts = Vec::new();
    while starts.len() < 8 {
        if let Some(lease) = begin(&remote, &shared, now) {
            starts.push(now);
            remote.conclude(&shared, &lease, &Outcome::Failed, now);
        }
        now = now.saturating_add(Millis::new(100));
    }
    let pauses: Vec<u64> = starts.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_u64() / 1000).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(remote.body(&shared).unwrap().1, b"good");
    assert_eq!((remote.state(&shared).failures, remote.state(&shared).succeeded), (8, START));
}

#[test]
fn what_is_wanted_comes_at_once_but_not_more_often_than_allowed() {
    let (shared, remote) = (InProcess::default(), Remote::new("keys"));
    let lease = begin(&remote, &shared, START).unwrap();
    remote.conclude(&shared, &lease, &fetched(b"one"), after(1));
    remote.want(&shared, after(500));
    assert_eq!(begin(&remote, &shared, after(1999)), None);
    let lease = begin(&remote, &shared, after(2000)).unwrap();
    remote.conclude(&shared, &lease, &fetched(b"two"), after(2001));
    assert_eq!(begin(&remote, &shared, after(60_000)), None, "the wish was fulfilled");
    remote.want(&shared, after(60_000));
    assert!(begin(&remote, &shared, after(60_000)).is_some());
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let (shared, remote) = (InProcess::default(), Remote::new("keys"));
    let lease = begin(&remote, &shared, after(1_000_000_000)).unwrap();
    remote.conclude(&shared, &lease, &fetched(b"one"), after(1_000_000_000));
    assert!(begin(&remote, &shared, START).is_some());
}

#[test]
fn the_same_body_is_no_new_generation_and_strange_values_are_none() {
    let (shared, remote) = (InProcess::default(), Remote::new("keys"));
    shared.insert("portcullis/remote/keys", b"junk");
    shared.insert("portcullis/remote/keys/body", b"junk");
    assert_eq!((remote.state(&shared), remote.body(&shared)), (State::default(), None));
    for (body, generation) in [(b"one", 1), (b"one", 1), (b"two", 2)] {
        remote.want(&shared, START);
        let lease = begin(&remote, &shared, START.saturating_add(Millis::from_secs(10 * generation)))
            .unwrap_or(Lease { began: START, etag: None });
        remote.conclude(&shared, &lease, &fetched(body), after(10));
        assert_eq!(remote.body(&shared), Some((generation, body.to_vec())));
        assert_eq!(remote.state(&shared).generation, generation);
    }
}

proptest! {
    /// Whatever the workers do and in whatever order, no two fetch at the same time, unless one was given up.
    #[test]
    fn there_is_one_fetch_at_a_time(steps in prop::collection::vec((0usize..4, 0u64..1500, 0u8..5), 1..200)) {
        let (shared, remote) = (InProcess::default(), Remote::new("keys"));
        let mut leases: [Option<Lease>; 4] = Default::default();
        let mut now = START;
        let mut generation = 0;
        for (worker, passes, deed) in steps {
            now = now.saturating_add(Millis::new(passes));
            let outcome = match deed {
                0 | 1 => None,
                2 => { remote.want(&shared, now); continue }
                3 => Some(Outcome::Failed),
                _ => Some(Outcome::Fetched { etag: None, body: &[deed] }),
            };
            match (outcome, leases[worker].take()) {
                (Some(outcome), Some(lease)) => remote.conclude(&shared, &lease, &outcome, now),
                (_, Some(lease)) => leases[worker] = Some(lease),
                (_, None) => leases[worker] = begin(&remote, &shared, now),
            }
            let limit = SCHEDULE.lasts_max.saturating_add(GRACE);
            let active = leases.iter().flatten().filter(|lease| now.saturating_sub(lease.began) < limit).count();
            prop_assert!(active <= 1);
            let state = remote.state(&shared);
            prop_assert!(state.generation >= generation && state.concluded <= now);
            generation = state.generation;
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = (State::decode(&bytes), split_body(&bytes));
    }
}
