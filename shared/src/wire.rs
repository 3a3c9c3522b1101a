//! What probe and app say to each other: websocket binary frames of a version byte and one message each.
//!
//! A probe opens with `Hello` and gets `Welcome` or `Refused`. It sends one `Snapshot`, then a `Delta` at a time, and
//! waits for the `Ack` of each before the next. `Resync` asks for a fresh snapshot.

#[cfg(feature = "codec")]
pub mod codec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Report;
use crate::delta::Delta;
use crate::id::{HostId, InstanceId};

/// First byte of every frame. Raised only when frames of the old kind can no longer be read.
pub const VERSION: u8 = 1;

/// Where probes connect.
pub const PATH: &str = "/api/probe/ws";

/// A frame may hold this many bytes at most, before and after decompression.
pub const DECODED_BYTES_MAX: usize = 64 << 20;
pub const ENCODED_BYTES_MAX: usize = 16 << 20;

/// What one side says to the other. A kind that came after this build is `UNKNOWN`: it is counted and passed over.
pub trait Message: DeserializeOwned {
    const KINDS: &[&str];
    const UNKNOWN: Self;
}

impl Message for ToApp {
    const KINDS: &[&str] = &["Hello", "Snapshot", "Delta"];
    const UNKNOWN: Self = Self::Unknown;
}

impl Message for ToProbe {
    const KINDS: &[&str] = &["Welcome", "Refused", "Ack", "Resync"];
    const UNKNOWN: Self = Self::Unknown;
}

#[allow(clippy::large_enum_variant, reason = "one at a time, on its way through one task; smaller for wasm")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToApp<R = Report> {
    Hello(Hello),
    Snapshot(Snapshot<R>),
    Delta(Update),
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToProbe {
    Welcome(Welcome),
    Refused(Refused),
    Ack(Ack),
    Resync,
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub host: HostId,
    pub instance: InstanceId,
    #[serde(default)]
    pub hostname: String,
    #[serde(default)]
    pub scope_version: String,
    /// What the app must know before it listens to this probe; empty where it asks for nothing.
    #[serde(default)]
    pub token: String,
    /// Names of what this probe can do beyond reporting.
    #[serde(default)]
    pub capabilities: Vec<String>,
    #[serde(default)]
    pub publish_interval_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// Of this run of the app: two names that lead to one app are told by it.
    pub app: InstanceId,
    #[serde(default)]
    pub hostname: String,
    #[serde(default)]
    pub scope_version: String,
    #[serde(default)]
    pub capabilities: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    pub reason: String,
}

/// When a message was made, by the probe's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since boot.
    pub boot_ms: u64,
    /// Milliseconds since the epoch.
    pub wall_ms: u64,
}

/// The report may be borrowed by who sends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot<R = Report> {
    pub sequence: u64,
    #[serde(default)]
    pub at: Stamp,
    pub report: R,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// One more than that of the snapshot or delta before it.
    pub sequence: u64,
    #[serde(default)]
    pub at: Stamp,
    pub delta: Delta,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    pub sequence: u64,
}
