//! The container engine of one host: whether it answers, and whether others reach it where it says.

use shared::id::HostId;
use shared::report::{Collector, CollectorState, Trouble};

use super::{A_MOMENT_MS, Suspicion};
use crate::store::HostState;
use crate::topology::Entity;
use crate::topology::daemons::Daemon;

pub fn id(host: HostId) -> String {
    format!("engine:{host}")
}

/// Whether nobody is served by it, as its probe says.
pub fn is_down(host: &HostState) -> bool {
    host.report.collectors.get(&Collector::Docker).is_some_and(|status| {
        status.state == CollectorState::Failed
            && matches!(status.trouble, Trouble::Absent | Trouble::Unreachable | Trouble::Silent)
    })
}

pub fn audit(id: HostId, host: &HostState) -> Vec<Suspicion> {
    answers(id, host).into_iter().chain(advertises(id, host)).collect()
}

fn answers(id: HostId, host: &HostState) -> Option<Suspicion> {
    let status = host.report.collectors.get(&Collector::Docker)?;
    if status.state != CollectorState::Failed {
        return None;
    }
    let engine = host.report.host.engine.as_ref();
    let name = engine.map_or("The container engine", |engine| &engine.name);
    let here = &host.api_name;
    let (kind, summary) = match status.trouble {
        // A host on which there never was one lacks nothing.
        Trouble::Absent if engine.is_none() => return None,
        Trouble::None | Trouble::Unknown => return None,
        Trouble::Absent | Trouble::Unreachable => ("engine-down", format!("{name} on {here} is down")),
        Trouble::Silent => ("engine-not-answering", format!("{name} on {here} does not answer")),
        Trouble::Confused => ("engine-confused", format!("{name} on {here} answers what cannot be read")),
    };
    let last = match status.answered_ms {
        0 => "it never answered this probe".to_owned(),
        at => format!("it answered last at {}", crate::view::wording::rfc3339(at)),
    };
    let running = host.report.containers.values().filter(|container| container.pid.is_some()).count();
    let suspicion =
        Suspicion::new(self::id(id), kind, Entity::Daemon(id, Daemon::Engine), summary).on(id).after(A_MOMENT_MS);
    Some(
        suspicion
            .says(format!("probe on {here}"), format!("{}\n{last}", status.message))
            .says(
                format!("kernel of {here}"),
                format!("{} processes run, {running} containers when it was asked last", host.report.processes.len()),
            )
            .advise(
                "Look at the engine's log (journalctl -u docker) and start it again; containers may run on without it.",
            ),
    )
}

fn advertises(id: HostId, host: &HostState) -> Option<Suspicion> {
    let member = host.report.host.engine.as_ref()?.swarm.as_ref().filter(|member| member.state == "active");
    // In a swarm, or to those that share a cluster store with it.
    let in_store = || {
        let said = host.report.stores.values().find_map(|store| store.advertise.rsplit_once(':'));
        said.and_then(|(address, _)| address.trim_matches(['[', ']']).parse().ok())
    };
    let (address, daemon): (std::net::IpAddr, Daemon) = match member.and_then(|member| member.address) {
        Some(address) => (address, Daemon::Swarm),
        None => (in_store()?, Daemon::Engine),
    };
    let own = &host.report.host.local_networks;
    if own.is_empty() || own.iter().any(|network| network.address == address) {
        return None;
    }
    let here = &host.api_name;
    let addresses = own.iter().map(|network| network.address).filter(|a| !shared::addr::is_confined(*a));
    let summary = format!("{here} advertises {address}, which it does not have");
    let suspicion = Suspicion::new(
        format!("advertise-address:{id}"),
        "wrong-advertise-address",
        Entity::Daemon(id, daemon),
        summary,
    );
    Some(
        suspicion
            .on(id)
            .says(format!("Docker on {here}"), format!("other nodes reach this one at {address}"))
            .says(format!("kernel of {here}"), format!("its addresses are {}", crate::view::wording::joined(addresses)))
            .advise(
                "Unless an address translation leads there, nobody reaches it. In a swarm: leave, and join again with \
                 --advertise-addr; with a cluster store: start the engine with another --cluster-advertise.",
            ),
    )
}
