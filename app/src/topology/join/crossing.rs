//! Conversations that cross from one host to another as themselves, in no overlay: what leaves a bridge for a port of
//! another host, such as one that a container published there. Between the hosts their packets carry addresses of the
//! hosts' devices.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use shared::id::{HostId, NetNsId};
use shared::report::Role;

use super::{Half, HalfId};

/// What packets between the hosts carry, however many conversations they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Crossing {
    pub from: Sender,
    pub to: IpAddr,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    At(IpAddr),
    /// As its host makes them leave: of short conversations nobody keeps the translated address.
    In(HostId, NetNsId),
}

/// Those that there are, counted.
#[derive(Default)]
pub struct Crossings {
    counts: HashMap<Crossing, usize>,
    /// Since it was last taken.
    touched: HashSet<Crossing>,
}

impl Crossing {
    pub(super) fn of(id: HalfId, half: &Half) -> Option<Self> {
        if let Some(nat) = half.nat {
            return Some(Self { from: Sender::At(nat.from.ip()), to: nat.to.ip(), port: nat.to.port() });
        }
        let is_call = half.flow.is_some() && half.role != Role::Server && half.remote.port() != 0;
        let from = Sender::In(id.host(), half.namespace);
        is_call.then(|| Self { from, to: half.remote.ip(), port: half.remote.port() })
    }
}

impl Crossings {
    pub(super) fn add(&mut self, crossing: Crossing) {
        let count = self.counts.entry(crossing).or_default();
        *count += 1;
        if *count == 1 {
            self.touched.insert(crossing);
        }
    }

    pub(super) fn remove(&mut self, crossing: Crossing) {
        let Some(count) = self.counts.get_mut(&crossing) else { return };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&crossing);
            self.touched.insert(crossing);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Crossing> {
        self.counts.keys()
    }

    /// Which may have come or gone since the last call, and whether they are there.
    pub fn take_touched(&mut self) -> Vec<(Crossing, bool)> {
        let touched = std::mem::take(&mut self.touched).into_iter();
        touched.map(|crossing| (crossing, self.counts.contains_key(&crossing))).collect()
    }
}
