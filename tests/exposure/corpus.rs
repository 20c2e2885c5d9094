//! Responses of APIs as they are, with labels: which parts of each should not have left, and of which kind.
//!
//! They are composed, always the same: records with the fields that records have (ids, dates, digests, prices, versions,
//! links, prose), some of them near misses, into some of which a value is put that leaks, in one of the ways that services
//! write it. Values are made by rules of their own, not by those of the detectors, and some are written in ways that the
//! documentation says are not covered: recall is not one by construction.
//!
//! Bounds: English, JSON, and pages of HTML. Not covered: how often responses leak in the world.

/// One response.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Its body.
    pub(crate) body: String,
    /// Kinds, and the parts of the body that are of them.
    pub(crate) labels: Vec<(&'static str, String)>,
}

/// Kinds that are put into responses.
pub(crate) const KINDS: [&str; 13] = [
    "payment_card",
    "iban",
    "national_id",
    "email",
    "phone",
    "private_key",
    "credential",
    "session_token",
    "password_hash",
    "stack_trace",
    "sql_error",
    "internal_address",
    "introspection",
];

/// The whole corpus: for each kind so many responses that have it, and as many again that have nothing.
pub(crate) fn corpus(each: usize) -> Vec<Sample> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut samples = Vec::new();
    for kind in KINDS {
        for _ in 0..each {
            samples.push(leaking(kind, &mut dice));
            let (body, _) = record(&mut dice, None);
            samples.push(Sample { body, labels: Vec::new() });
        }
    }
    samples.extend(PROSE.iter().map(|text| Sample { body: (*text).to_owned(), labels: Vec::new() }));
    samples
}

/// Numbers that look random and are always the same (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| *self.pick(&letters)).collect()
    }

    fn digits(&mut self, count: usize) -> String {
        self.text("0123456789", count)
    }
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const HEX: &str = "0123456789abcdef";
const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Pages and texts that talk about what leaks, and leak nothing.
const PROSE: [&str; 12] = [
    "<h1>How to read a stack trace</h1><p>A Traceback lists calls; in Java each line begins with the word at.</p>",
    "<p>Your IBAN has up to 34 characters. It begins with the country, for instance GB or DE.</p>",
    r#"{"help":"Send your API key as a header. Keys begin with sk_test_ while you try things out."}"#,
    r#"{"faq":"A card number has 16 digits, e.g. 4000 0000 0000 0000 is not valid."}"#,
    r#"{"query":"query { __schema { types { name } } }","note":"run this in your client"}"#,
    "<p>Use SQL syntax like SELECT; an error in it is reported by the editor.</p>",
    r#"{"docs":"Private networks are 10.0.0.0/8 in RFC 1918, see chapter 3 of version 10.4.1.2"}"#,
    r#"{"message":"Passwords are hashed with bcrypt, cost 12; never store them in plain text."}"#,
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0000000000000000\n-----END PUBLIC KEY-----\n",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ0000000000000000000000000000\n-----END CERTIFICATE-----\n",
    r#"{"packages":["lodash@4.17.21","react@18.2.0"],"repository":"git@github.com:org/repo.git"}"#,
    r#"{"opening_hours":"Mo-Fr 09:00-18:00 +02:00","score":"+12.5","range":"1-800-FLOWERS"}"#,
];

/// A field that many records have, and that has nothing to hide; some look as if they had.
fn plain(dice: &mut Dice) -> (&'static str, String) {
    let quoted = |text: String| format!("\"{text}\"");
    match dice.roll(20) {
        0 => ("id", dice.digits(6)),
        1 => ("uuid", quoted(uuid(dice))),
        2 => (
            "created_at",
            quoted(format!(
                "2026-{:02}-{:02}T12:{}:00+02:00",
                dice.roll(12) + 1,
                dice.roll(28) + 1,
                dice.digits(2)
            )),
        ),
        3 => ("updated_ms", format!("17{}", dice.digits(11))),
        4 => ("price", format!("{}.{}", dice.roll(500), dice.digits(2))),
        5 => ("sku", quoted(format!("{}-{}", dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2), dice.digits(5)))),
        6 => ("ean", quoted(format!("400{}", dice.digits(10)))),
        7 => ("version", quoted(format!("{}.{}.{}", dice.roll(12), dice.roll(20), dice.roll(40)))),
        8 => ("digest", quoted(dice.text(HEX, 64))),
        9 => ("etag", quoted(dice.text(HEX, 32))),
        10 => ("latitude", format!("47.{}", dice.digits(15))),
        11 => ("thumbnail", quoted(format!("data:image/png;base64,{}==", dice.text(ALNUM, 200)))),
        12 => ("href", quoted(format!("https://shop.example.com/p/{}?page=2", dice.digits(4)))),
        // A number of sixteen digits is a card's once in about fifty, and not every name says what it is.
        13 => (*dice.pick(&["tracking", "order_id", "reference"]), quoted(dice.digits(16))),
        14 => ("snowflake", quoted(format!("1{}", dice.digits(18)))),
        15 => ("ip", quoted(format!("203.0.113.{}", dice.roll(256)))),
        16 => ("note", quoted("Delivered at the door, signed for by a neighbour.".to_owned())),
        17 => ("pod", quoted(format!("orders-{}-{}", dice.text(HEX, 10), dice.text(LOWER, 5)))),
        18 => ("commit", quoted(dice.text(HEX, 40))),
        _ => (
            "name",
            quoted(format!(
                "{} {}",
                dice.pick(&["Ada", "Bob", "Grace", "Niels"]),
                dice.pick(&["Lovelace", "Bernoulli", "Hopper"])
            )),
        ),
    }
}

fn uuid(dice: &mut Dice) -> String {
    [8, 4, 4, 4, 12].map(|length| dice.text(HEX, length)).join("-")
}

/// An object or a list of them, with a member put into one.
fn record(dice: &mut Dice, member: Option<(String, String)>) -> (String, ()) {
    let objects = 1 + dice.roll(4);
    let chosen = dice.roll(objects);
    let mut written = Vec::new();
    for number in 0..objects {
        let mut members: Vec<String> = Vec::new();
        for _ in 0..3 + dice.roll(6) {
            let (name, value) = plain(dice);
            members.push(format!("\"{name}\":{value}"));
        }
        if let Some((name, value)) = member.as_ref().filter(|_| number == chosen) {
            let at = dice.roll(members.len() + 1);
            members.insert(at, format!("\"{name}\":{value}"));
        }
        written.push(format!("{{{}}}", members.join(",")));
    }
    let body = if objects == 1 { written.remove(0) } else { format!("{{\"items\":[{}]}}", written.join(",")) };
    (body, ())
}

fn leaking(kind: &'static str, dice: &mut Dice) -> Sample {
    let (name, value, label) = match kind {
        "payment_card" => within("card_number", card(dice)),
        "iban" => within("account", iban(dice)),
        "national_id" => within("tax_number", national_id(dice)),
        "email" => within("contact", email(dice)),
        "phone" => within("mobile", phone(dice)),
        "private_key" => within("pem", private_key(dice)),
        "credential" => within("config", credential(dice)),
        "session_token" => session_token(dice),
        "password_hash" => password_hash(dice),
        "stack_trace" => within("detail", stack_trace(dice)),
        "sql_error" => within("message", sql_error(dice)),
        "internal_address" => within("upstream", internal_address(dice)),
        _ => ("__schema".to_owned(), "{\"types\":[{\"name\":\"Query\"}]}".to_owned(), "__schema".to_owned()),
    };
    // A value in a sentence is a leak all the same.
    let is_text = value.starts_with('"') && !matches!(kind, "session_token" | "password_hash");
    let value =
        if is_text && dice.roll(5) == 0 { format!("\"See {} for more\"", value.trim_matches('"')) } else { value };
    let (body, ()) = record(dice, Some((name, value)));
    Sample { body, labels: vec![(kind, label)] }
}

fn within(name: &str, text: String) -> (String, String, String) {
    (name.to_owned(), format!("\"{text}\""), text)
}

fn card(dice: &mut Dice) -> String {
    // The last is Maestro, which is not covered.
    let (start, length) = *dice.pick(&[
        ("4", 16),
        ("4", 16),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("37", 15),
        ("6011", 16),
        ("3530", 16),
        ("36", 14),
        ("62", 16),
        ("6304", 16),
    ]);
    let mut number = format!("{start}{}", dice.digits(length - start.len() - 1));
    let check = (0..10).find(|last| luhn(&format!("{number}{last}"))).expect("one of ten digits is right");
    number.push_str(&check.to_string());
    let groups = |separator: &str| {
        let sizes: &[usize] = if length == 16 { &[4, 4, 4, 4] } else { &[4, 6, 5] };
        let mut rest = number.as_str();
        let parts = sizes.iter().map(|size| {
            let (part, left) = rest.split_at((*size).min(rest.len()));
            rest = left;
            part
        });
        parts.collect::<Vec<_>>().join(separator)
    };
    match dice.roll(20) {
        0..=2 => groups(" "),
        3 => groups("-"),
        4 => groups("."),
        _ => number,
    }
}

fn luhn(number: &str) -> bool {
    let digits = number.bytes().rev().map(|byte| u32::from(byte - b'0')).enumerate();
    digits.map(|(place, digit)| if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }).sum::<u32>()
        % 10
        == 0
}

fn iban(dice: &mut Dice) -> String {
    let (country, length) =
        *dice.pick(&[("DE", 22), ("FR", 27), ("ES", 24), ("CH", 21), ("NL", 18), ("NO", 15), ("AT", 20)]);
    let account = dice.digits(length - 4);
    let numeral = |text: &str| {
        text.chars().map(|c| c.to_digit(36).expect("a letter or digit").to_string()).collect::<String>()
    };
    let remainder = numeral(&format!("{account}{country}00"))
        .bytes()
        .fold(0, |left, byte| (left * 10 + u64::from(byte - b'0')) % 97);
    let number = format!("{country}{:02}{account}", 98 - remainder);
    match dice.roll(10) {
        0..=2 => number
            .as_bytes()
            .chunks(4)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect::<Vec<_>>()
            .join(" "),
        3 => number.to_lowercase(),
        _ => number,
    }
}

fn national_id(dice: &mut Dice) -> String {
    match dice.roll(5) {
        0 => format!("{}-{:02}-{:04}", 100 + dice.roll(500), 1 + dice.roll(99), 1 + dice.roll(9999)),
        // Without hyphens it is a number like others.
        1 => format!("{}{:02}{:04}", 100 + dice.roll(500), 1 + dice.roll(99), 1 + dice.roll(9999)),
        2 => format!(
            "{}{}{}",
            dice.pick(&["AB", "CE", "JK", "PW"]),
            dice.digits(6),
            dice.pick(&["A", "B", "C", "D"])
        ),
        3 => {
            let number = dice.roll(100_000_000);
            format!("{number:08}{}", &"TRWAGMYFPDXBNJZSQVHLCKE"[number % 23..=number % 23])
        }
        _ => dice.pick(&["756.9217.0769.85", "529.982.247-25", "RSSMRA85T10A562S", "255081416802538"]).to_string(),
    }
}

fn email(dice: &mut Dice) -> String {
    let length = 3 + dice.roll(8);
    let name = dice.text(LOWER, length);
    match dice.roll(20) {
        0 => format!("{name}@m\u{fc}nchen.example"),
        1 => format!("{name}\\u0040example.com"),
        2 => format!("{name}.{}+tag@mail.example.co.uk", dice.text(LOWER, 4)),
        _ => format!(
            "{name}{}@{}",
            dice.roll(99),
            dice.pick(&["example.com", "example.org", "corp.example", "mail.example.net"])
        ),
    }
}

fn phone(dice: &mut Dice) -> String {
    match dice.roll(8) {
        0 => format!("+4479{}", dice.digits(8)),
        1 => format!("+44 20 7946 0{}", dice.digits(3)),
        2 => format!("+1-202-555-01{}", dice.digits(2)),
        3 => format!("(202) 555-01{}", dice.digits(2)),
        4 => format!("202-555-01{}", dice.digits(2)),
        5 => format!("+49 (0)30 2309{}", dice.digits(4)),
        6 => format!("+41446681{}", dice.digits(3)),
        // National forms of other countries are not covered.
        _ => format!("020 7946 0{}", dice.digits(3)),
    }
}

fn private_key(dice: &mut Dice) -> String {
    let name = dice.pick(&["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"]);
    let lines: Vec<String> = (0..4 + dice.roll(8)).map(|_| dice.text(ALNUM, 64)).collect();
    // PuTTY has an armour of its own.
    if dice.roll(12) == 0 {
        return format!("PuTTY-User-Key-File-3: ssh-ed25519\\nPrivate-Lines: 1\\n{}", lines.join("\\n"));
    }
    format!("-----BEGIN {name}-----\\n{}\\n-----END {name}-----", lines.join("\\n"))
}

fn credential(dice: &mut Dice) -> String {
    match dice.roll(8) {
        0 | 1 => format!("AKIA{}", dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        2 => format!("ghp_{}", dice.text(ALNUM, 36)),
        3 => format!("sk_live_{}", dice.text(ALNUM, 24)),
        4 => format!("xoxb-{}-{}", dice.digits(12), dice.text(ALNUM, 24)),
        5 => format!("AIza{}", dice.text(ALNUM, 35)),
        6 => format!("postgres://app:{}@db.example.com:5432/shop", dice.text(ALNUM, 12)),
        // The secret that belongs to a key of AWS has no form of its own.
        _ => dice.text(ALNUM, 40),
    }
}

fn session_token(dice: &mut Dice) -> (String, String, String) {
    let token = match dice.roll(2) {
        0 => format!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI{}.{}",
            dice.text(ALNUM, 40),
            dice.text(ALNUM, 43)
        ),
        _ => dice.text(ALNUM, 32),
    };
    // What is called `sid` may be anything.
    let name = if token.starts_with("eyJ") {
        "value"
    } else {
        *dice.pick(&["session_token", "accessToken", "refresh_token", "sessionId", "sid"])
    };
    (name.to_owned(), format!("\"{token}\""), token)
}

fn password_hash(dice: &mut Dice) -> (String, String, String) {
    let (name, hash) = match dice.roll(5) {
        0 => ("hash", format!("$2b$12${}", dice.text(ALNUM, 53))),
        1 => (
            "credentials",
            format!("$argon2id$v=19$m=65536,t=3,p=4${}${}", dice.text(ALNUM, 22), dice.text(ALNUM, 43)),
        ),
        2 => ("shadow", format!("$6${}${}", dice.text(ALNUM, 16), dice.text(ALNUM, 86))),
        3 => ("password_hash", dice.text(HEX, 64)),
        // A digest under any other name is a digest.
        _ => ("pass", dice.text(HEX, 32)),
    };
    (name.to_owned(), format!("\"{hash}\""), hash)
}

fn stack_trace(dice: &mut Dice) -> String {
    let line = 1 + dice.roll(400);
    match dice.roll(8) {
        0 => format!("java.lang.IllegalStateException: x\\n\\tat com.shop.Orders.find(Orders.java:{line})\\n\\tat com.shop.Api.get(Api.java:12)"),
        1 => format!("TypeError: x is undefined\\n    at find (/srv/app/orders.js:{line}:7)\\n    at /srv/app/index.js:3:1"),
        2 => format!("Traceback (most recent call last):\\n  File \\\"/srv/app.py\\\", line {line}, in find"),
        3 => format!("System.NullReferenceException: x\\n   at Shop.Orders.Find(Int32 id) in /src/Orders.cs:line {line}"),
        4 => format!("panic: x\\n\\ngoroutine {line} [running]:\\nmain.find()\\n\\t/src/orders.go:{line}"),
        5 => format!("Fatal error: x\\n#0 /var/www/orders.php({line}): find()"),
        6 => format!("thread 'main' panicked at src/orders.rs:{line}:9"),
        // Elixir writes its own way.
        _ => format!("** (KeyError) key :id not found\\n    (shop 0.1.0) lib/shop/orders.ex:{line}: Shop.find/1"),
    }
}

fn sql_error(dice: &mut Dice) -> String {
    let told = [
        "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version",
        "ERROR: syntax error at or near 'FROM' LINE 1",
        "SQLSTATE[42S02]: Base table or view not found",
        "ORA-00942: table or view does not exist",
        "Unclosed quotation mark after the character string ''",
        "sqlite3.OperationalError: near 'x': syntax error",
        "org.postgresql.util.PSQLException: ERROR: relation does not exist",
        "MongoServerError: E11000 duplicate key error collection",
        // Says as much in words of its own.
        "Lock wait timeout exceeded; try restarting transaction",
    ];
    (*dice.pick(&told)).to_owned()
}

fn internal_address(dice: &mut Dice) -> String {
    match dice.roll(7) {
        0 => format!("10.{}.{}.{}", dice.roll(256), dice.roll(256), 1 + dice.roll(254)),
        1 => format!("http://192.168.{}.{}:8080", dice.roll(256), 1 + dice.roll(254)),
        2 => format!("172.{}.0.{}", 16 + dice.roll(16), 1 + dice.roll(254)),
        3 => format!("orders.{}.svc.cluster.local", dice.text(LOWER, 4)),
        4 => format!("ip-10-0-{}-1.ec2.internal", dice.roll(256)),
        5 => format!("db-{}.corp", dice.roll(9)),
        // Addresses of IPv6 are not covered.
        _ => format!("fd00::{}", dice.text(HEX, 4)),
    }
}
