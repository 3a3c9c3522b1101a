//! Where a thing stands in a view: which node of the view it is, or is part of.

use shared::id::HostId;

use super::Kind;
use crate::store::Store;
use crate::topology::{Entity, Outside};

/// A node of a view, by what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// One thing, itself.
    Single(Entity),
    /// Things that share a name.
    Group(String),
    /// Processes of a host that are in no container.
    Uncontained(HostId),
}

/// Where the ends of conversations of `entity` stand, and whether `entity` itself makes the node be there.
pub fn place(kind: Kind, entity: &Entity, store: &Store) -> Option<(Place, bool)> {
    if let Entity::Outside(_) = entity {
        return (kind != Kind::Networks).then(|| (Place::Single(entity.clone()), true));
    }
    match kind {
        Kind::Processes => match entity {
            Entity::Process(..) => Some((Place::Single(entity.clone()), true)),
            Entity::Host(_) | Entity::Container(..) | Entity::Network(_) | Entity::Outside(_) => None,
        },
        Kind::ProcessesByName => match entity {
            Entity::Process(host, id) => {
                let name = &store.hosts.get(host)?.report.processes.get(id)?.name;
                Some((Place::Group(name.clone()), true))
            }
            Entity::Host(_) | Entity::Container(..) | Entity::Network(_) | Entity::Outside(_) => None,
        },
        Kind::Containers | Kind::ContainersByHostname | Kind::ContainersByImage => match entity {
            Entity::Container(..) => Some((container(kind, entity, store)?, true)),
            Entity::Process(host, id) => match &store.hosts.get(host)?.report.processes.get(id)?.container {
                Some(inside) => Some((container(kind, &Entity::Container(*host, inside.clone()), store)?, false)),
                None => Some((Place::Uncontained(*host), true)),
            },
            Entity::Host(host) => Some((Place::Uncontained(*host), false)),
            Entity::Network(_) | Entity::Outside(_) => None,
        },
        Kind::Hosts => match entity {
            Entity::Host(host) => Some((Place::Single(Entity::Host(*host)), true)),
            Entity::Process(host, _) | Entity::Container(host, _) => Some((Place::Single(Entity::Host(*host)), false)),
            Entity::Network(_) | Entity::Outside(_) => None,
        },
        Kind::Networks => match entity {
            Entity::Network(_) => Some((Place::Single(entity.clone()), true)),
            Entity::Host(_) | Entity::Process(..) | Entity::Container(..) | Entity::Outside(_) => None,
        },
    }
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
        Kind::Containers | Kind::Processes | Kind::ProcessesByName | Kind::Hosts | Kind::Networks => {
            Some(Place::Single(entity.clone()))
        }
    }
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
        Place::Single(Entity::Outside(Outside::Inbound)) => "in-theinternet".into(),
        Place::Single(Entity::Outside(Outside::Outbound)) => "out-theinternet".into(),
        Place::Group(group) if kind == Kind::ContainersByImage => format!("{group};<container_image>"),
        Place::Group(group) => group.clone(),
        Place::Uncontained(host) => format!("pseudo:uncontained:{}", name(host)?),
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
