//! What the engines believe of overlays against what the kernels forward: all of it, and after one change. 100 hosts
//! are in 20 overlays with 50 members each as each host has heard, half of them on the host itself.

use std::net::IpAddr;
use std::time::Instant;

use scope::clock::Now;
use scope::diagnose::Diagnosis;
use scope::store::{Session, Store};
use scope::topology::Topology;
use shared::Report;
use shared::delta::{Changes, Delta};
use shared::id::{HostId, InstanceId, NetNsId, NetworkId};
use shared::report::{
    Collector, CollectorState, CollectorStatus, Forwarding, Namespace, Neighbour, NeighbourState, Network,
    NetworkScope, Overlay, OverlayMember, Paths,
};
use shared::wire::{Hello, Stamp};
use uuid::Uuid;

use crate::figures::{Figures, percentile};

const HOSTS: u8 = 100;
const NETWORKS: u8 = 20;
const MEMBERS: u8 = 50;
const ROUNDS: u64 = 100;

fn vtep(host: u8) -> IpAddr {
    [192, 168, 0, host + 1].into()
}

fn mac(network: u8, member: u8) -> String {
    format!("02:42:0a:{network:02x}:00:{member:02x}")
}

fn network_id(network: u8) -> NetworkId {
    format!("overlay{network:03}aaaaaaaaaaaaaaa").into()
}

/// Of one network on one host: the first half of the members is here, the others are with the next host.
fn unit(host: u8, network: u8) -> (Overlay, Paths) {
    let there = (host + 1) % HOSTS;
    let (mut overlay, mut paths) = (Overlay::default(), Paths::default());
    overlay.peers = (0..HOSTS).map(vtep).collect();
    for n in 0..MEMBERS {
        let address = IpAddr::from([10, network, 0, n + 2]);
        let is_here = n < MEMBERS / 2;
        let at = vtep(if is_here { host } else { there });
        overlay.members.insert(address, OverlayMember { name: format!("app-{n}"), vtep: Some(at), mac: String::new() });
        if !is_here {
            let mac = mac(network, n);
            paths.forwarding.push(Forwarding { mac: mac.clone(), link: 3, vtep: Some(at), is_learned: false });
            paths.neighbours.push(Neighbour { address, mac, link: 3, state: NeighbourState::Permanent });
        }
    }
    (overlay, paths)
}

fn report(host: u8) -> Report {
    let mut report = Report::default();
    report.host.local_networks = vec![format!("{}/16", vtep(host)).parse().expect("a subnet")];
    for collector in [Collector::Docker, Collector::Link] {
        report
            .collectors
            .insert(collector, CollectorStatus { state: CollectorState::Ok, ..CollectorStatus::default() });
    }
    for network in 0..NETWORKS {
        let id = network_id(network);
        let namespace = NetNsId(u32::from(network) + 2);
        let name = format!("1-{}", &id.0[..10]);
        report.namespaces.insert(namespace, Namespace { name, ..Namespace::default() });
        let record = Network { driver: "overlay".into(), scope: NetworkScope::Swarm, ..Network::default() };
        report.networks.insert(id.clone(), record);
        let (overlay, paths) = unit(host, network);
        report.overlays.insert(id, overlay);
        report.paths.insert(namespace, paths);
    }
    report
}

pub fn measure(figures: &mut Figures) {
    let (mut store, topology) = (Store::default(), Topology::default());
    let mut deltas = Vec::new();
    for host in 0..HOSTS {
        let id = HostId(Uuid::from_u128(u128::from(host) + 1));
        let hello = Hello {
            host: id,
            instance: InstanceId(Uuid::nil()),
            hostname: format!("node-{host}"),
            scope_version: String::new(),
            token: String::new(),
            capabilities: Vec::new(),
            publish_interval_ms: 1000,
        };
        store.open(&hello, Session(u64::from(host)), 0);
        let change = store.snapshot(id, Session(u64::from(host)), 1, Stamp::default(), report(host), 0);
        deltas.push((id, change.expect("a snapshot that is taken")));
    }
    let at = |ms| Now { steady_ms: ms, wall_ms: ms };
    let mut scratch = Vec::new();
    let mut diagnosis = Diagnosis::default();
    for _ in 0..20 {
        diagnosis = Diagnosis::default();
        for (id, change) in &deltas {
            diagnosis.note(&store, *id, change);
        }
        let started = Instant::now();
        diagnosis.pass(&store, &topology, at(0));
        scratch.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let mut changes = Vec::new();
    let id = HostId(Uuid::from_u128(1));
    for round in 0..ROUNDS {
        let network = (round % u64::from(NETWORKS)) as u8;
        let (_, mut paths) = unit(0, network);
        if round < ROUNDS / 2 {
            paths.forwarding.pop();
        }
        let set = vec![(NetNsId(u32::from(network) + 2), paths)];
        let delta = Delta { paths: Changes { set, removed: Vec::new() }, ..Delta::default() };
        let delta =
            store.update(id, Session(0), round + 2, Stamp::default(), delta, 0).expect("a change that is taken");
        let started = Instant::now();
        diagnosis.note(&store, id, &delta);
        diagnosis.pass(&store, &topology, at(round * 1000));
        changes.push(started.elapsed().as_secs_f64() * 1e3);
        // Half of the changes break something: what is measured finds it.
        if round == ROUNDS / 2 - 1 {
            assert!(diagnosis.count().failing > 0, "a missing entry is found");
        }
    }
    assert_eq!(diagnosis.count().failing, 0, "and what is mended is found mended");
    figures.add(
        "audit of 100,000 entries of the control plane against 50,000 forwarding entries",
        percentile(scratch, 0.99),
        "ms",
        50.0,
    );
    figures.add("audit after one changed entry: p99", percentile(changes, 0.99), "ms", 1.0);
}
