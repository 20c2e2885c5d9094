use super::*;
use crate::receipt::Receipt;

fn own() -> Suggest {
    Suggest { files: Vec::new(), actors: 5, percentile: 99.0 }
}

fn receipt(actor: usize, status: u16, findings: &Value, risk: f64, would: &str) -> Receipt {
    let told = json!({
        "http.request.id": "r", "user.hash": format!("actor-{actor}"), "http.response.status_code": status,
        "portcullis.route": "notes", "portcullis.verdict": "allow", "portcullis.would": would,
        "portcullis.mode": "monitor", "portcullis.risk": risk, "portcullis.findings": findings,
    });
    serde_json::from_value(told).unwrap()
}

fn sql(place: &str) -> Value {
    json!({
        "check": "payload.sql", "code": "payload_sql", "effect": "score", "score": 0.4, "mode": "monitor",
        "reason": format!("`{place}`: a comment; odds 1.0"),
    })
}

#[test]
fn what_many_meet_and_nobody_suffers_from_is_excluded() {
    let scanner = json!({"check": "agent.scanner", "code": "agent_scanner", "effect": "score", "score": 0.5, "mode": "monitor", "reason": "named"});
    for (actors, status, other, place, expected) in [
        (5, 200, None, "json.note", 1),
        (4, 200, None, "json.note", 0),
        (5, 500, None, "json.note", 0),
        (5, 200, Some(&scanner), "json.note", 0),
        (5, 200, None, "json.a\\u{1b}", 0),
    ] {
        let mut alarms = Alarms::default();
        for actor in 0..actors {
            let findings: Vec<Value> = [Some(&sql(place)), other].into_iter().flatten().cloned().collect();
            alarms.add(&receipt(actor, status, &json!(findings), 0.4, "challenge"));
        }
        let suggestions = alarms.suggestions(&own());
        assert_eq!(suggestions.len(), expected, "{actors} {status} {place}");
        for suggestion in suggestions {
            assert_eq!(suggestion.value, json!({"route": "notes", "place": "json.note", "check": "payload.sql"}));
        }
    }
}

#[test]
fn a_route_without_a_limit_gets_one_above_what_is_usual() {
    let mut rates = Rates::default();
    for actor in 0..40 {
        for request in 0..=(actor % 10) {
            let time = jiff::Timestamp::from_second(60 * 1000 + i64::try_from(request).unwrap()).unwrap();
            rates.add(&receipt(actor, 200, &json!([]), 0.0, "allow"), Some(time));
        }
    }
    let suggestions = rates.suggestions(&own());
    assert_eq!(suggestions.len(), 1);
    assert_eq!((&suggestions[0].value["limit"], &suggestions[0].value["routes"]), (&json!(15), &json!(["notes"])));
}

#[test]
fn a_threshold_is_raised_a_little_and_never_far() {
    for (risk, expected) in [(0.4, Some(0.45)), (0.65, None)] {
        let mut risks = Risks::default();
        for actor in 0..6 {
            risks.add(&receipt(actor, 200, &json!([sql("json.note")]), risk, "challenge"));
        }
        let suggestions = risks.suggestions(&own());
        let challenge = suggestions.first().map(|own| own.value["risk"]["challenge"].as_f64().unwrap());
        assert_eq!(challenge, expected);
    }
}

#[test]
fn percentiles_are_ranks() {
    let sorted: Vec<u64> = (1..=100).collect();
    assert_eq!(
        [50.0, 99.0, 99.9, 0.0].map(|percent| percentile(&sorted, percent)),
        [Some(50), Some(99), Some(100), Some(1)]
    );
    assert_eq!(percentile::<u64>(&[], 50.0), None);
}
