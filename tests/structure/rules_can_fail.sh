#!/bin/sh
# Plants one violation after another in a small clean tree and demands that check_rules.sh names the file; and that the clean tree passes.
set -u
check=$(cd "$(dirname "$0")" && pwd)/check_rules.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

clean() {
    rm -rf "$tree"/*
    mkdir -p "$tree/include/aelle/base" "$tree/include/aelle/learn" "$tree/src/io" "$tree/src/learn" "$tree/src/study" "$tree/src/app" \
        "$tree/kernels/cpu" "$tree/kernels/reference" "$tree/tests/io"
    echo '#pragma once' >"$tree/include/aelle/base/error.hpp"
    printf '#include "aelle/base/error.hpp"\n// std::cout in a comment, exit(1) too\nconst char* s = "printf(x)"; int n = snprintf(a, b);\n' >"$tree/src/learn/a.cpp"
    printf '#include <hdf5.h>\n#include <zlib.h>\n' >"$tree/src/io/h5.cpp"
    printf '#include <mpi.h>\n' >"$tree/src/study/comm.cpp"
    printf '#include "kernels/cpu/qr.hpp"\n#include "src/backend/factories.hpp"\n#include "kernels/common.hpp"\n' >"$tree/kernels/cpu/qr.cpp"
    printf '#include "kernels/cpu/qr.hpp"\n' >"$tree/tests/io/a_test.cpp"
    printf '#include <CLI/CLI.hpp>\nint main() {\n    std::printf("x");\n    exit(1);\n}\n' >"$tree/src/app/main.cpp"
}
plant() {  # plant FILE TEXT: TEXT added to FILE must be found
    clean
    mkdir -p "$(dirname "$tree/$1")"
    printf "$2" >>"$tree/$1"
    if out=$("$check" "$tree"); then
        echo "not found: $2 in $1"; failed=1
    elif ! echo "$out" | grep -q "^$1:"; then
        echo "found elsewhere: $2 in $1: $out"; failed=1
    fi
}

clean
"$check" "$tree" || { echo "the clean tree does not pass"; failed=1; }
plant include/aelle/base/error.hpp '#include "aelle/io/h5.hpp"\n'
plant src/learn/a.cpp '#include "aelle/study/config.hpp"\n'
plant src/learn/a.cpp '#  include <hdf5.h>\n'
plant src/learn/a.cpp '#include "zlib.h"\n'
plant src/learn/a.cpp '#include <nlohmann/json.hpp>\n'
plant src/study/merge.cpp '#include <mpi.h>\n'
plant src/learn/a.cpp '#include "kernels/cpu/qr.hpp"\n'
plant src/learn/a.cpp '#include "src/lyapunov/rounding.hpp"\n'
plant src/app/main.cpp '#include "src/learn/a.hpp"\n'
plant kernels/cpu/qr.cpp '#include "kernels/reference/qr.hpp"\n'
plant kernels/cpu/qr.cpp '#include "aelle/learn/force.hpp"\n'
plant src/learn/b.cpp '    std::cout << 1;\n'
plant src/learn/b.cpp '    printf("x");\n'
plant src/learn/b.cpp '    std::fprintf(stderr, "x");\n'
plant src/learn/b.cpp '    std::exit(1);\n'
plant src/learn/b.cpp 'if (x) exit(1);\n'
plant src/learn/b.cpp '#include <random>\n'
plant src/learn/b.cpp 'int i = rand();\n'
plant src/kitchen/b.cpp 'int i;\n'
plant src/learn/long.cpp "$(awk 'BEGIN { for (i = 0; i < 501; i++) printf "int a;\\n" }')"
plant src/learn/function.cpp "void f() {\\n$(awk 'BEGIN { for (i = 0; i < 61; i++) printf "    a();\\n" }')}\\n"
plant tools/cmake/x.cmake 'add_compile_options(-ffast-math)\n'
[ $failed = 0 ] && echo "every planted violation was found"
exit $failed
