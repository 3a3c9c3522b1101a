//! What of a report changed since any earlier moment, so that who passes it on looks at that only.

use std::collections::{BTreeSet, VecDeque};

use shared::delta::Parts;
use shared::id::ConnectionId;

/// So many changes of connections are remembered; who was away for longer is told of all.
const CONNECTIONS_MAX: usize = 16_384;

/// Moments are counted by changes.
#[derive(Default)]
pub struct Journal {
    now: u64,
    /// When each part changed last, by the number of its bit.
    parts: [u64; u32::BITS as usize],
    connections: VecDeque<(u64, ConnectionId)>,
    /// From when on all changes of connections are remembered.
    remembered: u64,
}

impl Journal {
    pub fn now(&self) -> u64 {
        self.now
    }

    pub fn note(&mut self, parts: Parts) {
        self.now += 1;
        for part in parts.iter() {
            self.parts[part.bits().trailing_zeros() as usize] = self.now;
        }
    }

    pub fn note_connections(&mut self, changed: impl IntoIterator<Item = ConnectionId>) {
        self.note(Parts::CONNECTIONS);
        self.connections.extend(changed.into_iter().map(|id| (self.now, id)));
        let too_many = self.connections.len().saturating_sub(CONNECTIONS_MAX);
        if let Some((last, _)) = self.connections.drain(..too_many).next_back() {
            self.remembered = last;
        }
    }

    pub fn since(&self, then: u64) -> Parts {
        let changed = |part: &Parts| self.parts[part.bits().trailing_zeros() as usize] > then;
        Parts::all().iter().filter(changed).collect()
    }

    /// None where that is not remembered.
    pub fn connections_since(&self, then: u64) -> Option<BTreeSet<ConnectionId>> {
        let start = self.connections.partition_point(|(at, _)| *at <= then);
        (then >= self.remembered).then(|| self.connections.range(start..).map(|(_, id)| *id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_to_each_from_where_they_were() {
        let mut journal = Journal::default();
        journal.note(Parts::HOST | Parts::LINKS);
        let then = journal.now();
        assert_eq!((journal.since(0), journal.since(then)), (Parts::HOST | Parts::LINKS, Parts::empty()));
        journal.note_connections([1, 2].map(ConnectionId));
        journal.note_connections([2, 3].map(ConnectionId));
        assert_eq!((journal.since(then), journal.since(then + 2)), (Parts::CONNECTIONS, Parts::empty()));
        let of = |then| journal.connections_since(then).unwrap().into_iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!((of(0), of(then + 1), of(then + 2)), (vec![1, 2, 3], vec![2, 3], vec![]));
    }

    #[test]
    fn who_was_away_for_too_long_is_told_so() {
        let mut journal = Journal::default();
        journal.note_connections([ConnectionId(1)]);
        let then = journal.now();
        journal.note_connections((0..CONNECTIONS_MAX as u64).map(ConnectionId));
        assert_eq!(journal.connections_since(0), None);
        assert_eq!(journal.connections_since(then).unwrap().len(), CONNECTIONS_MAX);
        journal.note_connections([ConnectionId(7)]);
        assert_eq!(journal.connections_since(then), None, "of several that changed at once some are forgotten");
        assert_eq!(journal.connections_since(then + 1).unwrap().len(), 1);
    }
}
