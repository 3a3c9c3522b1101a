//! Interfaces in words: what each is, whose, and what it leads to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use shared::id::{HostId, NetworkId};
use shared::report::{Link, LinkKey, Network};
use shared::view::{Parent, Row, Summary};

use super::{container_label, host_parent, liveness};
use crate::store::{HostState, Store};
use crate::topology::NetworkKey;
use crate::topology::interfaces::overlay_of;
use crate::view::wording::links::{leads_to, link_name, namespace_name, state};
use crate::view::wording::{joined, parent, present, row, typed};

pub fn interface_summary(store: &Store, id: HostId, key: LinkKey) -> Option<Summary> {
    let host = store.hosts.get(&id)?;
    let link = host.report.links.get(&key)?;
    let namespace = host.report.namespaces.get(&key.namespace);
    let of_host = namespace.is_some_and(|namespace| namespace.is_host);
    let whose = namespace_name(host, key.namespace).unwrap_or_else(|| "a namespace of its own".into());
    Some(Summary {
        label: link.name.clone(),
        label_minor: if of_host { host.api_name.clone() } else { format!("{whose} on {}", host.api_name) },
        rank: link.kind.clone(),
        shape: "octagon".into(),
        kind: "interface".into(),
        state: match (liveness(host), state(link)) {
            ("", "up") => String::new(),
            ("", state) => state.into(),
            (silent, _) => silent.into(),
        },
        metadata: present(rows(host, key, link, &whose)),
        parents: parents(id, host, key),
        networks: networks(id, host, key, link),
        ..Summary::default()
    })
}

fn rows(host: &HostState, key: LinkKey, link: &Link, whose: &str) -> Vec<Row> {
    let beside = |index: u32| link_name(host, LinkKey { index, ..key });
    let vxlan = link.vxlan.as_ref();
    let port = vxlan.map(|vxlan| vxlan.port).filter(|port| *port > 0);
    vec![
        row("interface_kind", "Kind", link.kind.as_str(), 1.0),
        row("interface_state", "State", state(link), 2.0),
        row("interface_addresses", "Addresses", joined(&link.addresses), 3.0),
        row("interface_mac", "MAC", link.mac.as_str(), 4.0),
        typed(row("interface_mtu", "MTU", link.mtu.to_string(), 5.0), "number"),
        row("interface_leads_to", "Leads to", leads_to(host, key, link), 6.0),
        row("interface_master", "Port of", link.master.map(beside).unwrap_or_default(), 7.0),
        row("interface_vni", "VNI", joined(vxlan.map(|vxlan| vxlan.vni)), 8.0),
        row("interface_port", "VXLAN port", joined(port), 9.0),
        row("interface_local", "Sends from", joined(vxlan.and_then(|vxlan| vxlan.local)), 10.0),
        row("interface_namespace", "Namespace", whose, 11.0),
        row("interface_host", "Host", host.api_name.as_str(), 12.0),
        typed(row("interface_index", "Index", key.index.to_string(), 13.0), "number"),
    ]
}

/// Of a container's interface the one that it has an address of, of an overlay's namespace that, of a bridge its own.
fn networks(id: HostId, host: &HostState, key: LinkKey, link: &Link) -> Vec<Parent> {
    let named = |network: &NetworkId| {
        let record = host.report.networks.get(network)?;
        Some(parent(NetworkKey::new(id, network, record.scope).api_id(), &record.name, "networks"))
    };
    if let Some(network) = overlay_of(id, host, key.namespace) {
        return named(network.id()).into_iter().collect();
    }
    let has = |address: &IpAddr| link.addresses.iter().any(|subnet| subnet.address == *address);
    let inside = host.report.containers.values().filter(|container| container.namespace == Some(key.namespace));
    let endpoints =
        inside.filter(|container| !container.host_network).flat_map(|container| container.endpoints.values());
    let mut found: BTreeSet<&NetworkId> =
        endpoints.filter(|endpoint| endpoint.addresses.iter().any(has)).filter_map(|e| e.network.as_ref()).collect();
    if link.kind == "bridge" {
        let own = |network: &Network| network.gateways.iter().any(has);
        found.extend(host.report.networks.iter().filter(|(_, network)| own(network)).map(|(id, _)| id));
    }
    found.into_iter().filter_map(named).collect()
}

fn parents(id: HostId, host: &HostState, key: LinkKey) -> Vec<Parent> {
    let inside = host.report.containers.iter();
    let inside = inside.filter(|(_, container)| container.namespace == Some(key.namespace) && !container.host_network);
    let mut parents: Vec<Parent> = inside
        .map(|(id, container)| parent(format!("{id};<container>"), &container_label(container, &id.0), "containers"))
        .collect();
    if let Some(network) = overlay_of(id, host, key.namespace) {
        let name = host.report.networks.get(network.id()).map_or_else(String::new, |record| record.name.clone());
        parents.push(parent(network.api_id(), &name, "networks"));
    }
    parents.push(host_parent(host));
    parents
}
