#!/bin/sh
# Asks a service of its own everything that its description allows, and what it does not:
# schemathesis, all checks, all phases. MINUTES, SEED and PORT may be given.
# Its environment, 60 MB, is made under build/ with pip; it shares nothing with lexmax's own.
set -eu
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
place=$here/../../build/schemathesis
test -x "$place/bin/pip" || "$python" -m venv "$place"
test -x "$place/bin/schemathesis" || "$place/bin/pip" install --quiet "schemathesis==4.32.0"
exec "$python" "$here/asked_by_schemathesis.py" --tool "$place/bin/schemathesis" \
    --minutes "${MINUTES:-10}" --seed "${SEED:-0}"
