//! The name by which apps are found in a mesh: an app's host enters it into WeaveDNS, and a probe that was told of no app
//! looks it up. This is the one thing that is written to a daemon; `--no-weave` leaves it out.

use std::net::IpAddr;
use std::time::Duration;

use shared::report::WeaveRouter;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::config::WeaveEndpoint;

pub const APP_NAME: &str = "scope.weave.local";
/// As which Weave knows what runs in no container.
const OUTSIDE: &str = "weave:extern";
/// A router that was restarted has forgotten it.
const INTERVAL: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(2);

/// Keeps the app's name in WeaveDNS, where the host's router runs one, until `stop`; then takes it out.
pub async fn announce(router: WeaveEndpoint, stop: CancellationToken) {
    let mut entered: Vec<IpAddr> = Vec::new();
    loop {
        let (address, before) = (router.address().to_owned(), entered.clone());
        if let Ok(now) = tokio::task::spawn_blocking(move || enter(&address, &before)).await {
            if now != entered && !now.is_empty() {
                info!(name = APP_NAME, addresses = ?now, "entered into WeaveDNS");
            }
            entered = now;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(INTERVAL) => {}
        }
    }
    let address = router.address().to_owned();
    let _ = tokio::task::spawn_blocking(move || entered.into_iter().for_each(|ip| take_out(&address, ip))).await;
}

/// Addresses that were entered: those at which other hosts reach this one.
fn enter(router: &str, before: &[IpAddr]) -> Vec<IpAddr> {
    // WeaveDNS knows no other family.
    let own: Vec<IpAddr> =
        crate::link::reachable_addresses().unwrap_or_default().into_iter().filter(IpAddr::is_ipv4).collect();
    before.iter().filter(|ip| !own.contains(ip)).for_each(|ip| take_out(router, *ip));
    let enters = |ip: &IpAddr| match agent().put(url(router, *ip)).send_empty() {
        Ok(_) => true,
        // Most hosts have no router, and a router need not have a WeaveDNS.
        Err(error) => {
            debug!(%error, "not entered into WeaveDNS");
            false
        }
    };
    own.into_iter().filter(enters).collect()
}

fn take_out(router: &str, ip: IpAddr) {
    if let Err(error) = agent().delete(url(router, ip)).call() {
        debug!(%error, "not taken out of WeaveDNS");
    }
}

fn url(router: &str, ip: IpAddr) -> String {
    format!("http://{router}/name/{OUTSIDE}/{ip}?fqdn={APP_NAME}")
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).max_redirects(0).build().into()
}

/// What WeaveDNS has under a name, as a router tells.
pub fn look_up<'a>(routers: impl Iterator<Item = &'a WeaveRouter>, name: &str) -> Vec<IpAddr> {
    let wanted = name.trim_end_matches('.');
    let entries = routers.filter_map(|router| router.dns.as_ref()).flat_map(|dns| &dns.entries);
    let found = entries.filter(|entry| entry.name.trim_end_matches('.').eq_ignore_ascii_case(wanted));
    found.map(|entry| entry.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::report::{WeaveDns, WeaveName};

    #[test]
    fn a_name_has_all_addresses_that_were_entered_for_it() {
        let entry = |name: &str, address: &str| WeaveName {
            name: name.into(),
            address: address.parse().unwrap(),
            container: None,
        };
        let entries = vec![
            entry("scope.weave.local.", "10.0.0.1"),
            entry("Scope.weave.local", "10.0.0.2"),
            entry("telescope.weave.local.", "10.0.0.3"),
        ];
        let router = WeaveRouter { dns: Some(WeaveDns { entries, ..WeaveDns::default() }), ..WeaveRouter::default() };
        let found = look_up([&router, &WeaveRouter::default()].into_iter(), APP_NAME);
        assert_eq!(found, ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap()));
    }
}
