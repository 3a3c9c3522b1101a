//! Reads the sockets of every namespace, whose they are, and what was translated between their ends.

use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use shared::addr::{Protocol, is_confined};
use shared::id::{NetNsId, ProcessId};
use shared::report::{Collector, CollectorStatus, Role};

use super::bpf::{Event, Held, Watch};
use super::datagram::{Datagrams, Sent};
use super::dns::Names;
use super::owner::Owners;
use super::sampling::Sampling;
use super::table::{Dump, Extent, Table};
use super::tracker::Tracker;
use super::{Socket, With, proc_net, sock_diag};
use crate::Config;
use crate::collector::{Outlet, boot_ms, degraded, failed, off, ok};
use crate::link::address;
use crate::netns::{Namespaces, NetNs, is_gone};
use crate::process::Scanner;
use crate::state::Reading;

/// Addresses of a namespace are read at each pass while it is young, then every so many passes, unless they are told by
/// who reads links.
const YOUNG_PASSES: u32 = 20;
const ADDRESSES_EVERY_PASSES: u32 = 20;
const ADDRESSES_EVERY_PASSES_WITH_EVENTS: u32 = 4;

/// Where nothing tells of changes, and where the kernel does: a dump then only shows what it does not tell, such as who
/// has a connection that was accepted, and UDP.
const PACE: Pace = Pace { rest: 40, least: Duration::from_millis(250) };
const PACE_WITH_EVENTS: Pace = Pace { rest: 400, least: Duration::from_secs(5) };
/// The kernel sums up what UDP sends.
const PACE_OF_DATAGRAMS: Pace = Pace { rest: 150, least: Duration::from_millis(500) };
/// A host may have many conversations that conntrack remembers, and its table is gone through as a whole. Where the kernel
/// tells what UDP sends, that shows only what comes from hosts without a probe.
const PACE_OF_TRACKED: Pace = Pace { rest: 150, least: Duration::from_millis(2_500) };
const PACE_OF_TRACKED_WITH_EVENTS: Pace = Pace { rest: 600, least: Duration::from_secs(10) };
const PACE_OF_NOTHING_TRACKED: Pace = Pace { rest: 600, least: Duration::from_secs(30) };
/// A namespace gets its addresses after it is made, and not every change of them is told.
const PACE_WHILE_YOUNG: Pace = Pace { rest: 40, least: Duration::from_millis(500) };
/// So many passes a namespace is young.
const YOUNG_PASSES_WITH_EVENTS: u32 = 3;
/// A dump of all sockets costs what the kernel's table is large, once for each namespace.
const WHOLE_INTERVAL: Duration = Duration::from_secs(300);
const WHOLE_INTERVAL_WHILE_UNSHOWN: Duration = Duration::from_secs(60);
/// Where changes come faster than they are read, that goes on for a while.
const AFTER_LOSS: Duration = Duration::from_secs(5);
const PACE_MAX: Duration = Duration::from_secs(5);
/// What the kernel tells is told on at most so often: several things happen at once.
const SEND_INTERVAL: Duration = Duration::from_millis(300);
/// What connections carry is summed up at most so often.
const TRAFFIC_INTERVAL: Duration = Duration::from_secs(2);
/// Beyond the interval at which samples go out, on a host that is busy.
const SAMPLES_MARGIN: Duration = Duration::from_secs(1);
/// How often it is looked whether names are still of use.
const NAMES_INTERVAL: Duration = Duration::from_secs(30);
/// Processes and namespaces are looked for soon where something is heard of new ones: what happened is kept for so long.
const UNKNOWN_FOR: Duration = Duration::from_millis(2_500);
const UNKNOWN_MAX: usize = 4_096;

/// How long is waited between dumps: some times what the last one took, within bounds.
struct Pace {
    rest: u32,
    least: Duration,
}

pub struct Reader {
    proc_root: PathBuf,
    with: With,
    links_are_read: bool,
    owners: Owners,
    table: Table,
    events: Result<Watch, String>,
    datagrams: Result<Datagrams, String>,
    /// Events of namespaces that are not known yet.
    unknown: Vec<(Instant, Event)>,
    /// Datagrams of sockets of which it is not known yet whose they are.
    ownerless: Vec<(Instant, Sent)>,
    sampling: Sampling,
    next_datagrams: Instant,
    names: Names,
    next_tracked: Instant,
    next_forgetting: Instant,
    lost: u64,
    /// Changes in network namespaces that no process known here was in before they were gone.
    homeless: u64,
    /// It told of a process or a namespace that is not known.
    has_strangers: bool,
    tracker: Tracker,
    ephemeral: Option<(u16, u16)>,
    /// How often each namespace was read.
    passes: HashMap<NetNsId, u32>,
    refused: Option<io::Error>,
    method: &'static str,
    started: Instant,
    next_dump: Instant,
    /// Where the kernel tells of changes: when all is looked at, whoever holds it.
    next_whole: Instant,
    last_whole: Instant,
    next_send: Instant,
    next_traffic: Instant,
    /// What is told of traffic goes out within that time, as samples do.
    samples_within: Duration,
    /// Listeners or namespaces changed and nobody was told yet.
    has_news: bool,
}

impl Reader {
    /// `ephemeral` is the host's range of ports for those who call.
    pub fn new(config: &Config, ephemeral: Option<(u16, u16)>) -> Self {
        let Config { proc_root, sockets: with, read_names, ask_names, read_links, publish_interval, .. } =
            config.clone();
        let now = Instant::now();
        Self {
            with,
            links_are_read: read_links,
            owners: Owners::new(proc_root.clone()),
            table: Table::default(),
            events: Err(String::new()),
            datagrams: Err(String::new()),
            tracker: Tracker::open(&proc_root, now),
            proc_root,
            unknown: Vec::new(),
            ownerless: Vec::new(),
            sampling: Sampling::new(now),
            next_datagrams: now,
            names: Names::open(read_names, ask_names),
            next_tracked: now,
            next_forgetting: now + NAMES_INTERVAL,
            lost: 0,
            homeless: 0,
            has_strangers: false,
            ephemeral,
            passes: HashMap::new(),
            refused: None,
            method: "sock_diag",
            started: now,
            next_dump: now,
            next_whole: now + WHOLE_INTERVAL,
            last_whole: now,
            next_send: now,
            next_traffic: now,
            samples_within: publish_interval + SAMPLES_MARGIN,
            has_news: false,
        }
    }

    /// To be called before it reads for the first time; without it, it does without them.
    pub fn use_programs(&mut self, watch: Result<Watch, String>, datagrams: Result<Datagrams, String>) {
        (self.events, self.datagrams) = (watch, datagrams);
    }

    /// Takes in what happened, looks at everything where it is time for that, and tells what is new.
    pub fn read(&mut self, namespaces: &mut Namespaces, scanner: &Scanner, outlet: &mut Outlet) {
        self.follow(namespaces, scanner);
        let now = Instant::now();
        self.names.follow(now);
        if let Ok(datagrams) = &mut self.datagrams {
            // On one machine there may be several hosts of a test.
            let lost = datagrams.answers(|namespace, message| {
                if namespaces.id(namespace).is_some() {
                    self.names.hear(message, now);
                }
            });
            self.names.miss(lost);
        }
        if now >= self.next_datagrams {
            self.follow_datagrams(namespaces, scanner);
        }
        if now >= self.next_tracked {
            self.follow_tracked(namespaces);
        }
        if now >= self.next_forgetting {
            self.next_forgetting = now + NAMES_INTERVAL;
            self.names.forget_unused(&self.table.called(), now);
        }
        self.has_strangers |= namespaces.has_doubts();
        // The first sight of a namespace shows what it has had before.
        let is_due = now >= self.next_dump || (self.events.is_ok() && namespaces.changed);
        if is_due {
            self.dump_all(namespaces, scanner);
            let took = now.elapsed();
            let is_young = |passed: &u32| *passed <= YOUNG_PASSES_WITH_EVENTS;
            let Pace { rest, least } = match self.events {
                Ok(_) if self.passes.values().any(is_young) => PACE_WHILE_YOUNG,
                Ok(_) => PACE_WITH_EVENTS,
                Err(_) => PACE,
            };
            self.next_dump = now + (took * rest).clamp(least, PACE_MAX);
            outlet.status(Collector::Conntrack, self.tracker.status());
            outlet.status(Collector::Ebpf, self.events_status());
            let unwanted = || off("turned off by --no-dns: addresses outside have no names");
            outlet.status(Collector::Dns, self.names.status().unwrap_or_else(unwanted));
            outlet.status(Collector::Socket, self.status(self.passes.len(), scanner.hidden));
        }
        if is_due || now >= self.next_send {
            self.next_send = now + SEND_INTERVAL;
            self.send(namespaces, outlet);
        }
        // Sums are right after a dump: between two of them only what closed is in.
        if is_due && now >= self.next_traffic {
            self.next_traffic = now + TRAFFIC_INTERVAL;
            let news = self.table.traffic.news(self.now_ms());
            let sent_within = u64::try_from(self.samples_within.as_millis()).unwrap_or(u64::MAX);
            self.table.flows.settle(self.now_ms().saturating_add(sent_within));
            if !news.is_empty() {
                outlet.send(Reading::FlowMetrics(news));
            }
        }
    }

    /// When the next reading sends what waits for that; none where nothing does.
    pub fn to_be_sent_at(&self) -> Option<Instant> {
        let waits = self.has_news || self.table.has_news() || self.table.flows.has_news();
        waits.then_some(self.next_send)
    }

    /// With the next reading, what is new goes out.
    pub fn send_now(&mut self) {
        self.next_send = Instant::now();
    }

    /// Whether something was told of processes or namespaces that are not known, since this was last asked.
    pub fn take_strangers(&mut self) -> bool {
        std::mem::take(&mut self.has_strangers)
    }

    /// Since the reader was made.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes in what the kernel told since the last time; what is of a namespace that is not known yet waits for a while.
    fn follow(&mut self, namespaces: &Namespaces, scanner: &Scanner) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let since_boot_ms = boot_ms().saturating_sub(now_ms);
        // Whatever sockets are read with: conntrack may answer later than at the start.
        self.tracker.renew(now);
        self.table.flows.expire(now_ms);
        let Self { events: Ok(events), table, tracker, unknown, sampling, homeless, has_strangers, .. } = self else {
            return;
        };
        let is_stranger = Cell::new(false);
        let of_pid = |pid| {
            let process = scanner.of_pid(pid);
            is_stranger.set(is_stranger.get() || (process.is_none() && pid != 0));
            process
        };
        let mut take = |event: &Event| {
            let Some(namespace) = namespaces.find(event.namespace) else { return false };
            let track = |namespace, here| tracker.find_sparingly(Protocol::Tcp, namespace, here, now);
            let happened_ms = event.boot_ms.saturating_sub(since_boot_ms);
            table.take(event, namespace, of_pid, track, happened_ms);
            true
        };
        unknown.retain(|(since, event)| {
            if take(event) {
                return false;
            }
            let may_be_met = now.duration_since(*since) < UNKNOWN_FOR;
            *homeless += u64::from(!may_be_met);
            may_be_met
        });
        let (mut left_out, mut told) = (0, 0);
        let lost = events.drain(|event| {
            told += 1;
            if !take(&event) {
                if unknown.len() < UNKNOWN_MAX {
                    unknown.push((now, event));
                } else {
                    left_out += 1;
                }
            }
        }) + left_out;
        *has_strangers |= is_stranger.get() || !unknown.is_empty();
        if let Some(weight) = sampling.take(told, now)
            && let Err(error) = events.look_at_one_of(weight)
        {
            tracing::warn!(weight, %error, "how many sockets are looked at cannot be set");
        }
        if lost > 0 {
            self.lost += lost;
            self.next_whole = self.next_whole.min(now + AFTER_LOSS);
        }
    }

    /// Takes in what was sent by UDP since the last time.
    fn follow_datagrams(&mut self, namespaces: &Namespaces, scanner: &Scanner) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let Self { datagrams: Ok(datagrams), table, tracker, ownerless, ephemeral, .. } = self else { return };
        let news = match datagrams.news() {
            Ok(news) => news,
            Err(error) => {
                self.datagrams = Err(format!("what UDP sends cannot be read: {error}"));
                return;
            }
        };
        let took = now.elapsed();
        let waiting = std::mem::take(ownerless).into_iter().chain(news.into_iter().map(|sent| (now, sent)));
        for (since, sent) in waiting {
            let is_last = now.duration_since(since) >= UNKNOWN_FOR || ownerless.len() >= UNKNOWN_MAX;
            let Some(namespace) = namespaces.find(sent.namespace) else {
                match is_last {
                    true => self.homeless += sent.packets,
                    false => ownerless.push((since, sent)),
                }
                continue;
            };
            let of_pid = |pid| {
                let process = scanner.of_pid(pid)?;
                (scanner.processes.get(&process)?.namespace == Some(sent.namespace.inode)).then_some(process)
            };
            let mut track = |here| tracker.find_sparingly(Protocol::Udp, namespace, here, now);
            let rest = table.take_datagrams(&sent, namespace, of_pid, &mut track, (*ephemeral, is_last, now_ms));
            ownerless.extend(rest.map(|sent| (since, *sent)));
        }
        self.has_strangers |= !self.ownerless.is_empty();
        let Pace { rest, least } = PACE_OF_DATAGRAMS;
        self.next_datagrams = now + (took * rest).clamp(least, PACE_MAX);
    }

    /// Takes in what conntrack lists: what comes from hosts without a probe, and where the kernel tells no more than that,
    /// all that the host passes on.
    fn follow_tracked(&mut self, namespaces: &Namespaces) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let mut homes: HashMap<IpAddr, Option<(NetNsId, bool)>> = HashMap::new();
        for (inode, met) in namespaces.all() {
            let home = Some((met.id, namespaces.is_host(inode)));
            for address in met.addresses.iter().map(|subnet| subnet.address).filter(|a| !is_confined(*a)) {
                // An address that several have says nothing.
                homes.entry(address).and_modify(|known| *known = None).or_insert(home);
            }
        }
        let news = self.tracker.datagrams(now);
        let of = |address| homes.get(&address).copied().flatten();
        for news in &news {
            self.table.take_tracked(news, of, self.datagrams.is_ok(), now_ms);
        }
        let Pace { rest, least } = match self.datagrams.is_ok() {
            true if news.is_empty() => PACE_OF_NOTHING_TRACKED,
            true => PACE_OF_TRACKED_WITH_EVENTS,
            false => PACE_OF_TRACKED,
        };
        self.next_tracked = now + (now.elapsed() * rest).max(least);
    }

    fn dump_all(&mut self, namespaces: &mut Namespaces, scanner: &Scanner) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let Self { events, table, .. } = self;
        let Ok(events) = events else { return self.dump_and_walk(namespaces, scanner) };
        // Only what is not known yet is listed: all that is held would be much to list at each pass.
        let mut owners: HashMap<u64, ProcessId> = HashMap::new();
        let mut sockets: HashMap<NetNsId, Vec<Socket>> = HashMap::new();
        // Those of one process are mostly in one namespace.
        let mut last = (NetNs::default(), None);
        table.begin();
        let passed = events.held(|Held { socket, namespace, pid }| {
            if last.0 != namespace {
                last = (namespace, namespaces.find(namespace));
            }
            let Some(id) = last.1 else { return };
            let owner = scanner.of_pid(pid);
            if table.see(id, &socket, owner, now_ms) {
                return;
            }
            // Of those who share a socket the first has it.
            if let Entry::Vacant(entry) = owners.entry(socket.inode) {
                if let Some(process) = owner {
                    entry.insert(process);
                }
                sockets.entry(id).or_default().push(socket);
            }
        });
        if let Err(error) = passed {
            self.events = Err(format!("sockets cannot be gone through: {error}"));
            return self.dump_and_walk(namespaces, scanner);
        }
        self.read_addresses(namespaces);
        let known = namespaces.all().filter(|(_, met)| met.has_processes());
        let dumps: Vec<Dump> = known
            .map(|(_, met)| Dump { namespace: met.id, sockets: sockets.remove(&met.id).unwrap_or_default() })
            .collect();
        let Self { table, tracker, .. } = self;
        let owner = |inode: u64| owners.get(&inode).copied();
        // Of sockets that are left out nobody tells that they closed.
        let extent = if self.sampling.is_partial(now) { Extent::All } else { Extent::Held };
        let track = |protocol, here| tracker.find(protocol, here);
        self.has_news |= table.finish(&dumps, extent, self.ephemeral, owner, track, now_ms);
        if table.has_unshown() {
            self.next_whole = self.next_whole.min(self.last_whole + WHOLE_INTERVAL_WHILE_UNSHOWN);
        }
        if now >= self.next_whole {
            (self.last_whole, self.next_whole) = (now, now + WHOLE_INTERVAL);
            // Nor is all that there is.
            let mut table = std::mem::take(&mut self.table);
            table.begin();
            let dumps = self.dump(namespaces, |namespace, socket| !table.see(namespace, socket, None, now_ms));
            let Self { tracker, .. } = self;
            let track = |protocol, here| tracker.find(protocol, here);
            self.has_news |= table.finish(&dumps, Extent::All, self.ephemeral, owner, track, now_ms);
            self.table = table;
        }
        self.method = "eBPF";
    }

    /// Without the kernel's help: what there is of each namespace, and whose it is by a walk over descriptors.
    fn dump_and_walk(&mut self, namespaces: &mut Namespaces, scanner: &Scanner) {
        let dumps = self.dump(namespaces, |_, _| true);
        let exists: HashSet<u64> = dumps.iter().flat_map(|d| d.sockets.iter().map(|s| s.inode)).collect();
        self.owners.retain(&exists, |owner| scanner.processes.contains_key(&owner));
        for Dump { namespace, sockets } in &dumps {
            let wanted = self.owners.unknown(sockets.iter().map(|s| s.inode));
            if !wanted.is_empty() {
                let inode = namespaces.inode(*namespace);
                let inside = scanner.processes.iter().filter(|(_, p)| p.namespace == inode || inode.is_none());
                self.owners.search(wanted, inside.map(|(id, _)| *id));
            }
        }
        let now_ms = self.now_ms();
        let Self { table, owners, tracker, .. } = self;
        let track = |protocol, here| tracker.find(protocol, here);
        self.has_news |= table.update(&dumps, Extent::All, self.ephemeral, |inode| owners.of(inode), track, now_ms);
    }

    /// Of namespaces that are young, and of the others now and then.
    fn read_addresses(&mut self, namespaces: &mut Namespaces) {
        let mut passes = HashMap::new();
        let mut readdressed = Vec::new();
        let was_refused = self.refused.take().is_some();
        for (inode, met) in namespaces.all().filter(|(_, met)| met.has_processes()) {
            let passed = self.passes.get(&met.id).copied().unwrap_or(0);
            passes.insert(met.id, passed.wrapping_add(1));
            let is_due = !self.links_are_read && passed.is_multiple_of(ADDRESSES_EVERY_PASSES_WITH_EVENTS);
            // Who reads links was there just now.
            if self.links_are_read && passed == 0 && !met.addresses.is_empty() {
                continue;
            }
            // Whether one that was refused still is shows only where it is tried.
            if passed > YOUNG_PASSES_WITH_EVENTS && !is_due && !was_refused {
                continue;
            }
            match namespaces.visit(inode, address::subnets) {
                Ok(addresses) => readdressed.push((inode, addresses)),
                Err(error) if is_gone(&error) => {}
                Err(error) => self.refused = Some(error),
            }
        }
        self.passes = passes;
        for (inode, addresses) in readdressed {
            namespaces.set_addresses(inode, addresses);
        }
    }

    fn send(&mut self, namespaces: &mut Namespaces, outlet: &mut Outlet) {
        let now_ms = self.now_ms();
        let Self { table, tracker, names, .. } = self;
        let connections = table.news(|_, here| tracker.find(Protocol::Tcp, here), now_ms);
        let mut flows = table.flows.news();
        let since_boot_ms = boot_ms().saturating_sub(now_ms);
        flows.set.iter_mut().for_each(|(_, flow)| flow.last_ms += since_boot_ms);
        let now = Instant::now();
        let called = connections.set.iter().map(|(_, connection)| connection.flow());
        for flow in called.chain(flows.set.iter().map(|(flow, _)| *flow)).filter(|flow| flow.role != Role::Server) {
            names.use_of(flow.remote, now);
        }
        let named = names.news();
        if self.has_news || namespaces.changed {
            (namespaces.changed, self.has_news) = (false, false);
            outlet.send(Reading::Namespaces(namespaces.records(), self.table.listeners.clone()));
        }
        // A name goes before the conversation that it is known by.
        if !named.is_empty() {
            outlet.send(Reading::Names(named));
        }
        if !connections.is_empty() || !flows.is_empty() {
            outlet.send(Reading::Connections(connections, flows));
        }
    }

    fn events_status(&self) -> CollectorStatus {
        let Self { lost, .. } = self;
        let kinds = self.table.flows.dropped + self.table.traffic.dropped;
        let dropped = lost + kinds;
        let status = match (&self.events, &self.datagrams) {
            (Ok(_), _) if let Some((weight, per_s)) = self.sampling.told() => degraded(format!(
                "{per_s} changes of connections a second: one of {weight} is looked at, and counts are estimates"
            )),
            (Ok(_), Err(error)) => {
                degraded(format!("every TCP connection is told by the kernel, but not UDP: {error}"))
            }
            (Ok(_), _) if dropped == 0 => ok(match self.homeless {
                0 => "every TCP connection is told by the kernel, and what UDP sends".into(),
                // About, so that it is rarely another.
                count => format!(
                    "every TCP connection is told by the kernel, and what UDP sends; up to {} changes were in network \
                     namespaces that went before they were met, or are of processes that are not seen here",
                    count.next_power_of_two()
                ),
            }),
            (Ok(_), _) => degraded(format!(
                "every TCP connection is told by the kernel, but {lost} changes came too fast, and {kinds} connections \
                 were of more kinds than are kept apart"
            )),
            (Err(_), _) if self.with != With::Ebpf => {
                off("turned off by --sockets: connections that last less than a moment are missed")
            }
            (Err(error), _) => failed(format!("connections that last less than a moment are missed: {error}")),
        };
        CollectorStatus { dropped, ..status }
    }

    fn status(&self, read: usize, hidden: usize) -> CollectorStatus {
        let plural = if read == 1 { "" } else { "s" };
        if let Some(error) = &self.refused {
            return degraded(format!(
                "{read} namespace{plural} read, others cannot be entered ({error}): run the probe as root or with \
                 CAP_SYS_ADMIN"
            ));
        }
        if hidden > 0 {
            return degraded(format!(
                "{read} namespace{plural} read; those of processes that are hidden ({hidden}), and which sockets are \
                 theirs, cannot be seen: run the probe as root or with CAP_SYS_PTRACE and CAP_SYS_ADMIN"
            ));
        }
        if self.owners.refused > 0 {
            return degraded(format!(
                "owners of sockets unknown: descriptors of {} processes are not readable; run the probe as root or \
                 with CAP_SYS_PTRACE",
                self.owners.refused
            ));
        }
        ok(format!("{} in {read} network namespace{plural}", self.method))
    }

    /// The sockets of every namespace that can be read, those of them that are `wanted`.
    fn dump(&mut self, namespaces: &mut Namespaces, mut wanted: impl FnMut(NetNsId, &Socket) -> bool) -> Vec<Dump> {
        let (mut dumps, mut readdressed) = (Vec::new(), Vec::new());
        let mut passes = HashMap::new();
        (self.refused, self.method) = (None, "sock_diag");
        let with = self.with;
        for (inode, met) in namespaces.all().filter(|(_, met)| met.has_processes()) {
            let passed = self.passes.get(&met.id).copied().unwrap_or(0);
            passes.insert(met.id, passed.wrapping_add(1));
            let with_addresses = passed < YOUNG_PASSES || passed.is_multiple_of(ADDRESSES_EVERY_PASSES);
            let result = namespaces.visit(inode, || {
                let mut sockets = Vec::new();
                if with == With::Proc {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                sock_diag::sockets(&mut sockets)?;
                let addresses = if with_addresses { address::subnets().ok() } else { None };
                Ok((sockets, addresses))
            });
            match result {
                Ok((mut sockets, addresses)) => {
                    sockets.retain(|socket| wanted(met.id, socket));
                    sockets.shrink_to_fit();
                    readdressed.extend(addresses.map(|addresses| (inode, addresses)));
                    dumps.push(Dump { namespace: met.id, sockets });
                }
                Err(error) => {
                    let mut sockets = Vec::new();
                    let pid = met.inside.first().map_or(0, |process| process.pid);
                    proc_net::sockets(&crate::procfs::pid_dir(&self.proc_root, pid).join("net"), &mut sockets);
                    if !sockets.is_empty() {
                        sockets.retain(|socket| wanted(met.id, socket));
                        self.method = "/proc/net";
                        dumps.push(Dump { namespace: met.id, sockets });
                    } else if !is_gone(&error) {
                        self.refused = Some(error);
                    }
                }
            }
        }
        self.passes = passes;
        for (inode, addresses) in readdressed {
            namespaces.set_addresses(inode, addresses);
        }
        dumps
    }
}
