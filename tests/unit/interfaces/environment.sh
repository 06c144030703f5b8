#!/bin/sh
# Makes a virtual environment with the released evaluation toolkits and lexmax beside them, and runs
# the tests of lexmax.eval.interfaces there: `sh tests/unit/interfaces/environment.sh [FOLDER]`.
# About 2.5 GB; no Java is needed.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
place=${1:-$root/build/interfaces}
test -x "$place/bin/pip" || "${PYTHON:-python3}" -m venv "$place"
"$place/bin/pip" install --quiet "$root[mteb,beir,pyterrier,client]" "httpx2>=2" \
    "hypothesis>=6.100" "pytest>=8.3"
cd "$root"
"$place/bin/python" -m pytest -p no:cacheprovider tests/unit/interfaces
