//! Reads the sockets of every namespace, whose they are, and what was translated between their ends.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;

use shared::id::NetNsId;
use shared::report::{Collector, CollectorStatus};

use super::conntrack::Conntrack;
use super::owner::Owners;
use super::table::{Dump, Table};
use super::{proc_net, sock_diag};
use crate::collector::{Closed, Outlet, degraded, failed, ok};
use crate::link::address;
use crate::netns::{Namespaces, is_gone};
use crate::process::Scanner;
use crate::state::Reading;

/// Addresses of a namespace are read at each pass while it is young, then every so many passes.
const YOUNG_PASSES: u32 = 20;
const ADDRESSES_EVERY_PASSES: u32 = 20;

pub struct Reader {
    proc_root: PathBuf,
    owners: Owners,
    table: Table,
    conntrack: io::Result<Conntrack>,
    ephemeral: Option<(u16, u16)>,
    /// How often each namespace was read.
    passes: HashMap<NetNsId, u32>,
    refused: Option<io::Error>,
    method: &'static str,
}

impl Reader {
    pub fn new(proc_root: PathBuf) -> Self {
        let range = std::fs::read_to_string(proc_root.join("sys/net/ipv4/ip_local_port_range")).unwrap_or_default();
        let mut ends = range.split_ascii_whitespace().map(str::parse);
        let ephemeral = match (ends.next(), ends.next()) {
            (Some(Ok(low)), Some(Ok(high))) => Some((low, high)),
            _ => None,
        };
        Self {
            owners: Owners::new(proc_root.clone()),
            proc_root,
            table: Table::default(),
            conntrack: Conntrack::open(),
            ephemeral,
            passes: HashMap::new(),
            refused: None,
            method: "sock_diag",
        }
    }

    pub fn read(&mut self, namespaces: &mut Namespaces, scanner: &Scanner, outlet: &mut Outlet) -> Result<(), Closed> {
        let dumps = self.dump(namespaces);
        let exists: HashSet<u64> = dumps.iter().flat_map(|d| d.sockets.iter().map(|s| s.inode)).collect();
        self.owners.retain(&exists, |owner| scanner.processes.contains_key(&owner));
        for Dump { namespace, sockets } in &dumps {
            let wanted = self.owners.unknown(sockets.iter().map(|s| s.inode));
            if !wanted.is_empty() {
                let inode = namespaces.inode(*namespace);
                let inside = scanner.processes.iter().filter(|(_, p)| p.namespace == inode || inode.is_none());
                self.owners.search(wanted, inside.map(|(id, _)| *id));
            }
        }
        let Self { table, owners, conntrack, .. } = self;
        let mut trouble = None;
        let changed = table.update(
            &dumps,
            self.ephemeral,
            |inode| owners.of(inode),
            |protocol, here| {
                let conntrack = conntrack.as_mut().ok()?;
                conntrack.find(protocol, here).unwrap_or_else(|error| {
                    trouble = Some(error);
                    None
                })
            },
        );
        if let Some(error) = trouble {
            self.conntrack = Err(error);
        }
        let conntrack = match &self.conntrack {
            Ok(_) => ok("asked for each new connection".into()),
            Err(error) => failed(format!(
                "{error}: connections through NAT are not followed; run the probe as root or with CAP_NET_ADMIN"
            )),
        };
        outlet.status(Collector::Conntrack, conntrack)?;
        outlet.status(Collector::Socket, self.status(dumps.len(), scanner.hidden))?;
        if changed || namespaces.changed {
            namespaces.changed = false;
            outlet.send(Reading::Sockets {
                namespaces: namespaces.records(),
                listeners: self.table.listeners.clone(),
                connections: self.table.connections(),
            })?;
        }
        Ok(())
    }

    fn status(&self, read: usize, hidden: usize) -> CollectorStatus {
        let plural = if read == 1 { "" } else { "s" };
        if let Some(error) = &self.refused {
            return degraded(format!(
                "{read} namespace{plural} read, others cannot be entered ({error}): run the probe as root or with \
                 CAP_SYS_ADMIN"
            ));
        }
        if hidden > 0 {
            return degraded(format!(
                "{read} namespace{plural} read; those of processes that are hidden ({hidden}), and which sockets are \
                 theirs, cannot be seen: run the probe as root or with CAP_SYS_PTRACE and CAP_SYS_ADMIN"
            ));
        }
        if self.owners.refused > 0 {
            return degraded(format!(
                "owners of sockets unknown: descriptors of {} processes are not readable; run the probe as root or \
                 with CAP_SYS_PTRACE",
                self.owners.refused
            ));
        }
        ok(format!("{} in {read} network namespace{plural}", self.method))
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
            let result = namespaces.visit(inode, || {
                let mut sockets = Vec::new();
                sock_diag::sockets(&mut sockets)?;
                let addresses = if with_addresses { address::subnets().ok() } else { None };
                Ok((sockets, addresses))
            });
            match result {
                Ok((sockets, addresses)) => {
                    readdressed.extend(addresses.map(|addresses| (inode, addresses)));
                    dumps.push(Dump { namespace: met.id, sockets });
                }
                Err(error) => {
                    let mut sockets = Vec::new();
                    let pid = met.pids.first().copied().unwrap_or(0);
                    proc_net::sockets(&crate::procfs::pid_dir(&self.proc_root, pid).join("net"), &mut sockets);
                    if !sockets.is_empty() {
                        self.method = "/proc/net";
                        dumps.push(Dump { namespace: met.id, sockets });
                    } else if !is_gone(&error) {
                        self.refused = Some(error);
                    }
                }
            }
        }
        self.passes = passes;
        for (inode, addresses) in readdressed {
            namespaces.set_addresses(inode, addresses);
        }
        dumps
    }
}
