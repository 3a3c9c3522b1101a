//! Whatever way two containers take to each other, and whatever their processes do with their sockets: one edge, from who
//! calls to who answers.

use std::time::Duration;

use scope_tests::api::{collector, edges, escaped, get, node, until_edges, view};
use scope_tests::eventually;
use scope_tests::testbed::{MACHINE, Testbed, call, python, serve};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Each connection is a child's, which goes by another name.
fn forks(port: u16) -> String {
    python(&format!(
        "import os, socket, sys\ns = socket.create_server((\"\", {port}))\nwhile True:\n    c, _ = s.accept()\n    \
         if os.fork() == 0:\n        s.close()\n        c.set_inheritable(True)\n        \
         os.execv(sys.executable, [\"child\", \"-c\", \"import time; time.sleep(1000)\"])\n    c.close()"
    ))
}

/// What one process accepts is given to another through a socket of theirs.
fn passes(port: u16) -> String {
    let receives = "import socket\\nb = socket.socket(fileno=0)\\nheld = []\\n\
                    while True: held += socket.recv_fds(b, 1, 1)[1]";
    python(&format!(
        "import os, socket, sys\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)\nif os.fork() == 0:\n    \
         os.dup2(b.fileno(), 0)\n    os.execv(sys.executable, [\"receiver\", \"-c\", \"{receives}\"])\n\
         s = socket.create_server((\"\", {port}))\nwhile True:\n    c, _ = s.accept()\n    \
         socket.send_fds(a, [b\"x\"], [c.fileno()])\n    c.close()"
    ))
}

/// One socket for both versions of IP.
fn listens_on_any(port: u16) -> String {
    python(&format!(
        "import socket\ns = socket.create_server((\"::\", {port}), family=socket.AF_INET6, dualstack_ipv6=True)\n\
         held = []\nwhile True: held.append(s.accept())"
    ))
}

#[test]
fn whatever_the_way_an_edge_leads_from_who_calls_to_who_answers() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "lan"]);
    let on_lan = ["--network", "lan"];
    let with_machine = ["--network", "lan", MACHINE[0], MACHINE[1]];
    // A published port called from the network that the container is in: by NAT where the kernel turns packets round,
    // else by Docker's proxy.
    testbed.container(1, "published", &["--network", "lan", "-p", "8301:7301"], &serve(7301));
    testbed.container(1, "hairpin", &on_lan, &call(&app, 8301));
    testbed.container(1, "other-lan", &["-p", "8302:7302"], &serve(7302));
    testbed.container(1, "round-trip", &on_lan, &call(&app, 8302));
    // From another host, for long and for a moment.
    testbed.container(1, "published-too", &["-p", "8303:7309"], &serve(7309));
    testbed.container(2, "from-afar", &[], &call(&app, 8303));
    testbed.container(1, "often-called", &["-p", "8304:7310"], &serve(7310));
    let again = format!("while :; do nc -w 1 {app} 8304 </dev/null >/dev/null; sleep 0.3; done");
    testbed.container(2, "now-and-then", &[], &again);
    // A container in the network of another.
    testbed.container(1, "main", &on_lan, &serve(7303));
    testbed.container(1, "sidecar", &["--network", "container:main"], &call("127.0.0.1", 7303));
    // On the wire of the hosts, past their own namespaces.
    let net = app.rsplit_once('.').unwrap().0.to_owned();
    for host in [1, 2] {
        let subnet = format!("{net}.0/24");
        let create = ["network", "create", "-d", "macvlan", "--subnet", &subnet, "-o", "parent=eth0", "wire"];
        testbed.docker(host, &create);
    }
    let at = |last: u8| format!("{net}.{last}");
    testbed.container(2, "on-wire", &["--network", "wire", "--ip", &at(202)], &serve(7304));
    testbed.container(1, "from-wire", &["--network", "wire", "--ip", &at(201)], &call(&at(202), 7304));
    // Version 6.
    testbed.docker(1, &["network", "create", "--ipv6", "--subnet", "fd00:77::/64", "six"]);
    let six = ["--network", "six", "--ip6", "fd00:77::10", MACHINE[0], MACHINE[1]];
    testbed.container(1, "server-six", &six, &listens_on_any(7305));
    let dials = python(
        "import socket, time\nwhile True:\n    try:\n        c = socket.create_connection((\"fd00:77::10\", 7305))\n        \
         time.sleep(1000)\n    except OSError: time.sleep(0.2)",
    );
    testbed.container(1, "client-six", &["--network", "six", MACHINE[0], MACHINE[1]], &dials);
    // What processes do with sockets.
    testbed.container(1, "forks", &with_machine, &forks(7306));
    testbed.container(1, "to-child", &on_lan, &call("forks", 7306));
    testbed.container(1, "passes", &with_machine, &passes(7307));
    testbed.container(1, "to-receiver", &on_lan, &call("passes", 7307));
    testbed.container(1, "any", &with_machine, &listens_on_any(7308));
    testbed.container(1, "by-four", &on_lan, &call("any", 7308));
    until_edges(
        &base,
        &[
            "hairpin -> published:7301",
            "round-trip -> other-lan:7302",
            "from-afar -> published-too:7309",
            "now-and-then -> often-called:7310",
            "sidecar -> main:7303",
            "from-wire -> on-wire:7304",
            "client-six -> server-six:7305",
            "to-child -> forks:7306",
            "to-receiver -> passes:7307",
            "by-four -> any:7308",
        ],
    );
    eventually("by which devices the hosts send what is translated on the way", PATIENCE, || {
        let shown = view(&base, "interfaces")?;
        let name = |id: &Value| {
            let node = &shown["nodes"][id.as_str().unwrap_or_default()];
            [&node["label"], &node["labelMinor"]].map(|part| part.as_str().unwrap_or_default().to_owned()).join(" of ")
        };
        let edges = shown["edges"].as_array().into_iter().flatten().filter(|edge| edge["protocol"] == "nat");
        let mut found: Vec<String> = edges
            .map(|edge| format!("{} -> {}:{}", name(&edge["source"]), name(&edge["target"]), edge["port"]))
            .collect();
        found.sort();
        let expect = ["eth0 of h2 -> eth0 of h1:8303", "eth0 of h2 -> eth0 of h1:8304"];
        if found == expect { Ok(()) } else { Err(format!("{found:?}")) }
    });
    // The interfaces of macvlan are on top of the hosts' own, in other namespaces.
    let shown = view(&base, "containers").unwrap();
    let [from, to] = ["from-wire", "on-wire"].map(|name| escaped(node(&shown, name).unwrap()["id"].as_str().unwrap()));
    let ask = format!("{base}/api/paths/containers?source={from}&target={to}");
    eventually("the way down to the wire and up again", PATIENCE, || {
        let answer = get(&ask)?;
        let hops = answer["edges"][0]["path"].as_array().cloned().unwrap_or_default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told: Vec<String> =
            hops.iter().map(|hop| format!("{} {}", word(&hop["of"]), word(&hop["onward"]))).collect();
        if told == ["from-wire on h1 device", "h1 network", "h2 device", "on-wire on h2 "] {
            Ok(())
        } else {
            Err(format!("{told:?}"))
        }
    });
    eventually("whoever has the socket now", PATIENCE, || {
        let found = edges(&view(&base, "processes")?);
        let wanted = ["nc -> child:7306", "nc -> receiver:7307", "nc -> python3:7308", "python3 -> python3:7305"];
        match wanted.iter().find(|edge| !found.contains(**edge)) {
            None if found.iter().all(|edge| !edge.contains("docker-proxy")) => Ok(()),
            missing => Err(format!("{missing:?} of {found:?}")),
        }
    });
}

#[test]
fn two_hundred_namespaces_are_read_and_connections_that_conntrack_does_not_follow_are_seen() {
    let testbed = Testbed::up(1, false);
    // Nothing is translated then, nor followed.
    testbed.shell(1, "for chain in PREROUTING OUTPUT; do iptables -t raw -A $chain -j NOTRACK; done");
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "server", &["--network", "lan"], &serve(7400));
    testbed.container(1, "client", &["--network", "lan"], &call("server", 7400));
    until_edges(&base, &["client -> server:7400"]);
    testbed.shell(
        1,
        "for n in $(seq 200); do unshare -n sh -c 'ip link set lo up; busybox nc -ll -p 7401 -e cat & \
         sleep 1; sleep 1000 | busybox nc 127.0.0.1 7401' >/dev/null 2>&1 & done",
    );
    eventually("every namespace", PATIENCE, || {
        let found = collector(&base, "h1", "socket")?;
        let message = found["message"].as_str().unwrap_or_default();
        let count = message.split(' ').filter_map(|word| word.parse::<usize>().ok()).max().unwrap_or_default();
        let shown = view(&base, "processes")?;
        let all = shown["edges"].as_array().into_iter().flatten();
        let connections = all.filter(|edge| edge["port"] == 7401 && edge["open"] == 1).count();
        if count >= 202 && connections == 200 { Ok(()) } else { Err(format!("{found}, {connections} connections")) }
    });
}
