//! What a node plainly does, by what it was made from or is called: a small mark says so where nothing else is inside.

use shared::view::Summary;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trade {
    Store,
    Queue,
    Proxy,
    Search,
    Monitor,
}

const WORDS: [(Trade, &str); 5] = [
    (
        Trade::Store,
        "postgres postgresql postgis timescaledb mysql mysqld mariadb mariadbd mongo mongod mongodb redis valkey memcached \
         cassandra scylla couchdb cockroach cockroachdb clickhouse influxdb influxd neo4j minio etcd consul zookeeper db \
         database cache",
    ),
    (Trade::Queue, "rabbitmq kafka nats activemq artemis mosquitto pulsar redpanda queue broker"),
    (Trade::Proxy, "nginx traefik haproxy envoy caddy httpd varnish proxy gateway ingress"),
    (Trade::Search, "elasticsearch opensearch solr meilisearch typesense sphinx search"),
    (
        Trade::Monitor,
        "prometheus grafana alertmanager cadvisor jaeger zipkin telegraf loki fluentd logstash kibana exporter scope",
    ),
];

impl Trade {
    /// By the image of a container, else by its name; what something is called for comes last in both: a `db-proxy` is no
    /// store, and `shop_db_1` is one.
    pub fn of(node: &Summary) -> Option<Self> {
        if !matches!(node.kind.as_str(), "container" | "process" | "service" | "image") {
            return None;
        }
        let image = node.parents.iter().find(|parent| parent.topology_id == "containers-by-image");
        let names = image.into_iter().map(|parent| &parent.label).chain([&node.label]);
        names.into_iter().find_map(|name| Self::of_name(name))
    }

    fn of_name(name: &str) -> Option<Self> {
        let base = name.rsplit('/').next()?;
        let base = base.split([':', '@', ' ']).next()?;
        let mut words = base.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let last = words.rfind(|word| !word.chars().all(|c| c.is_ascii_digit()))?.to_lowercase();
        WORDS.iter().find(|(_, words)| words.split(' ').any(|word| word == last)).map(|(trade, _)| *trade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::Parent;

    #[test]
    fn what_something_is_is_told_by_its_image_before_its_name_and_never_guessed() {
        for (name, trade) in [
            ("postgres:16.4", Some(Trade::Store)),
            ("registry.example:5000/bitnami/PostgreSQL@sha256:00", Some(Trade::Store)),
            ("shop_db_1", Some(Trade::Store)),
            ("db-proxy", Some(Trade::Proxy)),
            ("db-migrate", None),
            ("prom/node-exporter", Some(Trade::Monitor)),
            ("queue.2", Some(Trade::Queue)),
            ("nginx: worker process", Some(Trade::Proxy)),
            ("", None),
            ("-7", None),
        ] {
            assert_eq!(Trade::of_name(name), trade, "{name}");
        }
        let image = Parent { topology_id: "containers-by-image".into(), label: "redis".into(), ..Parent::default() };
        let node =
            |kind: &str, parents| Summary { kind: kind.into(), label: "search".into(), parents, ..Summary::default() };
        assert_eq!(Trade::of(&node("container", vec![image])), Some(Trade::Store));
        assert_eq!(Trade::of(&node("container", vec![])), Some(Trade::Search));
        assert_eq!(Trade::of(&node("network", vec![])), None);
    }
}
