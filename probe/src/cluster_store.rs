//! Docker's cluster store, in which engines from 1.9 to 20.10 keep the overlay networks that they share: its members,
//! who leads, whether it answers, and what the engines keep in it. Read-only.

pub mod address;
mod caller;
mod consul;
mod engine;
mod etcd;
pub mod keys;
mod zookeeper;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use shared::id::{NetworkId, StoreId};
use shared::report::{
    Collector, CollectorState, CollectorStatus, Store, StoreContents, StoreKind, StoreMember, Trouble,
};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::Config;
use crate::collector::{degraded, failed, latency_ms, ok, wall_ms};
use crate::state::Reading;
pub use address::{Access, Address, Tls};
use caller::Caller;
use keys::Kept;

const INTERVAL: Duration = Duration::from_secs(3);
/// What the engine is set to changes with its restart only, and to say it takes the engine more than anything else.
const ASK_ENGINE_EVERY: u32 = 10;
/// Others ask it first: what they are told is the host's first report.
const FIRST: Duration = Duration::from_millis(500);
/// All keys are read each time: less often than members are asked how they are.
const READ_KEYS_EVERY: u32 = 2;
/// More members of one store are not asked.
const MEMBERS_MAX: usize = 16;

/// What is known of the store that a host's engine uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    pub stores: BTreeMap<StoreId, Store>,
    pub networks: BTreeMap<NetworkId, Kept>,
}

pub async fn run(config: Config, readings: mpsc::Sender<Reading>, stop: CancellationToken) {
    let mut ticks = interval_at((Instant::now() + FIRST).into(), INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut named = config.cluster_store.clone().map(|address| (address, String::new()));
    let mut reader: Option<Reader> = None;
    let mut round = 0;
    let mut before: Option<(CollectorStatus, Known)> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if config.cluster_store.is_none() && round % ASK_ENGINE_EVERY == 0 {
            let docker = config.docker.clone();
            let Ok(told) = tokio::task::spawn_blocking(move || engine::cluster_store(docker.as_ref())).await else {
                continue;
            };
            // An engine that does not answer now may be of the same mind as before.
            if let Some(told) = told {
                named = told;
            }
        }
        round += 1;
        let (status, known) = match named.clone() {
            None => {
                let message = "the engine has none; name one with --cluster-store".to_owned();
                let status = CollectorStatus { state: CollectorState::Off, message, ..CollectorStatus::default() };
                (status, Known::default())
            }
            Some((address, advertise)) => {
                let of_it = reader.take().filter(|reader| reader.address == address);
                let mut asking =
                    of_it.unwrap_or_else(|| Reader::new(address, Caller::new(&config.store_access), &config));
                // The clients block; their own patience bounds for how long.
                let asked = tokio::task::spawn_blocking(move || {
                    let read = asking.read(advertise);
                    (asking, read)
                });
                let Ok((asked, read)) = asked.await else { continue };
                reader = Some(asked);
                read
            }
        };
        if !publish(&readings, &mut before, status, known).await {
            return;
        }
    }
}

/// What is new only. False where nobody listens any more.
async fn publish(
    readings: &mpsc::Sender<Reading>,
    before: &mut Option<(CollectorStatus, Known)>,
    status: CollectorStatus,
    known: Known,
) -> bool {
    if before.as_ref().is_some_and(|(old, before)| *old == status && *before == known) {
        return true;
    }
    let changed = before.as_ref().is_none_or(|(old, _)| old.state != status.state);
    match status.state {
        CollectorState::Failed | CollectorState::Degraded if changed => {
            warn!(message = %status.message, "cluster store")
        }
        CollectorState::Ok if changed => info!(message = %status.message, "cluster store"),
        _ => {}
    }
    *before = Some((status.clone(), known.clone()));
    readings.send(Reading::Store(Box::new(known))).await.is_ok()
        && readings.send(Reading::Status(Collector::ClusterStore, status)).await.is_ok()
}

/// Reads one store, again and again.
struct Reader {
    address: Address,
    caller: Caller,
    access: Access,
    /// Members that others told of, or of which the store keeps where they are: one that was named alone may be the one that is lost.
    learned: BTreeSet<String>,
    round: u32,
    answered_ms: u64,
    /// As they were read last.
    networks: BTreeMap<NetworkId, Kept>,
    contents: StoreContents,
}

impl Reader {
    fn new(address: Address, caller: Caller, config: &Config) -> Self {
        Self {
            address,
            caller,
            access: config.store_access.clone(),
            learned: BTreeSet::new(),
            round: 0,
            answered_ms: 0,
            networks: BTreeMap::new(),
            contents: StoreContents::default(),
        }
    }

    fn read(&mut self, advertise: String) -> (CollectorStatus, Known) {
        let (members, told) = self.members();
        // Of a store of which nobody answers, what was known last still is.
        if !told.is_empty() {
            self.learned = told;
        }
        let well = members.values().filter(|member| member.trouble == Trouble::None).count();
        if well > 0 {
            self.answered_ms = wall_ms();
        }
        if self.round.is_multiple_of(READ_KEYS_EVERY) {
            self.read_keys(&members);
        }
        self.round = self.round.wrapping_add(1);
        let status = self.status(&members, well);
        let store = Store { kind: self.address.kind, members, advertise, contents: self.contents.clone() };
        let stores = BTreeMap::from([(self.address.id(), store)]);
        (status, Known { stores, networks: self.networks.clone() })
    }

    fn status(&self, members: &BTreeMap<String, StoreMember>, well: usize) -> CollectorStatus {
        let (id, kind) = (self.address.id(), self.address.kind);
        let words = format!("{} at {id}, {well} of {} members are up", kind.name(), members.len());
        if well == 0 {
            let first = members.values().next();
            let message = first.map_or_else(|| words.clone(), |member| format!("{words}: {}", member.error));
            let trouble = first.map(|member| member.trouble).unwrap_or_default();
            let answered_ms = self.answered_ms;
            return CollectorStatus { trouble, answered_ms, ..failed(message) };
        }
        let StoreContents { networks, unread, error, .. } = &self.contents;
        if !error.is_empty() {
            return degraded(format!("{words}; its keys are not read: {error}"));
        }
        if *unread > 0 {
            let message = format!("{words}; {unread} of its keys cannot be read");
            return CollectorStatus { dropped: u64::from(*unread), ..degraded(message) };
        }
        let words = match networks.len() {
            0 => format!("{words}; engines keep no network in it"),
            1 => format!("{words}; engines keep 1 network in it"),
            more => format!("{words}; engines keep {more} networks in it"),
        };
        let all_well = well == members.len() && members.values().all(|member| member.has_leader);
        if all_well { ok(words) } else { degraded(words) }
    }

    /// Of the first member that answers; what is known stays where none does.
    fn read_keys(&mut self, members: &BTreeMap<String, StoreMember>) {
        let answering = members
            .iter()
            .filter(|(_, member)| member.trouble == Trouble::None && member.has_leader && !member.is_hearsay);
        let Some((endpoint, _)) = answering.min_by_key(|(_, member)| member.latency_ms) else { return };
        let prefix = &self.address.prefix;
        let keys = match self.address.kind {
            StoreKind::Etcd => etcd::keys(&self.caller, endpoint, prefix),
            StoreKind::Consul => consul::keys(&self.caller, endpoint, prefix),
            StoreKind::ZooKeeper | StoreKind::Unknown => {
                zookeeper::keys(endpoint, prefix, &self.access).map(|(keys, servers)| {
                    self.learned = servers;
                    keys
                })
            }
        };
        match keys {
            Ok(keys) => (self.networks, self.contents) = keys::parse(&keys),
            Err(Failure { error, .. }) => self.contents.error = error,
        }
    }

    /// Members with what each says, and those that any of them told of.
    fn members(&self) -> (BTreeMap<String, StoreMember>, BTreeSet<String>) {
        let Self { address, caller, access, learned, .. } = self;
        let mut members = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut told = BTreeSet::new();
        let mut heard = BTreeMap::new();
        let unnamed = learned.difference(&address.endpoints);
        let mut waiting: VecDeque<String> = address.endpoints.iter().chain(unnamed).cloned().collect();
        let mut places: BTreeSet<SocketAddr> = BTreeSet::new();
        while let Some(endpoint) = waiting.pop_front() {
            if asked.len() >= MEMBERS_MAX || !asked.insert(endpoint.clone()) {
                continue;
            }
            // Others may call one that was asked by another name, or by one that means nothing on this host.
            let found: Vec<SocketAddr> = endpoint.to_socket_addrs().into_iter().flatten().collect();
            let is_known = found.is_empty() || found.iter().any(|place| places.contains(place));
            if is_known && !address.endpoints.contains(&endpoint) {
                continue;
            }
            places.extend(found);
            let started = Instant::now();
            let answer = match address.kind {
                StoreKind::Etcd => etcd::ask(caller, &endpoint),
                StoreKind::Consul => consul::ask(caller, &endpoint),
                StoreKind::ZooKeeper | StoreKind::Unknown => zookeeper::ask(&endpoint, access.tls.as_ref()),
            };
            let member = match answer {
                Ok(Answer { member, others, heard: of_others }) => {
                    heard.extend(of_others);
                    waiting.extend(others.iter().cloned());
                    told.extend(others);
                    StoreMember { latency_ms: latency_ms(started.elapsed() / 3), ..member }
                }
                Err(Failure { trouble, error }) => StoreMember { trouble, error, ..StoreMember::default() },
            };
            members.insert(endpoint, member);
        }
        // Who was asked speaks for itself.
        let is_asked = |at: &str, of: &StoreMember| {
            let same =
                |(endpoint, member): (&String, &StoreMember)| host(endpoint) == host(at) || member.name == of.name;
            members.iter().any(same)
        };
        heard.retain(|at, of| !is_asked(at, of));
        members.extend(heard);
        // One that was removed from the store, and that nobody named here, is none of its members.
        members.retain(|endpoint, member| {
            let is_meant = address.endpoints.contains(endpoint) || told.contains(endpoint);
            is_meant || told.is_empty() || member.trouble == Trouble::None
        });
        (members, told)
    }
}

fn host(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host)
}

/// What one member says of itself and of others.
#[derive(Default)]
struct Answer {
    member: StoreMember,
    /// Where others serve clients, who are to be asked themselves.
    others: BTreeSet<String>,
    /// What it says of others of which nobody tells where they serve clients, by where they are.
    heard: BTreeMap<String, StoreMember>,
}

struct Failure {
    trouble: Trouble,
    error: String,
}
