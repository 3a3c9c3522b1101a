//! Where a thing stands in a view: which node of the view it is, or is part of.

use std::collections::BTreeMap;

use shared::id::{ContainerId, HostId};
use shared::report::{LinkKey, SwarmMember};

use super::Kind;
use crate::store::Store;
use crate::topology::{Entity, Outside, swarm};

/// A node of a view, by what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// One thing, itself.
    Single(Entity),
    /// Things that share a name.
    Group(String),
    /// Processes of a host that are in no container.
    Uncontained(HostId),
    /// Containers of a host that belong to no service.
    Unmanaged(HostId),
}

/// Where the ends of conversations of `entity` stand, and whether `entity` itself makes the node be there.
pub fn place(kind: Kind, entity: &Entity, store: &Store) -> Option<(Place, bool)> {
    if let Entity::Outside(_) = entity {
        return (!matches!(kind, Kind::Networks | Kind::Interfaces | Kind::Weave | Kind::Daemons))
            .then(|| (Place::Single(entity.clone()), true));
    }
    match (kind, entity) {
        (Kind::Processes, Entity::Process(..)) => Some((Place::Single(entity.clone()), true)),
        (Kind::ProcessesByName, Entity::Process(host, id)) => {
            let name = &store.hosts.get(host)?.report.processes.get(id)?.name;
            Some((Place::Group(name.clone()), true))
        }
        (Kind::Containers | Kind::ContainersByHostname | Kind::ContainersByImage | Kind::ContainersByStack, _) => {
            match entity {
                Entity::Container(..) => Some((container(kind, entity, store)?, true)),
                Entity::Process(host, id) => match &store.hosts.get(host)?.report.processes.get(id)?.container {
                    Some(inside) => Some((container(kind, &Entity::Container(*host, inside.clone()), store)?, false)),
                    None => Some((Place::Uncontained(*host), true)),
                },
                Entity::Host(host) => Some((Place::Uncontained(*host), false)),
                // Of image and host name nothing is known.
                Entity::Unprobed(_) if kind == Kind::Containers => Some((Place::Single(entity.clone()), true)),
                _ => None,
            }
        }
        (Kind::Hosts, Entity::Host(host)) => Some((Place::Single(Entity::Host(*host)), true)),
        (Kind::Hosts, Entity::Process(host, _) | Entity::Container(host, _)) => {
            Some((Place::Single(Entity::Host(*host)), false))
        }
        (Kind::Networks, Entity::Network(_)) => Some((Place::Single(entity.clone()), true)),
        (Kind::Interfaces, Entity::Interface(..))
        | (Kind::SwarmServices, Entity::Service(_))
        | (Kind::SwarmTasks, Entity::Task(_))
        | (Kind::SwarmNodes, Entity::SwarmNode(_))
        | (Kind::Weave, Entity::WeavePeer(_))
        | (Kind::Daemons, Entity::Daemon(..) | Entity::StoreMember(..)) => Some((Place::Single(entity.clone()), true)),
        // Of a host that is in no swarm nothing is missed here.
        (Kind::SwarmServices | Kind::SwarmTasks, _) => match entity {
            Entity::Container(host, _) | Entity::Process(host, _) | Entity::Host(host)
                if member(*host, store).is_none() =>
            {
                None
            }
            Entity::Container(host, id) => in_swarm(kind, *host, id, store),
            Entity::Process(host, id) => match &store.hosts.get(host)?.report.processes.get(id)?.container {
                Some(inside) => in_swarm(kind, *host, inside, store).map(|(place, _)| (place, false)),
                None => Some((Place::Uncontained(*host), true)),
            },
            Entity::Host(host) => Some((Place::Uncontained(*host), false)),
            _ => None,
        },
        (Kind::SwarmNodes, Entity::Host(host) | Entity::Process(host, _) | Entity::Container(host, _)) => {
            Some((Place::Single(Entity::SwarmNode(member(*host, store)?.node.clone())), false))
        }
        _ => None,
    }
}

fn member(host: HostId, store: &Store) -> Option<&SwarmMember> {
    store.hosts.get(&host)?.report.host.engine.as_ref()?.swarm.as_ref()
}

/// The service or task that a container belongs to; without one it is its host's own affair.
fn in_swarm(kind: Kind, host: HostId, id: &ContainerId, store: &Store) -> Option<(Place, bool)> {
    let record = store.hosts.get(&host)?.report.containers.get(id)?;
    Some(match swarm::placed(record) {
        Some(placed) if kind == Kind::SwarmTasks => (Place::Single(Entity::Task(placed.task)), false),
        Some(placed) => (Place::Single(Entity::Service(placed.service)), false),
        None => (Place::Unmanaged(host), true),
    })
}

fn container(kind: Kind, entity: &Entity, store: &Store) -> Option<Place> {
    let Entity::Container(host, id) = entity else { return None };
    let record = store.hosts.get(host)?.report.containers.get(id)?;
    match kind {
        Kind::ContainersByHostname => (!record.hostname.is_empty()).then(|| Place::Group(record.hostname.clone())),
        Kind::ContainersByImage => {
            let name = image_group(&record.image_name);
            (!name.is_empty()).then(|| Place::Group(name.to_owned()))
        }
        // Edges from and to those without one are not to be lost.
        Kind::ContainersByStack => Some(Place::Group(stack(&record.labels).unwrap_or_default().to_owned())),
        _ => Some(Place::Single(entity.clone())),
    }
}

/// The Swarm stack or the Compose project that something is of, by its labels.
pub fn stack(labels: &BTreeMap<String, String>) -> Option<&str> {
    const LABELS: [&str; 3] = ["com.docker.stack.namespace", "com.docker.compose.project", "io.podman.compose.project"];
    LABELS.iter().find_map(|label| labels.get(*label)).map(String::as_str).filter(|name| !name.is_empty())
}

/// An image's name without tag and digest, and without the registry's host where three parts name it.
pub fn image_group(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        // A colon before the last slash is a registry's port.
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    };
    match name.split_once('/') {
        Some((registry, rest)) if rest.contains('/') && (registry.contains('.') || registry.contains(':')) => rest,
        _ => name,
    }
}

pub fn image_tag(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag,
        _ => "",
    }
}

/// The id of a node in the API.
pub fn api_id(kind: Kind, place: &Place, store: &Store) -> Option<String> {
    let name = |host: &HostId| store.hosts.get(host).map(|h| h.api_name.clone());
    Some(match place {
        Place::Single(Entity::Host(host)) => format!("{};<host>", name(host)?),
        Place::Single(Entity::Process(host, id)) => format!("{};{}", name(host)?, id.pid),
        Place::Single(Entity::Container(_, id)) => format!("{id};<container>"),
        Place::Single(Entity::Network(key)) => key.api_id(),
        Place::Single(Entity::Service(id)) => format!("{id};<swarm_service>"),
        Place::Single(Entity::Task(id)) => format!("{id};<swarm_task>"),
        Place::Single(Entity::SwarmNode(id)) => format!("{id};<swarm_node>"),
        Place::Single(Entity::WeavePeer(id)) => format!("#{id}"),
        Place::Single(Entity::Daemon(host, daemon)) => format!("{}:{};<daemon>", name(host)?, daemon.id()),
        Place::Single(Entity::Interface(host, LinkKey { namespace, index })) => {
            format!("{}:{}:{index};<interface>", name(host)?, namespace.0)
        }
        Place::Single(Entity::StoreMember(kind, address)) => {
            format!("{}@{address};<store>", kind.name().to_lowercase())
        }
        Place::Single(Entity::Unprobed(one)) => format!("{}@{};<unprobed_container>", one.name, one.vtep),
        Place::Single(Entity::Outside(Outside::Inbound)) => "in-theinternet".into(),
        Place::Single(Entity::Outside(Outside::Outbound)) => "out-theinternet".into(),
        Place::Single(Entity::Outside(Outside::Named(name))) => format!("service-{name}"),
        Place::Group(group) if kind == Kind::ContainersByImage => format!("{group};<container_image>"),
        Place::Group(group) if kind == Kind::ContainersByStack => format!("{group};<stack>"),
        Place::Group(group) => group.clone(),
        Place::Uncontained(host) => format!("pseudo:uncontained:{}", name(host)?),
        Place::Unmanaged(host) => format!("pseudo:unmanaged:{}", name(host)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_group_by_name_without_tag_digest_and_registry() {
        for (reference, name, tag) in [
            ("redis:7", "redis", "7"),
            ("redis", "redis", ""),
            ("rp/busybox:1", "rp/busybox", "1"),
            ("quay.io/team/app:v1", "team/app", "v1"),
            ("localhost:5000/app", "localhost:5000/app", ""),
            ("localhost:5000/team/app:2", "team/app", "2"),
            ("app@sha256:abc", "app", ""),
        ] {
            assert_eq!((image_group(reference), image_tag(reference)), (name, tag), "{reference}");
        }
    }
}
