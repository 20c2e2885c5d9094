//! A shop that believes what it is told, behind an Envoy with two workers and the configuration of `examples/shop`.
//!
//! Hundreds of customers come at the same time as one abuser of each kind, over many connections, HTTP/1.1 and HTTP/2. No customer is
//! refused anything, each abuser is found by the check that is for it, and the proof is in the shop's own books: no harm was done. The
//! same abuse is done to the same shop with the filter in monitor mode, and there every harm is.

mod abuses;
mod visitor;

use super::crowd::{self, clients, flood, tally, token, told};
use super::{bootstrap, demo_issuer, request_id, Gate, SOON};
use abuses::ABUSES;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::scenario::Example;
use portcullis_lab::upstream::say::{Answer, FIELD};
use portcullis_lab::upstream::shop::Harm;
use portcullis_lab::upstream::Upstream;
use portcullis_lab::workspace;
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use visitor::{visit, Visitor};

const VISITS: usize = 240;

/// Customers who are in the shop at the same time.
const AT_ONCE: usize = 12;

/// The shop, its gate, and what its customers have paid.
struct Shop {
    gate: Gate,
    clients: Vec<Client>,
    till: Mutex<Till>,
}

/// What honest payments come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Till {
    orders: u64,
    cents: i64,
    pieces: i64,
}

impl Till {
    fn take(&mut self, total: &str, pieces: i64) {
        self.orders += 1;
        self.cents += total.replace('.', "").parse::<i64>().unwrap();
        self.pieces += pieces;
    }
}

impl Shop {
    fn open(mode: &str) -> Self {
        let example = Example::load(&workspace().join("examples/shop")).unwrap();
        let mut config: Value = serde_json::from_str(&example.filter).unwrap();
        (config["mode"], config["telemetry"]) = (json!(mode), json!({}));
        let upstream = Upstream::start();
        let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        let bootstrap = bootstrap(&config).upstream(upstream.address()).balanced(2).edit(|document| {
            // As behind a load balancer: everybody comes from an address of his own.
            document.pointer_mut(manager).expect("the shipped manager")["xff_num_trusted_hops"] = json!(1);
        });
        let gate = Gate { envoy: Envoy::start(&bootstrap).unwrap(), upstream };
        Self { clients: clients(&gate, None), gate, till: Mutex::default() }
    }

    /// The checks that found something in these requests.
    fn found_in(&self, requests: &[String]) -> BTreeSet<String> {
        let last = requests.last().expect("something is refused");
        self.gate.receipt(last);
        let receipts = self.gate.receipts().into_iter();
        let theirs =
            receipts.filter(|receipt| requests.iter().any(|id| receipt["http.request.id"] == id.as_str()));
        theirs.flat_map(|receipt| checks(&receipt)).collect()
    }
}

fn checks(receipt: &Value) -> Vec<String> {
    let findings = receipt["portcullis.findings"].as_array().into_iter().flatten();
    findings.filter_map(|finding| finding["check"].as_str().map(str::to_owned)).collect()
}

#[test]
fn customers_notice_nothing_and_abusers_get_nothing() {
    let shop = Shop::open("enforce");
    let stock = shop.gate.upstream.books().in_stock;
    std::thread::scope(|scope| {
        let shop = &shop;
        for first in 0..AT_ONCE {
            scope.spawn(move || {
                for number in (first..VISITS).step_by(AT_ONCE) {
                    // Some are there for the second time.
                    let name = format!("customer-{}", number % (VISITS - AT_ONCE));
                    visit(&Visitor::new(shop, number, &name), number);
                }
            });
        }
        for (number, abuse) in ABUSES.iter().enumerate() {
            scope.spawn(move || {
                let mallory = Visitor::new(shop, 500 + number, abuse.name);
                (abuse.act)(&mallory);
                let found = shop.found_in(&mallory.refused.lock().unwrap());
                assert!(found.contains(abuse.check), "{}: {found:?}", abuse.name);
            });
        }
    });
    let (books, till) = (shop.gate.upstream.books(), shop.till.lock().unwrap());
    assert_eq!(books.harms(), &BTreeMap::new());
    let paid = Till { orders: books.paid, cents: books.earned_cents, pieces: books.shipped };
    assert_eq!(
        (&paid, stock - books.in_stock),
        (&*till, till.pieces),
        "what was paid is what customers have paid"
    );
    assert!(till.orders > VISITS as u64, "{till:?}");
    shop.gate.expect_unharmed();
}

#[test]
fn the_same_abuse_harms_a_shop_that_is_only_watched() {
    let shop = Shop::open("monitor");
    for (number, abuse) in ABUSES.iter().enumerate() {
        let mallory = Visitor::new(&shop, 500 + number, abuse.name);
        let before = shop.gate.upstream.books().harm(abuse.harm);
        (abuse.act)(&mallory);
        let after = shop.gate.upstream.books().harm(abuse.harm);
        assert!(after > before, "{} does no harm: {:?}", abuse.name, shop.gate.upstream.books());
        assert!(mallory.refused.lock().unwrap().is_empty(), "{} was refused something", abuse.name);
    }
    let harms: Vec<Harm> = shop.gate.upstream.books().harms().keys().copied().collect();
    assert_eq!(harms, Harm::ALL, "every harm is shown");
    let told = || -> BTreeSet<String> { shop.gate.receipts().iter().flat_map(checks).collect() };
    let wanted = |told: &BTreeSet<String>| ABUSES.iter().all(|abuse| told.contains(abuse.check));
    assert!(shop.gate.envoy.wait_for(|_| wanted(&told()), SOON), "told of {:?}", told());
    shop.gate.expect_unharmed();
}

/// The service answers here what the request says, in pieces without a content-length, which no shop of ours does.
#[test]
fn what_was_quoted_in_pieces_on_one_connection_holds_on_all() {
    let routes = ["products", "order"].map(|name| json!({"name": name, "path": format!("/{name}")}));
    let gate = crowd::gate(json!({
        "routes": routes,
        "identity": {"issuers": [demo_issuer()], "default": "required"},
        "quotes": [{"name": "price", "per": "subject",
            "capture": {"routes": ["products"], "each": "[*]", "key": "id", "value": "price", "currency": "currency"},
            "assert": {"routes": ["order"], "each": "lines[*]", "key": "sku", "value": "price", "currency": "$.currency",
                "quantity": {"value": "quantity"}, "total": "total", "missing": "deny"}}],
    }));
    let (clients, bearer) = (clients(&gate, None), token("eve", json!({})));
    let said =
        json!([{"id": 1, "price": "129.50", "currency": "EUR"}, {"id": 2, "price": 24.5, "currency": "EUR"}]);
    let answer = Answer { piece_bytes: Some(5), ..Answer::json(&said.to_string()) };
    let browse = Request::get("/products").bearer(&bearer).header("accept-encoding", "gzip");
    assert_eq!(clients[0].send(browse.header(FIELD, answer.field())).unwrap().json().unwrap(), said);
    let order = |price: &str, total: &str| {
        let lines = json!([{"sku": 1, "price": price, "quantity": 2}, {"sku": 2, "price": 24.5}]);
        let created = Answer { status: 201, ..Answer::json("{}") };
        let order = Request::post("/order").bearer(&bearer).header(FIELD, created.field());
        order.json(&json!({"currency": "EUR", "lines": lines, "total": total}))
    };
    let lower = flood(&clients, 64, |_| order("1.29", "283.50"));
    assert_eq!(tally(&lower), BTreeMap::from([("quote_mismatch".to_owned(), 64)]));
    let receipt = gate.receipt(&request_id(&lower[0]));
    assert_eq!(receipt["portcullis.findings"][0]["reason"], "price: item 1 (`1`) 1.29, quoted 129.50");
    let total = flood(&clients, 64, |_| order("129.50", "2.83"));
    assert_eq!(tally(&total), BTreeMap::from([("quote_total".to_owned(), 64)]));
    // Nobody hides a price in a form.
    let form = Request::post("/order").bearer(&bearer).body(b"sku=1&price=1".to_vec());
    assert_eq!(told(&clients[3].send(form).unwrap()), "quote_unread");
    assert_eq!(
        tally(&flood(&clients, 64, |_| order("129.50", "283.50"))),
        BTreeMap::from([("201".to_owned(), 64)])
    );
    gate.expect_unharmed();
}
