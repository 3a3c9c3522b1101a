//! What connections carry, counted by the kernel: on the edge that it is of, and as much as was sent.

use std::time::Duration;

use scope_tests::api::{escaped, node, until_well, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{MACHINE, Testbed, python};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// The metrics of the only edge to this port.
fn metrics(base: &str, port: u16) -> Result<Value, String> {
    let shown = view(base, "containers")?;
    let mut edges = shown["edges"].as_array().into_iter().flatten().filter(|edge| edge["port"] == port);
    match (edges.next(), edges.next()) {
        (Some(edge), None) => Ok(edge["metrics"].clone()),
        (None, _) => Err(format!("no edge to {port}")),
        (_, Some(more)) => Err(format!("another edge to {port}: {more}")),
    }
}

fn figure(metrics: &Value, name: &str) -> Result<f64, String> {
    metrics[name].as_f64().ok_or_else(|| format!("no {name} in {metrics}"))
}

/// Moves the pointer over the graph until it is on a line, presses there, and gives what the line says.
const ON_A_LINE: &str = "
    const canvas = document.querySelector('canvas.graph');
    if (!canvas || canvas.dataset.edges !== '2') return null;
    if (window.said) return window.said;
    if (window.sweeping) return null;
    window.sweeping = true;
    const frame = canvas.getBoundingClientRect();
    const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind,
        { clientX: frame.left + x, clientY: frame.top + y, button: 0, pointerId: 1, bubbles: true }));
    const turn = () => new Promise(done => {
        const channel = new MessageChannel();
        channel.port1.onmessage = done;
        channel.port2.postMessage(0);
    });
    (async () => {
        for (let y = 20; y < frame.height - 20; y += 16) {
            for (let x = 20; x < frame.width - 20; x += 8) {
                send('pointermove', x, y);
                await turn();
                const tip = document.querySelector('.tip');
                if (tip && tip.textContent.includes('received')) {
                    window.said = tip.textContent;
                    send('pointerdown', x, y);
                    send('pointerup', x, y);
                    return;
                }
            }
        }
        window.sweeping = false;
    })();
    return null";

/// A line is pointed at and selected: what it carries is told beside the pointer and in its card.
fn told_on_the_page(base: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (light, name) in [(true, "edge-light"), (false, "edge-dark")] {
            let browser = Browser::open(1280, 800, light).await;
            browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
            browser.until("a line under the pointer", ON_A_LINE).await;
            let card = "const card = document.querySelector('.edge-card');
                return card && card.textContent.includes('Round trip') && card.querySelectorAll('.hops li').length > 1
                    && card.textContent.includes('Received in all') && location.hash.includes('from=')";
            browser.until("the card of the line", card).await;
            // Two seconds are a line.
            browser.until("what passed", "return document.querySelectorAll('.small .curve').length === 6").await;
            browser.screenshot(name).await;
            // The address alone shows the same.
            browser.client.refresh().await.unwrap();
            browser.until("the card after a reload", card).await;
            let escape = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
                return !document.querySelector('.edge-card') && !location.hash.includes('from=')";
            browser.until("Escape closes it", escape).await;
            // And from the card of an end, by what goes over it.
            let end = "const p = new URLSearchParams(location.hash.split('?')[1] ?? ''); const all = [...document.querySelectorAll('canvas.graph')];
                if (!window.from) { window.from = true; history.back(); return null; }
                return p.has('from') && all.length === 1";
            browser.until("back to the line", end).await;
            let chip = "document.querySelector('.edge-card .chip')?.click();
                return !document.querySelector('.edge-card') && !!document.querySelector('.card .list .rate')";
            browser.until("the card of an end", chip).await;
            let rate = "const rate = document.querySelector('.card:not(.edge-card) .list .rate');
                if (rate && /B\\/s/.test(rate.textContent)) rate.click();
                return !!document.querySelector('.edge-card')";
            browser.until("what goes over it leads to its card", rate).await;
            let lines = "if (!document.querySelector('.popover')) document.querySelector('.arrange').click();
                [...document.querySelectorAll('.popover button')].find(b => b.textContent === 'round trip')?.click();
                return location.hash.includes('lines=rtt')";
            browser.until("lines by round trip", lines).await;
            browser.close().await;
        }
    });
}

#[test]
fn an_edge_carries_what_was_sent_each_way_and_every_connection_is_counted_once() {
    const SENT: u64 = 100 << 20;
    const RECEIVED: u64 = 100 << 20;
    const CALLS: u64 = 2_000;
    const FAST: u64 = 10_000;
    const THREADS: u64 = 10;
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "30s"]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);
    until_well(&base, "ebpf", &["h1", "h2"]);
    testbed.docker(1, &["network", "create", "lan"]);
    // Through NAT, from another host.
    let answer = format!("nc -l -p 7000 -e sh -c 'cat >/dev/null; head -c {RECEIVED} /dev/zero'");
    testbed.container(1, "server", &["-p", "8088:7000"], &format!("{answer}; sleep 1000"));
    testbed.until_listens(1, "server", 7000);
    let ask = format!("head -c {SENT} /dev/zero | nc {app} 8088 | wc -c; sleep 1000");
    testbed.container(2, "client", &[], &ask);
    eventually("all that was sent", PATIENCE, || {
        let metrics = metrics(&base, 7000)?;
        let (sent, received) = (figure(&metrics, "sent_bytes")?, figure(&metrics, "received_bytes")?);
        let is_near = |found: f64, wanted: u64| (found / wanted as f64 - 1.0).abs() < 0.01;
        if is_near(sent, SENT) && is_near(received, RECEIVED) && figure(&metrics, "rtt_ms")? > 0.0 {
            return Ok(());
        }
        Err(metrics.to_string())
    });
    // Short ones, each of a process of its own: all are counted, and none is a failure.
    testbed.container(1, "many", &["--network", "lan"], "nc -ll -p 7001 -e true");
    testbed.until_listens(1, "many", 7001);
    let call = format!("nc {} 7001 </dev/null", testbed.container_address(1, "many"));
    let calls = format!("for n in $(seq {CALLS}); do {call}; done; touch /done; sleep 1000");
    testbed.container(1, "caller", &["--network", "lan"], &calls);
    let is_done = || testbed.docker(1, &["exec", "caller", "sh", "-c", "ls /done 2>/dev/null || true"]);
    eventually("all calls are made", Duration::from_secs(90), || match is_done().contains("done") {
        true => Ok(()),
        false => Err("calling".into()),
    });
    // And of one process, each for five milliseconds.
    let accepts = python(
        "import socket, threading\ns = socket.create_server((\"\", 7002), backlog=500)\ndef serve():\n    \
         while True:\n        c, _ = s.accept()\n        c.recv(1)\n        c.close()\n\
         [threading.Thread(target=serve).start() for n in range(THREADS)]"
            .replace("THREADS", &THREADS.to_string())
            .as_str(),
    );
    testbed.container(1, "fast", &["--network", "lan", MACHINE[0], MACHINE[1]], &accepts);
    testbed.until_listens(1, "fast", 7002);
    let dials = python(&format!(
        "import socket, threading, time\ndef call():\n    for n in range({}):\n        \
         c = socket.create_connection((\"{}\", 7002))\n        time.sleep(0.005)\n        c.close()\n\
         [threading.Thread(target=call).start() for n in range({THREADS})]",
        FAST / THREADS,
        testbed.container_address(1, "fast")
    ));
    testbed.container(1, "fast-caller", &["--network", "lan", MACHINE[0], MACHINE[1]], &format!("{dials}; sleep 1000"));
    for (port, calls) in [(7001, CALLS), (7002, FAST)] {
        eventually("every call is counted", Duration::from_secs(60), || {
            let metrics = metrics(&base, port)?;
            let opened = figure(&metrics, "opened")?;
            assert!(opened <= calls as f64, "none is counted twice: {metrics}");
            if opened == calls as f64 && figure(&metrics, "connect_ms")? < 100.0 {
                Ok(())
            } else {
                Err(metrics.to_string())
            }
        });
    }
    let shown = view(&base, "containers").unwrap();
    let failed: Vec<&Value> = shown["edges"].as_array().unwrap().iter().filter(|e| !e["failures"].is_null()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// The line of one that gets no answer, and the card of who waits for it.
fn silence_on_the_page(base: &str) {
    let shown = view(base, "containers").unwrap();
    let id = |name: &str| escaped(node(&shown, name).unwrap()["id"].as_str().unwrap());
    let (from, to) = (id("client"), id("server"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (light, name) in [(true, "unanswered-light"), (false, "unanswered-dark")] {
            let browser = Browser::open(1280, 800, light).await;
            browser.client.goto(&format!("{base}/#/containers?from={from}&to={to}")).await.unwrap();
            let told = "return /^1 open without an answer/.test(document.querySelector('.edge-card p.bad')?.textContent ?? '')";
            browser.until("the card of the line", told).await;
            browser.screenshot(name).await;
            browser.client.goto(&format!("{base}/#/containers?node={from}")).await.unwrap();
            let told = "return /^1 open without an answer$/.test(document.querySelector('.card tr.failed')?.textContent ?? '')";
            browser.until("below the connection in the card of who waits", told).await;
            browser.close().await;
        }
    });
}

#[test]
fn an_open_connection_that_gets_no_answer_fails_on_its_edge_until_it_gets_one() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    until_well(&base, "ebpf", &["h1"]);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "server", &["--network", "lan"], "nc -ll -p 7000 -e sh -c 'cat >/dev/null'");
    testbed.until_listens(1, "server", 7000);
    let say = "(while :; do echo word; sleep 0.2; done) | nc server 7000";
    testbed.container(1, "client", &["--network", "lan"], say);
    let unanswered = || Ok::<_, String>(metrics(&base, 7000)?["unanswered"].as_u64());
    eventually("it is answered", PATIENCE, || {
        let rate = figure(&metrics(&base, 7000)?, "sent_bytes_per_s")?;
        if rate > 0.0 && unanswered()?.is_none() { Ok(()) } else { Err(rate.to_string()) }
    });
    let pid = testbed.docker(1, &["inspect", "-f", "{{.State.Pid}}", "server"]);
    let rule = |what: &str| {
        let rule = format!("iptables {what} INPUT -p tcp --dport 7000 -j DROP");
        testbed.shell(1, &format!("nsenter -t {} -n {rule}", pid.trim()));
    };
    rule("-A");
    eventually("it gets no answer", PATIENCE, || match unanswered()? {
        Some(1) => Ok(()),
        found => Err(format!("{found:?}")),
    });
    silence_on_the_page(&base);
    rule("-D");
    eventually("it is answered again", PATIENCE, || match unanswered()? {
        None => Ok(()),
        found => Err(format!("{found:?}")),
    });
    let shown = view(&base, "containers").unwrap();
    assert!(shown["edges"].as_array().unwrap().iter().all(|edge| edge["failures"].is_null()), "{shown}");
}

#[test]
fn what_is_lost_on_the_way_is_seen_as_sent_again_on_that_edge_and_on_no_other() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    until_well(&base, "ebpf", &["h1"]);
    testbed.docker(1, &["network", "create", "lan"]);
    for (server, port) in [("lossy", 7000), ("well", 7001)] {
        let take = format!("nc -ll -p {port} -e sh -c 'cat >/dev/null'");
        testbed.container(1, server, &["--network", "lan"], &take);
        let send = format!("while :; do yes | head -c 400000; sleep 0.1; done | nc {server} {port} >/dev/null");
        testbed.container(1, &format!("to-{server}"), &["--network", "lan"], &send);
    }
    eventually("both carry something", PATIENCE, || {
        for port in [7000, 7001] {
            figure(&metrics(&base, port)?, "sent_bytes_per_s").and_then(|rate| match rate > 500_000.0 {
                true => Ok(()),
                false => Err(format!("{port}: {rate} bytes a second")),
            })?;
        }
        Ok(())
    });
    let shown = view(&base, "containers").unwrap();
    for edge in shown["edges"].as_array().unwrap().iter().filter(|edge| edge["port"] == 7000 || edge["port"] == 7001) {
        assert_eq!(edge["open"], 1, "{edge}");
    }
    // In the server's namespace, which is the container's: one of a hundred that come. What is lost where it is sent is
    // sent as if for the first time.
    let again = |port: u16| figure(&metrics(&base, port)?, "retransmits");
    let before = [again(7000).unwrap(), again(7001).unwrap()];
    let pid = testbed.docker(1, &["inspect", "-f", "{{.State.Pid}}", "lossy"]);
    let lose = "iptables -A INPUT -p tcp --dport 7000 -m statistic --mode random --probability 0.01 -j DROP";
    testbed.shell(1, &format!("nsenter -t {} -n {lose}", pid.trim()));
    eventually("retransmits on that edge", PATIENCE, || {
        let (lossy, well) = (again(7000)? - before[0], again(7001)? - before[1]);
        // A busy machine loses some by itself.
        if lossy > 20.0 && well * 10.0 <= lossy { Ok(()) } else { Err(format!("{lossy} and {well} sent again")) }
    });
    told_on_the_page(&base);
}
