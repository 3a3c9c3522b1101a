#!/usr/bin/env bash
# unpacked.sh RELEASE PACKAGE...: unpacks packages of a Debian release, `own` for the installed one, without installing
# them: that would replace what is there, or start a service. Prints where they lie.
set -euo pipefail
release=$1
shift
. /etc/os-release
[ "$release" != own ] || release=$VERSION_CODENAME
place=$(realpath -m "$(dirname "$0")/../target/tools")/$release-$(IFS=-; echo "$*" | md5sum | head -c 8)
if ! [ -e "$place/done" ]; then
  # The archive that this machine's packages come from has the other releases too.
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v release="$VERSION_CODENAME" '$2 == release { print $1; exit }')
  [ -n "$mirror" ] || { echo "no source of packages for $VERSION_CODENAME is configured" >&2; exit 1; }
  lists=$(dirname "$place")/lists-$release
  rm -rf "$place"
  mkdir -p "$place/root" "$lists"/{lists/partial,archives/partial}
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keys] $mirror $release main" >"$lists/sources.list"
  apt=(apt-get -q -o Dir::Etc::sourcelist="$lists/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$lists/lists" -o Dir::Cache::archives="$lists/archives"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2
  (cd "$place" && "${apt[@]}" download "${@/%//$release}" >&2)
  for package in "$place"/*.deb; do
    dpkg-deb -x "$package" "$place/root"
    rm "$package"
  done
  touch "$place/done"
fi
echo "$place/root"
