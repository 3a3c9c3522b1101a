//! How the reading of sockets fares, in words.

use shared::report::CollectorStatus;

use super::Reader;
use crate::collector::{degraded, failed, off, ok};
use crate::socket::With;

/// What the kernel does not tell, or is not heard of.
#[derive(Default)]
struct Lacking<'a> {
    /// One of how many is looked at, and how many changes a second there are.
    sampled: Option<(u32, u64)>,
    /// Why what UDP sends is not told, and what goes wrong.
    datagrams: Option<&'a String>,
    trouble: Option<&'a String>,
    /// Why resets are not.
    resets: Option<&'a String>,
    /// Changes that found no room, and connections of more kinds than are kept apart.
    lost: u64,
    kinds: u64,
}

impl Lacking<'_> {
    /// None where nothing is.
    fn words(&self) -> Option<String> {
        let Self { sampled, datagrams, trouble, resets, lost, kinds } = *self;
        let all = [
            sampled.map(|(weight, per_s)| {
                format!("of {per_s} changes a second one of {weight} is looked at, and counts are estimates")
            }),
            datagrams.map(|why| format!("not of UDP: {why}")),
            trouble.map(|why| format!("not of all that goes wrong: {why}")),
            resets.map(|why| format!("not of who refuses a call: {why}")),
            (lost > 0).then(|| format!("{lost} changes came too fast")),
            (kinds > 0).then(|| format!("{kinds} connections were of more kinds than are kept apart")),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Reader {
    pub(super) fn events_status(&self) -> CollectorStatus {
        let kinds = self.table.flows.dropped + self.table.traffic.dropped;
        let status = match &self.events {
            Ok(watch) => {
                let lacking = Lacking {
                    sampled: self.sampling.told(),
                    datagrams: self.datagrams.as_ref().err(),
                    trouble: self.trouble.as_ref().map_or_else(Some, |trouble| trouble.lacks.as_ref()),
                    resets: watch.lacks_resets.as_ref(),
                    lost: self.lost,
                    kinds,
                };
                match lacking.words() {
                    Some(words) => degraded(format!("the kernel tells of connections, but {words}")),
                    None => ok(match self.homeless {
                        0 => "every TCP connection is told by the kernel, and what UDP sends".into(),
                        // About, so that it is rarely another.
                        count => format!(
                            "every TCP connection is told by the kernel, and what UDP sends; up to {} changes were in \
                             network namespaces that went before they were met, or are of processes that are not seen \
                             here",
                            count.next_power_of_two()
                        ),
                    }),
                }
            }
            Err(_) if self.with != With::Ebpf => {
                off("turned off by --sockets: connections that last less than a moment are missed")
            }
            Err(error) => failed(format!("connections that last less than a moment are missed: {error}")),
        };
        CollectorStatus { dropped: self.lost + kinds, ..status }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_lacking_is_said_and_nothing_hides_what_is_lost() {
        assert_eq!(Lacking::default().words(), None);
        let why = "no room".to_owned();
        let lacking = Lacking {
            sampled: Some((4, 90_000)),
            datagrams: Some(&why),
            trouble: Some(&why),
            resets: Some(&why),
            lost: 7,
            kinds: 3,
        };
        let words = lacking.words().unwrap();
        let parts: Vec<&str> = words.split("; ").collect();
        let whys = ["not of UDP: no room", "not of all that goes wrong: no room", "not of who refuses a call: no room"];
        assert_eq!(parts[1..4], whys);
        assert!(parts[0].contains("90000") && parts[4].contains('7') && parts[5].contains('3'), "{words}");
    }
}
