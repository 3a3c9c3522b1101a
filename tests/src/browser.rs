//! A real browser: Debian's Chromium, driven over WebDriver.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

pub struct Browser {
    pub client: Client,
    driver: Child,
    /// Where the driver listens.
    url: String,
    profile: PathBuf,
}

impl Browser {
    /// Must run on the thread whose network namespace the browser is to be in.
    pub async fn open(width: u32, height: u32, light: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: the tests need Debian's chromium-driver");
        let profile = std::env::temp_dir().join(format!("scope-browser-{}-{port}", std::process::id()));
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.display()),
        ];
        if !light {
            arguments.push("--force-dark-mode".into());
        }
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
        capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
        let url = format!("http://127.0.0.1:{port}");
        let mut last = None;
        for _ in 0..200 {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            match builder.capabilities(capabilities.clone()).connect(&url).await {
                Ok(client) => return Self { client, driver, url, profile },
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no browser: {last:?}");
    }

    /// Waits until a script gives something else than null and false.
    pub async fn until(&self, what: &str, script: &str) -> serde_json::Value {
        let mut last = serde_json::Value::Null;
        for _ in 0..400 {
            match self.client.execute(script, Vec::new()).await {
                Ok(value) if !value.is_null() && value != json!(false) => return value,
                Ok(value) => last = value,
                Err(error) => last = json!(error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: never came about; last: {last}");
    }

    /// Keeps a picture among the tests' artifacts, once what moves stands still.
    pub async fn screenshot(&self, name: &str) {
        let still = "const c = document.querySelector('canvas.graph'); return !c || c.dataset.settled === 'true'";
        self.until("a picture that stands still", still).await;
        let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/artifacts"));
        std::fs::create_dir_all(&directory).expect("the artifacts' directory");
        let png = self.client.screenshot().await.expect("a screenshot");
        std::fs::write(directory.join(format!("{name}.png")), png).expect("a written screenshot");
    }

    /// CPU time that all processes of this browser have used, seconds.
    pub fn cpu_s(&self) -> f64 {
        let family = descendants(self.driver.id());
        let ticks = |pid: &u32| {
            let stat = stat(*pid);
            stat.get(11).zip(stat.get(12)).map_or(0.0, |(user, system)| user + system)
        };
        // The kernel counts a hundred a second, whatever its own clock does.
        family.iter().filter(|pid| **pid != self.driver.id()).map(ticks).sum::<f64>() / 100.0
    }

    /// What the process that draws the page has in memory that is of no file, what the page is compiled to and what it keeps
    /// among it, megabytes. Of those that draw the browser's own parts none has as much.
    pub fn page_mb(&self) -> f64 {
        let file = |pid: u32, name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let draws = |pid: &u32| file(*pid, "cmdline").split(['\0', ' ']).any(|word| word == "--type=renderer");
        let own_kib = |pid| {
            let text = file(pid, "status");
            let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
            line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
        };
        descendants(self.driver.id()).into_iter().filter(draws).map(own_kib).fold(0.0, f64::max) * 1024.0 / 1e6
    }

    /// Has the script's heap rid of what nobody refers to any more, which is else done when there is much of it.
    pub async fn collect_garbage(&self) {
        let session = self.client.session_id().await.ok().flatten().expect("a session");
        let url = format!("{}/session/{session}/goog/cdp/execute", self.url);
        let command = json!({ "cmd": "HeapProfiler.collectGarbage", "params": {} });
        ureq::post(url).send_json(command).expect("the browser's own protocol");
    }

    pub async fn close(self) {
        let _ = self.client.clone().close().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // A test that fails does not close its session, and the browser outlives its driver.
        for pid in of_profile(&self.profile) {
            let _ = Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status();
        }
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// A process and all that it and its own started.
fn descendants(of: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, stat(pid).get(1).copied()? as u32))).collect();
    let mut found = vec![of];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

/// What `/proc/PID/stat` has behind the name, from the state on, which is no number.
fn stat(pid: u32) -> Vec<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    fields.map(|field| field.parse().unwrap_or(0.0)).collect()
}

/// The processes that were started with a profile, which is one browser's alone.
fn of_profile(profile: &Path) -> Vec<String> {
    let option = format!("--user-data-dir={}", profile.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if arguments.split(|byte| *byte == 0).any(|argument| argument == option.as_bytes()) {
            found.extend(entry.file_name().to_str().map(str::to_owned));
        }
    }
    found
}
