//! The counts themselves: one Redis, one script for each request.
//!
//! Redis runs a script without anything in between, so concurrent requests, also through several services, are
//! counted one after the other and none is lost. A counter expires one window after its last hit: its name holds
//! the window's start, so it is not used again.
//!
//! Bound: two seconds for an answer, connecting included. A connection that failed is given up and the next
//! request opens another; nothing is tried twice, as a hit that was counted and not answered would be counted
//! again. So the first request after a restart of Redis may still fail. Not covered: clusters, replicas.

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, Script};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Adds to each key its hits, makes it expire, and returns the sums.
const COUNT: &str = r"
local sums = {}
for i, key in ipairs(KEYS) do
    sums[i] = redis.call('INCRBY', key, ARGV[2 * i - 1])
    redis.call('EXPIRE', key, ARGV[2 * i])
end
return sums";

/// Hits to be added to one counter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hits {
    pub(super) key: String,
    pub(super) hits: u64,
    pub(super) ttl_seconds: u64,
}

/// The counters in one Redis. The connection is opened by the first request.
#[derive(Debug)]
pub(super) struct Counters {
    redis: SocketAddr,
    script: Script,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl Counters {
    pub(super) fn new(redis: SocketAddr) -> Self {
        Counters { redis, script: Script::new(COUNT), open: Mutex::new(None) }
    }

    /// Counts all of them at once; returns what each counter says afterwards.
    pub(super) async fn count(&self, all: &[Hits]) -> Result<Vec<u64>> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let answer = timeout(ANSWER_LIMIT, self.ask(all)).await;
        let sums = answer.map_err(anyhow::Error::from).and_then(|answer| answer);
        if sums.is_err() {
            // Whoever holds the lock is opening another connection already, and must not be waited for.
            if let Ok(mut open) = self.open.try_lock() {
                *open = None;
            }
        }
        sums.with_context(|| format!("Redis at {}", self.redis))
    }

    async fn ask(&self, all: &[Hits]) -> Result<Vec<u64>> {
        let mut connection = self.connection().await?;
        let mut call = self.script.prepare_invoke();
        for one in all {
            call.key(&one.key).arg(one.hits).arg(one.ttl_seconds);
        }
        Ok(call.invoke_async(&mut connection).await?)
    }

    async fn connection(&self) -> Result<MultiplexedConnection> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        let client = Client::open(format!("redis://{}/", self.redis))?;
        let connection = client.get_multiplexed_async_connection().await?;
        *open = Some(connection.clone());
        Ok(connection)
    }
}
