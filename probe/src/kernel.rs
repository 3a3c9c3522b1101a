//! The thread that reads the kernel: processes, control groups, and the sockets of every network namespace.
//!
//! A thread of its own because it enters namespaces. Each reading waits as long after the last as keeps its cost
//! under a few per cent of a core, so that a large host is read less often instead of at a higher price.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shared::addr::Subnet;
use shared::id::{ContainerId, NetNsId, ProcessId};
use shared::report::{
    Collector, CollectorState, CollectorStatus, ContainerMetrics, Namespace, Process, ProcessMetrics,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info_span, warn};

use crate::cgroup::{self, Group, Mounts, Usage};
use crate::docker::Watched;
use crate::netns::Home;
use crate::process::Scanner;
use crate::socket::conntrack::Conntrack;
use crate::socket::owner::Owners;
use crate::socket::table::{Dump, Table};
use crate::socket::{proc_net, sock_diag};
use crate::state::Reading;
use crate::{Config, host, netlink};

/// A pass waits this many times its own cost before the next. Sockets are what readers wait for; processes may be read
/// less often.
const SOCKETS_REST: u32 = 40;
const SCAN_REST: u32 = 60;
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
const SOCKETS_INTERVAL: Duration = Duration::from_millis(250);
const INTERVAL_MAX: Duration = Duration::from_secs(5);
/// How soon the thread notices that it is to stop.
const NAP: Duration = Duration::from_millis(50);
/// Addresses of a namespace are read at each pass while it is young, then every so many passes.
const YOUNG_PASSES: u32 = 20;
const ADDRESSES_EVERY_PASSES: u32 = 20;

pub fn spawn(
    config: Config,
    watched: Watched,
    readings: mpsc::Sender<Reading>,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("kernel".into()).spawn(move || {
        let _span = info_span!("kernel").entered();
        Kernel::new(config, watched, readings).run(&stop);
    })
}

struct Kernel {
    readings: mpsc::Sender<Reading>,
    watched: Watched,
    config: Config,
    started: Instant,
    tick: u64,
    host: host::Reader,
    scanner: Scanner,
    namespaces: Namespaces,
    owners: Owners,
    table: Table,
    conntrack: io::Result<Conntrack>,
    mounts: Mounts,
    usage: HashMap<ContainerId, (f64, Usage, (u64, u64))>,
    statuses: BTreeMap<Collector, CollectorStatus>,
}

impl Kernel {
    fn new(config: Config, watched: Watched, readings: mpsc::Sender<Reading>) -> Self {
        Self {
            readings,
            watched,
            started: Instant::now(),
            tick: 0,
            host: host::Reader::new(&config),
            scanner: Scanner::new(config.proc_root.clone(), config.omit_command_arguments),
            namespaces: Namespaces::new(config.proc_root.clone()),
            owners: Owners::new(config.proc_root.clone()),
            table: Table::default(),
            conntrack: Conntrack::open(),
            mounts: Mounts::find(),
            usage: HashMap::new(),
            statuses: BTreeMap::new(),
            config,
        }
    }

    fn run(&mut self, stop: &CancellationToken) {
        let mut next_scan = Instant::now();
        let mut next_sockets = Instant::now();
        while !stop.is_cancelled() {
            let now = Instant::now();
            let mut sent = Ok(());
            if now >= next_scan {
                sent = self.scan();
                next_scan = now + (now.elapsed() * SCAN_REST).clamp(SCAN_INTERVAL, INTERVAL_MAX);
            }
            if now >= next_sockets && sent.is_ok() {
                let before = Instant::now();
                sent = self.sockets();
                next_sockets = before + (before.elapsed() * SOCKETS_REST).clamp(SOCKETS_INTERVAL, INTERVAL_MAX);
            }
            if sent.is_err() {
                return;
            }
            let next = next_scan.min(next_sockets).saturating_duration_since(Instant::now());
            std::thread::sleep(next.min(NAP));
        }
    }

    fn scan(&mut self) -> Result<(), Closed> {
        self.tick += 1;
        let at_s = self.started.elapsed().as_secs_f64();
        let status = match self.scanner.scan(self.tick, at_s) {
            Ok(()) => self.process_status(),
            Err(error) => failed(format!("{} is not readable: {error}", self.config.proc_root.display())),
        };
        self.report_status(Collector::Process, status)?;
        self.namespaces.renew(&self.scanner);
        let addresses = self.namespaces.host_addresses();
        let facts = self.host.facts(&self.config, addresses);
        let metrics = self.host.metrics(at_s);
        let summary = format!("{} cores, {} interfaces' addresses", facts.cpus, facts.local_networks.len());
        self.report_status(Collector::Host, ok(summary))?;
        self.send(Reading::Host(Box::new(facts), metrics))?;
        let mut processes = BTreeMap::new();
        let mut samples: BTreeMap<ProcessId, ProcessMetrics> = BTreeMap::new();
        for (id, known) in &self.scanner.processes {
            samples.insert(*id, known.metrics);
            processes.insert(
                *id,
                Process {
                    name: known.name.clone(),
                    command: known.command.clone(),
                    parent: known.parent,
                    namespace: known.namespace.and_then(|inode| self.namespaces.id(inode)),
                    container: None,
                    cgroup: known.cgroup.clone(),
                    open_files_limit: known.open_files_limit,
                },
            );
        }
        self.send(Reading::Processes(processes, samples))?;
        let containers = self.container_metrics(at_s);
        self.send(Reading::ContainerMetrics(containers))
    }

    fn process_status(&self) -> CollectorStatus {
        let (all, hidden) = (self.scanner.processes.len(), self.scanner.hidden);
        if hidden == 0 {
            return ok(format!("{all} processes"));
        }
        CollectorStatus {
            state: CollectorState::Degraded,
            message: format!(
                "{all} processes, of {hidden} neither namespace nor descriptors: run the probe as root or with \
                 CAP_SYS_PTRACE"
            ),
            dropped: 0,
        }
    }

    /// Rates from two samples of each container's group; a container seen once has none yet.
    fn container_metrics(&mut self, at_s: f64) -> BTreeMap<ContainerId, ContainerMetrics> {
        let mut metrics = BTreeMap::new();
        let mut usage = HashMap::new();
        for (id, watch) in self.watched.running() {
            let directory = crate::procfs::pid_dir(&self.config.proc_root, watch.pid);
            let Ok(text) = std::fs::read_to_string(directory.join("cgroup")) else { continue };
            let Some(now) = Group::of(&text, &self.mounts).usage() else { continue };
            let network = match watch.host_network {
                true => (0, 0),
                false => cgroup::network_bytes(&directory.join("net/dev")),
            };
            let mut sample = ContainerMetrics { memory_bytes: now.memory_bytes, ..ContainerMetrics::default() };
            if let Some((then_s, then, then_network)) = self.usage.get(&id) {
                let rate = |old, new| host::per_second(old, new, at_s - then_s);
                let busy_ns = rate(then.cpu_ns, now.cpu_ns);
                sample.cpu_percent = (busy_ns / 1e9 * 1e4).round() / 100.0;
                sample.read_bytes_per_s = rate(then.read_bytes, now.read_bytes).round();
                sample.written_bytes_per_s = rate(then.written_bytes, now.written_bytes).round();
                sample.received_bytes_per_s = rate(then_network.0, network.0).round();
                sample.sent_bytes_per_s = rate(then_network.1, network.1).round();
            }
            metrics.insert(id.clone(), sample);
            usage.insert(id, (at_s, now, network));
        }
        self.usage = usage;
        metrics
    }

    fn sockets(&mut self) -> Result<(), Closed> {
        let dumps = self.namespaces.dump();
        let exists: HashSet<u64> = dumps.iter().flat_map(|d| d.sockets.iter().map(|s| s.inode)).collect();
        self.owners.retain(&exists, |owner| self.scanner.processes.contains_key(&owner));
        for Dump { namespace, sockets } in &dumps {
            let wanted = self.owners.unknown(sockets.iter().map(|s| s.inode));
            if !wanted.is_empty() {
                let inode = self.namespaces.inode(*namespace);
                let inside = self.scanner.processes.iter().filter(|(_, p)| p.namespace == inode || inode.is_none());
                self.owners.search(wanted, inside.map(|(id, _)| *id));
            }
        }
        let ephemeral = self.namespaces.ephemeral;
        let Self { table, owners, conntrack, .. } = self;
        let mut trouble = None;
        let changed = table.update(
            &dumps,
            ephemeral,
            |inode| owners.of(inode),
            |protocol, here| {
                let conntrack = conntrack.as_mut().ok()?;
                conntrack.find(protocol, here).unwrap_or_else(|error| {
                    trouble = Some(error);
                    None
                })
            },
        );
        if let Some(error) = trouble {
            self.conntrack = Err(error);
        }
        let conntrack = match &self.conntrack {
            Ok(_) => ok("asked for each new connection".into()),
            Err(error) => failed(format!(
                "{error}: connections through NAT are not followed; run the probe as root or with CAP_NET_ADMIN"
            )),
        };
        self.report_status(Collector::Conntrack, conntrack)?;
        let status = self.socket_status(dumps.len());
        self.report_status(Collector::Socket, status)?;
        if changed || self.namespaces.changed {
            self.namespaces.changed = false;
            self.send(Reading::Sockets {
                namespaces: self.namespaces.records(),
                listeners: self.table.listeners.clone(),
                connections: self.table.connections(),
            })?;
        }
        Ok(())
    }

    fn socket_status(&self, read: usize) -> CollectorStatus {
        let plural = if read == 1 { "" } else { "s" };
        if let Some(error) = &self.namespaces.refused {
            return CollectorStatus {
                state: CollectorState::Degraded,
                message: format!(
                    "{read} namespace{plural} read, others cannot be entered ({error}): run the probe as root or with \
                     CAP_SYS_ADMIN"
                ),
                dropped: 0,
            };
        }
        let hidden = self.scanner.hidden;
        if hidden > 0 {
            return CollectorStatus {
                state: CollectorState::Degraded,
                message: format!(
                    "{read} namespace{plural} read; those of {hidden} processes, and which sockets are theirs, cannot \
                     be seen: run the probe as root or with CAP_SYS_PTRACE and CAP_SYS_ADMIN"
                ),
                dropped: 0,
            };
        }
        if self.owners.refused > 0 {
            return CollectorStatus {
                state: CollectorState::Degraded,
                message: format!(
                    "owners of sockets unknown: descriptors of {} processes are not readable; run the probe as root \
                     or with CAP_SYS_PTRACE",
                    self.owners.refused
                ),
                dropped: 0,
            };
        }
        ok(format!("{} in {read} network namespace{plural}", self.namespaces.method))
    }

    fn report_status(&mut self, collector: Collector, status: CollectorStatus) -> Result<(), Closed> {
        if self.statuses.get(&collector) == Some(&status) {
            return Ok(());
        }
        if status.state != CollectorState::Ok
            && self.statuses.get(&collector).is_none_or(|old| old.state != status.state)
        {
            warn!(collector = collector.name(), state = status.state.name(), message = %status.message, "collector");
        }
        self.statuses.insert(collector, status.clone());
        self.send(Reading::Status(collector, status))
    }

    fn send(&self, reading: Reading) -> Result<(), Closed> {
        self.readings.blocking_send(reading).map_err(|_| Closed)
    }
}

/// The state's owner is gone: the probe is stopping.
struct Closed;

fn ok(message: String) -> CollectorStatus {
    CollectorStatus { state: CollectorState::Ok, message, dropped: 0 }
}

fn failed(message: String) -> CollectorStatus {
    CollectorStatus { state: CollectorState::Failed, message, dropped: 0 }
}

/// The network namespaces that processes are in. One whose last process went is forgotten; its inode, used again, is
/// another namespace.
struct Namespaces {
    proc_root: PathBuf,
    home: Option<Home>,
    host_inode: Option<u64>,
    by_inode: BTreeMap<u64, Met>,
    next: u32,
    ephemeral: Option<(u16, u16)>,
    refused: Option<io::Error>,
    method: &'static str,
    changed: bool,
}

struct Met {
    id: NetNsId,
    /// Through whom it is entered.
    pids: Vec<u32>,
    passes: u32,
    addresses: Vec<Subnet>,
}

impl Namespaces {
    fn new(proc_root: PathBuf) -> Self {
        let host_inode = std::fs::read_link("/proc/self/ns/net").ok().and_then(|l| crate::procfs::bracketed(&l));
        let range = std::fs::read_to_string(proc_root.join("sys/net/ipv4/ip_local_port_range")).unwrap_or_default();
        let mut ends = range.split_ascii_whitespace().map(str::parse);
        let ephemeral = match (ends.next(), ends.next()) {
            (Some(Ok(low)), Some(Ok(high))) => Some((low, high)),
            _ => None,
        };
        Self {
            proc_root,
            home: Home::of_this_thread().ok(),
            host_inode,
            by_inode: BTreeMap::new(),
            next: 0,
            ephemeral,
            refused: None,
            method: "sock_diag",
            changed: false,
        }
    }

    fn renew(&mut self, scanner: &Scanner) {
        let mut pids: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        pids.extend(self.host_inode.map(|inode| (inode, vec![std::process::id()])));
        for (id, process) in &scanner.processes {
            if let Some(inode) = process.namespace {
                let inside = pids.entry(inode).or_default();
                // Enough to find one that still lives at the next pass.
                if inside.len() < 4 {
                    inside.push(id.pid);
                }
            }
        }
        let before = self.by_inode.len();
        self.by_inode.retain(|inode, _| pids.contains_key(inode));
        self.changed |= self.by_inode.len() != before;
        for (inode, inside) in pids {
            match self.by_inode.get_mut(&inode) {
                Some(met) => met.pids = inside,
                None => {
                    self.next += 1;
                    let met = Met { id: NetNsId(self.next), pids: inside, passes: 0, addresses: Vec::new() };
                    self.by_inode.insert(inode, met);
                    self.changed = true;
                }
            }
        }
    }

    fn id(&self, inode: u64) -> Option<NetNsId> {
        self.by_inode.get(&inode).map(|met| met.id)
    }

    fn inode(&self, id: NetNsId) -> Option<u64> {
        self.by_inode.iter().find(|(_, met)| met.id == id).map(|(inode, _)| *inode)
    }

    fn host_addresses(&self) -> Vec<Subnet> {
        let met = self.host_inode.and_then(|inode| self.by_inode.get(&inode));
        match met {
            Some(met) if !met.addresses.is_empty() => met.addresses.clone(),
            _ => netlink::addresses().unwrap_or_default(),
        }
    }

    fn records(&self) -> BTreeMap<NetNsId, Namespace> {
        let record = |(inode, met): (&u64, &Met)| {
            let is_host = Some(*inode) == self.host_inode;
            (met.id, Namespace { inode: *inode, is_host, addresses: met.addresses.clone() })
        };
        self.by_inode.iter().map(record).collect()
    }

    /// Reads the sockets of every namespace that can be read.
    fn dump(&mut self) -> Vec<Dump> {
        let mut dumps = Vec::with_capacity(self.by_inode.len());
        let (mut refused, mut method) = (None, "sock_diag");
        let (home, proc_root, host_inode) = (&self.home, &self.proc_root, self.host_inode);
        for (inode, met) in &mut self.by_inode {
            let with_addresses = met.passes < YOUNG_PASSES || met.passes.is_multiple_of(ADDRESSES_EVERY_PASSES);
            met.passes = met.passes.wrapping_add(1);
            let read = || {
                let mut sockets = Vec::new();
                sock_diag::sockets(&mut sockets)?;
                let addresses = if with_addresses { netlink::addresses().ok() } else { None };
                Ok((sockets, addresses))
            };
            let result = if Some(*inode) == host_inode {
                read()
            } else {
                let Some(home) = home else { continue };
                let mut result = Err(io::Error::from_raw_os_error(libc::ESRCH));
                for pid in &met.pids {
                    result = home.visit(&crate::procfs::pid_dir(proc_root, *pid).join("ns/net"), read);
                    if result.is_ok() {
                        break;
                    }
                }
                result
            };
            match result {
                Ok((sockets, addresses)) => {
                    if let Some(addresses) = addresses.filter(|a| *a != met.addresses) {
                        met.addresses = addresses;
                        self.changed = true;
                    }
                    dumps.push(Dump { namespace: met.id, sockets });
                }
                Err(error) => {
                    let gone = matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT));
                    let mut sockets = Vec::new();
                    let pid = met.pids.first().copied().unwrap_or(0);
                    proc_net::sockets(&crate::procfs::pid_dir(proc_root, pid).join("net"), &mut sockets);
                    if !sockets.is_empty() {
                        method = "/proc/net";
                        dumps.push(Dump { namespace: met.id, sockets });
                    } else if !gone {
                        refused = Some(error);
                    }
                }
            }
        }
        (self.refused, self.method) = (refused, method);
        dumps
    }
}
