//! Docker's cluster store, in which engines from 1.9 to 20.10 keep the overlay networks that they share: its members,
//! who leads, and whether it answers. Read-only.

mod consul;
mod engine;
mod etcd;
mod zookeeper;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::{Duration, Instant};

use shared::id::StoreId;
use shared::report::{Collector, CollectorState, CollectorStatus, Store, StoreKind, StoreMember, Trouble};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::Config;
use crate::collector::{degraded, ok, wall_ms};
use crate::state::Reading;

const INTERVAL: Duration = Duration::from_secs(3);
/// What the engine is set to changes with its restart only.
const ASK_ENGINE_EVERY: u32 = 5;
/// Of one call to one member. A member is asked at most three times.
const PATIENCE: Duration = Duration::from_secs(2);
/// More of an answer is not read.
const ANSWER_MAX: u64 = 4 << 20;
/// More members of one store are not asked.
const MEMBERS_MAX: usize = 16;

/// Where a store is: `etcd://10.0.0.1:2379,10.0.0.2:2379/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub kind: StoreKind,
    pub endpoints: BTreeSet<String>,
}

impl Address {
    /// # Errors
    /// Where it is of no kind that there is, or names no host; in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let usage =
            || format!("'{text}' is no cluster store: use etcd://HOST:PORT, consul://HOST:PORT or zk://HOST:PORT");
        let (kind, rest) = text.split_once("://").ok_or_else(usage)?;
        let (kind, port) = match kind {
            "etcd" => (StoreKind::Etcd, 2379),
            "consul" => (StoreKind::Consul, 8500),
            "zk" => (StoreKind::ZooKeeper, 2181),
            _ => return Err(usage()),
        };
        // Behind the hosts there may be the path under which the engines keep their keys.
        let hosts =
            rest.split('/').next().unwrap_or_default().split(',').map(str::trim).filter(|host| !host.is_empty());
        let with_port = |host: &str| match host.rsplit_once(':') {
            Some((_, digits)) if digits.parse::<u16>().is_ok() && !host.ends_with(']') => host.to_owned(),
            _ => format!("{host}:{port}"),
        };
        let endpoints: BTreeSet<String> = hosts.map(with_port).collect();
        let is_sound = |host: &String| !host.contains(char::is_whitespace) && !host.starts_with(':');
        if endpoints.is_empty() || !endpoints.iter().all(is_sound) {
            return Err(usage());
        }
        Ok(Self { kind, endpoints })
    }

    fn id(&self) -> StoreId {
        let scheme = match self.kind {
            StoreKind::Etcd => "etcd",
            StoreKind::Consul => "consul",
            StoreKind::ZooKeeper => "zk",
            StoreKind::Unknown => "store",
        };
        let hosts: Vec<&str> = self.endpoints.iter().map(String::as_str).collect();
        format!("{scheme}://{}", hosts.join(",")).into()
    }
}

pub async fn run(config: Config, readings: mpsc::Sender<Reading>, stop: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut named = config.cluster_store.clone().map(|address| (address, String::new()));
    // Members that others told of: one that was named alone may be the one that is lost.
    let mut known: Option<(StoreId, BTreeSet<String>)> = None;
    let mut round = 0;
    let mut answered_ms = 0;
    let mut before: Option<(CollectorStatus, BTreeMap<StoreId, Store>)> = None;
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
        let Some((address, advertise)) = named.clone() else {
            let message = "the engine has none; name one with --cluster-store".to_owned();
            let status = CollectorStatus { state: CollectorState::Off, message, ..CollectorStatus::default() };
            if !publish(&readings, &mut before, status, BTreeMap::new()).await {
                return;
            }
            continue;
        };
        let (id, kind) = (address.id(), address.kind);
        if known.as_ref().is_none_or(|(of, _)| *of != id) {
            known = Some((id.clone(), BTreeSet::new()));
        }
        let learned = known.as_ref().map(|(_, learned)| learned.clone()).unwrap_or_default();
        let Ok((members, told)) = tokio::task::spawn_blocking(move || read(&address, &learned)).await else { continue };
        // Of a store of which nobody answers, what was known last still is.
        if !told.is_empty() {
            known = Some((id.clone(), told));
        }
        let well = members.values().filter(|member| member.trouble == Trouble::None).count();
        if well > 0 {
            answered_ms = wall_ms();
        }
        let words = format!("{} at {id}, {well} of {} members answer", kind.name(), members.len());
        let status = match well {
            0 => CollectorStatus {
                state: CollectorState::Failed,
                message: match members.values().next() {
                    Some(member) => format!("{words}: {}", member.error),
                    None => words,
                },
                trouble: members.values().map(|member| member.trouble).next().unwrap_or_default(),
                answered_ms,
                dropped: 0,
            },
            all if all == members.len() && members.values().all(|member| member.has_leader) => ok(words),
            _ => degraded(words),
        };
        let store = Store { kind, members, advertise };
        if !publish(&readings, &mut before, status, BTreeMap::from([(id, store)])).await {
            return;
        }
    }
}

/// What is new only. False where nobody listens any more.
async fn publish(
    readings: &mpsc::Sender<Reading>,
    before: &mut Option<(CollectorStatus, BTreeMap<StoreId, Store>)>,
    status: CollectorStatus,
    stores: BTreeMap<StoreId, Store>,
) -> bool {
    if before.as_ref().is_some_and(|(old, known)| *old == status && *known == stores) {
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
    *before = Some((status.clone(), stores.clone()));
    readings.send(Reading::Stores(stores)).await.is_ok()
        && readings.send(Reading::Status(Collector::ClusterStore, status)).await.is_ok()
}

/// Members with what each says, and those that any of them told of.
fn read(address: &Address, known: &BTreeSet<String>) -> (BTreeMap<String, StoreMember>, BTreeSet<String>) {
    let agent = agent();
    let mut members = BTreeMap::new();
    let mut asked = BTreeSet::new();
    let mut told = BTreeSet::new();
    let mut waiting: BTreeSet<String> = address.endpoints.union(known).cloned().collect();
    while let Some(endpoint) = waiting.pop_first() {
        if asked.len() >= MEMBERS_MAX || !asked.insert(endpoint.clone()) {
            continue;
        }
        let started = Instant::now();
        let answer = match address.kind {
            StoreKind::Etcd => etcd::ask(&agent, &endpoint),
            StoreKind::Consul => consul::ask(&agent, &endpoint),
            StoreKind::ZooKeeper | StoreKind::Unknown => zookeeper::ask(&endpoint),
        };
        let member = match answer {
            Ok(Answer { member, others }) => {
                waiting.extend(others.iter().cloned());
                told.extend(others);
                StoreMember { latency_ms: rounded(started.elapsed() / 3), ..member }
            }
            Err(Failure { trouble, error }) => StoreMember { trouble, error, ..StoreMember::default() },
        };
        members.insert(endpoint, member);
    }
    // One that was removed from the store, and that nobody named here, is none of its members.
    members.retain(|endpoint, member| {
        let is_meant = address.endpoints.contains(endpoint) || told.contains(endpoint);
        is_meant || told.is_empty() || member.trouble == Trouble::None
    });
    (members, told)
}

/// What one member says of itself, and where others are.
struct Answer {
    member: StoreMember,
    others: BTreeSet<String>,
}

struct Failure {
    trouble: Trouble,
    error: String,
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).max_redirects(0);
    config.http_status_as_error(false).build().into()
}

/// Up to the next of 1, 2, 5, 10, 20, 50, … milliseconds.
fn rounded(latency: Duration) -> u32 {
    let ms = latency.as_secs_f64() * 1e3;
    let steps = (0..5).flat_map(|power| [1, 2, 5].map(|step| step * 10u32.pow(power)));
    steps.into_iter().find(|step| f64::from(*step) >= ms).unwrap_or(100_000)
}

/// Status and body.
fn get(agent: &ureq::Agent, url: &str) -> Result<(u16, String), Failure> {
    let unreachable = |error: String| Failure { trouble: Trouble::Unreachable, error };
    let silent = || Failure { trouble: Trouble::Silent, error: format!("no answer within {} s", PATIENCE.as_secs()) };
    let answer = agent.get(url).call().map_err(|error| match error {
        ureq::Error::Timeout(_) => silent(),
        ureq::Error::Io(error) => unreachable(error.to_string()),
        other => unreachable(other.to_string()),
    })?;
    let status = answer.status().as_u16();
    let mut text = String::new();
    let mut body = answer.into_body().into_reader().take(ANSWER_MAX);
    body.read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::TimedOut => silent(),
        std::io::ErrorKind::InvalidData => {
            Failure { trouble: Trouble::Confused, error: "its answer is no text".into() }
        }
        _ => unreachable(error.to_string()),
    })?;
    Ok((status, text))
}

fn json(agent: &ureq::Agent, url: &str) -> Result<(u16, serde_json::Value), Failure> {
    let (status, text) = get(agent, url)?;
    let value = serde_json::from_str(&text).map_err(|error| Failure {
        trouble: Trouble::Confused,
        error: format!("status {status}, and no JSON: {error}"),
    })?;
    Ok((status, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_as_engines_name_it() {
        for (text, id) in [
            ("etcd://10.0.0.2:2379,10.0.0.1:2379/docker", "etcd://10.0.0.1:2379,10.0.0.2:2379"),
            ("consul://10.77.0.1:8500", "consul://10.77.0.1:8500"),
            ("consul://store.example", "consul://store.example:8500"),
            ("zk://a,b:2182,[fd00::1]", "zk://[fd00::1]:2181,a:2181,b:2182"),
        ] {
            assert_eq!(&*Address::parse(text).unwrap().id().0, id, "{text}");
        }
        for wrong in ["", "etcd", "redis://a:1", "etcd://", "etcd:///path", "etcd://a b"] {
            assert!(Address::parse(wrong).unwrap_err().contains("etcd://HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn latency_is_rounded_up_to_few_values() {
        let of = |micros| rounded(Duration::from_micros(micros));
        assert_eq!([of(0), of(900), of(1_100), of(2_100), of(9_000), of(1_900_000)], [1, 1, 2, 5, 10, 2_000]);
    }
}
