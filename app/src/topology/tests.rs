//! Whatever comes in whatever order, what is kept equals what would be made anew.

mod failures;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared::Report;
use shared::addr::{Protocol, Tuple};
use shared::delta;
use shared::id::{ConnectionId, ContainerId, HostId, InstanceId, NetNsId, ProcessId};
use shared::report::{
    Collector, CollectorState, CollectorStatus, Connection, Container, ContainerState, Endpoint, Engine, Evidence,
    Flow, FlowKey, FlowMetrics, FlowTotals, Forwarding, Link, LinkKey, Namespace, Network, NetworkScope, Overlay,
    OverlayMember, Paths, PortMapping, Process, Role, Route, RouteKind, Service, ServiceMode, SwarmMember, SwarmNode,
    Task, Vxlan,
};
use shared::wire::{Hello, Stamp};
use uuid::Uuid;

use super::{Edge, Entity, Medium, Topology};
use crate::store::{Session, Store};
use crate::view::{Kind, Variant, View};

const WINDOW_MS: u64 = 15_000;

fn host(n: u8) -> HostId {
    HostId(Uuid::from_u128((u128::from(n) + 1) << 120))
}

/// What one host may report: a few containers on a bridge and an overlay, and who talks to whom.
#[derive(Clone, Debug)]
struct Plan {
    /// State of each of three containers; none where it is not there.
    containers: [Option<bool>; 3],
    /// From process to process: whether over the overlay to the other host, which ports, whether it is closed.
    connections: BTreeSet<(u8, u8, bool)>,
    /// Connections to the world.
    outside: BTreeSet<u8>,
    /// From which container to which of the other host's, through a port published there.
    published: BTreeSet<(u8, u8)>,
    /// By which name it was asked for, if by any.
    asked: Option<bool>,
    /// Which of the swarm's tasks the host lists as a manager, by host and container, and whether they run; none where
    /// it is a worker.
    manages: Option<BTreeSet<(u8, u8, bool)>>,
    is_member: bool,
    /// Which members of the overlay its engine has heard of, the first of them on the other host, and whether each has
    /// its other name; none where it has no part in the overlay.
    heard: Option<BTreeSet<(u8, bool)>>,
    /// Which containers call one of those that may have been heard of.
    calls_unprobed: BTreeSet<u8>,
    /// Which containers have an interface on the bridge, or in the overlay.
    wired: BTreeSet<(u8, bool)>,
    /// To whom the overlay's frames are sent: the other host, or one without a probe.
    tunnels: BTreeSet<bool>,
    /// How much its connections carry; none where nobody measures it.
    busy: Option<u8>,
    /// Whether the host's own device has an address, and is where what is routed goes.
    is_reachable: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let container = proptest::option::of(any::<bool>());
    (
        [container.clone(), container.clone(), container],
        proptest::collection::btree_set((0u8..3, 0u8..3, any::<bool>()), 0..6),
        proptest::collection::btree_set(0u8..3, 0..3),
        proptest::option::of(proptest::collection::btree_set((0u8..2, 0u8..3, any::<bool>()), 0..5)),
        any::<bool>(),
        proptest::option::of(proptest::collection::btree_set((0u8..3, any::<bool>()), 0..4)),
        proptest::collection::btree_set(0u8..3, 0..2),
        proptest::collection::btree_set((0u8..3, any::<bool>()), 0..4),
        proptest::collection::btree_set(any::<bool>(), 0..3),
        (
            proptest::option::of(0u8..4),
            any::<bool>(),
            proptest::option::of(any::<bool>()),
            proptest::collection::btree_set((0u8..3, 0u8..3), 0..3),
        ),
    )
        .prop_map(
            |(
                containers,
                connections,
                outside,
                manages,
                is_member,
                heard,
                calls_unprobed,
                wired,
                tunnels,
                (busy, is_reachable, asked, published),
            )| Plan {
                asked,
                containers,
                connections,
                outside,
                published,
                manages,
                is_member,
                heard,
                calls_unprobed,
                wired,
                tunnels,
                busy,
                is_reachable,
            },
        )
}

fn address(host: u8, container: u8, overlay: bool) -> std::net::IpAddr {
    if overlay { [10, 0, 1, 10 * (host + 1) + container].into() } else { [172, 18, 0, 2 + container].into() }
}

fn report(n: u8, plan: &Plan, both: &[Plan; 2]) -> Report {
    let mut report = Report::default();
    report.host.name = format!("h{n}");
    let member = SwarmMember {
        node: format!("n{n}").as_str().into(),
        cluster: String::new(),
        address: None,
        state: "active".into(),
        error: String::new(),
        is_manager: plan.manages.is_some(),
        managers: BTreeMap::new(),
    };
    report.host.engine = Some(Engine { swarm: plan.is_member.then_some(member), ..Engine::default() });
    report.host.local_networks = vec![format!("10.77.0.1{n}/24").parse().unwrap(), "172.18.0.1/16".parse().unwrap()];
    report.host.ephemeral_ports = Some((32768, 60999));
    report.namespaces.insert(NetNsId(1), Namespace { inode: 1, is_host: true, ..Namespace::default() });
    let network = |name: &str, scope, subnet: &str| Network {
        name: name.into(),
        driver: if name == "lan" { "bridge".into() } else { "overlay".into() },
        scope,
        subnets: vec![subnet.parse().unwrap()],
        ..Network::default()
    };
    report.networks.insert("lan-id".into(), network("lan", NetworkScope::Local, "172.18.0.0/16"));
    report.networks.insert("mesh-identity".into(), network("mesh", NetworkScope::Swarm, "10.0.1.0/24"));
    if let Some(heard) = &plan.heard {
        let mut overlay = Overlay::default();
        for (k, renamed) in heard {
            let vtep = if *k == 0 { [10, 77, 0, 10 + (1 - n)] } else { [10, 77, 0, 99] };
            let name = format!("{}{k}", if *renamed { "new" } else { "far" });
            let member = OverlayMember { name, vtep: Some(vtep.into()), mac: String::new() };
            overlay.members.insert([10, 0, 1, 200 + k].into(), member);
        }
        report.overlays.insert("mesh-identity".into(), overlay);
    }
    let alive = |plan: &Plan, c: u8| plan.containers[c as usize] == Some(true);
    for c in 0..3u8 {
        let Some(running) = plan.containers[c as usize] else { continue };
        let endpoint = |network: &str, overlay| Endpoint {
            network: Some(network.into()),
            addresses: if running { vec![address(n, c, overlay)] } else { Vec::new() },
            ..Endpoint::default()
        };
        let namespace = running.then_some(NetNsId(u32::from(c) + 2));
        let id = format!("container-{n}-{c}");
        let container = Container {
            name: format!("c{n}{c}"),
            hostname: format!("c{c}"),
            image_name: format!("image{c}:1"),
            // The first is no service's.
            labels: if c > 0 { swarm_labels(n, c) } else { BTreeMap::new() },
            state: if running { ContainerState::Running } else { ContainerState::Exited },
            namespace,
            endpoints: [("lan".into(), endpoint("lan-id", false)), ("mesh".into(), endpoint("mesh-identity", true))]
                .into(),
            ..Container::default()
        };
        report.containers.insert(id.as_str().into(), container);
        if let Some(namespace) = namespace {
            report
                .namespaces
                .insert(namespace, Namespace { inode: u64::from(c) + 2, is_host: false, ..Namespace::default() });
            let process = Process {
                name: format!("p{c}"),
                namespace: Some(namespace),
                container: Some(id.as_str().into()),
                ..Process::default()
            };
            report.processes.insert(ProcessId { pid: u32::from(c) + 10, start: 1 }, process);
        }
    }
    for (of_host, c, runs) in plan.manages.iter().flatten() {
        let state = if *runs { "running" } else { "failed" };
        let task = Task {
            service: Some(format!("s{}", c % 2).as_str().into()),
            node: Some(format!("n{of_host}").as_str().into()),
            state: state.into(),
            desired_state: "running".into(),
            ..Task::default()
        };
        let service =
            Service { name: format!("stack_s{}", c % 2), mode: ServiceMode::Replicated(2), ..Service::default() };
        report.services.insert(task.service.clone().unwrap(), service);
        // A node may be gone while its tasks are still listed.
        if *runs {
            let node = SwarmNode { hostname: format!("h{of_host}"), ..SwarmNode::default() };
            report.swarm_nodes.insert(task.node.clone().unwrap(), node);
        }
        report.tasks.insert(format!("t{of_host}{c}").as_str().into(), task);
    }
    wire(&mut report, n, plan);
    report.processes.insert(ProcessId { pid: 1, start: 1 }, Process { name: "init".into(), ..Process::default() });
    let mut put = |c: u8, local: std::net::SocketAddr, remote: std::net::SocketAddr, role, nat: Option<Tuple>| {
        let id = ConnectionId(u64::from(local.port()) << 32 | u64::from(remote.port()) << 8 | u64::from(c));
        let connection = Connection {
            namespace: NetNsId(u32::from(c) + 2),
            protocol: Protocol::Tcp,
            local: local.into(),
            remote: remote.into(),
            owner: Some(ProcessId { pid: u32::from(c) + 10, start: 1 }).into(),
            role,
            evidence: Evidence::Listener,
            nat: nat.map(Box::new),
        };
        report.connections.insert(id, connection.into());
    };
    for (from_host, plan) in both.iter().enumerate() {
        let from_host = u8::try_from(from_host).unwrap();
        for &(client, server, overlay) in &plan.connections {
            let to_host = if overlay { 1 - from_host } else { from_host };
            let reachable = alive(plan, client) && alive(&both[to_host as usize], server);
            if !reachable || (client == server && !overlay) {
                continue;
            }
            let port = 40_000 + u16::from(client) * 10 + u16::from(server) + u16::from(overlay) * 100;
            let from = (address(from_host, client, overlay), port).into();
            let to = (address(to_host, server, overlay), 80).into();
            if from_host == n {
                put(client, from, to, Role::Client, None);
            }
            if to_host == n {
                put(server, to, from, Role::Server, None);
            }
        }
    }
    for (from_host, plan) in both.iter().enumerate() {
        let from_host = u8::try_from(from_host).unwrap();
        let to_host = 1 - from_host;
        for &(client, server) in &plan.published {
            if !alive(plan, client) || !alive(&both[usize::from(to_host)], server) {
                continue;
            }
            let port = 54_000 + u16::from(client) * 10 + u16::from(server);
            let device = |n: u8, port| std::net::SocketAddr::from(([10, 77, 0, 10 + n], port));
            let nat = Tuple { from: device(from_host, port), to: device(to_host, 8000 + u16::from(server)) };
            if from_host == n {
                put(client, (address(n, client, false), port).into(), nat.to, Role::Client, Some(nat));
            }
            if to_host == n {
                put(server, (address(n, server, false), 80).into(), nat.from, Role::Server, Some(nat));
            }
        }
    }
    for &c in plan.calls_unprobed.iter().filter(|c| alive(plan, **c)) {
        let local = (address(n, c, true), 52_000 + u16::from(c)).into();
        put(c, local, (std::net::IpAddr::from([10, 0, 1, 200 + c]), 7000).into(), Role::Client, None);
    }
    for &c in plan.outside.iter().filter(|c| alive(plan, **c)) {
        let local = (address(n, c, false), 50_000 + u16::from(c)).into();
        put(c, local, "203.0.113.9:443".parse().unwrap(), Role::Client, None);
    }
    if let Some(is_other) = plan.asked {
        let name = if is_other { "other.example" } else { "outside.example" };
        report.names.insert([203, 0, 113, 9].into(), vec![name.into()]);
    }
    for connection in report.connections.values().filter(|_| plan.busy.is_some()) {
        let rate = u32::from(connection.local.port() % 7) + u32::from(plan.busy.unwrap_or_default());
        let totals = FlowTotals { sent_bytes: rate.into(), retransmits: 3, ..FlowTotals::default() };
        let metrics = FlowMetrics {
            sent_bytes_per_s: rate as f32,
            unanswered: rate % 3,
            rtt_us: 5,
            min_rtt_us: 9 - rate.min(8),
            totals,
            ..FlowMetrics::default()
        };
        report.metrics.flows.insert(connection.flow(), metrics);
    }
    report
}

/// Without what counts from when an edge was first seen.
fn of_the_moment(report: Report) -> Report {
    let mut report = report;
    for metrics in report.metrics.flows.values_mut() {
        (metrics.totals, metrics.min_rtt_us) = (FlowTotals::default(), 0);
    }
    report
}

/// Interfaces of the host, of the containers and of the overlay, and where these send.
fn wire(report: &mut Report, n: u8, plan: &Plan) {
    const SANDBOX: u32 = 20;
    let key = |namespace: u32, index: u32| LinkKey { namespace: NetNsId(namespace), index };
    let link = |name: &str, kind: &str| Link { name: name.into(), kind: kind.into(), up: true, ..Link::default() };
    let own: Vec<shared::addr::Subnet> = vec![format!("10.77.0.1{n}/24").parse().unwrap()];
    let addresses = if plan.is_reachable { own } else { Vec::new() };
    report.links.insert(key(1, 2), Link { addresses, ..link("eth0", "physical") });
    report.links.insert(key(1, 1), link("lo", "loopback"));
    let default = Route {
        to: "0.0.0.0/0".parse().unwrap(),
        via: None,
        link: Some(2),
        source: None,
        metric: 0,
        table: 254,
        kind: RouteKind::Unicast,
    };
    let routes = if plan.is_reachable { vec![default] } else { Vec::new() };
    report.paths.insert(NetNsId(1), Paths { routes, ..Paths::default() });
    let (mut on_lan, mut on_mesh) = (false, false);
    for &(c, is_mesh) in plan.wired.iter().filter(|(c, _)| plan.containers[usize::from(*c)] == Some(true)) {
        let inside = key(u32::from(c) + 2, 2 + u32::from(is_mesh));
        let port = if is_mesh { key(SANDBOX, 10 + u32::from(c)) } else { key(1, 10 + u32::from(c)) };
        let addresses = vec![format!("{}/24", address(n, c, is_mesh)).parse().unwrap()];
        report.links.insert(inside, Link { peer: Some(port), addresses, ..link("eth", "veth") });
        report.links.insert(port, Link { peer: Some(inside), master: Some(3), ..link("veth", "veth") });
        (on_mesh, on_lan) = (on_mesh || is_mesh, on_lan || !is_mesh);
    }
    if on_lan {
        let addresses = vec!["172.18.0.1/16".parse().unwrap()];
        report.links.insert(key(1, 3), Link { addresses, ..link("br-lan-id", "bridge") });
    }
    if on_mesh {
        let name = "1-mesh-iden".to_owned();
        report.namespaces.insert(NetNsId(SANDBOX), Namespace { inode: 20, name, ..Namespace::default() });
        report.links.insert(key(SANDBOX, 3), link("br0", "bridge"));
        let vxlan = Some(Vxlan { vni: 4097, port: 0, local: None, underlay: None });
        report.links.insert(key(SANDBOX, 4), Link { master: Some(3), vxlan, ..link("vxlan0", "vxlan") });
        let vtep = |is_probed: &bool| if *is_probed { [10, 77, 0, 10 + (1 - n)] } else { [10, 77, 0, 99] };
        let entry = |to: &bool| Forwarding {
            mac: format!("02:42:0a:00:01:0{}", u8::from(*to)),
            link: 4,
            vtep: Some(vtep(to).into()),
            is_learned: false,
        };
        let forwarding = plan.tunnels.iter().map(entry).collect();
        report.paths.insert(NetNsId(SANDBOX), Paths { forwarding, ..Paths::default() });
    }
}

fn swarm_labels(n: u8, c: u8) -> BTreeMap<String, String> {
    let label = |key: &str, value: String| (format!("com.docker.swarm.{key}"), value);
    [
        label("service.id", format!("s{}", c % 2)),
        label("service.name", format!("s{}", c % 2)),
        label("task.id", format!("t{n}{c}")),
        label("node.id", format!("n{n}")),
    ]
    .into()
}

fn hello(n: u8) -> Hello {
    Hello {
        host: host(n),
        instance: InstanceId(Uuid::from_u128(9)),
        hostname: format!("h{n}"),
        scope_version: String::new(),
        token: String::new(),
        capabilities: Vec::new(),
        publish_interval_ms: 1000,
    }
}

fn variants() -> Vec<Variant> {
    let open = [("system", "all"), ("stopped", "both"), ("pseudo", "show"), ("unconnected", "show")];
    let all = Kind::ALL.into_iter();
    all.clone().map(|k| Variant::new(k, open, &[])).chain(all.map(|k| Variant::new(k, [], &[]))).collect()
}

/// Everything a reader sees of a view, in an order of its own.
fn seen(view: &mut View, store: &Store) -> Vec<String> {
    let snapshot = view.snapshot(store);
    let mut seen: Vec<String> = snapshot
        .nodes()
        .iter()
        .map(|node| {
            let mut edges = Vec::new();
            node.outgoing.write(&mut edges, &node.carried);
            let adjacency = &node.outgoing.written().adjacency;
            let [adjacency, edges] = [&**adjacency, &*edges].map(|text| str::from_utf8(text).unwrap());
            format!("{} {:?} {adjacency} {edges}", node.id.plain, node.summary())
        })
        .collect();
    seen.push(format!("{:?} {:x}", snapshot.stats, snapshot.tag()));
    seen
}

struct App {
    store: Store,
    topology: Topology,
    sequence: u64,
}

impl App {
    fn new() -> Self {
        let mut store = Store::default();
        for n in 0..2 {
            store.open(&hello(n), Session(u64::from(n) + 1), 0);
        }
        Self { store, topology: Topology::default(), sequence: 0 }
    }

    fn report(&mut self, n: u8, report: Report, now_ms: u64) {
        self.sequence += 1;
        let session = Session(u64::from(n) + 1);
        let change = self.store.snapshot(host(n), session, self.sequence, Stamp::default(), report, now_ms).unwrap();
        self.topology.apply(&self.store, host(n), &change, now_ms);
    }

    /// Until nothing waits any more.
    fn settle(&mut self, now_ms: u64) {
        self.topology.tick(&self.store, WINDOW_MS, now_ms);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn views_that_were_kept_equal_views_that_are_made_anew(
        plans in proptest::collection::vec(([plan(), plan()], any::<bool>()), 1..8)
    ) {
        let mut app = App::new();
        let mut views: Vec<View> =
            variants().into_iter().map(|v| View::new(v, &app.topology, &app.store, &[])).collect();
        let mut now = 1_000;
        for (both, second_first) in &plans {
            now += 700;
            let order = if *second_first { [1, 0] } else { [0, 1] };
            for n in order {
                app.report(n, report(n, &both[n as usize], both), now);
                app.settle(now);
                let changed = app.topology.take_changed();
                for view in &mut views {
                    view.take(&changed, &app.topology, &app.store);
                    view.flush(&app.topology, &app.store, &[]);
                    let mut anew = View::new(view.variant.clone(), &app.topology, &app.store, &[]);
                    prop_assert_eq!(seen(view, &app.store), seen(&mut anew, &app.store), "{:?}", &view.variant);
                    prop_assert_eq!(view.stats(), anew.stats());
                }
            }
        }
    }

    #[test]
    fn a_topology_that_lived_through_changes_equals_one_that_heard_the_last_word_only(
        first in [plan(), plan()],
        // What one host does next while the other goes on as before.
        steps in proptest::collection::vec((any::<bool>(), plan()), 0..7),
    ) {
        let mut plans = vec![first];
        for (second, plan) in steps {
            let mut both = plans[plans.len() - 1].clone();
            both[usize::from(second)] = plan;
            plans.push(both);
        }
        let mut lived = App::new();
        let mut now = 1_000;
        for both in &plans {
            now += 700;
            for n in [0, 1] {
                lived.report(n, of_the_moment(report(n, &both[n as usize], both)), now);
                lived.settle(now);
            }
        }
        let mut fresh = App::new();
        let last = plans.last().unwrap();
        for n in [1, 0] {
            fresh.report(n, of_the_moment(report(n, &last[n as usize], last)), now);
        }
        // Long enough for windows to close and halves to give up waiting.
        let later = now + WINDOW_MS + 10_000;
        for app in [&mut lived, &mut fresh] {
            app.settle(later);
            app.settle(later);
        }
        for variant in variants() {
            let mut a = View::new(variant.clone(), &lived.topology, &lived.store, &[]);
            let mut b = View::new(variant, &fresh.topology, &fresh.store, &[]);
            prop_assert_eq!(seen(&mut a, &lived.store), seen(&mut b, &fresh.store));
        }
        // And taking it all back leaves nothing.
        for n in [0, 1] {
            let change = delta::between(&lived.store.hosts[&host(n)].report, &Report::default());
            lived.report(n, Report::default(), later);
            prop_assert!(!change.is_empty());
        }
        lived.settle(later + WINDOW_MS + 10_000);
        prop_assert_eq!(lived.topology.graph.node_count(), 2, "the hosts themselves");
        prop_assert!(lived.topology.join.is_empty());
        prop_assert!(lived.topology.held.is_empty());
        prop_assert_eq!(lived.topology.graph.edge_count(), 0);
    }
}

#[test]
fn what_a_process_that_is_gone_sent_counts_on_for_its_container_while_others_go_on() {
    let plan = Plan { busy: Some(2), ..quiet() };
    let of = |pids: &[u32]| {
        let mut report = report(0, &plan, &[plan.clone(), quiet()]);
        let (id, process) = report.processes.iter().find(|(id, _)| id.pid == 10).map(|(i, p)| (*i, p.clone())).unwrap();
        let call = report.connections.values().find(|c| c.role == Role::Client).unwrap().clone();
        report.processes.remove(&id);
        report.connections.clear();
        report.metrics.flows.clear();
        for pid in pids {
            let owner = ProcessId { pid: *pid, start: 1 };
            report.processes.insert(owner, process.clone());
            let local = std::net::SocketAddr::new(call.local.ip(), 40_000 + *pid as u16).into();
            let call = Connection { owner: Some(owner).into(), local, ..Connection::clone(&call) };
            let totals = FlowTotals { sent_bytes: 100, opened: 1, ..FlowTotals::default() };
            report.metrics.flows.insert(call.flow(), FlowMetrics { totals, ..FlowMetrics::default() });
            report.connections.insert(ConnectionId(u64::from(*pid)), call.into());
        }
        report
    };
    let mut app = App::new();
    let open = [("system", "all"), ("unconnected", "show")];
    let mut view = View::new(Variant::new(Kind::Containers, open, &[]), &app.topology, &app.store, &[]);
    let mut sent = |app: &mut App, pids: &[u32], now_ms: u64| {
        app.report(0, of(pids), now_ms);
        app.settle(now_ms);
        // Halves wait for their partner for a while.
        app.settle(now_ms + 4_000);
        view.take(&app.topology.take_changed(), &app.topology, &app.store);
        view.flush(&app.topology, &app.store, &[]);
        let nodes = view.snapshot(&app.store);
        let edge = nodes.edges().map(|(edge, carried)| edge.for_api(carried)).find(|edge| edge.port == 80);
        edge.map(|edge| edge.metrics["sent_bytes"])
    };
    assert_eq!(sent(&mut app, &[100, 101], 1_000), Some(200.0));
    assert_eq!(sent(&mut app, &[101], 10_000), Some(200.0), "one is gone");
    assert_eq!(sent(&mut app, &[101, 102], 20_000), Some(300.0));
    assert_eq!(sent(&mut app, &[], 30_000), Some(300.0), "for the window");
    assert_eq!(sent(&mut app, &[], 60_000), None);
    assert_eq!(sent(&mut app, &[103], 70_000), Some(100.0), "another edge");
}

#[test]
fn who_has_an_address_later_was_not_talked_to_before() {
    let with = |protocol, is_there: bool, (noted_ms, first, last_ms): (u64, Option<u64>, u64), count: u64| {
        let plan = Plan { containers: [Some(true), is_there.then_some(true), None], ..quiet() };
        let mut report = report(0, &plan, &[plan.clone(), quiet()]);
        let key = FlowKey {
            namespace: NetNsId(2),
            protocol,
            owner: None,
            local: None,
            remote: address(0, 1, false),
            port: 8_099,
            role: Role::Client,
        };
        report.flows.insert(key, Flow { count, last_ms, ..Flow::default() });
        if let Some(container) = report.containers.get_mut(&ContainerId::from("container-0-1")) {
            container.started_ms = noted_ms;
            container.pid = first.map(|_| 11);
            report.processes.retain(|process, _| process.pid != 11);
            let process = first.map(|start| (ProcessId { pid: 11, start }, Process::default()));
            report.processes.extend(process);
        }
        report
    };
    let leads_there = |app: &App| {
        let open = [("system", "all"), ("unconnected", "show")];
        let mut view = View::new(Variant::new(Kind::Containers, open, &[]), &app.topology, &app.store, &[]);
        let nodes = view.snapshot(&app.store);
        nodes.edges().map(|(edge, carried)| edge.for_api(carried)).any(|edge| edge.port == 8_099)
    };
    // The host's clock began when the app first heard of it, at 10,000 of the app's.
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    let orders = [
        (tcp, 10, None, 0, true),
        (tcp, 500, None, 0, false),
        (tcp, 500, None, 400, false),
        (tcp, 500, None, 600, true),
        // In ticks; the engine notes the start later, and who has begun may be talked to before.
        (tcp, 500, Some(30), 400, true),
        (tcp, 500, Some(41), 400, false),
        (tcp, 500, Some(30), 299, false),
        // Datagrams go on without being told again.
        (udp, 500, None, 400, true),
    ];
    for (protocol, noted_ms, first, last_ms, was_there) in orders {
        let mut app = App::new();
        app.report(0, with(protocol, false, (0, None, last_ms), 1), 10_000);
        app.settle(10_000);
        app.report(0, with(protocol, true, (noted_ms, first, last_ms), 1), 12_000);
        app.settle(12_000);
        assert_eq!(leads_there(&app), was_there, "noted {noted_ms}, first {first:?}, talked {last_ms}");
        app.report(0, with(protocol, true, (noted_ms, first, last_ms.max(1) * 2_000), 2), 14_000);
        app.settle(14_000);
        assert!(leads_there(&app), "talked to again");
    }
}

/// Who has a half, on either host.
const TALKER: ProcessId = ProcessId { pid: 77, start: 1 };

/// Through the NAT of both hosts: the client's half on the second, the server's on the first.
fn halves() -> [(u8, Connection); 2] {
    let at = |address: &str| address.parse::<std::net::SocketAddr>().unwrap();
    let nat = Tuple { from: at("10.77.0.11:40000"), to: at("10.77.0.10:8088") };
    let half = |local: &str, remote: &str, role| Connection {
        namespace: NetNsId(2),
        protocol: Protocol::Tcp,
        local: at(local).into(),
        remote: at(remote).into(),
        owner: Some(TALKER).into(),
        role,
        evidence: Evidence::Handshake,
        nat: Some(Box::new(nat)),
    };
    let server = half("172.18.0.2:7000", "10.77.0.11:40000", Role::Server);
    [(1, half("172.18.0.2:40000", "10.77.0.10:8088", Role::Client)), (0, server)]
}

#[test]
fn a_conversation_that_was_short_stays_for_the_window_however_hosts_tell_of_it() {
    // Each letter a report: capitals open, small ones close; C of the client's half, S of the server's; p and q are the
    // ends of the processes that have them.
    let orders = [
        "CcSs", "SsCc", "CScs", "CSsc", "SCcs", "SCsc", // In one host's words, or in another order.
        "Cc", "C.c", "CSc.s", "CSs.c", "C.Ss.c", "S.Cc.s", "CScspq", "CScsqp", "CSpcsq", "CScp.sq", "Ccp", "CSqpcs",
    ];
    for order in orders {
        let idle = Plan { containers: [Some(true), None, None], connections: BTreeSet::new(), ..quiet() };
        let mut plain = [0, 1].map(|n| report(n, &idle, &[idle.clone(), idle.clone()]));
        let published = (Some((std::net::IpAddr::from([0, 0, 0, 0]), 8088)), 7000);
        let server = plain[0].containers.values_mut().next().unwrap();
        server.ports.push(PortMapping { protocol: Protocol::Tcp, published: published.0, container_port: published.1 });
        for (n, report) in plain.iter_mut().enumerate() {
            let container = Some(format!("container-{n}-0").as_str().into());
            report.processes.insert(TALKER, Process { namespace: Some(NetNsId(2)), container, ..Process::default() });
            // Both hosts have each other in their network.
            report.host.local_networks[0] = format!("10.77.0.1{n}/24").parse().unwrap();
        }
        let mut app = App::new();
        let mut now = 1_000;
        for n in [0, 1] {
            app.report(n, plain[usize::from(n)].clone(), now);
        }
        let open = [("system", "all"), ("unconnected", "show")];
        let mut view = View::new(Variant::new(Kind::Containers, open, &[]), &app.topology, &app.store, &[]);
        let mut edges = |app: &mut App| {
            view.take(&app.topology.take_changed(), &app.topology, &app.store);
            view.flush(&app.topology, &app.store, &[]);
            view.snapshot(&app.store).edges().map(|(edge, carried)| edge.for_api(carried).port).collect::<Vec<_>>()
        };
        for step in order.chars() {
            now += 300;
            if step == '.' {
                now += 2_000;
            } else if let 'p' | 'q' = step {
                let n = u8::from(step == 'p');
                plain[usize::from(n)].processes.remove(&TALKER);
                app.report(n, plain[usize::from(n)].clone(), now);
            } else {
                let (n, half) = halves()[usize::from(step.eq_ignore_ascii_case(&'s'))].clone();
                let report = &mut plain[usize::from(n)];
                report.connections.clear();
                if step.is_uppercase() {
                    report.connections.insert(ConnectionId(1), half.into());
                }
                app.report(n, plain[usize::from(n)].clone(), now);
            }
            app.settle(now);
        }
        for wait in [0, 4_000, WINDOW_MS - 8_000] {
            now += wait;
            app.settle(now);
            assert_eq!(edges(&mut app), [7000], "{order}, {wait} ms later");
        }
        now += WINDOW_MS;
        app.settle(now);
        app.settle(now);
        assert_eq!(edges(&mut app), [] as [u16; 0], "{order}");
    }
}

#[test]
fn the_end_that_was_called_alone_is_no_edge_where_who_calls_tells_of_short_ones() {
    for (sees_short_ones, expect) in [(true, 0), (false, 1)] {
        let idle = Plan { containers: [Some(true), None, None], connections: BTreeSet::new(), ..quiet() };
        let mut plain = [0, 1].map(|n| report(n, &idle, &[idle.clone(), idle.clone()]));
        for (n, report) in plain.iter_mut().enumerate() {
            report.host.local_networks[0] = format!("10.77.0.1{n}/24").parse().unwrap();
            let status = CollectorStatus { state: CollectorState::Ok, ..CollectorStatus::default() };
            report.collectors.extend(sees_short_ones.then_some((Collector::Ebpf, status)));
        }
        let mut app = App::new();
        let [silent, mut called] = [plain[1].clone(), plain[0].clone()];
        app.report(1, silent, 1_000);
        let (_, half) = halves()[1].clone();
        called.connections.insert(ConnectionId(1), half.into());
        app.report(0, called.clone(), 1_000);
        called.connections.clear();
        app.report(0, called, 1_500);
        app.settle(1_500);
        let is_transport = |edge: &Edge| matches!(edge, Edge::Connects(c) if matches!(c.medium, Medium::Transport(_)));
        let found = app.topology.graph.edge_weights().filter(|edge| is_transport(edge)).count();
        assert_eq!(found, expect, "{sees_short_ones}");
    }
}

#[test]
fn a_call_of_a_published_port_crosses_between_the_devices_of_the_hosts_for_as_long_as_somebody_makes_it() {
    let calls = Plan { published: [(0, 1), (1, 1)].into(), is_reachable: true, ..quiet() };
    let still = Plan { is_reachable: true, ..quiet() };
    let mut app = App::new();
    let now = |app: &mut App, both: [&Plan; 2], now_ms| {
        let both = both.map(Clone::clone);
        for n in [0, 1] {
            app.report(n, report(n, &both[usize::from(n)], &both), now_ms);
        }
        app.settle(now_ms);
        let between = |edge: petgraph::graph::EdgeIndex| {
            let (source, target) = app.topology.graph.edge_endpoints(edge)?;
            match (&app.topology.graph[source], &app.topology.graph[target]) {
                (Entity::Interface(from, a), Entity::Interface(to, b)) if from != to => Some(((*from, *a), (*to, *b))),
                _ => None,
            }
        };
        let edges = app.topology.graph.edge_indices().filter_map(|edge| {
            let Edge::Connects(connects) = &app.topology.graph[edge] else { return None };
            Some((between(edge)?, connects.medium, connects.port))
        });
        edges.collect::<Vec<_>>()
    };
    let device = LinkKey { namespace: NetNsId(1), index: 2 };
    let one = ((host(0), device), (host(1), device));
    assert_eq!(now(&mut app, [&calls, &still], 1_000), [(one, Medium::Translated, 8001)], "one edge for both");
    let unreachable = Plan { is_reachable: false, ..still.clone() };
    assert_eq!(now(&mut app, [&calls, &unreachable], 2_000), [], "nobody's address");
    assert_eq!(now(&mut app, [&calls, &still], 3_000), [(one, Medium::Translated, 8001)]);
    assert_eq!(now(&mut app, [&still, &still], 4_000).len(), 1, "for the window");
    assert_eq!(now(&mut app, [&still, &still], 6_000 + WINDOW_MS), []);
}

/// Two containers of which the first calls the other.
fn quiet() -> Plan {
    Plan {
        containers: [Some(true), Some(true), None],
        connections: [(0, 1, false)].into(),
        outside: BTreeSet::new(),
        published: BTreeSet::new(),
        asked: None,
        manages: None,
        is_member: false,
        heard: None,
        calls_unprobed: BTreeSet::new(),
        wired: BTreeSet::new(),
        tunnels: BTreeSet::new(),
        busy: None,
        is_reachable: false,
    }
}
