//! App and probe in this process, until a signal ends them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use probe::config::Target;
use probe::weave;
use shared::id::InstanceId;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;
use uuid::Uuid;

use super::options::{Options, PORT};
use super::state::{Places, Running, start_of};
use crate::engine::Engine;
use crate::ingest::Ingest;
use crate::metrics::Counters;
use crate::server::{self, Context as Served};

/// After a signal, what has not ended by then is left behind.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub app: bool,
    pub probe: bool,
}

pub fn foreground(options: &Options, parts: Parts) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&options.log_level);
    let filter = filter.with_context(|| format!("--log-level '{}' is no level", options.log_level))?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A log that cannot be written, on a full disk say, is no reason to stop.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .log_internal_errors(false)
        .init();
    let mut threads = if parts.app {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        probe::memory::be_thrifty();
        // A probe reads in a thread of its own; what is left is little, and would else be handed to and fro.
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = threads.worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run(options, parts));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run(options: &Options, parts: Parts) -> Result<()> {
    let places = Places::find();
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    // Everything that can be wrong with the options is, before anything runs.
    let listener = if parts.app { Some(bind(options.listen).await?) } else { None };
    let port = listener.as_ref().map(|l| l.local_addr().map(|a| a.port())).transpose()?;
    let own_app = port.map(|port| Target { host: own_address(options.listen), port });
    let probe = if parts.probe { Some(options.probe(own_app, places.lib.clone())?) } else { None };
    if let Some(listener) = listener {
        let router = app(options, &listener, &stop)?;
        let ended = stop.clone().cancelled_owned();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        info!(address = %listener.local_addr()?, "app listens");
        let served = axum::serve(listener, service).with_graceful_shutdown(ended);
        tasks.spawn(async move { served.await.context("app") });
    }
    // Elsewhere it would not be found: names have no port. No reason to go on where all else has ended.
    let named = options.weave_endpoint().filter(|_| port == Some(PORT));
    let named = named.map(|router| tokio::spawn(weave::dns::announce(router, stop.clone())));
    if let Some(probe) = probe {
        let stop = stop.clone();
        tasks.spawn(async move { probe::run(probe, stop).await.context("probe") });
    }
    tasks.close();
    let me = std::process::id();
    if let Err(error) = places.write(&Running { pid: me, start: start_of(me).unwrap_or(0), port }) {
        info!("scope status and scope stop will not find this process: {error:#}");
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => info!("terminated"),
        _ = interrupt.recv() => info!("interrupted"),
        () = tasks.wait() => {}
    }
    stop.cancel();
    let ended = async {
        tasks.wait().await;
        if let Some(named) = named {
            let _ = named.await;
        }
    };
    let _ = tokio::time::timeout(GRACE, ended).await;
    places.clear();
    Ok(())
}

fn app(options: &Options, listener: &TcpListener, stop: &CancellationToken) -> Result<axum::Router> {
    let config = options.app(listener.local_addr()?)?;
    let app = InstanceId(Uuid::new_v4());
    let counters = Arc::new(Counters::default());
    let engine = Engine::start(config.clone(), app, counters.clone(), stop.clone());
    let ingest = Ingest {
        engine: engine.clone(),
        app,
        hostname: config.hostname.clone(),
        token: config.token.clone(),
        counters: counters.clone(),
    };
    Ok(server::router(Arc::new(Served {
        engine,
        config,
        app,
        counters,
        ingest: Arc::new(ingest),
        searches: Semaphore::new(1),
    })))
}

async fn bind(listen: Option<SocketAddr>) -> Result<TcpListener> {
    let everywhere =
        [SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT), SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PORT)];
    let addresses = listen.map_or(everywhere.to_vec(), |address| vec![address]);
    let mut last = None;
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                let port = address.port();
                bail!("port {port} is taken: stop what listens there, or choose another with --listen ADDR:PORT");
            }
            Err(error) => last = Some((address, error)),
        }
    }
    match last {
        Some((address, error)) => bail!("cannot listen on {address}: {error}; choose another with --listen ADDR:PORT"),
        None => bail!("nothing to listen on"),
    }
}

/// How this host's probe reaches this host's app.
fn own_address(listen: Option<SocketAddr>) -> String {
    match listen.map(|address| address.ip()) {
        Some(ip) if !ip.is_unspecified() => ip.to_string(),
        Some(_) | None => Ipv4Addr::LOCALHOST.to_string(),
    }
}
