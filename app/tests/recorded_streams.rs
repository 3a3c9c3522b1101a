//! What a probe of each wire version said, recorded from a real one, is read for ever.
//!
//! A recording is made by `bench record ADDRESS:PORT FILE FRAMES`, with a probe that reports to that address: each frame
//! stands after its length, 4 bytes, big endian. Recordings are never made anew; a new wire version gets its own.

use std::collections::BTreeSet;

use proptest::prelude::*;
use scope::store::{Session, Store};
use scope::topology::Topology;
use scope::view::{Kind, Variant, View};
use shared::wire::ToApp;
use shared::wire::codec::FrameReader;

/// `client` keeps a connection open to `server:6379` over the bridge network `lan`, both on host `h1`; `brief` came and
/// went while it was recorded.
const BRIDGE: &[u8] = include_bytes!("streams/version-1-bridge.frames");

fn frames(mut recording: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = recording.split_first_chunk::<4>() {
        let (frame, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame);
        recording = rest;
    }
    frames
}

#[test]
fn a_probe_of_the_first_version_is_understood() {
    let (mut store, mut topology) = (Store::default(), Topology::default());
    let mut reader = FrameReader::new().unwrap();
    let session = Session(1);
    let mut host = None;
    let mut named: BTreeSet<String> = BTreeSet::new();
    let mut now = 1_000;
    for frame in frames(BRIDGE) {
        now += 500;
        let change = match reader.decode::<ToApp>(frame).unwrap() {
            ToApp::Hello(hello) => {
                assert_eq!(hello.hostname, "h1");
                host = Some(hello.host);
                store.open(&hello, session, now);
                continue;
            }
            ToApp::Snapshot(s) => store.snapshot(host.unwrap(), session, s.sequence, s.at, s.report, now).unwrap(),
            ToApp::Delta(u) => store.update(host.unwrap(), session, u.sequence, u.at, u.delta, now).unwrap(),
            ToApp::Unknown => panic!("a kind that was known once is not known any more"),
        };
        topology.apply(&store, host.unwrap(), &change, now);
        topology.tick(&store, 15_000, now);
        named.extend(change.containers.set.iter().map(|(_, container)| container.name.clone()));
    }
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["brief", "client", "server"]);
    topology.tick(&store, 15_000, now + 5_000);

    let variant = Variant::new(Kind::Containers, [], &[]);
    let mut view = View::new(variant, &topology, &store, &[]);
    let snapshot = view.snapshot(&store);
    let shown: Vec<_> = snapshot.nodes().iter().map(|node| (node.summary().label, node.id.plain.to_string())).collect();
    let id = |label: &str| &shown.iter().find(|(l, _)| l == label).unwrap_or_else(|| panic!("{label}: {shown:?}")).1;
    let edges = snapshot.nodes().iter().flat_map(|node| {
        let text = [b"[", &*node.outgoing.written().edges, b"]"].concat();
        serde_json::from_slice::<Vec<shared::view::Edge>>(&text).unwrap()
    });
    let edges: Vec<shared::view::Edge> = edges.collect();
    let calls: Vec<_> = edges.iter().filter(|e| e.source == *id("client")).collect();
    assert_eq!(calls.len(), 1, "{edges:?}");
    assert_eq!((&calls[0].target, calls[0].port), (id("server"), 6379));
    assert!(calls[0].network.as_ref().is_some_and(|network| network.ends_with(";<network>")), "{edges:?}");
}

proptest! {
    /// Whatever the wire does to a stream, the app reads what it can and stops at the first frame that it cannot read.
    #[test]
    fn a_stream_with_bytes_changed_ends_and_breaks_nothing(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1u8..), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frames: Vec<Vec<u8>> = frames(BRIDGE).into_iter().map(<[u8]>::to_vec).collect();
        for (frame, byte, by) in &flips {
            let frame = frame.index(frames.len());
            let at = byte.index(frames[frame].len());
            frames[frame][at] ^= by;
        }
        let shortened = cut.index(frames.len());
        let half = frames[shortened].len() / 2;
        frames[shortened].truncate(half);
        let (mut store, mut topology) = (Store::default(), Topology::default());
        let mut reader = FrameReader::new().unwrap();
        let (session, mut host, mut now) = (Session(1), None, 1_000);
        for frame in &frames {
            now += 500;
            let Ok(message) = reader.decode::<ToApp>(frame) else { break };
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
            for kind in Kind::ALL {
                View::new(Variant::new(kind, [], &[]), &topology, &store, &[]).snapshot(&store).tag();
            }
        }
    }
}
