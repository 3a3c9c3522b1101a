//! What the engine says of its cluster store. The library that asks it everything else knows nothing of that any more:
//! engines from 23.0 on have none.

use serde_json::Value;

use super::address::Address;
use crate::config::DockerEndpoint;
use crate::docker::raw;

/// The store, if it has one, and where it says that others reach it; none where it does not answer.
pub fn cluster_store(docker: Option<&DockerEndpoint>) -> Option<Option<(Address, String)>> {
    raw::info(docker).map(|info| named(&info))
}

fn named(info: &Value) -> Option<(Address, String)> {
    let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
    Address::parse(&text("ClusterStore")).ok().map(|address| (address, text("ClusterAdvertise")))
}

#[cfg(test)]
mod tests {

    /// GET /info of Docker Engine 20.10.5 with Consul as cluster store, and of one in a swarm, recorded.
    const WITH_STORE: &str = include_str!("../../fixtures/docker-legacy-consul-h1-info.json");
    const WITHOUT: &str = include_str!("../../fixtures/docker-swarm-h1-info.json");

    #[test]
    fn an_engine_names_its_store_or_has_none() {
        let named = |text: &str| super::named(&serde_json::from_str(text).unwrap());
        let (address, advertise) = named(WITH_STORE).unwrap();
        assert_eq!((&*address.id().0, advertise.as_str()), ("consul://10.77.0.1:8500", "10.77.0.11:2376"));
        assert_eq!(named(WITHOUT), None);
    }
}
