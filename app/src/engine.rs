//! The one task that owns what the app knows: it takes reports in, keeps the views that somebody looks at, and answers
//! questions. Everybody else holds a handle.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use shared::delta::Delta;
use shared::id::{HostId, InstanceId};
use shared::view::{AppStatus, CollectorReport, Details, EdgePath, ProbeStatus, Stats, Status, TopologyInfo};
use shared::wire::{Hello, Snapshot, Update};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::{Now, steady_ms, wall_ms};
use crate::config::Config;
use crate::diagnose::Diagnosis;
use crate::metrics::Counters;
use crate::store::{Refusal, Session, Store};
use crate::stream::{Stream, Subscription};
use crate::topology::{Followed, Topology};
use crate::view::snapshot::Snapshot as Shown;
use crate::view::{Kind, Variant, View, catalog, details, path, place};

/// Changes are collected for this long before readers are told.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Samples alone go out this often: rarely enough to cost little, often enough that no flush has many of them.
const SAMPLES_INTERVAL: Duration = Duration::from_millis(300);
const TICK_INTERVAL: Duration = Duration::from_millis(500);
/// So many questions are answered before what a host says is taken in.
const QUESTIONS_FIRST: usize = 4;
/// Views are kept this long after the last look.
const IDLE_VIEW: Duration = Duration::from_secs(10);
const VIEWS_MAX: usize = 64;

type Question = Box<dyn FnOnce(&mut Core) + Send>;

enum Order {
    Open(Hello, Session),
    Snapshot(HostId, Session, Box<Snapshot>, oneshot::Sender<Result<(), Refusal>>),
    Update(HostId, Session, Box<Update>, oneshot::Sender<Result<(), Refusal>>),
    Close(HostId, Session),
}

#[derive(Clone)]
pub struct Engine {
    orders: mpsc::Sender<Order>,
    /// Apart, so that who asks does not wait until all that was reported before is taken in.
    questions: mpsc::Sender<Question>,
}

/// The engine has stopped: the app is going down.
#[derive(Debug, thiserror::Error)]
#[error("the app is stopping")]
pub struct Stopped;

impl Engine {
    pub fn start(config: Config, app: InstanceId, counters: Arc<Counters>, stop: CancellationToken) -> Self {
        let (orders, inbox) = mpsc::channel(256);
        let (questions, asked) = mpsc::channel(256);
        let core = Core {
            config,
            app,
            counters,
            store: Store::default(),
            topology: Topology::default(),
            diagnosis: Diagnosis::default(),
            views: HashMap::default(),
            last_gist: 0,
        };
        tokio::spawn(core.run(inbox, asked, stop));
        Self { orders, questions }
    }

    pub async fn open(&self, hello: Hello, session: Session) -> Result<(), Stopped> {
        self.orders.send(Order::Open(hello, session)).await.map_err(|_| Stopped)
    }

    pub async fn snapshot(
        &self,
        host: HostId,
        session: Session,
        message: Snapshot,
    ) -> Result<Result<(), Refusal>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Snapshot(host, session, Box::new(message), reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    pub async fn update(
        &self,
        host: HostId,
        session: Session,
        message: Update,
    ) -> Result<Result<(), Refusal>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Update(host, session, Box::new(message), reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    pub async fn close(&self, host: HostId, session: Session) {
        let _ = self.orders.send(Order::Close(host, session)).await;
    }

    /// Lets the owner answer a question about what it owns.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |core| {
            let _ = reply.send(question(core));
        });
        self.questions.send(question).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

pub struct Core {
    pub config: Config,
    pub app: InstanceId,
    counters: Arc<Counters>,
    pub store: Store,
    pub topology: Topology,
    pub diagnosis: Diagnosis,
    views: HashMap<Variant, Watched>,
    /// Of what readers were told last of the probes.
    last_gist: u64,
}

/// A view with its readers.
struct Watched {
    view: View,
    stream: Stream,
    looked_at: Instant,
}

impl Core {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Order>,
        mut asked: mpsc::Receiver<Question>,
        stop: CancellationToken,
    ) {
        let mut tick = interval(TICK_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut flush_at: Option<Instant> = None;
        let mut samples_at = Instant::now();
        loop {
            // Somebody waits for these; a few of them never keep a host waiting for long.
            for _ in 0..QUESTIONS_FIRST {
                match asked.try_recv() {
                    Ok(question) => question(&mut self),
                    Err(_) => break,
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                question = asked.recv() => match question {
                    Some(question) => question(&mut self),
                    None => return,
                },
                _ = tick.tick() => self.tick(),
                () = tokio::time::sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {
                    flush_at = None;
                    samples_at = Instant::now() + SAMPLES_INTERVAL;
                    let started = Instant::now();
                    self.flush();
                    self.counters.flush(started.elapsed());
                }
            }
            if self.topology.has_structural_change() {
                let soon = Instant::now() + FLUSH_INTERVAL;
                flush_at = Some(flush_at.map_or(soon, |at| at.min(soon)));
            } else if self.topology.has_changed() {
                let at = samples_at.max(Instant::now() + FLUSH_INTERVAL);
                flush_at = Some(flush_at.map_or(at, |due| due.min(at)));
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let now = steady_ms();
        self.topology.followed = Followed {
            processes: self.views.keys().any(|variant| variant.kind.is_of_processes()),
            interfaces: self.views.keys().any(|variant| variant.kind == Kind::Interfaces),
            networks: self.views.keys().any(|variant| variant.kind == Kind::Networks),
            common: !self.views.is_empty(),
        };
        match order {
            Order::Open(hello, session) => {
                self.store.open(&hello, session, now);
            }
            Order::Snapshot(host, session, message, reply) => {
                let Snapshot { sequence, at, report } = *message;
                let result = self.store.snapshot(host, session, sequence, at, report, now);
                let _ = reply.send(result.map(|change| self.apply(host, &change, now)));
            }
            Order::Update(host, session, message, reply) => {
                let Update { sequence, at, delta } = *message;
                let result = self.store.update(host, session, sequence, at, delta, now);
                let _ = reply.send(result.map(|change| self.apply(host, &change, now)));
            }
            Order::Close(host, session) => {
                self.store.close(host, session);
            }
        }
    }

    fn apply(&mut self, host: HostId, change: &Delta, now: u64) {
        self.topology.apply(&self.store, host, change, now);
        self.diagnosis.note(&self.store, host, change);
    }

    fn tick(&mut self) {
        let now = steady_ms();
        let (changed, forgotten) = self.store.tick(&self.config.patience, now);
        for host in changed {
            if let Some(state) = self.store.hosts.get(&host) {
                info!(%host, name = state.api_name, state = state.liveness.name(), "host");
            }
            self.topology.liveness_changed(&self.store, host, now);
            self.diagnosis.liveness_changed(&self.store, host);
        }
        for host in forgotten {
            info!(%host, "host forgotten");
            self.store.hosts.remove(&host);
            self.topology.forget(&self.store, host, now);
            self.diagnosis.liveness_changed(&self.store, host);
        }
        self.topology.tick(&self.store, self.config.patience.window_ms, now);
        if self.diagnosis.pass(&self.store, &self.topology, Now::read()) {
            self.topology.mark(self.diagnosis.health());
        }
        let gist = self.gist();
        if gist != self.last_gist {
            let status = self.status();
            for watched in self.views.values_mut() {
                watched.stream.status(&status, wall_ms());
            }
            self.last_gist = gist;
        }
        for watched in self.views.values_mut().filter(|watched| !watched.stream.is_empty()) {
            watched.looked_at = Instant::now();
        }
        self.views.retain(|_, watched| watched.looked_at.elapsed() < IDLE_VIEW);
    }

    fn flush(&mut self) {
        let now = wall_ms();
        let changed = self.topology.take_changed();
        let (topology, store, filters) = (&self.topology, &self.store, &self.config.label_filters);
        for Watched { view, stream, .. } in self.views.values_mut() {
            view.take(&changed, topology, store);
            if let Some(flushed) = view.flush(topology, store, filters) {
                stream.publish(flushed, now);
            }
        }
    }

    /// The view, made if nobody looked at it lately; of what changed since the last flush, readers hear at the next.
    fn watched(&mut self, variant: &Variant) -> &mut Watched {
        if !self.views.contains_key(variant) && self.views.len() >= VIEWS_MAX {
            let idle = self.views.iter().filter_map(|(v, w)| w.stream.is_empty().then_some((w.looked_at, v)));
            if let Some((_, oldest)) = idle.min() {
                let oldest = oldest.clone();
                self.views.remove(&oldest);
            }
        }
        let (topology, store, filters) = (&self.topology, &self.store, &self.config.label_filters);
        let watched = self.views.entry(variant.clone()).or_insert_with(|| Watched {
            view: View::new(variant.clone(), topology, store, filters),
            stream: Stream::default(),
            looked_at: Instant::now(),
        });
        watched.looked_at = Instant::now();
        watched
    }

    pub fn snapshot(&mut self, variant: &Variant) -> Arc<Shown> {
        self.watched(variant);
        let Watched { view, .. } = self.views.get_mut(variant).expect("it was made just now");
        view.snapshot(&self.store)
    }

    pub fn subscribe(&mut self, variant: &Variant) -> Subscription {
        let (snapshot, status) = (self.snapshot(variant), self.status());
        self.watched(variant).stream.subscribe(snapshot, status, wall_ms())
    }

    pub fn details(&mut self, variant: &Variant, id: &str) -> Option<Details> {
        self.watched(variant);
        let view = &self.views.get(variant)?.view;
        details::details(view, id, &self.topology, &mut self.store, &self.diagnosis, Now::read())
    }

    pub fn paths(&mut self, variant: &Variant, between: (&str, &str, Option<u16>)) -> Option<Vec<EdgePath>> {
        self.watched(variant);
        path::paths(&self.views.get(variant)?.view, between, &self.topology, &self.store)
    }

    pub fn topologies(&mut self, pairs: &[(String, String)]) -> Vec<TopologyInfo> {
        let filters = self.config.label_filters.clone();
        let mut stats: HashMap<Kind, Stats> = HashMap::default();
        for kind in Kind::ALL {
            let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let variant = Variant::new(kind, pairs, &filters);
            stats.insert(kind, self.watched(&variant).view.stats());
        }
        let labels = self.store.hosts.values().flat_map(|host| {
            let containers = host.report.containers.values().map(|container| &container.labels);
            containers.chain(host.report.services.values().map(|service| &service.labels))
        });
        let stacks = labels.filter_map(place::stack).collect();
        catalog::list(&filters, &stacks, |kind| stats[&kind])
    }

    pub fn status(&self) -> Status {
        let now = Now::read();
        let probes = self.store.hosts.iter().map(|(id, host)| ProbeStatus {
            id: id.to_string(),
            hostname: host.api_name.clone(),
            version: host.scope_version.clone(),
            state: host.liveness.name().into(),
            last_seen_ms: now.to_wall(host.last_seen_ms),
            lag_ms: host.lag_ms,
            clock_offset_ms: host.clock_offset_ms - now.set_by_ms(),
            collectors: host
                .report
                .collectors
                .iter()
                .map(|(collector, status)| CollectorReport {
                    name: collector.name().into(),
                    state: status.state.name().into(),
                    message: status.message.clone(),
                    dropped: status.dropped,
                })
                .collect(),
        });
        Status {
            app: AppStatus {
                id: self.app.to_string(),
                hostname: self.config.hostname.clone(),
                version: crate::VERSION.into(),
            },
            findings: self.diagnosis.count(),
            probes: probes.collect(),
        }
    }

    /// Differs where the status does; ages and lags alone are no news.
    fn gist(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (Now::read().set_by_ms() / 1000).hash(&mut hasher);
        self.diagnosis.count().hash(&mut hasher);
        for (id, host) in &self.store.hosts {
            (id, &host.api_name, &host.scope_version, host.liveness.name()).hash(&mut hasher);
            (host.clock_offset_ms / 1000).hash(&mut hasher);
            for (collector, status) in &host.report.collectors {
                (collector.name(), status.state.name(), &status.message, status.dropped).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    pub fn gauges(&mut self) -> crate::metrics::Gauges {
        let mut views = Vec::new();
        for (variant, watched) in &self.views {
            views.push((variant.kind.id(), watched.view.stats(), watched.stream.len()));
        }
        let lags = self.store.hosts.values().map(|h| h.lag_ms).collect();
        let dropped = self.store.hosts.values().flat_map(|h| h.report.collectors.values()).map(|c| c.dropped).sum();
        let mut states = [0; 3];
        for host in self.store.hosts.values() {
            states[host.liveness as usize] += 1;
        }
        let sizes = (self.topology.graph.node_count(), self.topology.graph.edge_count(), self.topology.join.len());
        crate::metrics::Gauges { states, lags, dropped, views, sizes, counters: self.counters.clone() }
    }
}
