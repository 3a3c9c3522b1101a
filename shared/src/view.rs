//! What a reader of a view is told: the JSON of Weave Scope's API, and the numbered deltas of `scope.v2`.
//!
//! Field names and their meaning are Scope's; what Scope did not have is optional or a new field.

pub mod map;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::query::Reason;
use crate::report::Failures;

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A node as lists and graphs show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    pub id: String,
    pub label: String,
    pub label_minor: String,
    /// Nodes of one rank belong together when they are laid out.
    pub rank: String,
    pub shape: String,
    #[serde(skip_serializing_if = "is_false")]
    pub stack: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub pseudo: bool,
    /// What it is: `container`, `process`, `host`, `image`, `network`, `outside`, `group`.
    pub kind: String,
    /// `paused`, `stopped`, `stale`, `down`; empty while all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// `failing` or `warning` where a finding is open about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub health: String,
    /// Members of a group.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Parent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adjacency: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Row {
    pub id: String,
    pub label: String,
    pub value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_type: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub truncate: u32,
    /// A value that the clock moves on: milliseconds since the epoch since when it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// How a value that the clock moves on reads, `{}` standing for the time that passed: `Up {}`. Empty for a row
    /// whose value is the number of seconds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template: String,
}

impl Row {
    /// The value as it reads at `now_ms`.
    pub fn value_at(&self, now_ms: u64) -> Cow<'_, str> {
        self.since.map_or(Cow::Borrowed(&self.value), |since| clock(since, &self.template, now_ms).into())
    }
}

/// The words of a row's `template` at `now_ms`, or the number of seconds where there is none.
pub fn clock(since_ms: u64, template: &str, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(since_ms) / 1000;
    if template.is_empty() { seconds.to_string() } else { template.replace("{}", &passed(seconds)) }
}

/// A length of time in the words of `docker ps`.
pub fn passed(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, weeks, months, years) = (hours / 24, hours / 24 / 7, hours / 24 / 30, hours / 24 / 365);
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if minutes < 1 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if hours < 1 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if days < 14 => format!("{days} days"),
        () if months < 2 => format!("{weeks} weeks"),
        () if years < 2 => format!("{months} months"),
        () => format!("{years} years"),
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parent {
    pub id: String,
    pub label: String,
    pub topology_id: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metric {
    pub id: String,
    pub label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub value: f64,
    pub priority: f64,
    /// The last minute, in details only.
    pub samples: Option<Vec<Sample>>,
    pub min: f64,
    pub max: f64,
    pub url: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// RFC 3339.
    pub date: String,
    pub value: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Table {
    pub id: String,
    pub label: String,
    /// `property-list` or `multicolumn-table`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub columns: Vec<Column>,
    pub rows: Vec<TableRow>,
    #[serde(skip_serializing_if = "is_zero")]
    pub truncation_count: u32,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableRow {
    pub id: String,
    pub entries: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Column {
    pub id: String,
    pub label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_type: String,
    #[serde(skip_serializing_if = "is_false")]
    pub default_sort: bool,
}

/// Conversations between two nodes of a view that go to one port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Edge {
    pub id: String,
    /// Node ids: the client's and the server's.
    pub source: String,
    pub target: String,
    pub protocol: String,
    /// The one that the server listens on, as far as its host reports it; else the one that the client asked for.
    pub port: u16,
    /// Node id in the topology `networks`.
    pub network: Option<String>,
    /// Conversations now open, or open within the window; of short ones, from how many processes to how many.
    pub count: u32,
    /// Those that are open now.
    pub open: u32,
    /// How the direction is known; `guess` marks one that may be the other way round.
    pub direction: String,
    /// Since the edge was first there.
    #[serde(skip_serializing_if = "Failures::is_none")]
    pub failures: Failures,
    /// What it carries, by the names of `EDGE_METRICS`; what nobody measures is left out.
    pub metrics: std::collections::BTreeMap<String, f64>,
}

/// One figure of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeMetric {
    pub id: &'static str,
    pub label: &'static str,
    /// `bytes_per_s`, `per_s`, `ms`, `s`, `count`, `bytes`.
    pub format: &'static str,
}

const fn edge_metric(id: &'static str, label: &'static str, format: &'static str) -> EdgeMetric {
    EdgeMetric { id, label, format }
}

/// What edges carry. Sent is from the client to the server; rates are those of the last seconds, totals and means those
/// since the edge was first there.
pub const EDGE_METRICS: [EdgeMetric; 15] = [
    edge_metric("sent_bytes_per_s", "Sent", "bytes_per_s"),
    edge_metric("received_bytes_per_s", "Received", "bytes_per_s"),
    edge_metric("opened_per_s", "Opened", "per_s"),
    edge_metric("retransmits_per_s", "Sent again", "per_s"),
    edge_metric("rtt_ms", "Round trip", "ms"),
    edge_metric("unanswered", "Open without an answer", "count"),
    edge_metric("min_rtt_ms", "Least round trip", "ms"),
    edge_metric("connect_ms", "Time to connect", "ms"),
    edge_metric("lifetime_s", "Lifetime", "s"),
    edge_metric("opened", "Opened in all", "count"),
    edge_metric("sent_bytes", "Sent in all", "bytes"),
    edge_metric("received_bytes", "Received in all", "bytes"),
    edge_metric("retransmits", "Sent again in all", "count"),
    edge_metric("sent_packets", "Packets sent", "count"),
    edge_metric("received_packets", "Packets received", "count"),
];

/// So many of them, the first, stand in streams; the others are asked for.
pub const EDGE_METRICS_FOLLOWED: usize = 6;

/// Edges with their ways, as the API answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgePaths {
    pub edges: Vec<EdgePath>,
}

/// An edge, and what carries it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgePath {
    #[serde(flatten)]
    pub edge: Edge,
    /// The interfaces on its way, from the client's to the server's; empty where they are not known.
    pub path: Vec<PathHop>,
    /// Some of those that are open or were within the window, with their addresses before and behind NAT.
    pub conversations: Vec<Conversation>,
    /// So many are not among them.
    pub more: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    /// In the topology that they are of: a process, or what else has the socket. Without an id where no view has it.
    pub source: Parent,
    pub target: Parent,
    /// From the client to the server. A place that sees the addresses of the one before it is left out.
    pub sights: Vec<Sight>,
}

/// The two ends of a conversation as one place on its way sees them, each `address:port`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sight {
    /// `client`, `network` between the hosts, `server`.
    pub place: String,
    pub from: String,
    pub to: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathHop {
    /// In the topology `interfaces`; without an id where that does not have it.
    pub node: Parent,
    /// Whose it is, and on which host.
    pub of: String,
    /// Empty where it is up.
    pub state: String,
    /// How the way leads on: `veth`, `bridge`, `device`, `vxlan`, `route`, `network` between hosts; empty at the end.
    pub onward: String,
}

/// Everything about one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    #[serde(flatten)]
    pub summary: Summary,
    #[serde(default)]
    pub controls: Vec<Control>,
    #[serde(default)]
    pub children: Vec<Children>,
    #[serde(default)]
    pub connections: Vec<Connections>,
    /// Open ones about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Something that can be done to a node. No probe offers any yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Control {}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Children {
    pub id: String,
    pub label: String,
    pub topology_id: String,
    pub nodes: Vec<Summary>,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connections {
    /// `incoming-connections` or `outgoing-connections`.
    pub id: String,
    pub topology_id: String,
    pub label: String,
    pub columns: Vec<Column>,
    pub connections: Vec<ConnectionRow>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionRow {
    pub id: String,
    pub node_id: String,
    pub label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label_minor: String,
    pub metadata: Vec<Row>,
}

/// One entry of `/api/topology`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopologyInfo {
    pub name: String,
    pub rank: u32,
    pub hide_if_empty: bool,
    #[serde(deserialize_with = "null_is_empty")]
    pub options: Vec<OptionGroup>,
    pub url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sub_topologies: Vec<TopologyInfo>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OptionGroup {
    pub id: String,
    pub default_value: String,
    pub options: Vec<OptionValue>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionValue {
    pub value: String,
    pub label: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    pub node_count: u32,
    pub nonpseudo_node_count: u32,
    pub edge_count: u32,
    pub filtered_nodes: u32,
}

/// What a search finds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SearchAnswer {
    /// Every one there is, with its own options as they were asked for.
    pub topologies: Vec<SearchCount>,
    /// Of the topology that was asked for, in the order of their ids.
    pub nodes: Vec<SearchHit>,
    /// Of all its nodes, found or not, where tables were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<SearchTables>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchCount {
    pub id: String,
    pub matches: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    pub id: String,
    pub label: String,
    /// None where the name or the host shows it.
    pub reasons: Vec<Reason>,
}

/// Of one node's tables what a search looks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchTables {
    pub id: String,
    pub tables: Vec<Table>,
}

/// Subprotocol of the deltas below.
pub const SUBPROTOCOL: &str = "scope.v2";
/// What a reader of that gets for whatever text it sends: the socket and the app behind it are alive. It is no message of
/// the stream and has no number.
pub const HEARD: &str = "{}";

/// One message of `scope.v2`. Nodes and edges are numbered within the stream; a `reset` forgets all before it.
/// A large view is told in several messages at first, and so are many figures that change at once: a reader can do other
/// things in between.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamDelta {
    pub sequence: u64,
    #[serde(skip_serializing_if = "is_false")]
    pub reset: bool,
    /// What is told goes on with the next message: what there is is whole only then.
    #[serde(skip_serializing_if = "is_false")]
    pub more: bool,
    /// The app's clock, milliseconds since the epoch.
    pub at: u64,
    /// New and changed nodes, whole but for metrics' values and adjacency.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<(u32, Summary)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<u32>,
    /// Values in the order of the node's metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(u32, Vec<f64>)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<(u32, StreamEdge)>,
    /// What edges carry that are as they were else, as in `StreamEdge::metrics`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edge_values: Vec<(u32, Vec<Option<f64>>)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges_gone: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl StreamDelta {
    /// As it was written by an app. Here and not where it is called, because this crate is built to be quick.
    ///
    /// # Errors
    /// Where it is something else, or of another version.
    #[inline(never)]
    pub fn read(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

/// An edge of a stream: its ends are the stream's numbers of nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamEdge {
    pub source: u32,
    pub target: u32,
    pub protocol: String,
    pub port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    pub count: u32,
    pub open: u32,
    pub direction: String,
    #[serde(skip_serializing_if = "Failures::is_none")]
    pub failures: Failures,
    /// The first `EDGE_METRICS_FOLLOWED` of `EDGE_METRICS`, in their order; what is none at the end is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Option<f64>>,
}

/// Something that is wrong, with what each side says of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Finding {
    /// The same for the same fault at the same place, whenever it is seen.
    pub id: String,
    pub kind: String,
    /// `failing` or `warning`.
    pub severity: String,
    /// `open`, or `cleared` for a while after it ended.
    pub state: String,
    pub subject: Parent,
    /// The name of the host that it is on; empty where it is on no one host.
    pub host: String,
    pub summary: String,
    pub evidence: Vec<Evidence>,
    /// What usually mends it.
    pub advice: String,
    /// Id of the finding that it follows from.
    pub because: Option<String>,
    /// RFC 3339, by the app's clock.
    pub first_seen: String,
    pub last_seen: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    pub source: String,
    pub says: String,
}

/// The answer of `/api/findings`: what is open first, of that what is worst.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    pub findings: Vec<Finding>,
}

/// Open findings that do not follow from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingCount {
    pub failing: u32,
    pub warning: u32,
    /// Differs where any finding does.
    pub revision: u64,
}

/// How much of the truth the app sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub app: AppStatus,
    pub findings: FindingCount,
    pub probes: Vec<ProbeStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppStatus {
    pub id: String,
    pub hostname: String,
    pub version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeStatus {
    pub id: String,
    pub hostname: String,
    pub version: String,
    /// `live`, `stale` or `down`.
    pub state: String,
    /// Milliseconds since the epoch, by the app's clock.
    pub last_seen_ms: u64,
    /// From the probe's making of a report to its arrival, by the smallest offset between the clocks that was seen.
    pub lag_ms: u64,
    /// By how much the host's wall clock is ahead of the app's.
    pub clock_offset_ms: i64,
    pub collectors: Vec<CollectorReport>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CollectorReport {
    pub name: String,
    pub state: String,
    pub message: String,
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_reads_as_docker_writes_it() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (54, "54 seconds"),
            (61, "About a minute"),
            (300, "5 minutes"),
            (3_700, "About an hour"),
            (3 * 3_600, "3 hours"),
            (3 * 86_400, "3 days"),
            (20 * 86_400, "2 weeks"),
            (90 * 86_400, "3 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(passed(seconds), text);
        }
    }

    #[test]
    fn a_row_that_the_clock_moves_on_counts_from_its_start() {
        let up = Row { since: Some(1_000), template: "Up {} (Paused)".into(), ..Row::default() };
        assert_eq!(up.value_at(6_000), "Up 5 seconds (Paused)");
        assert_eq!(up.value_at(0), "Up Less than a second (Paused)", "a clock that went back");
        assert_eq!(Row { since: Some(1_000), ..Row::default() }.value_at(6_500), "5");
    }
}
