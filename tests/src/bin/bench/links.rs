//! One pass over the links, routes and neighbours of 500 network namespaces, each with the end of a pair in it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use probe::collector::Outlet;
use probe::link::Reader;
use probe::netns::Namespaces;
use probe::process::Scanner;
use tokio::sync::mpsc;

use crate::figures::{Figures, percentile};

const NAMESPACES: usize = 500;
const PASSES: usize = 20;

/// In a thread of its own, with mounts and a network of its own: what is made here goes with it.
pub fn measure(figures: &mut Figures) {
    let cost = std::thread::spawn(passes).join().expect("passes over the namespaces");
    figures.add("links, routes and neighbours of 500 namespaces: a pass, p99", percentile(cost, 0.99), "ms", 100.0);
}

fn passes() -> Vec<f64> {
    // SAFETY: these concern the calling thread alone.
    let apart = unsafe { libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET) };
    assert_eq!(apart, 0, "the benchmark needs root: {}", std::io::Error::last_os_error());
    let make = format!(
        "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link add br0 type bridge && \
         for n in $(seq {NAMESPACES}); do \
             echo netns add n$n; \
         done | ip -batch - && \
         for n in $(seq {NAMESPACES}); do \
             echo link add h$n type veth peer name eth0 netns n$n; echo link set h$n master br0 up; \
         done | ip -batch - && \
         for n in $(seq {NAMESPACES}); do \
             ip -n n$n addr add 10.$((n / 250)).$((n % 250)).2/24 dev eth0 && ip -n n$n link set eth0 up; \
         done"
    );
    let made = Command::new("sh").args(["-c", &make]).output().expect("a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (readings, mut inbox) = mpsc::channel(64);
    std::thread::spawn(move || while inbox.blocking_recv().is_some() {});
    let mut outlet = Outlet::new(readings);
    let mut namespaces = Namespaces::new(PathBuf::from("/proc"));
    namespaces.renew(&Scanner::new(PathBuf::from("/proc"), false));
    assert!(namespaces.all().count() > NAMESPACES, "all namespaces are found");
    let mut reader = Reader::open();
    (0..PASSES)
        .map(|n| {
            let started = Instant::now();
            reader.read(&namespaces, n as f64, &mut outlet);
            assert!(outlet.flush().is_ok(), "somebody listens");
            started.elapsed().as_secs_f64() * 1e3
        })
        // The first one asks for what stays known.
        .skip(1)
        .collect()
}
