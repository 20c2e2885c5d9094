use super::*;
use crate::config::Config;
use crate::engine::{Engine, Ports};
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::CHECKS;

const NOW: Millis = Millis::from_secs(1_800_000_000);

fn answer() -> Answer {
    let document = br#"{"version": 1, "mode": "enforce", "request": {"body_bytes_max": "1KiB"}, "response": {"body_read_max": "64B"}}"#;
    let engine = Engine::new(Config::parse(document, CHECKS).unwrap(), Ports::in_process([7; 16]));
    let fields = [(":method", "GET"), (":path", "/"), (":authority", "shop.example")];
    let request = Request::new(Headers::from_pairs(fields), || None);
    match engine.open(request, NOW, || "r-1".to_owned()).judge(false) {
        Step::Forward(_, body) => body.finish(),
        _ => panic!("not forwarded"),
    }
}

fn head(pairs: &[(&str, &str)], has_body: bool) -> Head {
    let base = [(":status", "200"), ("content-type", "application/json")];
    let replaced = |name: &str| pairs.iter().any(|(other, _)| *other == name);
    let base = base.into_iter().filter(|(name, _)| !replaced(name));
    Head::new(Headers::from_pairs(base.chain(pairs.iter().copied())), has_body).unwrap()
}

fn meet(want: Want, head: Head) -> Course<Answer> {
    answer().case.meet(head, want, NOW, |case| Answer { case })
}

#[test]
fn nothing_is_held_that_nobody_wants_or_that_is_a_stream() {
    for (want, pairs, has_body) in [
        (Want::Nothing, &[][..], true),
        (Want::Hold, &[("content-type", "text/event-stream")], true),
        (Want::Hold, &[("content-type", "application/grpc")], true),
        (Want::Hold, &[("content-type", "image/png")], true),
        (Want::Hold, &[(":status", "101")], true),
        (Want::Hold, &[], false),
        (Want::Hold, &[("content-encoding", "gzip")], true),
        (Want::Hold, &[(":status", "206")], true),
    ] {
        let course = meet(want, head(pairs, has_body));
        assert!(matches!(course, Course::Pass(ref changes, _) if *changes == Changes::default()), "{pairs:?}");
    }
}

#[test]
fn what_may_be_changed_is_held_within_bounds() {
    let Course::Hold(held) = meet(Want::Hold, head(&[], true)) else { panic!("not held") };
    assert_eq!((held.bytes_max(), held.deadline()), (64, NOW.saturating_add(Millis::from_secs(10))));
    assert!(matches!(held.judge(b"{}", None, NOW), Course::Pass(ref changes, _) if changes.body.is_none()));
    // What is known to be longer than may be held back is not even begun with.
    assert!(matches!(meet(Want::Hold, head(&[("content-length", "65")], true)), Course::Watch(..)));
}

#[test]
fn a_copy_ends_at_its_bound() {
    let Course::Watch(_, mut watched) = meet(Want::Copy, head(&[], true)) else { panic!("not watched") };
    watched.piece(&[b'a'; 60], 60);
    assert_eq!((watched.room(), watched.unread), (4, None));
    watched.piece(&[b'b'; 4], 100);
    assert_eq!((watched.room(), watched.copy.len(), watched.unread), (0, 64, Some(Unread::TooLong)));
    watched.end(NOW);
}

#[test]
fn a_request_is_counted_while_its_answer_passes() {
    let Course::Hold(held) = meet(Want::Hold, head(&[], true)) else { panic!("not held") };
    let Step::Forward(_, held) = held.judge_request(1024) else { panic!("not forwarded") };
    assert!(matches!(held.judge_request(1), Step::Refuse(reply, _) if reply.status == 413));
}
