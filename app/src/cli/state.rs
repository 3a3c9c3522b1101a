//! Where a launched Scope leaves word of itself: `/run/scope` and `/var/log/scope`, or the user's own directories.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug)]
pub struct Places {
    pub run: PathBuf,
    pub log: PathBuf,
    /// What outlives a reboot: the host's id.
    pub lib: PathBuf,
}

impl Places {
    pub fn find() -> Self {
        let from = |name: &str, fallback: &str| {
            let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
            std::env::var_os(name).filter(|v| !v.is_empty()).map_or_else(|| home.join(fallback), PathBuf::from)
        };
        if rustix::process::geteuid().is_root() {
            return Self { run: "/run/scope".into(), log: "/var/log/scope".into(), lib: "/var/lib/scope".into() };
        }
        let state = from("XDG_STATE_HOME", ".local/state").join("scope");
        Self { run: from("XDG_RUNTIME_DIR", ".local/state/run").join("scope"), log: state.clone(), lib: state }
    }

    pub fn log_file(&self) -> PathBuf {
        self.log.join("scope.log")
    }

    fn state_file(&self) -> PathBuf {
        self.run.join("state.json")
    }

    /// What runs here, if it still does.
    pub fn running(&self) -> Option<Running> {
        let text = fs::read_to_string(self.state_file()).ok()?;
        let running: Running = serde_json::from_str(&text).ok()?;
        // A pid alone may by now be somebody else's.
        (start_of(running.pid) == Some(running.start)).then_some(running)
    }

    pub fn write(&self, running: &Running) -> Result<()> {
        fs::create_dir_all(&self.run).with_context(|| format!("{} cannot be made", self.run.display()))?;
        let draft = self.run.join(".state.json.new");
        let text = serde_json::to_string(running)?;
        fs::write(&draft, text).with_context(|| format!("{} cannot be written", draft.display()))?;
        Ok(fs::rename(&draft, self.state_file())?)
    }

    pub fn clear(&self) {
        let mine = self.running().is_some_and(|running| running.pid == std::process::id());
        if mine {
            let _ = fs::remove_file(self.state_file());
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    /// Start time in clock ticks after boot.
    pub start: u64,
    /// The app's port; none where only the probe runs.
    pub port: Option<u16>,
}

pub fn start_of(pid: u32) -> Option<u64> {
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    probe::procfs::Stat::parse(&bytes).filter(probe::procfs::Stat::is_alive).map(|stat| stat.start)
}
