//! Where the other end of a link is. The kernel names it by its index and by a number that means something in one
//! namespace only; here it is found among the links of all namespaces.

use std::collections::BTreeMap;

use shared::report::LinkKey;

use super::interface::Interface;

/// For each link whose other end is in another namespace, those that it may be: links that say the same of it.
pub fn candidates(interfaces: &BTreeMap<LinkKey, Interface>) -> BTreeMap<LinkKey, Vec<LinkKey>> {
    // (index, other end's index) of every link of two ends.
    let mut ends: BTreeMap<(u32, u32), Vec<LinkKey>> = BTreeMap::new();
    for (key, interface) in interfaces.iter().filter(|(_, i)| is_pair(i)) {
        if let Some(lower) = interface.lower {
            ends.entry((key.index, lower)).or_default().push(*key);
        }
    }
    let mut found = BTreeMap::new();
    for (key, interface) in interfaces.iter().filter(|(_, i)| is_pair(i)) {
        let Some(lower) = interface.lower else { continue };
        let mut others = ends.get(&(lower, key.index)).cloned().unwrap_or_default();
        // Without a number the other end is in the same namespace.
        others.retain(|other| (other.namespace == key.namespace) == interface.lower_in.is_none());
        others.retain(|other| other != key);
        found.insert(*key, others);
    }
    found
}

/// Pairs of which both ends say the same. Where one end is out of sight, a link elsewhere may look like it by chance; its
/// own other end is another then.
pub fn agreed(peers: BTreeMap<LinkKey, LinkKey>) -> BTreeMap<LinkKey, LinkKey> {
    peers.iter().filter(|(key, other)| peers.get(other) == Some(key)).map(|(key, other)| (*key, *other)).collect()
}

/// Whether the link has another end, instead of something below it.
pub fn is_pair(interface: &Interface) -> bool {
    matches!(interface.link.kind.as_str(), "veth" | "netkit" | "vxcan")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::interface::Counters;
    use shared::id::NetNsId;
    use shared::report::Link;

    fn veth(lower: u32, lower_in: Option<i32>) -> Interface {
        let link = Link { kind: "veth".into(), ..Link::default() };
        Interface { index: 0, link, lower: Some(lower), lower_in, counters: Counters::default() }
    }

    fn key(namespace: u32, index: u32) -> LinkKey {
        LinkKey { namespace: NetNsId(namespace), index }
    }

    #[test]
    fn the_other_end_says_the_same_of_this_one() {
        let interfaces = BTreeMap::from([
            (key(1, 10), veth(2, Some(0))),
            (key(1, 11), veth(2, Some(1))),
            (key(2, 2), veth(10, Some(0))),
            (key(3, 2), veth(11, Some(0))),
            // Both ends in one namespace.
            (key(1, 20), veth(21, None)),
            (key(1, 21), veth(20, None)),
            // The other end is in a namespace that is not seen.
            (key(3, 7), veth(99, Some(4))),
        ]);
        let found = candidates(&interfaces);
        assert_eq!(found[&key(1, 10)], [key(2, 2)]);
        assert_eq!(found[&key(2, 2)], [key(1, 10)]);
        assert_eq!(found[&key(3, 2)], [key(1, 11)]);
        assert_eq!(found[&key(1, 20)], [key(1, 21)]);
        assert_eq!(found[&key(3, 7)], []);
    }

    #[test]
    fn a_link_whose_other_end_is_out_of_sight_takes_none_that_is_anothers() {
        let (uplink, eth, veth) = (key(1, 3), key(2, 7), key(3, 3));
        let claims = BTreeMap::from([(uplink, eth), (eth, veth), (veth, eth)]);
        assert_eq!(agreed(claims), BTreeMap::from([(eth, veth), (veth, eth)]));
    }

    #[test]
    fn indices_that_repeat_in_several_namespaces_leave_a_choice() {
        let interfaces = BTreeMap::from([
            (key(1, 10), veth(2, Some(0))),
            (key(2, 2), veth(10, Some(0))),
            (key(4, 10), veth(2, Some(0))),
            (key(5, 2), veth(10, Some(0))),
        ]);
        assert_eq!(candidates(&interfaces)[&key(1, 10)], [key(2, 2), key(5, 2)]);
    }
}
