//! What a probe of each wire version said, recorded from a real one, is read for ever.
//!
//! A recording is made by `bench record ADDRESS:PORT FILE FRAMES`, with a probe that reports to that address: each frame
//! stands after its length, 4 bytes, big endian. Recordings are never made anew; a new wire version gets its own.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use scope::store::{Session, Store};
use scope::topology::Topology;
use scope::view::{Kind, Variant, View};
use shared::view::Edge;
use shared::wire::ToApp;
use shared::wire::codec::FrameReader;

/// `client` keeps a connection open to `server:6379` over the bridge network `lan`, both on host `h1`; `brief` came and
/// went while it was recorded.
const BRIDGE: &[u8] = include_bytes!("streams/version-1-bridge.frames");
/// The manager `h1` of a swarm of two: `server` is on the overlay `mesh`, which `client` on `h2` calls at port 7000; the
/// service `ticker` has two tasks; `brief` came and went.
const SWARM: &[u8] = include_bytes!("streams/version-1-swarm.frames");

fn frames(mut recording: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = recording.split_first_chunk::<4>() {
        let (frame, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame);
        recording = rest;
    }
    frames
}

/// What an app knows at the recording's end, and the names of all containers that it ever heard of.
fn replay(recording: &[u8]) -> (Store, Topology, BTreeSet<String>) {
    let (mut store, mut topology) = (Store::default(), Topology::default());
    let mut reader = FrameReader::new().unwrap();
    let session = Session(1);
    let mut host = None;
    let mut named: BTreeSet<String> = BTreeSet::new();
    let mut now = 1_000;
    for frame in frames(recording) {
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
    topology.tick(&store, 15_000, now + 5_000);
    (store, topology, named)
}

/// Labels by id, and edges.
fn shown(kind: Kind, store: &Store, topology: &Topology) -> (BTreeMap<String, String>, Vec<Edge>) {
    let mut view = View::new(Variant::new(kind, [], &[]), topology, store, &[]);
    let snapshot = view.snapshot(store);
    let labels = snapshot.nodes().iter().map(|node| (node.id.plain.to_string(), node.summary().label)).collect();
    let edges = snapshot.nodes().iter().flat_map(|node| {
        let mut text = b"[".to_vec();
        node.outgoing.write(&mut text, &node.carried);
        text.push(b']');
        serde_json::from_slice::<Vec<Edge>>(&text).unwrap()
    });
    (labels, edges.collect())
}

/// `client -> server:80` for each edge, by labels.
fn told((labels, edges): &(BTreeMap<String, String>, Vec<Edge>)) -> BTreeSet<String> {
    edges.iter().map(|e| format!("{} -> {}:{}", labels[&e.source], labels[&e.target], e.port)).collect()
}

#[test]
fn a_probe_of_the_first_version_is_understood() {
    let (store, topology, named) = replay(BRIDGE);
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["brief", "client", "server"]);
    let containers = shown(Kind::Containers, &store, &topology);
    let calls: Vec<&Edge> = containers.1.iter().filter(|e| containers.0[&e.source] == "client").collect();
    assert_eq!(calls.len(), 1, "{containers:?}");
    assert_eq!((containers.0[&calls[0].target].as_str(), calls[0].port), ("server", 6379));
    assert!(calls[0].network.as_ref().is_some_and(|network| network.ends_with(";<network>")), "{calls:?}");
}

#[test]
fn a_swarm_with_an_overlay_as_the_first_version_told_of_it_is_understood() {
    let (store, topology, named) = replay(SWARM);
    assert!(["brief", "server"].iter().all(|name| named.contains(*name)), "{named:?}");
    let labels = |kind| shown(kind, &store, &topology).0.into_values().collect::<Vec<String>>();
    assert_eq!(labels(Kind::SwarmServices), ["ticker"]);
    let tasks: BTreeSet<String> = labels(Kind::SwarmTasks).into_iter().collect();
    assert_eq!(tasks, BTreeSet::from(["ticker.1".to_owned(), "ticker.2".to_owned()]));
    let nodes: BTreeSet<String> = labels(Kind::SwarmNodes).into_iter().collect();
    assert_eq!(nodes, BTreeSet::from(["h1".to_owned(), "h2".to_owned()]));
    assert!(labels(Kind::Networks).contains(&"mesh".to_owned()));
    // Who calls is on the other host, of which no probe tells.
    let calls = told(&shown(Kind::Containers, &store, &topology));
    assert!(calls.contains("client -> server:7000"), "{calls:?}");
    let interfaces = shown(Kind::Interfaces, &store, &topology);
    let names: BTreeSet<&str> = interfaces.0.values().map(String::as_str).collect();
    assert!(["br0", "vxlan0", "docker_gwbridge"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(
        interfaces.1.iter().any(|e| e.protocol == "bridge" && interfaces.0[&e.target] == "vxlan0"),
        "{interfaces:?}"
    );
}

proptest! {
    /// Whatever the wire does to a stream, the app reads what it can and stops at the first frame that it cannot read.
    #[test]
    fn a_stream_with_bytes_changed_ends_and_breaks_nothing(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1u8..), 1..6),
        cut in any::<prop::sample::Index>(),
        of_swarm in any::<bool>(),
    ) {
        let mut frames: Vec<Vec<u8>> = frames(if of_swarm { SWARM } else { BRIDGE }).into_iter().map(<[u8]>::to_vec).collect();
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
