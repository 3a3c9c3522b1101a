//! What is left of connections of processes that are gone: what they carried and what failed of them counts on for their
//! container or host, for as long as that has conversations of the kind.

use petgraph::Direction;
use petgraph::stable_graph::{EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::carried::Carried;
use super::{Connects, ConnectsKey, Edge, Entity, Topology};

impl Connects {
    /// Whether it stands for what was, and no conversation is of it.
    pub fn is_remnant(&self) -> bool {
        self.count == 0
    }

    fn is_like(&self, key: &ConnectsKey) -> bool {
        (self.medium, self.port, &self.network) == (key.medium, key.port, &key.network)
    }
}

impl Topology {
    /// To be called before an edge between these goes.
    pub(super) fn bequeath(&mut self, (source, target): (NodeIndex, NodeIndex), connects: &Connects) {
        let Connects { evidence, failures, carried, .. } = *connects;
        let is_of_process = [source, target].iter().any(|end| matches!(self.graph[*end], Entity::Process(..)));
        self.is_bereft = true;
        if !is_of_process || (failures.is_none() && carried.totals.is_none()) || connects.is_remnant() {
            return;
        }
        let (Some(source), Some(target)) = (self.keeper_of(source), self.keeper_of(target)) else { return };
        let key = connects.key(self.graph[source].clone(), self.graph[target].clone());
        let edge = *self.remnants.entry(key.clone()).or_insert_with(|| {
            self.numbered += 1;
            let remnant = Connects::new(&key, evidence, self.numbered);
            self.graph.add_edge(source, target, Edge::Connects(Box::new(remnant)))
        });
        if let Some(Edge::Connects(remnant)) = self.graph.edge_weight_mut(edge) {
            remnant.failures += failures;
            remnant.carried += Carried { now: Default::default(), ..carried };
            self.changed.edges.insert(edge);
        }
    }

    /// A process's container or host; another thing is its own.
    fn keeper_of(&self, node: NodeIndex) -> Option<NodeIndex> {
        if !matches!(self.graph[node], Entity::Process(..)) {
            return Some(node);
        }
        let mut parents = self.graph.edges_directed(node, Direction::Incoming);
        parents.find(|edge| matches!(edge.weight(), Edge::Runs)).map(|edge| edge.source())
    }

    /// Forgets what is left of conversations of which there are no others any more.
    pub(super) fn clear_remnants(&mut self) {
        if !std::mem::take(&mut self.is_bereft) || self.remnants.is_empty() {
            return;
        }
        let over: Vec<(ConnectsKey, EdgeIndex)> = self
            .remnants
            .iter()
            .filter(|(key, _)| !self.goes_on(key))
            .map(|(key, edge)| (key.clone(), *edge))
            .collect();
        for (key, edge) in over {
            self.remnants.remove(&key);
            self.graph.remove_edge(edge);
            self.changed.edges.insert(edge);
            for end in [&key.source, &key.target] {
                self.drop_if_outside_and_alone(end);
            }
        }
    }

    /// Whether any of the two and their processes have a conversation of this kind.
    fn goes_on(&self, key: &ConnectsKey) -> bool {
        let (Some(source), Some(target)) = (self.node(&key.source), self.node(&key.target)) else { return false };
        let runs = self.graph.edges_directed(source, Direction::Outgoing);
        let processes = runs.filter(|edge| matches!(edge.weight(), Edge::Runs)).map(|edge| edge.target());
        [source].into_iter().chain(processes).any(|end| {
            self.graph.edges_directed(end, Direction::Outgoing).any(|edge| match edge.weight() {
                Edge::Connects(connects) if !connects.is_remnant() && connects.is_like(key) => {
                    self.keeper_of(edge.target()) == Some(target)
                }
                _ => false,
            })
        })
    }
}
