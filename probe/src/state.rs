//! The single owner of the host's report: takes what the collectors read, and publishes the whole as an immutable value.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::Report;
use shared::id::{ConnectionId, ContainerId, NetNsId, ProcessId, StoreId, WeavePeerId};
use shared::report::{
    Collector, CollectorStatus, Connection, ContainerMetrics, Host, HostMetrics, Link, LinkKey, LinkMetrics, Listener,
    ListenerKey, Namespace, Paths, Process, ProcessMetrics, Store, WeaveRouter,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cgroup;
use crate::docker::Inventory;
use crate::docker::swarm::Cluster;

/// What a collector read. Tables replace what was known.
#[derive(Debug)]
pub enum Reading {
    Status(Collector, CollectorStatus),
    Host(Box<Host>, HostMetrics),
    Processes(BTreeMap<ProcessId, Process>, BTreeMap<ProcessId, ProcessMetrics>),
    ContainerMetrics(BTreeMap<ContainerId, ContainerMetrics>),
    Sockets {
        namespaces: BTreeMap<NetNsId, Namespace>,
        listeners: BTreeMap<ListenerKey, Listener>,
        connections: BTreeMap<ConnectionId, Connection>,
    },
    Links(BTreeMap<LinkKey, Link>, BTreeMap<NetNsId, Paths>),
    LinkMetrics(BTreeMap<LinkKey, LinkMetrics>),
    Engine(Box<Inventory>),
    Weave(BTreeMap<WeavePeerId, WeaveRouter>),
    Stores(BTreeMap<StoreId, Store>),
}

pub async fn run(mut inbox: mpsc::Receiver<Reading>, reports: watch::Sender<Arc<Report>>, stop: CancellationToken) {
    loop {
        let reading = tokio::select! {
            () = stop.cancelled() => return,
            reading = inbox.recv() => match reading {
                Some(reading) => reading,
                None => return,
            },
        };
        reports.send_modify(|report| {
            let report = Arc::make_mut(report);
            take(report, reading);
            // Whatever else is waiting belongs to the same moment.
            while let Ok(reading) = inbox.try_recv() {
                take(report, reading);
            }
        });
    }
}

fn take(report: &mut Report, reading: Reading) {
    match reading {
        Reading::Status(collector, status) => {
            report.collectors.insert(collector, status);
        }
        Reading::Host(host, metrics) => {
            let engine = report.host.engine.take();
            report.host = Host { engine, ..*host };
            report.metrics.host = Some(metrics);
        }
        Reading::Processes(processes, metrics) => {
            report.processes = processes;
            report.metrics.processes = metrics;
            attribute(report);
        }
        Reading::ContainerMetrics(metrics) => report.metrics.containers = metrics,
        Reading::Sockets { namespaces, listeners, connections } => {
            report.namespaces = namespaces;
            report.listeners = listeners;
            report.connections = connections;
            attribute(report);
        }
        Reading::Links(links, paths) => (report.links, report.paths) = (links, paths),
        Reading::LinkMetrics(metrics) => report.metrics.links = metrics,
        Reading::Weave(routers) => report.weave = routers,
        Reading::Stores(stores) => report.stores = stores,
        Reading::Engine(inventory) => {
            let Inventory { engine, containers, images, networks, overlays, cluster } = *inventory;
            report.host.engine = engine;
            report.containers = containers;
            report.images = images;
            report.networks = networks;
            report.overlays = overlays;
            let Cluster { nodes, services, tasks } = cluster;
            (report.swarm_nodes, report.services, report.tasks) = (nodes, services, tasks);
            attribute(report);
        }
    }
}

/// Says which container each process is in, and which namespace each container has.
fn attribute(report: &mut Report) {
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
    use shared::report::Container;

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
