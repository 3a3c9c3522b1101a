//! Docker's cluster store: a real etcd, as engines of before Swarm share their networks by, alone and in a majority.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scope_tests::api::{container_edges, edges, get, labels, node, row, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{Store, Testbed, program, text};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);
/// A tree of keys that three engines left in etcd.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../probe/fixtures/cluster-store/etcd-v2-docker.json");

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
    let testbed = Testbed::up_with_store(2, Store::Etcd);
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
    assert_eq!(row(mesh, "network_kept_by"), format!("a cluster store, etcd://{store}"));
    assert_eq!(row(mesh, "container"), "2");
    keys_are_shown(&base, &format!("etcd@{store};<store>"), &["h1", "h2"], "2");
    let uses = edges(&view(&base, "daemons").unwrap());
    assert_eq!(uses, BTreeSet::from(["Docker Engine -> etcd:2379".to_owned()]), "both engines use it");
    until(&base, "all is well", &[]);

    testbed.store("stop");
    let found = until(&base, "the only store is gone", &["store-unreachable"]);
    assert_eq!(found.len(), 1, "told once, though two hosts miss it: {found:?}");
    assert!(found[0]["evidence"].as_array().unwrap().len() >= 2, "by each of them: {found:?}");
    assert!(labels(&view(&base, "containers").unwrap()).contains("server"), "what runs goes on");
    testbed.store("start");
    until(&base, "it is back", &[]);
}

/// What the engines keep: themselves, the one network with its members and its VXLAN identifier, and its addresses.
fn keys_are_shown(base: &str, store: &str, engines: &[&str], members: &str) {
    eventually("what the engines keep in the store", PATIENCE, || {
        let id = store.replace('<', "%3C").replace('>', "%3E");
        let details = get(&format!("{base}/api/topology/daemons/{id}"))?["node"].clone();
        let told = details.to_string();
        let hosts = column(&details, "store_nodes", "host");
        let networks = column(&details, "store_networks", "members");
        let pools = column(&details, "store_pools", "use");
        if hosts == engines && networks == [members] && pools.len() == 1 && told.contains(" in use") {
            Ok(())
        } else {
            Err(format!("{hosts:?} {networks:?} {pools:?}: {told}"))
        }
    });
    eventually("its VXLAN identifier, which engines do not tell", PATIENCE, || {
        let networks = view(base, "networks")?;
        let vni = row(node(&networks, "mesh").ok_or("no mesh")?, "network_vni");
        if vni.parse::<u32>().is_ok_and(|vni| vni >= 256) { Ok(()) } else { Err(vni) }
    });
}

fn column(node: &Value, table: &str, column: &str) -> Vec<String> {
    let tables = node["tables"].as_array().into_iter().flatten();
    let rows = tables.filter(|t| t["id"] == table).flat_map(|t| t["rows"].as_array().into_iter().flatten());
    rows.filter_map(|row| row["entries"][column].as_str()).map(str::to_owned).collect()
}

#[test]
fn consul_is_read_as_the_store_of_engines_that_still_speak_to_it() {
    let testbed = Testbed::up_with_store(2, Store::Consul);
    // The second host has no probe: what runs there is known from the store.
    testbed.launch(1, &["--window", "4s"]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "-d", "overlay", "mesh"]);
    testbed.container(2, "server", &["--network", "mesh"], "while :; do nc -l -p 7000 -e cat; done");
    let call = "while :; do (while :; do echo q; sleep 1; done) | nc server 7000; sleep 0.2; done";
    testbed.container(1, "client", &["--network", "mesh"], call);
    eventually("it calls one on the host without a probe", PATIENCE, || {
        let found = container_edges(&base)?;
        if found == BTreeSet::from(["client -> server:7000".to_owned()]) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let store = format!("{}:8500", testbed.switch());
    keys_are_shown(&base, &format!("consul@{store};<store>"), &["h1", "no probe there"], "2");
    let daemons = view(&base, "daemons").unwrap();
    let consul = node(&daemons, "Consul").unwrap();
    assert_eq!((row(consul, "daemon_role").as_str(), row(consul, "daemon_version").as_str()), ("leader", "1.8.7"));
    assert!(row(consul, "store_servers").ends_with(":8300"), "{consul}");
    until(&base, "all is well", &[]);

    // A second server, of which only gossip tells: it serves clients at its loopback alone.
    let directory = testbed.directory(2).display().to_string();
    let start = format!(
        "setsid {consul} agent -server -data-dir {directory}/consul -node second -bind {there} -retry-join {first} \
         -disable-host-node-id -log-level warn </dev/null >{directory}/consul.log 2>&1 & echo $! >{directory}/consul.pid",
        consul = program("SCOPE_CONSUL").display(),
        there = testbed.address(2),
        first = testbed.switch(),
    );
    testbed.shell(2, &start);
    let second = || {
        let daemons = view(&base, "daemons")?;
        let all = daemons["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values());
        let mut all = all.filter(|one| row(one, "daemon_member") == "second");
        let found = all.next().ok_or("nobody tells of it")?;
        Ok::<_, String>((["daemon_role", "daemon_version", "daemon_message"].map(|id| row(found, id)), all.count()))
    };
    let told = |role: &str, says: &str| ([role.to_owned(), "1.8.7".into(), says.to_owned()], 0);
    eventually("the second is known", PATIENCE, || {
        let found = second()?;
        if found == told("follower", "the others hear of it") { Ok(()) } else { Err(format!("{found:?}")) }
    });
    // Who has no vote yet is missed by nobody: the first would tidy it away.
    eventually("the second has a vote", PATIENCE, || {
        let raft = testbed.shell(1, &format!("curl -sf http://{store}/v1/operator/raft/configuration"));
        let raft: Value = serde_json::from_str(&raft).map_err(|error| error.to_string())?;
        let voters = raft["Servers"].as_array().into_iter().flatten().filter(|one| one["Voter"] == true);
        if voters.count() == 2 { Ok(()) } else { Err(raft.to_string()) }
    });
    testbed.shell(2, &format!("kill -9 $(cat {directory}/consul.pid)"));
    // Of two members both are a majority.
    until(&base, "the second is gone", &["store-no-leader"]);
    // Gossip takes its time to say so, which an election does not wait for.
    eventually("the others miss it", PATIENCE, || {
        let (found, count) = second()?;
        let is_missed = (found[2].as_str(), count) == ("the others do not hear of it any more", 0);
        if is_missed { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn zookeepers_keys_are_read_whoever_wrote_them() {
    let testbed = Testbed::up(1, false);
    testbed.start_store(Store::ZooKeeper);
    let store = format!("{}:2181", testbed.switch());
    testbed.launch(1, &["--cluster-store", &format!("zk://{store}")]);
    let base = testbed.url(1);
    eventually("an empty store is fine", PATIENCE, || match said(&base)? {
        said if said.starts_with("ok") && said.contains("no network") => Ok(()),
        said => Err(said),
    });
    let host = testbed.switch();
    scope_tests::zookeeper::load(&host, RECORDED);
    eventually("its networks with their members, none of whose hosts has a probe", PATIENCE, || {
        let networks = view(&base, "networks")?;
        let (Some(mesh), Some(back)) = (node(&networks, "mesh"), node(&networks, "back")) else {
            return Err(format!("{networks}"));
        };
        let found =
            [mesh, back].map(|n| (row(n, "network_subnets"), row(n, "network_vni"), row(n, "network_unprobed")));
        let expect = [("10.88.0.0/24", "256", "2"), ("10.89.0.0/24", "257", "2")];
        let expect = expect.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        if found == expect { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let shown = labels(&view(&base, "containers").unwrap());
    assert!(["web", "client", "db", "app"].iter().all(|name| shown.contains(*name)), "{shown:?}");
    let message = said(&base).unwrap();
    assert!(message.contains("2 networks"), "{message}");
    until(&base, "all is well", &[]);
}

#[test]
fn an_ensemble_of_which_one_server_is_named_is_known_whole() {
    let testbed = Testbed::up(3, false);
    let servers: Vec<String> = (1..=3).map(|host| testbed.address(host)).collect();
    let lines: Vec<String> =
        servers.iter().enumerate().map(|(n, at)| format!("server.{}={at}:2888:3888;2181", n + 1)).collect();
    for host in 1..=3 {
        let directory = testbed.directory(host).display().to_string();
        let start = format!(
            "mkdir -p {directory}/zk && echo {host} >{directory}/zk/myid && printf '%s\n' tickTime=500 initLimit=20 \
             syncLimit=10 dataDir={directory}/zk admin.enableServer=false {lines} >{directory}/zoo.cfg; \
             setsid java -Xmx96m -cp '{zookeeper}/usr/share/java/*' -Dzookeeper.log.dir={directory} \
             org.apache.zookeeper.server.quorum.QuorumPeerMain {directory}/zoo.cfg </dev/null >{directory}/zk.log 2>&1 & \
             echo $! >{directory}/zk.pid",
            lines = lines.iter().map(|line| format!("'{line}'")).collect::<Vec<_>>().join(" "),
            zookeeper = program("SCOPE_ZOOKEEPER").display(),
        );
        testbed.shell(host, &start);
    }
    testbed.launch(1, &["--cluster-store", &format!("zk://{}:2181", servers[0])]);
    let base = testbed.url(1);
    let roles = || {
        let daemons = view(&base, "daemons")?;
        let all = daemons["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values());
        let all = all.filter(|one| one["label"] == "ZooKeeper");
        let found = all.map(|one| (row(one, "daemon_address"), row(one, "daemon_role")));
        Ok::<_, String>(found.collect::<BTreeMap<String, String>>())
    };
    let leader = eventually("three servers, one of them leads", PATIENCE, || {
        let found = roles()?;
        let leaders: Vec<&String> = found.iter().filter(|(_, role)| *role == "leader").map(|(at, _)| at).collect();
        match (&*leaders, found.values().filter(|role| *role == "follower").count()) {
            ([leader], 2) => Ok((*leader).clone()),
            _ => Err(format!("{found:?}")),
        }
    });
    until(&base, "all is well", &[]);
    let host = servers.iter().position(|at| leader.starts_with(at)).unwrap() + 1;
    let directory = testbed.directory(host).display().to_string();
    testbed.shell(host, &format!("kill -9 $(cat {directory}/zk.pid)"));
    let found = until(&base, "the leader is lost", &["store-member-down"]);
    assert!(found[0]["summary"].as_str().unwrap().contains(&leader), "{found:?}");
}

/// Authorities, a server's certificate and a client's, in a host's directory: each with its key, and both in one file.
fn certify(testbed: &Testbed, host: usize) {
    let (here, dir) = (testbed.address(host), testbed.directory(host).display().to_string());
    let certificates = format!(
        "cd {dir} && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null && \
         for who in server client; do \
           openssl req -newkey rsa:2048 -nodes -subj /CN=$who -keyout $who.key -out $who.csr 2>/dev/null && \
           printf 'subjectAltName=IP:{here}\nextendedKeyUsage=serverAuth,clientAuth\n' >$who.ext && \
           openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $who.ext -out $who.pem 2>/dev/null && \
           cat $who.key $who.pem >$who.both || exit 1; \
         done"
    );
    testbed.shell(host, &certificates);
}

/// What the probe of a host says of the store.
fn said(base: &str) -> Result<String, String> {
    let status = get(&format!("{base}/api/status"))?;
    let collectors = status["probes"][0]["collectors"].as_array().cloned().unwrap_or_default();
    let found = collectors.iter().find(|one| one["name"] == "cluster-store").cloned().unwrap_or_default();
    Ok(format!("{}: {}", found["state"].as_str().unwrap_or_default(), found["message"]))
}

#[test]
fn a_zookeeper_that_speaks_tls_is_read_with_the_certificate_that_it_asks_for() {
    let testbed = Testbed::up(1, false);
    let (here, dir) = (testbed.address(1), testbed.directory(1).display().to_string());
    certify(&testbed, 1);
    let stores = ["key", "trust"].map(|of| {
        let file = if of == "key" { "server.both" } else { "ca.pem" };
        format!("ssl.{of}Store.type=PEM ssl.{of}Store.location={dir}/{file}")
    });
    // In the clear it listens too, for the keys that are put into it here.
    let start = format!(
        "printf '%s\n' tickTime=500 dataDir={dir}/zk admin.enableServer=false clientPort=2181 \
         clientPortAddress={here} secureClientPort=2281 secureClientPortAddress={here} \
         serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory {stores} >{dir}/zoo.cfg; \
         setsid java -Xmx96m -cp '{zookeeper}/usr/share/java/*' -Dzookeeper.log.dir={dir} \
         org.apache.zookeeper.server.quorum.QuorumPeerMain {dir}/zoo.cfg </dev/null >{dir}/zk.log 2>&1 & \
         for try in $(seq 200); do ss -Hltn | grep -q :2281 && exit 0; sleep 0.1; done; cat {dir}/zk.log; exit 1",
        stores = stores.join(" "),
        zookeeper = program("SCOPE_ZOOKEEPER").display(),
    );
    testbed.shell(1, &start);
    scope_tests::zookeeper::load(&here, RECORDED);
    let (ca, own, key) = (format!("{dir}/ca.pem"), format!("{dir}/client.pem"), format!("{dir}/client.key"));
    let url = format!("zk://{here}:2281");
    let base = testbed.url(1);
    testbed.launch(1, &["--cluster-store", &url, "--cluster-store-ca", &ca]);
    eventually("without a certificate it does not answer, and that is told", PATIENCE, || match said(&base)? {
        said if said.starts_with("failed") && said.contains("0 of 1 members") => Ok(()),
        said => Err(said),
    });
    testbed.scope(1, &["stop"]);
    let given = ["--cluster-store", &url, "--cluster-store-cert", &own, "--cluster-store-key", &key];
    testbed.launch(1, &given);
    eventually("authorities that nobody named are not believed", PATIENCE, || match said(&base)? {
        said if said.starts_with("failed") && said.contains("no TLS with it: invalid peer certificate") => Ok(()),
        said => Err(said),
    });
    testbed.scope(1, &["stop"]);
    testbed.launch(1, &[&given[..], &["--cluster-store-ca", &ca]].concat());
    eventually("with both it is", PATIENCE, || match said(&base)? {
        said if said.starts_with("ok") && said.contains("1 of 1 members are up; engines keep 2 networks") => Ok(()),
        said => Err(said),
    });
    until(&base, "all is well", &[]);
}

#[test]
fn a_store_that_asks_who_asks_is_answered_and_says_so_where_it_is_not() {
    let testbed = Testbed::up(2, false);
    let directory = testbed.directory(1).display().to_string();
    let (here, dir) = (testbed.address(1), &directory);
    certify(&testbed, 1);
    let start = format!(
        "setsid {etcd} --name h1 --data-dir {dir}/etcd --enable-v2 --listen-client-urls https://0.0.0.0:2379 \
         --advertise-client-urls https://{here}:2379 --cert-file {dir}/server.pem --key-file {dir}/server.key \
         --trusted-ca-file {dir}/ca.pem --client-cert-auth </dev/null >{dir}/etcd.log 2>&1 & \
         for try in $(seq 100); do curl -sf --cacert {dir}/ca.pem --cert {dir}/client.pem --key {dir}/client.key \
         https://{here}:2379/health >/dev/null && exit 0; sleep 0.1; done; exit 1",
        etcd = program("SCOPE_ETCD").display(),
    );
    testbed.shell(1, &start);
    let curl =
        format!("curl -sf --cacert {dir}/ca.pem --cert {dir}/client.pem --key {dir}/client.key https://{here}:2379");
    let network = "7bdebf5550da2e96b3376ac0a69ff880361b38c49f9c4569bc43944244808432";
    let value = r#"{"name":"secret","networkType":"overlay","ipamV4Info":"[]"}"#;
    testbed.shell(
        1,
        &format!("{curl}/v2/keys/own/docker/network/v1.0/network/{network} -X PUT --data-urlencode 'value={value}'"),
    );
    // From here on nobody but root reads keys.
    testbed.shell(1, &format!("{curl}/v2/auth/users/root -X PUT -d '{{\"user\":\"root\",\"password\":\"pass\"}}'"));
    testbed.shell(1, &format!("{curl}/v2/auth/enable -X PUT"));
    testbed.shell(1, &format!("{curl}/v2/auth/roles/guest -X DELETE -u root:pass || true"));

    let url = format!("etcd://{here}:2379/own");
    let tls =
        ["--cluster-store-ca", "ca.pem", "--cluster-store-cert", "client.pem", "--cluster-store-key", "client.key"];
    let tls: Vec<String> =
        tls.iter().map(|one| if one.starts_with("--") { (*one).to_owned() } else { format!("{dir}/{one}") }).collect();
    let mut arguments = vec!["--cluster-store", &url];
    arguments.extend(tls.iter().map(String::as_str));
    testbed.launch(1, &arguments);
    let base = testbed.url(1);
    eventually("its members are known, its keys are refused", PATIENCE, || match said(&base)? {
        said if said.starts_with("degraded") && said.contains("--cluster-store-user") => Ok(()),
        said => Err(said),
    });
    testbed.scope(1, &["stop"]);
    arguments.extend(["--cluster-store-user", "root:pass"]);
    testbed.launch(1, &arguments);
    eventually("with a name its keys are read, under the prefix that they have", PATIENCE, || {
        let networks = view(&base, "networks")?;
        if node(&networks, "secret").is_some() { Ok(()) } else { Err(said(&base)?) }
    });
    let log = testbed.shell(1, "cat /var/log/scope/scope.log");
    assert!(!log.contains("root:pass") && !log.contains("cm9vdDpwYXNz"), "no secret is logged");

    let missing = testbed.scope(2, &["launch", "--cluster-store", &url, "--cluster-store-ca", "/nonexistent"]);
    let (_, error) = text(&missing);
    assert!(!missing.status.success() && error.contains("/nonexistent cannot be read"), "{error}");

    // Consul, where nobody may do anything without a token.
    let there = testbed.address(2);
    let directory = testbed.directory(2).display().to_string();
    let rules = r#"acl { enabled = true default_policy = "deny" tokens { master = "let-me-in" } }"#;
    testbed.shell(2, &format!(
        "setsid {consul} agent -server -bootstrap-expect=1 -data-dir {directory}/consul -node kv -bind {there} -client 0.0.0.0 \
         -disable-host-node-id -log-level warn -hcl 'performance {{ raft_multiplier = 1 }} {rules}' </dev/null >{directory}/consul.log 2>&1 & \
         for try in $(seq 200); do curl -sf -H 'X-Consul-Token: let-me-in' -X PUT -d '{value}' \
         http://{there}:8500/v1/kv/docker/network/v1.0/network/{network}/ && exit 0; sleep 0.1; done; exit 1",
        consul = program("SCOPE_CONSUL").display(),
    ));
    let url = format!("consul://{there}:8500");
    testbed.launch(2, &["--cluster-store", &url]);
    let base = testbed.url(2);
    eventually("without a token keys are refused", PATIENCE, || {
        let networks = view(&base, "networks")?;
        match said(&base)? {
            said if said.contains("Consul at") && node(&networks, "secret").is_none() => Ok(()),
            said => Err(said),
        }
    });
    testbed.scope(2, &["stop"]);
    testbed.launch(2, &["--cluster-store", &url, "--cluster-store-token", "let-me-in"]);
    eventually("with one they are read", PATIENCE, || {
        let networks = view(&base, "networks")?;
        if node(&networks, "secret").is_some() { Ok(()) } else { Err(said(&base)?) }
    });
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
        etcd = program("SCOPE_ETCD").display(),
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
    let led = view(&base, "daemons").unwrap();
    let led = led["edges"].as_array().unwrap().iter().filter(|edge| edge["port"] == 2380).count();
    assert_eq!(led, 2, "two follow the third");
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
    assert!(found[0]["summary"].as_str().unwrap().contains("1 of 3 members are up"), "{found:?}");

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
