#!/bin/sh
# check_rules.sh ROOT: prints every place under ROOT that breaks the rules of the house and fails if there is any.
#   - a room includes only rooms before it; kernels/ belongs to the room `backend`, and one backend does not include another
#   - only src/io includes HDF5, zlib and nlohmann-json, only src/study/comm MPI, only study toml++, only app CLI11; the program in perf/, which is no
#     library, has CLI11 and nlohmann-json too
#   - nothing but kernels/, tests/ and perf/ includes kernels/
#   - library code neither prints nor exits; random numbers come from base/random.hpp
#   - no file of code has more than 500 lines, no function more than 60; no -ffast-math
set -u
cd "$1" || exit 2
sources=$(find include src kernels tests perf \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) 2>/dev/null | sort)
scripts=$(find CMakeLists.txt Makefile CMakePresets.json tools tests .ci \( -name '*.cmake' -o -name 'CMake*' -o -name Makefile -o -name '*.sh' \
    -o -path 'tools/[a-z]*' -type f -o -path '.ci/*' \) -type f 2>/dev/null | sort -u)
[ -n "$sources" ] || { echo "no sources in $1"; exit 2; }

findings=$(
    awk '
    BEGIN {
        count = split("base io cells backend learn lyapunov embed tasks study report app", names, " ")
        for (i = 1; i <= count; i++) order[names[i]] = i
    }
    function complain(text) { print FILENAME ":" FNR ": " text }
    FNR == 1 {
        split(FILENAME, part, "/")
        library = FILENAME ~ /^(include|src|kernels)\// && FILENAME !~ /^src\/app\//
        tested = FILENAME ~ /^(tests|perf)\//
        room = FILENAME ~ /^include\/aelle\// ? part[3] : FILENAME ~ /^src\// ? part[2] : FILENAME ~ /^kernels\// ? "backend" : ""
        if (room != "" && !(room in order)) complain("unknown room " room)
        start = 0
    }
    /^[ \t]*#[ \t]*include/ {
        header = $0
        sub(/^[^"<]*["<]/, "", header)
        sub(/[">].*$/, "", header)
        split(header, step, "/")
        other = header ~ /^aelle\// ? step[2] : header ~ /^src\// ? step[2] : ""
        if (room != "" && other != "") {
            if (!(other in order)) complain("includes unknown room " other)
            else if (order[other] > order[room]) complain(room " includes " other ", which comes after it")
        }
        if (header ~ /^src\// && !tested && other != room) complain("includes the private header " header " of another room")
        if (header ~ /(^|\/)kernels\// && FILENAME !~ /^kernels\// && !tested) complain("includes kernels/")
        if (header ~ /^kernels\/[a-z]+\// && FILENAME ~ /^kernels\/[a-z]+\// && step[2] != part[2])
            complain("backend " part[2] " includes backend " step[2])
        if (header ~ /^(hdf5|H5|zlib)/ && FILENAME !~ /^(src|tests)\/io\//) complain("includes " header ", which only io may")
        if (header ~ /^nlohmann/ && FILENAME !~ /^((src|tests)\/io|perf)\//) complain("includes " header ", which only io may")
        if (header ~ /(^|\/)mpi\.h/ && FILENAME !~ /^src\/study\/comm/) complain("includes " header ", which only study/comm may")
        if (header ~ /^toml\+\+/ && FILENAME !~ /^src\/study\//) complain("includes " header ", which only study may")
        if (header ~ /^CLI\// && FILENAME !~ /^(src\/app|perf)\//) complain("includes " header ", which only app may")
        if (library && (header == "random" || header == "iostream")) complain("includes <" header ">")
    }
    library {
        code = $0
        gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
        sub(/\/\/.*$/, "", code)
        if (code ~ /std::(cout|cerr|clog)|(^|[^a-z_:A-Z0-9.])(std::)?(f|v|vf)?printf[ ]*\(|(^|[^a-z_A-Z0-9.>])(std::)?f?puts[ ]*\(/) complain("library code prints")
        if (code ~ /(^|[^a-z_A-Z0-9.>:])(std::)?(_?exit|_Exit|quick_exit)[ ]*\(/ && FILENAME !~ /^src\/study\/(comm|stop)/) complain("library code exits")
        if (code ~ /(^|[^a-z_A-Z0-9])s?rand[ ]*\(/) complain("random numbers come from base/random.hpp")
    }
    FNR == 501 { complain("has more than 500 lines") }
    /^[^ \t#\/}].*\{$/ && !/^(namespace|class|struct|enum|union|extern|template|TEST)/ && !/=[ ]*\{$/ { start = FNR }
    /^}/ { if (start && FNR - start > 60) complain("a function of " FNR - start " lines, more than 60"); start = 0 }
    ' $sources
    awk 'FNR == 501 { print FILENAME ":501: has more than 500 lines" }
         /-ffast-math|-Ofast/ && FILENAME !~ /tests\/structure\// { print FILENAME ":" FNR ": fast math" }' $scripts
)
[ -z "$findings" ] && exit 0
echo "$findings"
exit 1
