//! Several real Docker hosts in network namespaces of their own, on a switch that the calling thread is put on.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Up until dropped. The thread that made it is on the hosts' switch meanwhile, so that its sockets reach the hosts.
pub struct Testbed {
    name: String,
    net: String,
    directory: PathBuf,
    home: File,
    pub scope: PathBuf,
    /// Another than the installed one.
    dockerd: Option<PathBuf>,
    /// Which the engines share their networks by, instead of a swarm.
    store: Option<Store>,
}

/// Docker's cluster store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Etcd,
    /// With the last release of Docker Engine that Debian built with it.
    Consul,
    /// Not for engines: those that can be had fail at it when a container starts.
    ZooKeeper,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Consul => "consul",
            Self::ZooKeeper => "zk",
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

/// Options of a container that is to have `python`.
pub const MACHINE: [&str; 2] = ["-v", "/:/machine:ro"];

/// A program of Python, as a line of shell in a container of the test image, which has no Python itself.
pub fn python(program: &str) -> String {
    format!("chroot /machine python3 -u -c '{program}'")
}

impl Testbed {
    /// # Panics
    /// Where it does not come up: these tests need root and Docker Engine's binaries, and are not skipped without.
    pub fn up(hosts: usize, swarm: bool) -> Self {
        Self::raise(&Self::binary(), hosts, swarm, None, None)
    }

    /// With another release of Docker Engine, in a swarm.
    ///
    /// # Panics
    /// As `up` does.
    pub fn up_with_engine(dockerd: &Path, hosts: usize) -> Self {
        assert!(dockerd.exists(), "{} is missing: scripts/test-programs.sh gets it", dockerd.display());
        Self::raise(&Self::binary(), hosts, true, Some(dockerd), None)
    }

    /// With one server on the hosts' switch as the engines' cluster store.
    ///
    /// # Panics
    /// As `up` does.
    pub fn up_with_store(hosts: usize, store: Store) -> Self {
        let older = (store == Store::Consul).then(|| program("SCOPE_OLDER_DOCKERD"));
        Self::raise(&Self::binary(), hosts, false, older.as_deref(), Some(store))
    }

    fn binary() -> PathBuf {
        std::env::var_os("SCOPE_BINARY")
            .map(PathBuf::from)
            .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/debug/scope")))
    }

    /// With another binary, without a swarm.
    ///
    /// # Panics
    /// As `up` does.
    pub fn up_with(scope: &Path, hosts: usize) -> Self {
        Self::raise(scope, hosts, false, None, None)
    }

    /// With another binary, in a swarm.
    ///
    /// # Panics
    /// As `up` does.
    pub fn up_in_swarm(scope: &Path, hosts: usize) -> Self {
        Self::raise(scope, hosts, true, None, None)
    }

    fn raise(scope: &Path, hosts: usize, swarm: bool, dockerd: Option<&Path>, store: Option<Store>) -> Self {
        let id = std::process::id();
        assert!(scope.exists(), "{} is missing: run `cargo build` first, or name one by SCOPE_BINARY", scope.display());
        // Names of interfaces hold 15 characters.
        let testbed = Self {
            name: format!("s{}", id % 100_000),
            net: format!("10.77.{}", id % 250),
            directory: std::env::temp_dir().join(format!("scope-testbed-{id}")),
            home: File::open("/proc/thread-self/ns/net").expect("a network namespace"),
            scope: scope.canonicalize().expect("the binary's path"),
            dockerd: dockerd.map(Path::to_path_buf),
            store,
        };
        let mut command = testbed.script();
        command.args(["up", &hosts.to_string()]).env("MH_SWARM", if swarm { "1" } else { "0" });
        succeed(&mut command);
        let switch = File::open(format!("/run/netns/{}-sw", testbed.name)).expect("the switch's namespace");
        enter(&switch);
        testbed
    }

    fn script(&self) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testbed/multihost.sh"));
        command.env("MH_DIR", &self.directory).env("MH_NAME", &self.name).env("MH_NET", &self.net);
        if let Some(dockerd) = &self.dockerd {
            command.env("MH_DOCKERD", dockerd);
        }
        if let Some(store) = self.store {
            with_programs(command.env("MH_KV", store.name()));
        }
        command
    }

    /// The test image, as `docker load` reads it.
    pub fn image(&self) -> PathBuf {
        self.directory.join("image.tar")
    }

    /// A directory of a host's own, that lasts as long as it does.
    pub fn directory(&self, host: usize) -> PathBuf {
        self.directory.join(format!("h{host}"))
    }

    pub fn address(&self, host: usize) -> String {
        format!("{}.{}", self.net, 10 + host)
    }

    /// Runs a command inside a host, in all its namespaces.
    pub fn exec(&self, host: usize, arguments: &[&str]) -> Output {
        let mut command = self.script();
        command.args(["exec", &format!("h{host}")]).args(arguments);
        command.output().expect("the testbed's script")
    }

    pub fn docker(&self, host: usize, arguments: &[&str]) -> String {
        let mut command = self.script();
        command.args(["docker", &format!("h{host}")]).args(arguments);
        succeed(&mut command)
    }

    /// Runs a line of shell inside a host.
    ///
    /// # Panics
    /// Where it fails.
    pub fn shell(&self, host: usize, line: &str) -> String {
        let mut command = self.script();
        command.args(["exec", &format!("h{host}"), "sh", "-c", line]);
        succeed(&mut command)
    }

    /// `stop`, `kill`, `freeze`, `thaw` or `start` a host's Docker Engine.
    pub fn engine(&self, host: usize, action: &str) {
        let mut command = self.script();
        command.args(["engine", &format!("h{host}"), action]);
        succeed(&mut command);
    }

    /// Starts a container of the test image that runs a line of shell.
    pub fn container(&self, host: usize, name: &str, options: &[&str], line: &str) {
        let mut arguments = vec!["run", "-d", "--name", name];
        arguments.extend(options);
        arguments.extend(["rp/busybox:1", "sh", "-c", line]);
        self.docker(host, &arguments);
    }

    /// Waits until something in a container listens on a TCP port, without calling it.
    ///
    /// # Panics
    /// Where nothing does.
    pub fn until_listens(&self, host: usize, container: &str, port: u16) {
        crate::eventually(&format!("{container} listens on {port}"), PATIENCE, || {
            let tables = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true";
            let sockets = self.docker(host, &["exec", container, "sh", "-c", tables]);
            // Local address, remote address and the number of the state.
            let is_it = |line: &&str| line.contains(&format!(":{port:04X} ")) && line.contains(":0000 0A ");
            sockets.lines().find(is_it).map(drop).ok_or_else(|| sockets.clone())
        });
    }

    /// The address that a container has in its only network.
    pub fn container_address(&self, host: usize, container: &str) -> String {
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.docker(host, &["inspect", "-f", address, container]).trim().to_owned()
    }

    /// `scope ARGUMENTS` inside a host.
    pub fn scope(&self, host: usize, arguments: &[&str]) -> Output {
        let mut all = vec![self.scope.to_str().expect("a path in UTF-8")];
        all.extend(arguments);
        self.exec(host, &all)
    }

    pub fn launch(&self, host: usize, arguments: &[&str]) -> String {
        let mut all = vec!["launch"];
        all.extend(arguments);
        let output = self.scope(host, &all);
        let (out, err) = text(&output);
        assert!(output.status.success(), "scope launch on h{host}: {out}{err}");
        out
    }

    /// The address of the switch that the hosts are on, and of their cluster store.
    pub fn switch(&self) -> String {
        format!("{}.1", self.net)
    }

    /// Puts an address beyond the hosts' own networks on their switch, and their way there; the calling thread, which is
    /// on the switch, may listen at it.
    ///
    /// # Panics
    /// Where that fails.
    pub fn open_the_world(&self, hosts: usize, address: &str) {
        succeed(Command::new("ip").args(["address", "add", &format!("{address}/32"), "dev", "lo"]));
        for host in 1..=hosts {
            self.shell(host, &format!("ip route add {address} via {}", self.switch()));
        }
    }

    /// `stop` or `start` the cluster store.
    pub fn store(&self, action: &str) {
        let mut command = self.script();
        command.args(["store", action]);
        succeed(&mut command);
    }

    /// Starts a server of a store on the hosts' switch, of which the engines know nothing. It goes with the testbed.
    pub fn start_store(&self, store: Store) {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testbed/kv.sh"));
        command.args(["start", store.name(), &format!("{}-sw", self.name), &self.switch()]).arg(&self.directory);
        succeed(with_programs(&mut command));
    }

    pub fn url(&self, host: usize) -> String {
        format!("http://{}:4040", self.address(host))
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        enter(&self.home);
        if std::thread::panicking() {
            for host in 1..=3 {
                let log = self.exec(host, &["tail", "-n", "30", "/var/log/scope/scope.log"]);
                eprintln!("--- scope's log on h{host}\n{}", text(&log).0);
            }
        }
        let _ = self.script().arg("down").output();
    }
}

/// What a container runs that answers one at a time, each for as long as it stays; nobody listens meanwhile.
pub fn serve(port: u16) -> String {
    format!("while :; do nc -l -p {port} -e cat; done")
}

/// What a container runs that calls and stays, and calls again where it is left.
pub fn call(host: &str, port: u16) -> String {
    format!("while :; do (while :; do echo q; sleep 1; done) | nc {host} {port}; sleep 0.2; done")
}

/// One of those that `scripts/test-programs.sh` gets.
///
/// # Panics
/// Where it is missing.
pub fn program(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    path.unwrap_or_else(|| panic!("{variable} names nothing that is there: scripts/test-programs.sh gets it"))
}

fn with_programs(command: &mut Command) -> &mut Command {
    let etcd = program("SCOPE_ETCD");
    let own = etcd.parent().and_then(Path::to_str).unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let command = command.env("PATH", format!("{own}:{path}"));
    command.env("CONSUL", program("SCOPE_CONSUL")).env("ZOOKEEPER", program("SCOPE_ZOOKEEPER"))
}

fn enter(namespace: &File) {
    // SAFETY: setns changes the calling thread only.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "setns: {}", std::io::Error::last_os_error());
}

/// Runs a line in the namespace of an overlay network on a host; `$dev` is its vxlan device.
///
/// # Panics
/// Where the line fails.
pub fn inside(testbed: &Testbed, host: usize, network: &str, line: &str) -> String {
    let id = testbed.docker(host, &["network", "inspect", "-f", "{{.Id}}", network]);
    let start = &id.trim()[..10];
    let script = format!(
        "nsenter --net=$(ls /run/docker/netns/*-{start}*) sh -c 'dev=$(ip -o link show type vxlan | sed \"s/^[0-9]*: \\([^:@]*\\).*/\\1/\"); {line}'"
    );
    testbed.shell(host, &script)
}

pub fn text(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("a command that can be started");
    let (out, err) = text(&output);
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out
}
