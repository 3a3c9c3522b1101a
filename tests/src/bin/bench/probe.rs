//! A probe on a host with 50 containers, 1,000 processes and 5,000 connections, all of them real; and what overlays and a
//! swarm add to it.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scope_tests::api;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;

use crate::figures::Figures;
use crate::process::Cost;

/// What runs on the host.
#[derive(Clone, Copy)]
struct Work {
    containers: usize,
    /// In each container: one that listens and the others that call it.
    processes: usize,
    /// In each container; both ends of each are sockets of the host's.
    conversations: usize,
}

impl Work {
    fn connections(self) -> usize {
        self.containers * self.conversations * 2
    }
}

/// What runs in each container: so many processes with so many conversations among them.
pub fn hold(processes: usize, conversations: usize) {
    let listener = TcpListener::bind("0.0.0.0:7000").expect("a port of the container's own");
    let itself = std::env::current_exe().expect("its own path");
    let callers = processes - 1;
    let children: Vec<_> = (0..callers)
        .map(|n| {
            let calls = conversations / callers + usize::from(n < conversations % callers);
            let mut command = Command::new(&itself);
            command.args(["call", &calls.to_string()]).stdin(Stdio::piped());
            command.spawn().expect("a caller")
        })
        .collect();
    let held: Vec<TcpStream> = (0..conversations).map(|_| listener.accept().expect("a call").0).collect();
    println!("held");
    wait_for_end();
    drop((children, held));
}

/// `count` calls to the process that holds them, by the container's own address.
pub fn call(count: usize) {
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // The host's files are this container's root, its addresses are its own.
    let table = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let own = own_address(&table).unwrap_or_else(|| panic!("{} has no address", hostname.trim()));
    let held: Vec<TcpStream> =
        (0..count).map(|_| TcpStream::connect((own.as_str(), 7000)).expect("the one who holds")).collect();
    wait_for_end();
    drop(held);
}

/// The first address of the namespace's own that is not of loopback: a leaf followed by `/32 host LOCAL`.
fn own_address(table: &str) -> Option<String> {
    let lines: Vec<&str> = table.lines().collect();
    let leaves = lines.windows(2).filter(|pair| pair[1].contains("/32 host LOCAL"));
    let addresses = leaves.filter_map(|pair| pair[0].trim().strip_prefix("|-- "));
    addresses.filter(|address| !address.starts_with("127.")).map(str::to_owned).next()
}

fn wait_for_end() {
    let _ = std::io::stdin().read(&mut [0]);
    loop {
        std::thread::park();
    }
}

pub fn measure(binary: &Path, figures: &mut Figures) {
    let testbed = Testbed::up_with(binary, 1);
    let work = Work { containers: 50, processes: 20, conversations: 50 };
    start(&testbed, work, |_| Vec::new());
    let (first, cpu, rss) = cost(&testbed, work, "");
    figures.add(
        "probe, 50 containers, 1,000 processes, 5,000 connections: first report",
        first.as_secs_f64(),
        "s",
        1.0,
    );
    figures.add("probe, 50 containers, 1,000 processes, 5,000 connections: CPU", cpu, "% of a core", 5.0);
    figures.add("probe, 50 containers, 1,000 processes, 5,000 connections: RSS", rss, "MB", 60.0);
}

/// What a swarm with overlays costs beside the same without: its own state, the networks, and all interfaces, routes,
/// neighbours and forwarding entries.
pub fn measure_networks(binary: &Path, figures: &mut Figures) {
    let work = Work { containers: 100, processes: 2, conversations: 10 };
    let on = |network: &str, n: usize| vec!["--network".to_owned(), format!("{network}-{}", n % 5)];
    let (plain_cpu, plain_rss) = {
        let testbed = Testbed::up_with(binary, 1);
        for n in 0..5 {
            testbed.docker(1, &["network", "create", &format!("lan-{n}")]);
        }
        start(&testbed, work, |n| on("lan", n));
        let (_, cpu, rss) = cost(&testbed, work, "--no-links");
        (cpu, rss)
    };
    let testbed = Testbed::up_in_swarm(binary, 1);
    for n in 0..5 {
        testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", &format!("mesh-{n}")]);
    }
    start(&testbed, work, |n| on("mesh", n));
    let (_, cpu, rss) = cost(&testbed, work, "");
    figures.add("probe, 100 containers in 5 overlays, 2,000 connections: CPU", cpu, "% of a core", None);
    figures.add(
        "probe, 100 containers in 5 overlays, 2,000 connections: links, networks and swarm, CPU",
        cpu - plain_cpu,
        "% of a core",
        1.0,
    );
    figures.add(
        "probe, 100 containers in 5 overlays, 2,000 connections: links, networks and swarm, RSS",
        rss - plain_rss,
        "MB",
        15.0,
    );
}

fn start(testbed: &Testbed, work: Work, options: impl Fn(usize) -> Vec<String>) {
    let bench = std::env::current_exe().expect("its own path");
    let bench = bench.to_str().expect("a path in UTF-8");
    let (processes, conversations) = (work.processes.to_string(), work.conversations.to_string());
    for n in 0..work.containers {
        let name = format!("busy-{n}");
        let options = options(n);
        let mut run = vec!["run", "-d", "-i", "--name", &name];
        run.extend(options.iter().map(String::as_str));
        // The benchmark's own binary, with the libraries of the host that it was built on.
        run.extend(["-v", "/:/machine:ro", "rp/busybox:1", "chroot", "/machine", bench, "hold"]);
        run.extend([processes.as_str(), conversations.as_str()]);
        testbed.docker(1, &run);
    }
    for n in 0..work.containers {
        eventually("a container holds its connections", Duration::from_secs(60), || {
            let said = testbed.docker(1, &["logs", &format!("busy-{n}")]);
            if said.contains("held") { Ok(()) } else { Err(said) }
        });
    }
}

/// How long the first whole report took, CPU in per cent of a core, and memory in MB.
fn cost(testbed: &Testbed, work: Work, option: &str) -> (Duration, f64, f64) {
    // An app apart, so that what the probe costs is the probe's alone.
    testbed.launch(1, &["--app-only", "--log-level", "warn"]);
    let url = format!("{}/api/report", testbed.url(1));
    let scope = testbed.scope.to_str().expect("a path in UTF-8").to_owned();
    let here = format!("{}:4040", testbed.address(1));
    let line =
        format!("{scope} probe --log-level warn --hostname bench-probe {option} {here} </dev/null >/dev/null 2>&1 &");
    let started = Instant::now();
    testbed.exec(1, &["sh", "-c", &line]);
    let first = eventually("all connections with their owners", Duration::from_secs(60), || {
        let report = api::get(&url)?;
        let host = report["hosts"].as_object().and_then(|hosts| hosts.values().next()).cloned().unwrap_or_default();
        let all = host["connections"].as_array().cloned().unwrap_or_default();
        let owned = all.iter().filter(|c| c["value"]["owner"].is_object()).count();
        if owned >= work.connections() { Ok(started.elapsed()) } else { Err(format!("{owned} of {}", all.len())) }
    });
    let cost = Cost { pid: process_with("bench-probe").expect("the probe runs") };
    std::thread::sleep(Duration::from_secs(5));
    let (cpu, since) = (cost.cpu_s(), Instant::now());
    std::thread::sleep(Duration::from_secs(30));
    let cpu = (cost.cpu_s() - cpu) / since.elapsed().as_secs_f64() * 100.0;
    (first, cpu, cost.rss_mb())
}

/// The process that has this word among its arguments, as the whole machine sees it.
fn process_with(word: &str) -> Option<u32> {
    let all = fs::read_dir("/proc").ok()?.flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|byte| *byte == 0);
        arguments.next().is_some_and(|program| program.ends_with(b"scope"))
            && arguments.any(|argument| argument == word.as_bytes())
    })
    .max()
}
