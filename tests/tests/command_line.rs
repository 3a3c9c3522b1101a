//! What `scope` says when all is well and when it is not, on a real host of its own.

use std::time::{Duration, Instant};

use scope_tests::api::get;
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, text};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `scope` on the first host: it must fail with one line that holds each of these.
fn refused(testbed: &Testbed, arguments: &[&str], says: &[&str]) {
    let output = testbed.scope(1, arguments);
    let (out, err) = text(&output);
    assert!(!output.status.success(), "{arguments:?} succeeded: {out}");
    for words in says {
        assert!(err.contains(words), "{arguments:?} says {err:?}, not {words:?}");
    }
}

#[test]
fn errors_are_one_line_that_says_what_to_do() {
    let testbed = Testbed::up(1, false);
    refused(&testbed, &["stop"], &["does not run here", "scope launch"]);
    refused(&testbed, &["status"], &["does not run here", "scope launch"]);
    refused(&testbed, &["launch", "--nonsense"], &["--nonsense"]);
    refused(&testbed, &["launch", "fd00::1"], &["fd00::1", "brackets"]);
    refused(&testbed, &["launch", "--probe-only"], &["reports to nobody"]);
    refused(&testbed, &["launch", "--probe-only", "--app-only", "h"], &["--probe-only", "--app-only"]);
    refused(&testbed, &["launch", "--window", "soon"], &["no length of time"]);
    refused(&testbed, &["launch", "--token-file", "/nonexistent"], &["/nonexistent", "cannot be read"]);
    refused(&testbed, &["launch", "--container-label-filter", "x"], &["Title:key=value"]);
    testbed.exec(1, &["sh", "-c", "busybox nc -l -p 4040 >/dev/null 2>&1 & "]);
    eventually("the port is taken", PATIENCE, || {
        let (out, _) = text(&testbed.exec(1, &["ss", "-ltn"]));
        if out.contains(":4040") { Ok(()) } else { Err(out) }
    });
    refused(&testbed, &["launch"], &["port 4040 is taken", "--listen"]);
    testbed.launch(1, &["--listen", "0.0.0.0:4141"]);
    refused(&testbed, &["launch"], &["already running", "scope stop"]);
    testbed.exec(1, &["pkill", "-f", "nc -l -p 4040"]);

    let status = testbed.scope(1, &["status"]);
    let (out, err) = text(&status);
    assert!(status.status.success() && out.contains("app    h1"), "{out}{err}");
    eventually("the probe's collectors are listed", PATIENCE, || {
        let (out, _) = text(&testbed.scope(1, &["status"]));
        let all = ["host", "process", "socket", "conntrack", "docker"];
        if all.iter().all(|c| out.contains(c)) { Ok(()) } else { Err(out) }
    });
    let (json, _) = text(&testbed.scope(1, &["status", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["app"]["hostname"], "h1");
    let (log, _) = text(&testbed.scope(1, &["logs"]));
    assert!(log.contains("app listens"), "{log}");
    let scope = testbed.scope.display();
    let (_, err) =
        text(&testbed.exec(1, &["sh", "-c", &format!("{scope} status | true; {scope} completions bash | true")]));
    assert_eq!(err, "", "nobody who reads is no error");

    let before = Instant::now();
    let stopped = testbed.scope(1, &["stop"]);
    assert!(stopped.status.success() && before.elapsed() < Duration::from_secs(5), "{:?}", text(&stopped));
    let (out, _) = text(&testbed.exec(1, &["pgrep", "-f", "scope launch"]));
    assert_eq!(out, "", "nothing is left behind");
}

#[test]
fn a_probe_with_a_wrong_token_is_refused_and_says_so_and_one_with_the_right_one_reports() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &["--token", "sesame"]);
    testbed.launch(2, &["--token", "wrong", &app]);
    eventually("the refusal is in the probe's log", PATIENCE, || {
        let (log, _) = text(&testbed.scope(2, &["logs"]));
        if log.contains("wrong token") { Ok(()) } else { Err(log) }
    });
    let hosts = || get(&format!("{}/api/probes", testbed.url(1)));
    let named = |list: &serde_json::Value, name: &str| list.as_array().unwrap().iter().any(|p| p["hostname"] == name);
    assert!(!named(&hosts().unwrap(), "h2"));
    testbed.scope(2, &["stop"]);
    testbed.launch(2, &["--token", "sesame", &app]);
    eventually("the host reports", PATIENCE, || {
        let list = hosts()?;
        if named(&list, "h2") { Ok(()) } else { Err(list.to_string()) }
    });
}

#[test]
fn an_unresolvable_or_refusing_peer_does_not_stop_the_launch() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &["no-such-host.invalid", &format!("{}:9", testbed.address(1))]);
    eventually("both are warned about", PATIENCE, || {
        let (log, _) = text(&testbed.scope(1, &["logs"]));
        if log.contains("not resolved") && log.contains("no connection") { Ok(()) } else { Err(log) }
    });
    eventually("and the host's own app has its report", PATIENCE, || {
        let list = get(&format!("{}/api/probes", testbed.url(1)))?;
        if list.as_array().is_some_and(|l| l.len() == 1) { Ok(()) } else { Err(list.to_string()) }
    });
}
