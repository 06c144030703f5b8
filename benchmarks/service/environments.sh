#!/bin/sh
# Adds a web server to the peers' environments; benchmarks/sparse/environments.sh makes them first.
set -eu
place=$(dirname "$0")/../.environments
for name in peers lucene; do
    test -x "$place/$name/bin/pip" || { echo "$name: run benchmarks/sparse/environments.sh" >&2; continue; }
    "$place/$name/bin/pip" install --quiet fastapi uvicorn httptools uvloop orjson ||
        echo "$name: pip could not install the web server" >&2
done
