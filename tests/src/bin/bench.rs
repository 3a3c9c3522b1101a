//! `make bench`: what Scope costs, measured on this machine, with the goal beside each figure.
//!
//! The app under test is a process of its own; the load and its readers share the machine with it, so latencies
//! include their share of the two cores. Nothing leaves loopback.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use scope_tests::load::{self, Activity};
use serde_json::json;
use shared::view::{SUBPROTOCOL, StreamDelta};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// The most that is good; none where there is only something to know.
    goal: Option<f64>,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// CPU time used so far, seconds.
    fn cpu_s(&self) -> f64 {
        let bytes = fs::read(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    fn rss_mb(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_ascii_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
    }

    /// Per cent of a core over the time.
    async fn cpu_percent(&self, over: Duration) -> f64 {
        let (cpu, started) = (self.cpu_s(), Instant::now());
        sleep(over).await;
        (self.cpu_s() - cpu) / started.elapsed().as_secs_f64() * 100.0
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port on loopback")
}

/// The binary with state and log in a directory of the benchmark's own.
fn scope(binary: &PathBuf, arguments: &[&str]) -> Process {
    let child = Command::new(binary).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Process(child.expect("the binary starts"))
}

async fn up(address: SocketAddr) {
    for _ in 0..200 {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the app does not listen on {address}");
}

/// Follows a view as a browser does, and says when it hears of a restart count.
async fn browser(address: SocketAddr, topology: &'static str, heard: Option<mpsc::UnboundedSender<(u32, Instant)>>) {
    let mut request = format!("ws://{address}/api/topology/{topology}/ws").into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a websocket");
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        let (Some(heard), Ok(text)) = (&heard, message.to_text()) else { continue };
        let Ok(delta) = serde_json::from_str::<StreamDelta>(text) else { continue };
        for (_, node) in delta.nodes {
            let restarts = node.metadata.iter().find(|row| row.id == "docker_container_restart_count");
            if let Some(count) = restarts.and_then(|row| row.value.parse::<u32>().ok()).filter(|count| *count > 0) {
                let _ = heard.send((count, at));
            }
        }
    }
}

fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get(((values.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
}

/// Milliseconds that a GET takes until its last byte is there.
fn get_ms(url: &str, encoding: &str) -> (f64, usize) {
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).accept_encoding(encoding).build().into();
    let started = Instant::now();
    let mut answer = agent.get(url).call().expect("an answer");
    let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().expect("a body");
    (started.elapsed().as_secs_f64() * 1000.0, body.len())
}

async fn gets(url: String, encoding: &'static str, times: usize) -> (f64, usize) {
    let mut all = Vec::new();
    let mut size = 0;
    for _ in 0..times {
        let url = url.clone();
        let (ms, bytes) = tokio::task::spawn_blocking(move || get_ms(&url, encoding)).await.expect("a GET");
        size = bytes;
        all.push(ms);
        sleep(Duration::from_millis(120)).await;
    }
    (percentile(all, 0.99), size)
}

async fn app(binary: &PathBuf, figures: &mut Vec<Figure>) {
    let mut add = |name, value, unit, goal| {
        println!("  {name}: {value:.1} {unit}");
        figures.push(Figure { name, value, unit, goal });
    };
    let address = free_address();
    let process = scope(binary, &["app", "--listen", &address.to_string(), "--log-level", "warn"]);
    up(address).await;
    let (activity, mark, _hosts) = load::start(address, 100);
    sleep(Duration::from_secs(8)).await;
    add("app, 100 hosts, no browser: CPU", process.cpu_percent(Duration::from_secs(12)).await, "% of a core", None);
    let (heard, mut hears) = mpsc::unbounded_channel();
    let first = tokio::spawn(browser(address, "containers", Some(heard)));
    sleep(Duration::from_secs(3)).await;
    let one = process.cpu_percent(Duration::from_secs(20)).await;
    add("app, 100 hosts, one browser: CPU", one, "% of a core", Some(10.0));
    add("app, 100 hosts, one browser: RSS", process.rss_mb(), "MB", Some(300.0));

    let mut latencies = Vec::new();
    for count in 1..=60u32 {
        let sent = Instant::now();
        mark.send(count).expect("the load runs");
        let arrival = timeout(Duration::from_secs(5), async {
            loop {
                match hears.recv().await {
                    Some((heard, at)) if heard == count => return at,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        });
        let ms = arrival.await.map_or(5_000.0, |at| (at - sent).as_secs_f64() * 1000.0);
        latencies.push(ms);
        sleep(Duration::from_millis(150)).await;
    }
    add("app, change of a container to browser: p99", percentile(latencies, 0.99), "ms", Some(500.0));
    let url = format!("http://{address}/api/topology/containers");
    let (plain, size) = gets(url.clone(), "identity", 40).await;
    add("GET /api/topology/containers: p99", plain, "ms", Some(50.0));
    add("GET /api/topology/containers: size", size as f64 / 1e6, "MB", None);
    add("GET /api/topology/containers, gzip: p99", gets(url.clone(), "gzip", 25).await.0, "ms", Some(200.0));
    let node = format!("{url}/{}%3B%3Ccontainer%3E", load::container_id(3, 7));
    add("GET details of a container: p99", gets(node, "identity", 40).await.0, "ms", Some(5.0));

    activity.send(Activity::Still).expect("the load runs");
    sleep(Duration::from_secs(20)).await;
    add("app, nothing changing: CPU", process.cpu_percent(Duration::from_secs(15)).await, "% of a core", Some(1.0));
    activity.send(Activity::Busy).expect("the load runs");
    first.abort();
    sleep(Duration::from_secs(2)).await;
    let many: Vec<_> = (0..20)
        .map(|n| tokio::spawn(browser(address, if n % 2 == 0 { "containers" } else { "hosts" }, None)))
        .collect();
    sleep(Duration::from_secs(4)).await;
    let twenty = process.cpu_percent(Duration::from_secs(15)).await;
    add("app, 20 browsers on two topologies: CPU", twenty, "% of a core", None);
    add("app, 20 browsers against one", twenty / one, "times", Some(1.5));
    many.into_iter().for_each(|task| task.abort());
}

/// Real processes and real connections of this machine; the app that it reports to is apart.
async fn probe(binary: &PathBuf, figures: &mut Vec<Figure>) {
    let mut add = |name, value, unit, goal| {
        println!("  {name}: {value:.1} {unit}");
        figures.push(Figure { name, value, unit, goal });
    };
    let mut sleepers = Vec::new();
    for _ in 0..1_000 {
        sleepers.push(Process(Command::new("sleep").arg("600").spawn().expect("sleep starts")));
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let server = listener.local_addr().expect("its address");
    let mut held = Vec::new();
    for _ in 0..2_500 {
        held.push(TcpStream::connect(server).expect("a connection"));
        held.push(listener.accept().expect("its other end").0);
    }
    let address = free_address();
    let app = scope(binary, &["app", "--listen", &address.to_string(), "--log-level", "warn"]);
    up(address).await;
    let started = Instant::now();
    let probe = scope(binary, &["probe", "--no-docker", "--log-level", "warn", &address.to_string()]);
    let url = format!("http://{address}/api/report");
    let first = loop {
        let url = url.clone();
        let report = tokio::task::spawn_blocking(move || scope_tests::api::get(&url)).await.expect("a GET");
        let connections = report.ok().and_then(|report| {
            let host = report["hosts"].as_object()?.values().next()?.clone();
            let all = host["connections"].as_array()?.clone();
            Some(all.iter().filter(|c| c["value"]["owner"].is_object()).count())
        });
        if connections.unwrap_or(0) >= 5_000 {
            break started.elapsed().as_secs_f64();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the probe does not report all connections");
        sleep(Duration::from_millis(20)).await;
    };
    add("probe, 1,000 processes, 5,000 connections: first report", first, "s", Some(1.0));
    sleep(Duration::from_secs(5)).await;
    let cpu = probe.cpu_percent(Duration::from_secs(20)).await;
    add("probe, 1,000 processes, 5,000 connections: CPU", cpu, "% of a core", Some(5.0));
    add("probe, 1,000 processes, 5,000 connections: RSS", probe.rss_mb(), "MB", Some(60.0));
    let mut transfer = 0;
    for file in ["", "ui/boot.js", "ui/scope.js", "ui/scope_bg.wasm", "ui/tokens.css", "ui/style.css"] {
        let url = format!("http://{address}/{file}");
        let length = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).accept_encoding("br").build().into();
            let answer = agent.get(&url).call().expect("an asset");
            let length = answer.headers().get("content-length").and_then(|l| l.to_str().ok()?.parse::<usize>().ok());
            length.unwrap_or(0)
        });
        transfer += length.await.expect("a GET");
    }
    add("page, compressed transfer", transfer as f64 / 1000.0, "KB", Some(600.0));
    drop((app, held, sleepers));
}

fn main() {
    let binary = std::env::args().nth(1).map_or_else(|| PathBuf::from("target/release/scope"), PathBuf::from);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut figures = Vec::new();
    runtime.block_on(async {
        println!("the app under the load of 100 hosts:");
        app(&binary, &mut figures).await;
        println!("a probe on this machine:");
        probe(&binary, &mut figures).await;
    });
    println!("\n| figure | measured | goal | |\n|---|---:|---:|---|");
    let mut records = Vec::new();
    for Figure { name, value, unit, goal } in figures {
        let met = goal.map(|goal| value <= goal);
        let verdict = met.map_or("", |met| if met { "met" } else { "missed" });
        let wanted = goal.map(|goal| format!("≤ {goal}")).unwrap_or_default();
        println!("| {name} | {value:.1} {unit} | {wanted} | {verdict} |");
        records.push(json!({ "name": name, "value": value, "unit": unit, "goal": goal, "met": met }));
    }
    let text = serde_json::to_string_pretty(&records).expect("JSON");
    if let Err(error) = fs::write("target/bench.json", text) {
        eprintln!("target/bench.json cannot be written: {error}");
    }
}
