//! An engine's info as it is: the library that asks it everything else leaves out what engines of today do not say any
//! more, such as their cluster store, and what the manager of a standalone Swarm says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::client::SOCKETS;
use crate::config::DockerEndpoint;

const PATIENCE: Duration = Duration::from_secs(4);
const ANSWER_MAX: u64 = 4 << 20;

/// None where it does not answer, or answers no JSON. Blocks for as long as its patience lasts.
pub fn info(docker: Option<&DockerEndpoint>) -> Option<Value> {
    let text = match docker? {
        DockerEndpoint::Default => over_socket(SOCKETS.iter().find(|path| Path::new(path).exists())?)?,
        DockerEndpoint::At(address) => match address.strip_prefix("unix://") {
            Some(path) => over_socket(path)?,
            None => {
                let host = address.strip_prefix("tcp://").or_else(|| address.strip_prefix("http://"))?;
                over_tcp(host.trim_end_matches('/'))?
            }
        },
    };
    serde_json::from_str(&text).ok()
}

fn over_tcp(host: &str) -> Option<String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).max_redirects(0);
    let agent: ureq::Agent = config.build().into();
    let answer = agent.get(format!("http://{host}/info")).call().ok()?;
    let mut text = String::new();
    answer.into_body().into_reader().take(ANSWER_MAX).read_to_string(&mut text).ok()?;
    Some(text)
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
