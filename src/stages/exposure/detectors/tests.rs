use super::{ALL, TABLE};
use crate::stages::exposure::scan::{self, Asked};
use proptest::prelude::*;

/// What is found in a text: kinds and texts.
fn found(text: &str) -> Vec<(&'static str, String)> {
    scan::scan(text.as_bytes(), &TABLE, |index| Some(asked(index, 0)))
        .into_iter()
        .map(|found| {
            let kind = ALL[found.detector].check.id.strip_prefix(scan::PREFIX).unwrap();
            (kind, String::from_utf8_lossy(&text.as_bytes()[found.range]).into_owned())
        })
        .collect()
}

fn asked(index: usize, rank: usize) -> Asked<usize> {
    Asked { rank, at_least: ALL[index].at_least }
}

/// Each text has exactly one find of the kind, and it is this part.
fn finds(kind: &str, texts: &[(&str, &str)]) {
    for (text, part) in texts {
        assert_eq!(found(text), [(kind, (*part).to_owned())].map(|(kind, part)| (leak(kind), part)), "{text}");
    }
}

fn leak(kind: &str) -> &'static str {
    ALL.iter()
        .find_map(|detector| detector.check.id.strip_prefix(scan::PREFIX).filter(|own| *own == kind))
        .unwrap()
}

fn finds_nothing(texts: &[&str]) {
    for text in texts {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn cards_have_an_issuer_a_length_and_a_check_digit() {
    finds(
        "payment_card",
        &[
            (r#"{"number":"4111111111111111"}"#, "4111111111111111"),
            (r#"{"number":5555555555554444,"x":1}"#, "5555555555554444"),
            ("4111 1111 1111 1111 05 27", "4111 1111 1111 1111"),
            ("card: 3782-822463-10005.", "3782-822463-10005"),
            ("378282246310005", "378282246310005"),
            ("2223003122003222", "2223003122003222"),
            ("6011111111111117", "6011111111111117"),
            ("3530111333300000", "3530111333300000"),
            ("30569309025904", "30569309025904"),
            (r#""a\n4111111111111111""#, "4111111111111111"),
        ],
    );
    finds_nothing(&[
        "4111111111111112",
        "1234567812345670",
        "0.4111111111111111",
        "41111111111111110000",
        "x4111111111111111",
        "ORD-4111111111111111",
        "4111111111111111-7",
        "4111111111111111.5",
        "41 11 11 11 11 11 11 11",
        "4111 1111-1111 1111",
        "1700000000000000",
        "550e8400-e29b-41d4-a716-446655440000",
        "4006381333931",
        r#"{"tracking_number" : "4111111111111111"}"#,
        r#"{"orderId":4111111111111111}"#,
    ]);
    // Scripts without blanks, signs beyond ASCII, and what stands for them in JSON.
    for text in [
        "卡号4111111111111111有效",
        "Karte\u{a0}4111111111111111\u{a0}x",
        "\u{2013}4111111111111111\u{2014}",
        r#""n\u00b04111111111111111""#,
        r#""\u5361\u53f74111111111111111\u6709""#,
        r#""a\u00094111111111111111\u000a""#,
    ] {
        assert_eq!(found(text), [("payment_card", "4111111111111111".to_owned())], "{text}");
    }
    finds_nothing(&[r#""a\\u00b04111111111111111""#, r#""x4111111111111111""#]);
    finds(
        "payment_card",
        &[
            ("4111111111111111.000000", "4111111111111111.000000"),
            ("4111.00 1111 1111 1111", "4111.00 1111 1111 1111"),
            (r#"{"card_id":"4111111111111111"}"#, "4111111111111111"),
            (r#"{"id":"4111 1111 1111 1111"}"#, "4111 1111 1111 1111"),
        ],
    );
}

#[test]
fn ibans_have_a_country_a_length_and_check_digits() {
    finds(
        "iban",
        &[
            (r#"{"iban":"GB33BUKB20201555555555"}"#, "GB33BUKB20201555555555"),
            ("DE89 3704 0044 0532 0130 00, thanks", "DE89 3704 0044 0532 0130 00"),
            ("NO9386011117947", "NO9386011117947"),
            ("MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S"),
        ],
    );
    finds_nothing(&[
        "GB34BUKB20201555555555",
        "DE8937040044053201300",
        "DE893704004405320130000",
        "XX89370400440532013000",
        "de89370400440532013000",
        "SKU GB33BUKB2020155555555X",
    ]);
}

#[test]
fn national_ids_have_their_form_and_check_digits() {
    finds(
        "national_id",
        &[
            ("ssn 078-05-1120", "078-05-1120"),
            ("AB123456C", "AB123456C"),
            ("12345678Z", "12345678Z"),
            ("X1234567L", "X1234567L"),
            ("529.982.247-25", "529.982.247-25"),
            ("756.9217.0769.85", "756.9217.0769.85"),
            ("255081416802538", "255081416802538"),
            ("RSSMRA85T10A562S", "RSSMRA85T10A562S"),
        ],
    );
    finds_nothing(&[
        "000-12-3456",
        "666-12-3456",
        "912-12-3456",
        "123-00-4567",
        "2024-05-1120",
        "12345678A",
        "DA123456C",
        "AB123456E",
        "529.982.247-26",
        "111.111.111-11",
        "756.9217.0769.84",
        "RSSMRA85T10A562T",
        "A078-05-1120",
    ]);
}

#[test]
fn addresses_of_people_are_told_from_what_has_an_at_sign() {
    finds(
        "email",
        &[
            (r#"{"a":"ada.lovelace+news@mail.example.co.uk"}"#, "ada.lovelace+news@mail.example.co.uk"),
            ("<bob@example.com>.", "bob@example.com"),
            (r#""x\nroot@example.com""#, "root@example.com"),
        ],
    );
    finds_nothing(&[
        "@ada",
        "user@localhost",
        "lodash@4.17.21",
        "git@github.com:org/repo.git",
        "icon@2x.png",
        "a@@b.com",
        "a.@b.com",
        "@@@@@@",
        "x@y..com",
    ]);
}

#[test]
fn telephone_numbers_are_told_from_other_numbers() {
    finds(
        "phone",
        &[
            (r#"{"phone":"+44 20 7946 0101"}"#, "+44 20 7946 0101"),
            ("+41446681800", "+41446681800"),
            ("+1 (202) 555-0143", "+1 (202) 555-0143"),
            ("call 202-555-0143 now", "202-555-0143"),
            ("(202) 555-0143", "(202) 555-0143"),
        ],
    );
    finds_nothing(&[
        "+02:00",
        "+1",
        "2+12345678",
        "+0123456789",
        "102-555-0143",
        "202-155-0143",
        "202-555-01434",
        "+1234567",
    ]);
}

#[test]
fn keys_are_private_only_if_they_say_so() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA";
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\\n{body}\\n-----END RSA PRIVATE KEY-----");
    finds("private_key", &[(&format!("{{\"key\":\"{key}\"}}"), &key)]);
    let old =
        format!("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AB12\n\n{body}\n");
    finds("private_key", &[(&old, &old)]);
    finds_nothing(&[
        &format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----"),
        "-----BEGIN PRIVATE KEY-----",
        "Paste the -----BEGIN PRIVATE KEY----- line here.",
    ]);
}

#[test]
fn credentials_have_the_form_of_their_issuer() {
    let (half, rest) = ("a1B2c3D4e5F6g7H8i9J0k1L2", "m3N4o5P6q7R8");
    let github = format!("ghp_{half}{rest}");
    let stripe = format!("sk_live_{half}");
    finds(
        "credential",
        &[
            ("key=AKIAQ3EGRIY5KXJ7WZ2N;", "AKIAQ3EGRIY5KXJ7WZ2N"),
            (&github, &github),
            (&format!("\"{stripe}\""), &stripe),
            ("AIzaSyA1bC2dE3fG4hI5jK6lM7nO8pQ9rS0tU1v", "AIzaSyA1bC2dE3fG4hI5jK6lM7nO8pQ9rS0tU1v"),
            ("xoxb-123456789012-abcdefGHIJKL", "xoxb-123456789012-abcdefGHIJKL"),
            ("postgres://app:s3cr3t@db.example/x", "postgres://app:s3cr3t"),
        ],
    );
    finds_nothing(&[
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAXXXXXXXXXXXXXXXX",
        "AKIAQ3EGRIY5KXJ7WZ2",
        "AKIAQ3EGRIY5KXJ7WZ2NN",
        &format!("pk_live_{half}"),
        "ghp_short",
        "https://user@example.com/",
        "https://example.com:8080/a@b",
        "redis://app:****@db",
    ]);
}

#[test]
fn tokens_are_signed_or_named() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
    finds(
        "session_token",
        &[
            (&format!("{{\"t\":\"{token}\"}}"), token),
            (r#"{"session_token":"sess_ada_0f5b1c9e7a3d"}"#, "sess_ada_0f5b1c9e7a3d"),
            (r#"{"accessToken" : "0123456789abcdef0123"}"#, "0123456789abcdef0123"),
        ],
    );
    finds_nothing(&[
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ",
        "eyJub3QiOiJhIHRva2VuIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg",
        r#"{"session_token":"short"}"#,
        r#"{"session_token":null}"#,
        r#"{"token_type":"application-of-the-token"}"#,
        "the access_token is a string",
    ]);
}

#[test]
fn password_hashes_have_the_form_of_their_function() {
    let bcrypt = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
    finds(
        "password_hash",
        &[
            (&format!("{{\"h\":\"{bcrypt}\"}}"), bcrypt),
            (
                "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG",
                "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG",
            ),
            (r#"{"password_hash":"5f4dcc3b5aa765d61d8327deb882cf99"}"#, "5f4dcc3b5aa765d61d8327deb882cf99"),
        ],
    );
    finds_nothing(&[
        "$2.50",
        "$2b$12$tooshort",
        "${name}",
        r#"{"etag":"5f4dcc3b5aa765d61d8327deb882cf99"}"#,
        r#"{"password":"hunter2"}"#,
        "$6$",
    ]);
}

#[test]
fn traces_and_error_pages_are_told_from_talk_about_them() {
    for text in [
        r#"{"trace":"java.lang.NullPointerException\n\tat com.shop.Orders.find(Orders.java:42)\n"}"#,
        "    at Object.<anonymous> (/srv/app/index.js:12:34)",
        "   at Shop.Orders.Find(Int32 id) in C:/src/Orders.cs:line 42",
        "Traceback (most recent call last):",
        r#"  File "/srv/app/views.py", line 12, in index"#,
        r#"{"e":"File \"/srv/app/views.py\", line 12"}"#,
        "goroutine 1 [running]:",
        "thread 'main' panicked at src/main.rs:2:5",
        "#0 /var/www/index.php(12): run()",
        "<h1>Whitelabel Error Page</h1>",
        "<title>Server Error in '/shop' Application.</title>",
    ] {
        let kinds: Vec<_> = found(text).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["stack_trace"], "{text}");
    }
    finds_nothing(&[
        "at the Java House at 12:30",
        "meet at Orders.java",
        "File a complaint, line 12",
        "goroutine 12 is a thing",
        "a traceback is shown",
        "#1 in php",
        "thread 'main' is fine",
    ]);
}

#[test]
fn messages_of_databases_are_told_from_talk_about_them() {
    for text in [
        "You have an error in your SQL syntax; check the manual",
        r#"{"e":"SQLSTATE[42S22]: Column not found"}"#,
        "ORA-00933: SQL command not properly ended",
        "ERROR: syntax error at or near \"FROM\"",
        "org.postgresql.util.PSQLException: ERROR",
        "sqlite3.OperationalError: no such table: users",
    ] {
        let kinds: Vec<_> = found(text).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["sql_error"], "{text}");
    }
    finds_nothing(&["learn SQL syntax today", "ORA-12", "a syntax error", "SQLSTATE is a code", "FLORA-00933"]);
}

#[test]
fn internal_addresses_are_told_from_public_ones_and_versions() {
    finds(
        "internal_address",
        &[
            ("http://10.1.2.3:8080/", "10.1.2.3"),
            ("172.16.0.1", "172.16.0.1"),
            (r#"{"ip":"192.168.0.10"}"#, "192.168.0.10"),
            ("169.254.169.254", "169.254.169.254"),
            ("orders.prod.svc.cluster.local:80", "orders.prod.svc.cluster.local"),
            ("db-1.corp", "db-1.corp"),
            ("ip-10-0-0-1.ec2.internal", "ip-10-0-0-1.ec2.internal"),
        ],
    );
    finds_nothing(&[
        "8.8.8.8",
        "172.32.0.1",
        "10.256.0.1",
        "10.0.1",
        "1.10.0.0.1",
        "version 10.1.2.3",
        "v10.1.2.3",
        ".env.local",
        "java.internal.misc",
        "time.local(",
        "shop.local-news.example",
        "www.example.com",
    ]);
}

#[test]
fn introspection_is_an_answer_not_a_question() {
    finds("introspection", &[(r#"{"data":{"__schema": {"types":[]}}}"#, "__schema")]);
    finds_nothing(&[r#"{"query":"{ __schema { types } }"}"#, r#"{"__typename":"User"}"#, r#"{"__schema":null}"#]);
}

proptest! {
    #[test]
    fn no_bytes_panic_and_finds_stand_apart(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let found = scan::scan(&bytes, &TABLE, |index| Some(asked(index, index % 3)));
        for index in 0..ALL.len() {
            let own: Vec<_> = found.iter().filter(|found| found.detector == index).collect();
            prop_assert!(own.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
        }
    }

    #[test]
    fn nor_do_texts_that_look_like_something(text in r#"(4111|1111|[ -]|GB33|@|a\.com|\$2a\$|eyJ|-----BEGIN |PRIVATE KEY-----|at |\.java:|10\.|\.local|"|\\n|:){0,40}"#) {
        let _ = scan::scan(text.as_bytes(), &TABLE, |index| Some(asked(index, 0)));
    }
}
