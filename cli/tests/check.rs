//! `portcullis check`: valid, invalid, embedded, risky.

use crate::{examples, file, root, run, run_with};
use serde_json::json;

const VALID: &str = r#"{"version": 1, "mode": "enforce", "limits": [{"name": "all", "key": ["source"], "limit": 9, "window": "1m"}]}"#;

#[test]
fn every_example_is_valid() {
    for (path, _) in examples() {
        let ended = run(&["check", &path]);
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{path}");
        assert!(ended.out.contains("valid, configuration "), "{}", ended.out);
    }
}

#[test]
fn a_fault_has_its_place_and_a_caret() {
    let text = "{\n  \"version\": 1,\n  \"limits\": [\n    {\"name\": \"a\", \"keys\": [\"source\"]}\n  ]\n}\n";
    let ended = run_with(&["check"], text);
    assert_eq!(ended.status, 1);
    for part in
        ["error: limits[0].keys: unknown field `keys`", "(standard input):4:19", "^^^^^^", "did you mean `key`?"]
    {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let told = run_with(&["check", "--json"], text).json();
    let error = &told[0]["error"];
    assert_eq!(
        (&error["path"], &error["line"], &error["column"]),
        (&json!("limits[0].keys"), &json!(4), &json!(19))
    );
    assert_eq!((&told[0]["valid"], &error["hint"]), (&json!(false), &json!("key")));
}

#[test]
fn broken_syntax_has_a_place_too() {
    let ended = run_with(&["check"], "{\n \"version\": 1,\n}");
    assert_eq!(ended.status, 1);
    assert!(ended.out.contains("(standard input):3:1"), "{}", ended.out);
    assert_eq!(run_with(&["check"], "").status, 1);
}

#[test]
fn warnings_can_be_denied_and_allowed() {
    let risky = VALID.replace("\"source\"", "\"header:x\"");
    let ended = run_with(&["check"], &risky);
    assert_eq!(ended.status, 0);
    assert!(ended.out.contains("warning[limit-key-chosen-by-client]: limits[0].key"), "{}", ended.out);
    assert_eq!(run_with(&["check", "--deny-warnings"], &risky).status, 1);
    let allowed = ["check", "--deny-warnings", "--allow", "limit-key-chosen-by-client"];
    assert_eq!(run_with(&allowed, &risky).status, 0);
    assert_eq!(run_with(&["check", "--deny-warnings"], VALID).status, 0, "notes are no warnings");
    let unknown = run_with(&["check", "--allow", "nonsense"], VALID);
    assert_eq!(unknown.status, 2);
    assert!(unknown.err.contains("there is no warning `nonsense`"), "{}", unknown.err);
}

#[test]
fn defaults_are_filled_in_and_mean_the_same() {
    for (path, text) in examples() {
        let effective = run(&["check", "--effective", &path]);
        assert_eq!(effective.status, 0, "{path}");
        // What stands for a secret is none.
        if ["(secret)", "\"minting\""].iter().any(|part| effective.out.contains(part)) {
            continue;
        }
        let again = run_with(&["check", "--effective"], &effective.out);
        assert_eq!((again.status, &again.out), (0, &effective.out), "{path}: {text}");
    }
    let told = run_with(&["check", "--effective", "--json"], VALID).json();
    assert_eq!(told[0]["effective"]["limits"][0]["algorithm"], json!("token_bucket"));
}

#[test]
fn secrets_are_not_printed() {
    let text = r#"{"version": 1, "telemetry": {"actor_salt": "pepper-and-salt"}, "fleet": {"cluster": "c", "secret": "hush-hush"}}"#;
    for arguments in [&["check"][..], &["check", "--effective"], &["check", "--json", "--effective"]] {
        let ended = run_with(arguments, text);
        let shown = ended.out.lines().filter(|line| !line.contains(" | ")).collect::<String>();
        assert!(!shown.contains("pepper") && !shown.contains("hush"), "{arguments:?}: {}", ended.out);
    }
}

#[test]
fn configurations_are_found_in_manifests() {
    let bootstrap = run(&["check", "envoy/envoy.yaml"]);
    assert_eq!(bootstrap.status, 0);
    assert!(bootstrap.out.contains("http_filters[0].typed_config.config.configuration"), "{}", bootstrap.out);
    let folder = tempfile::tempdir().unwrap();
    let plugin = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  pluginConfig:\n    version: 1\n    mode: enfroce\n";
    let ended = run(&["check", &file(&folder, "plugin.yaml", plugin)]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.out.contains("(spec.pluginConfig)") && ended.out.contains("did you mean `enforce`?"),
        "{}",
        ended.out
    );
    let other = run(&["check", &file(&folder, "other.yaml", "kind: Service\n")]);
    assert_eq!(other.status, 2);
    assert!(other.err.contains("contains no configuration"), "{}", other.err);
}

#[test]
fn a_file_that_cannot_be_read_is_no_answer() {
    let ended = run(&["check", "no/such/file.json"]);
    assert_eq!((ended.status, ended.out.as_str()), (2, ""));
    assert!(ended.err.starts_with("error: no/such/file.json cannot be opened"), "{}", ended.err);
    assert!(root().join("Cargo.toml").exists());
    assert_eq!(run(&["check", "--nonsense"]).status, 2);
}
