#!/bin/sh
# Makes the peers' virtual environment benchmarks/.environments/multivector, with pip alone.
# It shares nothing with lexmax's own: both peers want torch 2.11 exactly, whose wheels on PyPI
# bring CUDA along (5 GB on disk) though only the processor is used.
set -eu
place=$(dirname "$0")/../.environments/multivector
test -x "$place/bin/pip" || "${PYTHON:-python3}" -m venv "$place"
install() {
    # One that cannot be installed must not keep the others away.
    "$place/bin/pip" install --quiet --no-cache-dir "$@" || echo "pip could not install $*" >&2
}
install torch==2.11.0 numpy faiss-cpu matplotlib
# --no-deps: what it asks for of usearch takes a numkong that lacks a symbol.
install --no-deps "fast-plaid==1.7.0.2110"
install --no-deps "fastkmeans==0.5.0" "cloudpickle" "numkong>=7.8.6" "usearch"
install tqdm joblib
install "xtr-warp-rs==2.1.0.2110"
