//! A load that speaks the probes' protocol: many hosts that report as real ones do, all from one process.
//!
//! Each host has 50 containers of 4 processes, 60 processes beside, and 200 halves of connections: 20 to the Internet,
//! 40 within the host, 140 to and from other hosts over an overlay. Every second all metrics change; every 3 s a tenth
//! of the connections is replaced, on both of their hosts, and what each carries differs.
//!
//! Where overlays are asked for, the containers are on 20 of them instead of one; each host tells what its engine has
//! heard of their members on all hosts, and what its kernel has of interfaces, neighbours and forwarding entries.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use shared::Report;
use shared::addr::Protocol;
use shared::delta;
use shared::id::{ConnectionId, ContainerId, HostId, InstanceId, NetNsId, NetworkId, ProcessId};
use shared::report::{
    Collector, CollectorState, CollectorStatus, Connection, Container, ContainerMetrics, ContainerState, Endpoint,
    Evidence, FlowMetrics, FlowTotals, Forwarding, HostMetrics, Link, LinkKey, Namespace, Neighbour, NeighbourState,
    Network, NetworkScope, Overlay, OverlayMember, Paths, Process, ProcessMetrics, Role, Vxlan,
};
use shared::wire::codec::{FrameReader, FrameWriter};
use shared::wire::{self, Hello, Snapshot, Stamp, ToApp, ToProbe, Update};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

const CONTAINERS: u16 = 50;
const PROCESSES_EACH: u32 = 4;
const PROCESSES_BESIDE: u32 = 60;
const TO_INTERNET: u16 = 20;
const WITHIN: u16 = 20;
const ACROSS: u16 = 70;
const OVERLAYS: u16 = 20;

/// What the load's hosts do at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Busy,
    /// Nothing changes: only heartbeats are sent.
    Still,
}

pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(0)
}

fn host_id(host: u16) -> HostId {
    HostId(Uuid::from_u128(0x5c0e_0000 + u128::from(host)))
}

pub fn container_id(host: u16, container: u16) -> ContainerId {
    // Spread like real ids, and the same in every run.
    let seed = u128::from(host) << 16 | u128::from(container);
    let (a, b) =
        (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835), seed.wrapping_mul(0xc2b2_ae3d_27d4_eb4f));
    format!("{a:032x}{b:032x}").into()
}

fn address(host: u16, container: u16) -> IpAddr {
    [10, 100 + (host / 250) as u8, (host % 250) as u8, container as u8 + 2].into()
}

/// The overlay that a container is in.
fn overlay_of(container: u16) -> u16 {
    container % OVERLAYS
}

fn overlay_id(overlay: u16) -> NetworkId {
    format!("overlay{overlay:03}aaaaaaaaaaaaaaa").into()
}

fn vtep(host: u16) -> IpAddr {
    [192, 168, (host / 250) as u8, (host % 250 + 1) as u8].into()
}

fn mac(host: u16, container: u16) -> String {
    format!("02:42:{:02x}:{:02x}:00:{container:02x}", host >> 8, host & 0xff)
}

/// Puts the containers into overlays, with all that the engine and the kernel of the host have of these.
fn put_on_overlays(report: &mut Report, host: u16, hosts: u16) {
    report.networks.clear();
    for collector in [Collector::Docker, Collector::Link] {
        report
            .collectors
            .insert(collector, CollectorStatus { state: CollectorState::Ok, ..CollectorStatus::default() });
    }
    let link = |name: &str, kind: &str| Link {
        name: name.into(),
        kind: kind.into(),
        mtu: 1450,
        up: true,
        running: true,
        ..Link::default()
    };
    let key = |namespace: u32, index: u32| LinkKey { namespace: NetNsId(namespace), index };
    let device = Link { addresses: report.host.local_networks.clone(), mtu: 1500, ..link("eth0", "physical") };
    report.links.insert(key(1, 2), device);
    for n in 0..OVERLAYS {
        let id = overlay_id(n);
        let network = Network {
            name: format!("overlay-{n}"),
            driver: "overlay".into(),
            scope: NetworkScope::Swarm,
            // The addresses of all are of one space: the load's connections go from any to any.
            subnets: if n == 0 { vec!["10.100.0.0/14".parse().expect("a subnet")] } else { Vec::new() },
            ..Network::default()
        };
        report.networks.insert(id.clone(), network);
        let sandbox = 1000 + u32::from(n);
        let name = format!("1-{}", id.0.chars().take(10).collect::<String>());
        report.namespaces.insert(NetNsId(sandbox), Namespace { inode: sandbox.into(), name, ..Namespace::default() });
        report.links.insert(key(sandbox, 2), link("br0", "bridge"));
        let vxlan = Some(Vxlan { vni: 4097 + u32::from(n), port: 4789, local: None, underlay: Some(2) });
        report.links.insert(key(sandbox, 3), Link { master: Some(2), vxlan, ..link("vxlan0", "vxlan") });
        let (mut overlay, mut paths) = (Overlay::default(), Paths::default());
        overlay.peers = (0..hosts).map(vtep).collect();
        for (there, c) in (0..hosts).flat_map(|there| (n..CONTAINERS).step_by(OVERLAYS.into()).map(move |c| (there, c)))
        {
            let (at, name) = (address(there, c), format!("app-{there:04}-{c:03}"));
            overlay.members.insert(at, OverlayMember { name, vtep: Some(vtep(there)), mac: String::new() });
            if there != host {
                let (mac, vtep) = (mac(there, c), Some(vtep(there)));
                paths.forwarding.push(Forwarding { mac: mac.clone(), link: 3, vtep, is_learned: false });
                paths.neighbours.push(Neighbour { address: at, mac, link: 3, state: NeighbourState::Permanent });
            }
        }
        report.overlays.insert(id, overlay);
        report.paths.insert(NetNsId(sandbox), paths);
    }
    for c in 0..CONTAINERS {
        let (inside, sandbox) = (u32::from(c) + 2, 1000 + u32::from(overlay_of(c)));
        let (own, port) = (key(inside, 2), key(sandbox, 10 + u32::from(c)));
        let addresses = vec![format!("{}/14", address(host, c)).parse().expect("a subnet")];
        report.links.insert(own, Link { mac: mac(host, c), peer: Some(port), addresses, ..link("eth0", "veth") });
        report.links.insert(port, Link { peer: Some(own), master: Some(2), ..link(&format!("veth{c}"), "veth") });
        if let Some(container) = report.containers.get_mut(&container_id(host, c)) {
            let endpoint = Endpoint {
                network: Some(overlay_id(overlay_of(c))),
                addresses: vec![address(host, c)],
                mac: mac(host, c),
                ..Endpoint::default()
            };
            container.endpoints = [(format!("overlay-{}", overlay_of(c)), endpoint)].into();
        }
    }
}

/// One host's report before anything is measured and connected.
fn still_life(host: u16) -> Report {
    let mut report = Report::default();
    report.host.name = format!("node-{host:04}");
    report.host.os = "linux".into();
    report.host.kernel = "6.1.0".into();
    report.host.booted_at_ms = now_ms() - 4_000_000;
    report.host.cpus = 8;
    report.host.memory_bytes = 32 << 30;
    report.host.local_networks =
        vec![format!("192.168.{}.{}/16", host / 250, host % 250 + 1).parse().expect("a subnet")];
    report.namespaces.insert(NetNsId(1), Namespace { inode: 1, is_host: true, ..Namespace::default() });
    let mesh = Network {
        name: "mesh".into(),
        driver: "overlay".into(),
        scope: NetworkScope::Swarm,
        subnets: vec!["10.100.0.0/14".parse().expect("a subnet")],
        ..Network::default()
    };
    report.networks.insert("mesh-network".into(), mesh);
    for c in 0..CONTAINERS {
        let id = container_id(host, c);
        let endpoint =
            Endpoint { network: Some("mesh-network".into()), addresses: vec![address(host, c)], ..Endpoint::default() };
        let labels = [
            ("com.docker.compose.project".to_owned(), format!("project-{}", c % 7)),
            ("com.docker.compose.service".to_owned(), format!("service-{}", c % 15)),
            ("maintainer".to_owned(), "team@example.com".to_owned()),
        ];
        let container = Container {
            name: format!("app-{:02}-{host:04}-{c:03}", c % 15),
            image_name: format!("registry.example/app-{:02}:v1.2.3", c % 15),
            command: "/usr/bin/app --listen 0.0.0.0:8080 --config /etc/app.yaml".into(),
            state: ContainerState::Running,
            created_ms: now_ms() - 3_700_000,
            started_ms: now_ms() - 3_600_000,
            hostname: id.0[..12].to_owned(),
            pid: Some(1000 + u32::from(c) * 10),
            namespace: Some(NetNsId(u32::from(c) + 2)),
            endpoints: [("mesh".to_owned(), endpoint)].into(),
            labels: labels.into(),
            ..Container::default()
        };
        report.namespaces.insert(
            NetNsId(u32::from(c) + 2),
            Namespace { inode: u64::from(c) + 2, is_host: false, ..Namespace::default() },
        );
        report.containers.insert(id.clone(), container);
        for p in 0..PROCESSES_EACH {
            let process = Process {
                name: format!("app-{p}"),
                command: format!("/usr/bin/app-{p} --listen 0.0.0.0:8080"),
                parent: 1,
                namespace: Some(NetNsId(u32::from(c) + 2)),
                container: Some(id.clone()),
                ..Process::default()
            };
            report.processes.insert(owner(c, p), process);
        }
    }
    for p in 0..PROCESSES_BESIDE {
        let process = Process {
            name: format!("/usr/sbin/daemon-{}", p % 20),
            command: format!("/usr/sbin/daemon-{} --foreground", p % 20),
            parent: 1,
            namespace: Some(NetNsId(1)),
            ..Process::default()
        };
        report.processes.insert(ProcessId { pid: 100 + p, start: 5 }, process);
    }
    report
}

fn owner(container: u16, process: u32) -> ProcessId {
    ProcessId { pid: 1000 + u32::from(container) * 10 + process, start: 7 }
}

/// How often connection `k` has been replaced by then.
fn generation(k: u16, now_ms: u64) -> u16 {
    let round = now_ms / 3_000;
    ((round + 10 - u64::from(k % 10)) / 10 % 500) as u16
}

/// How many hosts there are, and how many conversations each opens to others.
#[derive(Clone, Copy)]
struct Shape {
    hosts: u16,
    across: u16,
    overlays: bool,
}

fn connect(report: &mut Report, host: u16, shape: Shape, now_ms: u64) {
    let Shape { hosts, across, .. } = shape;
    report.connections.clear();
    let mut put = |id: u64, c: u16, local: SocketAddr, remote: SocketAddr, role| {
        let connection = Connection {
            namespace: NetNsId(u32::from(c) + 2),
            protocol: Protocol::Tcp,
            local: local.into(),
            remote: remote.into(),
            owner: Some(owner(c, 0)).into(),
            role,
            evidence: if role == Role::Server { Evidence::Listener } else { Evidence::PortRange },
            nat: None,
        };
        report.connections.insert(ConnectionId(id), connection.into());
    };
    let at = |h: u16, c: u16, port: u16| SocketAddr::new(address(h, c), port);
    let id = |kind: u64, k: u16, g: u16| kind << 32 | u64::from(k) << 16 | u64::from(g);
    for k in 0..TO_INTERNET {
        let g = generation(k, now_ms);
        let world = SocketAddr::new([203, 0, 113, (k % 20) as u8].into(), 443);
        put(id(1, k, g), k, at(host, k, 33_000 + k * 20 + g % 20), world, Role::Client);
    }
    for k in 0..WITHIN {
        let g = generation(k, now_ms);
        let (from, to) = (at(host, k, 40_000 + k * 500 + g), at(host, 49 - k, 8080));
        put(id(2, k, g), k, from, to, Role::Client);
        put(id(3, k, g), 49 - k, to, from, Role::Server);
    }
    for k in 0..if hosts > 1 { across } else { 0 } {
        let g = generation(k, now_ms);
        let other = |h: u16| (h + 1 + k) % hosts;
        let pair = |h: u16| (at(h, k % 50, 52_000 + k / 50 * 500 + g), at(other(h), (k + 25 + k / 50 * 7) % 50, 8080));
        let (from, to) = pair(host);
        put(id(4, k, g), k % 50, from, to, Role::Client);
        let caller = (host + hosts - (1 + k) % hosts) % hosts;
        let (from, to) = pair(caller);
        put(id(5, k, g), (k + 25 + k / 50 * 7) % 50, to, from, Role::Server);
    }
}

fn measure(report: &mut Report) {
    let some = |most: f64| (fastrand::f64() * most * 100.0).round() / 100.0;
    report.metrics.host = Some(HostMetrics {
        cpu_percent: some(100.0),
        memory_bytes: 8 << 30,
        load1: some(8.0),
        ..HostMetrics::default()
    });
    let containers: Vec<ContainerId> = report.containers.keys().cloned().collect();
    for id in containers {
        let sample = ContainerMetrics {
            cpu_percent: some(100.0),
            memory_bytes: fastrand::u64(1 << 20..1 << 30),
            received_bytes_per_s: some(1e6).round(),
            sent_bytes_per_s: some(1e6).round(),
            ..ContainerMetrics::default()
        };
        report.metrics.containers.insert(id, sample);
    }
    let processes: Vec<ProcessId> = report.processes.keys().copied().collect();
    for id in processes {
        let sample = ProcessMetrics {
            cpu_percent: some(50.0),
            memory_bytes: fastrand::u64(1 << 20..1 << 28),
            threads: 4,
            open_files: Some(fastrand::u32(10..40)),
        };
        report.metrics.processes.insert(id, sample);
    }
}

/// What connections carry: probes read that every few seconds.
fn measure_flows(report: &mut Report) {
    let mut flows = std::mem::take(&mut report.metrics.flows);
    let mut old = |flow| flows.remove(&flow).map(|metrics: FlowMetrics| metrics.totals);
    let measured = report.connections.values().map(|connection| {
        let flow = connection.flow();
        let FlowTotals { opened, sent_bytes, received_bytes, .. } = old(flow).unwrap_or_default();
        let (sent, received) = (fastrand::u64(0..100_000), fastrand::u64(0..1_000_000));
        let totals = FlowTotals {
            opened: opened.max(1),
            connect_us: 300,
            sent_bytes: sent_bytes + sent * 3,
            received_bytes: received_bytes + received * 3,
            ..FlowTotals::default()
        };
        let metrics = FlowMetrics {
            totals,
            sent_bytes_per_s: sent as f32,
            received_bytes_per_s: received as f32,
            rtt_us: fastrand::u32(200..2_000),
            min_rtt_us: 150,
            ..FlowMetrics::default()
        };
        (flow, metrics)
    });
    report.metrics.flows = measured.collect();
}

/// The port of the connection that mark `count` makes.
pub fn marked_port(count: u32) -> u16 {
    20_000 + (count % 10_000) as u16
}

/// What the host that is marked is told, and tells.
#[derive(Clone)]
struct Marking {
    asked: watch::Receiver<u32>,
    /// Memory of the marked container with the moment when it was sent.
    samples: mpsc::UnboundedSender<(u64, Instant)>,
}

impl Marking {
    /// Makes of the first container of the first host what mark `count` wants: its restart count, and a connection.
    fn put(report: &mut Report, count: u32) {
        if let Some(container) = report.containers.get_mut(&container_id(0, 0)) {
            container.restart_count = count;
        }
        let connection = Connection {
            namespace: NetNsId(2),
            protocol: Protocol::Tcp,
            local: SocketAddr::new(address(0, 0), marked_port(count)).into(),
            remote: SocketAddr::new([203, 0, 113, 99].into(), marked_port(count)).into(),
            owner: Some(owner(0, 0)).into(),
            role: Role::Client,
            evidence: Evidence::PortRange,
            nat: None,
        };
        report.connections.insert(ConnectionId(u64::MAX), connection.into());
    }
}

/// One host of many, until the app goes or the task is dropped.
async fn host(
    app: SocketAddr,
    host: u16,
    shape: Shape,
    activity: watch::Receiver<Activity>,
    marking: Marking,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(app).await.map_err(|e| text(&e))?;
    stream.set_nodelay(true).map_err(|e| text(&e))?;
    let (mut socket, _) = client_async(format!("ws://{app}{}", wire::PATH), stream).await.map_err(|e| text(&e))?;
    let mut writer = FrameWriter::new().map_err(|e| text(&e))?;
    let mut reader = FrameReader::new().map_err(|e| text(&e))?;
    let hello = Hello {
        host: host_id(host),
        instance: InstanceId(Uuid::from_u128(u128::from(now_ms()))),
        hostname: format!("node-{host:04}"),
        scope_version: "load".into(),
        token: String::new(),
        capabilities: Vec::new(),
        publish_interval_ms: 1000,
    };
    let mut report = still_life(host);
    if shape.overlays {
        put_on_overlays(&mut report, host, shape.hosts);
    }
    measure(&mut report);
    connect(&mut report, host, shape, now_ms());
    measure_flows(&mut report);
    let mut sequence = 1;
    let stamp = || Stamp { boot_ms: now_ms(), wall_ms: now_ms() };
    let first = Snapshot { sequence, at: stamp(), report: report.clone() };
    for message in [ToApp::Hello(hello), ToApp::Snapshot(first)] {
        let frame = writer.encode(&message).map_err(|e| text(&e))?;
        socket.send(Message::Binary(frame.into())).await.map_err(|e| text(&e))?;
    }
    let Marking { mut asked, samples } = marking;
    let mut count = *asked.borrow_and_update();
    // Hosts do not tick in step.
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1000))).await;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut beats = 0u32;
    let mut before = report.clone();
    // As a probe does: at most one message waits for its answer, what changes meanwhile goes with the next.
    let mut unanswered = true;
    loop {
        tokio::select! {
            _ = tick.tick(), if !unanswered => {
                beats += 1;
                if *activity.borrow() == Activity::Busy {
                    measure(&mut report);
                    connect(&mut report, host, shape, now_ms());
                    if beats.is_multiple_of(3) {
                        measure_flows(&mut report);
                    }
                    if host == 0 && count > 0 {
                        Marking::put(&mut report, count);
                    }
                } else if beats.is_multiple_of(2) {
                    // A probe with nothing to say is heard every two seconds.
                    continue;
                }
            }
            changed = asked.changed(), if !unanswered => {
                changed.map_err(|e| text(&e))?;
                if host != 0 {
                    continue;
                }
                count = *asked.borrow_and_update();
                Marking::put(&mut report, count);
            }
            said = socket.next() => {
                let Some(said) = said else { return Err("the app closed the connection".into()) };
                if let Message::Binary(bytes) = said.map_err(|e| text(&e))? {
                    match reader.decode::<ToProbe>(&bytes).map_err(|e| text(&e))? {
                        ToProbe::Welcome(_) => {}
                        ToProbe::Ack(_) => unanswered = false,
                        other => return Err(format!("the app answers {other:?}")),
                    }
                }
                continue;
            }
        }
        sequence += 1;
        let change = delta::between(&before, &report);
        delta::apply(&change, &mut before);
        let marked = container_id(0, 0);
        let measured = change.metrics.containers.set.iter().find(|(id, _)| host == 0 && *id == marked);
        let memory = measured.map(|(_, metrics)| metrics.memory_bytes);
        let message: ToApp = ToApp::Delta(Update { sequence, at: stamp(), delta: change });
        let frame = writer.encode(&message).map_err(|e| text(&e))?;
        if let Some(memory) = memory {
            let _ = samples.send((memory, Instant::now()));
        }
        unanswered = true;
        socket.send(Message::Binary(frame.into())).await.map_err(|e| text(&e))?;
    }
}

/// Threads of lower priority than others': the load stands for other machines, whose work would delay nobody here.
fn runtime() -> Runtime {
    let yielding = || {
        // SAFETY: of the calling thread alone.
        unsafe { libc::nice(10) };
    };
    Builder::new_multi_thread().worker_threads(2).enable_all().on_thread_start(yielding).build().expect("a runtime")
}

/// Hosts that report, until it is dropped.
pub struct Load {
    activity: watch::Sender<Activity>,
    marks: watch::Sender<u32>,
    /// Memory of the marked container, bytes, with the moment when it was sent.
    pub samples: mpsc::UnboundedReceiver<(u64, Instant)>,
    /// None once dropped.
    runtime: Option<Runtime>,
}

impl Load {
    pub fn start(app: SocketAddr, hosts: u16) -> Self {
        Self::shaped(app, hosts, ACROSS)
    }

    /// With so many conversations from each host to others.
    pub fn shaped(app: SocketAddr, hosts: u16, across: u16) -> Self {
        Self::of(app, Shape { hosts, across, overlays: false }, 0)
    }

    /// With the containers on 20 overlays, and all that engines and kernels have of these.
    pub fn on_overlays(app: SocketAddr, hosts: u16) -> Self {
        Self::of(app, Shape { hosts, across: ACROSS, overlays: true }, 0)
    }

    /// So many more hosts beside those of another load.
    pub fn more(app: SocketAddr, beside: u16, hosts: u16) -> Self {
        Self::of(app, Shape { hosts: beside + hosts, across: ACROSS, overlays: false }, beside)
    }

    /// Of a shape all hosts from the `first` on.
    fn of(app: SocketAddr, shape: Shape, first: u16) -> Self {
        let (activity, busy) = watch::channel(Activity::Busy);
        let (marks, asked) = watch::channel(0);
        let (sender, samples) = mpsc::unbounded_channel();
        let marking = Marking { asked, samples: sender };
        let failed = Arc::new(AtomicBool::new(false));
        let runtime = runtime();
        for n in first..shape.hosts {
            let (busy, marking, failed) = (busy.clone(), marking.clone(), failed.clone());
            runtime.spawn(async move {
                if let Err(error) = host(app, n, shape, busy, marking).await
                    && !failed.swap(true, Ordering::Relaxed)
                {
                    eprintln!("host {n} of the load ended: {error}");
                }
            });
        }
        Self { activity, marks, samples, runtime: Some(runtime) }
    }

    pub fn act(&self, activity: Activity) {
        self.activity.send_replace(activity);
    }

    /// Asks the first host to change its first container.
    pub fn mark(&self, count: u32) {
        self.marks.send_replace(count);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
