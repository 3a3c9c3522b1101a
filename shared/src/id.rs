//! Typed identities. Strings such as `<64hex>;<container>` exist only at the API's edge.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A host, for as long as its probe keeps its state directory. Names are labels, this is identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub Uuid);

/// One run of a probe. Sequences and connection ids mean something within it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub Uuid);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A cluster store as engines name it: its kind and where its members are.
    StoreId
);
text_id!(
    /// A Weave router's name, which has the form of a hardware address.
    WeavePeerId
);
text_id!(
    /// Docker's container id, 64 hex digits.
    ContainerId
);
text_id!(
    /// Docker's image id without the `sha256:`, 64 hex digits.
    ImageId
);
text_id!(
    /// Docker's network id. The same on every engine for swarm-scoped networks, one engine's own otherwise.
    NetworkId
);

text_id!(
    /// Of a Swarm service, the same on every manager.
    ServiceId
);
text_id!(
    /// Of a Swarm task, the same on every manager.
    TaskId
);
text_id!(
    /// An engine within its swarm.
    SwarmNodeId
);

/// A process: the kernel reuses pids, the pair with the start time it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// In the probe's own pid namespace.
    pub pid: u32,
    /// Clock ticks after boot, field 22 of /proc/pid/stat.
    pub start: u64,
}

impl ProcessId {
    /// When it began, milliseconds after boot, rounded down to a tick: the kernel tells a hundred a second, whatever it
    /// counts in itself (USER_HZ).
    pub fn start_ms(self) -> u64 {
        self.start.saturating_mul(10)
    }
}

/// A process or none, in no more room than a process takes: there may be one for each of a hundred thousand connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<ProcessId>", into = "Option<ProcessId>")]
pub struct Owner {
    /// In halves, so that there is no room that is nobody's.
    start: [u32; 2],
    /// 0 for none: no process has that number.
    pid: u32,
}

impl Owner {
    pub const NONE: Self = Self { start: [0; 2], pid: 0 };

    pub fn get(self) -> Option<ProcessId> {
        let Self { start: [high, low], pid } = self;
        (pid != 0).then_some(ProcessId { pid, start: u64::from(high) << 32 | u64::from(low) })
    }

    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::NONE { other } else { self }
    }
}

impl From<Option<ProcessId>> for Owner {
    fn from(process: Option<ProcessId>) -> Self {
        process.map_or(Self::NONE, |ProcessId { pid, start }| Self { start: [(start >> 32) as u32, start as u32], pid })
    }
}

impl From<Owner> for Option<ProcessId> {
    fn from(owner: Owner) -> Self {
        owner.get()
    }
}

/// A network namespace of one host within one run of its probe. The probe numbers the namespaces it meets, because
/// the kernel reuses their inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetNsId(pub u32);

/// A connection of one host within one run of its probe. A connection that reuses a tuple gets a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);
