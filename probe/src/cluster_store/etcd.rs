//! etcd 2 and 3 with its version 2 API, which is the one that Docker speaks.

use shared::report::{StoreMember, Trouble};

use super::{Answer, Failure, get, json};

pub fn ask(agent: &ureq::Agent, endpoint: &str) -> Result<Answer, Failure> {
    let (_, version) = json(agent, &format!("http://{endpoint}/version"))?;
    let Some(version) = version["etcdserver"].as_str() else {
        return Err(Failure { trouble: Trouble::Confused, error: "it is no etcd: /version does not tell".into() });
    };
    let (_, stats) = json(agent, &format!("http://{endpoint}/v2/stats/self"))?;
    // A member that has no leader says so here, with status 503.
    let (_, health) = get(agent, &format!("http://{endpoint}/health"))?;
    let (_, members) = json(agent, &format!("http://{endpoint}/v2/members"))?;
    Ok(answer(version, &stats, &health, &members))
}

fn answer(version: &str, stats: &serde_json::Value, health: &str, members: &serde_json::Value) -> Answer {
    let role = match stats["state"].as_str() {
        Some("StateLeader") => "leader",
        Some("StateFollower") => "follower",
        _ => "",
    };
    let urls = members["members"].as_array().into_iter().flatten();
    let urls = urls.filter_map(|member| member["clientURLs"].as_array()?.first()?.as_str()?.strip_prefix("http://"));
    let others = urls.map(|url| url.trim_end_matches('/').to_owned());
    // What is bound to all addresses is told of as such, and leads nowhere from elsewhere.
    let others = others.filter(|url| !url.starts_with("0.0.0.0:") && !url.starts_with("localhost:")).collect();
    let member = StoreMember {
        name: stats["name"].as_str().unwrap_or_default().into(),
        version: version.into(),
        role: role.into(),
        has_leader: health.replace(' ', "").contains("\"health\":\"true\""),
        ..StoreMember::default()
    };
    Answer { member, others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_tells_who_it_is_whether_there_is_a_leader_and_where_the_others_are() {
        let stats = json!({ "name": "h1", "state": "StateFollower", "leaderInfo": { "leader": "8e9e05c52164694d" } });
        let members = json!({ "members": [
            { "name": "h1", "clientURLs": ["http://10.77.0.11:2379"] },
            { "name": "h2", "clientURLs": ["http://10.77.0.12:2379/"] },
            { "name": "new", "clientURLs": [] },
        ] });
        let Answer { member, others } = answer("3.4.23", &stats, r#"{"health":"true"}"#, &members);
        assert_eq!((member.role.as_str(), member.name.as_str(), member.has_leader), ("follower", "h1", true));
        assert_eq!(others.into_iter().collect::<Vec<_>>(), ["10.77.0.11:2379", "10.77.0.12:2379"]);
        let Answer { member, .. } =
            answer("3.4.23", &json!({ "state": "StateCandidate" }), r#"{"health":"false"}"#, &json!({}));
        assert!(!member.has_leader && member.role.is_empty());
    }
}
