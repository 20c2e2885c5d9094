use super::*;
use crate::memory::in_process::InProcess;
use serde_json::{json, Value};

const ISSUER: &str = "https://id.example";

fn memory() -> Memory {
    Memory::open(&InProcess::default(), 0, [3; 16])
}

fn list(entries: &Value) -> Result<Revoked, &'static str> {
    compile(json!({ "revocations": entries }).to_string().as_bytes(), &memory())
}

/// By what a token with these claims is revoked under that list.
fn revoked_by(entries: &Value, claims: &Value) -> Option<&'static str> {
    let revocations = Revocations { listed: list(entries).unwrap(), ..Revocations::default() };
    let claims = Claims::new(claims.as_object().unwrap().clone());
    revoked(&revocations, &Verified::new(0, ISSUER.to_owned(), claims), &memory(), Millis::default())
}

#[test]
fn each_kind_of_revocation_meets_what_it_names_and_nothing_else() {
    let token = json!({"jti": "t-1", "sub": "ada", "sid": "s-1", "iat": 1000});
    for (entry, what) in [
        (json!({"jti": "t-1"}), Some("this token")),
        (json!({"jti": "t-2"}), None),
        (json!({"jti": "ada"}), None),
        (json!({"subject": "ada"}), Some("its subject's tokens")),
        (json!({"subject": "ada", "issued_before": 1001}), Some("its subject's tokens")),
        (json!({"subject": "ada", "issued_before": 1000}), None),
        (json!({"subject": "Ada"}), None),
        (json!({"session": "s-1"}), Some("its session's tokens")),
        (json!({"session": "t-1"}), None),
        (json!({"issued_before": 1001}), Some("its issuer's tokens")),
        (json!({"issued_before": 1000}), None),
    ] {
        let mut entry = entry;
        entry["issuer"] = json!(ISSUER);
        assert_eq!(revoked_by(&json!([entry]), &token), what, "{entry}");
        entry["issuer"] = json!("https://other.example");
        assert_eq!(revoked_by(&json!([entry]), &token), None, "{entry}");
    }
    let ours = json!({"session_id": "s-1"});
    assert!(revoked_by(&json!([{"issuer": ISSUER, "session": "s-1"}]), &ours).is_some());
}

#[test]
fn names_do_not_run_into_each_other() {
    let names = [["a", "bc"], ["ab", "c"], ["abc", ""], ["", "abc"]];
    let hashes: std::collections::BTreeSet<u128> = names.iter().map(|parts| memory().keyed_hash(parts)).collect();
    assert_eq!(hashes.len(), names.len());
}

#[test]
fn a_token_without_a_date_is_as_old_as_it_can_be() {
    assert!(revoked_by(&json!([{"issuer": ISSUER, "issued_before": 1}]), &json!({"sub": "ada"})).is_some());
    let undated = json!({"sub": "ada", "iat": "yesterday"});
    assert!(revoked_by(&json!([{"issuer": ISSUER, "subject": "ada", "issued_before": 1}]), &undated).is_some());
}

#[test]
fn of_two_revocations_the_wider_one_counts() {
    let narrow = json!({"issuer": ISSUER, "subject": "ada", "issued_before": 10});
    let wide = json!({"issuer": ISSUER, "subject": "ada"});
    let token = json!({"sub": "ada", "iat": 1000});
    assert!(revoked_by(&json!([narrow, wide]), &token).is_some());
    assert!(revoked_by(&json!([wide, narrow]), &token).is_some());
}

#[test]
fn what_is_no_list_is_refused_whole() {
    for odd in [
        json!([{"issuer": ISSUER}]),
        json!([{"jti": "t-1"}]),
        json!([{"issuer": ISSUER, "jti": "a", "subject": "b"}]),
        json!([{"issuer": ISSUER, "subject": "a", "issued_before": -1}]),
        json!([{"issuer": ISSUER, "subjekt": "a"}]),
        json!({}),
        json!([1]),
    ] {
        assert!(list(&odd).is_err(), "{odd}");
    }
    for odd in ["", "[]", "{}", "{\"revocations\": [], \"revocations\": []}", "{\"revocations\": []} x"] {
        assert!(compile(odd.as_bytes(), &memory()).is_err(), "{odd}");
    }
    assert_eq!(list(&json!([])).unwrap().len(), 0);
    let many: Vec<Value> = (0..=LIST_MAX).map(|n| json!({"issuer": "i", "jti": n.to_string()})).collect();
    assert!(list(&json!(many)).is_err());
}
