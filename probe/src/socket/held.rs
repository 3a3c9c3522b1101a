//! The connections that are held, each found by its ends and by its socket. What their ends are is kept once, in the record
//! that the report has too.

use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU64;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use shared::addr::{Packed, Protocol};
use shared::id::{ConnectionId, NetNsId};
use shared::report::{Connection, SharedConnection};
use slab::Slab;

use super::traffic::Carried;

/// What tells a connection from others of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    pub namespace: NetNsId,
    pub protocol: Protocol,
    pub local: Packed,
    pub remote: Packed,
}

/// When a connection was seen to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began {
    /// Milliseconds since the machine booted, which it has been for at least one.
    pub at_ms: NonZeroU64,
    /// How long whoever called waited for it, microseconds; 0 for who was called.
    pub waited_us: u32,
}

impl Began {
    pub fn new(at_ms: u64, waited_us: u32) -> Self {
        Self { at_ms: NonZeroU64::new(at_ms).unwrap_or(NonZeroU64::MIN), waited_us }
    }
}

/// One of them. There may be a hundred thousand, so a field takes what it needs.
pub struct Held {
    pub id: ConnectionId,
    /// The kernel numbers sockets in 32 bits, though a file's inode has 64.
    pub inode: u32,
    /// 0 where it is not known.
    pub cookie: u64,
    /// The last that showed it.
    pub dump: u32,
    /// Somebody was told of it.
    pub is_told: bool,
    /// It is known what NAT makes of it: of those that nobody is told of yet that is not asked for.
    pub is_tracked: bool,
    /// When it was seen to begin, and how long whoever called waited; none where that was not seen.
    began_at_ms: Option<NonZeroU64>,
    waited_us: u32,
    /// Its beginning is in the figures of its flow.
    pub is_counted: bool,
    /// It stands for so many that nobody was told of.
    pub weight: u32,
    sent_bytes: u64,
    received_bytes: u64,
    retransmits: u32,
    pub connection: SharedConnection,
}

impl Held {
    /// One that nobody was told of yet, and of which nothing is known but what it is.
    pub fn new(id: ConnectionId, (inode, cookie): (u32, u64), dump: u32, connection: Connection) -> Self {
        Self {
            id,
            inode,
            cookie,
            dump,
            is_told: false,
            is_tracked: false,
            began_at_ms: None,
            waited_us: 0,
            is_counted: false,
            weight: 1,
            sent_bytes: 0,
            received_bytes: 0,
            retransmits: 0,
            connection: SharedConnection::new(connection),
        }
    }

    /// None where that was not seen.
    pub fn began(&self) -> Option<Began> {
        self.began_at_ms.map(|at_ms| Began { at_ms, waited_us: self.waited_us })
    }

    pub fn begin(&mut self, Began { at_ms, waited_us }: Began) {
        (self.began_at_ms, self.waited_us) = (Some(at_ms), waited_us);
    }

    /// What is known of what it carried: times there and back are of the moment.
    pub fn carried(&self) -> Carried {
        let Self { sent_bytes, received_bytes, retransmits, .. } = *self;
        Carried { sent_bytes, received_bytes, retransmits, ..Carried::default() }
    }

    pub fn carry(&mut self, Carried { sent_bytes, received_bytes, retransmits, .. }: Carried) {
        (self.sent_bytes, self.received_bytes, self.retransmits) = (sent_bytes, received_bytes, retransmits);
    }

    pub fn ends(&self) -> Ends {
        let Connection { namespace, protocol, local, remote, .. } = *self.connection;
        Ends { namespace, protocol, local, remote }
    }
}

/// Places of the slab, of which there are never more than fit.
#[derive(Default)]
pub struct AllHeld {
    all: Slab<Held>,
    by_ends: HashTable<u32>,
    /// Of those whose socket is known.
    by_cookie: HashTable<u32>,
    hasher: RandomState,
}

impl AllHeld {
    pub fn get(&self, ends: Ends) -> Option<&Held> {
        Some(&self.all[self.place(ends)?])
    }

    pub fn get_mut(&mut self, ends: Ends) -> Option<&mut Held> {
        let place = self.place(ends)?;
        Some(&mut self.all[place])
    }

    /// The one of a socket.
    pub fn of_cookie(&self, cookie: u64) -> Option<&Held> {
        let found = self.by_cookie.find(self.hash(cookie), |place| self.all[*place as usize].cookie == cookie);
        Some(&self.all[*found? as usize])
    }

    /// Takes one in of which there is none of the same ends, nor of the same socket.
    pub fn insert(&mut self, held: Held) -> &mut Held {
        let hashes = self.hashes(&held);
        // Room for twice as many, as a vector takes it by itself, would be much that nobody uses.
        if self.all.len() == self.all.capacity() {
            self.all.reserve_exact(self.all.len() / 8 + 64);
        }
        let place = self.all.insert(held);
        let number = u32::try_from(place).expect("fewer connections than a host has ports and addresses for");
        let Self { all, by_ends, by_cookie, hasher } = self;
        by_ends.insert_unique(hashes.0, number, |at| hasher.hash_one(all[*at as usize].ends()));
        if let Some(hash) = hashes.1 {
            by_cookie.insert_unique(hash, number, |at| hasher.hash_one(all[*at as usize].cookie));
        }
        &mut all[place]
    }

    pub fn remove(&mut self, ends: Ends) -> Option<Held> {
        let place = self.place(ends)?;
        let hashes = self.hashes(&self.all[place]);
        let take_out = |table: &mut HashTable<u32>, hash| {
            if let Ok(entry) = table.find_entry(hash, |at| *at as usize == place) {
                entry.remove();
            }
        };
        take_out(&mut self.by_ends, hashes.0);
        if let Some(hash) = hashes.1 {
            take_out(&mut self.by_cookie, hash);
        }
        Some(self.all.remove(place))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.all.iter().map(|(_, held)| held)
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    fn place(&self, ends: Ends) -> Option<usize> {
        let found = self.by_ends.find(self.hash(ends), |place| self.all[*place as usize].ends() == ends);
        found.map(|place| *place as usize)
    }

    fn hashes(&self, held: &Held) -> (u64, Option<u64>) {
        (self.hash(held.ends()), (held.cookie != 0).then(|| self.hash(held.cookie)))
    }

    fn hash(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::id::Owner;
    use shared::report::{Evidence, Role};
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    /// To one server, from this port.
    pub fn connection(port: u16) -> Connection {
        Connection {
            namespace: NetNsId(1),
            protocol: Protocol::Tcp,
            local: SocketAddr::from(([10, 0, 0, 1], port)).into(),
            remote: SocketAddr::from(([10, 0, 0, 2], 80)).into(),
            owner: Owner::NONE,
            role: Role::Client,
            evidence: Evidence::Guess,
            nat: None,
        }
    }

    fn held(port: u16, cookie: u64) -> Held {
        Held::new(ConnectionId(u64::from(port)), (0, cookie), 0, connection(port))
    }

    #[test]
    fn a_connection_takes_little() {
        assert!(size_of::<Held>() <= 72 && size_of::<Connection>() <= 64);
        let mut all = AllHeld::default();
        for port in 0..10_000 {
            all.insert(held(port, 0));
        }
        assert!(all.all.capacity() < 12_000, "{}", all.all.capacity());
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_is_found_by_its_ends_and_by_its_socket(
            steps in proptest::collection::vec((0u16..40, any::<bool>(), any::<bool>()), 0..200)
        ) {
            let (mut all, mut expect) = (AllHeld::default(), BTreeMap::new());
            for (port, comes, has_cookie) in steps {
                let ends = held(port, 0).ends();
                let cookie = if has_cookie { u64::from(port) + 1 } else { 0 };
                let removed = all.remove(ends).map(|held| held.cookie);
                prop_assert_eq!(removed, expect.remove(&port));
                if comes {
                    all.insert(held(port, cookie));
                    expect.insert(port, cookie);
                }
            }
            prop_assert_eq!(all.len(), expect.len());
            prop_assert_eq!(all.iter().count(), expect.len());
            for port in 0..40 {
                let found = all.get(held(port, 0).ends()).map(|held| held.cookie);
                prop_assert_eq!(found, expect.get(&port).copied());
                let by_cookie = all.of_cookie(u64::from(port) + 1).map(|held| held.id);
                let is_known = expect.get(&port).is_some_and(|cookie| *cookie != 0);
                prop_assert_eq!(by_cookie, is_known.then_some(ConnectionId(u64::from(port))));
            }
        }
    }
}
