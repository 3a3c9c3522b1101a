//! Conversations of what has no connections, as conntrack lists them: which of them go on, and what passed since they were
//! looked at last. It sees what the host's own namespace passes on or ends, and what comes from hosts without a probe.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use shared::addr::{Protocol, Tuple};

use super::conntrack::{Entry, Tracked};

/// IP and UDP headers, which conntrack counts among the bytes.
const HEADERS_V4: u64 = 28;
const HEADERS_V6: u64 = 48;
/// Seconds are whole where conntrack tells them.
const ROUNDING: Duration = Duration::from_millis(1_500);

/// A conversation that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    pub protocol: Protocol,
    pub entry: Entry,
    /// Packets and bytes of payload from the one who began, and back, since the last time; 0 where nobody counts them.
    pub original: (u64, u64),
    pub reply: (u64, u64),
    /// It does not go on: nothing passed for as long as conntrack waits.
    pub is_over: bool,
}

struct Seen {
    at: Instant,
    tracked: Tracked,
}

#[derive(Default)]
pub struct Conversations {
    seen: HashMap<(Protocol, Tuple), Seen>,
}

impl Conversations {
    /// Takes in all there are, and gives those in which anything passed.
    pub fn news(&mut self, all: Vec<Tracked>, now: Instant) -> Vec<News> {
        let before = std::mem::take(&mut self.seen);
        let mut news = Vec::new();
        for tracked in all {
            let key = (tracked.protocol, tracked.entry.original);
            let old = before.get(&key);
            let new = passed_since(old, &tracked);
            if new.is_any() || old.is_none_or(|old| tracked.counted.is_none() && is_renewed(old, &tracked, now)) {
                news.push(new);
            }
            self.seen.insert(key, Seen { at: now, tracked });
        }
        news
    }

    /// Takes in one that is over, and gives what passed in it that was not told yet. One that nobody listed was there.
    pub fn end(&mut self, tracked: &Tracked) -> Option<News> {
        let old = self.seen.remove(&(tracked.protocol, tracked.entry.original));
        let new = News { is_over: true, ..passed_since(old.as_ref(), tracked) };
        (new.is_any() || old.is_none()).then_some(new)
    }
}

impl News {
    /// Of one that has just begun.
    pub fn of(tracked: &Tracked) -> Self {
        let Tracked { protocol, entry, .. } = *tracked;
        Self { protocol, entry, original: (0, 0), reply: (0, 0), is_over: false }
    }

    /// Whether anybody counted that anything passed.
    fn is_any(&self) -> bool {
        self.original.0 + self.reply.0 > 0
    }
}

fn passed_since(old: Option<&Seen>, tracked: &Tracked) -> News {
    let counted = |direction: usize| {
        let of = |tracked: &Tracked| tracked.counted.map(|counted| counted[direction]);
        let old = old.and_then(|old| of(&old.tracked)).unwrap_or_default();
        since(of(tracked).unwrap_or_default(), old, tracked)
    };
    News { original: counted(0), reply: counted(1), ..News::of(tracked) }
}

/// What was counted anew began anew.
fn since(new: (u64, u64), old: (u64, u64), tracked: &Tracked) -> (u64, u64) {
    let old = if new.0 < old.0 { (0, 0) } else { old };
    let (packets, bytes) = (new.0 - old.0, new.1.saturating_sub(old.1));
    let headers = match tracked.protocol {
        Protocol::Udp if tracked.entry.original.from.is_ipv4() => HEADERS_V4,
        Protocol::Udp => HEADERS_V6,
        _ => 0,
    };
    (packets, bytes.saturating_sub(packets * headers))
}

/// Whether it will be forgotten later than it would have been without another packet.
fn is_renewed(old: &Seen, tracked: &Tracked, now: Instant) -> bool {
    let until = |at: Instant, timeout_s: u32| at + Duration::from_secs(timeout_s.into());
    until(now, tracked.timeout_s) > until(old.at, old.tracked.timeout_s) + ROUNDING
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(timeout_s: u32, counted: Option<[(u64, u64); 2]>) -> Tracked {
        let original = Tuple { from: "10.0.0.1:40000".parse().unwrap(), to: "10.0.0.2:53".parse().unwrap() };
        let entry = Entry { original, reply: original.reversed() };
        Tracked { protocol: Protocol::Udp, entry, timeout_s, counted, is_zoned: false }
    }

    #[test]
    fn where_nobody_counts_a_conversation_goes_on_while_its_end_is_put_off() {
        let mut conversations = Conversations::default();
        let begin = Instant::now();
        let mut goes_on = |seconds: u64, timeout_s| {
            let now = begin + Duration::from_secs(seconds);
            !conversations.news(vec![tracked(timeout_s, None)], now).is_empty()
        };
        assert!(goes_on(0, 28), "one that is new");
        assert!(!goes_on(5, 23) && !goes_on(10, 19));
        assert!(goes_on(15, 27));
        assert!(conversations.news(Vec::new(), begin).is_empty());
        assert!(conversations.seen.is_empty());
    }

    #[test]
    fn one_that_is_over_tells_what_passed_since_it_was_listed() {
        let mut conversations = Conversations::default();
        let counted = |packets| Some([(packets, packets * 128), (0, 0)]);
        conversations.news(vec![tracked(30, counted(2))], Instant::now());
        let end = conversations.end(&tracked(0, counted(5)));
        assert_eq!(end.map(|news| news.original), Some((3, 300)));
        assert!(conversations.seen.is_empty());
        let unlisted = conversations.end(&tracked(0, None));
        assert_eq!(unlisted.map(|news| news.original), Some((0, 0)), "it was there all the same");
        conversations.news(vec![tracked(30, counted(2))], Instant::now());
        assert_eq!(conversations.end(&tracked(0, counted(2))), None);
    }

    #[test]
    fn what_is_counted_is_told_once_and_without_headers() {
        let mut conversations = Conversations::default();
        let now = Instant::now();
        let mut counts = |counted| {
            let news = conversations.news(vec![tracked(30, Some(counted))], now);
            news.first().map(|news| (news.original, news.reply))
        };
        assert_eq!(counts([(2, 256), (1, 528)]), Some(((2, 200), (1, 500))));
        assert_eq!(counts([(2, 256), (1, 528)]), None);
        assert_eq!(counts([(3, 384), (1, 528)]), Some(((1, 100), (0, 0))));
        assert_eq!(counts([(1, 128), (0, 0)]), Some(((1, 100), (0, 0))), "another of the same addresses");
    }
}
