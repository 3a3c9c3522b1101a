#!/usr/bin/env bash
# Unpacks Debian's etcd for the tests of cluster stores, without installing it: that would start a service. Prints the
# program.
set -euo pipefail
place=$(realpath -m "$(dirname "$0")/../target/tools/etcd")
etcd=$place/root/usr/bin/etcd
if ! [ -x "$etcd" ]; then
  mkdir -p "$place"
  cd "$place"
  apt-get -q -o APT::Sandbox::User=root download etcd-server >&2 ||
    { apt-get -q update >&2 && apt-get -q -o APT::Sandbox::User=root download etcd-server >&2; }
  dpkg-deb -x etcd-server_*.deb root
fi
echo "$etcd"
