//! Weave Net: its router's HTTP API, read-only. A host without a router lacks nothing; one that answered once and does
//! not any more is told.

pub mod dns;
pub mod network;
mod report;

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use shared::report::{Collector, CollectorState, CollectorStatus, Trouble};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::Config;
use crate::collector::{degraded, latency_ms, ok, wall_ms};
use crate::config::WeaveEndpoint;
use crate::state::Reading;
use report::Answer;

const INTERVAL: Duration = Duration::from_secs(3);
/// Where there is none, one may be launched.
const LOOK_OUT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(4);
/// More of an answer is not read. A mesh of 1,000 peers says some megabytes.
const ANSWER_MAX: u64 = 32 << 20;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no Weave router at {0}")]
    Absent(String),
    #[error("the Weave router at {address} cannot be reached: {reason}")]
    Unreachable { address: String, reason: String },
    #[error("the Weave router at {0} did not answer in time")]
    Silent(String),
    #[error("what {address} answers is no Weave router's report: {reason}")]
    Confused { address: String, reason: String },
}

impl Error {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Absent(_) => Trouble::Absent,
            Self::Unreachable { .. } => Trouble::Unreachable,
            Self::Silent(_) => Trouble::Silent,
            Self::Confused { .. } => Trouble::Confused,
        }
    }
}

pub async fn run(config: Config, readings: mpsc::Sender<Reading>, stop: CancellationToken) {
    let Some(endpoint) = config.weave else {
        let message = "turned off by --no-weave".to_owned();
        let status = CollectorStatus { state: CollectorState::Off, message, ..CollectorStatus::default() };
        let _ = readings.send(Reading::Status(Collector::Weave, status)).await;
        return;
    };
    let is_named = endpoint != WeaveEndpoint::Default;
    let address = endpoint.address().to_owned();
    let agent = agent();
    let mut answered_ms = 0;
    let mut before: Option<CollectorStatus> = None;
    let mut rest = Duration::ZERO;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(rest) => {}
        }
        rest = INTERVAL;
        let (asked, at) = (agent.clone(), address.clone());
        let started = Instant::now();
        // The client blocks; its own patience bounds for how long.
        let Ok(answer) = tokio::task::spawn_blocking(move || ask(&asked, &at)).await else { continue };
        let status = match answer {
            Ok(answer) => {
                answered_ms = wall_ms();
                let ready = answer.is_ready;
                let (name, router) = answer.record();
                let established = router.connections.iter().filter(|c| c.state == "established").count();
                let words = format!(
                    "Weave {} at {address}, {} peers, {established} of {} connections established",
                    router.version,
                    router.peers.len(),
                    router.connections.len()
                );
                if readings.send(Reading::Weave(BTreeMap::from([(name, router)]))).await.is_err() {
                    return;
                }
                let status = if ready { ok(words) } else { degraded(format!("{words}; it is not ready yet")) };
                CollectorStatus { latency_ms: latency_ms(started.elapsed()), ..status }
            }
            // Most hosts have none, and something else may listen there.
            Err(error) if !is_named && answered_ms == 0 => CollectorStatus {
                state: CollectorState::Off,
                message: format!("no Weave router at {address}; name one with --weave"),
                trouble: error.trouble(),
                ..CollectorStatus::default()
            },
            Err(error) => CollectorStatus {
                state: CollectorState::Failed,
                message: error.to_string(),
                trouble: error.trouble(),
                answered_ms,
                ..CollectorStatus::default()
            },
        };
        if status.state == CollectorState::Off {
            rest = LOOK_OUT;
        }
        if before.as_ref() != Some(&status) {
            match status.state {
                CollectorState::Failed => warn!(message = %status.message, "weave router"),
                CollectorState::Ok if before.as_ref().is_none_or(|old| old.state != status.state) => {
                    info!(message = %status.message, "weave router");
                }
                _ => {}
            }
            before = Some(status.clone());
            if readings.send(Reading::Status(Collector::Weave, status)).await.is_err() {
                return;
            }
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).max_redirects(0).build().into()
}

fn ask(agent: &ureq::Agent, address: &str) -> Result<Answer, Error> {
    let owned = || address.to_owned();
    let confused = |reason: String| Error::Confused { address: owned(), reason };
    let answer = agent.get(format!("http://{address}/report")).header("Accept", "application/json").call();
    let answer = answer.map_err(|error| match error {
        ureq::Error::Timeout(_) => Error::Silent(owned()),
        ureq::Error::StatusCode(code) => confused(format!("status {code}")),
        ureq::Error::Io(source) if source.kind() == std::io::ErrorKind::ConnectionRefused => Error::Absent(owned()),
        other => Error::Unreachable { address: owned(), reason: other.to_string() },
    })?;
    let mut text = Vec::new();
    let mut body = answer.into_body().into_reader().take(ANSWER_MAX + 1);
    body.read_to_end(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::TimedOut => Error::Silent(owned()),
        _ => Error::Unreachable { address: owned(), reason: error.to_string() },
    })?;
    if text.len() as u64 > ANSWER_MAX {
        return Err(confused(format!("more than {} MB", ANSWER_MAX >> 20)));
    }
    serde_json::from_slice(&text).map_err(|error| confused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// A server for one call that answers so; none: it takes the call and says nothing.
    fn serve(answer: Option<&'static [u8]>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut call, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = call.read(&mut request);
            match answer {
                Some(answer) => drop(call.write_all(answer)),
                None => drop(call.read(&mut request)),
            }
        });
        address
    }

    fn trouble(answer: Option<&'static [u8]>) -> Trouble {
        ask(&agent(), &serve(answer)).unwrap_err().trouble()
    }

    #[test]
    fn a_router_that_fails_does_so_in_its_own_way() {
        assert_eq!(trouble(Some(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"a\":")), Trouble::Confused);
        assert_eq!(
            trouble(Some(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")),
            Trouble::Confused,
            "no router in it"
        );
        assert_eq!(trouble(Some(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")), Trouble::Confused);
        assert_eq!(trouble(None), Trouble::Silent);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        assert_eq!(ask(&agent(), &nobody).unwrap_err().trouble(), Trouble::Absent);
    }
}
