//! Halves of connections, joined: what two hosts say of one conversation becomes one link between two things.
//!
//! Every half stands in the index under the conversation as its own namespace sees it, and under what NAT makes of it.
//! Two halves that stand under one key and are each other's far end are one conversation. A half alone is resolved by
//! its remote address; where that is of a host that reports too, it first waits a moment for its partner, because
//! hosts report in any order.

pub mod crossing;
mod ends;
mod flow;
pub mod sights;

use std::collections::BTreeSet;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use shared::addr::{Protocol, Subnet, Tuple};
use shared::delta::Delta;
use shared::id::{ConnectionId, ContainerId, HostId, NetNsId, NetworkId, ProcessId};
use shared::report::{Collector, CollectorState, Connection, Evidence, Failures, FlowKey, Role};

use self::crossing::{Crossing, Crossings};
use self::ends::is_relay;
use super::residents::Residents;
use super::scope::{Addresses, Holder, Readdressed, Scope};
use super::unprobed::Members;
use super::{ConnectsKey, Entity, Medium, Outside};
use crate::store::{HostState, Liveness, Store};

/// An engine notes about so much later that a container is started. Milliseconds.
const STARTING_MS: u64 = 20;
/// How long a half waits for a partner that should come.
const PARTNER_PATIENCE_MS: u64 = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HalfId {
    Connection(HostId, ConnectionId),
    /// By the number that the join gives it.
    Flow(HostId, u64),
}

impl HalfId {
    pub fn host(self) -> HostId {
        match self {
            Self::Connection(host, _) | Self::Flow(host, _) => host,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Add,
    Remove,
    /// One that was added is open.
    Open,
    Close,
}

/// A conversation under a key that both of its ends know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Meeting {
    scope: Scope,
    protocol: Protocol,
    low: SocketAddr,
    high: SocketAddr,
}

#[derive(Clone, Debug)]
struct Half {
    namespace: NetNsId,
    protocol: Protocol,
    local: SocketAddr,
    remote: SocketAddr,
    owner: Option<ProcessId>,
    role: Role,
    evidence: Evidence,
    nat: Option<Tuple>,
    /// None of what is one conversation.
    flow: Option<Arc<FlowKey>>,
    /// Of a flow, as it told of them last.
    failures: Failures,
    /// Of these, what is of no edge yet: who calls may be known a moment later.
    owed: Failures,
    opened_ms: u64,
    told: Told,
    closed_ms: Option<u64>,
    /// Where it stands in the index: the key, and whether its own end is the lower one.
    meetings: Vec<(Meeting, bool)>,
    partner: Option<HalfId>,
    /// It had a partner: where that is gone, so is what they said.
    was_paired: bool,
    /// The container that had the far end's address when this was first looked up: who has it later is another.
    met: Option<(HostId, ContainerId)>,
    /// What it adds to the graph, if it is the one of its pair that counts.
    link: Option<Link>,
}

/// One conversation as the graph counts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub key: ConnectsKey,
    pub evidence: Evidence,
    /// The address that stands for the outside end.
    pub outside: Option<IpAddr>,
    /// Whether it is one conversation that goes on.
    pub is_open: bool,
}

impl Link {
    /// Of a link that leads to a name.
    fn name(&self) -> Option<&Arc<str>> {
        match &self.key.target {
            Entity::Outside(Outside::Named(name)) => Some(name),
            _ => None,
        }
    }

    /// Of a link that leads outside, the end that is ours.
    fn end_here(&self) -> Option<&Entity> {
        self.outside?;
        [&self.key.source, &self.key.target].into_iter().find(|end| !matches!(end, Entity::Outside(_)))
    }
}

/// When a conversation was there, as far as is known: of a flow, when the last of its conversations came to be.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// Milliseconds since the host that told was booted.
    ByHost(u64),
    /// By the app's clock, when it was told.
    ByApp(u64),
}

impl Told {
    /// By what is known of the host's clock now: the more was heard of a host, the better.
    fn to_app_ms(self, store: &Store, id: HostId) -> Option<u64> {
        match self {
            Self::ByHost(boot_ms) => store.hosts.get(&id)?.booted_to_app_ms(boot_ms),
            Self::ByApp(ms) => Some(ms),
        }
    }
}

/// What a half should add to the graph.
enum Wanted {
    Link(Option<Link>),
    /// Its partner should come until then.
    PartnerUntil(u64),
}

#[derive(Default)]
pub struct Join {
    addresses: Addresses,
    residents: Residents,
    halves: HashMap<HalfId, Half>,
    meetings: HashMap<Meeting, Vec<(HalfId, bool)>>,
    by_owner: HashMap<(HostId, ProcessId), HashSet<HalfId>>,
    by_namespace: HashMap<HostId, HashMap<NetNsId, HashSet<HalfId>>>,
    /// Halves whose link leads outside, by the end that is ours.
    to_outside: HashMap<Entity, HashSet<HalfId>>,
    by_remote: HashMap<IpAddr, HashSet<HalfId>>,
    /// Names outside that links lead to, with how many do.
    named: HashMap<Arc<str>, usize>,
    /// Most are one conversation's.
    by_flow: HashMap<(HostId, FlowKey), Vec<HalfId>>,
    flow_numbers: HashMap<(HostId, FlowKey), u64>,
    flows_numbered: u64,
    pub crossings: Crossings,
    /// Flows whose figures may belong to another edge, or be others, since it was last taken.
    moved: HashSet<(HostId, FlowKey)>,
    /// Flows that owe their edges what failed of them, since it was last taken.
    failed: Vec<HalfId>,
    closed: BTreeSet<(u64, HalfId)>,
    waiting: BTreeSet<(u64, HalfId)>,
}

impl Join {
    /// Whoever has conversations with the world outside.
    pub fn ends_inside(&self) -> impl Iterator<Item = &Entity> {
        self.to_outside.keys()
    }

    /// Conversations of one of ours with the world outside.
    pub fn links_outside(&self, end: &Entity) -> impl Iterator<Item = &Link> {
        let halves = self.to_outside.get(end).into_iter().flatten();
        halves.filter_map(|id| self.halves.get(id)?.link.as_ref())
    }

    fn of_host(&self, id: HostId) -> impl Iterator<Item = HalfId> {
        self.by_namespace.get(&id).into_iter().flat_map(HashMap::values).flatten().copied()
    }

    pub fn len(&self) -> usize {
        self.halves.len()
    }

    pub fn is_empty(&self) -> bool {
        self.halves.is_empty()
    }

    /// Who has what changed on a host: gives the halves that may mean something else now.
    pub fn rehome(&mut self, store: &Store, id: HostId, change: &Delta, readdressed: bool) -> Vec<HalfId> {
        let mut touched: HashSet<HalfId> = HashSet::default();
        let processes = change.processes.set.iter().map(|(p, _)| p).chain(&change.processes.removed);
        for process in processes {
            touched.extend(self.by_owner.get(&(id, *process)).into_iter().flatten());
        }
        for address in change.names.set.iter().map(|(address, _)| address).chain(&change.names.removed) {
            let there = self.by_remote.get(address).into_iter().flatten();
            touched.extend(there.filter(|half| half.host() == id));
        }
        if readdressed {
            self.residents.renew(store, id);
            let Readdressed { addresses, rescoped, rebounded } = self.addresses.renew(store, id);
            if rescoped {
                // Keys of this host's halves depend on its subnets.
                let mine: Vec<HalfId> = self.of_host(id).collect();
                for half in mine {
                    self.rekey(half);
                    touched.insert(half);
                }
            }
            touched.extend(self.alone_in(&rebounded));
            for address in addresses {
                touched.extend(self.by_remote.get(&address).into_iter().flatten());
            }
            if !change.containers.removed.is_empty() {
                touched.extend(self.of_host(id));
            } else if let Some(mine) = self.by_namespace.get(&id) {
                let namespaces = change.containers.set.iter().filter_map(|(_, c)| c.namespace);
                touched.extend(namespaces.filter_map(|namespace| mine.get(&namespace)).flatten());
            }
        }
        // The link of a pair names both ends, and is with the client's half.
        let partners: Vec<HalfId> = touched.iter().filter_map(|id| self.halves.get(id)?.partner).collect();
        touched.extend(partners);
        touched.into_iter().collect()
    }

    pub fn take_connections(&mut self, store: &Store, id: HostId, change: &Delta, now_ms: u64) -> Vec<HalfId> {
        let mut touched = Vec::new();
        if store.hosts.get(&id).is_none_or(|host| host.liveness == Liveness::Down) {
            return touched;
        }
        for gone in &change.connections.removed {
            let half = HalfId::Connection(id, *gone);
            self.close(half, now_ms);
            touched.push(half);
        }
        for gone in &change.flows.removed {
            if let Some(number) = self.flow_numbers.get(&(id, *gone)) {
                self.close(HalfId::Flow(id, *number), now_ms);
            }
        }
        for (connection, record) in &change.connections.set {
            self.insert_connection(HalfId::Connection(id, *connection), record, now_ms);
            touched.push(HalfId::Connection(id, *connection));
        }
        for (key, flow) in &change.flows.set {
            let told = if flow.last_ms > 0 { Told::ByHost(flow.last_ms) } else { Told::ByApp(now_ms) };
            touched.push(self.insert_flow(id, key, flow, (told, now_ms)));
        }
        touched
    }

    fn insert_connection(&mut self, id: HalfId, record: &Connection, now_ms: u64) {
        let Connection { namespace, protocol, local, remote, owner, role, evidence, nat } = record.clone();
        let (local, remote) = (local.get(), remote.get());
        let nat = nat.map(|nat| *nat);
        let opened_ms = self.halves.get(&id).map_or(now_ms, |old| old.opened_ms);
        let link = self.take_out(id);
        self.put_in(
            id,
            Half {
                flow: None,
                failures: Failures::default(),
                owed: Failures::default(),
                namespace,
                protocol,
                local,
                remote,
                owner: owner.get(),
                role,
                evidence,
                nat,
                opened_ms,
                told: Told::ByApp(opened_ms),
                closed_ms: None,
                meetings: Vec::new(),
                partner: None,
                was_paired: false,
                met: None,
                link,
            },
        );
    }

    fn put_in(&mut self, id: HalfId, mut half: Half) {
        let host = id.host();
        half.meetings = self.meetings_of(host, &half);
        for (meeting, is_low) in &half.meetings {
            self.meetings.entry(meeting.clone()).or_default().push((id, *is_low));
        }
        if let Some(owner) = half.owner {
            self.by_owner.entry((host, owner)).or_default().insert(id);
        }
        self.by_namespace.entry(host).or_default().entry(half.namespace).or_default().insert(id);
        self.by_remote.entry(far_end(&half).ip()).or_default().insert(id);
        self.by_flow.entry((host, half.flow())).or_default().push(id);
        if let Some(crossing) = Crossing::of(id, &half) {
            self.crossings.add(crossing);
        }
        self.halves.insert(id, half);
    }

    /// Takes a half out of all indices, and frees its partner. Gives the link that it had.
    fn take_out(&mut self, id: HalfId) -> Option<Link> {
        let half = self.halves.remove(&id)?;
        for (meeting, _) in &half.meetings {
            if let Some(present) = self.meetings.get_mut(meeting) {
                present.retain(|(other, _)| *other != id);
                if present.is_empty() {
                    self.meetings.remove(meeting);
                }
            }
        }
        let host = id.host();
        if let Some(owner) = half.owner {
            leave(&mut self.by_owner, (host, owner), id);
        }
        if let Some(mine) = self.by_namespace.get_mut(&host) {
            leave(mine, half.namespace, id);
            if mine.is_empty() {
                self.by_namespace.remove(&host);
            }
        }
        leave(&mut self.by_remote, far_end(&half).ip(), id);
        if let Some(crossing) = Crossing::of(id, &half) {
            self.crossings.remove(crossing);
        }
        let flow = (host, half.flow());
        if let Some(of_flow) = self.by_flow.get_mut(&flow) {
            of_flow.retain(|other| *other != id);
            if of_flow.is_empty() {
                self.by_flow.remove(&flow);
            }
        }
        if let Some(partner) = half.partner.and_then(|p| self.halves.get_mut(&p)) {
            partner.partner = None;
        }
        if let Some(at) = half.closed_ms {
            self.closed.remove(&(at, id));
        }
        self.waiting.remove(&(half.opened_ms + PARTNER_PATIENCE_MS, id));
        half.link
    }

    /// Its keys are worked out anew; all else about it stays.
    fn rekey(&mut self, id: HalfId) {
        let Some(half) = self.halves.get(&id).cloned() else { return };
        let (closed, link) = (half.closed_ms, half.link.clone());
        self.take_out(id);
        self.put_in(id, Half { partner: None, link, ..half });
        if let Some(at) = closed {
            self.closed.insert((at, id));
        }
    }

    /// The conversation as both ends may know it.
    fn meetings_of(&self, host: HostId, half: &Half) -> Vec<(Meeting, bool)> {
        if half.local.port() == 0 || half.remote.port() == 0 {
            return Vec::new();
        }
        let scope = |tuple: Tuple| {
            let here = self.addresses.scope(host, half.namespace, tuple.from.ip());
            // The narrower of the two: what talks to a bridge's address is on that host.
            here.min(self.addresses.scope(host, half.namespace, tuple.to.ip()))
        };
        let meet = |tuple: Tuple, mine: SocketAddr| {
            let (low, high) = (tuple.from.min(tuple.to), tuple.from.max(tuple.to));
            (Meeting { scope: scope(tuple), protocol: half.protocol, low, high }, mine == low)
        };
        let mut meetings = vec![meet(Tuple { from: half.local, to: half.remote }, half.local)];
        if let Some(nat) = half.nat {
            let mine = if half.role == Role::Server { nat.to } else { nat.from };
            meetings.push(meet(nat, mine));
        }
        meetings
    }

    fn close(&mut self, id: HalfId, now_ms: u64) {
        if let Some(half) = self.halves.get_mut(&id)
            && half.closed_ms.is_none()
        {
            half.closed_ms = Some(now_ms);
            self.closed.insert((now_ms, id));
        }
    }

    /// Connections that closed a window ago end; halves that waited in vain are resolved by address.
    pub fn expire(&mut self, window_ms: u64, now_ms: u64) -> Vec<HalfId> {
        let mut touched = Vec::new();
        while let Some((at, id)) = self.closed.first().copied() {
            if at + window_ms > now_ms {
                break;
            }
            self.closed.pop_first();
            touched.push(id);
            touched.extend(self.halves.get(&id).and_then(|half| half.partner));
            if let Some(half) = self.halves.get_mut(&id) {
                half.closed_ms = Some(0);
            }
        }
        while let Some((due, id)) = self.waiting.first().copied() {
            if due > now_ms {
                break;
            }
            self.waiting.pop_first();
            touched.push(id);
        }
        touched
    }

    pub fn drop_host(&mut self, id: HostId) -> Vec<HalfId> {
        let mine: Vec<HalfId> = self.of_host(id).collect();
        let mut touched = mine.clone();
        for half in mine {
            touched.extend(self.halves.get(&half).and_then(|h| h.partner));
            if let Some(half) = self.halves.get_mut(&half) {
                half.closed_ms = Some(0);
            }
        }
        touched
    }

    /// A host that was down reports again: what it has open is open.
    pub fn revive_host(&mut self, store: &Store, id: HostId, now_ms: u64) -> Vec<HalfId> {
        let Some(host) = store.hosts.get(&id) else { return Vec::new() };
        let change = shared::delta::between(&shared::Report::default(), &host.report);
        let missing: Vec<_> = change.connections.set.into_iter().collect();
        let mut touched = Vec::new();
        for (connection, record) in missing {
            let half = HalfId::Connection(id, connection);
            if !self.halves.contains_key(&half) {
                self.insert_connection(half, &record, now_ms);
                touched.push(half);
            }
        }
        touched
    }

    /// Containers without a probe came, went or have other addresses in a network.
    pub fn set_unprobed(&mut self, network: &NetworkId, before: &Members, now: &Members) -> Vec<HalfId> {
        self.addresses.set_unprobed(network, before, now);
        let differ = |address: &&IpAddr| before.get(*address) != now.get(*address);
        let addresses: BTreeSet<&IpAddr> = before.keys().chain(now.keys()).filter(differ).collect();
        addresses.into_iter().filter_map(|address| self.by_remote.get(address)).flatten().copied().collect()
    }

    pub fn forget_addresses(&mut self, id: HostId) -> Vec<HalfId> {
        self.residents.forget(id);
        let Readdressed { addresses, rebounded, .. } = self.addresses.forget(id);
        let mut touched: HashSet<HalfId> = HashSet::default();
        for address in addresses {
            touched.extend(self.by_remote.get(&address).into_iter().flatten());
        }
        touched.extend(self.alone_in(&rebounded));
        touched.into_iter().collect()
    }

    /// Halves whose other end is known by an address in these subnets only: whether that is outside depends on them.
    fn alone_in(&self, subnets: &[Subnet]) -> impl Iterator<Item = HalfId> {
        let within = |address: &IpAddr| subnets.iter().any(|subnet| subnet.contains(*address));
        let halves = self.by_remote.iter().filter(move |(address, _)| !subnets.is_empty() && within(address));
        let alone = |id: &&HalfId| self.halves.get(*id).is_some_and(|half| half.partner.is_none());
        halves.flat_map(|(_, halves)| halves).filter(alone).copied()
    }

    /// Makes the links of these halves what they should be, and tells each step to `count`.
    pub fn settle(
        &mut self,
        store: &Store,
        touched: Vec<HalfId>,
        now_ms: u64,
        mut count: impl FnMut(&ConnectsKey, Step, Evidence),
    ) {
        let mut todo: Vec<HalfId> = touched;
        let mut done: HashSet<HalfId> = HashSet::default();
        while let Some(id) = todo.pop() {
            if !done.insert(id) {
                continue;
            }
            let Some(half) = self.halves.get(&id) else { continue };
            if half.closed_ms == Some(0) {
                let partner = half.partner;
                if let Some(flow) = &half.flow {
                    self.flow_numbers.remove(&(id.host(), **flow));
                }
                self.relink(id, None, &mut count);
                self.take_out(id);
                if let Some(partner) = partner {
                    done.remove(&partner);
                    todo.push(partner);
                }
                continue;
            }
            if half.partner.is_none()
                && let Some(partner) = self.find_partner(id)
            {
                for (a, b) in [(id, partner), (partner, id)] {
                    if let Some(half) = self.halves.get_mut(&a) {
                        (half.partner, half.was_paired) = (Some(b), true);
                    }
                }
                done.remove(&partner);
                todo.push(partner);
            }
            let wanted = match self.is_anothers(store, id, now_ms) {
                true => Wanted::Link(None),
                false => self.link_of(store, id, now_ms),
            };
            match wanted {
                Wanted::Link(link) => self.relink(id, link, &mut count),
                // What it was resolved to before still holds while it waits again.
                Wanted::PartnerUntil(due) => {
                    self.waiting.insert((due, id));
                }
            }
        }
    }

    /// Whether the far end's address is another's by now than who was talked to.
    fn is_anothers(&mut self, store: &Store, id: HalfId, now_ms: u64) -> bool {
        let Some(half) = self.halves.get(&id) else { return false };
        let is_alone = half.partner.is_none();
        if is_alone && half.was_paired && half.closed_ms.is_some() {
            return true;
        }
        let far = far_end(half).ip();
        let scope = self.addresses.scope(id.host(), half.namespace, far);
        if let Scope::Namespace(..) = scope {
            return false;
        }
        let Some(Holder::Container(host, container)) = self.addresses.holder(&scope, far) else { return false };
        match &half.met {
            Some(met) => is_alone && *met != (host, container),
            // Datagrams go on without being told again: whoever comes may be who they are for.
            None if half.protocol == Protocol::Tcp
                && is_younger(store, (host, &container), half.told.to_app_ms(store, id.host()), now_ms) =>
            {
                true
            }
            None => {
                if let Some(half) = self.halves.get_mut(&id) {
                    half.met = Some((host, container));
                }
                false
            }
        }
    }

    fn relink(&mut self, id: HalfId, wanted: Option<Link>, count: &mut impl FnMut(&ConnectsKey, Step, Evidence)) {
        let Some(half) = self.halves.get_mut(&id) else { return };
        if half.link == wanted {
            return;
        }
        if let (Some(old), Some(new)) = (&mut half.link, &wanted)
            && *old == (Link { is_open: old.is_open, ..new.clone() })
        {
            old.is_open = new.is_open;
            return count(&old.key, if new.is_open { Step::Open } else { Step::Close }, old.evidence);
        }
        self.moved.insert((id.host(), half.flow()));
        if let Some((other, partner)) = half.partner.and_then(|other| Some((other, self.halves.get(&other)?))) {
            self.moved.insert((other.host(), partner.flow()));
        }
        let Some(half) = self.halves.get_mut(&id) else { return };
        if let Some(old) = half.link.take() {
            if let Some(name) = old.name()
                && let Some(links) = self.named.get_mut(name)
            {
                *links -= 1;
                if *links == 0 {
                    self.named.remove(name);
                }
            }
            if old.is_open {
                count(&old.key, Step::Close, old.evidence);
            }
            count(&old.key, Step::Remove, old.evidence);
            if let Some(end) = old.end_here() {
                leave(&mut self.to_outside, end.clone(), id);
            }
        }
        if let Some(new) = wanted {
            if let Some(name) = new.name() {
                *self.named.entry(name.clone()).or_default() += 1;
            }
            count(&new.key, Step::Add, new.evidence);
            if new.is_open {
                count(&new.key, Step::Open, new.evidence);
            }
            if let Some(end) = new.end_here() {
                self.to_outside.entry(end.clone()).or_default().insert(id);
            }
            half.link = Some(new);
            if !half.owed.is_none() {
                self.failed.push(id);
            }
        }
    }

    /// The far end of the same conversation; an open one before a closed one.
    fn find_partner(&self, id: HalfId) -> Option<HalfId> {
        let half = self.halves.get(&id)?;
        let mut best = None;
        for (meeting, is_low) in &half.meetings {
            for (other, other_is_low) in self.meetings.get(meeting)? {
                if *other == id || other_is_low == is_low {
                    continue;
                }
                let Some(candidate) = self.halves.get(other).filter(|h| h.partner.is_none()) else { continue };
                if candidate.closed_ms.is_none() {
                    return Some(*other);
                }
                best = best.or(Some(*other));
            }
        }
        best
    }

    /// What the half should add to the graph. Of a pair, the client counts.
    fn link_of(&self, store: &Store, id: HalfId, now_ms: u64) -> Wanted {
        let Some(half) = self.halves.get(&id) else { return Wanted::Link(None) };
        if let Some((partner_id, partner)) = half.partner.and_then(|p| Some((p, self.halves.get(&p)?))) {
            // Where both claim the same role, the better evidence decides, then the lower id.
            let i_am_client = match (half.role, partner.role) {
                (Role::Client, Role::Server) => true,
                (Role::Server, Role::Client) => false,
                (mine, theirs) => match (half.evidence, id).cmp(&(partner.evidence, partner_id)) {
                    std::cmp::Ordering::Less => mine != Role::Server,
                    _ => theirs == Role::Server,
                },
            };
            return Wanted::Link(
                i_am_client.then(|| self.link_between(store, (id, half), (partner_id, partner))).flatten(),
            );
        }
        let Some(mine) = self.end(store, id.host(), half) else { return Wanted::Link(None) };
        let scope = self.addresses.scope(id.host(), half.namespace, far_end(half).ip());
        let holder = match &scope {
            Scope::Namespace(..) => None,
            Scope::Host(_) | Scope::Network(_) | Scope::Underlay => self.addresses.holder(&scope, far_end(half).ip()),
        };
        let due = half.opened_ms + PARTNER_PATIENCE_MS;
        // Whoever calls counts their short conversations themselves, and knows best whom. Of one that was open for a moment
        // the host that was called may have told by itself, by chance.
        let is_short = matches!(id, HalfId::Flow(..)) || half.closed_ms.is_some_and(|closed_ms| closed_ms < due);
        if is_short && half.role == Role::Server {
            let there = match (&scope, &holder) {
                (Scope::Namespace(..), _) => Some(id.host()),
                (_, Some(Holder::Host(there) | Holder::Container(there, _))) => Some(*there),
                _ => None,
            };
            if there.is_some_and(|there| sees_short_ones(store, there)) {
                return Wanted::Link(None);
            }
        }
        // From a host without a probe no partner comes.
        let reports = matches!(holder, Some(Holder::Host(_) | Holder::Container(..)));
        let known = reports || matches!(scope, Scope::Namespace(..));
        if known && now_ms < due && half.closed_ms.is_none() {
            return Wanted::PartnerUntil(due);
        }
        Wanted::Link(self.lone_link(store, id.host(), half, mine, (scope, holder)))
    }

    fn link_between(&self, store: &Store, client: (HalfId, &Half), server: (HalfId, &Half)) -> Option<Link> {
        let ((client_id, client), (server_id, server)) = (client, server);
        if is_relay(store, client_id.host(), client) {
            return None;
        }
        let (target, port) = self.server_end(store, server_id.host(), server)?;
        Some(Link {
            key: ConnectsKey {
                source: self.end(store, client_id.host(), client)?,
                target,
                medium: Medium::Transport(client.protocol),
                port,
                network: self.network(store, client_id.host(), client),
            },
            evidence: client.evidence.min(server.evidence),
            outside: None,
            is_open: client.is_open(),
        })
    }

    fn lone_link(
        &self,
        store: &Store,
        host: HostId,
        half: &Half,
        mine: Entity,
        (scope, holder): (Scope, Option<Holder>),
    ) -> Option<Link> {
        let is_client = half.role != Role::Server;
        if is_client && is_relay(store, host, half) {
            return None;
        }
        let far = far_end(half);
        let (mine, mut port) = match is_client {
            true => (mine, half.remote.port()),
            false => self.server_end(store, host, half)?,
        };
        let (other, outside) = match (&scope, holder) {
            (Scope::Namespace(..), _) => (self.listener(store, host, half.namespace, half.protocol, far)?, None),
            (_, Some(Holder::Container(host, container))) if is_client => {
                (self.in_container(store, host, container, half.protocol, far), None)
            }
            (_, Some(Holder::Container(host, container))) => (Entity::Container(host, container), None),
            (_, Some(Holder::Unprobed(one))) => (Entity::Unprobed(one), None),
            (_, Some(Holder::Host(there))) if is_client => {
                let (other, at) = self.on_host(store, there, half.protocol, far);
                port = at;
                (other, None)
            }
            (_, Some(Holder::Host(there))) => (Entity::Host(there), None),
            (_, None) if self.addresses.is_local(far.ip()) => return None,
            (_, None) => {
                let outside = if is_client { self.beyond(store, host, far.ip()) } else { Outside::Inbound };
                (Entity::Outside(outside), Some(far.ip()))
            }
        };
        let (source, target) = if is_client { (mine, other) } else { (other, mine) };
        let network = self.network(store, host, half);
        let key = ConnectsKey { source, target, medium: Medium::Transport(half.protocol), port, network };
        Some(Link { key, evidence: half.evidence, outside, is_open: half.is_open() })
    }
}

/// Whether a container was started after something was told: who was talked to had its address before.
fn is_younger(store: &Store, (host, container): (HostId, &ContainerId), told_ms: Option<u64>, now_ms: u64) -> bool {
    let Some((host, told_ms)) = store.hosts.get(&host).zip(told_ms) else { return false };
    let Some(record) = host.report.containers.get(container) else { return false };
    // The engine notes that it started a little later than its first process begins, who may be talked to by then.
    if let Some(began_ms) = first_process_ms(host, record.pid) {
        return began_ms > told_ms;
    }
    let started = host.wall_to_app_ms(record.started_ms);
    // What is to come was said by a clock that was set back.
    started.is_some_and(|started_ms| started_ms > told_ms + STARTING_MS && started_ms <= now_ms)
}

/// When a container's first process began, by the app's clock.
fn first_process_ms(host: &HostState, pid: Option<u32>) -> Option<u64> {
    let all = |pid| ProcessId { pid, start: 0 }..=ProcessId { pid, start: u64::MAX };
    let (first, _) = host.report.processes.range(all(pid?)).next_back()?;
    host.booted_to_app_ms(first.start_ms())
}

/// Whether a host tells of conversations that last a moment.
fn sees_short_ones(store: &Store, host: HostId) -> bool {
    let Some(state) = store.hosts.get(&host).filter(|state| state.liveness == Liveness::Live) else { return false };
    let status = state.report.collectors.get(&Collector::Ebpf);
    status.is_some_and(|status| matches!(status.state, CollectorState::Ok | CollectorState::Degraded))
}

/// The address that stands for the other end: behind a translation on this host, what it is translated to.
fn far_end(half: &Half) -> SocketAddr {
    match (half.nat, half.role) {
        (Some(nat), Role::Client | Role::Unknown) => nat.to,
        (Some(nat), Role::Server) => nat.from,
        (None, _) => half.remote,
    }
}

fn leave<K: Hash + Eq>(index: &mut HashMap<K, HashSet<HalfId>>, key: K, id: HalfId) {
    if let Some(all) = index.get_mut(&key) {
        all.remove(&id);
        if all.is_empty() {
            index.remove(&key);
        }
    }
}
