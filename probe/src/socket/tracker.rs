//! What NAT makes of connections, asked for as seldom as will do.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use shared::addr::{Protocol, Tuple};
use shared::id::NetNsId;
use shared::report::CollectorStatus;

use super::conntrack::{Conntrack, Entry};
use crate::collector::{failed, ok};

/// So many short connections and new pairs of who exchanges datagrams a second are asked about.
const SHORT_PER_SECOND: u32 = 200;
/// What goes to a destination that is not translated is taken not to be for so long.
const UNTRANSLATED_FOR: Duration = Duration::from_secs(10);
const UNTRANSLATED_MAX: usize = 8_192;

pub struct Tracker {
    conntrack: io::Result<Conntrack>,
    untranslated: HashMap<(Protocol, NetNsId, SocketAddr), Instant>,
    second: Instant,
    asked: u32,
}

impl Tracker {
    pub fn open(now: Instant) -> Self {
        // Asked once for what is not there: whether we may ask at all is said before there is anything to ask for.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let nothing = Tuple { from: nowhere, to: nowhere };
        let conntrack = Conntrack::open().and_then(|mut conntrack| {
            conntrack.find(Protocol::Tcp, nothing)?;
            Ok(conntrack)
        });
        Self { conntrack, untranslated: HashMap::new(), second: now, asked: 0 }
    }

    /// To be called as time passes.
    pub fn renew(&mut self, now: Instant) {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.asked) = (now, 0);
            self.untranslated.retain(|_, since| now.duration_since(*since) < UNTRANSLATED_FOR);
        }
    }

    pub fn find(&mut self, protocol: Protocol, here: Tuple) -> Option<Entry> {
        let conntrack = self.conntrack.as_mut().ok()?;
        match conntrack.find(protocol, here) {
            Ok(entry) => entry,
            Err(error) => {
                self.conntrack = Err(error);
                None
            }
        }
    }

    /// Of a TCP connection that is over, or of datagrams.
    pub fn find_sparingly(
        &mut self,
        protocol: Protocol,
        namespace: NetNsId,
        here: Tuple,
        now: Instant,
    ) -> Option<Entry> {
        let destination = (protocol, namespace, here.to);
        if self.asked >= SHORT_PER_SECOND || self.untranslated.contains_key(&destination) {
            return None;
        }
        self.asked += 1;
        let entry = self.find(protocol, here);
        let is_translated = entry.is_some_and(|entry| entry.beyond(here).is_some());
        if !is_translated && self.untranslated.len() < UNTRANSLATED_MAX {
            self.untranslated.insert(destination, now);
        }
        entry
    }

    pub fn status(&self) -> CollectorStatus {
        match &self.conntrack {
            Ok(_) => ok("asked for each new connection".into()),
            Err(error) => failed(format!(
                "{error}: connections through NAT are not followed; run the probe as root or with CAP_NET_ADMIN"
            )),
        }
    }
}
