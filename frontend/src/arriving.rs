//! A view that is told in several messages at first: what has come of it so far.

use shared::view::StreamDelta;

/// Of one socket.
#[derive(Default)]
pub struct Arriving {
    /// The number of what came last; none before there is a beginning.
    last: Option<u64>,
    /// What is not whole yet.
    begun: Option<StreamDelta>,
}

#[derive(Debug, PartialEq)]
pub enum Arrived {
    /// What can be taken: a view as it is at first, with all its parts together, or what changed of it, of which more may come.
    Taken(Box<StreamDelta>),
    /// More of the view comes.
    Part,
    /// A message was missed.
    Gap,
}

impl Arriving {
    pub fn take(&mut self, delta: StreamDelta) -> Arrived {
        // Only what begins anew needs nothing before it.
        if !delta.reset && self.last.is_none_or(|last| delta.sequence != last + 1) {
            return Arrived::Gap;
        }
        self.last = Some(delta.sequence);
        let whole = match self.begun.take() {
            Some(before) if !delta.reset => joined(before, delta),
            _ => delta,
        };
        if whole.reset && whole.more {
            self.begun = Some(whole);
            return Arrived::Part;
        }
        Arrived::Taken(Box::new(whole))
    }
}

/// What two messages say that follow each other, both of what there is and not of what changed.
fn joined(mut before: StreamDelta, after: StreamDelta) -> StreamDelta {
    let StreamDelta { sequence, more, at, nodes, edges, stats, status, .. } = after;
    before.nodes.extend(nodes);
    before.edges.extend(edges);
    let (stats, status) = (stats.or(before.stats), status.or(before.status));
    StreamDelta { sequence, more, at, stats, status, ..before }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{Stats, StreamEdge, Summary};

    fn part(sequence: u64, reset: bool, more: bool, node: u32) -> StreamDelta {
        StreamDelta { sequence, reset, more, nodes: vec![(node, Summary::default())], ..StreamDelta::default() }
    }

    #[test]
    fn a_message_by_itself_is_whole_and_parts_are_so_together() {
        let mut arriving = Arriving::default();
        let one = part(5, true, false, 1);
        assert_eq!(arriving.take(one.clone()), Arrived::Taken(Box::new(one)));
        let stats = Some(Stats { node_count: 3, ..Stats::default() });
        assert_eq!(arriving.take(StreamDelta { stats, ..part(6, true, true, 1) }), Arrived::Part);
        assert_eq!(arriving.take(part(7, false, true, 2)), Arrived::Part);
        let edges = vec![(9, StreamEdge::default())];
        let last = StreamDelta { edges: edges.clone(), at: 77, ..part(8, false, false, 3) };
        let Arrived::Taken(whole) = arriving.take(last) else { panic!("all of it came") };
        assert_eq!(whole.nodes.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((whole.sequence, whole.reset, whole.more, whole.at), (8, true, false, 77));
        assert_eq!((whole.stats, whole.edges), (stats, edges));
    }

    #[test]
    fn what_changed_is_taken_part_by_part() {
        let mut arriving = Arriving::default();
        arriving.take(part(1, true, false, 7));
        let parts = [part(2, false, true, 8), part(3, false, false, 9)];
        assert_eq!(parts.clone().map(|part| arriving.take(part)), parts.map(|part| Arrived::Taken(Box::new(part))));
    }

    #[test]
    fn a_message_that_is_missed_is_noticed() {
        let mut arriving = Arriving::default();
        assert_eq!(arriving.take(part(3, false, false, 1)), Arrived::Gap, "nothing was told before");
        assert!(matches!(arriving.take(part(3, true, false, 1)), Arrived::Taken(_)));
        assert_eq!(arriving.take(part(5, false, false, 1)), Arrived::Gap);
        assert_eq!(arriving.take(part(3, false, false, 1)), Arrived::Gap);
        assert!(matches!(arriving.take(part(4, false, false, 1)), Arrived::Taken(_)));
    }

    #[test]
    fn a_part_that_is_missing_is_noticed_and_a_new_beginning_needs_none() {
        let mut arriving = Arriving::default();
        assert_eq!(arriving.take(part(6, true, true, 1)), Arrived::Part);
        assert_eq!(arriving.take(part(8, false, false, 2)), Arrived::Gap);
        assert_eq!(arriving.take(part(6, true, true, 1)), Arrived::Part);
        let anew = part(20, true, false, 2);
        assert_eq!(arriving.take(anew.clone()), Arrived::Taken(Box::new(anew)));
    }
}
