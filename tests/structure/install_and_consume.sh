#!/bin/sh
# install_and_consume.sh BUILD FIXTURE SCRATCH CXX: installs BUILD under SCRATCH, moves the installation, and builds and runs FIXTURE with it.
set -eu
rm -rf "$3"
mkdir -p "$3"
cmake --install "$1" --prefix "$3/first" >"$3/install.log"
mv "$3/first" "$3/second"  # nothing may point to where it was installed first
cmake -S "$2" -B "$3/build" "-DCMAKE_CXX_COMPILER=$4" "-DCMAKE_PREFIX_PATH=$3/second" "-DCMAKE_CXX_FLAGS=${5:-}" -DCMAKE_BUILD_TYPE=Release >"$3/configure.log"
cmake --build "$3/build"
"$3/build/consumer" "$3/x.h5"
"$3/second/bin/aelle" --version
test -f "$3/second/share/aelle/runs/demo.toml"
