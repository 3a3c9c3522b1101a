//! The single owner of the host's report: takes what the collectors read, and notes what of it changed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use shared::Report;
use shared::delta::{Changes, Parts};
use shared::id::{ConnectionId, ContainerId, NetNsId, NetworkId, ProcessId, WeavePeerId};
use shared::report::{
    Collector, CollectorStatus, ContainerMetrics, Flow, FlowKey, FlowMetrics, Host, HostMetrics, Link, LinkKey,
    LinkMetrics, Listener, ListenerKey, Namespace, Network, NetworkScope, Overlay, Paths, Process, ProcessMetrics,
    SharedConnection, WeaveRouter,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cgroup;
use crate::cluster_store::{self, keys::Kept};
use crate::docker::Inventory;
use crate::docker::swarm::Cluster;
use crate::journal::Journal;
use crate::weave;

/// Of fewer connections no room is worth the while.
const PACKED_FROM: usize = 1_024;

/// What a collector read. Tables replace what was known, changes add to it.
#[derive(Debug)]
pub enum Reading {
    Status(Collector, CollectorStatus),
    Host(Box<Host>, HostMetrics),
    Processes(BTreeMap<ProcessId, Process>, BTreeMap<ProcessId, ProcessMetrics>),
    /// Where the processes are those that they were.
    ProcessMetrics(BTreeMap<ProcessId, ProcessMetrics>),
    ContainerMetrics(BTreeMap<ContainerId, ContainerMetrics>),
    Namespaces(BTreeMap<NetNsId, Namespace>, BTreeMap<ListenerKey, Listener>),
    /// What changed of them.
    Connections(Changes<ConnectionId, SharedConnection>, Changes<FlowKey, Flow>),
    /// What changed of the names of addresses.
    Names(Changes<IpAddr, Vec<String>>),
    /// What changed of them.
    FlowMetrics(Changes<FlowKey, FlowMetrics>),
    Links(BTreeMap<LinkKey, Link>, BTreeMap<NetNsId, Paths>),
    LinkMetrics(BTreeMap<LinkKey, LinkMetrics>),
    /// When a reading of the source began, by the boot clock; after what it read.
    Began(Collector, u64),
    Engine(Box<Inventory>),
    Weave(BTreeMap<WeavePeerId, WeaveRouter>),
    Store(Box<cluster_store::Known>),
    /// That belong to the same moment.
    Several(Vec<Reading>),
}

/// The report as it is now, and when which of it changed. Whoever reads it holds up its owner: no longer than it takes to
/// look.
#[derive(Default)]
pub struct Published {
    pub report: Report,
    pub journal: Journal,
    told: Told,
    /// Connections that came or went since the tree of all was put together anew.
    changed_since_packed: usize,
}

/// What two sources tell of one thing, each as it told it last.
#[derive(Default)]
struct Told {
    networks: BTreeMap<NetworkId, Network>,
    overlays: BTreeMap<NetworkId, Overlay>,
    in_store: BTreeMap<NetworkId, Kept>,
}

pub async fn run(mut inbox: mpsc::Receiver<Reading>, reports: watch::Sender<Published>, stop: CancellationToken) {
    loop {
        let reading = tokio::select! {
            () = stop.cancelled() => return,
            reading = inbox.recv() => match reading {
                Some(reading) => reading,
                None => return,
            },
        };
        reports.send_modify(|published| {
            published.take(reading);
            // Whatever else is waiting belongs to the same moment.
            while let Ok(reading) = inbox.try_recv() {
                published.take(reading);
            }
        });
    }
}

impl Published {
    pub fn take(&mut self, reading: Reading) {
        let Self { report, journal, told, changed_since_packed } = self;
        match reading {
            Reading::Several(readings) => readings.into_iter().for_each(|reading| self.take(reading)),
            Reading::Status(collector, status) => {
                report.collectors.insert(collector, status);
                journal.note(Parts::COLLECTORS);
            }
            Reading::Host(host, metrics) => {
                let host = Host { engine: report.host.engine.clone(), ..*host };
                if report.host != host {
                    report.host = host;
                    journal.note(Parts::HOST);
                }
                report.metrics.host = Some(metrics);
                journal.note(Parts::HOST_METRICS);
            }
            Reading::Processes(processes, metrics) => {
                report.processes = processes;
                report.metrics.processes = metrics;
                attribute(report);
                journal.note(Parts::STRUCTURE | Parts::PROCESS_METRICS);
            }
            Reading::ProcessMetrics(metrics) => {
                report.metrics.processes = metrics;
                journal.note(Parts::PROCESS_METRICS);
            }
            Reading::ContainerMetrics(metrics) => {
                report.metrics.containers = metrics;
                journal.note(Parts::CONTAINER_METRICS);
            }
            Reading::Namespaces(namespaces, listeners) => {
                (report.namespaces, report.listeners) = (namespaces, listeners);
                attribute(report);
                journal.note(Parts::STRUCTURE);
            }
            Reading::Connections(connections, flows) => {
                connections.apply(&mut report.connections);
                *changed_since_packed += connections.set.len() + connections.removed.len();
                if *changed_since_packed > report.connections.len().max(PACKED_FROM) {
                    *changed_since_packed = 0;
                    // What comes one by one, and goes from between others, leaves half of a tree's room empty.
                    report.connections = std::mem::take(&mut report.connections).into_iter().collect();
                }
                flows.apply(&mut report.flows);
                let Changes { set, removed } = &connections;
                journal.note_connections(set.iter().map(|(id, _)| *id).chain(removed.iter().copied()));
                journal.note(Parts::FLOWS);
            }
            Reading::Names(changes) => {
                changes.apply(&mut report.names);
                journal.note(Parts::NAMES);
            }
            Reading::FlowMetrics(changes) => {
                changes.apply(&mut report.metrics.flows);
                journal.note(Parts::FLOW_METRICS);
            }
            Reading::Links(links, paths) => {
                (report.links, report.paths) = (links, paths);
                journal.note(Parts::LINKS);
                if !report.weave.is_empty() {
                    attribute(report);
                    journal.note(Parts::STRUCTURE);
                }
            }
            Reading::LinkMetrics(metrics) => {
                report.metrics.links = metrics;
                journal.note(Parts::LINK_METRICS);
            }
            Reading::Began(collector, boot_ms) => {
                report.metrics.read_ms.insert(collector, boot_ms);
                journal.note(Parts::READ_MS);
            }
            Reading::Weave(routers) => {
                report.weave = routers;
                told.merge(report);
                attribute(report);
                journal.note(Parts::STRUCTURE);
            }
            Reading::Store(known) => {
                report.stores = known.stores;
                told.in_store = known.networks;
                told.merge(report);
                attribute(report);
                journal.note(Parts::STRUCTURE);
            }
            Reading::Engine(inventory) => {
                let Inventory { engine, containers, elsewhere, images, networks, overlays, cluster } = *inventory;
                report.host.engine = engine;
                report.containers = containers;
                report.elsewhere = elsewhere;
                report.images = images;
                (told.networks, told.overlays) = (networks, overlays);
                told.merge(report);
                let Cluster { nodes, services, tasks } = cluster;
                (report.swarm_nodes, report.services, report.tasks) = (nodes, services, tasks);
                attribute(report);
                journal.note(Parts::HOST | Parts::STRUCTURE);
            }
        }
    }
}

impl Told {
    /// What the engine says of its networks, and what it leaves to its cluster store: where members elsewhere are, and
    /// by which VXLAN identifiers. An engine that uses the store knows sooner which networks there are; of one that does
    /// not, or does not answer yet, somebody may look into the store all the same.
    fn merge(&self, report: &mut Report) {
        report.networks = self.networks.clone();
        report.overlays = self.overlays.clone();
        let uses_it = self.networks.values().any(|network| network.scope == NetworkScope::Global);
        let told = self.in_store.iter().filter(|(id, _)| !uses_it || self.networks.contains_key(id));
        for (id, Kept { network, overlay }) in told {
            let known = report.networks.entry(id.clone()).or_insert_with(|| network.clone());
            for (name, value) in &network.options {
                known.options.entry(name.clone()).or_insert_with(|| value.clone());
            }
            if network.driver == "overlay" {
                let known = report.overlays.entry(id.clone()).or_default();
                known.peers.extend(&overlay.peers);
                for (address, member) in &overlay.members {
                    known.members.insert(*address, member.clone());
                }
            }
        }
    }
}

/// Says which container each process is in, which namespace each container has, and who is in the network of Weave's
/// mesh.
fn attribute(report: &mut Report) {
    weave::network::part(report);
    place(report);
    weave::network::join(report);
}

fn place(report: &mut Report) {
    let Report { processes, containers, namespaces, .. } = report;
    let of_pid: BTreeMap<u32, ContainerId> =
        containers.iter().filter_map(|(id, c)| Some((c.pid?, id.clone()))).collect();
    // A container may run an engine of its own; only this engine's containers are known here, the innermost first.
    let by_group = |process: &Process| {
        let mut inside = None;
        for text in cgroup::container_ids(&process.cgroup) {
            let id = ContainerId::from(text);
            if containers.contains_key(&id) {
                inside = Some(id);
            }
        }
        inside
    };
    let found: Vec<Option<ContainerId>> =
        processes.iter().map(|(id, process)| by_group(process).or_else(|| of_pid.get(&id.pid).cloned())).collect();
    for (process, container) in processes.values_mut().zip(found) {
        process.container = container;
    }
    let namespace_of: BTreeMap<u32, NetNsId> =
        processes.iter().filter_map(|(id, p)| Some((id.pid, p.namespace?))).collect();
    for container in containers.values_mut() {
        container.namespace = container.pid.and_then(|pid| namespace_of.get(&pid).copied());
        let Some(namespace) = container.namespace.and_then(|id| namespaces.get(&id)) else { continue };
        container.host_network |= namespace.is_host;
        container.other_addresses = match namespace.is_host {
            true => Vec::new(),
            false => namespace
                .addresses
                .iter()
                .map(|subnet| subnet.address)
                .filter(|a| !shared::addr::is_confined(*a))
                .filter(|a| !container.endpoints.values().any(|e| e.addresses.contains(a)))
                .collect(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::report::{Container, OverlayMember};

    #[test]
    fn an_engines_word_and_its_stores_are_one() {
        let mut published = Published::default();
        let network = |name: &str, option: &str| Network {
            name: name.into(),
            driver: "overlay".into(),
            options: [(option.to_owned(), "1".to_owned())].into(),
            ..Network::default()
        };
        let member = |vtep: Option<&str>| OverlayMember {
            name: "db".into(),
            vtep: vtep.map(|text| text.parse().unwrap()),
            mac: "02:42:0a:58:00:02".into(),
        };
        let at: std::net::IpAddr = "10.88.0.2".parse().unwrap();
        let heard = Overlay { members: [(at, member(None))].into(), ..Overlay::default() };
        let inventory = Inventory {
            networks: [("a".into(), network("a", "own"))].into(),
            overlays: [("a".into(), heard)].into(),
            ..Inventory::default()
        };
        published.take(Reading::Engine(Box::new(inventory)));
        let overlay = Overlay { members: [(at, member(Some("10.77.0.12")))].into(), ..Overlay::default() };
        let kept = ["a", "b"].map(|id| (id.into(), Kept { network: network(id, "vni"), overlay: overlay.clone() }));
        let known = cluster_store::Known { networks: kept.into(), ..cluster_store::Known::default() };
        published.take(Reading::Store(Box::new(known)));
        assert_eq!(published.report.networks.len(), 2);
        let options: Vec<&str> = published.report.networks[&"a".into()].options.keys().map(String::as_str).collect();
        assert_eq!(options, ["own", "vni"]);
        let vtep =
            |report: &Report, id: &str| report.overlays[&id.into()].members[&at].vtep.map(|vtep| vtep.to_string());
        assert_eq!(
            [vtep(&published.report, "a"), vtep(&published.report, "b")],
            [Some("10.77.0.12".into()), Some("10.77.0.12".into())]
        );
        let inventory = Inventory {
            networks: [("a".into(), Network { scope: NetworkScope::Global, ..network("a", "own") })].into(),
            ..Inventory::default()
        };
        published.take(Reading::Engine(Box::new(inventory)));
        assert_eq!(published.report.networks.len(), 1, "an engine that uses the store knows best what there is");
        published.take(Reading::Store(Box::default()));
        assert!(published.report.overlays.is_empty(), "what the store told goes with it");
    }

    #[test]
    fn a_process_belongs_to_the_innermost_container_that_the_engine_knows() {
        let (outer, inner) = ("a".repeat(64), "b".repeat(64));
        let mut report = Report::default();
        report.containers.insert(outer.as_str().into(), Container::default());
        let process = Process { cgroup: format!("/docker/{outer}/docker/{inner}"), ..Process::default() };
        report.processes.insert(ProcessId { pid: 5, start: 1 }, process);
        attribute(&mut report);
        assert_eq!(report.processes.values().next().unwrap().container, Some(outer.as_str().into()));
    }

    #[test]
    fn a_containers_namespace_and_the_addresses_unknown_to_its_engine_are_found() {
        let mut report = Report::default();
        let container = Container { pid: Some(5), ..Container::default() };
        report.containers.insert("c".into(), container);
        let process = Process { namespace: Some(NetNsId(2)), ..Process::default() };
        report.processes.insert(ProcessId { pid: 5, start: 1 }, process);
        let addresses = ["127.0.0.1/8", "10.32.0.5/12"].map(|a| a.parse().unwrap()).to_vec();
        report.namespaces.insert(NetNsId(2), Namespace { inode: 7, is_host: false, addresses, ..Namespace::default() });
        attribute(&mut report);
        let container = report.containers.values().next().unwrap();
        assert_eq!(container.namespace, Some(NetNsId(2)));
        assert_eq!(container.other_addresses, ["10.32.0.5".parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!(report.processes.values().next().unwrap().container, Some("c".into()), "its first process");
    }
}
