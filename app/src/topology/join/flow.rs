//! Halves that stand for many conversations, and which flow each half is of: by that hosts tell what conversations carry
//! and what failed of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use foldhash::HashSet;
use shared::addr::Protocol;
use shared::id::HostId;
use shared::report::{Evidence, Failures, Flow, FlowKey, Role};

use super::{Half, HalfId, Join, PARTNER_PATIENCE_MS, Told, far_end};
use crate::topology::ConnectsKey;
use crate::topology::carried::Seat;

impl Half {
    /// Of a flow nobody knows how many are at the moment.
    pub(super) fn is_open(&self) -> bool {
        self.flow.is_none() && self.closed_ms.is_none()
    }

    /// Which flow it is, or is a conversation of.
    pub(super) fn flow(&self) -> FlowKey {
        if let Some(flow) = &self.flow {
            return **flow;
        }
        let Self { namespace, protocol, owner, role, local, remote, .. } = *self;
        let meant = if role == Role::Server { SocketAddr::new(remote.ip(), local.port()) } else { far_end(self) };
        let (remote, port) = (meant.ip(), meant.port());
        FlowKey { namespace, protocol, owner, local: Some(local.ip()), remote, port, role }
    }
}

impl Join {
    /// A flow has no client's port, so it meets nobody and is resolved by its addresses alone. `told` is when the last of its
    /// conversations came to be.
    pub(super) fn insert_flow(
        &mut self,
        host: HostId,
        key: &FlowKey,
        flow: &Flow,
        (told, now_ms): (Told, u64),
    ) -> HalfId {
        let number = *self.flow_numbers.entry((host, *key)).or_insert_with(|| {
            self.flows_numbered += 1;
            self.flows_numbered
        });
        let id = HalfId::Flow(host, number);
        let Flow { count: _, failures, last_ms: _ } = flow;
        let unknown = |address: IpAddr| SocketAddr::new(address, 0);
        let any: IpAddr = if key.remote.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        let here = key.local.unwrap_or(any);
        let (local, remote) = match key.role {
            Role::Client | Role::Unknown => (unknown(here), SocketAddr::new(key.remote, key.port)),
            Role::Server => (SocketAddr::new(here, key.port), unknown(key.remote)),
        };
        let (before, mut owed) = self.halves.get(&id).map(|half| (half.failures, half.owed)).unwrap_or_default();
        let new = failures.since(before);
        if !new.is_none() {
            owed += new;
            self.failed.push(id);
        }
        // Of datagrams there is no handshake to be seen.
        let evidence = if key.protocol == Protocol::Tcp { Evidence::Handshake } else { Evidence::PortRange };
        let link = self.take_out(id);
        self.put_in(
            id,
            Half {
                flow: Some(Arc::new(*key)),
                failures: *failures,
                owed,
                namespace: key.namespace,
                protocol: key.protocol,
                local,
                remote,
                owner: key.owner,
                role: key.role,
                evidence,
                nat: None,
                opened_ms: now_ms.saturating_sub(PARTNER_PATIENCE_MS),
                told,
                closed_ms: None,
                meetings: Vec::new(),
                partner: None,
                was_paired: false,
                met: None,
                link,
            },
        );
        id
    }

    /// The edge that the conversations of a flow are of, and from where they are seen.
    pub fn edge_of(&self, host: HostId, flow: FlowKey) -> Option<(&ConnectsKey, Seat)> {
        let halves = self.by_flow.get(&(host, flow))?.iter().filter_map(|id| Some((id, self.halves.get(id)?)));
        // One that is open knows best.
        let (_, half) = halves.min_by_key(|(id, half)| (half.closed_ms.is_some(), **id))?;
        if let Some(link) = &half.link {
            let seat = if half.role == Role::Server { Seat::Server } else { Seat::Client };
            return Some((&link.key, seat));
        }
        let partner = half.partner.and_then(|partner| self.halves.get(&partner))?;
        Some((&partner.link.as_ref()?.key, Seat::OtherEnd))
    }

    /// Hosts have other figures of these flows.
    pub fn measured(&mut self, flows: impl Iterator<Item = (HostId, FlowKey)>) {
        self.moved.extend(flows);
    }

    /// Flows whose figures may belong elsewhere, or differ; to be asked after `settle`.
    pub fn take_moved(&mut self) -> HashSet<(HostId, FlowKey)> {
        std::mem::take(&mut self.moved)
    }

    /// What failed lately, by the edges that it is of; to be asked after `settle`.
    pub fn take_failures(&mut self) -> Vec<(ConnectsKey, Failures)> {
        let mut placed = Vec::new();
        for id in std::mem::take(&mut self.failed) {
            let Some(half) = self.halves.get_mut(&id).filter(|half| !half.owed.is_none()) else { continue };
            match &half.link {
                Some(link) => placed.push((link.key.clone(), std::mem::take(&mut half.owed))),
                // Who was called owes nothing: who called tells of it too.
                None if half.role == Role::Server => half.owed = Failures::default(),
                None => {}
            }
        }
        placed
    }
}
