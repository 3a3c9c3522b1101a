//! Docker's cluster store: members that do not answer, and a majority that is lost. Told once, however many hosts ask.

use std::collections::{BTreeMap, BTreeSet};

use shared::id::HostId;
use shared::report::{StoreKind, StoreMember, Trouble};

use super::{A_MOMENT_MS, Suspicion};
use crate::store::{HostState, Liveness, Store};
use crate::topology::Entity;

/// What the live hosts say of a member.
type Told<'a> = Vec<(HostId, &'a HostState, &'a StoreMember)>;

pub fn audit(store: &Store) -> Vec<Suspicion> {
    let mut members: BTreeMap<(StoreKind, &str), Told> = BTreeMap::new();
    // Those that any host names together are one store, however the hosts name it.
    let mut together: Vec<BTreeSet<(StoreKind, &str)>> = Vec::new();
    for (id, host) in store.hosts.iter().filter(|(_, host)| host.liveness == Liveness::Live) {
        for known in host.report.stores.values() {
            let mut group: BTreeSet<(StoreKind, &str)> = BTreeSet::new();
            for (address, member) in &known.members {
                members.entry((known.kind, address)).or_default().push((*id, host, member));
                group.insert((known.kind, address));
            }
            let (overlapping, apart): (Vec<_>, Vec<_>) =
                together.into_iter().partition(|other| !other.is_disjoint(&group));
            together = apart;
            group.extend(overlapping.into_iter().flatten());
            together.push(group);
        }
    }
    together.iter().flat_map(|group| of_store(group, &members)).collect()
}

fn of_store(group: &BTreeSet<(StoreKind, &str)>, members: &BTreeMap<(StoreKind, &str), Told>) -> Vec<Suspicion> {
    let answers = |told: &Told| told.iter().any(|(_, _, member)| member.trouble == Trouble::None);
    let leads = |told: &Told| told.iter().any(|(_, _, m)| m.trouble == Trouble::None && m.has_leader);
    let all: Vec<(&(StoreKind, &str), &Told)> = group.iter().filter_map(|key| Some((key, members.get(key)?))).collect();
    let Some(((kind, first), _)) = all.first() else { return Vec::new() };
    let name = kind.name();
    let addresses = all.iter().map(|((_, address), _)| *address).collect::<Vec<_>>().join(", ");
    let subject = |address: &str| Entity::StoreMember(*kind, address.into());
    let says = |suspicion: Suspicion, told: &Told, address: &str| {
        told.iter().take(3).fold(suspicion, |suspicion, (_, host, member)| {
            let says = match member.trouble {
                Trouble::None if member.is_hearsay => format!("the others hear of {address}"),
                Trouble::None if member.has_leader => format!("{address} answers: {}", member.role),
                Trouble::None => format!("{address} answers, and knows of no leader"),
                _ => format!("{address}: {}", member.error),
            };
            suspicion.says(format!("probe on {}", host.api_name), says)
        })
    };
    let whole = format!("store:{}:{first}", kind.name());
    let well = all.iter().filter(|(_, told)| answers(told)).count();
    let mut found = Vec::new();
    if well == 0 {
        let summary = format!("{name} at {addresses} is not reached");
        let suspicion = Suspicion::new(whole, "store-unreachable", subject(first), summary).after(A_MOMENT_MS);
        let suspicion = all.iter().fold(suspicion, |suspicion, ((_, address), told)| says(suspicion, told, address));
        found.push(suspicion.advise(
            "No network of this store can be made or joined until it answers; what is attached goes on. Start the store \
             again, and see that the hosts reach its port.",
        ));
        return found;
    }
    let leaderless = !all.iter().any(|(_, told)| leads(told));
    if leaderless {
        let summary = format!("{name} at {addresses} has no leader: {well} of {} members are up", all.len());
        let suspicion = Suspicion::new(whole.clone(), "store-no-leader", subject(first), summary).after(A_MOMENT_MS);
        let suspicion = all.iter().fold(suspicion, |suspicion, ((_, address), told)| says(suspicion, told, address));
        found.push(suspicion.advise("Most of the members must be up and reach each other: start those that are down."));
    }
    for ((_, address), told) in all.iter().filter(|(_, told)| !answers(told)) {
        let id = format!("store-member:{}:{address}", kind.name());
        let summary = format!("{name} at {address} is not reached");
        let suspicion = Suspicion::new(id, "store-member-down", subject(address), summary).warns().after(A_MOMENT_MS);
        let suspicion = says(suspicion, told, address);
        let suspicion = suspicion.advise("The others go on as long as most of them are up. Start it again.");
        // Of the lost majority it is a part.
        found.push(if leaderless { suspicion.because([whole.clone()]) } else { suspicion });
    }
    found
}
