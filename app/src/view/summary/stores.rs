//! Members of Docker's cluster store in words.

use shared::report::{StoreKind, StoreMember, Trouble};
use shared::view::Summary;

use super::host_parent;
use crate::store::{HostState, Liveness, Store};
use crate::topology::{Entity, Topology};
use crate::view::wording::{joined, present, row};

/// None where nobody tells of it any more.
pub fn member_summary(store: &Store, topology: &Topology, kind: StoreKind, address: &str) -> Option<Summary> {
    let told = told(store, topology, kind, address);
    let (_, member) = told.first()?;
    let here = host_at(store, address);
    let fails = member.trouble != Trouble::None;
    let latency = if member.latency_ms > 0 && !fails { format!("{} ms", member.latency_ms) } else { String::new() };
    let role = match (member.role.as_str(), member.has_leader) {
        (role, true) => role.to_owned(),
        (_, false) if fails => String::new(),
        (_, false) => "without a leader".into(),
    };
    let mut depends: Vec<&str> = told.iter().map(|(host, _)| host.api_name.as_str()).collect();
    depends.sort_unstable();
    let health = if fails { member.error.as_str() } else { "answers" };
    Some(Summary {
        label: kind.name().into(),
        label_minor: here.map_or_else(|| address.to_owned(), |host| host.api_name.clone()),
        rank: format!("store-{}", kind.name().to_lowercase()),
        shape: "cylinder".into(),
        kind: "store".into(),
        state: if fails { "failed".into() } else { String::new() },
        metadata: present(vec![
            row("daemon_version", "Version", member.version.as_str(), 1.0),
            row("daemon_role", "Role", role, 2.0),
            row("daemon_latency", "Latency", latency, 3.0),
            row("daemon_member", "Name", member.name.as_str(), 4.0),
            row("daemon_address", "Address", address, 5.0),
            row("daemon_state", "Health", if fails { "failed" } else { "ok" }, 10.0),
            row("daemon_message", "Says", health, 11.0),
            row("daemon_asked_by", "Asked by", joined(depends), 12.0),
        ]),
        parents: here.map(host_parent).into_iter().collect(),
        ..Summary::default()
    })
}

/// What each host tells of it, those first who are live and whom it answers.
pub fn told<'a>(
    store: &'a Store,
    topology: &Topology,
    kind: StoreKind,
    address: &str,
) -> Vec<(&'a HostState, &'a StoreMember)> {
    let entity = Entity::StoreMember(kind, address.into());
    let listers = topology.listed_by(&entity).filter_map(|id| store.hosts.get(&id));
    let mut told: Vec<(&HostState, &StoreMember)> = listers
        .filter_map(|host| {
            let mut stores = host.report.stores.values().filter(|store| store.kind == kind);
            Some((host, stores.find_map(|store| store.members.get(address))?))
        })
        .collect();
    told.sort_by_key(|(host, member)| {
        (host.liveness != Liveness::Live, member.trouble != Trouble::None, host.api_name.clone())
    });
    told
}

/// The host with a probe that has the address.
pub fn host_at<'a>(store: &'a Store, address: &str) -> Option<&'a HostState> {
    let (host, _) = address.rsplit_once(':')?;
    let ip: std::net::IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    store.hosts.values().find(|host| host.report.host.local_networks.iter().any(|network| network.address == ip))
}
