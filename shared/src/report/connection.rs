//! Connections come in two forms: long-lived ones as tuples, short ones as flows, so that a storm of them stays small.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::addr::{Packed, Protocol, Tuple};
use crate::id::{NetNsId, Owner, ProcessId};

/// One host's half of an open connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub namespace: NetNsId,
    pub protocol: Protocol,
    pub local: Packed,
    pub remote: Packed,
    /// None where the owner cannot be read, or the kernel itself owns the socket.
    #[serde(default)]
    pub owner: Owner,
    pub role: Role,
    pub evidence: Evidence,
    /// The conversation on the far side of this host's NAT, client to server; none where nothing is translated.
    #[serde(default)]
    pub nat: Option<Box<Tuple>>,
}

/// A connection that several hold. There may be a hundred thousand, so who holds it is counted, and nothing else.
pub type SharedConnection = triomphe::Arc<Connection>;

impl Connection {
    /// As this end sees it, client to server.
    pub fn tuple(&self) -> Tuple {
        let mine = Tuple { from: self.local.get(), to: self.remote.get() };
        match self.role {
            Role::Client | Role::Unknown => mine,
            Role::Server => mine.reversed(),
        }
    }

    /// Which flow it is one conversation of.
    pub fn flow(&self) -> FlowKey {
        let Self { namespace, protocol, owner, role, .. } = *self;
        let (remote, port) = match role {
            Role::Server => (self.remote.ip(), self.local.port()),
            Role::Client | Role::Unknown => {
                let meant = self.nat.as_ref().map_or(self.remote.get(), |beyond| beyond.to);
                (meant.ip(), meant.port())
            }
        };
        FlowKey { namespace, protocol, owner: owner.get(), local: Some(self.local.ip()), remote, port, role }
    }
}

/// Which end of a conversation the local one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Client,
    Server,
    #[serde(other)]
    Unknown,
}

/// How the direction is known, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    Handshake,
    Listener,
    Conntrack,
    PortRange,
    #[serde(other)]
    Guess,
}

impl Evidence {
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Listener => "listener",
            Self::Conntrack => "conntrack",
            Self::PortRange => "port-range",
            Self::Guess => "guess",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListenerKey {
    pub namespace: NetNsId,
    pub protocol: Protocol,
    pub address: SocketAddr,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    pub owner: Option<ProcessId>,
}

/// Many short conversations of one process with one server, or of one server with one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowKey {
    pub namespace: NetNsId,
    pub protocol: Protocol,
    pub owner: Option<ProcessId>,
    /// This end's; older probes do not tell it.
    #[serde(default)]
    pub local: Option<IpAddr>,
    pub remote: IpAddr,
    /// The server's, at whichever end it is.
    pub port: u16,
    pub role: Role,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// Conversations and attempts at one since the flow was first seen.
    pub count: u64,
    /// Attempts that came to nothing, since then. Of those of which the client is elsewhere, resets
    /// alone are seen, and calls that nobody listens for.
    pub failures: Failures,
    /// When the last of these came to be or failed, milliseconds of the host's boot clock; 0 where that is not told.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_ms: u64,
}

/// What the conversations of a flow carry, also those that are told one by one, as this end's kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowMetrics {
    #[serde(skip_serializing_if = "FlowTotals::is_none")]
    pub totals: FlowTotals,
    #[serde(skip_serializing_if = "is_nothing")]
    pub opened_per_s: f32,
    #[serde(skip_serializing_if = "is_nothing")]
    pub sent_bytes_per_s: f32,
    #[serde(skip_serializing_if = "is_nothing")]
    pub received_bytes_per_s: f32,
    #[serde(skip_serializing_if = "is_nothing")]
    pub retransmits_per_s: f32,
    /// Conversations that are open now and get no answer to what this end sends again and again.
    #[serde(skip_serializing_if = "is_none")]
    pub unanswered: u32,
    /// Mean of the smoothed times to the other end and back of those that are open, or of those that closed last; 0
    /// where none is known.
    #[serde(skip_serializing_if = "is_none")]
    pub rtt_us: u32,
    /// The least that was seen of them; 0 where none is known.
    #[serde(skip_serializing_if = "is_none")]
    pub min_rtt_us: u32,
}

/// Since the flow was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowTotals {
    /// Conversations whose beginning was seen.
    #[serde(skip_serializing_if = "is_zero")]
    pub opened: u64,
    /// Microseconds from the first word of a client until its conversation was open, summed over `opened`.
    #[serde(skip_serializing_if = "is_zero")]
    pub connect_us: u64,
    /// Conversations whose beginning and end were seen, and how long they were open, milliseconds altogether.
    #[serde(skip_serializing_if = "is_zero")]
    pub lived: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub lived_ms: u64,
    /// Payload that the other end has acknowledged.
    #[serde(skip_serializing_if = "is_zero")]
    pub sent_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub received_bytes: u64,
    /// Segments that this end sent once more.
    #[serde(skip_serializing_if = "is_zero")]
    pub retransmits: u64,
    /// Segments that this end sent once more for the third time in a row without an answer, or for more than that: these
    /// count twice, three times, and so on, as they are ever longer apart.
    #[serde(skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// Datagrams; none of TCP.
    #[serde(skip_serializing_if = "is_zero")]
    pub sent_packets: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub received_packets: u64,
}

impl FlowTotals {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What came to it since; all of it where it was counted anew.
    pub fn since(self, before: Self) -> Self {
        let mut new = Self::default();
        for ((new, now), before) in new.counts().into_iter().zip({ self }.counts()).zip({ before }.counts()) {
            let Some(count) = now.checked_sub(*before) else { return self };
            *new = count;
        }
        new
    }

    fn counts(&mut self) -> [&mut u64; 10] {
        let Self {
            opened,
            connect_us,
            lived,
            lived_ms,
            sent_bytes,
            received_bytes,
            retransmits,
            unanswered,
            sent_packets,
            received_packets,
        } = self;
        [
            opened,
            connect_us,
            lived,
            lived_ms,
            sent_bytes,
            received_bytes,
            retransmits,
            unanswered,
            sent_packets,
            received_packets,
        ]
    }
}

impl std::ops::AddAssign for FlowTotals {
    fn add_assign(&mut self, mut other: Self) {
        for (mine, theirs) in self.counts().into_iter().zip(other.counts()) {
            *mine += *theirs;
        }
    }
}

/// Attempts to connect that failed and connections that broke, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failures {
    /// By whatever answered: nobody listens there, unless it is one of the next.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// Of those that are refused: by a message of ICMP instead of a reset, which is not the word of who was called but of
    /// something on the way, as a firewall's rule or a balancer that has nobody behind it.
    #[serde(skip_serializing_if = "is_zero")]
    pub rejected: u64,
    /// No answer came.
    #[serde(skip_serializing_if = "is_zero")]
    pub timed_out: u64,
    /// It was open, and one end broke it off.
    #[serde(skip_serializing_if = "is_zero")]
    pub reset: u64,
    /// There is no way there.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreachable: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

fn is_nothing(number: &f32) -> bool {
    *number == 0.0
}

impl Failures {
    /// What came to it since; all of it where it was counted anew.
    pub fn since(self, before: Self) -> Self {
        let Self { refused, rejected, timed_out, reset, unreachable } = self;
        let is_older = refused >= before.refused
            && rejected >= before.rejected
            && timed_out >= before.timed_out
            && reset >= before.reset
            && unreachable >= before.unreachable;
        if !is_older {
            return self;
        }
        Self {
            refused: refused - before.refused,
            rejected: rejected - before.rejected,
            timed_out: timed_out - before.timed_out,
            reset: reset - before.reset,
            unreachable: unreachable - before.unreachable,
        }
    }

    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Failures {
    fn add_assign(&mut self, other: Self) {
        let Self { refused, rejected, timed_out, reset, unreachable } = other;
        self.refused += refused;
        self.rejected += rejected;
        self.timed_out += timed_out;
        self.reset += reset;
        self.unreachable += unreachable;
    }
}
