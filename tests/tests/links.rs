//! The links of every network namespace: what is shown of them, how soon, and that looking at them keeps nothing alive.

use std::collections::BTreeSet;
use std::time::Duration;

use scope_tests::api::{escaped, get, node, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// A table of a node's details, its rows by their ids.
fn table(base: &str, topology: &str, label: &str, table: &str) -> Result<Value, String> {
    let shown = view(base, topology)?;
    let id = node(&shown, label).ok_or_else(|| format!("no {label}"))?["id"].as_str().unwrap().to_owned();
    let id = escaped(&id);
    let details = get(&format!("{base}/api/topology/{topology}/{id}"))?;
    let tables = details["node"]["tables"].as_array().cloned().unwrap_or_default();
    tables.into_iter().find(|t| t["id"] == table).ok_or_else(|| format!("no {table} in {details}"))
}

fn until_row(base: &str, (topology, label, of): (&str, &str, &str), expect: &[(&str, &str)]) -> Value {
    eventually(&format!("{of} of {label}: {expect:?}"), PATIENCE, || {
        let table = table(base, topology, label, of)?;
        let rows = table["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| expect.iter().all(|(column, value)| row["entries"][column] == *value));
        row.cloned().ok_or_else(|| table.to_string())
    })
}

#[test]
fn interfaces_routes_and_neighbours_are_those_of_the_kernel() {
    let testbed = Testbed::up(2, true);
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "--subnet", "172.30.0.0/24", "lan"]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "mesh"]);
    testbed.container(1, "web", &["--network", "lan", "--ip", "172.30.0.9"], "sleep 1000");
    testbed.container(1, "far", &["--network", "mesh"], "sleep 1000");

    // Both ends of a pair say where the other is, also where it is in a namespace without processes.
    let own = ("containers", "web", "interfaces");
    let eth0 = until_row(&base, own, &[("name", "eth0"), ("addresses", "172.30.0.9/24"), ("state", "up")]);
    let leads_to = eth0["entries"]["peer"].as_str().unwrap();
    let veth = leads_to.strip_suffix(" of the host").unwrap_or_else(|| panic!("{leads_to}"));
    let told = testbed.shell(1, &format!("ip -o link show {veth}"));
    assert!(told.contains("veth"), "{told}");
    let bridge = testbed.shell(1, "ip -o link show type bridge | grep -o 'br-[0-9a-f]*'");
    let host = ("hosts", "h1", "interfaces");
    until_row(&base, host, &[("name", veth), ("peer", "eth0 of web"), ("master", bridge.trim())]);
    let overlay = until_row(&base, ("containers", "far", "interfaces"), &[("name", "eth0"), ("mtu", "1450")]);
    let leads_to = overlay["entries"]["peer"].as_str().unwrap();
    assert!(leads_to.ends_with(" of network mesh"), "{leads_to}");

    until_row(&base, ("containers", "web", "routes"), &[("to", "default"), ("via", "172.30.0.1"), ("link", "eth0")]);
    testbed.docker(1, &["exec", "web", "ping", "-c", "1", "172.30.0.1"]);
    until_row(&base, ("containers", "web", "neighbours"), &[("address", "172.30.0.1"), ("link", "eth0")]);

    // A change in the host's namespace and one inside a container's.
    testbed.shell(1, &format!("ip link set {veth} down"));
    until_row(&base, host, &[("name", veth), ("state", "down")]);
    until_row(&base, own, &[("name", "eth0"), ("state", "no carrier")]);
    testbed.shell(1, &format!("ip link set {veth} up"));
    let pid = testbed.docker(1, &["inspect", "-f", "{{.State.Pid}}", "web"]);
    testbed.shell(1, &format!("nsenter -t {} -n ip link set eth0 mtu 1400", pid.trim()));
    until_row(&base, own, &[("name", "eth0"), ("state", "up"), ("mtu", "1400")]);
}

/// A node's id by its label, as URLs have it.
fn id_of(base: &str, topology: &str, label: &str) -> String {
    eventually(&format!("{label} is among {topology}"), PATIENCE, || {
        let shown = view(base, topology)?;
        let id = node(&shown, label).ok_or("not yet")?["id"].as_str().ok_or("no id")?;
        Ok(escaped(id))
    })
}

/// In a network's details each member on a host with a probe is told with its interface and the other end of that.
fn members_by_interface(base: &str) {
    let members = table(base, "networks", "mesh", "network_members").unwrap();
    let rows = members["rows"].as_array().unwrap();
    let near = rows.iter().find(|row| row["entries"]["name"] == "near").unwrap_or_else(|| panic!("{members}"));
    assert_eq!(near["entries"]["interface"], "eth0", "{near}");
    assert!(near["entries"]["leads_to"].as_str().unwrap().ends_with(" of network mesh"), "{near}");
}

/// The edges of the view of interfaces as `eth0 of web on h1 -device-> …`.
fn ways(base: &str) -> Result<BTreeSet<String>, String> {
    let shown = view(base, "interfaces")?;
    let name = |id: &Value| {
        let node = &shown["nodes"][id.as_str().unwrap_or_default()];
        format!("{} of {}", node["label"].as_str().unwrap_or("?"), node["labelMinor"].as_str().unwrap_or("?"))
    };
    let all = shown["edges"].as_array().into_iter().flatten();
    Ok(all
        .map(|e| format!("{} -{}-> {}", name(&e["source"]), e["protocol"].as_str().unwrap(), name(&e["target"])))
        .collect())
}

#[test]
fn the_way_from_a_container_down_to_the_wire_and_over_to_the_peer_is_one_path() {
    let testbed = Testbed::up(2, true);
    testbed.launch(1, &[]);
    testbed.launch(2, &[&testbed.address(1)]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "mesh"]);
    testbed.container(1, "web", &["--network", "lan"], "sleep 1000");
    testbed.container(1, "near", &["--network", "mesh"], "while :; do nc -l -p 7000 -e cat; done");
    let call = "while :; do (while :; do echo q; sleep 1; done) | nc near 7000; sleep 0.2; done";
    testbed.container(2, "far", &["--network", "mesh"], call);
    let overlay = eventually("from the overlay's container to the other host", PATIENCE, || {
        let found = ways(&base)?;
        let step = |from: &str, how: &str, to: &str| {
            let start = format!("{from} -{how}-> ");
            let one = found.iter().find(|way| way.starts_with(&start) && way.contains(to));
            one.map(|way| way[start.len()..].to_owned()).ok_or_else(|| format!("{start}…{to}: {found:#?}"))
        };
        // Of its two interfaces the one in the overlay is eth0.
        let inside = step("eth0 of near on h1", "veth", "network mesh on h1")?;
        let bridge = step(&inside, "bridge", "br0")?;
        let vxlan = step(&bridge, "bridge", "vxlan")?;
        let device = step(&vxlan, "device", "eth0 of h1")?;
        let there = step(&device, "vxlan", "eth0 of h2")?;
        if there == "eth0 of h2" { Ok(vec![inside, bridge, vxlan, device, there]) } else { Err(there) }
    });
    assert_eq!(overlay[1], "br0 of network mesh on h1");
    eventually("the mesh's own frames, in both directions", PATIENCE, || {
        let (shown, networks) = (view(&base, "interfaces")?, view(&base, "networks")?);
        let mesh = &node(&networks, "mesh").ok_or("no mesh")?["id"];
        let edges = shown["edges"].as_array().into_iter().flatten();
        let over_mesh = edges.filter(|edge| edge["network"] == *mesh && edge["protocol"] == "vxlan").count();
        if over_mesh == 2 { Ok(()) } else { Err(format!("{over_mesh}")) }
    });
    let found = ways(&base).unwrap();
    assert!(found.contains("eth0 of h2 -vxlan-> eth0 of h1"), "and back: {found:#?}");
    let lan = found.iter().find(|way| way.starts_with("eth0 of web on h1 -veth-> ")).expect("a pair");
    let port = lan.rsplit(" -veth-> ").next().unwrap();
    let bridge =
        found.iter().find(|way| way.starts_with(&format!("{port} -bridge-> br-"))).expect("a port of its bridge");
    assert!(bridge.ends_with(" of h1"), "{bridge}");

    let shown = view(&base, "interfaces").unwrap();
    let edges = shown["edges"].as_array().unwrap();
    let networks = view(&base, "networks").unwrap();
    let mesh = &node(&networks, "mesh").unwrap()["id"];
    let mut over_mesh = edges.iter().filter(|edge| edge["network"] == *mesh && edge["protocol"] == "vxlan");
    let between = over_mesh.next().expect("the mesh's frames go between the hosts");
    assert_eq!(between["port"], 4789);
    let all: Vec<&Value> = shown["nodes"].as_object().unwrap().values().collect();
    assert!(!all.iter().any(|node| node["label"] == "lo"), "loopback leads nowhere");
    let near = all.iter().find(|n| n["label"] == "eth0" && n["labelMinor"] == "near on h1").unwrap();
    assert_eq!(near["networks"][0]["label"], "mesh", "{near}");
    assert_eq!(near["parents"].as_array().unwrap().len(), 2, "its container and its host: {near}");

    let [far, near] = ["far", "near"].map(|name| id_of(&base, "containers", name));
    let url = format!("{base}/api/paths/containers?source={far}&target={near}&port=7000");
    let way = eventually("the way of who calls", PATIENCE, || {
        let answer = get(&url)?;
        let edge = answer["edges"].get(0).cloned().ok_or_else(|| answer.to_string())?;
        if edge["path"].as_array().is_some_and(|path| path.len() == 10) { Ok(edge) } else { Err(edge.to_string()) }
    });
    assert_eq!((&way["network"], way["port"].as_u64()), (mesh, Some(7000)));
    let hops: Vec<String> = way["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hop| {
            format!(
                "{} of {} {}",
                hop["node"]["label"].as_str().unwrap(),
                hop["of"].as_str().unwrap(),
                hop["onward"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!((hops[0].as_str(), hops[9].trim_end()), ("eth0 of far on h2 veth", "eth0 of near on h1"), "{hops:#?}");
    assert_eq!((hops[4].as_str(), hops[5].as_str()), ("eth0 of h2 vxlan", "eth0 of h1 device"), "{hops:#?}");
    assert_eq!(hops[2], "br0 of network mesh on h2 bridge");
    members_by_interface(&base);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (light, name) in [(true, "way-light"), (false, "way-dark")] {
            let browser = Browser::open(1280, 1300, light).await;
            browser.client.goto(&format!("{base}/#/containers?node={far}")).await.unwrap();
            browser
                .until(
                    "a button for its way",
                    "const b = document.querySelector('.list .way button'); if (b) b.click(); return !!b",
                )
                .await;
            browser.until("ten interfaces", "return document.querySelectorAll('.hops li').length === 10").await;
            browser.screenshot(name).await;
            browser.close().await;
        }
    });

    testbed.docker(2, &["rm", "-f", "far"]);
    eventually("whom nobody sends to any more is no peer", PATIENCE, || {
        let shown = view(&base, "interfaces")?;
        let mut edges = shown["edges"].as_array().into_iter().flatten();
        let sends = edges.any(|edge| edge["network"] == *mesh && edge["protocol"] == "vxlan");
        let gone = !shown.to_string().contains("far on h2");
        if gone && !sends { Ok(()) } else { Err(format!("{:#?}", ways(&base))) }
    });

    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/interfaces")).await.unwrap();
        browser
            .until("interfaces are drawn", "return Number(document.querySelector('canvas.graph')?.dataset.edges) > 4")
            .await;
        browser.screenshot("interfaces-light").await;
        // A network is pinned by a click, and by its key the next one; the address holds it.
        browser.client.execute("document.querySelector('.networks button.network').click()", Vec::new()).await.unwrap();
        browser
            .until(
                "a network is pinned",
                "return location.hash.includes('net=') && !!document.querySelector('.network.on')",
            )
            .await;
        browser.screenshot("interfaces-pinned-light").await;
        browser
            .client
            .execute("dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))", Vec::new())
            .await
            .unwrap();
        browser
            .until("and let go", "return !location.hash.includes('net=') && !document.querySelector('.network.on')")
            .await;
        browser.close().await;
    });
}

#[test]
fn no_namespace_is_kept_alive_by_looking_at_it() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "lan"]);
    // Namespaces that processes are in or that are mounted, links of the host, descriptors of namespaces in the probe.
    let count = || {
        let script = "(readlink /proc/[0-9]*/ns/net; grep -o 'net:\\[[0-9]*\\]' /proc/self/mountinfo) | sort -u | wc -l; \
                      ip -o link | wc -l; \
                      for pid in $(pgrep -f 'scope launch'); do ls -l /proc/$pid/fd; done | grep -c 'net:\\[' || true";
        let out = testbed.shell(1, script);
        out.split_whitespace().map(|n| n.parse().unwrap()).collect::<Vec<usize>>()
    };
    let before = eventually("the probe has a way back into its own", PATIENCE, || {
        let now = count();
        if now[2] == 1 { Ok(now) } else { Err(format!("{now:?}")) }
    });
    for round in 0..3 {
        let names: Vec<String> = (0..8).map(|n| format!("brief-{round}-{n}")).collect();
        for name in &names {
            testbed.container(1, name, &["--network", "lan"], "sleep 1000");
        }
        for name in &names {
            until_row(&base, ("containers", name, "interfaces"), &[("name", "eth0")]);
        }
        let remove: Vec<&str> = ["rm", "-f"].into_iter().chain(names.iter().map(String::as_str)).collect();
        testbed.docker(1, &remove);
        eventually("all that the containers had is gone", PATIENCE, || {
            let now = count();
            if now == before { Ok(()) } else { Err(format!("{now:?}, before {before:?}")) }
        });
    }
}
