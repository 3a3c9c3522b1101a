//! What NAT makes of connections, asked for as seldom as will do.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shared::addr::{Protocol, Tuple};
use shared::id::NetNsId;
use shared::report::CollectorStatus;

use super::conntrack::{Conntrack, Entry, Tracked};
use super::tracked::{Conversations, News};
use crate::collector::{failed, off, ok};

/// So many short connections and new pairs of who exchanges datagrams a second are asked about.
const SHORT_PER_SECOND: u32 = 200;
/// What goes to a destination that is not translated is taken not to be for so long.
const UNTRANSLATED_FOR: Duration = Duration::from_secs(10);
const UNTRANSLATED_MAX: usize = 8_192;
/// How many entries there are, in the namespace of who reads it.
const COUNT: &str = "sys/net/netfilter/nf_conntrack_count";
/// Fewer are listed with those of TCP among them.
const SMALL: usize = 2_000;
/// For so many questions a small table is listed as a whole instead.
const MANY: usize = 2_000;
/// It is there where conntrack knows of SCTP.
const SCTP: &str = "sys/net/netfilter/nf_conntrack_sctp_timeout_established";
/// Where conntrack does not answer, it may later: its module is loaded by whoever needs it.
const RETRY: Duration = Duration::from_secs(30);

pub struct Tracker {
    conntrack: io::Result<Conntrack>,
    next_try: Instant,
    proc_root: PathBuf,
    /// Whether the kernel follows SCTP.
    has_sctp: bool,
    conversations: Conversations,
    untranslated: HashMap<(Protocol, NetNsId, SocketAddr), Instant>,
    second: Instant,
    asked: u32,
}

impl Tracker {
    pub fn open(proc_root: &Path, now: Instant) -> Self {
        Self {
            conntrack: open(),
            next_try: now + RETRY,
            has_sctp: proc_root.join(SCTP).exists(),
            proc_root: proc_root.to_path_buf(),
            untranslated: HashMap::new(),
            second: now,
            asked: 0,
            conversations: Conversations::default(),
        }
    }

    /// To be called as time passes.
    pub fn renew(&mut self, now: Instant) {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.asked) = (now, 0);
            self.untranslated.retain(|_, since| now.duration_since(*since) < UNTRANSLATED_FOR);
        }
        if self.conntrack.is_err() && now >= self.next_try {
            (self.conntrack, self.next_try) = (open(), now + RETRY);
        }
    }

    /// The way to answers to so many questions, of connections that are there already.
    pub fn answers(&mut self, questions: usize) -> Answers<'_> {
        let count = if questions < MANY { None } else { count(&self.proc_root).filter(|count| *count < SMALL) };
        let listed = count.zip(self.conntrack.as_mut().ok()).and_then(|(count, conntrack)| conntrack.all(count).ok());
        let by_ends = |tracked: Tracked| {
            let Tracked { protocol, entry, .. } = tracked;
            [((protocol, entry.original), entry), ((protocol, entry.reply), entry)]
        };
        // Those of a zone are not asked for either.
        let listed = listed.map(|all| all.into_iter().filter(|tracked| !tracked.is_zoned).flat_map(by_ends).collect());
        Answers { tracker: self, listed }
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

    /// Conversations by UDP and SCTP in which anything passed since the last time.
    pub fn datagrams(&mut self, now: Instant) -> Vec<News> {
        let Ok(conntrack) = &mut self.conntrack else { return Vec::new() };
        let protocols = &[Protocol::Udp, Protocol::Sctp][..if self.has_sctp { 2 } else { 1 }];
        let all = match count(&self.proc_root) {
            Some(0) => Ok(Vec::new()),
            Some(count) if count < SMALL => conntrack.all(count).map(|mut all| {
                all.retain(|tracked| protocols.contains(&tracked.protocol));
                all
            }),
            _ => conntrack.all_of(protocols),
        };
        match all {
            Ok(all) => self.conversations.news(all, now),
            Err(error) => {
                self.conntrack = Err(error);
                Vec::new()
            }
        }
    }

    pub fn status(&self) -> CollectorStatus {
        match &self.conntrack {
            Ok(_) => ok("asked for each new connection, and for what UDP and SCTP exchange".into()),
            // Nothing of the kernel's answers to such questions.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPROTONOSUPPORT)) => {
                off("the kernel follows no connections: nothing is translated on this host")
            }
            Err(error) => failed(format!(
                "{error}: connections through NAT are not followed; run the probe as root or with CAP_NET_ADMIN"
            )),
        }
    }
}

/// What conntrack has of many connections: listed at once where that is less, asked for one by one otherwise.
pub struct Answers<'a> {
    tracker: &'a mut Tracker,
    listed: Option<HashMap<(Protocol, Tuple), Entry>>,
}

impl Answers<'_> {
    pub fn find(&mut self, protocol: Protocol, here: Tuple) -> Option<Entry> {
        match &self.listed {
            Some(listed) => listed.get(&(protocol, here)).copied(),
            None => self.tracker.find(protocol, here),
        }
    }
}

fn count(proc_root: &Path) -> Option<usize> {
    std::fs::read_to_string(proc_root.join(COUNT)).ok()?.trim().parse().ok()
}

/// Asked once for what is not there: whether we may ask at all is said before there is anything to ask for.
fn open() -> io::Result<Conntrack> {
    let mut conntrack = Conntrack::open()?;
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    conntrack.find(Protocol::Tcp, Tuple { from: nowhere, to: nowhere })?;
    Ok(conntrack)
}
