//! Consul's agent and status API.

use shared::report::{StoreMember, Trouble};

use super::{Answer, Failure, json};

pub fn ask(agent: &ureq::Agent, endpoint: &str) -> Result<Answer, Failure> {
    let (_, leader) = json(agent, &format!("http://{endpoint}/v1/status/leader"))?;
    let Some(leader) = leader.as_str() else {
        return Err(Failure {
            trouble: Trouble::Confused,
            error: "it is no Consul: /v1/status/leader does not tell".into(),
        });
    };
    // Where access is by token, who it is stays unsaid.
    let itself = json(agent, &format!("http://{endpoint}/v1/agent/self")).map(|(_, itself)| itself).unwrap_or_default();
    Ok(Answer { member: member(leader, &itself), others: std::collections::BTreeSet::new() })
}

fn member(leader: &str, itself: &serde_json::Value) -> StoreMember {
    let (config, address) = (&itself["Config"], itself["Member"]["Addr"].as_str().unwrap_or_default());
    let leads = !address.is_empty() && leader.rsplit_once(':').is_some_and(|(host, _)| host == address);
    let role = match config["Server"].as_bool() {
        _ if leads => "leader",
        Some(true) => "follower",
        Some(false) => "client",
        None => "",
    };
    StoreMember {
        name: config["NodeName"].as_str().unwrap_or_default().into(),
        version: config["Version"].as_str().unwrap_or_default().into(),
        role: role.into(),
        has_leader: !leader.is_empty(),
        ..StoreMember::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_agent_tells_its_part_and_whether_there_is_a_leader() {
        let itself = json!({
            "Config": { "NodeName": "kv", "Version": "1.8.7", "Server": true },
            "Member": { "Addr": "10.77.0.1" },
        });
        let read = |leader| {
            let member = member(leader, &itself);
            (member.role, member.has_leader)
        };
        assert_eq!(read("10.77.0.1:8300"), ("leader".into(), true));
        assert_eq!(read("10.77.0.2:8300"), ("follower".into(), true));
        assert_eq!(read(""), ("follower".into(), false));
        assert_eq!(member("10.77.0.1:8300", &json!({})).role, "", "access denied");
    }
}
