//! What changed between two reports of one host: `apply(&between(a, b), a) == b`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::Report;
use crate::id::{
    ConnectionId, ContainerId, ImageId, NetNsId, NetworkId, ProcessId, ServiceId, StoreId, SwarmNodeId, TaskId,
    WeavePeerId,
};
use crate::report::{
    Collector, CollectorStatus, Container, ContainerMetrics, Elsewhere, Flow, FlowKey, FlowMetrics, Host, HostMetrics,
    Image, Link, LinkKey, LinkMetrics, Listener, ListenerKey, Metrics, Namespace, Network, Overlay, Paths, Process,
    ProcessMetrics, Service, SharedConnection, Store, SwarmNode, Task, WeaveRouter,
};

bitflags! {
    /// Parts of a report that change together, as far as it matters which are to be compared.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Parts: u32 {
        const HOST = 1;
        const COLLECTORS = 1 << 1;
        /// Processes, containers, networks and namespaces, and all that daemons tell.
        const STRUCTURE = 1 << 2;
        const LINKS = 1 << 3;
        const CONNECTIONS = 1 << 4;
        const FLOWS = 1 << 5;
        const NAMES = 1 << 6;
        const HOST_METRICS = 1 << 7;
        const CONTAINER_METRICS = 1 << 8;
        const PROCESS_METRICS = 1 << 9;
        const LINK_METRICS = 1 << 10;
        const FLOW_METRICS = 1 << 11;
        const READ_MS = 1 << 12;
        const METRICS = Self::HOST_METRICS.bits() | Self::CONTAINER_METRICS.bits() | Self::PROCESS_METRICS.bits()
            | Self::LINK_METRICS.bits() | Self::FLOW_METRICS.bits() | Self::READ_MS.bits();
    }
}

/// Changes of one table. Records travel whole: they rarely change, and a record that is half known helps nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changes<K, V> {
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(K, V)>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<K>,
}

impl<K, V> Default for Changes<K, V> {
    fn default() -> Self {
        Self { set: Vec::new(), removed: Vec::new() }
    }
}

impl<K: Ord + Clone, V: PartialEq + Clone> Changes<K, V> {
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }

    fn between(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Self {
        let mut changes = Self::default();
        let mut before = old.iter().peekable();
        for (key, value) in new {
            while let Some((gone, _)) = before.next_if(|(k, _)| *k < key) {
                changes.removed.push(gone.clone());
            }
            match before.next_if(|(k, _)| *k == key) {
                Some((_, same)) if same == value => {}
                _ => changes.set.push((key.clone(), value.clone())),
            }
        }
        changes.removed.extend(before.map(|(k, _)| k.clone()));
        changes
    }

    pub fn apply(&self, table: &mut BTreeMap<K, V>) {
        for key in &self.removed {
            table.remove(key);
        }
        for (key, value) in &self.set {
            match table.get_mut(key) {
                Some(old) => old.clone_from(value),
                None => {
                    table.insert(key.clone(), value.clone());
                }
            }
        }
    }
}

/// `None` and empty mean unchanged; what was cleared is named in a `removed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub collectors: Changes<Collector, CollectorStatus>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub processes: Changes<ProcessId, Process>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub containers: Changes<ContainerId, Container>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub elsewhere: Changes<ContainerId, Elsewhere>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub images: Changes<ImageId, Image>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub networks: Changes<NetworkId, Network>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub overlays: Changes<NetworkId, Overlay>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub swarm_nodes: Changes<SwarmNodeId, SwarmNode>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub services: Changes<ServiceId, Service>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub tasks: Changes<TaskId, Task>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub weave: Changes<WeavePeerId, WeaveRouter>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub stores: Changes<StoreId, Store>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub namespaces: Changes<NetNsId, Namespace>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub links: Changes<LinkKey, Link>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub paths: Changes<NetNsId, Paths>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub listeners: Changes<ListenerKey, Listener>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub connections: Changes<ConnectionId, SharedConnection>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub flows: Changes<FlowKey, Flow>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub names: Changes<IpAddr, Vec<String>>,
    #[serde(skip_serializing_if = "MetricsDelta::is_empty")]
    pub metrics: MetricsDelta,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostMetrics>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub containers: Changes<ContainerId, ContainerMetrics>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub processes: Changes<ProcessId, ProcessMetrics>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub links: Changes<LinkKey, LinkMetrics>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub flows: Changes<FlowKey, FlowMetrics>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub read_ms: Changes<Collector, u64>,
}

impl MetricsDelta {
    pub fn is_empty(&self) -> bool {
        let Self { host, containers, processes, links, flows, read_ms } = self;
        host.is_none()
            && containers.is_empty()
            && processes.is_empty()
            && links.is_empty()
            && flows.is_empty()
            && read_ms.is_empty()
    }
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.is_metrics_only() && self.metrics.is_empty()
    }

    /// Whether nothing but samples changed, which may wait for the next second.
    pub fn is_metrics_only(&self) -> bool {
        let Self {
            host,
            collectors,
            processes,
            containers,
            elsewhere,
            images,
            networks,
            overlays,
            swarm_nodes,
            services,
            tasks,
            weave,
            stores,
            namespaces,
            links,
            paths,
            listeners,
            connections,
            flows,
            names,
            metrics: _,
        } = self;
        host.is_none()
            && collectors.is_empty()
            && processes.is_empty()
            && containers.is_empty()
            && elsewhere.is_empty()
            && images.is_empty()
            && networks.is_empty()
            && overlays.is_empty()
            && swarm_nodes.is_empty()
            && services.is_empty()
            && tasks.is_empty()
            && weave.is_empty()
            && stores.is_empty()
            && namespaces.is_empty()
            && links.is_empty()
            && paths.is_empty()
            && listeners.is_empty()
            && connections.is_empty()
            && flows.is_empty()
            && names.is_empty()
    }
}

/// What turns `old` into `new`. A host's metrics that vanish (they do not: a host always has them once seen) stay as they
/// were.
pub fn between(old: &Report, new: &Report) -> Delta {
    between_parts(old, new, Parts::all())
}

/// The same, as far as it is in some parts; of the others nothing is looked at.
pub fn between_parts(old: &Report, new: &Report, parts: Parts) -> Delta {
    let mut delta = Delta::default();
    if parts.contains(Parts::HOST) {
        delta.host = (old.host != new.host).then(|| new.host.clone());
    }
    if parts.contains(Parts::COLLECTORS) {
        delta.collectors = Changes::between(&old.collectors, &new.collectors);
    }
    if parts.contains(Parts::STRUCTURE) {
        delta.processes = Changes::between(&old.processes, &new.processes);
        delta.containers = Changes::between(&old.containers, &new.containers);
        delta.elsewhere = Changes::between(&old.elsewhere, &new.elsewhere);
        delta.images = Changes::between(&old.images, &new.images);
        delta.networks = Changes::between(&old.networks, &new.networks);
        delta.overlays = Changes::between(&old.overlays, &new.overlays);
        delta.swarm_nodes = Changes::between(&old.swarm_nodes, &new.swarm_nodes);
        delta.services = Changes::between(&old.services, &new.services);
        delta.tasks = Changes::between(&old.tasks, &new.tasks);
        delta.weave = Changes::between(&old.weave, &new.weave);
        delta.stores = Changes::between(&old.stores, &new.stores);
        delta.namespaces = Changes::between(&old.namespaces, &new.namespaces);
        delta.listeners = Changes::between(&old.listeners, &new.listeners);
    }
    if parts.contains(Parts::LINKS) {
        delta.links = Changes::between(&old.links, &new.links);
        delta.paths = Changes::between(&old.paths, &new.paths);
    }
    if parts.contains(Parts::CONNECTIONS) {
        delta.connections = Changes::between(&old.connections, &new.connections);
    }
    if parts.contains(Parts::FLOWS) {
        delta.flows = Changes::between(&old.flows, &new.flows);
    }
    if parts.contains(Parts::NAMES) {
        delta.names = Changes::between(&old.names, &new.names);
    }
    let (before, now, changed) = (&old.metrics, &new.metrics, &mut delta.metrics);
    if parts.contains(Parts::HOST_METRICS) && before.host != now.host {
        changed.host = now.host;
    }
    if parts.contains(Parts::CONTAINER_METRICS) {
        changed.containers = Changes::between(&before.containers, &now.containers);
    }
    if parts.contains(Parts::PROCESS_METRICS) {
        changed.processes = Changes::between(&before.processes, &now.processes);
    }
    if parts.contains(Parts::LINK_METRICS) {
        changed.links = Changes::between(&before.links, &now.links);
    }
    if parts.contains(Parts::FLOW_METRICS) {
        changed.flows = Changes::between(&before.flows, &now.flows);
    }
    if parts.contains(Parts::READ_MS) {
        changed.read_ms = Changes::between(&before.read_ms, &now.read_ms);
    }
    delta
}

pub fn apply(delta: &Delta, report: &mut Report) {
    let Delta {
        host,
        collectors,
        processes,
        containers,
        elsewhere,
        images,
        networks,
        overlays,
        swarm_nodes,
        services,
        tasks,
        weave,
        stores,
        namespaces,
        links,
        paths,
        listeners,
        connections,
        flows,
        names,
        metrics,
    } = delta;
    if let Some(host) = host {
        report.host.clone_from(host);
    }
    collectors.apply(&mut report.collectors);
    processes.apply(&mut report.processes);
    containers.apply(&mut report.containers);
    elsewhere.apply(&mut report.elsewhere);
    images.apply(&mut report.images);
    networks.apply(&mut report.networks);
    overlays.apply(&mut report.overlays);
    swarm_nodes.apply(&mut report.swarm_nodes);
    services.apply(&mut report.services);
    tasks.apply(&mut report.tasks);
    weave.apply(&mut report.weave);
    stores.apply(&mut report.stores);
    namespaces.apply(&mut report.namespaces);
    links.apply(&mut report.links);
    paths.apply(&mut report.paths);
    listeners.apply(&mut report.listeners);
    connections.apply(&mut report.connections);
    flows.apply(&mut report.flows);
    names.apply(&mut report.names);
    let MetricsDelta { host, containers, processes, links, flows: flow_metrics, read_ms } = metrics;
    let Metrics {
        host: host_now,
        containers: containers_now,
        processes: processes_now,
        links: links_now,
        flows: flows_now,
        read_ms: read_now,
    } = &mut report.metrics;
    if host.is_some() {
        *host_now = *host;
    }
    containers.apply(containers_now);
    processes.apply(processes_now);
    links.apply(links_now);
    flow_metrics.apply(flows_now);
    read_ms.apply(read_now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report() -> impl Strategy<Value = Report> {
        let process = (0u32..6, 0u64..3, "[a-c]{1,2}");
        let metric = (0u32..6, 0u64..3, 0u32..100);
        let container = ("[a-e]", "[x-z]", 0u32..5);
        (
            proptest::collection::vec(process, 0..8),
            proptest::collection::vec(metric, 0..8),
            proptest::collection::vec(container, 0..6),
            "[a-b]",
        )
            .prop_map(|(processes, metrics, containers, host)| {
                let mut report = Report::default();
                report.host.name = host;
                report.metrics.host = Some(HostMetrics::default());
                for (pid, start, name) in processes {
                    report.processes.insert(ProcessId { pid, start }, Process { name, ..Process::default() });
                }
                for (pid, start, threads) in metrics {
                    report
                        .metrics
                        .processes
                        .insert(ProcessId { pid, start }, ProcessMetrics { threads, ..ProcessMetrics::default() });
                }
                for (id, name, restart_count) in containers {
                    report.containers.insert(id.into(), Container { name, restart_count, ..Container::default() });
                }
                report
            })
    }

    proptest! {
        #[test]
        fn a_delta_applied_to_the_old_report_gives_the_new_one(old in report(), new in report()) {
            let mut patched = old.clone();
            apply(&between(&old, &new), &mut patched);
            prop_assert_eq!(patched, new);
        }

        #[test]
        fn a_report_compared_with_itself_changes_nothing(report in report()) {
            prop_assert!(between(&report, &report).is_empty());
        }
    }
}
