#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: Debian packages, as root.
set -euo pipefail
declare -A needed=(
  [dockerd]=docker.io [iptables]=iptables [conntrack]=conntrack [ip]=iproute2 [curl]=curl [tini]=tini [bc]=bc
  [chromium]=chromium [chromedriver]=chromium-driver [python3]=python3
  [podman]=podman [runc]=runc [faketime]=faketime [java]=default-jre-headless
)
missing=()
for tool in "${!needed[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${needed[$tool]}")
done
# Podman's network programs are on nobody's path.
for program in netavark aardvark-dns; do
  [ -x "/usr/lib/podman/$program" ] || missing+=("$program")
done
# The accessibility checker comes as a Python package.
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
# The image of the test containers is made of Debian's static busybox.
[ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1 || missing+=(busybox-static)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}" >&2
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
if ! cargo nextest --version >/dev/null 2>&1; then
  cargo install --locked cargo-nextest
fi
. "$(dirname "$0")/test-programs.sh"
