//! Connections come in two forms: long-lived ones as tuples, short ones as flows, so that a storm of them stays small.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::addr::{Protocol, Tuple};
use crate::id::{NetNsId, ProcessId};

/// One host's half of an open connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub namespace: NetNsId,
    pub protocol: Protocol,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// None where the owner cannot be read, or the kernel itself owns the socket.
    #[serde(default)]
    pub owner: Option<ProcessId>,
    pub role: Role,
    pub evidence: Evidence,
    /// The conversation on the far side of this host's NAT, client to server; none where nothing is translated.
    #[serde(default)]
    pub nat: Option<Tuple>,
}

impl Connection {
    /// As this end sees it, client to server.
    pub fn tuple(&self) -> Tuple {
        let mine = Tuple { from: self.local, to: self.remote };
        match self.role {
            Role::Client | Role::Unknown => mine,
            Role::Server => mine.reversed(),
        }
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
    pub remote: IpAddr,
    /// The server's, at whichever end it is.
    pub port: u16,
    pub role: Role,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// Conversations since the flow was first seen.
    pub count: u64,
}
