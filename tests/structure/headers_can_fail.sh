#!/bin/sh
# headers_can_fail.sh FIXTURE SCRATCH CXX: the planted bad header of FIXTURE must not build, and the message must name it.
set -u
rm -rf "$2"
cmake -S "$1" -B "$2" "-DCMAKE_CXX_COMPILER=$3" >/dev/null || exit 2
if out=$(cmake --build "$2" --target headers 2>&1); then
    echo "a header that does not compile alone was not found"
    exit 1
fi
echo "$out" | grep -q 'aelle/base/bad.hpp.*string' || { echo "the failure does not name the header: $out"; exit 1; }
