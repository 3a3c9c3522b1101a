//! A Weave router's word on its mesh: connections that do not come about, and addresses that nobody can give.

use shared::id::HostId;
use shared::report::{Collector, CollectorState, Trouble, WeaveConnection, WeaveIpamStatus};

use super::{A_MOMENT_MS, Suspicion};
use crate::store::HostState;
use crate::topology::Entity;
use crate::topology::daemons::Daemon;

/// A connection may be tried once or twice before it is there, milliseconds.
const TRIED_FOR_MS: u64 = 4_000;

pub fn audit(id: HostId, host: &HostState) -> Vec<Suspicion> {
    let mut found: Vec<Suspicion> = answers(id, host).into_iter().collect();
    if !found.is_empty() {
        return found;
    }
    for (name, router) in &host.report.weave {
        let subject = || Entity::WeavePeer(name.clone());
        let here = &host.api_name;
        let connection_id =
            |connection: &WeaveConnection| format!("weave-connection:{}:{}", name.0, connection.address);
        for connection in router.connections.iter().filter(|connection| is_wrong(connection)) {
            let WeaveConnection { address, state, info, .. } = connection;
            let (kind, summary) = match fault(info) {
                Fault::Password => {
                    ("weave-wrong-password", format!("Weave on {here} and {address} have different passwords"))
                }
                Fault::Encryption => {
                    ("weave-encryption-differs", format!("Weave on {here} and {address} differ on encryption"))
                }
                Fault::Other if state == "pending" => {
                    ("weave-connection-pending", format!("Weave on {here} hears {address} over TCP only, not over UDP"))
                }
                Fault::Other => ("weave-connection-failed", format!("Weave on {here} does not reach {address}")),
            };
            let way = if connection.outbound { "to" } else { "from" };
            let suspicion = Suspicion::new(connection_id(connection), kind, subject(), summary);
            found.push(
                suspicion
                    .on(id)
                    .after(TRIED_FOR_MS)
                    .says(format!("Weave on {here}"), format!("connection {way} {address} is {state}: {info}"))
                    .advise(match fault(info) {
                        Fault::Password | Fault::Encryption => {
                            "Launch all routers with the same password, or all without: WEAVE_PASSWORD or --password."
                        }
                        Fault::Other => {
                            "6783/tcp and 6783-6784/udp must pass between the hosts. A peer that is gone for good: weave forget."
                        }
                    }),
            );
        }
        let because = || router.connections.iter().filter(|connection| is_wrong(connection)).map(connection_id);
        match router.ipam.status {
            WeaveIpamStatus::AwaitingConsensus | WeaveIpamStatus::Priming => {
                let text = format!("weave-ipam-consensus:{}", name.0);
                let summary = format!("Weave on {here} cannot give addresses: {}", router.ipam.status.name());
                let says = format!("{}, {} peers are known", router.ipam.status.name(), router.peers.len());
                let suspicion = Suspicion::new(text, "weave-ipam-without-consensus", subject(), summary);
                found.push(
                    suspicion
                        .on(id)
                        .after(TRIED_FOR_MS)
                        .because(because())
                        .says(format!("Weave on {here}"), says)
                        .advise("Most of the peers that were named at launch must be up once. If there are fewer: weave launch --ipalloc-init consensus=N."),
                );
            }
            _ => {}
        }
        let lost: Vec<String> = router
            .ipam
            .owners
            .iter()
            .filter(|(_, owner)| !owner.is_reachable)
            .map(|(peer, owner)| {
                let called = if owner.nickname.is_empty() { peer.to_string() } else { owner.nickname.clone() };
                format!("{called} owns {} addresses and is not reachable", owner.addresses)
            })
            .collect();
        if !lost.is_empty() {
            let text = format!("weave-ipam-owners:{}", name.0);
            let summary = match lost.len() {
                1 => format!("Weave on {here} does not reach an owner of addresses"),
                more => format!("Weave on {here} does not reach {more} owners of addresses"),
            };
            let suspicion = Suspicion::new(text, "weave-ipam-owner-unreachable", subject(), summary);
            found.push(
                suspicion
                    .warns()
                    .on(id)
                    .after(TRIED_FOR_MS)
                    .because(because())
                    .says(format!("Weave on {here}"), lost.join("\n"))
                    .advise(
                        "Their addresses cannot be given to others. If such a peer is gone for good: weave rmpeer.",
                    ),
            );
        }
    }
    found
}

fn answers(id: HostId, host: &HostState) -> Option<Suspicion> {
    let status = host.report.collectors.get(&Collector::Weave)?;
    if status.state != CollectorState::Failed {
        return None;
    }
    let here = &host.api_name;
    let summary = match status.trouble {
        Trouble::Silent => format!("Weave on {here} does not answer"),
        Trouble::Confused => format!("Weave on {here} answers what cannot be read"),
        _ => format!("Weave on {here} is down"),
    };
    let last = match status.answered_ms {
        0 => "it never answered this probe".to_owned(),
        at => format!("it answered last at {}", crate::view::wording::rfc3339(at)),
    };
    let subject = Entity::Daemon(id, Daemon::Weave);
    let suspicion = Suspicion::new(format!("weave-router:{id}"), "weave-router-down", subject, summary);
    Some(
        suspicion
            .on(id)
            .after(A_MOMENT_MS)
            .says(format!("probe on {here}"), format!("{}\n{last}", status.message))
            .advise("Start it again with weave launch; its log is that of the container weave."),
    )
}

fn is_wrong(connection: &WeaveConnection) -> bool {
    // Routers are told all hosts of a mesh, and their own among them.
    connection.state != "established" && !connection.info.contains("connect to ourself")
}

enum Fault {
    Password,
    Encryption,
    Other,
}

fn fault(info: &str) -> Fault {
    match () {
        () if info.contains("decrypt") => Fault::Password,
        () if info.contains("encrypted connection") || info.contains("password") => Fault::Encryption,
        () => Fault::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use shared::Report;
    use shared::report::{WeaveOwner, WeaveRouter};

    /// Kinds that a router's word leads to, each with whether it follows from another.
    fn check(router: WeaveRouter, expect: &[(&str, bool)]) {
        let mut report = Report::default();
        report.weave.insert("de:ad:be:ef:00:01".into(), router);
        let (store, host) = Store::holding(report);
        let found = audit(host, &store.hosts[&host]);
        let found: Vec<(&str, bool)> = found.iter().map(|s| (s.kind, !s.because.is_empty())).collect();
        assert_eq!(found, expect);
    }

    fn connection(state: &str, info: &str) -> WeaveConnection {
        WeaveConnection {
            address: "10.77.0.12:6783".into(),
            state: state.into(),
            info: info.into(),
            ..Default::default()
        }
    }

    fn with(connections: Vec<WeaveConnection>) -> WeaveRouter {
        WeaveRouter { connections, ..WeaveRouter::default() }
    }

    #[test]
    fn a_connection_that_does_not_come_about_is_told_with_why() {
        for (state, info, kind) in [
            ("failed", "dial tcp4 :0->10.77.0.12:6783: connect: no route to host", "weave-connection-failed"),
            ("retrying", "dial tcp4 :0->10.77.0.12:6783: i/o timeout", "weave-connection-failed"),
            ("pending", "waiting for UDP", "weave-connection-pending"),
            ("failed", "Unable to decrypt TCP msg", "weave-wrong-password"),
            // Both ends of it, in the words of Weave's mesh.
            ("failed", "password specified, but peer requested an unencrypted connection", "weave-encryption-differs"),
            (
                "failed",
                "no password specificed, but peer requested an encrypted connection",
                "weave-encryption-differs",
            ),
        ] {
            check(with(vec![connection(state, info)]), &[(kind, false)]);
        }
        check(with(vec![connection("established", "fastdp de:ad:be:ef:00:02(h2)")]), &[]);
        check(with(vec![connection("failed", "cannot connect to ourself")]), &[]);
    }

    #[test]
    fn addresses_that_nobody_can_give_follow_from_connections_that_fail() {
        let failed = || vec![connection("failed", "no route to host")];
        let waiting = |connections| {
            let mut router = with(connections);
            router.ipam.status = WeaveIpamStatus::AwaitingConsensus;
            router
        };
        check(waiting(Vec::new()), &[("weave-ipam-without-consensus", false)]);
        check(waiting(failed()), &[("weave-connection-failed", false), ("weave-ipam-without-consensus", true)]);
        let mut lost = with(failed());
        let owner = WeaveOwner { nickname: "h3".into(), addresses: 4, is_reachable: false };
        lost.ipam.owners.insert("de:ad:be:ef:00:03".into(), owner);
        check(lost, &[("weave-connection-failed", false), ("weave-ipam-owner-unreachable", true)]);
    }
}
