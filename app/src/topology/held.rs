//! Things that several hosts know of at once: a swarm's nodes, services and tasks. Managers list them, engines know them
//! by the labels of their containers. A thing is there as long as anybody knows of it.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use shared::id::{ContainerId, HostId};

use super::Entity;

/// Who knows of a thing: a host by its tables, or by a container of its own.
pub type Holder = (HostId, Option<ContainerId>);

#[derive(Default)]
pub struct Held {
    holders: HashMap<Entity, BTreeSet<Holder>>,
    by_holder: BTreeMap<Holder, BTreeSet<Entity>>,
}

impl Held {
    pub fn hold(&mut self, entity: &Entity, holder: &Holder) {
        self.holders.entry(entity.clone()).or_default().insert(holder.clone());
        self.by_holder.entry(holder.clone()).or_default().insert(entity.clone());
    }

    /// Whether nobody knows of it any more.
    pub fn release(&mut self, entity: &Entity, holder: &Holder) -> bool {
        if let Some(held) = self.by_holder.get_mut(holder) {
            held.remove(entity);
            if held.is_empty() {
                self.by_holder.remove(holder);
            }
        }
        let Some(holders) = self.holders.get_mut(entity) else { return false };
        holders.remove(holder);
        let is_alone = holders.is_empty();
        if is_alone {
            self.holders.remove(entity);
        }
        is_alone
    }

    pub fn all(&self) -> impl Iterator<Item = &Entity> {
        self.holders.keys()
    }

    pub fn by(&self, holder: &Holder) -> Vec<Entity> {
        self.by_holder.get(holder).into_iter().flatten().cloned().collect()
    }

    /// All holders that are of a host.
    pub fn of_host(&self, host: HostId) -> Vec<Holder> {
        // A host's tables come before its containers.
        let from = self.by_holder.range((host, None)..);
        from.map(|(holder, _)| holder).take_while(|(id, _)| *id == host).cloned().collect()
    }

    /// Hosts that list it, in the order of their ids.
    pub fn listed_by(&self, entity: &Entity) -> impl Iterator<Item = HostId> {
        let holders = self.holders.get(entity).into_iter().flatten();
        holders.filter(|(_, container)| container.is_none()).map(|(host, _)| *host)
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty() && self.by_holder.is_empty()
    }
}
