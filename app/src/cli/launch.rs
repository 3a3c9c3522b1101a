//! Starting Scope in the background, and what belongs to that.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use probe::weave::dns::APP_NAME;
use rustix::process::{Pid, Signal, kill_process};
use shared::addr::is_confined;

use super::options::Options;
use super::run::Parts;
use super::state::{Places, Running, start_of};

const START_PATIENCE: Duration = Duration::from_secs(15);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// A log that is larger starts anew, the old one beside it.
const LOG_BYTES_MAX: u64 = 20 << 20;

/// Runs this program again in the background, waits until it answers, and says where.
pub fn detached(options: &Options, parts: Parts) -> Result<()> {
    let places = Places::find();
    if let Some(running) = places.running() {
        bail!("already running as process {}: see 'scope status', or end it with 'scope stop'", running.pid);
    }
    // What is wrong with the options is said here and not in a log.
    options.targets()?;
    if parts.probe {
        options.probe(parts.app.then(|| probe::config::Target { host: String::new(), port: 1 }), places.lib.clone())?;
    }
    if parts.app {
        options.app(([0, 0, 0, 0], 1).into())?;
    }
    let log = places.log_file();
    fs::create_dir_all(&places.log)
        .with_context(|| format!("the log's directory {} cannot be made", places.log.display()))?;
    if fs::metadata(&log).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
        fs::rename(&log, log.with_extension("log.1")).context("the old log cannot be put aside")?;
    }
    let mut opened = OpenOptions::new();
    opened.create(true).append(true).mode(0o640);
    let output = opened.open(&log).with_context(|| format!("the log {} cannot be written", log.display()))?;
    let before = output.metadata()?.len();
    let mut command = Command::new(std::env::current_exe().context("this program cannot be found again")?);
    command.args(std::env::args_os().skip(1)).arg("--foreground");
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).current_dir("/");
    // SAFETY: between fork and exec only calls that are safe there: setsid and close_range.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed());
            Ok(())
        });
    }
    let child = command.spawn().context("cannot start in the background")?;
    let running = wait_until_up(child, &places, before)?;
    match running.port {
        Some(port) => {
            for address in addresses(options) {
                super::say(format_args!("http://{}/", std::net::SocketAddr::new(address, port)));
            }
        }
        None if options.peers.is_empty() => super::say(format_args!("the probe reports to {APP_NAME}")),
        None => super::say(format_args!("the probe reports to {}", options.peers.join(", "))),
    }
    Ok(())
}

fn wait_until_up(mut child: Child, places: &Places, log_start: u64) -> Result<Running> {
    let until = Instant::now() + START_PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("{}", last_error(places, log_start).unwrap_or_else(|| format!("it ended at once ({status})")));
        }
        if let Some(running) = places.running().filter(|running| running.pid == child.id()) {
            let answers = running.port.is_none_or(|port| super::status::is_healthy("localhost", port));
            // An app that listens on one address only is not reached by this name; its state says that it listens.
            if answers || Instant::now() + START_PATIENCE / 2 > until {
                return Ok(running);
            }
        }
        if Instant::now() > until {
            let log = places.log_file();
            bail!("it does not answer after {} s; its log is {}", START_PATIENCE.as_secs(), log.display());
        }
        sleep(LOOK_EVERY);
    }
}

/// What the background process said as it ended.
fn last_error(places: &Places, log_start: u64) -> Option<String> {
    let mut file = fs::File::open(places.log_file()).ok()?;
    file.seek(SeekFrom::Start(log_start)).ok()?;
    let mut text = String::new();
    file.take(64 << 10).read_to_string(&mut text).ok()?;
    let line = text.lines().rev().find_map(|line| line.strip_prefix("scope: "))?;
    Some(line.to_owned())
}

/// Where a browser may find the app: every address of the host that others can reach, loopback where there is none.
fn addresses(options: &Options) -> Vec<std::net::IpAddr> {
    if let Some(listen) = options.listen.filter(|listen| !listen.ip().is_unspecified()) {
        return vec![listen.ip()];
    }
    let found = probe::link::address::subnets().unwrap_or_default();
    let mut addresses: Vec<_> = found.into_iter().map(|a| a.address).filter(|a| !is_confined(*a)).collect();
    addresses.sort_by_key(|address| (address.is_ipv6(), *address));
    if addresses.is_empty() {
        addresses.push(std::net::Ipv4Addr::LOCALHOST.into());
    }
    addresses
}

pub fn stop() -> Result<()> {
    let Some(running) = Places::find().running() else {
        bail!("Scope does not run here: start it with 'scope launch'");
    };
    let pid = i32::try_from(running.pid).ok().and_then(Pid::from_raw).context("a pid that cannot be")?;
    kill_process(pid, Signal::TERM).with_context(|| format!("process {} cannot be signalled", running.pid))?;
    let until = Instant::now() + STOP_PATIENCE;
    while start_of(running.pid) == Some(running.start) {
        if Instant::now() > until {
            bail!("process {} has not ended after {} s", running.pid, STOP_PATIENCE.as_secs());
        }
        sleep(LOOK_EVERY);
    }
    super::say(format_args!("stopped"));
    Ok(())
}

pub fn logs(follow: bool) -> Result<()> {
    let path = Places::find().log_file();
    let file = fs::File::open(&path).with_context(|| format!("there is no log at {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut out = std::io::stdout().lock();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            if !follow {
                return Ok(());
            }
            sleep(Duration::from_millis(200));
            continue;
        }
        // A reader such as `head` has had enough.
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
}
