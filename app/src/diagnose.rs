//! What is wrong: where the daemons' word and the kernel's differ, and where a daemon does not do its part.
//!
//! An audit is a pure function of what is known now; it names what it suspects. Each is made again when what it reads
//! changed: a host by itself, an overlay on one host, the swarms. The ledger decides what becomes a finding, because a
//! difference that ends by itself is none.

mod device;
pub mod dropped;
mod endpoint;
mod engine;
mod ledger;
pub mod overlay;
mod stores;
mod subnet;
mod swarm;
mod weave;

use std::collections::{BTreeMap, BTreeSet};

use shared::delta::Delta;
use shared::id::{HostId, NetworkId};
use shared::report::{Collector, CollectorState};
use shared::view::{Finding, FindingCount};

use crate::clock::Now;
use crate::store::{HostState, Liveness, Reading, Store};
use crate::topology::interfaces::overlay_of;
use crate::topology::{Entity, Topology};
use ledger::Ledger;

/// An engine tells of a member a moment before it writes the entries for it. Milliseconds.
const SETTLE_MS: u64 = 500;
/// What it attaches or lets go, it and the kernel may have at different times: an engine that is busy takes so long for it.
/// Milliseconds.
const ATTACH_MS: u64 = 2_000;
/// Long enough for an engine that is restarted, or a device that is being made.
const A_MOMENT_MS: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Failing,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Failing => "failing",
        }
    }
}

/// What one side says.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// `Docker on h1`, `kernel of h1`.
    pub source: String,
    pub says: String,
}

/// What looks wrong at the moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// The same for the same fault at the same place, whenever it is seen.
    pub id: String,
    pub kind: &'static str,
    pub severity: Severity,
    pub subject: Entity,
    /// Where it is; none where it is of no one host.
    pub host: Option<HostId>,
    pub summary: String,
    pub evidence: Vec<Evidence>,
    /// What usually mends it.
    pub advice: &'static str,
    /// Ids of what it may follow from, the likeliest first.
    pub because: Vec<String>,
    /// What is wrong, one by one, where several things of one place are told as one: it counts once one of them lasts,
    /// which a row of things that each end by themselves is not.
    pub parts: BTreeSet<String>,
    pub counts: Counts,
}

/// When what is suspected counts. Control plane and kernel are read every few seconds, each by itself: what differs may
/// come from the one being read before the other. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Counts {
    /// Seen for so long.
    After(u64),
    /// Still there when both sides were read again, by readings that began so long after it was first seen.
    ReadAgain(u64),
    /// Still missing on one side by a reading that was made while the other had it: before that reading began, and after it
    /// was over. What comes and goes within seconds may be missed by each reading of the one side, and be seen by each of the
    /// other, and yet nothing is wrong.
    MissingOn(Side),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    Kernel,
    Engine,
}

/// The last reading of each side of a host, by the app's steady clock.
#[derive(Clone, Copy, Debug)]
pub struct Readings {
    pub kernel: Reading,
    pub engine: Reading,
}

impl Suspicion {
    fn new(id: String, kind: &'static str, subject: Entity, summary: String) -> Self {
        Self {
            id,
            kind,
            severity: Severity::Failing,
            subject,
            host: None,
            summary,
            evidence: Vec::new(),
            advice: "",
            because: Vec::new(),
            parts: BTreeSet::new(),
            counts: Counts::ReadAgain(SETTLE_MS),
        }
    }

    fn on(self, host: HostId) -> Self {
        Self { host: Some(host), ..self }
    }

    fn says(mut self, source: impl Into<String>, says: impl Into<String>) -> Self {
        self.evidence.push(Evidence { source: source.into(), says: says.into() });
        self
    }

    fn warns(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    fn advise(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }

    fn because(mut self, causes: impl IntoIterator<Item = String>) -> Self {
        self.because.extend(causes);
        self
    }

    fn parts(self, parts: impl IntoIterator<Item = String>) -> Self {
        Self { parts: parts.into_iter().collect(), ..self }
    }

    fn after(self, patience_ms: u64) -> Self {
        Self { counts: Counts::After(patience_ms), ..self }
    }

    fn counts(self, counts: Counts) -> Self {
        Self { counts, ..self }
    }
}

#[derive(Default)]
pub struct Diagnosis {
    /// What is to be looked at again.
    hosts: BTreeSet<HostId>,
    overlays: BTreeSet<(HostId, NetworkId)>,
    swarms: bool,
    stores: bool,
    /// What each audit said last.
    by_host: BTreeMap<HostId, Vec<Suspicion>>,
    by_overlay: BTreeMap<(HostId, NetworkId), Vec<Suspicion>>,
    by_swarms: Vec<Suspicion>,
    by_stores: Vec<Suspicion>,
    dead: swarm::Dead,
    ledger: Ledger,
}

impl Diagnosis {
    /// A host's report changed. The store already holds the new one.
    pub fn note(&mut self, store: &Store, id: HostId, change: &Delta) {
        let Delta { host, collectors, containers, networks, overlays, namespaces, links, paths, weave, .. } = change;
        let is_rewired = !(networks.is_empty() && namespaces.is_empty() && links.is_empty());
        if host.is_some()
            || !collectors.is_empty()
            || !containers.is_empty()
            || !weave.is_empty()
            || !change.stores.is_empty()
            || is_rewired
        {
            self.hosts.insert(id);
        }
        let Delta { swarm_nodes, services, tasks, stores, .. } = change;
        self.stores |= host.is_some() || !stores.is_empty();
        self.swarms |= host.is_some() || !collectors.is_empty();
        self.swarms |= !(swarm_nodes.is_empty() && services.is_empty() && tasks.is_empty());
        let Some(state) = store.hosts.get(&id) else { return };
        if is_rewired || host.is_some() || !collectors.is_empty() {
            self.overlays.extend(state.report.overlays.keys().map(|network| (id, network.clone())));
        }
        let changed = overlays.set.iter().map(|(network, _)| network).chain(&overlays.removed);
        self.overlays.extend(changed.map(|network| (id, network.clone())));
        for (namespace, _) in &paths.set {
            let network = overlay_of(id, state, *namespace);
            self.overlays.extend(network.map(|network| (id, network.id().clone())));
        }
    }

    /// A host fell silent, spoke again or was forgotten.
    pub fn liveness_changed(&mut self, store: &Store, id: HostId) {
        self.hosts.insert(id);
        self.swarms = true;
        self.stores = true;
        let networks = store.hosts.get(&id).into_iter().flat_map(|host| host.report.overlays.keys());
        self.overlays.extend(networks.map(|network| (id, network.clone())));
        let before = self.by_overlay.keys().filter(|(host, _)| *host == id);
        self.overlays.extend(before.cloned());
    }

    /// Looks again where something changed; true where findings came, went or read differently.
    pub fn pass(&mut self, store: &Store, topology: &Topology, now: Now) -> bool {
        if std::mem::take(&mut self.swarms) {
            self.by_swarms = swarm::audit(store, topology);
            let dead = swarm::dead(store, topology);
            if dead != self.dead {
                self.dead = dead;
                let all = store.hosts.iter().flat_map(|(id, h)| h.report.overlays.keys().map(|n| (*id, n.clone())));
                self.overlays.extend(all);
            }
        }
        if std::mem::take(&mut self.stores) {
            self.by_stores = stores::audit(store);
        }
        for id in std::mem::take(&mut self.hosts) {
            let found = match trusted(store, id) {
                Some(host) => audit_host(id, host),
                None => Vec::new(),
            };
            replace(&mut self.by_host, id, found);
        }
        for (id, network) in std::mem::take(&mut self.overlays) {
            let found = match trusted(store, id) {
                Some(host) => overlay::audit(id, host, &network, &self.dead),
                None => Vec::new(),
            };
            replace(&mut self.by_overlay, (id, network), found);
        }
        let found = self.by_host.values().chain(self.by_overlay.values()).flatten();
        let dropped = dropped::audit(store, topology, now.steady_ms);
        let found = found.chain(&self.by_swarms).chain(&self.by_stores).chain(&dropped);
        let readings = |id| {
            let host = store.hosts.get(&id)?;
            Some(Readings { kernel: host.reading(Collector::Link)?, engine: host.reading(Collector::Docker)? })
        };
        let news = self.ledger.take(found, readings, now);
        if news {
            self.ledger.name(store, topology);
        }
        news
    }

    /// All that is open, and what was cleared lately: first what is worst.
    pub fn findings(&self, now: Now) -> Vec<Finding> {
        self.ledger.findings(now)
    }

    /// Of one thing, those that are open.
    pub fn of(&self, subject: &Entity, now: Now) -> Vec<Finding> {
        self.ledger.of(subject, now)
    }

    pub fn count(&self) -> FindingCount {
        self.ledger.count()
    }

    /// What is worst of each thing with an open finding.
    pub fn health(&self) -> BTreeMap<Entity, Severity> {
        self.ledger.health()
    }
}

fn replace<K: Ord>(table: &mut BTreeMap<K, Vec<Suspicion>>, key: K, found: Vec<Suspicion>) {
    if found.is_empty() {
        table.remove(&key);
    } else {
        table.insert(key, found);
    }
}

/// Of a host that is silent nothing new is known: what was so may be so no more.
fn trusted(store: &Store, id: HostId) -> Option<&HostState> {
    store.hosts.get(&id).filter(|host| host.liveness == Liveness::Live)
}

fn audit_host(id: HostId, host: &HostState) -> Vec<Suspicion> {
    let mut found = engine::audit(id, host);
    found.extend(subnet::audit(id, host));
    found.extend(weave::audit(id, host));
    // An engine that does not answer told of what was, and the kernel tells of what is.
    if engine_answers(host) && sees_links(host) {
        found.extend(endpoint::audit(id, host));
        found.extend(device::audit(id, host));
    }
    found
}

fn state(host: &HostState, collector: Collector) -> CollectorState {
    host.report.collectors.get(&collector).map_or(CollectorState::Starting, |status| status.state)
}

fn engine_answers(host: &HostState) -> bool {
    matches!(state(host, Collector::Docker), CollectorState::Ok | CollectorState::Degraded)
}

fn sees_links(host: &HostState) -> bool {
    state(host, Collector::Link) == CollectorState::Ok
}

fn network_name(host: &HostState, network: &NetworkId) -> String {
    let name = host.report.networks.get(network).map(|record| record.name.clone());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| network.0.chars().take(12).collect())
}
