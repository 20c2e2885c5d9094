use super::*;
use crate::config::Config;
use crate::engine::answer::Course;
use crate::engine::{Answer, Done, Engine, Ports, Step as Judged};
use crate::request::Request;
use crate::response::{Head, Response};
use crate::stages::CHECKS;
use crate::time::Millis;
use base64::Engine as _;
use proptest::prelude::*;
use serde_json::{json, Value};

const NOW: u64 = 1_800_000_000_000;
const FORGED: &str = "workflow.token checkout: a token that is forged, or for another actor or workflow";

fn secret(letter: &str) -> String {
    letter.repeat(32)
}

/// A shop whose customers carry how far they have come, changed as given.
fn document(changes: &Value) -> Value {
    let names = ["cart", "coupon", "pay", "other"];
    let routes: Vec<Value> = names.iter().map(|name| json!({"name": name, "path": format!("/{name}")})).collect();
    let mut checkout = json!({
        "name": "checkout", "per": "header:x-customer", "expires": "1h",
        "token": {"header": "X-Checkout", "keys": [{"kid": "k1", "secret": secret("a")}]},
        "steps": [
            {"name": "cart", "routes": ["cart"]},
            {"name": "coupon", "routes": ["coupon"], "after": ["cart"], "once": true},
            {"name": "pay", "routes": ["pay"], "after": ["cart"], "once": true, "min_gap": "2s", "max_gap": "20m"},
        ]
    });
    checkout.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({"version": 1, "mode": "enforce", "routes": routes, "workflows": [checkout]})
}

struct Shop(Engine);

impl Shop {
    fn new(changes: &Value) -> Self {
        let config = Config::parse(document(changes).to_string().as_bytes(), CHECKS).unwrap();
        Self(Engine::new(config, Ports::in_process([7; 16])))
    }

    fn begin(&self, what: &str, fields: &[(&str, &str)], at: u64) -> Result<Answer, Box<Done>> {
        let path = format!("/{what}");
        let head = [(":method", "POST"), (":path", path.as_str()), (":authority", "shop.example")];
        let fields = head.into_iter().chain(fields.iter().copied());
        let request = Request::new(Headers::from_pairs(fields), || None);
        match self.0.open(request, Millis::new(NOW + at), || "r".to_owned()).judge(false) {
            Judged::Forward(_permit, body) => Ok(body.finish()),
            Judged::Refuse(_, done) => Err(done),
            other => panic!("{other:?}"),
        }
    }

    /// A whole exchange of a customer with a token: what was found, and the token that came back.
    fn send(&self, who: &str, what: &str, token: &str, at: u64, status: u16) -> (Vec<String>, String) {
        let mut fields = vec![("x-customer", who)];
        fields.extend((!token.is_empty()).then_some(("x-checkout", token)));
        match self.begin(what, &fields, at) {
            Ok(answer) => end(answer, at, status),
            Err(mut done) => {
                done.close(Response { status: Some(403), bytes: 0 }, Millis::new(NOW + at));
                (found(&done), String::new())
            }
        }
    }

    /// One that has to pass: the token that came back.
    fn passes(&self, who: &str, what: &str, token: &str, at: u64) -> String {
        let (found, token) = self.send(who, what, token, at, 200);
        assert_eq!(found, [""; 0], "{who} {what}");
        token
    }

    /// One that must not: what was found.
    fn refused(&self, who: &str, what: &str, token: &str, at: u64) -> Vec<String> {
        let (found, token) = self.send(who, what, token, at, 200);
        assert_eq!(token, "", "{who} {what} {found:?}");
        found
    }
}

fn end(answer: Answer, at: u64, status: u16) -> (Vec<String>, String) {
    let (now, response) = (Millis::new(NOW + at), Response { status: Some(status), bytes: 0 });
    let said = [(":status", status.to_string()), ("x-checkout", "the service's own".to_owned())];
    let head = Headers::from_pairs(said.iter().map(|(name, value)| (*name, value.as_str())));
    let Course::Pass(changes, answer) = answer.answer(Head::new(head, false).unwrap(), now) else {
        panic!("an answer without a body is not held")
    };
    let mut done = answer.finish(response);
    done.close(response, now);
    let token = changes.add.first().map(|(_, token)| token.clone()).unwrap_or_default();
    assert_eq!(changes.remove, if token.is_empty() { vec![] } else { vec!["x-checkout"] });
    (found(&done), token)
}

fn found(done: &Done) -> Vec<String> {
    let findings = done.findings().iter().map(|weighed| &weighed.finding);
    findings.map(|finding| format!("{} {}", finding.check.id, finding.reason)).collect()
}

#[test]
fn whoever_carries_the_token_along_passes() {
    let shop = Shop::new(&json!({}));
    let cart = shop.passes("ada", "cart", "", 0);
    let coupon = shop.passes("ada", "coupon", &cart, 1000);
    let paid = shop.passes("ada", "pay", &coupon, 3000);
    // It is over, and the next one begins.
    let cart = shop.passes("ada", "cart", &paid, 4000);
    shop.passes("ada", "pay", &cart, 6000);
    assert!(cart.len() <= TOKEN_BYTES_MAX / 2 && cart.starts_with("k1."), "{cart}");
    assert_eq!(shop.passes("ada", "other", &cart, 0), "");
}

#[test]
fn steps_are_skipped_hurried_and_late_as_in_memory() {
    let shop = Shop::new(&json!({}));
    let order = ["workflow.order checkout: `pay` before `cart`"];
    assert_eq!(shop.refused("eve", "pay", "", 0), order);
    let cart = shop.passes("eve", "cart", "", 0);
    assert_eq!(shop.refused("eve", "pay", "", 3000), order, "without its token");
    let (found, token) = shop.send("eve", "pay", &cart, 1999, 500);
    assert_eq!(found, ["workflow.too_fast checkout: `pay` 1999 ms after the last step, expected 2000"]);
    assert_eq!(token, "", "what the service refuses is not done");
    let late = ["workflow.too_late checkout: `pay` 1200001 ms after the last step, at most 1200000"];
    assert_eq!(shop.refused("eve", "pay", &cart, 1_200_001), late);
    let expired = ["workflow.too_late checkout: `pay` 3600000 ms after the first step, expired after 3600000"];
    assert_eq!(shop.refused("eve", "pay", &cart, 3_600_000), expired);
}

/// The oldest token of an instance with the newest request.
#[test]
fn an_older_token_repeats_no_one_time_step() {
    let shop = Shop::new(&json!({}));
    let cart = shop.passes("eve", "cart", "", 0);
    let coupon = shop.passes("eve", "coupon", &cart, 1000);
    let again = ["workflow.repeated checkout: `coupon` a second time"];
    assert_eq!(shop.refused("eve", "coupon", &coupon, 2000), again);
    assert_eq!(shop.refused("eve", "coupon", &cart, 2000), again, "rolled back");
    shop.passes("eve", "pay", &coupon, 5000);
    for token in [&cart, &coupon] {
        let again = ["workflow.repeated checkout: `pay` a second time"];
        assert_eq!(shop.refused("eve", "pay", token, 6000), again);
        assert_eq!(shop.refused("eve", "pay", token, 1_199_000), again);
    }
    // A cart that is filled again with an old token is one of the same instance.
    let refilled = shop.passes("eve", "cart", &cart, 7000);
    assert_eq!(shop.refused("eve", "coupon", &refilled, 8000), again);
}

/// What only the memory can say.
#[test]
fn an_older_token_knows_of_an_earlier_last_step() {
    let steps =
        json!([{"name": "cart", "routes": ["cart"]}, {"name": "guess", "routes": ["coupon"], "min_gap": "2s"}]);
    let shop = Shop::new(&json!({"steps": steps}));
    let cart = shop.passes("eve", "cart", "", 0);
    let guessed = shop.passes("eve", "coupon", &cart, 2000);
    let soon = ["workflow.too_fast checkout: `guess` 1 ms after the last step, expected 2000"];
    assert_eq!(shop.send("eve", "coupon", &guessed, 2001, 200).0, soon);
    shop.passes("eve", "coupon", &cart, 2002);
}

#[test]
fn of_payments_at_once_one_passes_and_a_failed_one_may_be_tried_again() {
    let shop = Shop::new(&json!({}));
    let cart = shop.passes("ada", "cart", "", 0);
    let fields = [("x-customer", "ada"), ("x-checkout", cart.as_str())];
    let Ok(first) = shop.begin("pay", &fields, 3000) else { panic!("refused") };
    let again = ["workflow.repeated checkout: `pay` a second time"];
    assert_eq!(shop.refused("ada", "pay", &cart, 3001), again);
    assert_eq!(end(first, 4000, 500), (vec![], String::new()));
    let Ok(second) = shop.begin("pay", &fields, 5000) else { panic!("refused") };
    // Nobody knows what became of this one.
    second.finish(Response::default()).close(Response::default(), Millis::new(NOW + 5000));
    assert_eq!(shop.refused("ada", "pay", &cart, 6000), again);
}

#[test]
fn a_first_step_that_may_be_done_once_is_remembered_without_a_token() {
    let steps = json!([{"name": "redeem", "routes": ["pay"], "once": true}]);
    let shop = Shop::new(&json!({"steps": steps}));
    let token = shop.passes("eve", "pay", "", 0);
    let again = ["workflow.repeated checkout: `redeem` a second time"];
    assert_eq!(shop.refused("eve", "pay", "", 1), again);
    assert_eq!(shop.refused("eve", "pay", &token, 3_599_000), again);
    shop.passes("bob", "pay", "", 1);
    shop.passes("eve", "pay", "", 3_600_000);
    let (told, token) = shop.send("", "pay", "", 0, 200);
    assert_eq!(
        (told[0].as_str(), token.as_str()),
        ("workflow.order checkout: `redeem` by nobody who is known", "")
    );
}

/// A request that takes as long as an instance lives, and fails in the end, gives nothing back but its own.
#[test]
fn who_is_slow_gives_back_no_reservation_but_its_own() {
    let steps = json!([{"name": "redeem", "routes": ["pay"], "once": true}]);
    let shop = Shop::new(&json!({"steps": steps}));
    let Ok(slow) = shop.begin("pay", &[("x-customer", "eve")], 0) else { panic!("refused") };
    shop.passes("eve", "pay", "", 3_600_000);
    assert_eq!(end(slow, 3_600_001, 422), (vec![], String::new()));
    let again = ["workflow.repeated checkout: `redeem` a second time"];
    assert_eq!(shop.refused("eve", "pay", "", 3_600_002), again);
}

#[test]
fn what_is_forged_or_for_somebody_else_counts_as_none() {
    let shop = Shop::new(&json!({}));
    let cart = shop.passes("ada", "cart", "", 0);
    let (kid, rest) = cart.split_once('.').unwrap();
    let (state, hash) = rest.split_once('.').unwrap();
    let all_done = URL_SAFE_NO_PAD.encode([0xff; STATE_BYTES]);
    let forged = [
        format!("{kid}.{all_done}.{hash}"),
        format!("{kid}.{state}."),
        format!("{kid}.{state}.{}", hash.get(..42).unwrap()),
        format!("{kid}.{state}.{hash}="),
        format!("{kid}.{state}.{hash}.{hash}"),
        format!("{kid}.{state}=.{hash}"),
        format!("{kid}..{hash}"),
        format!("{kid}.{state}.{}", URL_SAFE_NO_PAD.encode(HMAC::mac(state, secret("a")))),
    ];
    let order = "workflow.order checkout: `pay` before `cart`";
    for token in &forged {
        assert_eq!(shop.refused("ada", "pay", token, 3000), [FORGED, order], "{token}");
    }
    assert_eq!(shop.refused("bob", "pay", &cart, 3000), [FORGED, order], "somebody else's");
    for (token, why) in [
        (cart.replace("k1", "k2"), "a token with an unknown key"),
        (cart.replace("k1", "K1"), "a token with an unknown key"),
        (state.to_owned(), "no token"),
        ("..".to_owned(), "a token with an unknown key"),
        ("x".repeat(257), "a token that is too long"),
        ("k1.".to_owned() + &"A".repeat(50_000), "a token that is too long"),
    ] {
        let told = [format!("workflow.token checkout: {why}"), order.to_owned()];
        assert_eq!(shop.refused("ada", "pay", &token, 3000), told);
    }
    // One that is longer than all header fields may be is refused before.
    let told = shop.refused("ada", "pay", &"A".repeat(100_000), 3000);
    assert!(told[0].starts_with("request.headers.too_large"), "{told:?}");
    let twice = [("x-customer", "ada"), ("x-checkout", cart.as_str()), ("X-Checkout", cart.as_str())];
    let Err(done) = shop.begin("pay", &twice, 3000) else { panic!("passed") };
    assert_eq!(found(&done), ["workflow.token checkout: several tokens", order]);
    // Whoever begins needs none, so a bad one is no harm: the token of who was logged in before.
    let (told, token) = shop.send("bob", "cart", &cart, 0, 200);
    assert_eq!((told.as_slice(), token.is_empty()), (&[FORGED.to_owned()][..], false));
}

#[test]
fn a_token_is_for_one_workflow_as_it_is() {
    let old = Shop::new(&json!({}));
    let cart = old.passes("ada", "cart", "", 0);
    for changes in [json!({"name": "other"}), json!({"expires": "2h"}), json!({"per": "header:x-Customer2"})] {
        let new = Shop::new(&changes);
        let fields = [("x-customer", "ada"), ("x-customer2", "ada"), ("x-checkout", cart.as_str())];
        let Err(done) = new.begin("pay", &fields, 3000) else { panic!("{changes}: passed") };
        assert!(found(&done)[0].contains("forged"), "{changes}");
    }
    // Another Envoy with the same keys takes it.
    Shop::new(&json!({})).passes("ada", "pay", &cart, 3000);
}

#[test]
fn keys_are_changed_without_a_break() {
    let keys = |kids: &[&str]| {
        let keys: Vec<Value> = kids.iter().map(|kid| json!({"kid": kid, "secret": secret(kid)})).collect();
        Shop::new(&json!({"token": {"header": "x-checkout", "keys": keys}}))
    };
    let (old, both, new) = (keys(&["a"]), keys(&["b", "a"]), keys(&["b"]));
    let cart = old.passes("ada", "cart", "", 0);
    let coupon = both.passes("ada", "coupon", &cart, 1000);
    assert!(coupon.starts_with("b."));
    new.passes("ada", "pay", &coupon, 4000);
    assert_eq!(new.refused("ada", "pay", &cart, 4000)[0], "workflow.token checkout: a token with an unknown key");
}

#[test]
fn a_cookie_carries_it_too() {
    let token = json!({"cookie": "checkout", "keys": [{"kid": "k1", "secret": secret("a")}]});
    let shop = Shop::new(&json!({"token": token}));
    let Ok(answer) = shop.begin("cart", &[("x-customer", "ada")], 0) else { panic!("refused") };
    let head = Headers::from_pairs([(":status", "200"), ("set-cookie", "theme=dark")]);
    let Course::Pass(changes, _) = answer.answer(Head::new(head, false).unwrap(), Millis::new(NOW)) else {
        panic!("held")
    };
    let [(name, cookie)] = changes.add.as_slice() else { panic!("{changes:?}") };
    assert_eq!((name.as_str(), changes.remove.len()), ("set-cookie", 0), "the service's cookies stay");
    let (value, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax");
    let sent = format!("theme=dark; {value}");
    assert!(shop.begin("pay", &[("x-customer", "ada"), ("cookie", sent.as_str())], 3000).is_ok());
    let twice = format!("{value}; {value}");
    assert!(shop.begin("pay", &[("x-customer", "ada"), ("cookie", twice.as_str())], 3000).is_err());
}

#[test]
fn a_memory_without_room_follows_its_policy() {
    let mut document = document(&json!({"steps": [{"name": "redeem", "routes": ["pay"], "once": true}]}));
    document["identity"] = json!({
        "replay": {"budget": "1B"}, "default": "ignored",
        "api_keys": {"keys": [{"id": "a", "sha256": "00".repeat(32)}]},
    });
    for (policy, summary) in [("deny", "deny:workflow_unavailable"), ("allow", "allow")] {
        document["identity"]["replay"]["on_full"] = json!(policy);
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        let shop = Shop(Engine::new(config, Ports::in_process([7; 16])));
        for customer in 0..340 {
            shop.passes(&customer.to_string(), "pay", "", 0);
        }
        let mut done = match shop.begin("pay", &[("x-customer", "one more")], 0) {
            Ok(answer) => answer.finish(Response::default()),
            Err(done) => *done,
        };
        done.close(Response::default(), Millis::new(NOW));
        assert_eq!((done.summary().as_str(), found(&done).len()), (summary, 1));
    }
}

#[test]
fn faults_are_named_with_their_place() {
    let keys = json!([{"kid": "k1", "secret": secret("a")}]);
    for (token, place) in [
        (json!({"keys": keys}), "workflows[0].token: expected `header` or `cookie`"),
        (
            json!({"header": "x-a", "cookie": "a", "keys": keys}),
            "workflows[0].token: expected `header` or `cookie`",
        ),
        (json!({"header": "x a", "keys": keys}), "workflows[0].token.header: expected 1 to 64 letters"),
        (json!({"header": "Set-Cookie", "keys": keys}), "workflows[0].token.header: `set-cookie` has a meaning"),
        (json!({"cookie": "a;b", "keys": keys}), "workflows[0].token.cookie: expected 1 to 64"),
        (json!({"header": "x-a"}), "workflows[0].token: missing field `keys`"),
        (json!({"header": "x-a", "keys": []}), "workflows[0].token.keys: has 0 keys"),
        (
            json!({"header": "x-a", "keys": [{"kid": "K 1", "secret": secret("a")}]}),
            "workflows[0].token.keys[0].kid: ",
        ),
        (
            json!({"header": "x-a", "keys": [{"kid": "k", "secret": "short"}]}),
            "workflows[0].token.keys[0].secret: has 5 bytes",
        ),
        (json!({"header": "x-a", "keys": [keys[0], keys[0]]}), "workflows[0].token.keys[1].kid: `k1` is taken"),
    ] {
        let fault = Config::parse(document(&json!({"token": token})).to_string().as_bytes(), CHECKS);
        let fault = fault.expect_err("a faulty token was accepted").to_string();
        assert!(fault.starts_with(place), "{token}\n{fault}");
        assert!(!fault.contains("aaaa") && !fault.contains("short"), "a secret is shown: {fault}");
    }
    let mut both = document(&json!({}));
    let mut other = both["workflows"][0].clone();
    other["name"] = json!("other");
    both["workflows"].as_array_mut().unwrap().push(other);
    let fault = Config::parse(both.to_string().as_bytes(), CHECKS).unwrap_err().to_string();
    assert!(fault.starts_with("workflows[1].token: carries the state of `checkout` already"), "{fault}");
    let config = Config::parse(document(&json!({})).to_string().as_bytes(), CHECKS).unwrap();
    assert!(!format!("{:?}", config.flows).contains("aaaa") && config.needs_once());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_token_panics(token in "(k1\\.)?[A-Za-z0-9_.=-]{0,80}|\\PC{0,40}") {
        let shop = Shop::new(&json!({}));
        let found = shop.refused("eve", "pay", &token, 0);
        prop_assert_eq!(found.last().map(String::as_str), Some("workflow.order checkout: `pay` before `cart`"));
    }

    /// Nobody changes a bit of what was signed.
    #[test]
    fn every_changed_token_is_forged(at in 0_usize..63, letter in "[A-Za-z0-9_-]") {
        let shop = Shop::new(&json!({}));
        let cart = shop.passes("ada", "cart", "", 0);
        let mut changed = cart.clone();
        changed.replace_range(at..=at, &letter);
        if changed != cart {
            prop_assert_eq!(shop.refused("ada", "pay", &changed, 3000).len(), 2);
        }
    }
}
