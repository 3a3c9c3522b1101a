//! Which containers are in which network namespace.

use foldhash::HashMap;
use shared::id::{ContainerId, HostId, NetNsId};

use crate::store::Store;

/// Containers by host and namespace, but for those that use the host's own.
#[derive(Default)]
pub struct Residents(HashMap<HostId, HashMap<NetNsId, Vec<ContainerId>>>);

impl Residents {
    /// Reads the host's report again.
    pub fn renew(&mut self, store: &Store, id: HostId) {
        let mut all: HashMap<NetNsId, Vec<ContainerId>> = HashMap::default();
        let containers = store.hosts.get(&id).into_iter().flat_map(|host| &host.report.containers);
        for (container, record) in containers.filter(|(_, record)| !record.host_network) {
            if let Some(namespace) = record.namespace {
                all.entry(namespace).or_default().push(container.clone());
            }
        }
        self.0.insert(id, all);
    }

    pub fn forget(&mut self, id: HostId) {
        self.0.remove(&id);
    }

    /// In the order of their ids.
    pub fn of(&self, host: HostId, namespace: NetNsId) -> &[ContainerId] {
        self.0.get(&host).and_then(|host| host.get(&namespace)).map(Vec::as_slice).unwrap_or_default()
    }
}
