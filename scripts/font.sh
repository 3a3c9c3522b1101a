#!/bin/bash
# Cuts Inter (SIL Open Font License) to the characters and weights that the page needs: frontend/assets/fonts/inter.woff2, which
# is committed. Needs Debian's fonts-inter-variable, and fonttools with brotli (pip install fonttools brotli).
set -eu
cd "$(dirname "$0")/.."
from=${INTER:-/usr/share/fonts/truetype/inter-vf/Inter-roman.var.ttf}
# Latin with its accents, punctuation, arrows, and what units need (the micro sign and mu among them). Other letters are the
# system's: the names of containers, networks and hosts have none.
letters='U+0020-007E,U+00A0-017F,U+0192,U+02C6,U+02DC,U+0394,U+03A9,U+03BC,U+2002-200A,U+2010-2022,U+2026,U+202F,U+2030,U+2032-2033,U+2039-203A,U+20AC,U+2190-2193,U+21B5,U+2212,U+2248,U+2260,U+2264-2265,U+2318'
cut=$(mktemp -d)
trap 'rm -r "$cut"' EXIT
# One file for all weights is less than half of one for each.
fonttools varLib.instancer "$from" wght=400:600 --quiet --output="$cut/inter.ttf"
pyftsubset "$cut/inter.ttf" --unicodes="$letters" --name-IDs='*' --layout-features=kern,mark,mkmk,ccmp,locl,tnum,case \
  --flavor=woff2 --output-file=frontend/assets/fonts/inter.woff2
ls -l frontend/assets/fonts
