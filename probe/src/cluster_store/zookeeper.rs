//! ZooKeeper's four-letter word `srvr`, which every server answers unless it was told not to.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use shared::report::{StoreMember, Trouble};

use super::{Answer, Failure, PATIENCE};

pub fn ask(endpoint: &str) -> Result<Answer, Failure> {
    let unreachable = |error: String| Failure { trouble: Trouble::Unreachable, error };
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
            Failure { trouble: Trouble::Silent, error: format!("no answer within {} s", PATIENCE.as_secs()) }
        }
        _ => Failure { trouble: Trouble::Unreachable, error: error.to_string() },
    };
    let mut addresses = endpoint.to_socket_addrs().map_err(|error| unreachable(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| unreachable("no such host".into()))?;
    let mut call = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
    call.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    call.write_all(b"srvr").map_err(failed)?;
    let mut text = Vec::new();
    call.take(64 << 10).read_to_end(&mut text).map_err(failed)?;
    member(&String::from_utf8_lossy(&text))
}

fn member(text: &str) -> Result<Answer, Failure> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // In a majority that is lost a server answers that it does not serve requests.
    if text.contains("not currently serving requests") {
        return Ok(Answer { member: StoreMember::default(), others: BTreeSet::new() });
    }
    let (Some(mode), Some(version)) = (value("Mode:"), value("Zookeeper version:")) else {
        let said = text.lines().next().unwrap_or("nothing").trim();
        return Err(Failure { trouble: Trouble::Confused, error: format!("it answers srvr with: {said}") });
    };
    let version = version.split(['-', ',']).next().unwrap_or_default().to_owned();
    let member = StoreMember { version, role: mode.into(), has_leader: true, ..StoreMember::default() };
    Ok(Answer { member, others: BTreeSet::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_word_is_read_and_so_is_its_silence_on_requests() {
        let text = "Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2023-02-22\nLatency min/avg/max: 0/0.0/0\nMode: standalone\n";
        let answer = member(text).ok().unwrap();
        assert_eq!((answer.member.version.as_str(), answer.member.role.as_str()), ("3.8.0", "standalone"));
        assert!(answer.member.has_leader);
        let lost = member("This ZooKeeper instance is not currently serving requests\n").ok().unwrap();
        assert!(!lost.member.has_leader);
        let refused = member("srvr is not executed because it is not in the whitelist.\n").err().unwrap();
        assert_eq!(refused.trouble, Trouble::Confused);
        assert!(refused.error.contains("not in the whitelist"));
    }
}
