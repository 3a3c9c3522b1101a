#!/usr/bin/env bash
# Fetches axe-core, which checks pages for accessibility, out of the Python package that carries it. Prints where it lies.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$(realpath -m target/tools)/axe
if ! [ -e "$place/axe.min.js" ]; then
  rm -rf "$place"
  mkdir -p "$place"
  python3 -m pip download -q --no-deps --require-hashes -r scripts/axe.txt -d "$place" >&2
  python3 - "$place" <<'PYTHON'
import glob, sys, zipfile
wheel, = glob.glob(sys.argv[1] + "/*.whl")
with zipfile.ZipFile(wheel) as files, open(sys.argv[1] + "/axe.part", "wb") as out:
    out.write(files.read("axe_playwright_python/axe.min.js"))
PYTHON
  mv "$place/axe.part" "$place/axe.min.js"
fi
echo "$place/axe.min.js"
