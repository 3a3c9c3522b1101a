//! How the reading of sockets fares, in words.

use shared::report::CollectorStatus;

use super::Reader;
use crate::collector::{degraded, failed, off, ok};
use crate::socket::With;

impl Reader {
    pub(super) fn events_status(&self) -> CollectorStatus {
        let Self { lost, .. } = self;
        let kinds = self.table.flows.dropped + self.table.traffic.dropped;
        let dropped = lost + kinds;
        let status = match (&self.events, &self.datagrams) {
            (Ok(_), _) if let Some((weight, per_s)) = self.sampling.told() => degraded(format!(
                "{per_s} changes of connections a second: one of {weight} is looked at, and counts are estimates"
            )),
            (Ok(_), Err(error)) => {
                degraded(format!("every TCP connection is told by the kernel, but not UDP: {error}"))
            }
            (Ok(_), _) if let Some(why) = self.trouble.as_ref().map_or_else(Some, |trouble| trouble.lacks.as_ref()) => {
                degraded(format!("every TCP connection is told by the kernel, but not all that goes wrong: {why}"))
            }
            (Ok(_), _) if dropped == 0 => ok(match self.homeless {
                0 => "every TCP connection is told by the kernel, and what UDP sends".into(),
                // About, so that it is rarely another.
                count => format!(
                    "every TCP connection is told by the kernel, and what UDP sends; up to {} changes were in network \
                     namespaces that went before they were met, or are of processes that are not seen here",
                    count.next_power_of_two()
                ),
            }),
            (Ok(_), _) => degraded(format!(
                "every TCP connection is told by the kernel, but {lost} changes came too fast, and {kinds} connections \
                 were of more kinds than are kept apart"
            )),
            (Err(_), _) if self.with != With::Ebpf => {
                off("turned off by --sockets: connections that last less than a moment are missed")
            }
            (Err(error), _) => failed(format!("connections that last less than a moment are missed: {error}")),
        };
        CollectorStatus { dropped, ..status }
    }

    pub(super) fn status(&self, read: usize, hidden: usize) -> CollectorStatus {
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
}
