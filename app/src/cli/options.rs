use std::fs;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use probe::cluster_store::address::{Access, Tls, User};
use probe::config::{DockerEndpoint, Target, WeaveEndpoint};
use probe::socket::With;
use probe::weave::dns::APP_NAME;

use crate::config::{self, LabelFilter, Patience};

pub const PORT: u16 = 4040;
/// Whether there is a Weave router is found out before a probe without peers starts.
const ROUTER_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Sockets {
    /// The kernel tells of every TCP connection, those too that last a moment; beside it, what follows
    #[default]
    Ebpf,
    /// sock_diag in each network namespace, again and again
    Netlink,
    /// /proc/net of each network namespace, again and again
    Proc,
}

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Apps of other hosts to report to as well, HOST[:PORT]; IPv6 in brackets
    #[arg(value_name = "PEER", env = "SCOPE_PEERS", value_delimiter = ' ')]
    pub peers: Vec<String>,
    /// Where the app listens [default: all addresses, port 4040]
    #[arg(long, value_name = "ADDR:PORT", env = "SCOPE_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The name of this host [default: its own]
    #[arg(long, value_name = "NAME", env = "SCOPE_HOSTNAME")]
    pub hostname: Option<String>,
    /// The container engine: unix:///PATH or tcp://HOST:PORT [default: Docker's or Podman's own socket]
    #[arg(long, value_name = "ENDPOINT", env = "SCOPE_DOCKER")]
    pub docker: Option<String>,
    /// Do not ask a container engine
    #[arg(long, env = "SCOPE_NO_DOCKER", conflicts_with = "docker")]
    pub no_docker: bool,
    /// Docker's cluster store: etcd://HOST:PORT[,HOST:PORT]..., consul:// or zk:// [default: what the engine says]
    #[arg(long, value_name = "URL", env = "SCOPE_CLUSTER_STORE", value_parser = probe::cluster_store::Address::parse)]
    pub cluster_store: Option<probe::cluster_store::Address>,
    /// Consul's ACL token, where the store asks for one
    #[arg(long, value_name = "TOKEN", env = "SCOPE_CLUSTER_STORE_TOKEN", hide_env_values = true)]
    pub cluster_store_token: Option<String>,
    /// Who asks etcd (basic authentication) or ZooKeeper (digest)
    #[arg(long, value_name = "NAME:PASSWORD", env = "SCOPE_CLUSTER_STORE_USER", hide_env_values = true)]
    pub cluster_store_user: Option<String>,
    /// Ask the store over TLS, and trust the authorities in this PEM file
    #[arg(long, value_name = "FILE", env = "SCOPE_CLUSTER_STORE_CA")]
    pub cluster_store_ca: Option<PathBuf>,
    /// The certificate that the store asks for, PEM
    #[arg(long, value_name = "FILE", env = "SCOPE_CLUSTER_STORE_CERT", requires = "cluster_store_key")]
    pub cluster_store_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", env = "SCOPE_CLUSTER_STORE_KEY", requires = "cluster_store_cert")]
    pub cluster_store_key: Option<PathBuf>,
    /// Do not read interfaces, routes and forwarding entries of network namespaces; no findings on them then
    #[arg(long, env = "SCOPE_NO_LINKS")]
    pub no_links: bool,
    /// Do not listen for answers of DNS; addresses outside are shown without names then
    #[arg(long, env = "SCOPE_NO_DNS")]
    pub no_dns: bool,
    /// Ask the host's resolver what addresses outside are called that nobody asked for by name
    #[arg(long, env = "SCOPE_REVERSE_DNS")]
    pub reverse_dns: bool,
    /// What connections are read with at best; what the kernel does not offer is read with the next
    #[arg(long, value_enum, value_name = "WITH", default_value_t, env = "SCOPE_SOCKETS")]
    pub sockets: Sockets,
    /// The Weave router's API, HOST:PORT [default: 127.0.0.1:6784, if one is there]
    #[arg(long, value_name = "ADDRESS", env = "SCOPE_WEAVE")]
    pub weave: Option<String>,
    /// Do not ask a Weave router, nor enter the app into WeaveDNS as scope.weave.local
    #[arg(long, env = "SCOPE_NO_WEAVE", conflicts_with = "weave")]
    pub no_weave: bool,
    /// How often samples are sent; containers and connections do not wait for it
    #[arg(long, value_name = "TIME", env = "SCOPE_PUBLISH_INTERVAL", default_value = "1s", value_parser = duration)]
    pub publish_interval: Duration,
    /// How long a connection stays shown after it closed
    #[arg(long, value_name = "TIME", env = "SCOPE_WINDOW", default_value = "15s", value_parser = duration)]
    pub window: Duration,
    /// How long a host that is down stays shown
    #[arg(long, value_name = "TIME", env = "SCOPE_FORGET", default_value = "1h", value_parser = duration)]
    pub forget: Duration,
    /// What probes must present to this app, and what this probe presents to its peers
    #[arg(long, env = "SCOPE_TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    pub token: Option<String>,
    /// The same, from a file
    #[arg(long, value_name = "FILE", env = "SCOPE_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// error, warn, info, debug or trace, also by module: info,scope::engine=debug
    #[arg(long, value_name = "LEVEL", env = "SCOPE_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Report the names of processes without their arguments
    #[arg(long, env = "SCOPE_OMIT_CMD_ARGS")]
    pub omit_cmd_args: bool,
    /// Report the environment of containers, which may hold secrets
    #[arg(long, env = "SCOPE_ENV_VARS")]
    pub env_vars: bool,
    /// A further choice of containers by label: 'Title:key=value'
    #[arg(long, value_name = "FILTER", env = "SCOPE_CONTAINER_LABEL_FILTER")]
    pub container_label_filter: Vec<String>,
    /// The same, for the containers without the label
    #[arg(long, value_name = "FILTER", env = "SCOPE_CONTAINER_LABEL_FILTER_EXCLUDE")]
    pub container_label_filter_exclude: Vec<String>,
}

/// `500ms`, `15s`, `2m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no length of time; write 500ms, 15s, 2m or 1h");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => number.checked_mul(1),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    match milliseconds {
        Some(ms) if (100..=1_000 * 3_600_000).contains(&ms) => Ok(Duration::from_millis(ms)),
        Some(_) => Err(format!("'{text}' is out of bounds: 100ms to 1000h")),
        None => Err(wrong()),
    }
}

/// `HOST`, `HOST:PORT`, `ADDRESS`, `[ADDRESS6]` or `[ADDRESS6]:PORT`.
pub fn target(text: &str) -> Result<Target> {
    let advice = "write HOST or HOST:PORT, an IPv6 address in brackets";
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').with_context(|| format!("peer '{text}': {advice}"))?;
        (host, after.strip_prefix(':').or(if after.is_empty() { None } else { Some("?") }))
    } else if text.matches(':').count() > 1 {
        bail!("peer '{text}': {advice}");
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        bail!("peer '{text}': {advice}");
    }
    let port = match port {
        None => PORT,
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => port,
            _ => bail!("peer '{text}': '{port}' is no port"),
        },
    };
    Ok(Target { host: host.to_owned(), port })
}

fn answers(router: &WeaveEndpoint) -> bool {
    let addresses = router.address().to_socket_addrs().into_iter().flatten();
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, ROUTER_PATIENCE).is_ok())
}

impl Options {
    pub fn host_name(&self) -> String {
        let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.hostname.clone().unwrap_or_else(own)
    }

    fn secret(&self) -> Result<String> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(file)) => {
                let text = fs::read_to_string(file);
                let token = text.with_context(|| format!("token file {} cannot be read", file.display()))?;
                Ok(token.trim().to_owned())
            }
            (None, None) => Ok(String::new()),
        }
    }

    fn store_access(&self) -> Result<Access> {
        let user = self.cluster_store_user.as_deref().map(User::parse).transpose();
        let user = user.map_err(|error| anyhow!("--cluster-store-user: {error}"))?;
        let own = self.cluster_store_cert.as_deref().zip(self.cluster_store_key.as_deref());
        let tls = match (&self.cluster_store_ca, own) {
            (None, None) => None,
            (authorities, own) => Some(Tls::of(authorities.as_deref(), own).map_err(anyhow::Error::msg)?),
        };
        Ok(Access { token: self.cluster_store_token.clone(), user, tls })
    }

    pub fn weave_endpoint(&self) -> Option<WeaveEndpoint> {
        let endpoint = self.weave.clone().map_or(WeaveEndpoint::Default, WeaveEndpoint::At);
        (!self.no_weave).then_some(endpoint)
    }

    pub fn targets(&self) -> Result<Vec<Target>> {
        self.peers.iter().filter(|peer| !peer.is_empty()).map(|peer| target(peer)).collect()
    }

    pub fn app(&self, listen: SocketAddr) -> Result<config::Config> {
        let parse = |filters: &[String], exclude| -> Result<Vec<LabelFilter>> {
            filters.iter().map(|text| LabelFilter::parse(text, exclude).map_err(anyhow::Error::msg)).collect()
        };
        let mut label_filters = parse(&self.container_label_filter, false)?;
        label_filters.extend(parse(&self.container_label_filter_exclude, true)?);
        Ok(config::Config {
            listen,
            hostname: self.host_name(),
            token: self.secret()?,
            patience: Patience::new(self.window, self.forget),
            label_filters,
        })
    }

    pub fn probe(&self, own_app: Option<Target>, state_dir: PathBuf) -> Result<probe::Config> {
        let mut targets: Vec<Target> = own_app.into_iter().collect();
        targets.extend(self.targets()?);
        // In a mesh of Weave Net an app is found by its name.
        if targets.is_empty() && self.weave_endpoint().is_some_and(|router| answers(&router)) {
            targets.push(Target { host: APP_NAME.into(), port: PORT });
        }
        if targets.is_empty() {
            bail!(
                "a probe alone reports to nobody: name an app, as in 'scope probe 10.0.0.11' (or run it beside a Weave \
                 router, whose WeaveDNS tells of apps)"
            );
        }
        Ok(probe::Config {
            targets,
            hostname: self.hostname.clone(),
            token: self.secret()?,
            proc_root: "/proc".into(),
            state_dir,
            docker: match (&self.docker, self.no_docker) {
                (_, true) => None,
                (Some(address), false) => Some(DockerEndpoint::At(address.clone())),
                (None, false) => Some(DockerEndpoint::Default),
            },
            cluster_store: self.cluster_store.clone(),
            store_access: self.store_access()?,
            read_links: !self.no_links,
            read_names: !self.no_dns,
            ask_names: self.reverse_dns,
            sockets: match self.sockets {
                Sockets::Ebpf => With::Ebpf,
                Sockets::Netlink => With::Netlink,
                Sockets::Proc => With::Proc,
            },
            weave: self.weave_endpoint(),
            publish_interval: self.publish_interval,
            omit_command_arguments: self.omit_cmd_args,
            read_environment: self.env_vars,
            version: crate::VERSION.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, u16)>) {
        let found = target(text).ok().map(|t| (t.host, t.port));
        assert_eq!(found, expect.map(|(host, port)| (host.to_owned(), port)), "{text}");
    }

    #[test]
    fn a_peer_is_a_host_with_or_without_a_port() {
        check("10.0.0.11", Some(("10.0.0.11", 4040)));
        check("app.example:80", Some(("app.example", 80)));
        check("[fd00::1]", Some(("fd00::1", 4040)));
        check("[fd00::1]:80", Some(("fd00::1", 80)));
        for wrong in ["", "fd00::1", "[fd00::1", "[fd00::1]x", "h:", "h:0", "h:99999", "http://h", "h h", "-:-"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_length_of_time_has_a_unit_and_bounds() {
        assert_eq!(duration("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "15", "s", "1d", "0s", "99999999999999999h", "-1s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
