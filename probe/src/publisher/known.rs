//! What an app knows of the report.

use std::collections::BTreeMap;

use shared::Report;
use shared::delta::{self, Changes, Delta, Parts};

use crate::state::Published;

/// What the app was sent last. Connections are not kept: they are many, and which of them changed is in the journal.
pub struct Known {
    report: Report,
    /// Up to where in the journal, and up to where as far as samples go, which are sent less often.
    seen: u64,
    samples_seen: u64,
}

impl Known {
    /// All of it.
    pub fn of(published: &Published) -> Self {
        let now = published.journal.now();
        let report = Report { connections: BTreeMap::new(), ..published.report.clone() };
        Self { report, seen: now, samples_seen: now }
    }

    /// Whether something else than samples changed.
    pub fn is_outdated(&self, published: &Published) -> bool {
        !(published.journal.since(self.seen) - Parts::METRICS).is_empty()
    }

    /// What the app does not know yet, and does from now on; none where that is more than is remembered.
    pub fn news(&mut self, published: &Published, with_samples: bool) -> Option<Delta> {
        let Published { report, journal, .. } = published;
        let mut parts = journal.since(self.seen) - Parts::METRICS;
        if with_samples {
            parts |= journal.since(self.samples_seen) & Parts::METRICS;
            self.samples_seen = journal.now();
        }
        let mut connections = Changes::default();
        if parts.contains(Parts::CONNECTIONS) {
            for id in journal.connections_since(self.seen)? {
                match report.connections.get(&id) {
                    Some(connection) => connections.set.push((id, connection.clone())),
                    // Of one that came and went meanwhile the app does not know.
                    None => connections.removed.push(id),
                }
            }
        }
        self.seen = journal.now();
        let change = delta::between_parts(&self.report, report, parts - Parts::CONNECTIONS);
        delta::apply(&change, &mut self.report);
        Some(Delta { connections, ..change })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::id::{ConnectionId, ProcessId};
    use shared::report::{HostMetrics, Process, ProcessMetrics};

    use super::*;
    use crate::socket::held::tests::connection;
    use crate::state::Reading;

    fn reading(kind: u8, n: u16) -> Reading {
        let id = ProcessId { pid: n.into(), start: 1 };
        match kind {
            0 => Reading::Connections(
                Changes { set: vec![(ConnectionId(n.into()), connection(n).into())], removed: Vec::new() },
                Changes::default(),
            ),
            1 => Reading::Connections(
                Changes { set: Vec::new(), removed: vec![ConnectionId(n.into())] },
                Changes::default(),
            ),
            2 => Reading::Processes([(id, Process::default())].into(), [(id, ProcessMetrics::default())].into()),
            _ => Reading::ProcessMetrics([(id, ProcessMetrics { threads: n.into(), ..Default::default() })].into()),
        }
    }

    proptest! {
        #[test]
        fn whoever_applies_what_is_new_has_the_report(
            steps in proptest::collection::vec((0u8..4, 0u16..6, 0u8..3), 1..60)
        ) {
            let mut published = Published::default();
            published.report.metrics.host = Some(HostMetrics::default());
            let mut known = Known::of(&published);
            let mut app = published.report.clone();
            for (kind, n, sends) in steps {
                published.take(reading(kind, n));
                let is_outdated = known.is_outdated(&published);
                if sends > 0 {
                    let with_samples = sends == 2;
                    let change = known.news(&published, with_samples).unwrap();
                    prop_assert!(with_samples || change.metrics.is_empty());
                    prop_assert!(is_outdated || with_samples || change.is_empty());
                    prop_assert!(!known.is_outdated(&published));
                    delta::apply(&change, &mut app);
                    prop_assert_eq!(&app.connections, &published.report.connections);
                    prop_assert_eq!(&app.processes, &published.report.processes);
                    if with_samples {
                        prop_assert_eq!(&app, &published.report);
                    }
                }
            }
            prop_assert!(known.news(&published, true).is_some());
            prop_assert!(known.news(&published, true).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_more_than_is_remembered_is_not_told_in_part() {
        let mut published = Published::default();
        let mut known = Known::of(&published);
        for first in [1, 20_001] {
            let set = (first..first + 20_000u64).map(|n| (ConnectionId(n), connection(1).into())).collect();
            published.take(Reading::Connections(Changes { set, removed: Vec::new() }, Changes::default()));
        }
        assert!(known.news(&published, true).is_none());
        assert!(Known::of(&published).news(&published, true).unwrap().is_empty());
    }
}
