//! Reads the sockets of every namespace, whose they are, and what was translated between their ends: what is read when, and
//! what of it is told.

mod dump;
mod pace;
mod status;
mod told;
mod whole;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use shared::addr::Protocol;
use shared::id::NetNsId;
use shared::report::{Collector, Role};

use super::With;
use super::bpf::{Event, Watch};
use super::datagram::{Datagrams, Sent};
use super::dns::Names;
use super::owner::Owners;
use super::sampling::Sampling;
use super::table::Table;
use super::tracker::Tracker;
use super::trouble::Trouble;
use crate::Config;
use crate::collector::{Outlet, boot_ms, off};
use crate::netns::Namespaces;
use crate::process::Scanner;
use crate::state::Reading;
use whole::Whole;

/// What the kernel tells is told on at most so often: several things happen at once.
const SEND_INTERVAL: Duration = Duration::from_millis(300);
/// What connections carry is summed up at most so often.
const TRAFFIC_INTERVAL: Duration = Duration::from_secs(2);
/// How often it is asked what goes wrong.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(2);
/// Beyond the interval at which samples go out, on a host that is busy.
const SAMPLES_MARGIN: Duration = Duration::from_secs(1);
/// How often it is looked whether names are still of use.
const NAMES_INTERVAL: Duration = Duration::from_secs(30);

pub struct Reader {
    proc_root: PathBuf,
    with: With,
    links_are_read: bool,
    owners: Owners,
    table: Table,
    events: Result<Watch, String>,
    datagrams: Result<Datagrams, String>,
    trouble: Result<Trouble, String>,
    /// They are not there yet, and will be or not.
    awaits_others: bool,
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
    /// When it is looked at all again where something goes wrong.
    soonest_dump: Instant,
    next_trouble: Instant,
    /// Where the kernel tells of changes: where all is looked at, whoever holds it.
    whole: Whole,
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
            trouble: Err(String::new()),
            awaits_others: false,
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
            soonest_dump: now,
            next_trouble: now,
            whole: Whole::default(),
            next_send: now,
            next_traffic: now,
            samples_within: publish_interval + SAMPLES_MARGIN,
            has_news: false,
        }
    }

    /// To be called before it reads for the first time; without it, it does without programs. From then on it waits for
    /// those that tell of all else.
    pub fn use_watch(&mut self, watch: Result<Watch, String>) {
        (self.events, self.awaits_others) = (watch, true);
    }

    pub fn use_others(&mut self, datagrams: Result<Datagrams, String>, trouble: Result<Trouble, String>) {
        (self.datagrams, self.trouble, self.awaits_others) = (datagrams, trouble, false);
    }

    /// Whether it has some of its programs and not all.
    pub fn awaits_programs(&self) -> bool {
        self.awaits_others
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
        if now >= self.next_trouble {
            self.next_trouble = now + TROUBLE_INTERVAL;
            self.follow_trouble(namespaces);
        }
        if self.table.take_unanswered() {
            self.next_dump = self.next_dump.min(self.soonest_dump);
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
            let pace = match self.events {
                Ok(_) if self.has_young() => pace::WHILE_YOUNG,
                Ok(_) => pace::WITH_EVENTS,
                Err(_) => pace::WITHOUT_EVENTS,
            };
            self.next_dump = now + pace.after(took);
            self.soonest_dump = now + pace::WHILE_UNANSWERED.after(took);
            outlet.status(Collector::Conntrack, self.tracker.status());
            if !self.awaits_others {
                outlet.status(Collector::Ebpf, self.events_status());
            }
            let unwanted = || off("turned off by --no-dns: addresses outside have no names");
            outlet.status(Collector::Dns, self.names.status().unwrap_or_else(unwanted));
            outlet.status(Collector::Socket, self.status(self.passes.len(), scanner.hidden));
        }
        // By then it is known who listens, and what of it the kernel tells by itself.
        if now >= self.next_tracked && !self.awaits_others {
            self.follow_tracked(namespaces);
        }
        if is_due || now >= self.next_send {
            self.next_send = now + SEND_INTERVAL;
            self.send(namespaces, outlet);
        }
        // Sums are right after a dump: between two of them only what closed is in.
        if is_due && now >= self.next_traffic {
            self.next_traffic = now + TRAFFIC_INTERVAL;
            let news = self.table.traffic_news(self.now_ms());
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
}
