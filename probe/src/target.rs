//! Finding the apps: every name is resolved again and again, every address gets a publisher, and of several addresses
//! that lead to one app one is used.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::id::InstanceId;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span, warn};

use crate::config::{Config, Target};
use crate::identity::Identity;
use crate::publisher;
use crate::state::Published;
use crate::weave::dns;

const RESOLVE_INTERVAL: Duration = Duration::from_secs(15);
const RESOLVE_RETRY_MIN: Duration = Duration::from_secs(1);
const RESOLVE_PATIENCE: Duration = Duration::from_secs(10);

/// Which address serves which app.
#[derive(Clone, Default)]
pub struct Claims(Arc<Mutex<HashMap<InstanceId, SocketAddr>>>);

impl Claims {
    /// Whether `address` is the one to use for `app`.
    pub fn claim(&self, app: InstanceId, address: SocketAddr) -> bool {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *claims.entry(app).or_insert(address) == address
    }

    pub fn release(&self, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, claimed| *claimed != address);
    }
}

pub async fn run(config: Config, identity: Identity, reports: watch::Receiver<Published>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let claims = Claims::default();
    let context = Arc::new(publisher::Context { config: config.clone(), identity, claims });
    for target in config.targets {
        let span = info_span!("target", %target);
        tasks.spawn(follow(target, context.clone(), reports.clone(), stop.clone(), tasks.clone()).instrument(span));
    }
    stop.cancelled().await;
    tasks.close();
    let _ = timeout(Duration::from_secs(2), tasks.wait()).await;
}

/// Keeps one publisher for each address that the name has.
async fn follow(
    target: Target,
    context: Arc<publisher::Context>,
    reports: watch::Receiver<Published>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let mut publishers: BTreeMap<SocketAddr, CancellationToken> = BTreeMap::new();
    let mut retry = RESOLVE_RETRY_MIN;
    let mut warned = false;
    loop {
        let wait = match resolve(&target, &reports).await {
            Ok(addresses) => {
                (retry, warned) = (RESOLVE_RETRY_MIN, false);
                publishers.retain(|address, cancel| {
                    let stays = addresses.contains(address);
                    if !stays {
                        cancel.cancel();
                    }
                    stays
                });
                for address in addresses {
                    publishers.entry(address).or_insert_with(|| {
                        let cancel = stop.child_token();
                        let publisher =
                            publisher::run(context.clone(), target.clone(), address, reports.clone(), cancel.clone());
                        tasks.spawn(publisher.instrument(info_span!("publisher", %address)));
                        cancel
                    });
                }
                RESOLVE_INTERVAL
            }
            Err(error) => {
                if !warned {
                    warn!(%error, "name of an app not resolved; trying again");
                    warned = true;
                }
                retry = (retry * 2).min(RESOLVE_INTERVAL);
                retry
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(wait) => {}
        }
    }
}

async fn resolve(target: &Target, reports: &watch::Receiver<Published>) -> std::io::Result<BTreeSet<SocketAddr>> {
    // Hosts do not ask WeaveDNS, their containers do.
    let in_mesh = dns::look_up(reports.borrow().report.weave.values(), &target.host);
    if !in_mesh.is_empty() {
        return Ok(in_mesh.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect());
    }
    let lookup = lookup_host((target.host.as_str(), target.port));
    let found = timeout(RESOLVE_PATIENCE, lookup).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_addresses_of_one_app_the_first_is_used_until_it_is_given_up() {
        let claims = Claims::default();
        let app = InstanceId(uuid::Uuid::from_u128(1));
        let (a, b) = ("127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap());
        assert!(claims.claim(app, a));
        assert!(!claims.claim(app, b));
        assert!(claims.claim(app, a));
        claims.release(a);
        assert!(claims.claim(app, b));
    }
}
