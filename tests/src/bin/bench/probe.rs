//! A probe on a host with 50 containers, up to 1,000 processes and 20,000 connections, all of them real; and what overlays and a
//! swarm add to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use scope_tests::api;
use scope_tests::testbed::Testbed;
use scope_tests::{eventually, eventually_every};

use crate::figures::{Figures, percentile};
use crate::process::Cost;

const SETTLES: Duration = Duration::from_secs(11);
const PATIENCE: Duration = Duration::from_secs(60);
/// What comes but once a minute is in there.
const MEASURED: Duration = Duration::from_secs(60);

/// What runs on the host.
#[derive(Clone, Copy)]
struct Work {
    containers: usize,
    /// In each container: one that listens and the others that call it.
    processes: usize,
    /// In each container; both ends of each are sockets of the host's.
    conversations: usize,
    /// In each container.
    short_per_s: usize,
}

impl Work {
    fn connections(self) -> usize {
        self.containers * self.conversations * 2
    }
}

pub fn measure(binary: &Path, figures: &mut Figures) {
    let work = |processes, conversations| Work { containers: 50, processes, conversations, short_per_s: 0 };
    {
        let testbed = Testbed::up_with(binary, 1);
        let few = work(2, 2);
        start(&testbed, few, |_| Vec::new());
        let Used { cpu, rss_mb: rss, .. } = cost(&testbed, few, "");
        figures.add("probe, 100 processes, 200 connections: CPU", cpu, "% of a core", 0.5);
        figures.add("probe, 100 processes, 200 connections: RSS", rss, "MB", 25.0);
        let wire = wire_bytes(&testbed);
        figures.add("probe, 50 containers, 200 connections: wire", wire / 1e3, "kB/s", 2.0);
        let seen = percentile(connect_to_browser(&testbed), 0.99);
        figures.add("probe and app, from a connect to who watches: p99", seen, "ms", 500.0);
    }
    let of_many = {
        let testbed = Testbed::up_with(binary, 1);
        let many = work(20, 50);
        start(&testbed, many, |_| Vec::new());
        let first = percentile(first_reports(&testbed, many), 0.5);
        figures.add("probe, 1,000 processes, 5,000 connections: first report, median of 5", first, "ms", 300.0);
        let Used { cpu, rss_mb: rss, own_mb } = cost(&testbed, many, "");
        figures.add("probe, 1,000 processes, 5,000 connections: CPU", cpu, "% of a core", 1.5);
        figures.add("probe, 1,000 processes, 5,000 connections: RSS", rss, "MB", 35.0);
        own_mb
    };
    {
        let testbed = Testbed::up_with(binary, 1);
        let most = work(20, 200);
        start(&testbed, most, |_| Vec::new());
        let Used { cpu, rss_mb: rss, own_mb, .. } = cost(&testbed, most, "");
        figures.add("probe, 1,000 processes, 20,000 connections: CPU", cpu, "% of a core", 3.0);
        figures.add("probe, 1,000 processes, 20,000 connections: RSS", rss, "MB", 50.0);
        // The same processes with so many more.
        let each = (own_mb - of_many) * 1e6 / 15_000.0;
        figures.add("probe, memory of a connection between 5,000 and 20,000", each, "bytes", 300.0);
    }
    let testbed = Testbed::up_with(binary, 1);
    let short = Work { short_per_s: 40, ..work(2, 2) };
    start(&testbed, short, |_| Vec::new());
    let Used { cpu, rss_mb: rss, .. } = cost(&testbed, short, "");
    figures.add("probe, 2,000 new connections a second of 5 ms: CPU", cpu, "% of a core", 10.0);
    figures.add("probe, 2,000 new connections a second of 5 ms: RSS", rss, "MB", 50.0);
}

/// What a swarm with overlays costs beside the same without: its own state, the networks, and all interfaces, routes,
/// neighbours and forwarding entries.
pub fn measure_networks(binary: &Path, figures: &mut Figures) {
    let work = Work { containers: 100, processes: 2, conversations: 10, short_per_s: 0 };
    let on = |network: &str, n: usize| vec!["--network".to_owned(), format!("{network}-{}", n % 5)];
    let (plain_cpu, plain_rss) = {
        let testbed = Testbed::up_with(binary, 1);
        for n in 0..5 {
            testbed.docker(1, &["network", "create", &format!("lan-{n}")]);
        }
        start(&testbed, work, |n| on("lan", n));
        let Used { cpu, rss_mb: rss, .. } = cost(&testbed, work, "--no-links");
        (cpu, rss)
    };
    let testbed = Testbed::up_in_swarm(binary, 1);
    for n in 0..5 {
        testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", &format!("mesh-{n}")]);
    }
    start(&testbed, work, |n| on("mesh", n));
    let Used { cpu, rss_mb: rss, .. } = cost(&testbed, work, "");
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
    let numbers = [work.processes, work.conversations, work.short_per_s].map(|number| number.to_string());
    for n in 0..work.containers {
        let name = format!("busy-{n}");
        let options = options(n);
        let mut run = vec!["run", "-d", "-i", "--name", &name];
        run.extend(options.iter().map(String::as_str));
        // The benchmark's own binary, with the libraries of the host that it was built on.
        run.extend(["-v", "/:/machine:ro", "rp/busybox:1", "chroot", "/machine", bench, "hold"]);
        run.extend(numbers.iter().map(String::as_str));
        testbed.docker(1, &run);
    }
    for n in 0..work.containers {
        eventually("a container holds its connections", PATIENCE, || {
            let said = testbed.docker(1, &["logs", &format!("busy-{n}")]);
            if said.contains("held") { Ok(()) } else { Err(said) }
        });
    }
}

/// What a probe used of its host.
struct Used {
    /// Per cent of a core, with what the kernel runs for it.
    cpu: f64,
    rss_mb: f64,
    /// Of that, what is of no file.
    own_mb: f64,
}

/// Runs a probe on the testbed's host, beside an app.
fn cost(testbed: &Testbed, work: Work, option: &str) -> Used {
    // An app apart, so that what the probe costs is the probe's alone.
    testbed.launch(1, &["--app-only", "--log-level", "warn"]);
    let url = format!("{}/api/report", testbed.url(1));
    let here = format!("{}:4040", testbed.address(1));
    run_beside(testbed, &format!("probe --hostname bench-probe {option} {here}"));
    let wanted = most(work);
    eventually("all connections with their owners", PATIENCE, || {
        let report = api::get(&url)?;
        let host = report["hosts"].as_object().and_then(|hosts| hosts.values().next()).cloned().unwrap_or_default();
        let all = host["connections"].as_array().cloned().unwrap_or_default();
        let owned = all.iter().filter(|c| c["value"]["owner"].is_object()).count();
        if owned >= wanted { Ok(()) } else { Err(format!("{owned} of {}", all.len())) }
    });
    let cost = Cost { pid: process_with("bench-probe").expect("the probe runs") };
    let _counted = count_programs();
    std::thread::sleep(SETTLES);
    let (cpu, programs, since) = (cost.cpu_s(), programs_s(cost.pid), Instant::now());
    std::thread::sleep(MEASURED);
    let used = cost.cpu_s() - cpu + programs_s(cost.pid) - programs;
    let cpu = used / since.elapsed().as_secs_f64() * 100.0;
    Used { cpu, rss_mb: cost.rss_mb(), own_mb: cost.own_mb() }
}

/// How long the first whole report takes probes that start, one after the other, each with an app of its own; milliseconds.
fn first_reports(testbed: &Testbed, work: Work) -> Vec<f64> {
    let first = |n: u16| {
        let (name, at) = (format!("bench-first-{n}"), format!("{}:{}", testbed.address(1), 5_000 + n));
        let app = format!("http://{at}");
        let listen = format!("--listen={at}");
        run_beside(testbed, &format!("app {listen}"));
        eventually("the app answers", PATIENCE, || api::text(&format!("{app}/metrics")).map(drop));
        run_beside(testbed, &format!("probe --hostname {name} {at}"));
        let held = until_halves(&app, most(work));
        let [probe, app] = [name, listen].map(|word| Cost { pid: process_with(&word).expect("it runs") });
        let took = probe.age().saturating_sub(held.elapsed());
        probe.end();
        app.end();
        took.as_secs_f64() * 1e3
    };
    (1..=5).map(first).collect()
}

/// Runs the binary on the testbed's host.
fn run_beside(testbed: &Testbed, arguments: &str) {
    let scope = testbed.scope.to_str().expect("a path in UTF-8");
    let line = format!("{scope} {arguments} --log-level warn </dev/null >/dev/null 2>&1 &");
    testbed.exec(1, &["sh", "-c", &line]);
}

/// Of those that are replaced meanwhile a few are not there.
fn most(work: Work) -> usize {
    work.connections() * 9 / 10
}

/// When the app held so many connections. It is not asked more often: that would slow down what is waited for.
fn until_halves(app: &str, wanted: usize) -> Instant {
    eventually_every(Duration::from_millis(10), "the app holds the connections", PATIENCE, || {
        let metrics = api::text(&format!("{app}/metrics"))?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("scope_connection_halves "));
        let held: usize = line.and_then(|count| count.parse().ok()).unwrap_or(0);
        if held >= wanted { Ok(Instant::now()) } else { Err(format!("{held} of {wanted}")) }
    })
}

/// Milliseconds from each of some connects on the host until a browser that shows its processes is told of them.
fn connect_to_browser(testbed: &Testbed) -> Vec<f64> {
    const CALLS: usize = 200;
    let bench = std::env::current_exe().expect("its own path");
    let app = format!("{}:4040", testbed.address(1));
    let said = testbed.exec(1, &[bench.to_str().expect("a path in UTF-8"), "dial", &app, &CALLS.to_string()]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let all: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(all.len(), CALLS, "{said}");
    all
}

/// What the probe sends to its app while only samples change, bytes a second.
fn wire_bytes(testbed: &Testbed) -> f64 {
    let sent = || {
        let sockets = testbed.shell(1, "ss -Htinp dst :4040 | grep -A1 scope");
        let counts = sockets.split_ascii_whitespace().filter_map(|word| word.strip_prefix("bytes_sent:"));
        counts.filter_map(|count| count.parse::<u64>().ok()).sum::<u64>()
    };
    let (before, since) = (sent(), Instant::now());
    std::thread::sleep(MEASURED);
    (sent() - before) as f64 / since.elapsed().as_secs_f64()
}

/// Has the kernel count how long its programs run, until this is dropped.
fn count_programs() -> Option<OwnedFd> {
    // BPF_ENABLE_STATS of include/uapi/linux/bpf.h, with BPF_STATS_RUN_TIME.
    let kind: u32 = 0;
    // SAFETY: the attribute is as long as is said and lives until the call is over.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, 32, &raw const kind, size_of::<u32>()) };
    // SAFETY: it was just opened and is nobody else's.
    i32::try_from(fd).ok().filter(|fd| *fd >= 0).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// How long the kernel ran the programs of a process in the midst of others' work, seconds. Those that are attached to
/// nothing ran in the process's own time.
fn programs_s(pid: u32) -> f64 {
    let all = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let texts: Vec<String> = all.filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect();
    let of =
        |text: &str, name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|it| it.trim().to_owned());
    let attached: BTreeSet<String> =
        texts.iter().filter(|text| text.contains("link_type:")).filter_map(|text| of(text, "prog_id:")).collect();
    let times: BTreeMap<String, f64> = texts
        .iter()
        .filter_map(|text| Some((of(text, "prog_id:")?, of(text, "run_time_ns:")?.parse::<f64>().ok()?)))
        .filter(|(id, _)| attached.contains(id))
        .collect();
    times.values().sum::<f64>() / 1e9
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
