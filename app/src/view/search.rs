//! What a search finds in a view: for who asks for the view itself, and for who asks what was found and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::query::{Query, Reason};
use shared::view::{Metric, SearchTables, Stats, Summary};

use super::outgoing::Outgoing;
use super::snapshot::{NodeSnapshot, ShownNode, Snapshot};

/// A node that a search found.
pub struct Hit<'a> {
    pub node: &'a ShownNode,
    /// Without what its reader is not to be told.
    pub summary: Summary,
    pub reasons: Vec<Reason>,
}

/// The nodes that a search finds, in the order of their ids. `hide` takes out of a node what its reader is not to be told,
/// which is not looked into either. It reads each node's text again: to be called where nobody waits.
pub fn hits<'a>(snapshot: &'a Snapshot, query: &Query, hide: impl Fn(&mut Summary), now_ms: u64) -> Vec<Hit<'a>> {
    let look = |node: &'a ShownNode| {
        let mut summary = node.summary();
        summary.metrics = node.measured.iter().map(Metric::from).collect();
        hide(&mut summary);
        let found = query.find(&summary, now_ms)?;
        Some(Hit { node, summary, reasons: found.reasons })
    };
    snapshot.nodes().iter().filter_map(look).collect()
}

/// Of the nodes' tables what a search looks for, of those that have something of it.
pub fn tables(snapshot: &Snapshot, query: &Query, hide: impl Fn(&mut Summary)) -> Vec<SearchTables> {
    let of = |node: &ShownNode| {
        let mut summary = node.summary();
        hide(&mut summary);
        SearchTables { id: summary.id.clone(), tables: query.rows(&summary.tables) }
    };
    snapshot.nodes().iter().map(of).filter(|node| !node.tables.is_empty()).collect()
}

/// The view with those nodes only, and the edges between them.
pub fn narrowed(snapshot: &Snapshot, query: &Query, hide: impl Fn(&mut Summary), now_ms: u64) -> Snapshot {
    let hits = hits(snapshot, query, hide, now_ms);
    let kept: BTreeSet<u32> = hits.iter().map(|hit| hit.node.slot).collect();
    let count = |nodes: usize| u32::try_from(nodes).unwrap_or(u32::MAX);
    let mut stats = Stats {
        node_count: count(hits.len()),
        nonpseudo_node_count: count(hits.iter().filter(|hit| !hit.summary.pseudo).count()),
        filtered_nodes: snapshot.stats.filtered_nodes + count(snapshot.nodes().len() - hits.len()),
        edge_count: 0,
    };
    let mut narrowed = |hit: &Hit| {
        let NodeSnapshot { slot, id, fragment, measured } = &hit.node.node;
        let between = hit.node.outgoing.with_targets().iter().zip(&*hit.node.carried);
        let between = between.filter(|((_, edge), _)| kept.contains(&edge.target));
        let (edges, carried): (Vec<_>, Vec<_>) = between.map(|(edge, carried)| (edge.clone(), *carried)).unzip();
        stats.edge_count += count(edges.len());
        ShownNode {
            node: NodeSnapshot { slot: *slot, id: id.clone(), fragment: fragment.clone(), measured: measured.clone() },
            // They were in order, and are.
            outgoing: Arc::new(Outgoing::new(id.clone(), edges)),
            carried: carried.into(),
        }
    };
    let nodes = hits.iter().map(&mut narrowed).collect();
    Snapshot::new(nodes, stats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Medium;
    use crate::topology::carried::Carried;
    use crate::view::fragment::Fragment;
    use crate::view::outgoing::{EdgeSnapshot, Id};
    use shared::addr::Protocol;
    use shared::report::Evidence;
    use shared::view::{Row, Table, TableRow};

    /// A node that talks to those, and has a row and a table.
    fn node(slot: u32, label: &str, secret: &str, targets: &[(u32, &str)]) -> ShownNode {
        let entries = [("label", "tier"), ("value", secret)].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let rows = vec![TableRow { entries: entries.into(), ..TableRow::default() }];
        let table = Table { id: "docker_env_".into(), label: "Environment variables".into(), rows, ..Table::default() };
        let uptime = Row { label: "Uptime".into(), since: Some(0), ..Row::default() };
        let summary = Summary {
            id: format!("id-{label}"),
            label: label.into(),
            metadata: vec![uptime],
            tables: vec![table],
            ..Summary::default()
        };
        let edge = |(target, id): &(u32, &str)| {
            let edge = EdgeSnapshot {
                slot: *target,
                source: slot,
                target: *target,
                medium: Medium::Transport(Protocol::Tcp),
                port: 80,
                network: None,
                count: 1,
                open: 1,
                evidence: Evidence::Listener,
                failures: Default::default(),
            };
            (Id::new(&format!("id-{id}")), edge)
        };
        let id = Id::new(&summary.id);
        ShownNode {
            outgoing: Arc::new(Outgoing::new(id.clone(), targets.iter().map(edge).collect())),
            carried: vec![Carried::default(); targets.len()].into(),
            node: NodeSnapshot { slot, id, fragment: Arc::new(Fragment::of(summary)), measured: Arc::new([]) },
        }
    }

    fn snapshot() -> Snapshot {
        let nodes = vec![
            node(0, "app", "front", &[(1, "db"), (2, "cache")]),
            node(1, "db", "back", &[]),
            node(2, "cache", "back", &[(1, "db")]),
        ];
        Snapshot::new(nodes, Stats::default())
    }

    fn check(query: &str, hide: impl Fn(&mut Summary), expect: &[&str]) {
        let query = Query::parse(query).unwrap();
        let (all, now_ms) = (snapshot(), 90_000);
        let found = hits(&all, &query, &hide, now_ms);
        let labels: Vec<&str> = found.iter().map(|hit| hit.summary.label.as_str()).collect();
        assert_eq!(labels, expect);
        let narrow = narrowed(&all, &query, &hide, now_ms);
        let ids: Vec<String> = narrow.nodes().iter().map(|node| node.id.plain.to_string()).collect();
        assert_eq!(ids, expect.iter().map(|label| format!("id-{label}")).collect::<Vec<_>>());
        assert_eq!(narrow.stats.filtered_nodes as usize, 3 - expect.len());
        assert_eq!(narrow.stats.edge_count as usize, narrow.edges().count());
        for (edge, _) in narrow.edges() {
            assert!(narrow.nodes().iter().any(|node| node.slot == edge.target), "both ends are there");
        }
    }

    #[test]
    fn a_view_is_narrowed_to_what_is_found_and_the_edges_between() {
        let all = |_: &mut Summary| {};
        check("app or db", all, &["app", "db"]);
        assert_eq!(narrowed(&snapshot(), &Query::parse("app or db").unwrap(), all, 0).edges().count(), 1);
        check("tier:back", all, &["db", "cache"]);
        check("not tier:back", all, &["app"]);
        check("uptime > 1m", all, &["app", "db", "cache"]);
        check("uptime > 2m", all, &[]);
    }

    #[test]
    fn what_a_reader_is_not_to_be_told_is_not_looked_into() {
        check("back", |summary| summary.tables.clear(), &[]);
    }
}
