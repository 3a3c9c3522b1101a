//! What the kernel tells of connections, datagrams and conversations since it was asked last.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use shared::addr::{Protocol, is_confined};
use shared::id::NetNsId;

use super::{Reader, pace};
use crate::collector::boot_ms;
use crate::netns::Namespaces;
use crate::process::Scanner;
use crate::socket::bpf::Event;
use crate::socket::tracked;
use crate::socket::trouble::News;

/// Where changes come faster than they are read, that goes on for a while.
const AFTER_LOSS: Duration = Duration::from_secs(5);
/// Processes and namespaces are looked for soon where something is heard of new ones: what happened is kept for so long.
const UNKNOWN_FOR: Duration = Duration::from_millis(2_500);
const UNKNOWN_MAX: usize = 4_096;

impl Reader {
    /// Takes in what the kernel told since the last time; what is of a namespace that is not known yet waits for a while.
    pub(super) fn follow(&mut self, namespaces: &Namespaces, scanner: &Scanner) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let since_boot_ms = boot_ms().saturating_sub(now_ms);
        // Whatever sockets are read with: conntrack may answer later than at the start.
        self.tracker.renew(now);
        let told = self.tracker.hear(now);
        if !told.is_empty() {
            self.take_tracked(&told, namespaces, now_ms);
        }
        self.table.flows.expire(now_ms);
        let Self { events: Ok(events), table, tracker, unknown, sampling, homeless, has_strangers, .. } = self else {
            return;
        };
        let is_stranger = Cell::new(false);
        let of_pid = |pid| {
            let process = scanner.of_pid(pid);
            is_stranger.set(is_stranger.get() || (process.is_none() && pid != 0));
            process
        };
        let mut take = |event: &Event| {
            let Some(namespace) = namespaces.find(event.namespace) else { return false };
            let track = |namespace, here| tracker.find_sparingly(Protocol::Tcp, namespace, here, now);
            let happened_ms = event.boot_ms.saturating_sub(since_boot_ms);
            table.take(event, namespace, of_pid, track, happened_ms);
            true
        };
        unknown.retain(|(since, event)| {
            if take(event) {
                return false;
            }
            let may_be_met = now.duration_since(*since) < UNKNOWN_FOR;
            *homeless += u64::from(!may_be_met);
            may_be_met
        });
        let (mut left_out, mut told) = (0, 0);
        let lost = events.drain(|event| {
            told += 1;
            if !take(&event) {
                if unknown.len() < UNKNOWN_MAX {
                    unknown.push((now, event));
                } else {
                    left_out += 1;
                }
            }
        }) + left_out;
        *has_strangers |= is_stranger.get() || !unknown.is_empty();
        if let Some(weight) = sampling.take(told, now)
            && let Err(error) = events.look_at_one_of(weight)
        {
            tracing::warn!(weight, %error, "how many sockets are looked at cannot be set");
        }
        if lost > 0 {
            self.lost += lost;
            self.whole.all_by(now + AFTER_LOSS);
        }
    }

    /// Takes in what was sent by UDP since the last time.
    pub(super) fn follow_datagrams(&mut self, namespaces: &Namespaces, scanner: &Scanner) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let Self { datagrams: Ok(datagrams), table, tracker, ownerless, ephemeral, .. } = self else { return };
        let news = match datagrams.news() {
            Ok(news) => news,
            Err(error) => {
                self.datagrams = Err(format!("what UDP sends cannot be read: {error}"));
                return;
            }
        };
        let took = now.elapsed();
        let waiting = std::mem::take(ownerless).into_iter().chain(news.into_iter().map(|sent| (now, sent)));
        for (since, sent) in waiting {
            let is_last = now.duration_since(since) >= UNKNOWN_FOR || ownerless.len() >= UNKNOWN_MAX;
            let Some(namespace) = namespaces.find(sent.namespace) else {
                match is_last {
                    true => self.homeless += sent.packets,
                    false => ownerless.push((since, sent)),
                }
                continue;
            };
            let of_pid = |pid| {
                let process = scanner.of_pid(pid)?;
                (scanner.processes.get(&process)?.namespace == Some(sent.namespace.inode)).then_some(process)
            };
            let mut track = |here| tracker.find_sparingly(Protocol::Udp, namespace, here, now);
            let rest = table.take_datagrams(&sent, namespace, of_pid, &mut track, (*ephemeral, is_last, now_ms));
            ownerless.extend(rest.map(|sent| (since, *sent)));
        }
        self.has_strangers |= !self.ownerless.is_empty();
        self.next_datagrams = now + pace::OF_DATAGRAMS.after(took);
    }

    /// Takes in what went wrong since the last time.
    pub(super) fn follow_trouble(&mut self, namespaces: &Namespaces) {
        let now_ms = self.now_ms();
        let Self { trouble: Ok(trouble), table, homeless, .. } = self else { return };
        let News { unanswered, refused } = match trouble.news() {
            Ok(news) => news,
            Err(error) => {
                self.trouble = Err(format!("what gets no answer cannot be read: {error}"));
                return;
            }
        };
        for (cookie, times) in unanswered {
            table.note_unanswered(cookie, times, now_ms);
        }
        for refused in &refused {
            match namespaces.find(refused.namespace) {
                Some(id) => table.take_refused(refused, id, namespaces.is_host(refused.namespace.inode), now_ms),
                None => *homeless += refused.count,
            }
        }
    }

    /// Takes in what conntrack lists: what comes from hosts without a probe, and where the kernel tells no more than that,
    /// all that the host passes on.
    pub(super) fn follow_tracked(&mut self, namespaces: &Namespaces) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let news = self.tracker.datagrams(now);
        if !news.is_empty() {
            self.take_tracked(&news, namespaces, now_ms);
        }
        let pace = match self.datagrams.is_ok() {
            true if news.is_empty() => pace::OF_NOTHING_TRACKED,
            true => pace::OF_TRACKED_WITH_EVENTS,
            false => pace::OF_TRACKED,
        };
        self.next_tracked = now + pace.after(now.elapsed());
    }

    fn take_tracked(&mut self, news: &[tracked::News], namespaces: &Namespaces, now_ms: u64) {
        let mut homes: HashMap<IpAddr, Option<(NetNsId, bool)>> = HashMap::new();
        for (inode, met) in namespaces.all() {
            let home = Some((met.id, namespaces.is_host(inode)));
            for address in met.addresses.iter().map(|subnet| subnet.address).filter(|a| !is_confined(*a)) {
                // An address that several have says nothing.
                homes.entry(address).and_modify(|known| *known = None).or_insert(home);
            }
        }
        let of = |address| homes.get(&address).copied().flatten();
        for news in news {
            self.table.take_tracked(news, of, self.datagrams.is_ok(), now_ms);
        }
    }
}
