//! What two nodes say to one another over all ports: one line of the graph.

use std::collections::{BTreeMap, BTreeSet};

use shared::view::StreamEdge;
use smallvec::SmallVec;

use crate::text;

/// The edges of a view, by their numbers.
pub type Edges = BTreeMap<u32, StreamEdge>;

/// What is drawn of a line. There are thousands of them, most of one edge: all else is asked of their edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strand {
    /// The numbers of what it consists of, in order.
    pub edges: SmallVec<[u32; 2]>,
    /// Conversations that are open now.
    pub open: u32,
    /// The direction of any of it is only guessed.
    pub is_guess: bool,
    /// Source to target, bytes a second; none where nobody measures.
    pub sent: Option<f64>,
    pub received: Option<f64>,
    /// A second.
    pub opened: Option<f64>,
    pub again: Option<f64>,
    /// The longest of them.
    pub round_trip_ms: Option<f64>,
    /// Failures a second, of late.
    pub failing: f64,
    /// Those that are open and get no answer.
    pub unanswered: u32,
}

/// A line with what can be told of it, for whoever asks for one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub strand: Strand,
    pub ports: BTreeSet<u16>,
    pub protocols: BTreeSet<String>,
    /// Ids in the topology `networks`.
    pub networks: BTreeSet<String>,
}

/// What the thickness of lines says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    #[default]
    Traffic,
    Open,
    Opened,
    RoundTrip,
    Again,
}

impl Strand {
    fn add(&mut self, slot: u32, edge: &StreamEdge, failing: f64) {
        self.edges.push(slot);
        self.open += edge.open;
        self.is_guess |= edge.direction == "guess";
        self.carry(edge, failing);
    }

    /// Those of all that it consists of.
    pub fn among<'a>(&'a self, all: &'a Edges) -> impl Iterator<Item = &'a StreamEdge> {
        self.edges.iter().filter_map(|slot| all.get(slot))
    }

    /// On which ports it ends.
    pub fn ports<'a>(&'a self, all: &'a Edges) -> impl Iterator<Item = u16> + 'a {
        // What links interfaces has no port.
        self.among(all).map(|edge| edge.port).filter(|port| *port > 0)
    }

    pub fn told(self, all: &Edges) -> Told {
        let protocols = self.among(all).map(|edge| edge.protocol.clone()).collect();
        let networks = self.among(all).filter_map(|edge| edge.network.clone()).collect();
        Told { ports: self.ports(all).collect(), protocols, networks, strand: self }
    }

    /// Adds what is measured of an edge.
    fn carry(&mut self, edge: &StreamEdge, failing: f64) {
        self.failing += failing;
        let figure = |n| figure(edge, n);
        let sum = |so_far: &mut Option<f64>, more: Option<f64>| {
            *so_far = more.map_or(*so_far, |more| Some(so_far.unwrap_or(0.0) + more));
        };
        // In the order of `EDGE_METRICS`.
        sum(&mut self.sent, figure(0));
        sum(&mut self.received, figure(1));
        sum(&mut self.opened, figure(2));
        sum(&mut self.again, figure(3));
        let longest = figure(4).into_iter().chain(self.round_trip_ms);
        self.round_trip_ms = longest.reduce(f64::max);
        self.unanswered += unanswered(edge);
    }

    /// As if nothing had been measured.
    fn empty(&mut self) {
        (self.sent, self.received, self.opened, self.again, self.round_trip_ms) = (None, None, None, None, None);
        (self.failing, self.unanswered) = (0.0, 0);
    }

    /// Takes in what goes over another line.
    pub fn merge(&mut self, other: &Self) {
        let sum = |a: &mut Option<f64>, b: Option<f64>| {
            if let Some(b) = b {
                *a = Some(a.unwrap_or(0.0) + b);
            }
        };
        self.open += other.open;
        self.failing += other.failing;
        self.unanswered += other.unanswered;
        sum(&mut self.sent, other.sent);
        sum(&mut self.received, other.received);
        sum(&mut self.opened, other.opened);
        sum(&mut self.again, other.again);
        self.round_trip_ms = self.round_trip_ms.into_iter().chain(other.round_trip_ms).reduce(f64::max);
    }

    /// Whether anything of it fails now, or gets no answer.
    pub fn fails(&self) -> bool {
        self.failing > 0.0 || self.unanswered > 0
    }

    /// How much fails, in a word: how often, else how many get no answer.
    pub fn failure(&self) -> String {
        match self.failing > 0.0 {
            true => text::edge_metric("per_s", self.failing),
            false => format!("{} unanswered", self.unanswered),
        }
    }

    pub fn is_measured(&self) -> bool {
        self.sent.is_some()
    }

    /// Thickness at zoom 1, pixels: 1.2 to 5.
    pub fn width(&self, by: By) -> f64 {
        1.2 + 3.8 * self.share(by)
    }

    /// How much of a lot its figure is, by the logarithm: 0 to 1.
    pub fn share(&self, by: By) -> f64 {
        // Each reaches its most at what is a lot: 10 MB/s, 1000 open, 1000/s, 1 s, 100/s.
        let (value, least, most) = match by {
            By::Traffic => (self.sent.unwrap_or(0.0) + self.received.unwrap_or(0.0), 100.0, 1e7),
            By::Open => (f64::from(self.open) - 1.0, 1.0, 1e3),
            By::Opened => (self.opened.unwrap_or(0.0), 0.1, 1e3),
            By::RoundTrip => (self.round_trip_ms.unwrap_or(0.0), 0.1, 1e3),
            By::Again => (self.again.unwrap_or(0.0), 0.1, 1e2),
        };
        let share = (1.0 + value.max(0.0) / least).ln() / (1.0 + most / least).ln();
        share.min(1.0)
    }
}

impl By {
    pub const ALL: [Self; 5] = [Self::Traffic, Self::Open, Self::Opened, Self::RoundTrip, Self::Again];

    /// In the page's address.
    pub fn id(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Open => "open",
            Self::Opened => "opened",
            Self::RoundTrip => "rtt",
            Self::Again => "again",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Traffic => "bytes a second",
            Self::Open => "open connections",
            Self::Opened => "opened a second",
            Self::RoundTrip => "round trip",
            Self::Again => "sent again",
        }
    }

    /// The next one, and after the last the first.
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|by| *by == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.id() == id)
    }
}

/// Lines by their ends; `ends` says from whom to whom an edge is drawn, if it is, and `failing` how many failures a second
/// it has of late.
pub fn strands<'a>(
    edges: impl Iterator<Item = (&'a u32, &'a StreamEdge)>,
    ends: impl Fn(&StreamEdge) -> Option<(u32, u32)>,
    failing: impl Fn(u32) -> f64,
) -> BTreeMap<(u32, u32), Strand> {
    let mut drawn: Vec<_> = edges.filter_map(|(slot, edge)| Some((ends(edge)?, *slot, edge))).collect();
    drawn.sort_unstable_by_key(|(ends, slot, _)| (*ends, *slot));
    let line = |same: &[((u32, u32), u32, &StreamEdge)]| {
        let mut strand = Strand::default();
        same.iter().for_each(|(_, slot, edge)| strand.add(*slot, edge, failing(*slot)));
        (same[0].0, strand)
    };
    drawn.chunk_by(|a, b| a.0 == b.0).map(line).collect()
}

/// Has lines say what their edges carry now. The edges are those that the lines were made of, and differ in that alone.
pub fn measure_anew(strands: &mut BTreeMap<(u32, u32), Strand>, all: &Edges, failing: impl Fn(u32) -> f64) {
    for strand in strands.values_mut() {
        strand.empty();
        let edges = std::mem::take(&mut strand.edges);
        for (slot, edge) in edges.iter().filter_map(|slot| Some((*slot, all.get(slot)?))) {
            strand.carry(edge, failing(slot));
        }
        strand.edges = edges;
    }
}

/// The `n`th of `EDGE_METRICS` that streams have.
fn figure(edge: &StreamEdge, n: usize) -> Option<f64> {
    edge.metrics.get(n).copied().flatten()
}

/// How many conversations of an edge are open and get no answer.
pub fn unanswered(edge: &StreamEdge) -> u32 {
    figure(edge, 5).unwrap_or(0.0) as u32
}

/// An edge is drawn between those that it is between.
pub fn own_ends(edge: &StreamEdge) -> Option<(u32, u32)> {
    Some((edge.source, edge.target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(port: u16, metrics: &[Option<f64>]) -> StreamEdge {
        StreamEdge { source: 1, target: 2, port, open: 3, metrics: metrics.to_vec(), ..StreamEdge::default() }
    }

    #[test]
    fn lines_that_are_measured_anew_are_as_if_they_were_made_anew() {
        let edges = |sent: [f64; 3]| {
            let figures = sent.map(|sent| [Some(sent), None, None, None, Some(sent * 2.0), Some(sent)]);
            let mut edges: BTreeMap<u32, StreamEdge> =
                (0..3).map(|n| (n, edge(80 + n as u16, &figures[n as usize]))).collect();
            edges.insert(3, StreamEdge { target: 7, ..edge(80, &[]) });
            edges
        };
        let (before, after) = (edges([1.0, 2.0, 3.0]), edges([9.0, 0.0, 1.0]));
        let failing = |slot: u32| f64::from(slot);
        let mut lines = strands(before.iter(), own_ends, failing);
        measure_anew(&mut lines, &after, |slot| f64::from(slot) * 0.5);
        assert_eq!(lines, strands(after.iter(), own_ends, |slot| f64::from(slot) * 0.5));
        assert_ne!(lines, strands(before.iter(), own_ends, failing));
    }

    #[test]
    fn ports_of_one_pair_add_up_and_the_longest_round_trip_counts() {
        let edges = Edges::from([
            (0, edge(81, &[Some(100.0), Some(5.0), Some(1.0), Some(0.0), Some(0.4)])),
            (1, edge(80, &[Some(20.0), None, None, None, Some(0.2)])),
            (2, edge(82, &[])),
            (3, StreamEdge { source: 2, target: 1, protocol: "udp".into(), ..edge(53, &[]) }),
        ]);
        let all = strands(edges.iter(), own_ends, |slot| f64::from(slot) * 0.5);
        let one = &all[&(1, 2)];
        assert_eq!((one.open, one.sent, one.received, one.round_trip_ms), (9, Some(120.0), Some(5.0), Some(0.4)));
        assert_eq!((one.failing, &one.edges[..]), (1.5, &[0, 1, 2][..]));
        let told = one.clone().told(&edges);
        assert_eq!(told.ports.into_iter().collect::<Vec<_>>(), [80, 81, 82]);
        let back = all[&(2, 1)].clone().told(&edges);
        assert_eq!((back.ports.first(), back.protocols.first().map(String::as_str)), (Some(&53), Some("udp")));
    }

    #[test]
    fn a_line_is_as_thick_as_its_figure_is_large_within_bounds() {
        for by in By::ALL {
            let of = |value: f64| {
                let (sent, round_trip_ms) = (Some(value), Some(value));
                let open = value as u32 + 1;
                Strand { open, sent, opened: sent, again: sent, round_trip_ms, ..Strand::default() }.width(by)
            };
            assert_eq!(of(0.0), 1.2, "{by:?}");
            assert!(of(10.0) < of(90.0) && of(90.0) <= 5.0, "{by:?}");
            assert_eq!(of(1e9), 5.0);
            assert_eq!(By::from_id(by.id()), Some(by));
        }
        assert!(!Strand::default().is_measured());
    }
}
