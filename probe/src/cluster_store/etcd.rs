//! etcd 2 and 3 with its version 2 API, which is the one that Docker speaks.

use serde_json::Value;
use shared::report::{StoreMember, Trouble};

use super::caller::Caller;
use super::keys::{Keys, ROOT};
use super::{Answer, Failure};

pub fn ask(caller: &Caller, endpoint: &str) -> Result<Answer, Failure> {
    let (_, version) = caller.json(endpoint, "/version")?;
    let Some(version) = version["etcdserver"].as_str() else {
        return Err(Failure { trouble: Trouble::Confused, error: "it is no etcd: /version does not tell".into() });
    };
    let (_, stats) = caller.json(endpoint, "/v2/stats/self")?;
    // A member that has no leader says so here, with status 503.
    let (_, health) = caller.get(endpoint, "/health")?;
    // Where access is by user, who the others are may stay unsaid.
    let members = caller.json(endpoint, "/v2/members").map(|(_, members)| members).unwrap_or_default();
    Ok(answer(version, &stats, &health, &members))
}

fn answer(version: &str, stats: &Value, health: &str, members: &Value) -> Answer {
    let role = match stats["state"].as_str() {
        Some("StateLeader") => "leader",
        Some("StateFollower") => "follower",
        _ => "",
    };
    let urls = members["members"].as_array().into_iter().flatten();
    let urls = urls.filter_map(|member| member["clientURLs"].as_array()?.first()?.as_str()?.split_once("://"));
    let others = urls.map(|(_, url)| url.trim_end_matches('/').to_owned());
    // What is bound to all addresses is told of as such, and leads nowhere from elsewhere.
    let others = others.filter(|url| !url.starts_with("0.0.0.0:") && !url.starts_with("localhost:")).collect();
    let member = StoreMember {
        name: stats["name"].as_str().unwrap_or_default().into(),
        version: version.into(),
        role: role.into(),
        has_leader: health.replace(' ', "").contains("\"health\":\"true\""),
        ..StoreMember::default()
    };
    Answer { member, others, ..Answer::default() }
}

/// All keys of engines below a prefix.
pub fn keys(caller: &Caller, endpoint: &str, prefix: &str) -> Result<Keys, Failure> {
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let (status, answer) = caller.json(endpoint, &format!("/v2/keys/{prefix}{ROOT}?recursive=true"))?;
    // Nothing is there.
    if status == 404 {
        return Ok(Keys::new());
    }
    if status != 200 {
        let error = format!("it answers status {status} for its keys: {}", answer["message"]);
        return Err(Failure { trouble: Trouble::Confused, error });
    }
    let mut keys = Keys::new();
    walk(&answer["node"], &prefix, &mut keys);
    Ok(keys)
}

fn walk(node: &Value, prefix: &str, keys: &mut Keys) {
    if let (Some(key), Some(value)) = (node["key"].as_str(), node["value"].as_str()) {
        let key = key.trim_matches('/');
        keys.insert(key.strip_prefix(prefix).unwrap_or(key).to_owned(), value.to_owned());
    }
    node["nodes"].as_array().into_iter().flatten().for_each(|below| walk(below, prefix, keys));
}

#[cfg(test)]
mod tests {
    use super::super::keys::tests as recorded;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_tells_who_it_is_whether_there_is_a_leader_and_where_the_others_are() {
        let stats = json!({ "name": "h1", "state": "StateFollower", "leaderInfo": { "leader": "8e9e05c52164694d" } });
        let members = json!({ "members": [
            { "name": "h1", "clientURLs": ["http://10.77.0.11:2379"] },
            { "name": "h2", "clientURLs": ["https://10.77.0.12:2379/"] },
            { "name": "new", "clientURLs": [] },
        ] });
        let Answer { member, others, .. } = answer("3.4.23", &stats, r#"{"health":"true"}"#, &members);
        assert_eq!((member.role.as_str(), member.name.as_str(), member.has_leader), ("follower", "h1", true));
        assert_eq!(others.into_iter().collect::<Vec<_>>(), ["10.77.0.11:2379", "10.77.0.12:2379"]);
        let Answer { member, .. } =
            answer("3.4.23", &json!({ "state": "StateCandidate" }), r#"{"health":"false"}"#, &json!({}));
        assert!(!member.has_leader && member.role.is_empty());
    }

    #[test]
    fn recorded_keys_are_those_of_engines() {
        let answer: Value = serde_json::from_str(recorded::ETCD).unwrap();
        let mut keys = Keys::new();
        walk(&answer["node"], "", &mut keys);
        recorded::check(&keys);
    }
}
