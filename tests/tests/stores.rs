//! Docker's cluster store: a real etcd, as engines of before Swarm share their networks by, alone and in a majority.

use std::collections::BTreeSet;
use std::time::Duration;

use scope_tests::api::{container_edges, get, labels, node, row, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Exactly these kinds of findings follow from no other; gives them.
fn until(base: &str, what: &str, expect: &[&str]) -> Vec<Value> {
    let wanted: BTreeSet<String> = expect.iter().map(|kind| (*kind).to_owned()).collect();
    eventually(&format!("{what}: {expect:?}"), PATIENCE, || {
        let answer = get(&format!("{base}/api/findings?state=open"))?;
        let all = answer["findings"].as_array().cloned().unwrap_or_default();
        let top: Vec<Value> = all.iter().filter(|finding| finding["because"].is_null()).cloned().collect();
        let kinds: BTreeSet<String> = top.iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect();
        if kinds == wanted { Ok(top) } else { Err(format!("{all:?}")) }
    })
}

/// The stores among the daemons, by `host: role`.
fn stores(base: &str) -> Result<BTreeSet<String>, String> {
    let shown = view(base, "daemons")?;
    let all = shown["nodes"].as_object().unwrap().values().filter(|n| n["label"] == "etcd");
    Ok(all.map(|n| format!("{}: {}", n["labelMinor"].as_str().unwrap(), row(n, "daemon_role"))).collect())
}

#[test]
fn the_store_behind_the_engines_networks_is_found_by_itself_and_missed_when_it_is_gone() {
    let testbed = Testbed::up_with_etcd(2);
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);
    let store = format!("{}:2379", testbed.switch());
    eventually("the store that both engines name, once", PATIENCE, || {
        let found = stores(&base)?;
        if found == BTreeSet::from([format!("{store}: leader")]) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    testbed.docker(1, &["network", "create", "-d", "overlay", "mesh"]);
    testbed.container(1, "server", &["--network", "mesh"], "while :; do nc -l -p 7000 -e cat; done");
    let call = "while :; do (while :; do echo q; sleep 1; done) | nc server 7000; sleep 0.2; done";
    testbed.container(2, "client", &["--network", "mesh"], call);
    eventually("one calls the other over the store's network", PATIENCE, || {
        let found = container_edges(&base)?;
        if found == BTreeSet::from(["client -> server:7000".to_owned()]) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let networks = view(&base, "networks").unwrap();
    assert_eq!(networks["nodes"].as_object().unwrap().values().filter(|n| n["label"] == "mesh").count(), 1);
    let mesh = node(&networks, "mesh").unwrap();
    assert_eq!((row(mesh, "network_kept_by").as_str(), row(mesh, "container").as_str()), ("a cluster store", "2"));
    until(&base, "all is well", &[]);

    testbed.store("stop");
    let found = until(&base, "the only store is gone", &["store-unreachable"]);
    assert_eq!(found.len(), 1, "told once, though two hosts miss it: {found:?}");
    assert!(found[0]["evidence"].as_array().unwrap().len() >= 2, "by each of them: {found:?}");
    assert!(labels(&view(&base, "containers").unwrap()).contains("server"), "what runs goes on");
    testbed.store("start");
    until(&base, "it is back", &[]);
}

/// One member of three, as a process of a host.
fn member(testbed: &Testbed, host: usize) {
    let directory = testbed.directory(host);
    let url = |host: usize, port: u16| format!("http://{}:{port}", testbed.address(host));
    let cluster: Vec<String> = (1..=3).map(|n| format!("h{n}={}", url(n, 2380))).collect();
    let line = format!(
        "setsid {etcd} --name h{host} --data-dir {dir}/etcd --enable-v2 --listen-client-urls http://0.0.0.0:2379 \
         --advertise-client-urls {client} --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} \
         --initial-cluster {cluster} </dev/null >{dir}/etcd.log 2>&1 & echo $! >{dir}/etcd.pid",
        etcd = Testbed::etcd().display(),
        dir = directory.display(),
        client = url(host, 2379),
        peer = url(host, 2380),
        cluster = cluster.join(","),
    );
    testbed.shell(host, &line);
}

fn kill(testbed: &Testbed, host: usize) {
    testbed.shell(host, &format!("kill -9 $(cat {}/etcd.pid)", testbed.directory(host).display()));
}

#[test]
fn of_three_members_one_may_be_lost_and_two_may_not() {
    let testbed = Testbed::up(3, false);
    let app = testbed.address(1);
    (1..=3).for_each(|host| member(&testbed, host));
    // Each is told of one member, and finds the others by it.
    let url = format!("etcd://{}:2379", testbed.address(1));
    testbed.launch(1, &["--cluster-store", &url]);
    testbed.launch(2, &["--cluster-store", &format!("etcd://{}:2379", testbed.address(2)), &app]);
    let base = testbed.url(1);
    let roles = eventually("three members, one of them leading", PATIENCE, || {
        let found = stores(&base)?;
        let leaders = found.iter().filter(|one| one.ends_with(": leader")).count();
        let members =
            [1, 2].map(|n| format!("h{n}: ")).iter().all(|host| found.iter().any(|one| one.starts_with(host)));
        if found.len() == 3 && leaders == 1 && members { Ok(found) } else { Err(format!("{found:?}")) }
    });
    until(&base, "all is well", &[]);
    let leader = roles.iter().find(|one| one.ends_with(": leader")).unwrap();
    let third = testbed.address(3);
    let leader =
        (1..=3).find(|n| leader.starts_with(&format!("h{n}: ")) || (*n == 3 && leader.starts_with(&third))).unwrap();

    kill(&testbed, leader);
    let found = until(&base, "the leader is lost, and the others have a new one", &["store-member-down"]);
    assert_eq!((found.len(), found[0]["severity"].as_str()), (1, Some("warning")), "{found:?}");
    eventually("somebody else leads", PATIENCE, || {
        let found = stores(&base)?;
        if found.iter().any(|one| one.ends_with(": leader")) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let other = (1..=3).find(|n| *n != leader).unwrap();
    kill(&testbed, other);
    let found = until(&base, "the majority is lost", &["store-no-leader"]);
    assert!(found[0]["summary"].as_str().unwrap().contains("1 of 3 members answer"), "{found:?}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, false).await;
        browser.client.goto(&format!("{base}/#/daemons?mode=board")).await.unwrap();
        let told = "return [...document.querySelectorAll('.tile.failing, .tile.warning')].length >= 2";
        browser.until("the store's members on the board", told).await;
        browser.screenshot("store-dark").await;
        browser.close().await;
    });

    member(&testbed, leader);
    member(&testbed, other);
    until(&base, "all is well again", &[]);
}
