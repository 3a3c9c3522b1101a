//! What the engine says of its cluster store. The library that asks it everything else knows nothing of that any more:
//! engines from 23.0 on have none.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::address::{Access, Address};
use super::caller::{ANSWER_MAX, Caller};
use crate::config::DockerEndpoint;
use crate::docker::client::SOCKETS;

const PATIENCE: Duration = Duration::from_secs(4);

/// The store, if it has one, and where it says that others reach it; none where it does not answer.
pub fn cluster_store(docker: Option<&DockerEndpoint>) -> Option<Option<(Address, String)>> {
    let text = match docker? {
        DockerEndpoint::Default => over_socket(SOCKETS.iter().find(|path| Path::new(path).exists())?)?,
        DockerEndpoint::At(address) => match address.strip_prefix("unix://") {
            Some(path) => over_socket(path)?,
            None => {
                let host = address.strip_prefix("tcp://").or_else(|| address.strip_prefix("http://"))?;
                Caller::new(&Access::default()).get(host.trim_end_matches('/'), "/info").ok()?.1
            }
        },
    };
    named(&text)
}

fn named(info: &str) -> Option<Option<(Address, String)>> {
    let info: serde_json::Value = serde_json::from_str(info).ok()?;
    let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
    Some(Address::parse(&text("ClusterStore")).ok().map(|address| (address, text("ClusterAdvertise"))))
}

/// The body of the answer. Of HTTP 1.0, in which an answer ends with its connection.
fn over_socket(path: &str) -> Option<String> {
    let mut call = UnixStream::connect(path).ok()?;
    call.set_read_timeout(Some(PATIENCE)).ok()?;
    call.set_write_timeout(Some(PATIENCE)).ok()?;
    call.write_all(b"GET /info HTTP/1.0\r\nHost: engine\r\n\r\n").ok()?;
    let mut answer = String::new();
    call.take(ANSWER_MAX).read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GET /info of Docker Engine 20.10.5 with Consul as cluster store, and of one in a swarm, recorded.
    const WITH_STORE: &str = include_str!("../../fixtures/docker-legacy-consul-h1-info.json");
    const WITHOUT: &str = include_str!("../../fixtures/docker-swarm-h1-info.json");

    #[test]
    fn an_engine_names_its_store_or_has_none() {
        let (address, advertise) = named(WITH_STORE).unwrap().unwrap();
        assert_eq!((&*address.id().0, advertise.as_str()), ("consul://10.77.0.1:8500", "10.77.0.11:2376"));
        assert_eq!(named(WITHOUT), Some(None));
        assert_eq!(named("<html>"), None, "no answer");
    }
}
