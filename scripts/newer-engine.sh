#!/usr/bin/env bash
# Unpacks the Docker Engine of a later Debian release beside the installed one, for the tests that need both: prints
# its dockerd. It runs with the installed containerd and runc.
set -euo pipefail
release=trixie
place=$(realpath -m "$(dirname "$0")/../target/tools/engine-$release")
dockerd=$place/root/usr/sbin/dockerd
if ! [ -x "$dockerd" ]; then
  # The archive that this machine's packages come from has the other releases too.
  . /etc/os-release
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v release="$VERSION_CODENAME" '$2 == release { print $1; exit }')
  [ -n "$mirror" ] || { echo "no source of packages for $VERSION_CODENAME is configured" >&2; exit 1; }
  mkdir -p "$place"/{lists/partial,archives/partial}
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keys] $mirror $release main" >"$place/sources.list"
  apt=(apt-get -q -o Dir::Etc::sourcelist="$place/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$place/lists" -o Dir::Cache::archives="$place/archives"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2
  (cd "$place" && "${apt[@]}" download docker.io >&2 && dpkg-deb -x docker.io_*.deb root)
fi
echo "$dockerd"
