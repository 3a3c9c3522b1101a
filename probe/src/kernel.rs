//! The thread that reads the kernel: processes, control groups, and the sockets and links of every network namespace.
//!
//! A thread of its own because it enters namespaces. Each reading waits as long after the last as keeps its cost
//! under a few per cent of a core, so that a large host is read less often instead of at a higher price.

use std::collections::BTreeMap;
use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shared::id::ProcessId;
use shared::report::{Collector, CollectorStatus, Process, ProcessMetrics};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, info_span};

use crate::bell::Sleeper;
use crate::cgroup::meter::Meter;
use crate::collector::{Closed, Outlet, degraded, failed, off, ok};
use crate::docker::Watched;
use crate::ebpf::{Opening, Others};
use crate::netns::Namespaces;
use crate::process::{self, Scanner};
use crate::socket::With;
use crate::state::Reading;
use crate::{Config, host, link, memory, socket};

/// A pass waits this many times its own cost before the next. Processes may be read less often than sockets, which keep
/// their own time, and links change rarely.
const SCAN_REST: u32 = 60;
/// The same of processes where none is young and nothing is heard of others.
const SCAN_REST_WHILE_OLD: u32 = 1_000;
const LINKS_REST: u32 = 150;
/// Processes are gone through more often while some are young, and where something is heard of one that is not known yet.
const SCAN_INTERVAL: Duration = Duration::from_secs(3);
const SCAN_INTERVAL_WHILE_NEW: Duration = Duration::from_secs(1);
/// What the host and its containers use.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// What changes where no link of the host leads to is not told by the kernel, such as an overlay's forwarding entries.
const LINKS_INTERVAL: Duration = Duration::from_secs(3);
const LINKS_INTERVAL_WITHOUT_OVERLAYS: Duration = Duration::from_secs(10);
/// The kernel says that links change; several do when a container starts.
const LINKS_SETTLE: Duration = Duration::from_millis(200);
/// Where forwarding entries changed they are read again after so long, and so often: before and after the engine is asked
/// again, which shows whether the two differ for good.
const LINKS_CONFIRM: Duration = Duration::from_millis(1_500);
const CONFIRMATIONS: u32 = 4;
const INTERVAL_MAX: Duration = Duration::from_secs(5);
/// How often memory is given back that was needed for a moment.
const TIDYING_AT_FIRST: Duration = Duration::from_secs(5);
const TIDYING_INTERVAL: Duration = Duration::from_secs(60);
/// How soon the thread notices that it is to stop, and what the kernel tells; where that is much, the kernel wakes it.
const NAP: Duration = Duration::from_millis(300);

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
    outlet: Outlet,
    watched: Watched,
    config: Config,
    started: Instant,
    tick: u64,
    /// Something was heard of a process or a network namespace that the last scan did not meet.
    has_strangers: bool,
    host: host::Reader,
    scanner: Scanner,
    namespaces: Namespaces,
    sockets: socket::Reader,
    /// Those that the kernel is to run, until all are loaded.
    programs: Option<Opening>,
    /// None where they are not to be read.
    links: Option<link::Reader>,
    meter: Meter,
    sleeper: Sleeper,
}

impl Kernel {
    fn new(config: Config, watched: Watched, readings: mpsc::Sender<Reading>) -> Self {
        let ephemeral = socket::ephemeral_ports(&config.proc_root);
        let programs =
            (config.sockets == With::Ebpf).then(|| Opening::begin(&config.proc_root, ephemeral, config.read_names));
        Self {
            outlet: Outlet::new(readings),
            sleeper: Sleeper::new(watched.bell()),
            watched,
            started: Instant::now(),
            tick: 0,
            has_strangers: false,
            host: host::Reader::new(&config),
            scanner: Scanner::new(config.proc_root.clone(), config.omit_command_arguments),
            namespaces: Namespaces::new(config.proc_root.clone()),
            sockets: socket::Reader::new(&config, ephemeral),
            programs,
            links: config.read_links.then(link::Reader::open),
            meter: Meter::new(config.proc_root.clone()),
            config,
        }
    }

    fn run(&mut self, stop: &CancellationToken) {
        let mut next_scan = Instant::now();
        let mut scan_rest_until = Instant::now();
        let mut next_sample = Instant::now();
        let mut next_links = Instant::now();
        let mut links_rest_until = Instant::now();
        let mut confirmations = 0;
        // The first report takes more than what comes after it.
        let mut next_tidying = Instant::now() + TIDYING_AT_FIRST;
        if self.links.is_none() {
            self.outlet.status(Collector::Link, off("turned off by --no-links"));
        }
        while !stop.is_cancelled() {
            let now = Instant::now();
            // Who has an address changes with the containers: what was said before is told before.
            if self.watched.take_new() {
                self.sockets.send_now();
                self.has_strangers = true;
            }
            self.has_strangers |= self.sockets.take_strangers();
            if now >= next_scan || (self.has_strangers && now >= scan_rest_until) {
                self.scan();
                let took = now.elapsed();
                scan_rest_until = now + (took * SCAN_REST).clamp(SCAN_INTERVAL_WHILE_NEW, INTERVAL_MAX);
                next_scan = match self.scanner.has_young(self.tick) {
                    true => scan_rest_until,
                    false => now + (took * SCAN_REST_WHILE_OLD).clamp(SCAN_INTERVAL, INTERVAL_MAX),
                };
            }
            if now >= next_sample {
                self.sample();
                next_sample = now + (now.elapsed() * SCAN_REST).clamp(SAMPLE_INTERVAL, INTERVAL_MAX);
            }
            if let Some(links) = &mut self.links
                && links.heard_of_changes()
            {
                next_links = next_links.min(links_rest_until.max(now + LINKS_SETTLE));
            }
            if let Some(links) = &mut self.links
                && now >= next_links
            {
                let before = Instant::now();
                let at_s = self.started.elapsed().as_secs_f64();
                links.read(&self.namespaces, at_s, &mut self.outlet);
                self.namespaces.set_all_addresses(links.addresses());
                let rest = (before.elapsed() * LINKS_REST).min(INTERVAL_MAX);
                links_rest_until = before + rest;
                let least = if links.has_overlays() { LINKS_INTERVAL } else { LINKS_INTERVAL_WITHOUT_OVERLAYS };
                next_links = before + rest.max(least);
                if links.take_forwarding_changed() {
                    self.watched.forwarding_changed();
                    confirmations = CONFIRMATIONS;
                }
                if confirmations > 0 {
                    confirmations -= 1;
                    next_links = next_links.min(links_rest_until.max(before + LINKS_CONFIRM));
                }
            }
            // At first the kernel still takes them meanwhile.
            self.take_programs();
            self.sockets.read(&mut self.namespaces, &self.scanner, &mut self.outlet);
            if let Err(Closed) = self.outlet.flush() {
                return;
            }
            if self.links.is_none() {
                next_links = now + INTERVAL_MAX;
            }
            if now >= next_tidying {
                memory::give_back();
                next_tidying = now + TIDYING_INTERVAL;
            }
            let next = next_scan.min(next_sample).min(next_links).saturating_duration_since(Instant::now());
            let nap = self.sockets.to_be_sent_at().map_or(NAP, |at| at.saturating_duration_since(Instant::now()));
            self.sleeper.wait(next.min(nap).min(NAP));
        }
    }

    /// Those that tell of connections are waited for; the others are taken as they come.
    fn take_programs(&mut self) {
        let Some(programs) = &self.programs else { return };
        if !self.sockets.awaits_programs() {
            let watch = programs.watch();
            if let Ok(watch) = &watch {
                self.sleeper.watch(watch.ring());
            }
            self.sockets.use_watch(watch);
        }
        let Some(Others { datagrams, trouble, tasks }) = programs.others() else { return };
        if let Ok(datagrams) = &datagrams {
            self.sleeper.watch(datagrams.ring());
        }
        self.sockets.use_others(datagrams, trouble);
        match tasks {
            Ok(tasks) => self.scanner.use_tasks(tasks),
            Err(why) => info!(%why, "what processes use is read in /proc"),
        }
        self.programs = None;
    }

    /// Which processes there are, and what they use.
    fn scan(&mut self) {
        self.tick += 1;
        let at_s = self.started.elapsed().as_secs_f64();
        let status = match self.scanner.scan(self.tick, at_s) {
            Ok(()) => self.process_status(),
            Err(error) => failed(format!("{} is not readable: {error}", self.config.proc_root.display())),
        };
        self.outlet.status(Collector::Process, status);
        self.namespaces.renew(&self.scanner);
        self.has_strangers = false;
        let all = &self.scanner.processes;
        let samples: BTreeMap<ProcessId, ProcessMetrics> = all.iter().map(|(id, known)| (*id, known.metrics)).collect();
        // Which processes there are rarely differs from one second to the next.
        if self.scanner.take_changed() || self.namespaces.changed {
            let processes = self.processes();
            self.outlet.send(Reading::Processes(processes, samples));
        } else {
            self.outlet.send(Reading::ProcessMetrics(samples));
        }
    }

    /// What the host is and uses, and what its containers use.
    fn sample(&mut self) {
        let at_s = self.started.elapsed().as_secs_f64();
        let addresses = self.namespaces.host_addresses();
        let facts = self.host.facts(&self.config, addresses);
        let metrics = self.host.metrics(at_s);
        let summary = format!("{} cores, {} interfaces' addresses", facts.cpus, facts.local_networks.len());
        self.outlet.status(Collector::Host, ok(summary));
        self.outlet.send(Reading::Host(Box::new(facts), metrics));
        let containers = self.meter.read(self.watched.running(), at_s);
        self.outlet.send(Reading::ContainerMetrics(containers));
    }

    fn processes(&self) -> BTreeMap<ProcessId, Process> {
        let process = |known: &process::Known| Process {
            name: known.name.clone(),
            command: known.command.clone(),
            parent: known.parent,
            namespace: known.namespace.and_then(|inode| self.namespaces.id(inode)),
            container: None,
            cgroup: known.cgroup.clone(),
            open_files_limit: known.open_files_limit,
        };
        self.scanner.processes.iter().map(|(id, known)| (*id, process(known))).collect()
    }

    fn process_status(&self) -> CollectorStatus {
        let (all, hidden) = (self.scanner.processes.len(), self.scanner.hidden);
        if hidden == 0 {
            return ok(format!("{all} processes by {}", self.scanner.source()));
        }
        degraded(format!(
            "{all} processes, of {hidden} neither namespace nor descriptors: run the probe as root or with \
             CAP_SYS_PTRACE"
        ))
    }
}
