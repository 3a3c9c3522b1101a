//! Consul's agent, status, catalog and KV API.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use shared::report::{StoreMember, Trouble};

use super::caller::Caller;
use super::keys::{Keys, ROOT};
use super::{Answer, Failure};

pub fn ask(caller: &Caller, endpoint: &str) -> Result<Answer, Failure> {
    let (_, leader) = caller.json(endpoint, "/v1/status/leader")?;
    let Some(leader) = leader.as_str() else {
        return Err(Failure {
            trouble: Trouble::Confused,
            error: "it is no Consul: /v1/status/leader does not tell".into(),
        });
    };
    let (_, servers) = caller.json(endpoint, "/v1/status/peers")?;
    // Where access is by token, who it is stays unsaid.
    let itself = caller.json(endpoint, "/v1/agent/self").map(|(_, itself)| itself).unwrap_or_default();
    let mut heard = caller.json(endpoint, "/v1/agent/members").map(|(_, all)| gossip(&all, leader)).unwrap_or_default();
    if heard.is_empty() {
        // A token that may not read nodes may still read services. Of a store without a leader any server answers this.
        let catalog = caller.json(endpoint, "/v1/catalog/service/consul?stale");
        heard = catalog.map(|(_, all)| registered(&all, leader)).unwrap_or_default();
    }
    Ok(Answer { member: member(leader, &servers, &itself), heard, ..Answer::default() })
}

/// The servers that the agent knows by gossip, with whether they take part in it. Where they serve clients, nobody tells.
fn gossip(members: &Value, leader: &str) -> BTreeMap<String, StoreMember> {
    const ALIVE: u64 = 1;
    const FAILED: u64 = 4;
    let servers = members.as_array().into_iter().flatten().filter(|member| member["Tags"]["role"] == "consul");
    let heard = servers.filter_map(|server| {
        let (address, port) = (server["Addr"].as_str()?, server["Port"].as_u64()?);
        let build = server["Tags"]["build"].as_str().unwrap_or_default();
        let version = build.split(':').next().unwrap_or_default();
        let member = other(server["Name"].as_str()?, version, address, leader);
        let member = match server["Status"].as_u64()? {
            ALIVE => member,
            FAILED => StoreMember {
                trouble: Trouble::Unreachable,
                error: "the others do not hear of it any more".into(),
                role: String::new(),
                has_leader: false,
                ..member
            },
            // It left, or is about to.
            _ => return None,
        };
        Some((joined(address, port), member))
    });
    heard.collect()
}

/// The servers as the catalog has them; it does not tell how they are.
fn registered(services: &Value, leader: &str) -> BTreeMap<String, StoreMember> {
    let heard = services.as_array().into_iter().flatten().filter_map(|server| {
        let (address, port) = (server["Address"].as_str()?, server["ServicePort"].as_u64()?);
        let version = server["ServiceMeta"]["version"].as_str().unwrap_or_default();
        Some((joined(address, port), other(server["Node"].as_str()?, version, address, leader)))
    });
    heard.collect()
}

fn other(name: &str, version: &str, address: &str, leader: &str) -> StoreMember {
    let leads = leader.rsplit_once(':').is_some_and(|(host, _)| host.trim_matches(['[', ']']) == address);
    StoreMember {
        name: name.into(),
        version: version.into(),
        role: if leads { "leader" } else { "follower" }.into(),
        has_leader: !leader.is_empty(),
        is_hearsay: true,
        ..StoreMember::default()
    }
}

fn joined(address: &str, port: u64) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn member(leader: &str, servers: &Value, itself: &Value) -> StoreMember {
    let (config, address) = (&itself["Config"], itself["Member"]["Addr"].as_str().unwrap_or_default());
    let leads = !address.is_empty() && leader.rsplit_once(':').is_some_and(|(host, _)| host == address);
    let role = match config["Server"].as_bool() {
        _ if leads => "leader",
        Some(true) => "follower",
        Some(false) => "client",
        None => "",
    };
    let servers = servers.as_array().into_iter().flatten().filter_map(|server| server.as_str());
    StoreMember {
        name: config["NodeName"].as_str().unwrap_or_default().into(),
        version: config["Version"].as_str().unwrap_or_default().into(),
        role: role.into(),
        has_leader: !leader.is_empty(),
        servers: servers.map(str::to_owned).collect(),
        ..StoreMember::default()
    }
}

/// All keys of engines below a prefix.
pub fn keys(caller: &Caller, endpoint: &str, prefix: &str) -> Result<Keys, Failure> {
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let (status, text) = caller.get(endpoint, &format!("/v1/kv/{prefix}{ROOT}?recurse"))?;
    match status {
        // Nothing is there.
        404 => Ok(Keys::new()),
        200 => serde_json::from_str(&text)
            .map(|answer| entries(&answer, &prefix))
            .map_err(|error| Failure { trouble: Trouble::Confused, error: format!("its keys are no JSON: {error}") }),
        _ => Err(Failure {
            trouble: Trouble::Confused,
            error: format!("it answers status {status} for its keys: {}", text.lines().next().unwrap_or_default()),
        }),
    }
}

fn entries(answer: &Value, prefix: &str) -> Keys {
    let entries = answer.as_array().into_iter().flatten().filter_map(|entry| {
        let key = entry["Key"].as_str()?.trim_matches('/');
        let value = BASE64_STANDARD.decode(entry["Value"].as_str()?).ok()?;
        Some((key.strip_prefix(prefix).unwrap_or(key).to_owned(), String::from_utf8(value).ok()?))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::super::keys::parse;
    use super::*;
    use serde_json::json;

    /// Recorded from Consul 1.8.7 with three engines of 20.10.5 on it: GET /v1/kv/?recurse.
    const RECORDED: &str = include_str!("../../fixtures/cluster-store/consul-kv-docker.json");

    #[test]
    fn an_agent_tells_its_part_and_whether_there_is_a_leader() {
        let itself = json!({
            "Config": { "NodeName": "kv", "Version": "1.8.7", "Server": true },
            "Member": { "Addr": "10.77.0.1" },
        });
        let read = |leader| {
            let member = member(leader, &json!(["10.77.0.1:8300"]), &itself);
            (member.role, member.has_leader, member.servers.len())
        };
        assert_eq!(read("10.77.0.1:8300"), ("leader".into(), true, 1));
        assert_eq!(read("10.77.0.2:8300"), ("follower".into(), true, 1));
        assert_eq!(read(""), ("follower".into(), false, 1));
        assert_eq!(member("10.77.0.1:8300", &json!([]), &json!({})).role, "", "access denied");
    }

    #[test]
    fn other_servers_are_known_by_gossip_or_else_by_the_catalog() {
        let member = |name: &str, role: &str, address: &str, status: u64| {
            json!({ "Name": name, "Addr": address, "Port": 8301, "Status": status,
                    "Tags": { "role": role, "build": "1.8.7:abcdef" } })
        };
        let all = json!([
            member("a", "consul", "10.77.0.1", 1),
            member("b", "consul", "10.77.0.2", 4),
            member("c", "consul", "10.77.0.3", 3),
            member("client", "node", "10.77.0.4", 1),
            member("d", "consul", "fd00::5", 1),
        ]);
        let told = |heard: BTreeMap<String, StoreMember>| {
            let told = heard.into_iter().map(|(at, m)| format!("{at} {} {} {}", m.name, m.version, m.role + &m.error));
            told.collect::<Vec<_>>()
        };
        let lost = "10.77.0.2:8301 b 1.8.7 the others do not hear of it any more";
        assert_eq!(
            told(gossip(&all, "10.77.0.1:8300")),
            ["10.77.0.1:8301 a 1.8.7 leader", lost, "[fd00::5]:8301 d 1.8.7 follower"]
        );
        let services = json!([{ "Node": "a", "Address": "10.77.0.1", "ServicePort": 8300,
                                "ServiceMeta": { "version": "1.8.7" } }]);
        assert_eq!(told(registered(&services, "[fd00::5]:8300")), ["10.77.0.1:8300 a 1.8.7 follower"]);
        assert_eq!(told(gossip(&json!([]), "")), Vec::<String>::new());
    }

    #[test]
    fn recorded_keys_are_read_though_they_end_with_a_slash() {
        let (kept, contents) = parse(&entries(&serde_json::from_str(RECORDED).unwrap(), ""));
        let names: Vec<&str> = kept.values().map(|kept| &*kept.network.name).collect();
        assert_eq!(names, ["back", "mesh"]);
        assert!(kept.values().all(|kept| kept.overlay.members.len() == 2), "{kept:?}");
        assert_eq!((contents.nodes.len(), contents.unread, contents.pools.len()), (3, 0, 2));
    }
}
