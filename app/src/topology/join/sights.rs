//! One conversation as each place on its way sees it: who calls, the network between the hosts, who answers. They differ
//! where a host translates addresses, as for a published port or for what leaves a bridge.

use shared::addr::Tuple;
use shared::report::Role;

use super::{Half, HalfId, Join};
use crate::topology::{ConnectsKey, Entity};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Client,
    Between,
    Server,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Between => "network",
            Self::Server => "server",
        }
    }
}

/// Client to server, as a place sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sight {
    pub place: Place,
    pub tuple: Tuple,
}

impl Join {
    /// The conversations of one edge, each by its sights from client to server; a place that sees what the one before it
    /// sees has none of its own. Short ones, of which no host keeps the ports, are left out.
    pub fn conversations(&self, key: &ConnectsKey) -> Vec<Vec<Sight>> {
        let hosts: Vec<_> = [&key.source, &key.target].into_iter().filter_map(Entity::socket_host).collect();
        let mine = hosts.iter().enumerate().filter(|(n, host)| !hosts[..*n].contains(host));
        let halves = mine.flat_map(|(_, host)| self.of_host(*host));
        let mut all: Vec<Vec<Sight>> = halves.filter_map(|id| self.sights(id, key)).collect();
        all.sort();
        all
    }

    fn sights(&self, id: HalfId, key: &ConnectsKey) -> Option<Vec<Sight>> {
        let half = self.halves.get(&id).filter(|half| half.link.as_ref().is_some_and(|link| link.key == *key))?;
        if half.local.port() == 0 || half.remote.port() == 0 {
            return None;
        }
        // Of a pair, the client has the link.
        let partner = half.partner.and_then(|partner| self.halves.get(&partner));
        let (client, server) = match (partner, half.role) {
            (Some(partner), _) => (Some(half), Some(partner)),
            (None, Role::Server) => (None, Some(half)),
            (None, Role::Client | Role::Unknown) => (Some(half), None),
        };
        let seen = |place: Place| move |tuple: Tuple| Sight { place, tuple };
        let outward = |half: &Half| Tuple { from: half.local, to: half.remote };
        let sights = [
            client.map(outward).map(seen(Place::Client)),
            client.and_then(|half| half.nat).map(seen(Place::Between)),
            server.and_then(|half| half.nat).map(seen(Place::Between)),
            server.map(outward).map(Tuple::reversed).map(seen(Place::Server)),
        ];
        let mut sights: Vec<Sight> = sights.into_iter().flatten().collect();
        sights.dedup_by_key(|sight| sight.tuple);
        Some(sights)
    }
}
