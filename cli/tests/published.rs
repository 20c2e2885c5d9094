//! What is published of the code is current, and the schema agrees with what is read.

use crate::{command, examples, root, run, run_with};
use jsonschema::Validator;
use serde_json::{json, Value};
use std::fs;

fn schema() -> Value {
    run(&["schema"]).json()
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("a valid schema")
}

#[test]
fn the_published_schema_is_current() {
    let published = fs::read_to_string(root().join("docs/portcullis.schema.json")).expect("it is published");
    assert_eq!(published, run(&["schema"]).out, "make reference");
}

#[test]
fn the_published_reference_is_current() {
    let ended = run(&["reference", "docs/reference", "--check"]);
    assert_eq!((ended.status, ended.out.as_str()), (0, ""), "make reference");
}

#[test]
fn a_page_that_is_old_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    assert_eq!(run(&["reference", &path]).status, 0);
    assert_eq!(run(&["reference", &path, "--check"]).status, 0);
    fs::write(folder.path().join("checks.md"), "old").unwrap();
    let ended = run(&["reference", &path, "--check"]);
    assert_eq!(ended.status, 1);
    assert!(ended.out.contains("checks.md is not what would be written"), "{}", ended.out);
}

#[test]
fn every_example_is_valid_by_the_schema() {
    let validator = validator();
    for (path, text) in examples() {
        let document: Value = serde_json::from_str(&text).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{path}: {faults:?}");
    }
}

/// Every place of every example gets a member that nobody knows, and a value of another type: the filter refuses each of them for
/// its form, and so does the schema.
#[test]
fn what_is_of_another_form_is_refused_by_both() {
    let validator = validator();
    let mut changed = 0;
    for (path, text) in examples() {
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut places = Vec::new();
        sections(&document, "", &mut places);
        for (place, name) in places {
            let mut unknown = document.clone();
            unknown.pointer_mut(&place).unwrap()["no_such_key"] = json!(1);
            let mut mistyped = document.clone();
            // Nothing of the document is a list of lists of lists.
            mistyped.pointer_mut(&place).unwrap()[&name] = json!([[[]]]);
            for changed in [unknown, mistyped] {
                assert!(!validator.is_valid(&changed), "{path}: {place} {name} passes the schema");
            }
            changed += 2;
        }
    }
    assert!(changed > 500, "{changed}");
}

/// The sections whose keys the schema knows, each with one of its keys. Key sets, claims and other people's schemas are theirs.
fn sections(value: &Value, place: &str, found: &mut Vec<(String, String)>) {
    let open = [
        "jwks",
        "schemas",
        "claims",
        "headers",
        "query",
        "body",
        "methods",
        "factors",
        "family_caps",
        "private_key",
    ];
    match value {
        Value::Object(members) => {
            let free =
                ["min", "max", "absolute", "relative", "jwks", "not_before", "expires", "use_from", "retire_at"];
            let key = members.keys().find(|name| !free.contains(&name.as_str()));
            found.extend(key.map(|name| (place.to_owned(), name.clone())));
            for (name, member) in members {
                // The header rule of `exposure` is a section, the headers of a condition are names.
                let is_rule = name == "headers" && member.get("action").is_some();
                if is_rule || !open.contains(&name.as_str()) {
                    sections(member, &format!("{place}/{name}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                sections(item, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_filter_refuses_what_the_schema_refuses() {
    let validator = validator();
    for (text, is_valid) in [
        (r#"{"version": 1}"#, true),
        (r#"{"version": 1, "memory": {"budget": "16MiB"}}"#, true),
        (r#"{"version": 1, "memory": {"budget": "16MB"}}"#, false),
        (r#"{"version": 1, "memory": {"budget": 16}}"#, false),
        (r#"{"version": 1, "mode": "enforced"}"#, false),
        (r#"{"version": 1, "inspect": null}"#, true),
        (r#"{"version": 1, "limits": null}"#, false),
        (r#"{"version": 1, "checks": [{"id": "payload.sql", "mode": "off"}]}"#, true),
        (r#"{"version": 1, "checks": [{"id": "payload.sqll", "mode": "off"}]}"#, false),
        (r#"{"version": 1, "risk": {"family_caps": {"payload": 0.5}}}"#, true),
        (r#"{"version": 1, "risk": {"family_caps": {"payloads": 0.5}}}"#, false),
        (r#"{"version": 1, "risk": {"family_caps": {"payload": 1.5}}}"#, false),
        (r#"{"mode": "enforce"}"#, false),
    ] {
        let document: Value = serde_json::from_str(text).unwrap();
        assert_eq!(validator.is_valid(&document), is_valid, "the schema: {text}");
        assert_eq!(run_with(&["check"], text).status == 0, is_valid, "the filter: {text}");
    }
}

#[test]
fn completions_and_man_pages_are_made() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = run(&["completions", shell]);
        assert_eq!(ended.status, 0);
        assert!(ended.out.contains("max-newly-denied"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&["man", &folder.path().join("man1").display().to_string()]);
    assert_eq!(ended.status, 0, "{}", ended.err);
    let page = fs::read_to_string(folder.path().join("man1/portcullis-replay.1")).unwrap();
    assert!(page.contains("max\\-newly\\-denied"), "{page}");
    assert!(folder.path().join("man1/portcullis.1").exists());
    assert_eq!(run(&["completions", "cmd.exe"]).status, 2);
}

#[test]
fn bench_measures_every_shape() {
    let told = run(&["bench", "examples/injection/filter.json", "--requests", "20", "--json"]).json();
    let shapes = told["shapes"].as_array().unwrap();
    assert!(shapes.len() >= 5);
    assert!(shapes
        .iter()
        .all(|shape| shape["micros"].as_f64().unwrap() > 0.0 && shape["ratio"].as_f64().unwrap() > 0.0));
    let table = run(&["bench", "examples/injection/filter.json", "--requests", "1"]);
    assert!(table.out.contains("ratio") && table.status == 0, "{}", table.out);
    assert!(command(&["bench", "no.json"]).output().unwrap().status.code() == Some(2));
}
