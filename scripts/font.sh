#!/bin/bash
# Cuts Inter (SIL Open Font License) to the characters that the page needs: frontend/assets/fonts/inter-*.woff2, which are
# committed. Needs Debian's fonts-inter, and fonttools with brotli (pip install fonttools brotli).
set -eu
cd "$(dirname "$0")/.."
from=${INTER:-/usr/share/fonts/opentype/inter}
# Latin with its accents, punctuation, arrows, and what units need (the micro sign and mu among them). Other letters are the
# system's: the names of containers, networks and hosts have none, and each alphabet is paid for three times.
letters='U+0020-007E,U+00A0-017F,U+0192,U+02C6,U+02DC,U+0394,U+03A9,U+03BC,U+2002-200A,U+2010-2022,U+2026,U+202F,U+2030,U+2032-2033,U+2039-203A,U+20AC,U+2190-2193,U+21B5,U+2212,U+2248,U+2260,U+2264-2265,U+2318'
for weight in Regular:400 Medium:500 SemiBold:600; do
  pyftsubset "$from/Inter-${weight%:*}.otf" --unicodes="$letters" --name-IDs='*' --layout-features=kern,mark,mkmk,ccmp,locl,tnum,case \
    --flavor=woff2 --output-file="frontend/assets/fonts/inter-${weight#*:}.woff2"
done
ls -l frontend/assets/fonts
