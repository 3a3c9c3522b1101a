//! The binary under test as a process, and what it costs.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use scope_tests::eventually_every;

/// Ends with its owner.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// The binary in the foreground.
    pub fn scope(binary: &Path, arguments: &[&str]) -> Self {
        let child = Command::new(binary).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("the binary starts"))
    }

    /// An app that nobody else reports to.
    pub async fn app(binary: &Path) -> (Self, SocketAddr) {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port on loopback");
        let app = Self::scope(binary, &["app", "--listen", &address.to_string(), "--log-level", "warn"]);
        for _ in 0..200 {
            if TcpStream::connect(address).is_ok() {
                return (app, address);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the app does not listen on {address}");
    }

    pub fn cost(&self) -> Cost {
        Cost { pid: self.0.id() }
    }
}

/// What a process uses, by the kernel's account of it.
#[derive(Clone, Copy)]
pub struct Cost {
    pub pid: u32,
}

impl Cost {
    /// Since it was started, to a hundredth of a second.
    pub fn age(self) -> Duration {
        let up = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let up: f64 = up.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(0.0);
        Duration::try_from_secs_f64(up - self.figure(19) / 100.0).unwrap_or_default()
    }

    /// Ends it.
    pub fn end(self) {
        let pid = i32::try_from(self.pid).expect("the number of a process");
        // SAFETY: nothing of this process is touched.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let directory = format!("/proc/{pid}");
        eventually_every(Duration::from_millis(10), "it ended", Duration::from_secs(60), || {
            if Path::new(&directory).exists() { Err(directory.clone()) } else { Ok(()) }
        });
    }

    /// CPU time used so far, seconds.
    pub fn cpu_s(self) -> f64 {
        (self.figure(11) + self.figure(12)) / 100.0
    }

    /// Of its status, counted from the one after its name.
    fn figure(self, n: usize) -> f64 {
        let bytes = fs::read(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
        fields.nth(n).and_then(|f| f.parse().ok()).unwrap_or(0.0)
    }

    pub fn rss_mb(self) -> f64 {
        self.status_mb("VmRSS:")
    }

    /// What is of no file: how much of its own program is in memory is another thing from run to run.
    pub fn own_mb(self) -> f64 {
        self.status_mb("RssAnon:")
    }

    fn status_mb(self, name: &str) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0 / 1e6
    }

    /// Per cent of a core over the time.
    pub async fn cpu_percent(self, over: Duration) -> f64 {
        let (cpu, started) = (self.cpu_s(), Instant::now());
        tokio::time::sleep(over).await;
        (self.cpu_s() - cpu) / started.elapsed().as_secs_f64() * 100.0
    }
}
