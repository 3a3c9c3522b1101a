//! The container engine: Docker Engine, or Podman through its Docker-compatible socket.
//!
//! Read-only. The list is read when the engine answers, then kept by its events and compared with a fresh list once a
//! minute, because events can be lost. An engine that is absent, hangs or restarts is tried again; what was known of
//! it stays until it answers.

pub mod client;
pub mod container;
pub mod network;
pub mod overlay;
pub mod raw;
mod standalone;
pub mod swarm;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use shared::id::{ContainerId, ImageId, NetworkId};
use shared::report::{
    Collector, CollectorState, CollectorStatus, Container, Elsewhere, Engine, Image, Network, Overlay, Trouble,
};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::Config;
use crate::bell::Bell;
use crate::collector::{latency_ms, wall_ms};
use crate::state::Reading;
use client::{Client, Error};
use container::Listed;
use swarm::{Cluster, Seen};

const RESYNC_INTERVAL: Duration = Duration::from_secs(60);
const PING_INTERVAL: Duration = Duration::from_secs(3);
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Events that come close together lead to one reading.
const SETTLE: Duration = Duration::from_millis(20);
/// So many containers that do not run are read before what is known is published again.
const BATCH: usize = 200;

/// What the thread that reads the kernel and those who ask the engine tell one another.
#[derive(Clone, Default)]
pub struct Watched(Arc<Between>);

#[derive(Default)]
struct Between {
    /// For whom control groups are read.
    running: Mutex<BTreeMap<ContainerId, Watch>>,
    /// Some of them are others than before.
    is_new: AtomicBool,
    /// Rung when that becomes so.
    bell: Bell,
    /// Forwarding entries or networks changed: what the engine believes of its swarm and overlays is of interest now.
    doubt: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    pub pid: u32,
    pub host_network: bool,
}

impl Watched {
    pub fn running(&self) -> BTreeMap<ContainerId, Watch> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether others run than when this was last asked.
    pub fn take_new(&self) -> bool {
        self.0.is_new.swap(false, Ordering::AcqRel)
    }

    /// Rings when others run than before.
    pub fn bell(&self) -> Bell {
        self.0.bell.clone()
    }

    pub fn forwarding_changed(&self) {
        self.0.doubt.notify_one();
    }

    fn replace(&self, containers: &BTreeMap<ContainerId, Container>) {
        let running = containers
            .iter()
            .filter_map(|(id, c)| Some((id.clone(), Watch { pid: c.pid?, host_network: c.host_network })))
            .collect();
        let mut known = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != running {
            *known = running;
            self.0.is_new.store(true, Ordering::Release);
            self.0.bell.ring();
        }
    }
}

/// What the engine said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub engine: Option<Engine>,
    pub containers: BTreeMap<ContainerId, Container>,
    pub images: BTreeMap<ImageId, Image>,
    pub elsewhere: BTreeMap<ContainerId, Elsewhere>,
    pub networks: BTreeMap<NetworkId, Network>,
    pub overlays: BTreeMap<NetworkId, Overlay>,
    pub cluster: Cluster,
}

pub async fn run(config: Config, watched: Watched, readings: mpsc::Sender<Reading>, stop: CancellationToken) {
    let report = |status| readings.send(Reading::Status(Collector::Docker, status));
    let Some(endpoint) = config.docker.clone() else {
        let message = "turned off by --no-docker".into();
        let _ = report(CollectorStatus { state: CollectorState::Off, message, ..CollectorStatus::default() }).await;
        return;
    };
    let mut inventory = Inventory::default();
    let mut retry = RETRY_MIN;
    let mut last_error = String::new();
    let mut answered_ms = 0;
    loop {
        let mut session = Session {
            config: &config,
            readings: &readings,
            watched: &watched,
            inventory: &mut inventory,
            swarm_trouble: None,
            answered_ms: &mut answered_ms,
            latency_ms: 0,
            nodes: standalone::Nodes::new(),
            on: BTreeMap::new(),
            status: None,
        };
        let started = Instant::now();
        let result = tokio::select! {
            () = stop.cancelled() => return,
            result = session.run(&endpoint) => result,
        };
        let Err(error) = result else { return };
        if started.elapsed() > RETRY_MAX {
            retry = RETRY_MIN;
        }
        let message = error.to_string();
        if message != last_error {
            warn!(%error, "container engine");
            last_error.clone_from(&message);
        }
        let (state, trouble) = (CollectorState::Failed, error.trouble());
        let status = CollectorStatus { state, message, trouble, answered_ms, ..CollectorStatus::default() };
        if report(status).await.is_err() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(retry.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
        }
        retry = (retry * 2).min(RETRY_MAX);
    }
}

/// One connection to an engine, from its first answer to its first failure.
struct Session<'a> {
    config: &'a Config,
    readings: &'a mpsc::Sender<Reading>,
    watched: &'a Watched,
    inventory: &'a mut Inventory,
    /// Why the manager does not tell of its swarm, in its own words.
    swarm_trouble: Option<String>,
    answered_ms: &'a mut u64,
    latency_ms: u32,
    /// Of a standalone Swarm, where the engine is its manager, and which container is on which node.
    nodes: standalone::Nodes,
    on: BTreeMap<ContainerId, String>,
    /// What was said of it last.
    status: Option<CollectorStatus>,
}

impl Session<'_> {
    /// Ok only where the probe is stopping.
    async fn run(&mut self, endpoint: &crate::config::DockerEndpoint) -> Result<(), Error> {
        let client = Client::connect(endpoint).await?;
        self.inventory.engine = Some(client.engine().await?);
        // Subscribed before the list is read, so that nothing that happens meanwhile is missed.
        let mut events = Box::pin(client.events());
        let Some(mut unread) = self.resync(&client).await? else { return Ok(()) };
        info!(address = client.address(), containers = self.inventory.containers.len(), "container engine answers");
        let mut resync = interval(RESYNC_INTERVAL);
        let mut ping = interval(PING_INTERVAL);
        let member = self.inventory.engine.as_ref().and_then(|engine| engine.swarm.clone());
        let mut swarm = Box::pin(client.swarm(member, &self.watched.0.doubt));
        resync.reset();
        let mut news = true;
        loop {
            if news && !self.publish(&client, unread).await {
                return Ok(());
            }
            news = true;
            *self.answered_ms = wall_ms();
            tokio::select! {
                event = events.next() => {
                    let first = event.ok_or(Error::EventsEnded)??;
                    let mut batch = vec![first];
                    while let Ok(Some(event)) = timeout(SETTLE, events.next()).await {
                        batch.push(event?);
                        if batch.len() >= 256 {
                            break;
                        }
                    }
                    unread += self.follow(&client, &batch).await?;
                }
                _ = resync.tick() => match self.resync(&client).await? {
                    Some(count) => unread = count,
                    None => return Ok(()),
                },
                seen = swarm.next() => {
                    let seen = seen.ok_or(Error::EventsEnded)??;
                    let began = Reading::Began(Collector::Docker, seen.began_ms);
                    news = false;
                    let published = !self.take_swarm(seen) || self.publish(&client, unread).await;
                    if !published || self.readings.send(began).await.is_err() {
                        return Ok(());
                    }
                }
                _ = ping.tick() => {
                    let asked = Instant::now();
                    client.ping().await?;
                    news = false;
                    if !self.publish_latency(latency_ms(asked.elapsed())).await {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Compares with a fresh list. Containers that look as they did are not asked about again. What runs comes first,
    /// and is published before the rest: an engine may hold a thousand dead containers. Gives how many answers could
    /// not be read; none where nobody listens any more.
    async fn resync(&mut self, client: &Client) -> Result<Option<u64>, Error> {
        let listed = client.containers().await?;
        let present: BTreeSet<&ContainerId> = listed.iter().map(|summary| &summary.id).collect();
        self.inventory.containers.retain(|id, _| present.contains(id));
        self.inventory.images = client.images().await?;
        self.inventory.networks = client.networks().await?;
        if self.is_manager() {
            let asked = self.config.docker.clone();
            let info = tokio::task::spawn_blocking(move || raw::info(asked.as_ref())).await.ok().flatten();
            self.nodes = info.map(|info| standalone::nodes(&info)).unwrap_or_default();
            // Those of single nodes are listed with the node before their name.
            self.inventory.networks.retain(|_, network| !network.name.contains('/'));
        }
        let on = listed.iter().filter_map(|listed| Some((listed.id.clone(), listed.node.clone()?)));
        self.on = on.collect();
        let differs =
            |summary: &&Listed| self.inventory.containers.get(&summary.id).is_none_or(|known| !summary.agrees(known));
        let (active, rest): (Vec<&Listed>, Vec<&Listed>) = listed.iter().filter(differs).partition(|s| s.is_active());
        let mut unread = 0;
        for batch in [&*active].into_iter().chain(rest.chunks(BATCH)) {
            for summary in batch {
                unread += self.read(client, &summary.id).await?;
            }
            if !self.publish(client, unread).await {
                return Ok(None);
            }
        }
        Ok(Some(unread))
    }

    /// Whether anything is new. A manager that cannot tell of its swarm, as when most managers are gone, is no engine
    /// that fails: what was known stays, and the reason is said.
    fn take_swarm(&mut self, Seen { overlays, member, cluster, began_ms: _ }: Seen) -> bool {
        let (cluster, trouble) = match cluster {
            Ok(cluster) => (cluster, None),
            Err(error) => (self.inventory.cluster.clone(), Some(error.to_string())),
        };
        let Some(engine) = &mut self.inventory.engine else { return false };
        let news = engine.swarm != member
            || self.inventory.overlays != overlays
            || self.inventory.cluster != cluster
            || self.swarm_trouble != trouble;
        (engine.swarm, self.inventory.overlays) = (member, overlays);
        (self.inventory.cluster, self.swarm_trouble) = (cluster, trouble);
        news
    }

    /// Asks about one container; gives 1 where the answer could not be read.
    async fn read(&mut self, client: &Client, id: &ContainerId) -> Result<u64, Error> {
        match client.container(id, self.config.read_environment).await {
            Ok(Some(container)) => {
                self.inventory.containers.insert(id.clone(), container);
            }
            Ok(None) => {
                self.inventory.containers.remove(id);
            }
            Err(error @ Error::TimedOut { .. }) => return Err(error),
            Err(error) => {
                debug!(container = %id, %error, "container not read");
                return Ok(1);
            }
        }
        Ok(0)
    }

    fn is_manager(&self) -> bool {
        self.inventory.engine.as_ref().is_some_and(standalone::is_manager)
    }

    async fn follow(&mut self, client: &Client, events: &[client::Event]) -> Result<u64, Error> {
        // On which node a container is, only the list tells.
        if self.is_manager() {
            return Ok(self.resync(client).await?.unwrap_or(0));
        }
        let mut touched: Vec<&ContainerId> = events.iter().filter_map(|e| e.container()).collect();
        touched.sort();
        touched.dedup();
        let mut unread = 0;
        for id in touched {
            unread += self.read(client, id).await?;
        }
        if events.iter().any(client::Event::concerns_networks) {
            self.inventory.networks = client.networks().await?;
        }
        // An engine that joins a swarm gets a network for that.
        if events.contains(&client::Event::Network(None)) {
            self.watched.0.doubt.notify_one();
        }
        if events.iter().any(client::Event::concerns_images) {
            self.inventory.images = client.images().await?;
        }
        Ok(unread)
    }

    /// Where it is another than before. False where nobody listens any more.
    async fn publish_latency(&mut self, latency_ms: u32) -> bool {
        self.latency_ms = latency_ms;
        let Some(status) = self.status.as_mut().filter(|status| status.latency_ms != latency_ms) else { return true };
        status.latency_ms = latency_ms;
        self.readings.send(Reading::Status(Collector::Docker, status.clone())).await.is_ok()
    }

    /// False where nobody listens any more.
    async fn publish(&mut self, client: &Client, unread: u64) -> bool {
        let Inventory { engine, containers, images, networks, overlays, cluster, elsewhere: _ } = &mut *self.inventory;
        let (nodes, on) = (&self.nodes, &self.on);
        network::name_by_id(networks, containers);
        let used = container::images_in_use(images, containers);
        let (mut here, mut overlays) = (containers.clone(), overlays.clone());
        let elsewhere = match on.is_empty() {
            true => BTreeMap::new(),
            false => {
                let own = crate::link::reachable_addresses().unwrap_or_default();
                standalone::part(&mut here, on, nodes, &own, networks, &mut overlays)
            }
        };
        network::attach(networks, &here);
        self.watched.replace(&here);
        let name = engine.as_ref().map(|e| format!("{} {}", e.name, e.version)).unwrap_or_default();
        let address = client.address();
        let (state, message) = match (unread, &self.swarm_trouble) {
            (0, None) => (CollectorState::Ok, format!("{name} at {address}, {} containers", containers.len())),
            (0, Some(trouble)) => {
                (CollectorState::Degraded, format!("{name} at {address} does not tell of its swarm: {trouble}"))
            }
            _ => (
                CollectorState::Degraded,
                format!("{name} at {address}: {unread} answers about containers could not be read"),
            ),
        };
        let trouble = match self.swarm_trouble {
            Some(_) => Trouble::Confused,
            None => Trouble::None,
        };
        let latency_ms = self.latency_ms;
        let status = CollectorStatus { state, message, trouble, latency_ms, answered_ms: 0, dropped: unread };
        self.status = Some(status.clone());
        let inventory = Inventory {
            engine: engine.clone(),
            containers: here,
            elsewhere,
            images: used,
            networks: networks.clone(),
            overlays,
            cluster: cluster.clone(),
        };
        self.readings.send(Reading::Status(Collector::Docker, status)).await.is_ok()
            && self.readings.send(Reading::Engine(Box::new(inventory))).await.is_ok()
    }
}
