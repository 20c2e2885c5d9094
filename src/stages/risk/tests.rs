use super::*;
use crate::config::RouteId;
use crate::finding::{Check, Score};
use crate::stages::identity::binding;
use crate::stages::identity::checks::TOKEN_EXPIRED;
use crate::stages::{shape, CHECKS};
use proptest::prelude::*;

fn config(extra: &str) -> Config {
    let document = format!(r#"{{"version": 1, "mode": "enforce"{extra}}}"#);
    Config::parse(document.as_bytes(), CHECKS).unwrap()
}

fn judged(config: &Config, seen: &[&'static Check]) -> (Judgement, Ruling) {
    judged_given(config, seen, false)
}

fn judged_given(config: &Config, seen: &[&'static Check], proved: bool) -> (Judgement, Ruling) {
    let mut findings = Findings::default();
    seen.iter().for_each(|check| findings.add(Finding::new(check, "seen")));
    judge(config, config.routes.get(RouteId::Unmatched), &findings, proved)
}

fn scored(config: &Config, scores: &[f64]) -> Judgement {
    let mut findings = Findings::default();
    for score in scores {
        findings.add(Finding::new(&binding::IP, "seen").weighing(Weight::Score(Score::new(*score).unwrap())));
    }
    judge(config, config.routes.get(RouteId::Unmatched), &findings, false).0
}

#[test]
fn nothing_found_is_a_permit() {
    let (judgement, ruling) = judged(&config(""), &[]);
    assert_eq!((judgement.outcome(), judgement.risk, judgement.code.as_deref()), ("allow", 0.0, None));
    assert!(matches!(ruling, Ruling::Forward(_)));
}

#[test]
fn the_thresholds_belong_to_the_worse_side() {
    let config = config(r#", "risk": {"family_caps": {"binding": 1}}"#);
    for (score, outcome) in
        [(0.299, "allow"), (0.3, "challenge"), (0.699, "challenge"), (0.7, "deny"), (1.0, "deny")]
    {
        assert_eq!(scored(&config, &[score]).outcome(), outcome, "{score}");
    }
}

#[test]
fn independent_signs_add_up_without_exceeding_certainty() {
    let config = config(r#", "risk": {"family_caps": {"binding": 1}}"#);
    assert_eq!(scored(&config, &[0.2]).risk, 0.2);
    assert_eq!(scored(&config, &[0.2, 0.2]).risk, 0.36);
    assert_eq!(scored(&config, &[0.5, 0.5, 1.0]).risk, 1.0);
}

#[test]
fn many_weak_signs_of_one_family_cannot_deny_alone() {
    let judgement = scored(&config(""), &[0.2; 20]);
    assert_eq!((judgement.risk, judgement.outcome()), (0.65, "challenge"));
}

#[test]
fn a_second_family_goes_beyond_the_cap_of_the_first() {
    let (judgement, _) = judged(
        &config(
            r#", "checks": [{"id": "token.binding.ip", "score": 1}, {"id": "request.path.dot_segments", "score": 0.2}]"#,
        ),
        &[&binding::IP, &shape::PATH_DOT_SEGMENTS],
    );
    assert_eq!(
        (judgement.risk, judgement.outcome(), judgement.code.as_deref()),
        (0.72, "deny", Some("risk_denied"))
    );
}

#[test]
fn a_refusal_names_its_check_and_a_sum_does_not() {
    let (judgement, ruling) = judged(&config(""), &[&binding::IP, &TOKEN_EXPIRED]);
    assert_eq!((judgement.outcome(), judgement.code.as_deref()), ("deny", Some("token_expired")));
    let Ruling::Refuse(refusal) = ruling else { panic!("permitted") };
    assert_eq!((refusal.class, refusal.bearer_error), (Class::Unauthenticated, Some("invalid_token")));
}

#[test]
fn proof_satisfies_a_challenge_and_no_denial() {
    let config = config(
        r#", "checks": [{"id": "request.path.dot_segments", "effect": "challenge"}, {"id": "token.binding.ip", "score": 0.5}]"#,
    );
    for challenged in
        [&[&shape::PATH_DOT_SEGMENTS][..], &[&binding::IP], &[&binding::IP, &shape::PATH_DOT_SEGMENTS]]
    {
        let (without, _) = judged_given(&config, challenged, false);
        assert_eq!(
            (without.outcome(), without.code.as_deref(), without.satisfied),
            ("challenge", Some("step_up_required"), false)
        );
        let (with, ruling) = judged_given(&config, challenged, true);
        assert_eq!((with.outcome(), with.code, with.satisfied), ("allow", None, true));
        assert_eq!(
            (with.risk, with.weighed.len()),
            (without.risk, without.weighed.len()),
            "all of it is still reported"
        );
        assert!(matches!(ruling, Ruling::Forward(_)));
    }
    let (denied, _) = judged_given(&config, &[&binding::IP, &TOKEN_EXPIRED], true);
    assert_eq!((denied.outcome(), denied.satisfied), ("deny", false));
    let (clean, _) = judged_given(&config, &[], true);
    assert_eq!((clean.outcome(), clean.satisfied), ("allow", false));
}

#[test]
fn monitor_mode_judges_and_lets_pass() {
    let document = br#"{"version": 1, "mode": "monitor"}"#;
    let (judgement, ruling) = judged(&Config::parse(document, CHECKS).unwrap(), &[&TOKEN_EXPIRED]);
    assert_eq!((judgement.outcome(), judgement.code.as_deref()), ("would_deny", Some("token_expired")));
    assert!(matches!(ruling, Ruling::Forward(_)));
}

#[test]
fn one_check_can_be_held_back_switched_off_or_reweighed() {
    let held = config(r#", "checks": [{"id": "token.expired", "mode": "monitor"}]"#);
    assert_eq!(judged(&held, &[&TOKEN_EXPIRED]).0.outcome(), "would_deny");
    assert_eq!(judged(&held, &[&TOKEN_EXPIRED, &shape::PATH_AMBIGUOUS]).0.code.as_deref(), Some("path_ambiguous"));

    let off = config(r#", "checks": [{"id": "token.expired", "mode": "off"}]"#);
    let (judgement, _) = judged(&off, &[&TOKEN_EXPIRED]);
    assert_eq!((judgement.outcome(), judgement.weighed.len()), ("allow", 0));

    let noted = config(r#", "checks": [{"id": "token.expired", "effect": "note"}]"#);
    assert_eq!(judged(&noted, &[&TOKEN_EXPIRED]).0.outcome(), "allow");

    let challenged = config(r#", "checks": [{"id": "token.expired", "effect": "challenge"}]"#);
    assert_eq!(judged(&challenged, &[&TOKEN_EXPIRED]).0.outcome(), "challenge");

    let refused = config(r#", "checks": [{"id": "token.binding.ip", "effect": "refuse"}]"#);
    assert_eq!(judged(&refused, &[&binding::IP]).0.code.as_deref(), Some("binding_ip"));
}

proptest! {
    #[test]
    fn more_findings_never_make_a_request_look_better(scores in proptest::collection::vec(0.0..=1.0f64, 0..12), one_more in 0.0..=1.0f64) {
        let config = config("");
        let before = scored(&config, &scores);
        let after = scored(&config, &[scores, vec![one_more]].concat());
        prop_assert!(after.risk >= before.risk - 1e-9 && after.verdict >= before.verdict);
        prop_assert!((0.0..=1.0).contains(&after.risk));
    }

    #[test]
    fn the_order_of_findings_does_not_matter(scores in proptest::collection::vec(0.0..=1.0f64, 0..8)) {
        let config = config("");
        let mut reversed = scores.clone();
        reversed.reverse();
        prop_assert_eq!(scored(&config, &scores).risk, scored(&config, &reversed).risk);
    }
}
