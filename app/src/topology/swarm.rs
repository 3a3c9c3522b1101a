//! Nodes, services and tasks of swarms in the graph: a service runs its tasks, a node those that are placed on it, a task
//! its container.

use std::collections::BTreeSet;

use petgraph::Direction;
use petgraph::stable_graph::EdgeIndex;
use petgraph::visit::EdgeRef;
use shared::delta::Delta;
use shared::id::{ContainerId, HostId, ServiceId, SwarmNodeId, TaskId};
use shared::report::{Container, Service, SwarmNode, Task};

use super::held::Holder;
use super::{Edge, Entity, Topology};
use crate::store::{HostState, Liveness, Store};

/// What the labels of a container say of its place in a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub service: ServiceId,
    pub task: TaskId,
    pub node: Option<SwarmNodeId>,
}

pub fn placed(container: &Container) -> Option<Placed> {
    let label = |key: &str| container.labels.get(key).filter(|value| !value.is_empty());
    Some(Placed {
        service: label("com.docker.swarm.service.id")?.as_str().into(),
        task: label("com.docker.swarm.task.id")?.as_str().into(),
        node: label("com.docker.swarm.node.id").map(|id| id.as_str().into()),
    })
}

impl Topology {
    pub(super) fn apply_swarm(&mut self, id: HostId, host: &HostState, change: &Delta) {
        let Delta { swarm_nodes, services, tasks, weave, stores, host: facts, .. } = change;
        let lists_nothing = swarm_nodes.is_empty() && services.is_empty() && tasks.is_empty();
        if !(lists_nothing && weave.is_empty() && stores.is_empty()) {
            self.renew_listed(id, host);
        }
        if !weave.is_empty() {
            self.renew_mesh(id, Some(host));
        }
        if facts.is_none() {
            return;
        }
        // A store's members are named after the hosts that have their addresses.
        let stores = self.held.all().filter(|entity| matches!(entity, Entity::StoreMember(..)));
        let stores: Vec<_> = stores.filter_map(|store| self.node(store)).collect();
        self.changed.nodes.extend(stores);
        let member = host.report.host.engine.as_ref().and_then(|engine| engine.swarm.as_ref()).map(|m| m.node.clone());
        if self.members.get(&id) != member.as_ref() {
            let before = match member.clone() {
                Some(node) => self.members.insert(id, node),
                None => self.members.remove(&id),
            };
            // All of the host stands elsewhere in the view of nodes.
            let mine = self.of_host(id);
            self.changed.nodes.extend(mine);
            for node in before.into_iter().chain(member) {
                self.touch(&Entity::SwarmNode(node));
            }
        }
    }

    /// Brings what a host lists up to its tables. A task that is listed stands for its service and its node too.
    fn renew_listed(&mut self, id: HostId, host: &HostState) {
        let holder = (id, None);
        let report = &host.report;
        let of_tasks = report.tasks.iter().flat_map(|(id, task)| {
            let service = task.service.clone().map(Entity::Service);
            [Some(Entity::Task(id.clone())), service, task.node.clone().map(Entity::SwarmNode)].into_iter().flatten()
        });
        let services = report.services.keys().map(|id| Entity::Service(id.clone()));
        let nodes = report.swarm_nodes.keys().map(|id| Entity::SwarmNode(id.clone()));
        let stores = report.stores.values().flat_map(|store| {
            store.members.keys().map(|address| Entity::StoreMember(store.kind, address.as_str().into()))
        });
        let peers = report.weave.values().flat_map(|router| router.peers.keys());
        let peers = peers.chain(report.weave.keys()).map(|id| Entity::WeavePeer(id.clone()));
        let wanted: BTreeSet<Entity> = of_tasks.chain(services).chain(nodes).chain(peers).chain(stores).collect();
        self.renew(&holder, wanted);
        for (task, record) in &report.tasks {
            self.place_task(task, record.service.as_ref(), record.node.as_ref());
        }
        for entity in self.held.by(&holder) {
            self.touch(&entity);
        }
    }

    /// Brings a container's place in its swarm up to its labels.
    pub(super) fn apply_placement(&mut self, id: HostId, container: &ContainerId, record: &Container) {
        let placed = placed(record);
        let wanted = placed.iter().flat_map(entities).collect();
        self.renew(&(id, Some(container.clone())), wanted);
        let Some(placed) = placed else { return };
        let container = Entity::Container(id, container.clone());
        self.place_task(&placed.task, Some(&placed.service), placed.node.as_ref());
        self.runs(&Entity::Task(placed.task), &container);
        self.touch(&container);
    }

    /// What a holder knows of, instead of what it knew of before.
    fn renew(&mut self, holder: &Holder, wanted: BTreeSet<Entity>) {
        for entity in self.held.by(holder) {
            if !wanted.contains(&entity) {
                self.release(&entity, holder);
            }
        }
        for entity in wanted {
            self.held.hold(&entity, holder);
            self.add(entity);
        }
    }

    /// Whatever a holder knew of, it knows no more.
    pub(super) fn release_all(&mut self, holder: &Holder) {
        self.renew(holder, BTreeSet::new());
    }

    pub(super) fn touch_held(&mut self, host: HostId) {
        for holder in self.held.of_host(host) {
            for entity in self.held.by(&holder) {
                self.touch(&entity);
            }
        }
    }

    pub(super) fn forget_swarm(&mut self, host: HostId) {
        self.renew_mesh(host, None);
        for holder in self.held.of_host(host) {
            self.release_all(&holder);
        }
        if let Some(node) = self.members.remove(&host) {
            self.touch(&Entity::SwarmNode(node));
        }
    }

    fn release(&mut self, entity: &Entity, holder: &Holder) {
        self.touch(entity);
        if self.held.release(entity, holder) {
            self.remove(entity);
        }
    }

    /// Notes that it looks different, and so do those who speak of it: services and nodes count their tasks, tasks name
    /// their service and node, and a container makes its service's count.
    pub(super) fn touch(&mut self, entity: &Entity) {
        let Some(node) = self.node(entity) else { return };
        self.changed.nodes.insert(node);
        let is_swarm = |entity: &Entity| matches!(entity, Entity::Service(_) | Entity::Task(_) | Entity::SwarmNode(_));
        let others = self.graph.neighbors_undirected(node).filter(|other| is_swarm(&self.graph[*other]));
        let others: Vec<_> = others.collect();
        self.changed.nodes.extend(others.iter().copied());
        if let Entity::Container(..) = entity {
            let tasks: Vec<Entity> = others.iter().map(|other| self.graph[*other].clone()).collect();
            tasks.iter().for_each(|task| self.touch(task));
        }
    }

    /// Services name the networks that they are in.
    pub(super) fn touch_services(&mut self) {
        let services = self.held.all().filter(|entity| matches!(entity, Entity::Service(_)));
        let services: Vec<_> = services.filter_map(|service| self.node(service)).collect();
        self.changed.nodes.extend(services);
    }

    fn place_task(&mut self, task: &TaskId, service: Option<&ServiceId>, node: Option<&SwarmNodeId>) {
        let task = Entity::Task(task.clone());
        if let Some(service) = service {
            self.runs(&Entity::Service(service.clone()), &task);
        }
        if let Some(node) = node {
            // A task that was not placed before.
            let node = Entity::SwarmNode(node.clone());
            self.leave_other_nodes(&task, &node);
            self.runs(&node, &task);
        }
    }

    fn leave_other_nodes(&mut self, task: &Entity, node: &Entity) {
        let Some(at) = self.node(task) else { return };
        let others: Vec<EdgeIndex> = self
            .graph
            .edges_directed(at, Direction::Incoming)
            .filter(|edge| matches!(&self.graph[edge.source()], other @ Entity::SwarmNode(_) if other != node))
            .map(|edge| edge.id())
            .collect();
        for edge in others {
            if let Some((other, _)) = self.graph.edge_endpoints(edge) {
                self.changed.nodes.insert(other);
            }
            self.graph.remove_edge(edge);
        }
    }

    fn runs(&mut self, above: &Entity, below: &Entity) {
        let (Some(above), Some(below)) = (self.node(above), self.node(below)) else { return };
        if self.graph.find_edge(above, below).is_none() {
            self.graph.add_edge(above, below, Edge::Runs);
            self.changed.nodes.extend([above, below]);
        }
    }

    /// What somebody who lists it says of a service, those first who are live.
    pub fn service<'a>(&self, store: &'a Store, id: &ServiceId) -> Option<&'a Service> {
        self.listed(store, &Entity::Service(id.clone()), |host| host.report.services.get(id))
    }

    /// As `service`, of a task.
    pub fn task<'a>(&self, store: &'a Store, id: &TaskId) -> Option<&'a Task> {
        self.listed(store, &Entity::Task(id.clone()), |host| host.report.tasks.get(id))
    }

    /// As `service`, of a node.
    pub fn swarm_node<'a>(&self, store: &'a Store, id: &SwarmNodeId) -> Option<&'a SwarmNode> {
        self.listed(store, &Entity::SwarmNode(id.clone()), |host| host.report.swarm_nodes.get(id))
    }

    /// As `swarm_node`, with the host whose word it is.
    pub fn swarm_node_by<'a>(&self, store: &'a Store, id: &SwarmNodeId) -> Option<(&'a HostState, &'a SwarmNode)> {
        let host = self.best_lister(store, &Entity::SwarmNode(id.clone()))?;
        Some((host, host.report.swarm_nodes.get(id)?))
    }

    /// Hosts that list a thing in their tables.
    pub fn listed_by(&self, entity: &Entity) -> impl Iterator<Item = HostId> {
        self.held.listed_by(entity)
    }

    /// All services, tasks and nodes that anybody knows of.
    pub fn swarm_entities(&self) -> impl Iterator<Item = &Entity> {
        self.held.all()
    }

    fn listed<'a, T>(
        &self,
        store: &'a Store,
        entity: &Entity,
        of: impl Fn(&'a HostState) -> Option<&'a T>,
    ) -> Option<&'a T> {
        of(self.best_lister(store, entity)?)
    }

    /// Of those who list a thing, one who is live, if any is.
    fn best_lister<'a>(&self, store: &'a Store, entity: &Entity) -> Option<&'a HostState> {
        let hosts = self.held.listed_by(entity).filter_map(|id| store.hosts.get(&id));
        hosts.min_by_key(|host| (host.liveness != Liveness::Live, host.liveness == Liveness::Down))
    }

    /// The containers of a service, a node or a task that are on hosts with a probe.
    pub fn containers_of<'a>(&self, store: &'a Store, entity: &Entity) -> Vec<&'a Container> {
        let mut found = Vec::new();
        for below in self.runs_of(entity) {
            match below {
                Entity::Container(host, id) => {
                    found.extend(store.hosts.get(host).and_then(|host| host.report.containers.get(id)));
                }
                Entity::Task(_) => found.extend(self.containers_of(store, below)),
                _ => {}
            }
        }
        found
    }

    pub fn has_running_container(&self, store: &Store, entity: &Entity) -> bool {
        self.containers_of(store, entity).iter().any(|container| container.state.is_running())
    }

    /// The host with a probe that is that node.
    pub fn host_of(&self, id: &SwarmNodeId) -> Option<HostId> {
        self.members.iter().find(|(_, node)| *node == id).map(|(host, _)| *host)
    }

    /// What a thing runs itself, in the order of identity.
    pub fn runs_of(&self, entity: &Entity) -> BTreeSet<&Entity> {
        let edges = self.node(entity).into_iter().flat_map(|node| self.graph.edges_directed(node, Direction::Outgoing));
        edges.filter(|edge| matches!(edge.weight(), Edge::Runs)).map(|edge| &self.graph[edge.target()]).collect()
    }
}

fn entities(placed: &Placed) -> Vec<Entity> {
    let Placed { service, task, node } = placed.clone();
    let node = node.map(Entity::SwarmNode);
    [Entity::Service(service), Entity::Task(task)].into_iter().chain(node).collect()
}
