//! That every request is in the statistics exactly once and soon, however many there are and whatever the configuration does meanwhile.
//!
//! The filter adds up what requests count and hands it over now and then. Where few come each is handed over at once; what is left
//! of many is by a tick. Not covered: a VM that dies, with which is lost what it had not handed over.

use super::crowd::{clients, flood};
use super::{demo_issuer, enforcing, Gate, Scratch, SOON};
use portcullis_lab::client::Request;
use serde_json::{json, Value};
use std::time::{Duration, Instant};

/// Far less than the 5 s after which an idle filter ticks.
const MOMENT: Duration = Duration::from_secs(2);

/// The configuration, whose requests never wait: ticks are 5 s apart unless something is left to them.
fn config(limit: u64) -> Value {
    let limit = json!({"name": "all", "key": ["route"], "limit": limit, "window": "1h"});
    let routes = json!([{"name": "health", "path": "/healthz"}, {"name": "orders", "path": "/api/orders/{id}"}]);
    let requirements = json!([{"routes": ["health"], "token": "ignored"}]);
    let identity = json!({"issuers": [demo_issuer()], "requirements": requirements});
    enforcing(json!({"routes": routes, "identity": identity, "limits": [limit], "memory": {"budget": "1MiB"}}))
}

/// How many durations the histogram has.
fn durations(gate: &Gate) -> u64 {
    let page = gate.envoy.prometheus();
    let count = page.lines().find_map(|line| line.strip_prefix("portcullis_duration_us_count{} "));
    count.map_or(0, |count| count.parse().unwrap())
}

/// All that is counted of a request: verdict, finding, limit, and of some the duration.
fn expect_soon(gate: &Gate, passed: u64, refused: u64) {
    let since = Instant::now();
    gate.expect_accounted(passed + refused);
    assert!(since.elapsed() < MOMENT, "only after {:?}", since.elapsed());
    let finding =
        "wasmcustom.stage=.=identity;.;rule=.=token.missing;.;mode=.=enforce;.;portcullis_findings_total";
    let limit = "wasmcustom.limit=.=all;.;decision=.=allow;.;portcullis_limits_total";
    let stats = gate.envoy.stats();
    assert_eq!((stats.get(finding), stats.get(limit)), (Some(&refused), Some(&passed)));
    // Envoy shows what a histogram was given with its next flush. What was refused is measured each time, and some of the others.
    gate.envoy.wait_for(|_| durations(gate) > refused, SOON);
    let measured = durations(gate);
    assert!((refused + 1..=passed + refused).contains(&measured), "{measured} of {passed} and {refused}");
}

#[test]
fn where_few_requests_come_each_is_counted_at_once() {
    let gate = Gate::start(&config(1_000_000));
    let client = gate.http1();
    for number in 1..=4 {
        assert_eq!(client.send(Request::get("/healthz")).unwrap().status, 200);
        let since = Instant::now();
        gate.expect_accounted(number);
        assert!(since.elapsed() < MOMENT, "request {number} only after {:?}", since.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn every_request_of_a_crowd_is_counted_once_and_soon() {
    const REQUESTS: usize = 6000;
    let scratch = Scratch::new();
    let gate = Gate::start_with(&config(1_000_000), |bootstrap| bootstrap.balanced(2).ecds(&scratch.0));
    let clients = clients(&gate, None);
    // Every third is refused.
    let path = |number: usize| if number.is_multiple_of(3) { "/api/orders/o-1" } else { "/healthz" };
    let crowd = || flood(&clients, REQUESTS, |number| Request::get(path(number)));
    let mut answers = crowd();
    let refused = |requests: usize| (requests / 3) as u64;
    expect_soon(&gate, REQUESTS as u64 - refused(REQUESTS), refused(REQUESTS));
    // Each configuration has counters of its own, and its last requests are over when it is gone.
    let reloads = 4;
    std::thread::scope(|scope| {
        let reloading = scope.spawn(|| {
            for number in 1..=reloads {
                std::thread::sleep(Duration::from_millis(100));
                gate.envoy.push_filter_config(&config(1_000_000 + number).to_string()).unwrap();
            }
        });
        while !reloading.is_finished() {
            answers.extend(crowd());
        }
    });
    let stat = "extension_config_discovery.http_filter.portcullis.update_success";
    assert!(gate.envoy.wait_for(|envoy| envoy.stats().get(stat) == Some(&(reloads + 1)), SOON));
    let refused = answers.iter().filter(|answer| answer.status == 401).count();
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(refused + passed, answers.len());
    expect_soon(&gate, passed as u64, refused as u64);
    gate.expect_unharmed();
}
