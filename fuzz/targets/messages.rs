//! What a probe says, unpacked: whatever it is, the app takes in what it can read, and all views can be made of it.
//! The input is one message after the other, each after its length, 2 bytes, little endian.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scope::store::{Session, Store};
use scope::topology::Topology;
use scope::view::{Kind, Variant, View};
use shared::wire::ToApp;
use shared::wire::codec::read;

fuzz_target!(|input: &[u8]| {
    let (mut store, mut topology) = (Store::default(), Topology::default());
    let (session, mut host, mut now, mut rest) = (Session(1), None, 1_000, input);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (message, after) = after.split_at(after.len().min(usize::from(u16::from_le_bytes(*length))));
        rest = after;
        now += 1_500;
        let Ok(message) = read::<ToApp>(message) else { break };
        let change = match (message, host) {
            (ToApp::Hello(hello), _) => {
                host = Some(hello.host);
                store.open(&hello, session, now);
                continue;
            }
            (ToApp::Snapshot(s), Some(host)) => store.snapshot(host, session, s.sequence, s.at, s.report, now),
            (ToApp::Delta(u), Some(host)) => store.update(host, session, u.sequence, u.at, u.delta, now),
            _ => break,
        };
        let (Ok(change), Some(host)) = (change, host) else { break };
        topology.apply(&store, host, &change, now);
        topology.tick(&store, 15_000, now);
    }
    for kind in Kind::ALL {
        View::new(Variant::new(kind, [], &[]), &topology, &store, &[]).snapshot(&store).tag();
    }
});
