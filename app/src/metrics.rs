//! The app's own figures, for Prometheus. Series are bounded: nothing is labelled by host, container or node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use shared::view::Stats;

/// Counted where it happens.
pub struct Counters {
    pub frames_received: AtomicU64,
    pub frames_rejected: AtomicU64,
    pub probes_refused: AtomicU64,
    pub bytes_received: AtomicU64,
    pub unknown_messages: AtomicU64,
    requests: Family<Vec<(String, String)>, Histogram>,
    flushes: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            frames_received: AtomicU64::new(0),
            frames_rejected: AtomicU64::new(0),
            probes_refused: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
            unknown_messages: AtomicU64::new(0),
            requests: Family::new_with_constructor(|| Histogram::new([0.001, 0.005, 0.02, 0.05, 0.2, 1.0, 5.0])),
            flushes: Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5]),
        }
    }
}

impl Counters {
    /// All that changed was worked into the views that somebody looks at.
    pub fn flush(&self, took: Duration) {
        self.flushes.observe(took.as_secs_f64());
    }

    pub fn request(&self, route: &str, status: u16, took: Duration) {
        let labels = vec![("route".to_owned(), route.to_owned()), ("status".to_owned(), status.to_string())];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// What the engine knows at one moment.
pub struct Gauges {
    /// Hosts that are live, stale, down.
    pub states: [i64; 3],
    pub lags: Vec<u64>,
    pub dropped: u64,
    pub views: Vec<(&'static str, Stats, usize)>,
    /// Nodes and edges of the topology, halves of connections.
    pub sizes: (usize, usize, usize),
    pub counters: Arc<Counters>,
}

impl Gauges {
    pub fn encode(self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("scope");
        let gauge = |value: u64| {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            gauge
        };
        let hosts = Family::<Vec<(String, String)>, Gauge>::default();
        for (state, count) in ["live", "stale", "down"].into_iter().zip(self.states) {
            hosts.get_or_create(&vec![("state".to_owned(), state.to_owned())]).set(count);
        }
        registry.register("hosts", "Hosts by what is heard of them", hosts);
        let lag = self.lags.into_iter().max().unwrap_or(0);
        registry.register("probe_lag_max_milliseconds", "Largest lag of a probe's last report", gauge(lag));
        registry.register("topology_nodes", "Nodes of the topology", gauge(self.sizes.0 as u64));
        registry.register("topology_edges", "Edges of the topology", gauge(self.sizes.1 as u64));
        registry.register("connection_halves", "Halves of connections held", gauge(self.sizes.2 as u64));
        let (nodes, edges, readers) = (labelled(), labelled(), labelled());
        for (view, stats, subscribers) in self.views {
            let labels = vec![("topology".to_owned(), view.to_owned())];
            let most = |family: &Family<Vec<(String, String)>, Gauge>, value: i64| {
                let gauge = family.get_or_create(&labels);
                gauge.set(gauge.get().max(value));
            };
            most(&nodes, i64::from(stats.node_count));
            most(&edges, i64::from(stats.edge_count));
            readers.get_or_create(&labels).inc_by(i64::try_from(subscribers).unwrap_or(0));
        }
        registry.register("view_nodes", "Nodes of the views that are looked at", nodes);
        registry.register("view_edges", "Edges of the views that are looked at", edges);
        registry.register("view_readers", "Websockets that follow a view", readers);
        let count = |counter: &AtomicU64| ConstCounter::new(counter.load(Ordering::Relaxed));
        let c = &self.counters;
        registry.register("probe_frames", "Frames received from probes", count(&c.frames_received));
        registry.register("probe_frames_rejected", "Frames that closed a connection", count(&c.frames_rejected));
        registry.register("probes_refused", "Probes refused for their token", count(&c.probes_refused));
        registry.register("probe_messages_unknown", "Messages of kinds from the future", count(&c.unknown_messages));
        registry.register_with_unit("probe_received", "Received from probes", Unit::Bytes, count(&c.bytes_received));
        registry.register("dropped_records", "Records that probes say they dropped", ConstCounter::new(self.dropped));
        registry.register_with_unit("request_duration", "HTTP requests", Unit::Seconds, c.requests.clone());
        let flushes = c.flushes.clone();
        registry.register_with_unit("flush_duration", "Working changes into the views", Unit::Seconds, flushes);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

fn labelled() -> Family<Vec<(String, String)>, Gauge> {
    Family::default()
}
