//! What a reader hears of an edge: the conversations that it stands for, each with its way through the interfaces.

use std::collections::BTreeSet;

use shared::view::{Conversation, Edge, EdgePath, Parent, PathHop, Sight};

use super::live::View;
use super::place::{Place, api_id};
use super::{Kind, summary};
use crate::store::Store;
use crate::topology::interfaces::is_shown;
use crate::topology::join;
use crate::topology::path::{Hop, Onward, path};
use crate::topology::{ConnectsKey, Entity, Topology};

/// So many conversations are told of an edge.
const TOLD: usize = 10;

/// Of the edges from one node of a view to another, by the ids of the API; to one port where that is given. None where
/// the view has no such nodes.
pub fn paths(
    view: &View,
    (source, target, port): (&str, &str, Option<u16>),
    topology: &Topology,
    store: &Store,
) -> Option<Vec<EdgePath>> {
    let (from, to) = (view.find(source)?, view.find(target)?);
    let edges = view.edges_between(from, to, topology).into_iter();
    let edges = edges.filter(|(edge, ..)| port.is_none_or(|port| edge.port == port));
    let told = edges.map(|(edge, within)| {
        let mut conversations: Vec<_> = within
            .iter()
            .flat_map(|key| topology.join.conversations(key).into_iter().map(move |sights| (key, sights)))
            .collect();
        let more = conversations.len().saturating_sub(TOLD);
        conversations.truncate(TOLD);
        EdgePath {
            conversations: conversations
                .iter()
                .map(|(key, sights)| conversation(key, sights, topology, store))
                .collect(),
            more: u32::try_from(more).unwrap_or(u32::MAX),
            path: within
                .iter()
                .map(|key| path(store, &key.source, &key.target, key.network.as_ref()))
                .find(|way| !way.is_empty())
                .map(|way| way.iter().filter_map(|hop| in_words(hop, topology, store)).collect())
                .unwrap_or_default(),
            edge: Edge {
                id: edge_id(source, target, &edge),
                source: source.to_owned(),
                target: target.to_owned(),
                ..edge
            },
        }
    });
    Some(told.collect())
}

/// As lists have it.
fn edge_id(source: &str, target: &str, edge: &Edge) -> String {
    let over = edge.network.as_ref().map(|network| format!("---{network}")).unwrap_or_default();
    format!("{source}---{target}---{}:{}{over}", edge.protocol, edge.port)
}

fn conversation(key: &ConnectsKey, sights: &[join::sights::Sight], topology: &Topology, store: &Store) -> Conversation {
    let end = |entity| summary::named(entity, topology, store).unwrap_or_default();
    let sight = |sight: &join::sights::Sight| Sight {
        place: sight.place.name().into(),
        from: sight.tuple.from.to_string(),
        to: sight.tuple.to.to_string(),
    };
    Conversation { source: end(&key.source), target: end(&key.target), sights: sights.iter().map(sight).collect() }
}

fn in_words(hop: &Hop, topology: &Topology, store: &Store) -> Option<PathHop> {
    let link = store.hosts.get(&hop.host)?.report.links.get(&hop.link)?;
    let place = Place::Single(Entity::Interface(hop.host, hop.link));
    let summary = summary::render(Kind::Interfaces, &place, &BTreeSet::new(), topology, store)?;
    Some(PathHop {
        node: Parent {
            // Loopback stands in no view.
            id: if is_shown(link) { api_id(Kind::Interfaces, &place, store)? } else { String::new() },
            label: summary.label,
            topology_id: Kind::Interfaces.id().into(),
        },
        of: summary.label_minor,
        state: summary.state,
        onward: match &hop.onward {
            None => String::new(),
            Some(Onward::By(medium)) => medium.name().into(),
            Some(Onward::Network) => "network".into(),
        },
    })
}
