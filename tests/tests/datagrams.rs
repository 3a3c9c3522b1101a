//! What is sent by UDP, connected or not: on its edge, in datagrams and bytes, whoever of the two tells of it.

use std::net::UdpSocket;
use std::time::Duration;

use scope_tests::api::{container_edges, edges, escaped, node, until_well, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{MACHINE, Testbed, python};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Answers each datagram with 500 bytes.
fn serve(port: u16) -> String {
    python(&format!(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind((\"\", {port}))\n\
         while True: s.sendto(bytes(500), s.recvfrom(2000)[1])"
    ))
}

/// Asks `count` times with 100 bytes and waits for each answer, `each` through a socket of its own or not.
fn ask(host: &str, port: u16, count: u32, is_fresh: bool) -> String {
    let fresh = if is_fresh { "s = new()" } else { "pass" };
    python(&format!(
        "import socket, time\ndef new():\n    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    s.settimeout(2)\n    \
         return s\ns = new()\nfor n in range({count}):\n    {fresh}\n    s.sendto(bytes(100), \
         (\"{host}\", {port}))\n    s.recv(2000)\n    time.sleep(0.02)\ntime.sleep(1000)"
    ))
}

/// Sends and expects nothing.
fn tell(host: &str, port: u16) -> String {
    python(&format!(
        "import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         while True:\n    s.sendto(bytes(100), (\"{host}\", {port}))\n    time.sleep(0.2)"
    ))
}

fn of_port(base: &str, port: u16) -> Result<Value, String> {
    let shown = view(base, "containers")?;
    let found: Vec<&Value> = shown["edges"].as_array().into_iter().flatten().filter(|e| e["port"] == port).collect();
    match found[..] {
        [edge] if edge["protocol"] == "udp" => Ok(edge.clone()),
        _ => Err(format!("to {port}: {found:?}")),
    }
}

#[test]
fn datagrams_are_counted_on_the_edge_of_who_asked_whom() {
    const COUNT: u32 = 200;
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "60s"]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);
    until_well(&base, "ebpf", &["h1", "h2"]);
    testbed.docker(1, &["network", "create", "lan"]);
    let on_lan = ["--network", "lan", MACHINE[0], MACHINE[1]];
    testbed.container(1, "server", &on_lan, &serve(7100));
    let server = testbed.container_address(1, "server");
    testbed.container(1, "steady", &on_lan, &ask(&server, 7100, COUNT, false));
    // A socket for each question, as resolvers do, through both hosts' NAT.
    testbed.container(1, "published", &["-p", "8200:7200/udp", MACHINE[0], MACHINE[1]], &serve(7200));
    testbed.container(2, "fresh", &MACHINE, &ask(&app, 8200, COUNT, true));
    // To the world outside, where nobody is.
    testbed.container(2, "teller", &MACHINE, &tell("203.0.113.9", 7300));
    eventually("each pair is an edge", PATIENCE, || {
        let found = container_edges(&base)?;
        let wanted = ["steady -> server:7100", "fresh -> published:7200", "teller -> The Internet:7300"];
        match wanted.iter().find(|edge| !found.contains(**edge)) {
            None if found.len() == wanted.len() => Ok(()),
            _ => Err(format!("{found:?}, wanted {wanted:?}")),
        }
    });
    for port in [7100, 7200] {
        eventually("all datagrams are counted", PATIENCE, || {
            let edge = of_port(&base, port)?;
            let metrics = &edge["metrics"];
            let of = |name: &str| metrics[name].as_u64().unwrap_or_default();
            let told = (of("sent_packets"), of("received_packets"), of("sent_bytes"), of("received_bytes"));
            let n = u64::from(COUNT);
            if told == (n, n, 100 * n, 500 * n) { Ok(()) } else { Err(edge.to_string()) }
        });
    }
    let shown = view(&base, "containers").unwrap();
    let [from, to] = ["steady", "server"].map(|name| escaped(node(&shown, name).unwrap()["id"].as_str().unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, false).await;
        browser.client.goto(&format!("{base}/#/containers?from={from}&to={to}")).await.unwrap();
        let told = "return /Packets sent\\s*200/.test(document.querySelector('.edge-card')?.textContent ?? '')";
        browser.until("how many datagrams were sent", told).await;
        browser.screenshot("datagrams-dark").await;
        browser.close().await;
    });
    // What sends no more is still there for the window, and who runs it is known.
    let processes = edges(&view(&base, "processes").unwrap());
    assert!(processes.contains("python3 -> python3:7100"), "{processes:?}");
}

#[test]
fn what_comes_from_hosts_without_a_probe_and_what_the_kernel_does_not_tell_itself_is_known_by_conntrack() {
    const OUTSIDE: &str = "203.0.113.9";
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.open_the_world(2, OUTSIDE);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &["--sockets", "netlink", &app]);
    let base = testbed.url(1);
    until_well(&base, "conntrack", &["h1", "h2"]);
    // Nobody answers: of who is told by nobody else.
    let sink = python(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind((\"\", 7201))\n\
         while True: s.recv(2000)",
    );
    testbed.container(1, "sink", &["-p", "8201:7201/udp", MACHINE[0], MACHINE[1]], &sink);
    let speaker = UdpSocket::bind((OUTSIDE, 0)).unwrap();
    // A host that reads sockets by netlink knows of UDP what its conntrack lists.
    testbed.container(2, "teller", &MACHINE, &tell(OUTSIDE, 7300));
    testbed.container(1, "published", &["-p", "8200:7200/udp", MACHINE[0], MACHINE[1]], &serve(7200));
    testbed.container(2, "asker", &MACHINE, &ask(&app, 8200, 100_000, false));
    eventually("each pair is an edge", PATIENCE, || {
        let _ = speaker.send_to(&[0; 100], (&*app, 8201));
        let found = container_edges(&base)?;
        let wanted = ["The Internet -> sink:7201", "teller -> The Internet:7300", "asker -> published:7200"];
        match wanted.iter().find(|edge| !found.contains(**edge)) {
            None if found.len() == wanted.len() => Ok(()),
            _ => Err(format!("{found:?}, wanted {wanted:?}")),
        }
    });
    // Its socket is still there; only conntrack tells that nothing is sent any more.
    testbed.shell(2, "echo 2 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout");
    testbed.docker(2, &["pause", "teller"]);
    eventually("who fell silent has no edge, who goes on has", PATIENCE, || {
        let found = container_edges(&base)?;
        let has = |edge: &str| found.contains(edge);
        match has("asker -> published:7200") && !has("teller -> The Internet:7300") {
            true => Ok(()),
            false => Err(format!("{found:?}")),
        }
    });
}
