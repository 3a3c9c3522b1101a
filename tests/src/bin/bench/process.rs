//! The binary under test as a process, and what it costs.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
    /// CPU time used so far, seconds.
    pub fn cpu_s(self) -> f64 {
        let bytes = fs::read(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
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
