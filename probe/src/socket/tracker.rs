//! What NAT makes of connections: told by conntrack as they begin, and asked for, as seldom as will do, of what was there
//! before or was not told.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shared::addr::{Protocol, Tuple};
use shared::id::NetNsId;
use shared::report::CollectorStatus;

use super::conntrack::events::{Event, Events};
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

/// More events a second are not heard for a while: what they tell is asked for, or listed.
const EVENTS_PER_S_MAX: u32 = 5_000;
/// A connection that is translated is told of before it is open, and asked about soon after; these are remembered for one
/// such time, or two.
const FRESH_FOR: Duration = Duration::from_secs(5);
const FRESH_MAX: usize = 8_192;
/// Whether it tells anything: 0 where the host does not want that.
const EVENTS: &str = "sys/net/netfilter/nf_conntrack_events";

pub struct Tracker {
    conntrack: io::Result<Conntrack>,
    next_try: Instant,
    /// None while there are too many, or where the kernel tells nobody.
    events: Option<Events>,
    next_hearing: Instant,
    fresh: Fresh,
    heard: u32,
    /// How often there were more than could be heard.
    overheard: u64,
    proc_root: PathBuf,
    /// Whether the kernel follows SCTP.
    has_sctp: bool,
    conversations: Conversations,
    untranslated: HashMap<(Protocol, NetNsId, SocketAddr), Instant>,
    second: Instant,
    asked: u32,
}

/// Connections that began lately and are translated, by what either end knows of them.
#[derive(Default)]
struct Fresh {
    latest: HashMap<Tuple, Entry>,
    before: HashMap<Tuple, Entry>,
    since: Option<Instant>,
}

impl Fresh {
    fn renew(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now.duration_since(since) >= FRESH_FOR) {
            (self.before, self.since) = (std::mem::take(&mut self.latest), Some(now));
        }
    }

    fn add(&mut self, entry: Entry) {
        if self.latest.len() < FRESH_MAX {
            self.latest.extend([(entry.original, entry), (entry.reply, entry)]);
        }
    }

    fn of(&self, here: Tuple) -> Option<Entry> {
        self.latest.get(&here).or_else(|| self.before.get(&here)).copied()
    }
}

impl Tracker {
    pub fn open(proc_root: &Path, now: Instant) -> Self {
        Self {
            conntrack: open(),
            next_try: now + RETRY,
            events: None,
            next_hearing: now,
            fresh: Fresh::default(),
            heard: 0,
            overheard: 0,
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
            (self.second, self.asked, self.heard) = (now, 0, 0);
            self.untranslated.retain(|_, since| now.duration_since(*since) < UNTRANSLATED_FOR);
        }
        if self.conntrack.is_err() && now >= self.next_try {
            (self.conntrack, self.next_try) = (open(), now + RETRY);
        }
    }

    /// What was told of conversations by UDP and SCTP since the last time, as they began and ended.
    pub fn hear(&mut self, now: Instant) -> Vec<News> {
        self.fresh.renew(now);
        if self.events.is_none() && now >= self.next_hearing && self.conntrack.is_ok() {
            let is_silent = std::fs::read_to_string(self.proc_root.join(EVENTS)).is_ok_and(|told| told.trim() == "0");
            (self.events, self.next_hearing) = (if is_silent { None } else { Events::open().ok() }, now + RETRY);
        }
        let Self { events: Some(events), fresh, conversations, heard, .. } = self else { return Vec::new() };
        let mut news = Vec::new();
        let drained = events.drain(|event| {
            *heard += 1;
            match event {
                Event::Begins(tracked) if tracked.protocol != Protocol::Tcp => news.push(News::of(&tracked)),
                // In a zone others may have the same addresses.
                Event::Begins(tracked) if !tracked.is_zoned => fresh.add(tracked.entry),
                Event::Begins(_) => {}
                Event::Ends(tracked) => news.extend(conversations.end(&tracked)),
            }
        });
        if !matches!(drained, Ok(false)) || *heard > EVENTS_PER_S_MAX {
            self.overheard += 1;
            (self.events, self.next_hearing) = (None, now + RETRY);
        }
        news
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
        if let Some(entry) = self.told(protocol, here) {
            return Some(entry);
        }
        let conntrack = self.conntrack.as_mut().ok()?;
        match conntrack.find(protocol, here) {
            Ok(entry) => entry,
            Err(error) => {
                self.conntrack = Err(error);
                None
            }
        }
    }

    fn told(&self, protocol: Protocol, here: Tuple) -> Option<Entry> {
        self.fresh.of(here).filter(|_| protocol == Protocol::Tcp)
    }

    /// Of a TCP connection that is over, or of datagrams.
    pub fn find_sparingly(
        &mut self,
        protocol: Protocol,
        namespace: NetNsId,
        here: Tuple,
        now: Instant,
    ) -> Option<Entry> {
        if let Some(entry) = self.told(protocol, here) {
            return Some(entry);
        }
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
            Ok(_) => ok(match (&self.events, self.overheard) {
                (Some(_), 0) => "its events are heard; what they do not tell is asked for, or listed".into(),
                (Some(_), times) => format!(
                    "its events are heard, but for {} s after there were too many, {times} time{} so far; what they do not \
                     tell is asked for, or listed",
                    RETRY.as_secs(),
                    if times == 1 { "" } else { "s" }
                ),
                (None, 0) => "it tells of no events: asked for each new connection, and listed".into(),
                (None, _) => "more events than are heard: asked for each new connection, and listed".into(),
            }),
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

#[cfg(test)]
mod tests {
    use super::super::conntrack::tests::{FreshTable, pair};
    use super::*;

    #[test]
    fn what_is_translated_is_known_however_many_begin_and_what_is_not_is_asked_for_sparingly() {
        std::thread::spawn(|| {
            const CALLS: usize = 3 * SHORT_PER_SECOND as usize;
            let (mut table, now) = (FreshTable::of_this_thread(), Instant::now());
            let mut tracker = Tracker::open(Path::new("/proc"), now);
            assert!(tracker.hear(now).is_empty());
            assert!(tracker.status().message.contains("events are heard"), "{:?}", tracker.status());
            // Each calls another, so that nothing is known of where it goes.
            let called = |n: usize| pair("10.0.0.1:40000", &format!("10.1.{}.{}:80", n / 256, n % 256));
            (0..CALLS).for_each(|n| table.translate(called(n), "10.0.0.3:8080"));
            assert!(tracker.hear(now).is_empty(), "of connections nothing is told but what is asked for");
            let find = |tracker: &mut Tracker, n| tracker.find_sparingly(Protocol::Tcp, NetNsId(1), called(n), now);
            for n in 0..CALLS {
                let to = find(&mut tracker, n).and_then(|entry| entry.beyond(called(n))).map(|beyond| beyond.to);
                assert_eq!(to, Some("10.0.0.3:8080".parse().unwrap()), "{n}");
            }
            assert_eq!(tracker.asked, 0);
            assert_eq!(find(&mut tracker, CALLS), None);
            assert_eq!(tracker.asked, 1);
            // Later they are asked for, as what was there before.
            for ms in [5_000, 10_000] {
                tracker.hear(now + Duration::from_millis(ms));
            }
            assert!(find(&mut tracker, 0).is_some());
            assert_eq!(tracker.asked, 2);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn more_events_than_are_heard_are_left_for_a_while() {
        std::thread::spawn(|| {
            let (mut table, now) = (FreshTable::of_this_thread(), Instant::now());
            let mut tracker = Tracker::open(Path::new("/proc"), now);
            tracker.hear(now);
            tracker.heard = EVENTS_PER_S_MAX;
            let asks = |port| pair(&format!("10.0.0.1:{port}"), "10.0.0.2:53");
            table.add(Protocol::Udp, asks(1));
            assert_eq!(tracker.hear(now).len(), 1);
            assert!(tracker.status().message.contains("more events"), "{:?}", tracker.status());
            table.add(Protocol::Udp, asks(2));
            assert!(tracker.hear(now + RETRY / 2).is_empty());
            tracker.renew(now + RETRY);
            tracker.hear(now + RETRY);
            table.add(Protocol::Udp, asks(3));
            assert_eq!(tracker.hear(now + RETRY).len(), 1);
            assert!(tracker.status().message.contains("1 time"), "{:?}", tracker.status());
        })
        .join()
        .unwrap();
    }
}
