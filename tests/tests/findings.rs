//! Faults, one after the other, on a real swarm of three engines: each yields its finding and nothing else that counts,
//! and the finding is cleared when the fault is mended.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use scope_tests::api::{edges, escaped, get, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, inside, text};
use serde_json::Value;

/// A finding is to be there within 10 s, and to be gone within 10 s; a busy machine may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Rounds of four containers that come and go: engines are asked every 4 s, the rounds go over several such times.
const CHURN: usize = 10;

fn open(base: &str) -> Result<Vec<Value>, String> {
    let answer = get(&format!("{base}/api/findings?state=open"))?;
    Ok(answer["findings"].as_array().cloned().unwrap_or_default())
}

fn kinds<'a>(findings: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    findings.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
}

/// Exactly these kinds count, those given second follow from them; gives the first that counts.
fn until(base: &str, what: &str, expect: &[&str], follow: &[&str]) -> Value {
    let before = Instant::now();
    let wanted = |list: &[&str]| list.iter().map(|kind| (*kind).to_owned()).collect::<BTreeSet<String>>();
    let found = eventually(&format!("{what}: {expect:?}"), PATIENCE, || {
        let all = open(base)?;
        let (top, below): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|finding| finding["because"].is_null());
        let (top_kinds, below_kinds) = (kinds(top.iter().copied()), kinds(below.into_iter()));
        if top_kinds == wanted(expect) && wanted(follow).is_subset(&below_kinds) {
            Ok(top.first().map(|finding| (*finding).clone()).unwrap_or_default())
        } else {
            Err(format!("{top_kinds:?}, below them {below_kinds:?}: {all:?}"))
        }
    });
    eprintln!("{what}: {:.1} s", before.elapsed().as_secs_f64());
    found
}

/// What a finding's sides say, as one text.
fn says(finding: &Value) -> String {
    let evidence = finding["evidence"].as_array().into_iter().flatten();
    evidence.map(|side| format!("{}: {}\n", side["source"], side["says"])).collect()
}

fn swarm(testbed: &Testbed) -> String {
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &[&app]);
    testbed.launch(3, &[&app]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.20.0.0/24", "mesh"]);
    testbed.container(1, "web", &["--network", "mesh", "--ip", "10.20.0.11"], "while :; do nc -l -p 7000 -e cat; done");
    testbed.container(2, "db", &["--network", "mesh", "--ip", "10.20.0.12"], "sleep 10000");
    testbed.container(3, "cache", &["--network", "mesh", "--ip", "10.20.0.13"], "sleep 10000");
    let base = testbed.url(1);
    eventually("all members are known", PATIENCE, || {
        let shown = view(&base, "containers")?.to_string();
        let all = ["\"web\"", "\"db\"", "\"cache\""].iter().all(|name| shown.contains(name));
        if all { Ok(()) } else { Err("not yet".into()) }
    });
    base
}

/// The daemons of all hosts side by side, the one that is down marked.
fn board(base: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (light, width, name) in [(true, 1280, "daemons-light"), (false, 1280, "daemons-dark"), (false, 500, "daemons-narrow")] {
            let browser = Browser::open(width, 800, light).await;
            browser.client.goto(&format!("{base}/#/daemons?mode=board")).await.unwrap();
            let marked = "const t = [...document.querySelectorAll('.tile')]; \
                          return t.length === 6 && t.some(t => t.classList.contains('failing') && t.textContent.includes('does not answer'))";
            browser.until("six daemons, one of them marked", marked).await;
            browser.screenshot(name).await;
            browser.close().await;
        }
    });
}

/// Counted in the header, listed with both sides, marked on its node and in that node's card.
fn shown_on_the_page(base: &str, mesh: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (light, width, height, name) in
            [(true, 1280, 800, "findings-light"), (false, 1280, 800, "findings-dark"), (true, 390, 844, "findings-narrow")]
        {
            let browser = Browser::open(width, height, light).await;
            browser.client.goto(&format!("{base}/#/networks")).await.unwrap();
            let counted = "const b = document.querySelector('.findings-button .severity b'); return b && b.textContent === '1'";
            browser.until("one finding in the header", counted).await;
            if name == "findings-light" {
                browser.client.goto(&format!("{base}/#/networks?node={}", escaped(mesh))).await.unwrap();
                let told = "return (document.querySelector('.card .card-finding')?.textContent ?? '').includes('no way to db')";
                browser.until("it is told in the card of its network", told).await;
                browser.screenshot("network-failing-light").await;
            }
            browser.client.execute("document.querySelector('.findings-button').click()", Vec::new()).await.unwrap();
            let sides = "const t = [...document.querySelectorAll('.found .sides pre')].map(p => p.textContent).join(' '); \
                         return t.includes('10.20.0.12 is at') && t.includes('no forwarding entry')";
            browser.until("what each side says", sides).await;
            browser.screenshot(name).await;
            browser.close().await;
        }
    });
}

#[test]
fn a_way_that_the_kernel_does_not_have_as_the_engine_believes_is_found_from_both_sides() {
    let testbed = Testbed::up(3, true);
    let base = swarm(&testbed);
    let vtep = |host| testbed.address(host);
    let mac = "02:42:0a:14:00:0c";

    // Containers that come and go by themselves are no fault, however long they go on.
    for round in 0..CHURN {
        let names: Vec<String> = (0..4).map(|n| format!("brief-{round}-{n}")).collect();
        for name in &names {
            testbed.container(2, name, &["--network", "mesh"], "sleep 1000");
        }
        let remove: Vec<&str> = ["rm", "-f"].into_iter().chain(names.iter().map(String::as_str)).collect();
        testbed.docker(2, &remove);
    }
    let all = get(&format!("{base}/api/findings")).unwrap();
    assert_eq!(all["findings"], Value::Array(Vec::new()), "nothing was ever found while containers came and went");

    inside(&testbed, 1, "mesh", &format!("bridge fdb del {mac} dev $dev dst {} self", vtep(2)));
    let found = until(&base, "an entry deleted", &["forwarding-entry-missing"], &[]);
    assert_eq!(found["subject"]["label"], "mesh");
    assert_eq!((found["host"].as_str(), found["severity"].as_str()), (Some("h1"), Some("failing")));
    let said = says(&found);
    assert!(said.contains(&format!("10.20.0.12 is at {}", vtep(2))) && said.contains("no forwarding entry"), "{said}");
    let networks = view(&base, "networks").unwrap();
    let mesh = networks["nodes"].as_object().unwrap().values().find(|n| n["label"] == "mesh").unwrap().clone();
    assert_eq!(mesh["health"], "failing", "and the network is marked");
    shown_on_the_page(&base, mesh["id"].as_str().unwrap());
    let (out, _) = text(&testbed.scope(1, &["status"]));
    assert!(out.contains("failing  h1 has no way to db at"), "{out}");
    inside(&testbed, 1, "mesh", &format!("bridge fdb add {mac} dev $dev dst {} self permanent", vtep(2)));
    until(&base, "the entry is back", &[], &[]);
    let cleared = get(&format!("{base}/api/findings?state=cleared")).unwrap();
    let mut cleared = cleared["findings"].as_array().unwrap().iter();
    let cleared = cleared.find(|f| f["kind"] == "forwarding-entry-missing").expect("it is told as cleared");
    assert_eq!(cleared["id"], found["id"]);

    let bend = |to: &str| {
        inside(&testbed, 1, "mesh", &format!("bridge fdb replace {mac} dev $dev dst {to} self permanent"));
    };
    bend(&vtep(99));
    let found = until(&base, "an entry to a stranger", &["forwarding-entry-to-stranger"], &[]);
    assert!(says(&found).contains(&format!("{mac} is at {}", vtep(99))), "{found}");
    bend(&vtep(3));
    until(&base, "an entry to the wrong peer", &["forwarding-entry-to-wrong-peer"], &[]);
    bend(&vtep(2));
    until(&base, "the entry is right", &[], &[]);

    // Frames between two hosts are lost, while their engines hear of one another.
    // Who is connected just then waits for an answer to its FIN for as long as TCP asks: it is not to keep others waiting.
    let call = "timeout -s KILL 2 nc -w 1 10.20.0.11 7000 </dev/null >/dev/null";
    let ask = format!("while :; do {call}; sleep 0.2; done");
    testbed.container(3, "asker", &["--network", "mesh"], &ask);
    eventually("calls are answered", PATIENCE, || {
        let shown = view(&base, "containers")?;
        let told = edges(&shown).contains("asker -> web:7000");
        if told { Ok(()) } else { Err(format!("{:?}", edges(&shown))) }
    });
    let frames = format!("INPUT -p udp --dport 4789 -s {} -j DROP", vtep(3));
    testbed.shell(1, &format!("iptables -I {frames}"));
    let found = until(&base, "frames dropped", &["overlay-traffic-dropped"], &[]);
    assert_eq!(found["summary"], "h3's calls over mesh to h1 are not answered");
    assert!(says(&found).contains("web:7000 on h1: none was answered"), "{found}");
    testbed.shell(1, &format!("iptables -D {frames}"));
    until(&base, "frames come through", &[], &[]);
    testbed.docker(3, &["rm", "-f", "asker"]);

    // Nobody calls anew: what open connections send is not answered.
    testbed.docker(1, &["exec", "-d", "web", "nc", "-ll", "-p", "7100", "-e", "cat"]);
    testbed.until_listens(1, "web", 7100);
    let talk = "(while :; do echo word; sleep 0.2; done) | nc 10.20.0.11 7100 >/dev/null &";
    testbed.container(3, "talker", &["--network", "mesh"], &format!("{talk} {talk} {talk} sleep 10000"));
    eventually("connections are open", PATIENCE, || {
        let shown = view(&base, "containers")?;
        let mut found = shown["edges"].as_array().into_iter().flatten().filter(|edge| edge["port"] == 7100);
        let is_open = found.any(|edge| edge["open"] == 3 && edge["metrics"]["received_bytes"].as_f64() > Some(0.0));
        if is_open { Ok(()) } else { Err(format!("{:?}", shown["edges"])) }
    });
    testbed.shell(1, &format!("iptables -I {frames}"));
    let found = until(&base, "frames of open connections dropped", &["overlay-traffic-dropped"], &[]);
    assert!(says(&found).contains("web:7100 on h1: none was answered"), "{found}");
    let map = get(&format!("{base}/api/network-map")).unwrap();
    let mesh = map["networks"].as_array().unwrap().iter().find(|network| network["label"] == "mesh").unwrap();
    let column = |host: &str| map["hosts"].as_array().unwrap().iter().position(|one| one["label"] == host).unwrap();
    let lost = serde_json::json!([{ "from": column("h3"), "to": column("h1"), "members": 1 }]);
    assert_eq!(mesh["unreachable"], lost, "{map}");
    testbed.shell(1, &format!("iptables -D {frames}"));
    until(&base, "they come through", &[], &[]);
    testbed.docker(3, &["rm", "-f", "talker"]);

    inside(&testbed, 2, "mesh", "ip link set br0 down");
    let found = until(&base, "a device down", &["overlay-device-down"], &[]);
    assert!(found["summary"].as_str().unwrap().contains("br0 of mesh is down on h2"), "{found}");
    inside(&testbed, 2, "mesh", "ip link set br0 up");
    until(&base, "the device is up", &[], &[]);

    testbed.shell(3, "ip link set eth0 mtu 1400");
    let found = until(&base, "a small MTU underneath", &["mtu-too-small"], &[]);
    assert_eq!(found["summary"], "mesh sends 1450 bytes, eth0 of h3 carries 1400 less 50");
    testbed.shell(3, "ip link set eth0 mtu 1500");
    until(&base, "the MTU is right", &[], &[]);

    let pid = testbed.docker(3, &["inspect", "-f", "{{.State.Pid}}", "cache"]);
    testbed.shell(3, &format!("nsenter -t {} -n ip link del eth0", pid.trim()));
    let found = until(&base, "an interface deleted", &["endpoint-missing"], &[]);
    assert_eq!(found["summary"], "cache on h3 has no interface in mesh");
    testbed.docker(3, &["network", "disconnect", "mesh", "cache"]);
    testbed.docker(3, &["network", "connect", "mesh", "cache"]);
    until(&base, "attached again", &[], &[]);

    let pid = testbed.docker(2, &["inspect", "-f", "{{.State.Pid}}", "db"]);
    let port = format!(
        "ip link add stray0 mtu 1450 type veth peer name stray1 mtu 1450 && ip link set stray1 netns {}",
        pid.trim()
    );
    testbed.shell(2, &format!("{port} && ip link set stray0 up && nsenter -t {} -n ip link set stray1 up", pid.trim()));
    let id = testbed.docker(2, &["network", "inspect", "-f", "{{.Id}}", "mesh"]);
    let into = format!(
        "ln -sf /run/docker/netns/*-{}* /run/netns/mesh-ns && ip link set stray0 netns mesh-ns",
        &id.trim()[..10]
    );
    testbed.shell(2, &into);
    inside(&testbed, 2, "mesh", "ip link set stray0 master br0 up");
    let found = until(&base, "an interface that nobody asked for", &["endpoint-unknown"], &[]);
    assert!(says(&found).contains("stray0, a port of br0"), "{found}");
    inside(&testbed, 2, "mesh", "ip link del stray0");
    until(&base, "it is gone", &[], &[]);

    testbed.docker(1, &["network", "create", "--subnet", "10.30.0.128/25", "lan"]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.30.0.0/24", "far"]);
    let found = until(&base, "subnets that overlap", &["overlapping-subnets"], &[]);
    assert!(says(&found).contains("10.30.0.128/25") && says(&found).contains("10.30.0.0/24"), "{found}");
    testbed.docker(1, &["network", "rm", "lan"]);
    until(&base, "one of them is gone", &[], &[]);
    testbed.shell(2, "ip addr add 10.20.0.200/24 dev eth0");
    until(&base, "a subnet that is the host's", &["overlapping-subnets"], &[]);
    testbed.shell(2, "ip addr del 10.20.0.200/24 dev eth0");
    until(&base, "the host has another", &[], &[]);
}

#[test]
fn a_daemon_that_does_not_do_its_part_is_found_and_what_follows_hangs_below_it() {
    let testbed = Testbed::up(3, true);
    let base = swarm(&testbed);
    testbed.docker(1, &["node", "promote", "h2", "h3"]);
    until(&base, "all is well", &[], &[]);
    eventually("every daemon once, and each member of the swarm with its managers", PATIENCE, || {
        let shown = view(&base, "daemons")?;
        let nodes = shown["nodes"].as_object().unwrap();
        let ids: Vec<&str> = nodes.keys().map(String::as_str).collect();
        let expect = ["h1:engine", "h1:swarm", "h2:engine", "h2:swarm", "h3:engine", "h3:swarm"];
        let all = expect.map(|id| format!("{id};<daemon>"));
        let leads = nodes["h1:swarm;<daemon>"].to_string().contains("leader");
        let is_timed = nodes.values().all(|daemon| daemon["metadata"].to_string().contains("daemon_uptime"));
        let count = edges(&shown).len();
        if ids == all && leads && is_timed && count > 0 { Ok(()) } else { Err(format!("{ids:?} {count}: {shown}")) }
    });

    testbed.engine(3, "freeze");
    let found = until(&base, "an engine frozen", &["engine-not-answering"], &[]);
    until(&base, "its swarm misses it", &["engine-not-answering"], &["swarm-node-down"]);
    assert_eq!((found["subject"]["label"].as_str(), found["host"].as_str()), (Some("Docker Engine"), Some("h3")));
    testbed.engine(3, "thaw");
    until(&base, "it answers", &[], &[]);

    testbed.engine(3, "kill");
    let found = until(&base, "an engine killed", &["engine-down"], &[]);
    until(&base, "its swarm misses it", &["engine-down"], &["swarm-manager-unreachable", "swarm-node-down"]);
    assert!(says(&found).contains("answered last at"), "{found}");
    board(&base);
    testbed.engine(3, "start");
    until(&base, "it is up", &[], &[]);

    let create =
        ["service", "create", "-q", "-d", "--no-resolve-image", "--name", "broken", "--endpoint-mode", "dnsrr"];
    let mut arguments = create.to_vec();
    arguments.extend(["--restart-delay", "60s", "rp/busybox:1", "sh", "-c", "exit 3"]);
    testbed.docker(1, &arguments);
    let found = until(&base, "a service whose task fails", &["service-short-of-replicas"], &[]);
    assert!(found["summary"].as_str().unwrap().contains("non-zero exit (3)"), "{found}");
    testbed.docker(1, &["service", "rm", "broken"]);
    until(&base, "the service is gone", &[], &[]);

    testbed.docker(1, &["node", "demote", "h3"]);
    testbed.docker(3, &["rm", "-f", "cache"]);
    eventually("it is a worker", PATIENCE, || {
        let role = testbed.docker(1, &["node", "inspect", "-f", "{{.Spec.Role}}{{.ManagerStatus}}", "h3"]);
        let info = testbed.docker(3, &["info", "-f", "{{.Swarm.ControlAvailable}}"]);
        if role.contains("worker") && role.contains("nil") && info.trim() == "false" {
            Ok(())
        } else {
            Err(role + &info)
        }
    });
    testbed.docker(3, &["swarm", "leave"]);
    until(&base, "a node leaves", &["swarm-node-left"], &[]);
    // Who is gone is no peer any more: what is sent there is lost.
    let mac = "02:42:0a:14:00:0c";
    let bend = |to: &str| {
        inside(&testbed, 1, "mesh", &format!("bridge fdb replace {mac} dev $dev dst {to} self permanent"));
    };
    bend(&testbed.address(3));
    until(&base, "an entry to the dead", &["forwarding-entry-to-dead-peer", "swarm-node-left"], &[]);
    bend(&testbed.address(2));
    until(&base, "the entry is right", &["swarm-node-left"], &[]);
    // The managers wait for its heartbeats before they let anybody take it out of their list.
    eventually("its managers know that it is gone", PATIENCE, || {
        let state = testbed.docker(1, &["node", "inspect", "-f", "{{.Status.State}}", "h3"]);
        if state.trim() == "down" { Ok(()) } else { Err(state) }
    });
    testbed.docker(1, &["node", "rm", "h3"]);
    until(&base, "nobody misses it", &[], &[]);

    // In a swarm of its own, under an address that it does not have.
    testbed.docker(3, &["swarm", "init", "--advertise-addr", &testbed.address(77)]);
    let found = until(&base, "a wrong address", &["wrong-advertise-address"], &[]);
    assert!(says(&found).contains(&testbed.address(77)) && says(&found).contains(&testbed.address(3)), "{found}");
    testbed.docker(3, &["swarm", "leave", "--force"]);
    until(&base, "it advertises nothing", &[], &[]);

    testbed.engine(2, "stop");
    until(&base, "most managers gone", &["engine-down"], &["swarm-no-leader"]);
    testbed.engine(2, "start");
    // Two managers that each wait between 10 and 20 s before they stand for election may do so at
    // the same moment, more than once: how long that takes is theirs, not what is tested.
    eventually("a leader is elected", 4 * PATIENCE, || {
        let (told, wrong) = text(&testbed.exec(1, &["docker", "node", "ls", "--format", "{{.ManagerStatus}}"]));
        let mut statuses: Vec<&str> = told.split_whitespace().collect();
        statuses.sort_unstable();
        if statuses == ["Leader", "Reachable"] { Ok(()) } else { Err(told + &wrong) }
    });
    until(&base, "the swarm has a leader", &[], &[]);
}
