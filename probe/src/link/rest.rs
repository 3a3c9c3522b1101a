//! Which namespaces need not be entered at a pass: those that hold nothing but ends of pairs whose other ends are seen where
//! they are, as containers' mostly do. What such a pair carries shows at either end.

use std::collections::{BTreeMap, HashMap};

use shared::id::NetNsId;
use shared::report::LinkKey;

use super::interface::{Counters, Interface};

/// So many passes one must have been the same before it rests, of those before which the kernel told of no change anywhere:
/// while a container starts they follow upon each other. And so many it may rest then.
const SAME_PASSES: u32 = 1;
const REST_PASSES: u32 = 4;

/// Of namespaces that may rest: for how many passes they were the same, and for how many they were not entered.
#[derive(Default)]
pub struct Rest {
    plain: HashMap<NetNsId, (u32, u32)>,
}

impl Rest {
    /// Whether a namespace need not be entered, as long as the other ends of its pairs stay as they are.
    pub fn rests(&self, id: NetNsId) -> bool {
        self.plain.get(&id).is_some_and(|(same, rested)| *same >= SAME_PASSES && *rested < REST_PASSES)
    }

    /// What a pass has shown; those that `rested` were not entered, and `is_quiet` where no change was told before it.
    pub fn note(
        &mut self,
        now: &BTreeMap<LinkKey, Interface>,
        before: &BTreeMap<LinkKey, Interface>,
        peers: &BTreeMap<LinkKey, LinkKey>,
        rested: &[NetNsId],
        is_quiet: bool,
    ) {
        let is_loopback = |interface: &Interface| interface.link.kind == "loopback";
        let mut namespaces: BTreeMap<NetNsId, bool> = BTreeMap::new();
        for (key, interface) in now {
            let is_plain = is_loopback(interface) || (interface.link.kind == "veth" && peers.contains_key(key));
            *namespaces.entry(key.namespace).or_insert(true) &= is_plain;
        }
        let enters = |id: &NetNsId| namespaces.get(id) == Some(&false);
        let mut plain = HashMap::new();
        for id in namespaces.keys().filter(|id| !enters(id)) {
            // The other end has to be where somebody looks.
            if !of(*id, now).all(|(key, _)| peers.get(key).is_none_or(|other| enters(&other.namespace))) {
                continue;
            }
            let (same, was_left) = self.plain.get(id).copied().unwrap_or_default();
            let is_as_before = of(*id, now).map(|(key, i)| (key, Some(i))).eq(of(*id, before).map(|(key, i)| {
                let now = now.get(key);
                (key, now.filter(|now| is_same(i, now)))
            }));
            let counts = match rested.contains(id) {
                true => (same, was_left + 1),
                false if is_as_before => (same + u32::from(is_quiet), 0),
                false => (0, 0),
            };
            plain.insert(*id, counts);
        }
        self.plain = plain;
    }
}

/// What a namespace holds that was not entered, by what is seen `now` of the other ends; none where these are not as they
/// were `before`.
pub fn unseen(
    id: NetNsId,
    before: &BTreeMap<LinkKey, Interface>,
    now: &BTreeMap<LinkKey, Interface>,
    peers: &BTreeMap<LinkKey, LinkKey>,
) -> Option<BTreeMap<LinkKey, Interface>> {
    let mut found = BTreeMap::new();
    for (key, interface) in of(id, before) {
        let counters = match peers.get(key) {
            None => interface.counters,
            Some(other) => {
                let (then, now) = (before.get(other)?, now.get(other)?);
                if !is_same(then, now) {
                    return None;
                }
                grown(interface.counters, then.counters, now.counters)
            }
        };
        found.insert(*key, Interface { counters, ..interface.clone() });
    }
    Some(found)
}

fn of(id: NetNsId, all: &BTreeMap<LinkKey, Interface>) -> impl Iterator<Item = (&LinkKey, &Interface)> {
    let at = |index| LinkKey { namespace: id, index };
    all.range(at(0)..=at(u32::MAX))
}

/// But for what it carried.
fn is_same(a: &Interface, b: &Interface) -> bool {
    (a.index, &a.link, a.lower, a.lower_in) == (b.index, &b.link, b.lower, b.lower_in)
}

/// What one end sent the other received.
fn grown(mine: Counters, then: Counters, now: Counters) -> Counters {
    let more = |mine: u64, then: u64, now: u64| mine + now.saturating_sub(then);
    Counters {
        received_bytes: more(mine.received_bytes, then.sent_bytes, now.sent_bytes),
        sent_bytes: more(mine.sent_bytes, then.received_bytes, now.received_bytes),
        received_packets: more(mine.received_packets, then.sent_packets, now.sent_packets),
        sent_packets: more(mine.sent_packets, then.received_packets, now.received_packets),
        ..mine
    }
}

#[cfg(test)]
mod tests {
    use shared::report::Link;

    use super::*;

    fn key(namespace: u32, index: u32) -> LinkKey {
        LinkKey { namespace: NetNsId(namespace), index }
    }

    fn interface(index: u32, kind: &str, sent_bytes: u64) -> Interface {
        Interface {
            index,
            link: Link { kind: kind.into(), up: true, ..Link::default() },
            lower: None,
            lower_in: None,
            counters: Counters { sent_bytes, ..Counters::default() },
        }
    }

    type All = BTreeMap<LinkKey, Interface>;

    /// A host (1) with a bridge, and a container (2) at it.
    fn seen(sent_bytes: u64) -> All {
        [
            (key(1, 2), interface(2, "bridge", 0)),
            (key(1, 9), interface(9, "veth", sent_bytes)),
            (key(2, 1), interface(1, "loopback", 7)),
            (key(2, 8), interface(8, "veth", 0)),
        ]
        .into()
    }

    fn peers() -> BTreeMap<LinkKey, LinkKey> {
        [(key(1, 9), key(2, 8)), (key(2, 8), key(1, 9))].into()
    }

    fn rested() -> Rest {
        let mut rest = Rest::default();
        for pass in 0..=SAME_PASSES {
            assert!(!rest.rests(NetNsId(2)), "{pass}");
            let before = if pass == 0 { All::new() } else { seen(0) };
            rest.note(&seen(0), &before, &peers(), &[], true);
        }
        rest
    }

    #[test]
    fn a_container_is_not_left_while_something_changes_around_it() {
        let mut rest = Rest::default();
        (0..9).for_each(|_| rest.note(&seen(0), &seen(0), &peers(), &[], false));
        assert!(!rest.rests(NetNsId(2)));
        rest.note(&seen(0), &seen(0), &peers(), &[], true);
        assert!(rest.rests(NetNsId(2)));
    }

    #[test]
    fn a_container_that_stays_the_same_is_entered_now_and_then() {
        let mut rest = rested();
        for _ in 0..REST_PASSES {
            assert!(rest.rests(NetNsId(2)) && !rest.rests(NetNsId(1)), "bridges are looked at each time");
            rest.note(&seen(0), &seen(0), &peers(), &[NetNsId(2)], true);
        }
        assert!(!rest.rests(NetNsId(2)));
        rest.note(&seen(0), &seen(0), &peers(), &[], true);
        assert!(rest.rests(NetNsId(2)), "it is as it was");
        let mut other = seen(0);
        other.get_mut(&key(2, 8)).unwrap().link.mtu = 1_400;
        rest.note(&other, &seen(0), &peers(), &[], true);
        assert!(!rest.rests(NetNsId(2)));
    }

    #[test]
    fn what_one_sends_that_was_not_entered_the_other_end_shows() {
        let here = |sent| BTreeMap::from_iter(seen(sent).into_iter().filter(|(key, _)| key.namespace == NetNsId(1)));
        let found = unseen(NetNsId(2), &seen(100), &here(150), &peers()).unwrap();
        assert_eq!(found[&key(2, 8)].counters, Counters { received_bytes: 50, ..Counters::default() });
        assert_eq!(found[&key(2, 1)].counters.sent_bytes, 7);
    }

    #[test]
    fn one_whose_other_end_changed_or_went_is_entered() {
        let mut now = seen(0);
        now.get_mut(&key(1, 9)).unwrap().link.running = true;
        assert!(unseen(NetNsId(2), &seen(0), &now, &peers()).is_none());
        now.remove(&key(1, 9));
        assert!(unseen(NetNsId(2), &seen(0), &now, &peers()).is_none());
    }

    #[test]
    fn pairs_between_containers_alone_are_not_left_to_one_another() {
        let both: All = [(key(2, 8), interface(8, "veth", 0)), (key(3, 8), interface(8, "veth", 0))].into();
        let peers = [(key(2, 8), key(3, 8)), (key(3, 8), key(2, 8))].into();
        let mut rest = Rest::default();
        (0..9).for_each(|_| rest.note(&both, &both, &peers, &[], true));
        assert!(!rest.rests(NetNsId(2)) && !rest.rests(NetNsId(3)));
    }
}
