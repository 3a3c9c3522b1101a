//! The probe: watches one host and streams what it sees to every app it is pointed at.
//!
//! Data walks one way. `kernel` (a thread of its own, because it enters network namespaces) and `docker`, `weave` and `cluster_store`
//! read their sources and send typed readings; `state` is the single owner of the host's report; `publisher` sends each app what
//! changed, by the `journal` of it. A source that fails becomes a status in the report, never a dead probe.

mod bell;
pub mod cgroup;
pub mod cluster_store;
pub mod collector;
pub mod config;
pub mod docker;
mod ebpf;
pub mod host;
pub mod identity;
mod journal;
pub mod kernel;
pub mod link;
pub mod memory;
pub mod netlink;
pub mod netns;
pub mod process;
pub mod procfs;
pub mod publisher;
pub mod socket;
pub mod state;
pub mod target;
pub mod weave;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

pub use config::Config;
use identity::Identity;
use state::Published;

/// Runs until `stop` is cancelled, then returns within a second.
///
/// # Errors
/// Where the host's identity can neither be read nor made, and where a thread cannot be started.
pub async fn run(config: Config, stop: CancellationToken) -> std::io::Result<()> {
    let identity = Identity::establish(&config)?;
    let (readings, inbox) = mpsc::channel(64);
    let (reports, latest) = watch::channel(Published::default());
    let containers = docker::Watched::default();

    let kernel = kernel::spawn(config.clone(), containers.clone(), readings.clone(), stop.clone())?;
    let tasks = TaskTracker::new();
    let docker = docker::run(config.clone(), containers, readings.clone(), stop.clone());
    tasks.spawn(docker.instrument(info_span!("docker")));
    tasks.spawn(weave::run(config.clone(), readings.clone(), stop.clone()).instrument(info_span!("weave")));
    let store = cluster_store::run(config.clone(), readings, stop.clone());
    tasks.spawn(store.instrument(info_span!("cluster_store")));
    tasks.spawn(state::run(inbox, reports, stop.clone()).instrument(info_span!("state")));
    tasks.spawn(target::run(config, identity, latest, stop.clone()).instrument(info_span!("targets")));
    tasks.close();
    tasks.wait().await;
    let _ = tokio::task::spawn_blocking(move || kernel.join()).await;
    Ok(())
}
