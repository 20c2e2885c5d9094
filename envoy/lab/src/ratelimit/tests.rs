//! The service against a real Redis, asked over the wire as Envoy asks it.
//!
//! Windows are tested with times of the test's own, and what counts by the clock is run again when midnight passed
//! in between: nothing here depends on when it runs.

use super::call::unix_seconds;
use super::counters::{Counters, Hits};
use super::decision::Plan;
use super::messages::{Code, Descriptor, DescriptorStatus, RateLimitRequest, RateLimitResponse, Unit};
use super::{Misbehaviour, RateLimitService, METHOD};
use crate::bootstrap::Bootstrap;
use crate::client::{Client, Request, Response};
use crate::envoy::Envoy;
use crate::redis::Redis;
use prost::Message;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const DAY_SECONDS: u64 = 24 * 60 * 60;
const PROMPT: Duration = Duration::from_secs(10);

/// The call as it goes over the wire; the answer, or the gRPC status it failed with.
fn ask(client: &Client, request: &RateLimitRequest) -> Result<RateLimitResponse, String> {
    let answer = send(client, METHOD, request).unwrap();
    let status = answer.trailer("grpc-status").or_else(|| answer.header("grpc-status")).map(str::to_owned);
    match status.as_deref() {
        Some("0") => Ok(RateLimitResponse::decode(answer.body.get(5..).unwrap()).unwrap()),
        _ => Err(status.unwrap_or_default()),
    }
}

fn send(client: &Client, path: &str, request: &RateLimitRequest) -> anyhow::Result<Response> {
    let message = request.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let post = Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    client.send(post.body(body))
}

fn a_day(key: &str, limit: u32) -> RateLimitRequest {
    RateLimitRequest::new("shop", [Descriptor::limited("client", key, limit, Unit::Day)])
}

/// Runs this again, for another client, if midnight passed while it ran.
fn within_a_day<T>(run: impl Fn(&str) -> T) -> T {
    for attempt in 0.. {
        let day = unix_seconds() / DAY_SECONDS;
        let result = run(&format!("client-{attempt}"));
        if unix_seconds() / DAY_SECONDS == day {
            return result;
        }
    }
    unreachable!("midnight does not pass for ever")
}

/// One decision at a time of the test's own.
fn decide(redis: &Redis, request: &RateLimitRequest, unix_seconds: u64) -> RateLimitResponse {
    let plan = Plan::new(request, unix_seconds).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sums = runtime.block_on(Counters::new(redis.address()).count(&plan.hits())).unwrap();
    plan.answer(&sums)
}

fn brief(status: &DescriptorStatus) -> (Code, u32) {
    (status.code(), status.limit_remaining)
}

#[test]
fn a_limit_is_exact_over_two_services_and_many_callers() {
    let redis = Redis::start().unwrap();
    let services = [(); 2].map(|()| RateLimitService::start(redis.address()).unwrap());
    let passed = within_a_day(|key| {
        let clients = [0, 1, 0, 1].map(|one: usize| Client::http2(services[one].address()));
        let callers = |client| move || (0..5).map(|_| ask(client, &a_day(key, 50)).unwrap()).collect::<Vec<_>>();
        let answers: Vec<RateLimitResponse> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..40).map(|one| scope.spawn(callers(&clients[one % 4]))).collect();
            running.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        });
        assert_eq!(answers.len(), 200);
        let passed = answers.iter().filter(|answer| answer.overall_code() == Code::Ok);
        passed.map(|answer| answer.statuses[0].limit_remaining).collect::<Vec<u32>>()
    });
    assert_eq!(passed.len(), 50);
    assert_eq!(passed.into_iter().collect::<BTreeSet<u32>>(), (0..50).collect(), "no two got the same place");
    assert!(services.iter().map(RateLimitService::requests).sum::<u64>() >= 200);
}

#[test]
fn every_descriptor_is_counted_by_its_own_hits() {
    let redis = Redis::start().unwrap();
    let of = |key: &str| Descriptor::limited("key", key, 10, Unit::Hour);
    let request = |hits_addend: u32, descriptors: Vec<Descriptor>| RateLimitRequest {
        hits_addend,
        ..RateLimitRequest::new("shop", descriptors)
    };
    let unlimited = Descriptor { limit: None, ..of("none") };
    let ask = |request: &RateLimitRequest| {
        let answer = decide(&redis, request, 1000);
        (answer.overall_code(), answer.statuses.iter().map(brief).collect::<Vec<_>>())
    };
    let ok = |left| (Code::Ok, left);
    let over = (Code::OverLimit, 0);
    let first = request(3, vec![of("a"), of("b").hits(7), unlimited.clone()]);
    assert_eq!(ask(&first), (Code::Ok, vec![ok(7), ok(3), ok(0)]));
    assert_eq!(ask(&request(0, vec![of("a")])), (Code::Ok, vec![ok(6)]), "none given is one hit");
    assert_eq!(ask(&request(5, vec![of("a").hits(0)])), (Code::Ok, vec![ok(6)]), "the descriptor's 0 only asks");
    let second = request(1, vec![of("a"), of("b").hits(4)]);
    assert_eq!(ask(&second), (Code::OverLimit, vec![ok(5), over]), "one over is all over, and all are counted");
    assert_eq!(ask(&request(0, vec![of("b").hits(0)])), (Code::OverLimit, vec![over]), "11 stand against b");
    assert_eq!(ask(&request(0, vec![of("a"), of("a")])), (Code::Ok, vec![ok(4), ok(3)]));
    assert_eq!(ask(&request(9, vec![unlimited])), (Code::Ok, vec![ok(0)]));
}

#[test]
fn windows_are_aligned_to_the_epoch() {
    for unit in [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Month, Unit::Year] {
        let window = unit.seconds().unwrap();
        let request = RateLimitRequest::new("shop", [Descriptor::limited("client", "ada", 2, unit)]);
        let at = |time: u64| {
            let plan = Plan::new(&request, time).unwrap();
            let reset = plan.answer(&[1]).statuses[0].duration_until_reset.unwrap().seconds;
            (plan.hits()[0].key.clone(), reset.unsigned_abs())
        };
        let start = 40 * 365 * DAY_SECONDS / window * window;
        let key = |start: u64| format!("shop_client_ada_{start}");
        assert_eq!(at(start), (key(start), window));
        assert_eq!(at(start + window - 1), (key(start), 1));
        assert_eq!(at(start + window), (key(start + window), window));
    }
}

/// With windows of an hour and more: a shorter one could expire in Redis while this runs.
#[test]
fn each_window_has_a_counter_that_expires() {
    let redis = Redis::start().unwrap();
    for unit in [Unit::Hour, Unit::Day, Unit::Month, Unit::Year] {
        let window = unit.seconds().unwrap();
        let request = RateLimitRequest::new("shop", [Descriptor::limited("unit", &format!("{unit:?}"), 2, unit)]);
        let at = |time: u64| brief(&decide(&redis, &request, time).statuses[0]);
        let end = window - 1;
        assert_eq!([at(0), at(end), at(end)], [(Code::Ok, 1), (Code::Ok, 0), (Code::OverLimit, 0)]);
        assert_eq!([at(window), at(end)], [(Code::Ok, 1), (Code::OverLimit, 0)], "the next one, and the old one");
    }
    let mut connection = ::redis::Client::open(format!("redis://{}/", redis.address())).unwrap();
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert_eq!(keys.len(), 8, "{keys:?}");
    for key in keys {
        let ttl: i64 = ::redis::cmd("TTL").arg(&key).query(&mut connection).unwrap();
        assert!(ttl > 0, "{key}: {ttl}");
    }
}

#[test]
fn a_counter_is_named_by_its_entries_and_window() {
    let mut descriptor = Descriptor::limited("plan", "free", 5, Unit::Minute).hits(2);
    descriptor.entries.extend(Descriptor::limited("client", "ada", 0, Unit::Unknown).entries);
    let plan = Plan::new(&RateLimitRequest::new("shop", [descriptor]), 125).unwrap();
    let key = "shop_plan_free_client_ada_120".to_owned();
    assert_eq!(plan.hits(), [Hits { key, hits: 2, ttl_seconds: 60 }]);
}

#[test]
fn the_messages_have_the_numbers_of_envoy_s_api() {
    let request = RateLimitRequest {
        hits_addend: 3,
        ..RateLimitRequest::new("d", [Descriptor::limited("k", "v", 9, Unit::Year).hits(7)])
    };
    let descriptor = b"\x0a\x06\x0a\x01k\x12\x01v\x12\x04\x08\x09\x10\x06\x1a\x02\x08\x07";
    let expected = [b"\x0a\x01d\x12\x12".as_slice(), descriptor, b"\x18\x03"].concat();
    assert_eq!(request.encode_to_vec(), expected);
    let plan = Plan::new(&request, 0).unwrap();
    let status = b"\x08\x01\x12\x04\x08\x09\x10\x06\x18\x02\x22\x05\x08\x80\xe7\x84\x0f";
    assert_eq!(plan.answer(&[7]).encode_to_vec(), [b"\x08\x01\x12\x11".as_slice(), status].concat());
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let redis = Redis::start().unwrap();
    let service = RateLimitService::start(redis.address()).unwrap();
    let client = Client::http2(service.address());
    let descriptor = Descriptor::limited("client", "ada", 5, Unit::Day);
    let unset = Descriptor::limited("client", "ada", 5, Unit::Unknown);
    let (invalid, unknown, unimplemented) = ("3", "2", "12");
    assert_eq!(ask(&client, &RateLimitRequest::new("", [descriptor.clone()])).unwrap_err(), unknown);
    assert_eq!(ask(&client, &RateLimitRequest::new("shop", [])).unwrap_err(), unknown);
    assert_eq!(ask(&client, &RateLimitRequest::new("shop", [unset])).unwrap_err(), invalid);
    assert_eq!(service.requests(), 3);
    let answer = send(&client, "/envoy.service.ratelimit.v2.RateLimitService/ShouldRateLimit", &a_day("ada", 5));
    assert_eq!(answer.unwrap().header("grpc-status"), Some(unimplemented));
    assert_eq!(service.requests(), 3, "another method is another service");
}

#[test]
fn without_redis_it_says_so_soon_and_recovers() {
    let mut redis = Redis::start().unwrap();
    let service = RateLimitService::start(redis.address()).unwrap();
    let client = Client::http2(service.address());
    let unavailable = Err("14".to_owned());
    assert!(ask(&client, &a_day("ada", 5)).is_ok());
    redis.stop();
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(ask(&client, &a_day("ada", 5)), unavailable);
    }
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    let _second = Redis::bind(redis.address()).unwrap();
    let answer = ask(&client, &a_day("ada", 5)).unwrap();
    assert_eq!(brief(&answer.statuses[0]), (Code::Ok, 4), "the second Redis knows nothing of the first");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = RateLimitService::start(silent.local_addr().unwrap()).unwrap();
    let started = Instant::now();
    assert_eq!(ask(&Client::http2(service.address()), &a_day("ada", 5)), unavailable);
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
}

#[test]
fn it_misbehaves_as_told_and_starts_again_at_its_address() {
    let redis = Redis::start().unwrap();
    let mut service = RateLimitService::start(redis.address()).unwrap();
    let client = Client::http2(service.address());
    service.misbehave(Misbehaviour::Fail);
    assert_eq!(ask(&client, &a_day("client-0", 5)).unwrap_err(), "13");
    service.misbehave(Misbehaviour::Junk);
    let answer = send(&client, METHOD, &a_day("client-0", 5)).unwrap();
    assert_eq!((answer.status, answer.trailer("grpc-status")), (200, Some("0")));
    assert!(RateLimitResponse::decode(answer.body.get(5..).unwrap()).is_err());
    service.misbehave(Misbehaviour::Hang);
    let hung = std::thread::scope(|scope| {
        let caller = scope.spawn(|| send(&client, METHOD, &a_day("client-0", 5)));
        while service.requests() < 3 && !caller.is_finished() {
            std::thread::yield_now();
        }
        assert!(!caller.is_finished());
        service.stop();
        caller.join().unwrap()
    });
    assert!(hung.is_err(), "a call in flight ends with the service");
    assert!(send(&client, METHOD, &a_day("client-0", 5)).is_err());
    let again = RateLimitService::bind(service.address(), redis.address()).unwrap();
    let answer = within_a_day(|key| ask(&client, &a_day(key, 5)).unwrap());
    assert_eq!(brief(&answer.statuses[0]), (Code::Ok, 4), "nothing was counted while it misbehaved");
    assert!(again.requests() > 0 && service.requests() == 3);
}

#[test]
fn envoy_reaches_it_through_a_further_cluster() {
    let redis = Redis::start().unwrap();
    let service = RateLimitService::start(redis.address()).unwrap();
    let bootstrap = Bootstrap::shipped().unwrap().without_filter().ratelimit(service.address()).unwrap();
    let bootstrap = bootstrap.edit(|document| {
        let hosts =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts";
        let route = &mut document.pointer_mut(hosts).unwrap()[0]["routes"][0]["route"];
        route["cluster"] = json!("ratelimit");
    });
    let envoy = Envoy::start(&bootstrap).unwrap();
    let client = Client::http2(envoy.address());
    let codes = within_a_day(|key| [(); 3].map(|()| ask(&client, &a_day(key, 2)).unwrap().overall_code()));
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::OverLimit]);
    assert!(service.requests() >= 3);
}
