//! A look at all sockets, and at whose they are.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Instant;

use shared::id::{NetNsId, ProcessId};

use super::Reader;
use crate::link::address;
use crate::netns::{Namespaces, NetNs, is_gone};
use crate::process::Scanner;
use crate::socket::bpf::Held;
use crate::socket::table::{Dump, Extent};
use crate::socket::{Socket, With, proc_net, sock_diag};

/// Addresses of a namespace are read at each pass while it is young, then every so many passes, unless they are told by
/// who reads links.
const YOUNG_PASSES: u32 = 20;
const ADDRESSES_EVERY_PASSES: u32 = 20;
/// The same where the kernel tells of changes.
const YOUNG_PASSES_WITH_EVENTS: u32 = 3;
const ADDRESSES_EVERY_PASSES_WITH_EVENTS: u32 = 4;

impl Reader {
    /// Whether a namespace is among them that may still get addresses.
    pub(super) fn has_young(&self) -> bool {
        self.passes.values().any(|passed| *passed <= YOUNG_PASSES_WITH_EVENTS)
    }

    /// All that there is, with the kernel's help where it gives any.
    pub(super) fn dump_all(&mut self, namespaces: &mut Namespaces, scanner: &Scanner) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        let Self { events, table, .. } = self;
        let Ok(events) = events else { return self.dump_and_walk(namespaces, scanner) };
        // Only what is not known yet is listed: all that is held would be much to list at each pass.
        let mut owners: HashMap<u64, ProcessId> = HashMap::new();
        let mut sockets: HashMap<NetNsId, Vec<Socket>> = HashMap::new();
        // Those of one process are mostly in one namespace.
        let mut last = (NetNs::default(), None);
        table.begin();
        let passed = events.held(|Held { socket, namespace, pid }| {
            if last.0 != namespace {
                last = (namespace, namespaces.find(namespace));
            }
            let Some(id) = last.1 else { return };
            let owner = scanner.of_pid(pid);
            if table.see(id, &socket, owner, now_ms) {
                return;
            }
            // Of those who share a socket the first has it.
            if let Entry::Vacant(entry) = owners.entry(socket.inode) {
                if let Some(process) = owner {
                    entry.insert(process);
                }
                sockets.entry(id).or_default().push(socket);
            }
        });
        if let Err(error) = passed {
            self.events = Err(format!("sockets cannot be gone through: {error}"));
            return self.dump_and_walk(namespaces, scanner);
        }
        self.read_addresses(namespaces);
        let there: Vec<(u64, NetNsId)> =
            namespaces.all().filter(|(_, met)| met.has_processes()).map(|(inode, met)| (inode, met.id)).collect();
        let ids: Vec<NetNsId> = there.iter().map(|(_, id)| *id).collect();
        let due = self.whole.due(&ids, &self.table.unshown(), now);
        // Of sockets that are left out nobody tells that they closed.
        let is_partial = self.sampling.is_partial(now);
        let mut dumps = Vec::with_capacity(there.len());
        for (inode, namespace) in there {
            let mut extent = if is_partial { Extent::All } else { Extent::Held };
            let mut sockets = sockets.remove(&namespace).unwrap_or_default();
            if due.contains(&namespace)
                && let Ok((all, _)) = self.list(namespaces, inode, || ())
            {
                extent = Extent::All;
                sockets.extend(all.into_iter().filter(|socket| !self.table.see(namespace, socket, None, now_ms)));
            }
            dumps.push(Dump { namespace, extent, sockets });
        }
        let Self { table, tracker, .. } = self;
        let owner = |inode: u64| owners.get(&inode).copied();
        let mut answers = tracker.answers(dumps.iter().map(|dump| dump.sockets.len()).sum());
        let track = |protocol, here| answers.find(protocol, here);
        self.has_news |= table.finish(&dumps, self.ephemeral, owner, track, now_ms);
        self.method = "eBPF";
    }

    /// Without the kernel's help: what there is of each namespace, and whose it is by a walk over descriptors.
    fn dump_and_walk(&mut self, namespaces: &mut Namespaces, scanner: &Scanner) {
        let dumps = self.dump(namespaces);
        let exists: HashSet<u64> = dumps.iter().flat_map(|d| d.sockets.iter().map(|s| s.inode)).collect();
        self.owners.retain(&exists, |owner| scanner.processes.contains_key(&owner));
        for Dump { namespace, sockets, .. } in &dumps {
            let wanted = self.owners.unknown(sockets.iter().map(|s| s.inode));
            if !wanted.is_empty() {
                let inode = namespaces.inode(*namespace);
                let inside = scanner.processes.iter().filter(|(_, p)| p.namespace == inode || inode.is_none());
                self.owners.search(wanted, inside.map(|(id, _)| *id));
            }
        }
        let now_ms = self.now_ms();
        let Self { table, owners, tracker, .. } = self;
        let unknown = exists.len().saturating_sub(table.len());
        let mut answers = tracker.answers(unknown);
        let track = |protocol, here| answers.find(protocol, here);
        self.has_news |= table.update(&dumps, self.ephemeral, |inode| owners.of(inode), track, now_ms);
    }

    /// The sockets of every namespace that can be read.
    fn dump(&mut self, namespaces: &mut Namespaces) -> Vec<Dump> {
        let (mut dumps, mut readdressed) = (Vec::new(), Vec::new());
        let mut passes = HashMap::new();
        (self.refused, self.method) = (None, "sock_diag");
        for (inode, met) in namespaces.all().filter(|(_, met)| met.has_processes()) {
            let passed = self.passes.get(&met.id).copied().unwrap_or(0);
            passes.insert(met.id, passed.wrapping_add(1));
            let with_addresses = passed < YOUNG_PASSES || passed.is_multiple_of(ADDRESSES_EVERY_PASSES);
            let subnets = || if with_addresses { address::subnets().ok() } else { None };
            match self.list(namespaces, inode, subnets) {
                Ok((sockets, addresses)) => {
                    readdressed.extend(addresses.flatten().map(|addresses| (inode, addresses)));
                    dumps.push(Dump { namespace: met.id, extent: Extent::All, sockets });
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => self.refused = Some(error),
            }
        }
        self.passes = passes;
        for (inode, addresses) in readdressed {
            namespaces.set_addresses(inode, addresses);
        }
        dumps
    }

    /// All sockets of a namespace, and what else there is to `read` in it; none of that where it cannot be entered.
    fn list<T>(
        &mut self,
        namespaces: &Namespaces,
        inode: u64,
        read: impl Fn() -> T,
    ) -> io::Result<(Vec<Socket>, Option<T>)> {
        let with = self.with;
        let result = namespaces.visit(inode, || {
            let mut sockets = Vec::new();
            if with == With::Proc {
                return Err(io::ErrorKind::Unsupported.into());
            }
            sock_diag::sockets(&mut sockets)?;
            Ok((sockets, read()))
        });
        match result {
            Ok((mut sockets, other)) => {
                sockets.shrink_to_fit();
                Ok((sockets, Some(other)))
            }
            Err(error) => {
                let mut sockets = Vec::new();
                let pid = namespaces.through(inode).map_or(0, |process| process.pid);
                proc_net::sockets(&crate::procfs::pid_dir(&self.proc_root, pid).join("net"), &mut sockets);
                if sockets.is_empty() {
                    return Err(error);
                }
                self.method = "/proc/net";
                Ok((sockets, None))
            }
        }
    }

    /// Of namespaces that are young, and of the others now and then.
    fn read_addresses(&mut self, namespaces: &mut Namespaces) {
        let mut passes = HashMap::new();
        let mut readdressed = Vec::new();
        let was_refused = self.refused.take().is_some();
        for (inode, met) in namespaces.all().filter(|(_, met)| met.has_processes()) {
            let passed = self.passes.get(&met.id).copied().unwrap_or(0);
            passes.insert(met.id, passed.wrapping_add(1));
            let is_due = !self.links_are_read && passed.is_multiple_of(ADDRESSES_EVERY_PASSES_WITH_EVENTS);
            // Who reads links was there just now.
            if self.links_are_read && passed == 0 && !met.addresses.is_empty() {
                continue;
            }
            // Whether one that was refused still is shows only where it is tried.
            if passed > YOUNG_PASSES_WITH_EVENTS && !is_due && !was_refused {
                continue;
            }
            match namespaces.visit(inode, address::subnets) {
                Ok(addresses) => readdressed.push((inode, addresses)),
                Err(error) if is_gone(&error) => {}
                Err(error) => self.refused = Some(error),
            }
        }
        self.passes = passes;
        for (inode, addresses) in readdressed {
            namespaces.set_addresses(inode, addresses);
        }
    }
}
