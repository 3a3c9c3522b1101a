//! What becomes a finding: what is suspected for long enough. An open one is cleared as soon as nobody suspects it any
//! more, and stays known for a while.

use std::collections::{BTreeMap, BTreeSet};

use shared::id::HostId;
use shared::view::{self, Finding, FindingCount};
use tracing::info;

use super::{Counts, Readings, SETTLE_MS, Severity, Side, Suspicion};
use crate::clock::Now;
use crate::store::Store;
use crate::topology::{Entity, Topology};
use crate::view::summary;
use crate::view::wording::rfc3339;

/// What was cleared is told for so long, milliseconds, and so much of it at most.
const CLEARED_FOR_MS: u64 = 3_600_000;
const CLEARED_MAX: usize = 200;

/// Of a probe that does not tell when it reads its sides, this takes the place of two readings. Milliseconds.
const TWO_PASSES_MS: u64 = 8_000;

#[derive(Default)]
pub struct Ledger {
    /// By id: each part of what is suspected.
    suspected: BTreeMap<String, BTreeMap<String, Seen>>,
    open: BTreeMap<String, Entry>,
    cleared: BTreeMap<String, Entry>,
    revision: u64,
}

struct Seen {
    since_ms: u64,
    /// When a reading was told that misses what the other side had before.
    missed_ms: Option<u64>,
    /// For long enough.
    lasts: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    what: Suspicion,
    because: Option<String>,
    /// By the app's steady clock.
    first_ms: u64,
    last_ms: u64,
    /// As its subject was called and its host, for when they are gone.
    named: Option<(view::Parent, String)>,
}

impl Ledger {
    /// Takes what is suspected now; true where an answer would read differently. `readings` tells of a host's two sides.
    pub fn take<'a>(
        &mut self,
        found: impl Iterator<Item = &'a Suspicion>,
        readings: impl Fn(HostId) -> Option<Readings>,
        now: Now,
    ) -> bool {
        let now_ms = now.steady_ms;
        let found: BTreeMap<&str, &Suspicion> = found.map(|suspicion| (&*suspicion.id, suspicion)).collect();
        let mut news = false;
        self.suspected.retain(|id, _| found.contains_key(id.as_str()));
        let lasting: BTreeMap<&str, u64> = found
            .values()
            .filter_map(|suspicion| {
                let readings = suspicion.host.and_then(&readings);
                Some((&*suspicion.id, self.lasts_since(suspicion, readings, now_ms)?))
            })
            .collect();
        let gone: Vec<String> = self.open.keys().filter(|id| !lasting.contains_key(id.as_str())).cloned().collect();
        for id in gone {
            if let Some(entry) = self.open.remove(&id) {
                info!(finding = id, summary = entry.what.summary, "cleared");
                self.cleared.insert(id, Entry { last_ms: now_ms, ..entry });
                news = true;
            }
        }
        // Causes before what follows from them, so that neither is told without the other.
        let mut waiting: Vec<&Suspicion> = found.values().copied().collect();
        waiting.sort_by_key(|suspicion| !suspicion.because.is_empty());
        for suspicion in waiting {
            let Some(since) = lasting.get(&*suspicion.id) else { continue };
            let mut causes = suspicion.because.iter().filter(|cause| **cause != suspicion.id);
            if self.open.contains_key(&suspicion.id) {
                let because = causes.find(|cause| self.open.contains_key(*cause)).cloned();
                let Some(entry) = self.open.get_mut(&suspicion.id) else { continue };
                entry.last_ms = now_ms;
                if entry.what != *suspicion || entry.because != because {
                    (entry.what, entry.because) = (suspicion.clone(), because);
                    news = true;
                }
                continue;
            }
            let because = causes.find(|cause| found.contains_key(cause.as_str()));
            if because.is_none_or(|cause| self.open.contains_key(cause)) {
                self.cleared.remove(&suspicion.id);
                let entry = Entry {
                    what: suspicion.clone(),
                    because: because.cloned(),
                    first_ms: *since,
                    last_ms: now_ms,
                    named: None,
                };
                info!(finding = suspicion.id, summary = suspicion.summary, "finding");
                self.open.insert(suspicion.id.clone(), entry);
                news = true;
            }
        }
        let before = self.cleared.len();
        self.cleared.retain(|_, entry| now_ms.saturating_sub(entry.last_ms) < CLEARED_FOR_MS);
        while self.cleared.len() > CLEARED_MAX {
            let oldest = self.cleared.iter().min_by_key(|(_, entry)| entry.last_ms).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.cleared.remove(&id));
        }
        news |= before != self.cleared.len();
        self.revision += u64::from(news);
        news
    }

    /// Since when that of its parts is seen which was first to last long enough; none where none did.
    fn lasts_since(&mut self, suspicion: &Suspicion, readings: Option<Readings>, now_ms: u64) -> Option<u64> {
        let whole = BTreeSet::from([String::new()]);
        let parts = if suspicion.parts.is_empty() { &whole } else { &suspicion.parts };
        let seen = self.suspected.entry(suspicion.id.clone()).or_default();
        seen.retain(|part, _| parts.contains(part));
        for part in parts {
            let seen = seen.entry(part.clone()).or_insert(Seen { since_ms: now_ms, missed_ms: None, lasts: false });
            seen.lasts |= seen.lasts_by(suspicion.counts, readings, now_ms);
        }
        seen.values().filter(|seen| seen.lasts).map(|seen| seen.since_ms).min()
    }

    /// Keeps how things are called, for when they are gone. To be called when `take` had news.
    pub fn name(&mut self, store: &Store, topology: &Topology) {
        for entry in self.open.values_mut() {
            if let Some(named) = named(&entry.what, store, topology) {
                entry.named = Some(named);
            }
        }
    }

    pub fn findings(&self, now: Now) -> Vec<Finding> {
        let open = self.open.values().map(|entry| finding(entry, true, now));
        let cleared = self.cleared.values().map(|entry| finding(entry, false, now));
        let mut all: Vec<(bool, Severity, Finding)> = open.chain(cleared).collect();
        // What follows from another comes after those that nothing explains.
        all.sort_by(|(a_open, a_severity, a), (b_open, b_severity, b)| {
            let order = |open: bool, severity, finding: &Finding| {
                (!open, finding.because.is_some(), std::cmp::Reverse(severity))
            };
            let ids = (&a.first_seen, &a.id).cmp(&(&b.first_seen, &b.id));
            order(*a_open, *a_severity, a).cmp(&order(*b_open, *b_severity, b)).then(ids)
        });
        all.into_iter().map(|(_, _, finding)| finding).collect()
    }

    pub fn count(&self) -> FindingCount {
        let of = |severity| {
            let alone = self.open.values().filter(|e| e.because.is_none() && e.what.severity == severity);
            u32::try_from(alone.count()).unwrap_or(u32::MAX)
        };
        FindingCount { failing: of(Severity::Failing), warning: of(Severity::Warning), revision: self.revision }
    }

    /// What is worst of each thing with an open finding. A host whose daemon fails is not well itself.
    pub fn health(&self) -> BTreeMap<Entity, Severity> {
        let mut health = BTreeMap::new();
        for Entry { what, .. } in self.open.values() {
            let host = match what.subject {
                Entity::Daemon(host, _) => Some(Entity::Host(host)),
                _ => None,
            };
            for entity in host.into_iter().chain([what.subject.clone()]) {
                let worst = health.entry(entity).or_insert(what.severity);
                *worst = (*worst).max(what.severity);
            }
        }
        health
    }

    /// Of one thing, those that are open.
    pub fn of(&self, subject: &Entity, now: Now) -> Vec<Finding> {
        let concerns = |entry: &&Entry| match entry.what.subject {
            Entity::Daemon(host, _) if *subject == Entity::Host(host) => true,
            _ => entry.what.subject == *subject,
        };
        let open = self.open.values().filter(concerns);
        open.map(|entry| finding(entry, true, now).2).collect()
    }
}

impl Seen {
    fn lasts_by(&mut self, counts: Counts, readings: Option<Readings>, now_ms: u64) -> bool {
        let Self { since_ms, missed_ms, .. } = self;
        let for_ms = |patience_ms| now_ms.saturating_sub(*since_ms) >= patience_ms;
        match (counts, readings) {
            (Counts::After(patience_ms), _) => for_ms(patience_ms),
            (_, None) => for_ms(TWO_PASSES_MS),
            (Counts::ReadAgain(after_ms), Some(Readings { kernel, engine })) => {
                kernel.began_ms.min(engine.began_ms) >= *since_ms + after_ms
            }
            (Counts::MissingOn(side), Some(Readings { kernel, engine })) => {
                let (lacks, has) = if side == Side::Kernel { (kernel, engine) } else { (engine, kernel) };
                if lacks.began_ms >= *since_ms + SETTLE_MS {
                    missed_ms.get_or_insert(lacks.arrived_ms);
                }
                missed_ms.is_some_and(|missed_ms| has.began_ms >= missed_ms)
            }
        }
    }
}

fn named(what: &Suspicion, store: &Store, topology: &Topology) -> Option<(view::Parent, String)> {
    let host = what.host.and_then(|id| store.hosts.get(&id)).map(|host| host.api_name.clone());
    Some((summary::named(&what.subject, topology, store)?, host.unwrap_or_default()))
}

fn finding(entry: &Entry, is_open: bool, now: Now) -> (bool, Severity, Finding) {
    let Entry { what, because, first_ms, last_ms, named } = entry;
    let (subject, host) = named.clone().unwrap_or_default();
    let finding = Finding {
        id: what.id.clone(),
        kind: what.kind.into(),
        severity: what.severity.name().into(),
        state: if is_open { "open".into() } else { "cleared".into() },
        subject,
        host,
        summary: what.summary.clone(),
        evidence: what
            .evidence
            .iter()
            .map(|evidence| view::Evidence { source: evidence.source.clone(), says: evidence.says.clone() })
            .collect(),
        advice: what.advice.into(),
        because: because.clone(),
        first_seen: rfc3339(now.to_wall(*first_ms)),
        last_seen: rfc3339(now.to_wall(*last_ms)),
    };
    (is_open, what.severity, finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Reading;
    use crate::topology::Outside;

    fn suspicion(id: &str, because: &[&str]) -> Suspicion {
        let because = because.iter().map(|cause| (*cause).to_owned());
        let what = Suspicion::new(id.into(), "test", Entity::Outside(Outside::Inbound), id.to_uppercase());
        what.because(because).after(1_000)
    }

    fn at(steady_ms: u64) -> Now {
        Now { steady_ms, wall_ms: steady_ms }
    }

    fn open(ledger: &Ledger) -> Vec<(String, Option<String>)> {
        let all = ledger.findings(at(0)).into_iter().filter(|f| f.state == "open");
        all.map(|finding| (finding.id, finding.because)).collect()
    }

    #[test]
    fn what_ends_before_its_time_is_no_finding() {
        let mut ledger = Ledger::default();
        let brief = [suspicion("a", &[])];
        assert!(!ledger.take(brief.iter(), |_| None, at(0)));
        assert!(!ledger.take(brief.iter(), |_| None, at(999)));
        assert!(!ledger.take([].iter(), |_| None, at(1_000)));
        assert!(!ledger.take(brief.iter(), |_| None, at(1_001)), "the time counts anew");
        assert!(ledger.findings(at(1_001)).is_empty());
    }

    fn readings(kernel: (u64, u64), engine: (u64, u64)) -> Option<Readings> {
        let reading = |(began_ms, arrived_ms)| Reading { began_ms, arrived_ms };
        Some(Readings { kernel: reading(kernel), engine: reading(engine) })
    }

    fn between_two_sides(counts: Counts) -> impl FnMut(Option<Readings>, u64) -> bool {
        let host = HostId(uuid::Uuid::nil());
        let what = Suspicion::new("a".into(), "test", Entity::Host(host), String::new()).on(host).counts(counts);
        let mut ledger = Ledger::default();
        move |readings, now| ledger.take([what.clone()].iter(), |_| readings, at(now))
    }

    #[test]
    fn where_two_sides_differ_it_counts_once_both_were_read_again() {
        let mut take = between_two_sides(Counts::ReadAgain(500));
        assert!(!take(readings((900, 950), (900, 950)), 1_000));
        let late = "however long the next reading takes: one side was read as the other changed";
        assert!(!take(readings((1_499, 1_550), (2_000, 2_050)), 30_000), "{late}");
        assert!(take(readings((1_500, 1_550), (2_000, 2_050)), 30_100));
        assert!(!between_two_sides(Counts::ReadAgain(500))(None, 1_000));
        let mut take = between_two_sides(Counts::ReadAgain(500));
        take(None, 1_000);
        assert!(take(None, 1_000 + TWO_PASSES_MS), "of who does not tell when it reads, time is what counts");
    }

    #[test]
    fn what_lives_between_two_readings_of_one_side_is_not_missing_there() {
        // The engine tells of a member at 1,000. The kernel is read once before it has the entry, and once after it lost it.
        let mut take = between_two_sides(Counts::MissingOn(Side::Kernel));
        assert!(!take(readings((700, 900), (800, 1_000)), 1_000));
        assert!(!take(readings((700, 900), (4_500, 4_600)), 4_600), "the engine still has it");
        assert!(!take(readings((4_900, 5_000), (4_500, 4_600)), 5_000), "as both were read again, but it may be gone");
        assert!(!take(readings((7_900, 8_000), (4_500, 4_600)), 8_000));
        assert!(
            take(readings((7_900, 8_000), (5_000, 5_100)), 8_100),
            "the engine had it when the kernel was first read"
        );
        let mut take = between_two_sides(Counts::MissingOn(Side::Engine));
        take(readings((700, 900), (800, 1_000)), 1_000);
        assert!(!take(readings((1_900, 2_000), (1_500, 2_000)), 2_000));
        assert!(take(readings((2_000, 2_050), (1_500, 2_000)), 2_100));
    }

    #[test]
    fn what_each_ends_by_itself_does_not_add_up_to_what_lasts() {
        let of = |parts: &[&str]| [suspicion("a", &[]).parts(parts.iter().map(|part| (*part).to_owned()))];
        let mut ledger = Ledger::default();
        for (second, part) in ["b", "c", "d", "e"].iter().enumerate() {
            let (now_ms, next) = (second as u64 * 900, ["c", "d", "e", "f"][second]);
            assert!(!ledger.take(of(&[part, next]).iter(), |_| None, at(now_ms)), "{part}");
            assert!(!ledger.take(of(&[next]).iter(), |_| None, at(now_ms + 800)), "{next}");
        }
        assert!(ledger.take(of(&["f", "g"]).iter(), |_| None, at(3_700)), "one lasts");
        assert!(ledger.take(of(&["g"]).iter(), |_| None, at(3_800)), "and ends, whatever else is new");
        assert_eq!(ledger.count().failing, 0);
        assert!(ledger.take(of(&["g"]).iter(), |_| None, at(4_700)));
    }

    #[test]
    fn what_lasts_is_open_until_nobody_suspects_it() {
        let mut ledger = Ledger::default();
        let lasting = [suspicion("a", &[])];
        ledger.take(lasting.iter(), |_| None, at(0));
        assert!(ledger.take(lasting.iter(), |_| None, at(1_000)));
        assert!(!ledger.take(lasting.iter(), |_| None, at(2_000)), "no news while it stays the same");
        assert_eq!((ledger.count().failing, ledger.count().warning), (1, 0));
        assert!(ledger.take([].iter(), |_| None, at(3_000)));
        assert_eq!(ledger.count().failing, 0);
        let told = ledger.findings(at(3_000));
        assert_eq!((told.len(), told[0].state.as_str()), (1, "cleared"));
        assert_eq!(
            (told[0].first_seen.as_str(), told[0].last_seen.as_str()),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:03Z")
        );
        assert!(ledger.take([].iter(), |_| None, at(3_000 + CLEARED_FOR_MS)), "and is forgotten at last");
        assert!(ledger.findings(at(0)).is_empty());
    }

    #[test]
    fn what_follows_from_another_hangs_under_it_and_is_not_counted() {
        let mut ledger = Ledger::default();
        let first = [suspicion("b", &["unknown", "c"])];
        ledger.take(first.iter(), |_| None, at(0));
        let both = [suspicion("b", &["unknown", "c"]), suspicion("c", &[])];
        ledger.take(both.iter(), |_| None, at(900));
        ledger.take(both.iter(), |_| None, at(1_100));
        assert!(open(&ledger).is_empty(), "it waits for its cause, which is suspected for less than its time");
        ledger.take(both.iter(), |_| None, at(1_900));
        assert_eq!(open(&ledger), [("c".into(), None), ("b".into(), Some("c".into()))]);
        assert_eq!(ledger.count().failing, 1);
        ledger.take(first.iter(), |_| None, at(2_000));
        assert_eq!(open(&ledger), [("b".into(), None)], "it stands by itself when the cause is mended");
    }

    #[test]
    fn what_was_cleared_is_not_kept_without_bound() {
        let mut ledger = Ledger::default();
        for n in 0..CLEARED_MAX as u64 + 50 {
            let one = [suspicion(&format!("{n:04}"), &[]).after(0)];
            ledger.take(one.iter(), |_| None, at(n));
        }
        ledger.take([].iter(), |_| None, at(1_000));
        let told = ledger.findings(at(1_000));
        assert_eq!(told.len(), CLEARED_MAX);
        assert!(told.iter().all(|finding| finding.id.as_str() >= "0050"), "the oldest go first");
    }
}
