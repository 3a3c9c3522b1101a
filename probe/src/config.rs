use std::path::PathBuf;
use std::time::Duration;

/// An app to report to, as it was named: `HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    pub targets: Vec<Target>,
    /// The host's name where it is not to be asked of the kernel.
    pub hostname: Option<String>,
    /// Presented to every app.
    pub token: String,
    /// Where /proc of the host is.
    pub proc_root: PathBuf,
    /// Where the probe keeps the host's id.
    pub state_dir: PathBuf,
    /// None turns the container engine's collector off.
    pub docker: Option<DockerEndpoint>,
    /// None for the one that the engine names, if it names one.
    pub cluster_store: Option<crate::cluster_store::Address>,
    pub store_access: crate::cluster_store::Access,
    /// Interfaces, routes, neighbours and forwarding entries of all network namespaces.
    pub read_links: bool,
    /// The names that are asked for, from answers of DNS as they pass.
    pub read_names: bool,
    /// What addresses that nobody asked for by name are called, from the host's resolver.
    pub ask_names: bool,
    /// What sockets are read with.
    pub sockets: crate::socket::With,
    /// The Weave router's API; none for no router.
    pub weave: Option<WeaveEndpoint>,
    /// Samples go out this often; events and connections do not wait for it.
    pub publish_interval: Duration,
    pub omit_command_arguments: bool,
    pub read_environment: bool,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeaveEndpoint {
    /// Where a router listens unless it was told otherwise. Most hosts have none there.
    Default,
    /// `host:port`.
    At(String),
}

impl WeaveEndpoint {
    pub fn address(&self) -> &str {
        match self {
            Self::Default => "127.0.0.1:6784",
            Self::At(address) => address,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerEndpoint {
    /// The first that answers of Docker's and Podman's usual sockets.
    Default,
    /// `unix:///path` or `tcp://host:port`.
    At(String),
}
