//! What a server counts, as Prometheus reads it.
//!
//! Everything is counted inside of one `fork::Lock`: the library's own locks, whose waiting lists a forked child could not
//! use, are then never waited for. It must not influence anything.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::fork::Lock;
use crate::store::Store;

/// The text format's content type.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    operation: &'static str,
    status: u16,
    /// The error's code, or nothing.
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    operation: &'static str,
}

pub struct Metrics(Lock<Counted>);

struct Counted {
    registry: Registry,
    requests: Family<Ended, Counter>,
    seconds: Family<Of, Histogram>,
    connections: Gauge,
    body_bytes: Gauge,
    change_records: Counter,
}

/// When a request came.
pub struct Begun(Instant);

impl Begun {
    pub fn now() -> Self {
        Self(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Metrics {
    pub fn new(store: &Store) -> Self {
        let mut registry = Registry::with_prefix("fdyno");
        let requests = Family::default();
        // From a tenth of a millisecond to half a minute.
        let seconds =
            Family::new_with_constructor((|| Histogram::new(exponential_buckets(0.0001, 2.0, 18))) as fn() -> _);
        let (connections, body_bytes, change_records) = (Gauge::default(), Gauge::default(), Counter::default());
        registry.register("requests", "Requests by operation, status and error", Family::clone(&requests));
        registry.register("request_seconds", "How long requests took", Family::clone(&seconds));
        registry.register("connections", "Connections that are open", Gauge::clone(&connections));
        registry.register(
            "request_body_bytes",
            "Bytes of requests' bodies that are held, in whole kilobytes",
            Gauge::clone(&body_bytes),
        );
        registry.register(
            "change_records_read",
            "Change records given to readers of streams",
            Counter::clone(&change_records),
        );
        registry.register_collector(Box::new(Engine(store.aside())));
        Self(Lock::new(Counted { registry, requests, seconds, connections, body_bytes, change_records }))
    }

    /// A request was answered.
    pub fn ended(
        &self,
        begun: &Begun,
        operation: &'static str,
        status: u16,
        code: &'static str,
        change_records: usize,
    ) {
        let seconds = begun.elapsed().as_secs_f64();
        let counted = self.0.lock();
        counted.requests.get_or_create(&Ended { operation, status, code }).inc();
        counted.seconds.get_or_create(&Of { operation }).observe(seconds);
        counted.change_records.inc_by(change_records as u64);
    }

    /// The page.
    pub fn page(&self, connections: usize, body_bytes: usize) -> Result<String, std::fmt::Error> {
        let counted = self.0.lock();
        counted.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        counted.body_bytes.set(i64::try_from(body_bytes).unwrap_or(i64::MAX));
        let mut page = String::new();
        encode(&mut page, &counted.registry)?;
        Ok(page)
    }
}

/// The engine's counters, read when somebody asks. It holds no handle that keeps a database open.
struct Engine(Store);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl prometheus_client::collector::Collector for Engine {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let work = self.0.work();
        let counters = [
            ("engine_transactions", "Transactions begun", work.transactions),
            ("engine_commits", "Commits made", work.commits),
            ("engine_conflicts", "Commits refused because of a conflict", work.conflicts),
            ("engine_retries", "Transactions tried again", work.retries),
            ("engine_keys_read", "Keys read one by one", work.keys_read),
            ("engine_pairs_read", "Pairs read by ranges", work.pairs_read),
            ("engine_round_trips", "Reads, each a round trip on a cluster", work.round_trips),
            ("engine_read_bytes", "Bytes of keys and values read", work.bytes_read),
            ("engine_keys_written", "Mutations asked for", work.keys_written),
            ("engine_written_bytes", "Bytes of keys and values written", work.bytes_written),
            ("followers_woken", "Followers of streams woken by a commit", self.0.followers_woken()),
        ];
        for (name, help, count) in counters {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
