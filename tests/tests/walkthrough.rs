//! Two networks, two hosts: an application that the world reaches, and its database that the world does not.

use std::collections::BTreeSet;
use std::time::Duration;

use scope_tests::api::{container_edges, escaped, get, node, row, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Seen, not only known: the canvas has more colours than its grid.
const COLOURS: &str = "const c = document.querySelector('canvas'); \
                       const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const s = new Set(); \
                       for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); \
                       return s.size > 40";

fn details(base: &str, topology: &str, label: &str) -> Result<Value, String> {
    let shown = view(base, topology)?;
    let id = node(&shown, label).ok_or_else(|| format!("no {label}"))?["id"].as_str().unwrap().to_owned();
    let id = escaped(&id);
    Ok(get(&format!("{base}/api/topology/{topology}/{id}"))?["node"].clone())
}

fn names(of: &Value, table: &str) -> BTreeSet<String> {
    let tables = of["tables"].as_array().into_iter().flatten();
    let rows = tables.filter(|t| t["id"] == table).flat_map(|t| t["rows"].as_array().unwrap());
    rows.map(|row| row["entries"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_application_and_its_database_are_shown_with_their_networks_and_their_ways_out() {
    let testbed = Testbed::up(2, true);
    let app = testbed.address(1);
    testbed.launch(1, &[]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "wpoutside"]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "--internal", "wpinside"]);
    let database = "while :; do nc -l -p 3306 -e cat; done";
    testbed.container(2, "my-wordpress-database", &["--network", "wpinside"], database);
    let application = "(while :; do nc -l -p 80 -e cat; done) & \
                       while :; do (while :; do echo q; sleep 1; done) | nc my-wordpress-database 3306; sleep 0.2; done";
    // Connected before it starts: a name that is not there yet is looked up at length.
    let create = ["create", "--name", "my-wordpress-app", "--network", "wpoutside", "-p", "80:80"];
    testbed.docker(1, &[&create[..], &["rp/busybox:1", "sh", "-c", application]].concat());
    testbed.docker(1, &["network", "connect", "wpinside", "my-wordpress-app"]);
    testbed.docker(1, &["start", "my-wordpress-app"]);

    // Both networks once each, however many engines list them.
    let shown = eventually("both networks with all their members", PATIENCE, || {
        let shown = view(&base, "networks")?;
        let count = |name: &str| shown["nodes"].as_object().unwrap().values().filter(|n| n["label"] == name).count();
        let members = |name: &str| Ok::<_, String>(names(&details(&base, "networks", name)?, "network_members"));
        let (outside, inside) = (members("wpoutside")?, members("wpinside")?);
        let both: BTreeSet<String> = ["my-wordpress-app", "my-wordpress-database"].map(str::to_owned).into();
        let counted = (count("wpoutside"), count("wpinside"));
        if counted == (1, 1) && inside == both && outside.len() == 1 {
            Ok(shown)
        } else {
            Err(format!("{counted:?} {outside:?} {inside:?}"))
        }
    });
    let (outside, inside) = (node(&shown, "wpoutside").unwrap(), node(&shown, "wpinside").unwrap());
    for network in [outside, inside] {
        assert!(row(network, "network_subnets").starts_with("10.0."), "{network}");
        assert_eq!(row(network, "network_kept_by"), "a swarm, managed by h1");
        assert!(row(network, "network_vni").parse::<u32>().is_ok(), "{network}");
    }
    assert_eq!(row(inside, "network_way_out"), "none, it is internal");
    assert_eq!(row(outside, "network_way_out"), "NAT on each host, through docker_gwbridge");

    // Who talks to whom, over which of them.
    eventually("the application calls its database, and nobody else calls anybody", PATIENCE, || {
        let found = container_edges(&base)?;
        let expect = BTreeSet::from(["my-wordpress-app -> my-wordpress-database:3306".to_owned()]);
        if found == expect { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let containers = view(&base, "containers").unwrap();
    let edge = containers["edges"].as_array().unwrap().iter().find(|edge| edge["port"] == 3306).unwrap();
    assert_eq!(edge["network"], inside["id"], "the edge takes the inner network: {edge}");

    let application = details(&base, "containers", "my-wordpress-app").unwrap();
    assert!(row(&application, "docker_container_ports").contains(":80->80/tcp"), "{application}");
    assert_eq!(row(&application, "docker_container_way_out"), "NAT on each host, through docker_gwbridge");
    let database = details(&base, "containers", "my-wordpress-database").unwrap();
    assert_eq!(row(&database, "docker_container_way_out"), "none, its network is internal");
    // The kernel agrees: it has no route there.
    let out = testbed.exec(2, &["docker", "exec", "my-wordpress-database", "ip", "route", "get", "192.0.2.1"]);
    assert!(!out.status.success(), "{out:?}");
    let findings = get(&format!("{base}/api/findings?state=open")).unwrap();
    assert_eq!(findings["findings"], Value::Array(Vec::new()), "all is well");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        let id = escaped(database["id"].as_str().unwrap());
        browser.client.goto(&format!("{base}/#/containers?node={id}")).await.unwrap();
        let told =
            "return (document.querySelector('.card')?.textContent ?? '').includes('none, its network is internal')";
        browser.until("the database has no way out", told).await;
        browser.until("a picture", COLOURS).await;
        browser.screenshot("walkthrough-light").await;
        browser.close().await;
    });
}

#[test]
fn what_runs_on_a_host_without_a_probe_is_known_by_its_network_and_not_left_out() {
    let testbed = Testbed::up(2, true);
    testbed.launch(1, &["--window", "4s"]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "mesh"]);
    testbed.container(2, "far", &["--network", "mesh"], "while :; do nc -l -p 7000 -e cat; done");
    let call = "while :; do (while :; do echo q; sleep 1; done) | nc far 7000; sleep 0.2; done";
    testbed.container(1, "near", &["--network", "mesh"], call);
    let until_calls = |what: &str| {
        eventually(what, PATIENCE, || {
            let found = container_edges(&base)?;
            let expect = BTreeSet::from(["near -> far:7000".to_owned()]);
            if found == expect { Ok(view(&base, "containers")?) } else { Err(format!("{found:?}")) }
        })
    };
    let shown = until_calls("the one with a probe calls the one without");
    let far = node(&shown, "far").unwrap();
    assert_eq!((far["state"].as_str(), far["labelMinor"].as_str()), (Some("unprobed"), Some(&*testbed.address(2))));
    assert_eq!(far["networks"][0]["label"], "mesh");
    let mesh = details(&base, "networks", "mesh").unwrap();
    assert_eq!(names(&mesh, "network_members"), ["far", "near"].map(str::to_owned).into());
    assert_eq!(row(&mesh, "network_unprobed"), "1");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
        browser.until("two containers", "return +document.querySelector('canvas')?.dataset.nodes === 2").await;
        browser.until("a picture", COLOURS).await;
        browser.screenshot("unprobed-light").await;
        browser.close().await;
    });

    // With a probe it is what it is, once.
    testbed.launch(2, &[&testbed.address(1)]);
    eventually("it is a container like any other", PATIENCE, || {
        let shown = view(&base, "containers")?;
        let all: Vec<&Value> = shown["nodes"].as_object().unwrap().values().filter(|n| n["label"] == "far").collect();
        if all.len() == 1 && all[0]["state"].is_null() { Ok(()) } else { Err(format!("{all:?}")) }
    });
    until_calls("and is called as before");
    testbed.docker(2, &["rm", "-f", "far"]);
    eventually("it is gone", PATIENCE, || {
        let shown = view(&base, "containers")?;
        if node(&shown, "far").is_none() { Ok(()) } else { Err("still there".into()) }
    });
}
