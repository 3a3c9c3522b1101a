//! Addresses outside have the names by which they were asked for.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use scope_tests::api::{container_edges, escaped, get, node, until_well, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{MACHINE, Testbed, python};

const PATIENCE: Duration = Duration::from_secs(30);
const OUTSIDE: &str = "203.0.113.9";

/// Answers every question for an address of version 4 with the one outside; DNS as RFC 1035 has it.
fn answer_questions(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question) {
        // The name ends at the first empty label; its type and class follow.
        let mut end = 12;
        while question[end] != 0 {
            end += 1 + usize::from(question[end]);
        }
        end += 5;
        let is_v4 = question[end - 3] == 1;
        let mut answer = question[..end.min(length)].to_vec();
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        answer[6..12].copy_from_slice(&[0, u8::from(is_v4), 0, 0, 0, 0]);
        if is_v4 {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 9]);
        }
        let _ = socket.send_to(&answer, from);
    }
}

/// The same in a container.
const ANSWER_QUESTIONS: &str = "import socket
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind((\"0.0.0.0\", 53))
while True:
    question, client = own.recvfrom(512)
    end = question.index(0, 12) + 5
    is_v4 = question[end - 3] == 1
    answer = question[:2] + bytes([0x81, 0x80, 0, 1, 0, is_v4, 0, 0, 0, 0]) + question[12:end]
    if is_v4:
        answer += bytes([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 9])
    own.sendto(answer, client)";

#[test]
fn an_address_outside_has_the_name_that_was_asked_for_on_the_host_that_asked() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.open_the_world(2, OUTSIDE);
    let dns = UdpSocket::bind((testbed.switch(), 53)).unwrap();
    std::thread::spawn(move || answer_questions(&dns));
    let server = TcpListener::bind((OUTSIDE, 443)).unwrap();
    std::thread::spawn(move || server.incoming().for_each(drop));
    testbed.launch(1, &[]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);
    until_well(&base, "dns", &["h1"]);
    testbed.docker(1, &["network", "create", "lan"]);
    let call = |host: &str| format!("while :; do nc {host} 443 </dev/null; sleep 0.2; done");
    testbed.container(1, "asks", &["--network", "lan", "--dns", &testbed.switch()], &call("API.Example.com"));
    // Nobody asked there.
    testbed.container(2, "knows", &[], &call(OUTSIDE));
    eventually("the name where it was asked for, and only there", PATIENCE, || {
        let found = container_edges(&base)?;
        let has = |edge: &str| found.contains(edge);
        let is_split = has("asks -> api.example.com:443") && has("knows -> The Internet:443");
        if is_split && !has("asks -> The Internet:443") { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let shown = view(&base, "containers").unwrap();
    let named = node(&shown, "api.example.com").expect("a node of that name");
    assert_eq!((&named["id"], &named["shape"]), (&"service-api.example.com".into(), &"cloud".into()));
    let mut edges = shown["edges"].as_array().into_iter().flatten().filter(|edge| edge["port"] == 443);
    assert!(edges.all(|edge| edge["failures"].is_null()), "{shown}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/containers?node=service-api.example.com")).await.unwrap();
        let told = "return /asks 203.0.113.9/.test(document.querySelector('.card')?.textContent ?? '')";
        browser.until("the card of the name, with who asked and its address", told).await;
        browser.screenshot("name-light").await;
        browser.close().await;
    });
    let of = |id: &str| get(&format!("{base}/api/topology/containers/{}", escaped(id))).unwrap()["node"].clone();
    let calls = of(node(&shown, "asks").unwrap()["id"].as_str().unwrap());
    let rows = calls["connections"].to_string();
    assert!(rows.contains("api.example.com") && rows.contains(OUTSIDE), "{rows}");
    let calls = of("service-api.example.com")["connections"].to_string();
    assert!(calls.contains("\"asks\"") && calls.contains(OUTSIDE), "{calls}");
    // What one container answers another passes no device that receives it for the host.
    testbed.container(2, "resolver", &MACHINE, &python(ANSWER_QUESTIONS));
    let resolver = testbed.container_address(2, "resolver");
    testbed.container(2, "asks-here", &["--dns", &resolver], &call("Inner.Example"));
    eventually("the name that a container told another", PATIENCE, || {
        let found = container_edges(&base)?;
        let is_named =
            ["asks-here -> inner.example:443", "knows -> inner.example:443"].map(|edge| found.contains(edge));
        if is_named == [true; 2] { Ok(()) } else { Err(format!("{found:?}")) }
    });
}
