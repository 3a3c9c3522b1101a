//! What fails is shown as what it is, and what still works goes on.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use scope_tests::api::{collector, get, labels, node, view};
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, text};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(40);

fn until_state(base: &str, host: &str, name: &str, state: &str) -> String {
    eventually(&format!("{name} on {host} is {state}"), PATIENCE, || {
        let found = collector(base, host, name)?;
        if found["state"] == state {
            Ok(found["message"].as_str().unwrap_or_default().into())
        } else {
            Err(found.to_string())
        }
    })
}

fn until_host(base: &str, host: &str, state: &Value) {
    eventually(&format!("{host} is {state}"), PATIENCE, || {
        let hosts = view(base, "hosts")?;
        assert!(labels(&hosts).len() <= 2, "no host is there twice: {:?}", labels(&hosts));
        let found = node(&hosts, host).ok_or("not there")?;
        if found["state"] == *state { Ok(()) } else { Err(found["state"].to_string()) }
    });
}

#[test]
fn an_engine_that_hangs_is_named_and_takes_nothing_with_it() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    testbed.container(1, "steady", &[], "sleep 1000");
    let shown = |name: &str| {
        eventually(&format!("{name} is shown"), PATIENCE, || {
            let found = labels(&view(&base, "containers")?);
            if found.contains(name) { Ok(()) } else { Err(format!("{found:?}")) }
        });
    };
    shown("steady");
    testbed.engine(1, "freeze");
    let message = until_state(&base, "h1", "docker", "failed");
    assert!(message.contains("no answer"), "{message}");
    shown("steady");
    until_state(&base, "h1", "process", "ok");
    until_host(&base, "h1", &Value::Null);
    testbed.engine(1, "thaw");
    until_state(&base, "h1", "docker", "ok");
    testbed.container(1, "later", &[], "sleep 1000");
    shown("later");
}

#[test]
fn a_probe_that_stops_in_its_tracks_is_stale_then_down_and_comes_back_as_the_same_host() {
    let testbed = Testbed::up(2, false);
    testbed.launch(1, &["--window", "8s"]);
    testbed.launch(2, &["--probe-only", &testbed.address(1)]);
    let base = testbed.url(1);
    until_host(&base, "h2", &Value::Null);
    testbed.exec(2, &["pkill", "-STOP", "-f", "scope launch"]);
    until_host(&base, "h2", &"stale".into());
    until_host(&base, "h2", &"down".into());
    testbed.exec(2, &["pkill", "-CONT", "-f", "scope launch"]);
    until_host(&base, "h2", &Value::Null);
}

#[test]
fn without_privileges_the_rest_is_reported_and_what_is_missing_is_said() {
    let testbed = Testbed::up(1, false);
    let scope = testbed.scope.to_str().unwrap().to_owned();
    // The binary lies where only root may look.
    testbed.exec(1, &["install", "-m", "755", &scope, "/run/scope-for-all"]);
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/run/nobody";
    let start = format!("install -d -o 65534 /run/nobody && {nobody} /run/scope-for-all launch --log-level warn");
    let (out, err) = text(&testbed.exec(1, &["sh", "-c", &start]));
    assert!(out.contains("http://"), "{out}{err}");
    let base = testbed.url(1);
    let docker = until_state(&base, "h1", "docker", "failed");
    assert!(docker.to_lowercase().contains("permission"), "{docker}");
    for name in ["socket", "ebpf", "conntrack", "dns"] {
        let found = eventually(&format!("{name} says what is missing"), PATIENCE, || {
            let found = collector(&base, "h1", name)?;
            if found["state"] == "degraded" || found["state"] == "failed" { Ok(found) } else { Err(found.to_string()) }
        });
        assert!(found["message"].to_string().contains("run the probe as root"), "{name}: {found}");
    }
    until_host(&base, "h1", &Value::Null);
    let processes = labels(&view(&base, "processes").unwrap());
    assert!(processes.iter().any(|name| name.contains("dockerd")), "{processes:?}");
    let (out, err) = text(&testbed.exec(1, &["sh", "-c", &format!("{nobody} /run/scope-for-all stop")]));
    assert_eq!(err, "", "{out}");
}

#[test]
fn a_full_disk_keeps_nobody_from_looking() {
    let testbed = Testbed::up(1, false);
    let fill = "mkdir -p /var/log/scope && mount -t tmpfs -o size=8k tmpfs /var/log/scope && \
                (cat /dev/zero >/var/log/scope/filler; true)";
    testbed.exec(1, &["sh", "-c", fill]);
    testbed.launch(1, &[]);
    until_host(&testbed.url(1), "h1", &Value::Null);
}

#[test]
fn nonsense_from_the_wire_closes_that_connection_with_a_reason_and_changes_nothing() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    until_host(&base, "h1", &Value::Null);
    let url = format!("ws://{}:4040{}", testbed.address(1), shared::wire::PATH);
    let truncated = {
        let hello = shared::wire::ToProbe::Resync;
        let mut frame = shared::wire::codec::FrameWriter::new().unwrap().encode(&hello).unwrap();
        frame.truncate(frame.len() - 1);
        frame
    };
    let nonsense = [
        Message::Binary(vec![].into()),
        Message::Binary(vec![99, 1, 2, 3].into()),
        Message::Binary(vec![shared::wire::VERSION, 0xff, 0xff].into()),
        Message::Binary(truncated.into()),
        Message::Text("hello".into()),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for message in nonsense {
            let said = format!("{message:?}");
            let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.expect("a websocket");
            socket.send(message).await.expect("sent");
            let answer = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an answer in time");
            match answer {
                Some(Ok(Message::Close(Some(frame)))) => assert!(!frame.reason.is_empty(), "{said}"),
                other => panic!("{said}: {other:?}"),
            }
        }
        let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.expect("a websocket");
        let huge = Message::Binary(vec![shared::wire::VERSION; shared::wire::ENCODED_BYTES_MAX + 1].into());
        let _ = socket.send(huge).await;
        while let Some(Ok(_)) = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an end in time") {}
    });
    until_host(&base, "h1", &Value::Null);
    assert_eq!(labels(&view(&base, "hosts").unwrap()).len(), 1);
}

#[test]
fn a_clock_that_is_set_changes_what_times_are_told_and_nothing_else() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    let testbed = Testbed::up(2, false);
    let library = testbed.shell(1, "ls /usr/lib/*/faketime/libfaketimeMT.so.1");
    let set = |host: usize, offset: &str| {
        testbed.shell(host, &format!("echo '{offset}' >/run/clock.new && mv /run/clock.new /run/clock"));
    };
    let launch = |host: usize, options: &str| {
        set(host, "+0");
        let clock = "FAKETIME_TIMESTAMP_FILE=/run/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1";
        let scope = testbed.scope.display();
        testbed.shell(host, &format!("LD_PRELOAD={} {clock} {scope} launch {options}", library.trim()));
    };
    launch(1, "--window 8s");
    launch(2, &format!("--probe-only {}", testbed.address(1)));
    let base = testbed.url(1);
    for host in ["h1", "h2"] {
        until_host(&base, host, &Value::Null);
    }
    let probe = |name: &str| {
        let status = get(&format!("{base}/api/status")).unwrap();
        let probes = status["probes"].as_array().unwrap().clone();
        assert!(probes.iter().all(|probe| probe["state"] == "live") && probes.len() == 2, "{status}");
        probes.into_iter().find(|probe| probe["hostname"] == name).unwrap()
    };
    let offset_days = |name: &str| {
        let ms = probe(name)["clockOffsetMs"].as_i64().unwrap();
        (ms + DAY_MS / 2).div_euclid(DAY_MS)
    };
    // The clock that is set, what it is set by, and by how many days the second host's is ahead of the app's then.
    for (host, offset, ahead) in [(1, "+1d", -1), (1, "-1d", 1), (2, "+1d", 2)] {
        set(host, offset);
        eventually(&format!("h{host} is set by {offset}"), PATIENCE, || {
            // The app's own host has the app's clock.
            let days = ["h1", "h2"].map(offset_days);
            if days == [0, ahead] { Ok(()) } else { Err(format!("{days:?} days ahead")) }
        });
        let last_seen = || probe("h2")["lastSeenMs"].as_i64().unwrap();
        // All stay live for longer than a silent host would: `probe` looks at each reading.
        let since = last_seen();
        eventually("reports go on", PATIENCE, || {
            let heard = last_seen() - since;
            if heard > 6_000 { Ok(()) } else { Err(format!("for {heard} ms")) }
        });
    }
}
