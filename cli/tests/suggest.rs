//! `portcullis suggest`: a proposal that the filter takes, and that takes the false alarms away.

use crate::{file, run};
use serde_json::{json, Value};

/// Notes with SQL in them, by many people.
fn recording() -> String {
    let line = |number: usize| {
        let text =
            if number.is_multiple_of(3) { "select%20a%20from%20b%20where%20c%3D1%20--%20x" } else { "hello" };
        let told = json!({
            "time": format!("2026-11-27T09:{:02}:{:02}Z", number / 20, number % 20), "method": "GET",
            "path": format!("/notes?text={text}"), "authority": "a.example", "source": format!("192.0.2.{}", number % 50),
            "response_code": 200,
        });
        format!("{told}\n")
    };
    (0..600).map(line).collect()
}

#[test]
fn what_is_proposed_takes_the_false_alarms_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = json!({"version": 1, "routes": [{"name": "notes", "path": "/notes"}], "inspect": {}});
    let trial = file(&folder, "trial.json", &config.to_string());
    let log = file(&folder, "traffic.log", &recording());
    let receipts = folder.path().join("receipts.log").display().to_string();
    let before = run(&["replay", &log, "-c", &trial, "--receipts", &receipts, "--json"]).json();
    assert_eq!(before["result"]["outcomes"]["would_challenge"], json!(200));
    let told = run(&["suggest", &receipts, "--json"]).json();
    let exclusion = json!([{"route": "notes", "place": "query.text", "check": "payload.sql"}]);
    assert_eq!(told["fragment"]["inspect"]["exclusions"], exclusion);
    assert_eq!(told["fragment"].get("routes"), None, "an exclusion takes the risk away");
    let Value::Object(fragment) = told["fragment"].clone() else { panic!("an object") };
    config.as_object_mut().unwrap().extend(fragment);
    config["mode"] = json!("enforce");
    let proposed = file(&folder, "proposed.json", &config.to_string());
    let after = run(&["replay", &log, "-c", &proposed, "--against", &trial, "--max-newly-denied", "0", "--json"]);
    assert_eq!(after.status, 0, "{}", after.out);
    assert_eq!(after.json()["result"]["outcomes"]["allow"], json!(600));
}

#[test]
fn reasons_stand_beside_what_is_proposed() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(
        &folder,
        "trial.json",
        r#"{"version": 1, "routes": [{"name": "notes", "path": "/notes"}], "inspect": {}}"#,
    );
    let log = file(&folder, "traffic.log", &recording());
    let receipts = folder.path().join("receipts.log").display().to_string();
    run(&["replay", &log, "-c", &config, "--receipts", &receipts]);
    let ended = run(&["suggest", &receipts]);
    assert_eq!(ended.status, 0);
    for part in ["200 findings by 50 actors", "inspect.exclusions", "notes-per-actor", "For the configuration"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let strict = run(&["suggest", &receipts, "--actors", "51", "--json"]).json();
    assert_eq!(strict["fragment"].get("inspect"), None);
}

#[test]
fn nothing_to_suggest_is_no() {
    let folder = tempfile::tempdir().unwrap();
    let receipt = r#"{"http.request.id": "r", "portcullis.route": "a", "portcullis.verdict": "allow", "portcullis.would": "allow", "portcullis.mode": "monitor", "portcullis.risk": 0}"#;
    let ended = run(&["suggest", &file(&folder, "one.log", receipt)]);
    assert_eq!(ended.status, 1);
    assert!(ended.out.starts_with("0 suggestions from 1 receipt\n"), "{}", ended.out);
    assert_eq!(run(&["suggest", &file(&folder, "none.log", "nothing\n")]).status, 2);
}
