//! A real redis-server, from its first answer to its last.

use super::Redis;
use std::net::TcpStream;
use std::path::PathBuf;

#[test]
fn a_dropped_redis_leaves_nothing_behind() {
    let redis = Redis::start().unwrap();
    let (process, directory) =
        (PathBuf::from(format!("/proc/{}", redis.pid())), redis.directory.path().to_owned());
    assert!(process.exists() && directory.exists());
    assert!(redis.log().contains("Ready to accept connections"), "{}", redis.log());
    drop(redis);
    assert!(!process.exists() && !directory.exists());
}

#[test]
fn a_stopped_redis_can_be_followed_by_another_at_its_address() {
    let mut first = Redis::start().unwrap();
    first.stop();
    assert!(TcpStream::connect(first.address()).is_err());
    let second = Redis::bind(first.address()).unwrap();
    assert!(second.address() == first.address() && second.answers() && !first.answers());
}

#[test]
fn an_address_that_is_taken_is_refused_with_the_reason() {
    let first = Redis::start().unwrap();
    let error = Redis::bind(first.address()).unwrap_err();
    assert!(format!("{error:#}").contains("Address already in use"), "{error:#}");
}
