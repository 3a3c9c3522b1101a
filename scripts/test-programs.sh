# To be sourced: programs that the tests need beside those installed, each named by a variable. Docker Engine of the
# releases after and before, the latter with Consul (it is the last that speaks to it), etcd, ZooKeeper; axe-core.
tools=$(dirname "${BASH_SOURCE[0]}")
newer=$("$tools/unpacked.sh" trixie docker.io)
older=$("$tools/unpacked.sh" bullseye docker.io consul)
etcd=$("$tools/unpacked.sh" own etcd-server)
axe=$("$tools/axe.sh")
zookeeper=$("$tools/unpacked.sh" own zookeeper libzookeeper-java libslf4j-java liblog4j1.2-java libnetty-java \
  libsnappy-java libdropwizard-metrics-java)
export SCOPE_NEWER_DOCKERD=$newer/usr/sbin/dockerd SCOPE_OLDER_DOCKERD=$older/usr/sbin/dockerd
export SCOPE_CONSUL=$older/usr/bin/consul SCOPE_ETCD=$etcd/usr/bin/etcd SCOPE_ZOOKEEPER=$zookeeper
export SCOPE_AXE=$axe
