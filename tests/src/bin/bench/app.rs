//! The app under the load of 100 hosts.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use scope_tests::load::{self, Activity, Load};
use shared::view::StreamDelta;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::figures::{Figures, percentile};
use crate::process::Process;
use crate::stream::follow;

/// What a browser was told of the container that the load marks, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Heard {
    /// Its restart count.
    Container(u32),
    /// A connection to this port.
    Connection(u16),
    /// Its memory, bytes.
    Memory(u64),
}

type Hearing = mpsc::UnboundedSender<(Heard, Instant)>;

/// Follows a view as a browser does.
async fn browser(address: SocketAddr, topology: &'static str, hearing: Option<Hearing>) {
    let mut socket = follow(address, topology).await;
    let marked = format!("{};<container>", load::container_id(0, 0));
    let mut slot = None;
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        let (Some(hearing), Ok(text)) = (&hearing, message.to_text()) else { continue };
        let Ok(delta) = serde_json::from_str::<StreamDelta>(text) else { continue };
        let tell = |heard| {
            let _ = hearing.send((heard, at));
        };
        for (number, node) in delta.nodes.iter().filter(|(_, node)| node.id == marked) {
            slot = Some(*number);
            let restarts = node.metadata.iter().find(|row| row.id == "docker_container_restart_count");
            if let Some(count) = restarts.and_then(|row| row.value.parse::<u32>().ok()).filter(|count| *count > 0) {
                tell(Heard::Container(count));
            }
            if let Some(memory) = node.metrics.get(1) {
                tell(Heard::Memory(memory.value as u64));
            }
        }
        for (_, edge) in delta.edges.iter().filter(|(_, edge)| Some(edge.source) == slot) {
            tell(Heard::Connection(edge.port));
        }
        for (_, values) in delta.values.iter().filter(|(number, _)| Some(*number) == slot) {
            if let Some(memory) = values.get(1) {
                tell(Heard::Memory(*memory as u64));
            }
        }
    }
}

/// Milliseconds until the browser heard of it; as many as the patience has where it did not.
async fn heard_after(hears: &mut mpsc::UnboundedReceiver<(Heard, Instant)>, wanted: Heard, since: Instant) -> f64 {
    const PATIENCE: Duration = Duration::from_secs(5);
    let arrival = timeout(PATIENCE, async {
        loop {
            match hears.recv().await {
                Some((heard, at)) if heard == wanted => return at,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    });
    arrival.await.map_or(PATIENCE.as_secs_f64(), |at| (at - since).as_secs_f64()) * 1000.0
}

/// Milliseconds that a GET takes until its last byte is there, and how many there are. The client is as plain as can
/// be, and keeps nothing of what it reads: its own work is no delay of the app's.
fn get_ms(address: SocketAddr, path: &str, encoding: &str) -> (f64, usize) {
    let mut piece = vec![0; 1 << 20];
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut size = 0;
    loop {
        let more = stream.read(&mut piece).expect("an answer");
        if size == 0 {
            assert!(piece.starts_with(b"HTTP/1.1 200 "), "{path}: {}", String::from_utf8_lossy(&piece[..more.min(80)]));
        }
        if more == 0 {
            return (started.elapsed().as_secs_f64() * 1000.0, size);
        }
        size += more;
    }
}

async fn gets(address: SocketAddr, path: &str, encoding: &'static str, times: usize) -> (f64, usize) {
    let mut all = Vec::new();
    let mut size = 0;
    for _ in 0..times {
        let path = path.to_owned();
        let (ms, bytes) = spawn_blocking(move || get_ms(address, &path, encoding)).await.expect("a GET");
        size = bytes;
        all.push(ms);
        // Not in step with the app's own clock.
        sleep(Duration::from_millis(fastrand::u64(20..120))).await;
    }
    (percentile(all, 0.99), size)
}

pub async fn measure(binary: &Path, figures: &mut Figures) {
    let (process, address) = Process::app(binary).await;
    let app = process.cost();
    let mut load = Load::start(address, 100);
    sleep(Duration::from_secs(8)).await;
    figures.add("app, 100 hosts, no browser: CPU", app.cpu_percent(Duration::from_secs(12)).await, "% of a core", None);
    let (hearing, mut hears) = mpsc::unbounded_channel();
    let first = tokio::spawn(browser(address, "containers", Some(hearing)));
    sleep(Duration::from_secs(3)).await;
    let one = app.cpu_percent(Duration::from_secs(20)).await;
    figures.add("app, 100 hosts, one browser: CPU", one, "% of a core", 10.0);
    figures.add("app, 100 hosts, one browser: RSS", app.rss_mb(), "MB", 300.0);

    let changes = changes(&load, &mut hears).await;
    figures.add("app, change of a container or connection to browser: p99", percentile(changes, 0.99), "ms", 500.0);
    let samples = samples(&mut load, &mut hears, 30).await;
    figures.add("app, metrics to browser: p99", percentile(samples, 0.99), "ms", 1500.0);

    let path = "/api/topology/containers";
    let (plain, size) = gets(address, path, "identity", 300).await;
    figures.add("GET /api/topology/containers: p99", plain, "ms", 50.0);
    figures.add("GET /api/topology/containers: size", size as f64 / 1e6, "MB", None);
    figures.add("GET /api/topology/containers, gzip: p99", gets(address, path, "gzip", 60).await.0, "ms", 200.0);
    let node = format!("{path}/{}%3B%3Ccontainer%3E", load::container_id(3, 7));
    figures.add("GET details of a container: p99", gets(address, &node, "identity", 300).await.0, "ms", 5.0);

    load.act(Activity::Still);
    sleep(Duration::from_secs(20)).await;
    figures.add("app, nothing changing: CPU", app.cpu_percent(Duration::from_secs(15)).await, "% of a core", 1.0);
    load.act(Activity::Busy);
    sleep(Duration::from_secs(6)).await;
    // What one costs, next to what twenty do: the machine is not the same minutes later.
    let one = app.cpu_percent(Duration::from_secs(20)).await;
    first.abort();
    sleep(Duration::from_secs(2)).await;
    let many: Vec<_> = (0..20)
        .map(|n| tokio::spawn(browser(address, if n % 2 == 0 { "containers" } else { "hosts" }, None)))
        .collect();
    sleep(Duration::from_secs(4)).await;
    let twenty = app.cpu_percent(Duration::from_secs(20)).await;
    figures.add("app, 20 browsers on two topologies: CPU", twenty, "% of a core", None);
    figures.add("app, 20 browsers against one", twenty / one, "times", 1.5);
    many.into_iter().for_each(|task| task.abort());
}

/// How long changes of the marked container and its connections took, milliseconds each.
async fn changes(load: &Load, hears: &mut mpsc::UnboundedReceiver<(Heard, Instant)>) -> Vec<f64> {
    let mut changes = Vec::new();
    for count in 1..=60u32 {
        let since = Instant::now();
        load.mark(count);
        let wanted = match count.is_multiple_of(2) {
            true => Heard::Container(count),
            false => Heard::Connection(load::marked_port(count)),
        };
        changes.push(heard_after(hears, wanted, since).await);
        sleep(Duration::from_millis(150)).await;
    }
    changes
}

/// 100 hosts with 50 containers each on 20 overlays, audited.
pub async fn measure_overlays(binary: &Path, figures: &mut Figures) {
    let (process, address) = Process::app(binary).await;
    let app = process.cost();
    let load = Load::on_overlays(address, 100);
    let (hearing, mut hears) = mpsc::unbounded_channel();
    let watching = tokio::spawn(browser(address, "containers", Some(hearing)));
    sleep(Duration::from_secs(20)).await;
    let cpu = app.cpu_percent(Duration::from_secs(15)).await;
    figures.add("app, 100 hosts on 20 overlays, one browser: CPU", cpu, "% of a core", None);
    figures.add("app, 100 hosts on 20 overlays: RSS", app.rss_mb(), "MB", None);
    let changes = changes(&load, &mut hears).await;
    figures.add("app, 100 hosts on 20 overlays, change to browser: p99", percentile(changes, 0.99), "ms", 500.0);
    watching.abort();
    let url = format!("http://{address}/api/findings?state=open");
    let found = spawn_blocking(move || scope_tests::api::get(&url)).await.expect("a GET").expect("findings");
    let count = found["findings"].as_array().map_or(0, Vec::len);
    assert_eq!(count, 0, "a fleet that is well has no findings: {found}");
}

/// How long samples of the marked container took, milliseconds each.
async fn samples(load: &mut Load, hears: &mut mpsc::UnboundedReceiver<(Heard, Instant)>, wanted: usize) -> Vec<f64> {
    while load.samples.try_recv().is_ok() {}
    let mut sent: HashMap<u64, Instant> = HashMap::new();
    let mut took = Vec::new();
    let until = Instant::now() + Duration::from_secs(wanted as u64 + 15);
    while took.len() < wanted && Instant::now() < until {
        tokio::select! {
            Some((memory, at)) = load.samples.recv() => { sent.insert(memory, at); }
            Some((heard, at)) = hears.recv() => {
                if let Heard::Memory(memory) = heard && let Some(since) = sent.remove(&memory) {
                    took.push((at - since).as_secs_f64() * 1000.0);
                }
            }
            () = sleep(Duration::from_secs(1)) => {}
        }
    }
    // What was never heard of counts as late.
    took.resize(wanted, 5_000.0);
    took
}

/// 1,000 hosts and nobody who watches: how far it gets.
pub async fn measure_fleet(binary: &Path, figures: &mut Figures) {
    let (process, address) = Process::app(binary).await;
    let app = process.cost();
    let _load = Load::start(address, 1_000);
    sleep(Duration::from_secs(30)).await;
    let cpu = app.cpu_percent(Duration::from_secs(20)).await;
    let url = format!("http://{address}/api/status");
    let status = spawn_blocking(move || scope_tests::api::get(&url)).await.expect("a GET");
    let status = status.expect("the app's status");
    let probes = status["probes"].as_array().cloned().unwrap_or_default();
    let live = probes.iter().filter(|probe| probe["state"] == "live").count();
    let lags = probes.iter().filter_map(|probe| probe["lagMs"].as_f64()).collect();
    figures.add("app, 1,000 hosts, none watching: hosts live", live as f64, "hosts", None);
    figures.add("app, 1,000 hosts, none watching: CPU", cpu, "% of a core", None);
    figures.add("app, 1,000 hosts, none watching: RSS", app.rss_mb(), "MB", None);
    figures.add("app, 1,000 hosts, none watching: lag p99", percentile(lags, 0.99), "ms", None);
}
