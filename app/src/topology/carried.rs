//! What edges carry: the figures that hosts give of flows, put on the edge that their conversations are of.
//!
//! Where both ends of a conversation report, the client's figures count, and of the server's only what it had to send
//! once more, and whether that was answered.

use std::ops::{AddAssign, SubAssign};

use foldhash::{HashMap, HashSet};
use petgraph::stable_graph::EdgeIndex;
use shared::id::HostId;
use shared::report::{FlowKey, FlowMetrics, FlowTotals};

use super::calls::LATELY_REPEATED_MS;
use super::join::Join;
use super::{Connects, Edge, Topology};
use crate::store::Store;

/// What the conversations of an edge carry; sent is from the client to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Carried {
    /// Since the edge was first there.
    pub totals: FlowTotals,
    pub now: Now,
    /// The least that was ever seen; 0 where none was.
    pub min_rtt_us: u32,
}

/// What flows have at the moment, summed. Whole numbers, so that taking away what was added leaves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    pub sent_bytes_per_s: u64,
    pub received_bytes_per_s: u64,
    /// Hundredths.
    pub opened_per_s: u64,
    pub retransmits_per_s: u64,
    /// Conversations of which the client gets no answer, and of which the server gets none, where both tell of them.
    pub unanswered: u32,
    pub unanswered_there: u32,
    /// Of so many flows the times there and back.
    pub measured: u32,
    pub rtts_us: u64,
    /// So many tell anything.
    pub flows: u32,
}

/// From where the conversations of a flow are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    Client,
    /// With a client that nobody tells of.
    Server,
    /// With a client who tells of them too.
    OtherEnd,
}

/// A flow as it was put on an edge.
#[derive(Clone, Debug, Default, PartialEq)]
struct Put {
    /// With its own number: another may have its place since.
    edge: Option<(EdgeIndex, u64)>,
    now: Now,
    least_us: u32,
    /// As told last; what comes to it later is new.
    totals: FlowTotals,
}

/// Of all flows, where their figures are.
#[derive(Default)]
pub struct Ledger {
    put: HashMap<(HostId, FlowKey), Put>,
}

impl Carried {
    /// Whether anybody tells of it, or did.
    pub fn is_told(&self) -> bool {
        self.now.flows > 0 || !self.totals.is_none()
    }

    /// Mean of the times there and back, microseconds.
    pub fn rtt_us(&self) -> Option<u64> {
        (self.now.measured > 0).then(|| self.now.rtts_us / u64::from(self.now.measured))
    }

    fn note_least(&mut self, least_us: u32) {
        if least_us > 0 && (self.min_rtt_us == 0 || least_us < self.min_rtt_us) {
            self.min_rtt_us = least_us;
        }
    }
}

impl AddAssign for Carried {
    fn add_assign(&mut self, other: Self) {
        self.totals += other.totals;
        self.now += other.now;
        self.note_least(other.min_rtt_us);
    }
}

/// The least time stays: what it was without the other is not known.
impl SubAssign for Carried {
    fn sub_assign(&mut self, other: Self) {
        self.totals = self.totals.since(other.totals);
        self.now -= other.now;
    }
}

impl Now {
    /// Has each of another's figures do something to the one here.
    fn each(&mut self, other: Self, wide: impl Fn(&mut u64, u64), narrow: impl Fn(&mut u32, u32)) {
        let Self {
            sent_bytes_per_s,
            received_bytes_per_s,
            opened_per_s,
            retransmits_per_s,
            unanswered,
            unanswered_there,
            measured,
            rtts_us,
            flows,
        } = other;
        wide(&mut self.sent_bytes_per_s, sent_bytes_per_s);
        wide(&mut self.received_bytes_per_s, received_bytes_per_s);
        wide(&mut self.opened_per_s, opened_per_s);
        wide(&mut self.retransmits_per_s, retransmits_per_s);
        wide(&mut self.rtts_us, rtts_us);
        narrow(&mut self.unanswered, unanswered);
        narrow(&mut self.unanswered_there, unanswered_there);
        narrow(&mut self.measured, measured);
        narrow(&mut self.flows, flows);
    }
}

impl AddAssign for Now {
    fn add_assign(&mut self, other: Self) {
        self.each(other, |mine, theirs| *mine += theirs, |mine, theirs| *mine += theirs);
    }
}

impl SubAssign for Now {
    fn sub_assign(&mut self, other: Self) {
        self.each(other, |mine, theirs| *mine -= theirs, |mine, theirs| *mine -= theirs);
    }
}

/// A flow's figures from the client's side of view.
fn seen_from(seat: Seat, metrics: &FlowMetrics) -> (Now, FlowTotals, u32) {
    let hundredths = |rate: f32| (rate * 100.0).round() as u64;
    let now = Now {
        sent_bytes_per_s: metrics.sent_bytes_per_s.round() as u64,
        received_bytes_per_s: metrics.received_bytes_per_s.round() as u64,
        opened_per_s: hundredths(metrics.opened_per_s),
        retransmits_per_s: hundredths(metrics.retransmits_per_s),
        unanswered: metrics.unanswered,
        unanswered_there: 0,
        measured: u32::from(metrics.rtt_us > 0),
        rtts_us: metrics.rtt_us.into(),
        flows: 1,
    };
    let totals = metrics.totals;
    match seat {
        Seat::Client => (now, totals, metrics.min_rtt_us),
        Seat::Server => {
            let (sent, received) = (now.received_bytes_per_s, now.sent_bytes_per_s);
            let now = Now { sent_bytes_per_s: sent, received_bytes_per_s: received, ..now };
            let FlowTotals { sent_bytes, received_bytes, sent_packets, received_packets, .. } = totals;
            let totals = FlowTotals {
                sent_bytes: received_bytes,
                received_bytes: sent_bytes,
                sent_packets: received_packets,
                received_packets: sent_packets,
                ..totals
            };
            (now, totals, metrics.min_rtt_us)
        }
        Seat::OtherEnd => {
            let now =
                Now { retransmits_per_s: now.retransmits_per_s, unanswered_there: now.unanswered, ..Now::default() };
            let FlowTotals { retransmits, unanswered, .. } = totals;
            (now, FlowTotals { retransmits, unanswered, ..FlowTotals::default() }, 0)
        }
    }
}

impl Topology {
    /// Puts what these flows carry where it belongs now.
    pub(super) fn carry(&mut self, store: &Store, join: &Join, touched: HashSet<(HostId, FlowKey)>, now_ms: u64) {
        for (host, flow) in touched {
            let before = self.carried.put.remove(&(host, flow)).unwrap_or_default();
            let metrics = store.hosts.get(&host).and_then(|state| state.report.metrics.flows.get(&flow));
            let place = metrics.and_then(|_| join.edge_of(host, flow)).and_then(|(key, seat)| {
                let edge = *self.connects.get(key)?;
                Some(((edge, self.connects_at(edge)?.number), key, seat))
            });
            let (Some(metrics), Some((edge, key, seat))) = (metrics, place) else {
                self.take_off(&before);
                if metrics.is_some() {
                    // What it carries meanwhile is counted as soon as it is known of what.
                    self.carried.put.insert((host, flow), Put { totals: before.totals, ..Put::default() });
                }
                continue;
            };
            let (now, totals, least_us) = seen_from(seat, metrics);
            let after = Put { edge: Some(edge), now, least_us, totals };
            if after != before {
                self.take_off(&before);
                let new = totals.since(before.totals);
                // What came through in the same moment did before.
                if new.unanswered > 0 {
                    self.calls.unanswered(store, key, new.unanswered, (now_ms, LATELY_REPEATED_MS));
                } else if new.opened > 0 || new.received_bytes > 0 {
                    self.calls.answered(key, now_ms);
                }
                self.change(edge, |carried| {
                    carried.now += now;
                    carried.totals += new;
                    carried.note_least(least_us);
                });
            }
            self.carried.put.insert((host, flow), after);
        }
    }

    fn take_off(&mut self, put: &Put) {
        if let Some(edge) = put.edge {
            self.change(edge, |carried| carried.now -= put.now);
        }
    }

    fn connects_at(&self, edge: EdgeIndex) -> Option<&Connects> {
        match self.graph.edge_weight(edge) {
            Some(Edge::Connects(connects)) => Some(connects),
            _ => None,
        }
    }

    fn change(&mut self, (edge, number): (EdgeIndex, u64), change: impl FnOnce(&mut Carried)) {
        match self.graph.edge_weight_mut(edge) {
            Some(Edge::Connects(connects)) if connects.number == number => change(&mut connects.carried),
            _ => return,
        }
        self.note_carried(edge);
    }

    fn note_carried(&mut self, edge: EdgeIndex) {
        if self.followed.common {
            self.changed.carried.insert(edge);
        }
    }

    /// Of a host that is forgotten.
    pub(super) fn forget_carried(&mut self, id: HostId) {
        self.carried.put.retain(|(host, _), _| *host != id);
    }
}
