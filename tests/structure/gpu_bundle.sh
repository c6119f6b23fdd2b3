#!/bin/sh
# gpu_bundle.sh SOURCE FOLDER COMPILER: tools/gpu-bundle and tools/gpu-check with a program that only pretends to be aelle, on a machine that
# pretends to have a GPU: that good is told from bad, and that a test that fails, crashes or hangs costs little time and no other result. What the
# pretence does wrong is said by the variable PRETEND.
set -u
LC_ALL=C; export LC_ALL
source=$1 folder=$2 compiler=$3
case $(uname -sm) in "Linux x86_64") ;; *) echo "not x86-64 Linux: nothing to test"; exit 77 ;; esac
rm -rf "$folder"
mkdir -p "$folder/build/tests" "$folder/data/mnist" "$folder/bin" || exit 2
wrong() { echo "gpu_bundle: $*"; exit 1; }

cat >"$folder/pretence.cpp" <<'END'
#include <cstdlib>
#include <iostream>
#include <omp.h>
#include <string>
#include <unistd.h>
#include <vector>
extern const char build_id[] = BUILD_ID;
namespace {
std::string pretend;
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
/// As GoogleTest does; "sticky" is an error that fails what comes after it in the process, too.
int run_tests(bool list, const std::string& filter) {
    if (list) std::cout << "Running main() from gtest_main.cc\nOnDevice.\n  ForceSmall\n  DISABLED_Slow\nCells/EveryCell.\n";
    if (list) std::cout << "  TrainsSmall/rnn  # GetParam() = \"rnn\"\n  TrainsSmall/lstm  # GetParam() = \"lstm\"\n  TrainsSmall/gru  # GetParam() = \"gru\"\n  Spectra/rnn\n";
    if (list) return pretend == "unlisted test" ? 134 : 0;
    int passed = 0, skipped = 0, failed = 0;
    for (const std::string name : {"OnDevice.ForceSmall", "Cells/EveryCell.TrainsSmall/rnn", "Cells/EveryCell.TrainsSmall/lstm", "Cells/EveryCell.TrainsSmall/gru",
                                   "Cells/EveryCell.Spectra/rnn"}) {
        if (filter != "*" && !holds(":" + filter + ":", ":" + name + ":") && !holds(filter, "*Force")) continue;
        std::cout << "[ RUN      ] " << name << std::endl;
        const bool lstm = holds(name, "/lstm"), after = failed > 0 && pretend == "sticky test";
        if (lstm && pretend == "crashing test") std::abort();
        if (lstm && pretend == "hanging test") sleep(120);
        if (pretend == "skipping test" && lstm) {
            std::cout << "a.cpp:1: Skipped\nno device\n[  SKIPPED ] " << name << " (0 ms)\n";
            ++skipped;
        } else if ((lstm && pretend == "failing test") || (holds(name, "/rnn") && holds(name, "Trains") && pretend == "sticky test") || after) {
            if (pretend == "sticky test") std::cout << "C++ exception: GPU 0: training: an illegal access (status 700)\n";
            std::cout << "/a/b.cpp:7: Failure\nExpected: 1\n  Actual: 2\n[  FAILED  ] " << name << ", where GetParam() = \"lstm\" (0 ms)\n";
            ++failed;
        } else {
            std::cout << "[       OK ] " << name << " (0 ms)\n";
            ++passed;
        }
    }
    std::cout << "[  PASSED  ] " << passed << " tests.\n";
    if (skipped > 0) std::cout << "[  SKIPPED ] " << skipped << " test, listed below:\n";
    if (failed > 0) std::cout << "[  FAILED  ] " << failed << " tests, listed below:\n";
    return failed > 0 ? 1 : 0;
}
}  // namespace
int main(int count, char** values) {
    const std::string name = values[0], first = count > 1 ? values[1] : "", second = count > 2 ? values[2] : "";
    pretend = std::getenv("PRETEND") ? std::getenv("PRETEND") : "";
    const auto ends = [&](const std::string& end) { return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0; };
    if (omp_get_max_threads() < 1 || build_id[0] == 0) return 9;
    if (ends("_tests")) return run_tests(first == "--gtest_list_tests", holds(second, "=") ? second.substr(second.find('=') + 1) : "*");
    if (ends("aelle_perf")) std::cout << (first == "--help" ? "  --gpu  cases of the GPU\n" : "spectra 5 times faster\n");
    if (first == "--version") std::cout << "aelle 0.0.0 (pretence)\n";
    if (first == "info" && pretend == "blind") { std::cout << "no device\n"; return 65; }
    if (first == "info" && pretend == "stranger") { std::cout << "libaelle_cuda.so: found the GPU kernels of another build\n"; return 65; }
    if (first == "info") std::cout << "device     cuda " << (pretend == "emulation" ? "emulated" : "sm_90 pretended") << "\n";
    if (first == "status") std::cout << "device     " << (pretend == "other device" ? "cpu" : "cuda") << "\nvariants   12 of 24 trained\n";
    bool stopped = false;  // by the time limit
    for (int i = 1; i < count; ++i) stopped = stopped || std::string(values[i]) == "--time-limit";
    return stopped ? (pretend == "broken study" ? 70 : 75) : 0;
}
END
id=0123456789abcdef
$compiler -std=c++20 -fopenmp "-DBUILD_ID=\"$id\"" "$folder/pretence.cpp" -o "$folder/build/aelle" || exit 2
for name in aelle_perf tests/cuda_tests tests/cuda_device_tests; do cp "$folder/build/aelle" "$folder/build/$name"; done
of_build() {  # of_build COMMIT ID: the pretended build
    mkdir -p "$folder/build/generated"
    printf '#define AELLE_COMMIT "%s"\n#define AELLE_BUILD_ID "%s"\n' "$1" "$2" >"$folder/build/generated/build_info_values.hpp"
}
of_build abc "$id"
: >"$folder/data/mnist/train-images-idx3-ubyte.gz"
printf '#!/bin/sh\necho "GPU 0: Pretence"\n' >"$folder/bin/nvidia-smi"
cat >"$folder/bin/compute-sanitizer" <<'END'
#!/bin/sh
shift 4  # --tool NAME --error-exitcode N
"$@"
code=$?
at() { echo "========= Invalid __global__ read of size 8 bytes"; echo "=========     at kernel(double*)+0x20"; }
case $PRETEND in
    "race test") echo "========= ERROR SUMMARY: 2 errors"; exit 86 ;;
    "cut error") at; sleep 120 ;;
    "slow tool") sleep 120 ;;
    "sticky test") at; echo "========= ERROR SUMMARY: 1 error"; exit 86 ;;
    "failing test") echo "========= Error: process didn't terminate successfully" ;;
esac
echo "========= ERROR SUMMARY: 0 errors"
exit $code
END
printf '#!/bin/sh\nexit 1\n' >"$folder/bin/python3"  # no torch, whatever this machine has
chmod +x "$folder"/bin/*

pack() { "$source/tools/gpu-bundle" --build "$folder/build" --data "$folder/data" -o "$folder/bundle" 2>"$folder/err"; }
XZ_OPT=-1; export XZ_OPT
AELLE_BUNDLE_MIB=0 pack
code=$?
if [ $code != 73 ] || [ -e "$folder/bundle/bundle.tar.xz" ]; then wrong "a bundle over the limit was not refused: $(cat "$folder/err")"; fi
pack || wrong "packing failed: $(cat "$folder/err")"
grep -q 'lib/libgomp.so.1' "$folder/bundle/contents.txt" || wrong "libgomp is not in the bundle"
grep -q 'lib/libc.so' "$folder/bundle/contents.txt" && wrong "the C library lies among the others"
grep -q WARNING "$folder/err" && wrong "a warning without need: $(cat "$folder/err")"
of_build abc-dirty "$id"
pack || wrong "packing changed files failed: $(cat "$folder/err")"
grep -q 'WARNING.*abc-dirty' "$folder/err" || wrong "no warning that changed files were packed: $(cat "$folder/err")"
echo "extern const char build_id[] = \"fedcba9876543210\";" >"$folder/other.cpp"
$compiler -shared -fPIC "$folder/other.cpp" -o "$folder/build/libaelle_cuda_bench.so" || exit 2
pack
code=$?
if [ $code != 65 ] || ! grep -q 'libaelle_cuda_bench.so is not of the build' "$folder/err"; then wrong "a library of another build: $code, $(cat "$folder/err")"; fi
rm "$folder/build/libaelle_cuda_bench.so"
of_build abc 1111111111111111
pack
code=$?
if [ $code != 65 ] || ! grep -q '/aelle is not of the build' "$folder/err"; then wrong "an old program: $code, $(cat "$folder/err")"; fi

check() {  # check PRETENCE STATUS PATTERN [SECONDS]: gpu-check with a GPU, its status, and a line of its table
    PRETEND=$1 PATH=$folder/bin:$PATH OUT=$folder/out AELLE_GPU_SECONDS=${4:-480} "$source/tools/gpu-check" "$folder/bundle" >"$folder/said" 2>&1
    code=$?
    [ $code = "$2" ] || wrong "PRETEND='$1': status $code, expected $2: $(cat "$folder/said")"
    table "$3"
}
table() {  # table PATTERN...: lines of the table of the last check
    for line in "$@"; do grep -Eq "$line" "$folder/out/table.txt" || wrong "no line '$line' in: $(cat "$folder/out/table.txt")"; done
}
begun=$(date +%s)
check "" 0 '^study smnist  *ok .*12 of 24 networks'
slow=$((3 * ($(date +%s) - begun)))  # seconds more than the limits below that a slow machine needs
table '^info.* ok .*sm_90' '^ForceSmall  *ok .*1 passed, 0 skipped' '^TrainsSmall  *ok .*3 passed' '^Spectra  *ok .*1 passed' '^memcheck  *ok .*0 errors' \
    '^racecheck  *ok .*0 errors' '^aelle_perf.* ok .*5 times' '^cuda_tests  *skipped .*emulation' '^0 failed, device: yes'
grep -q Slow "$folder/out/conformance.log" && wrong "a disabled test was asked for"

# A test that fails runs again alone, and the groups after it run; what broke off, or met an error of CUDA, keeps anything from being measured.
check "failing test" 1 '^TrainsSmall  *failed .*2 passed, 0 skipped, 1 failed: b.cpp:7 Expected: 1 Actual: 2'
table '^  again, one by one  *failed .*1 of 1 alone, failed: lstm; memcheck: ERROR SUMMARY: 0 errors' '^Spectra  *ok ' '^aelle_perf.* ok ' '^study smnist  *ok .*12 of 24 networks' \
    '^racecheck  *failed .*0 errors, and yet status 1: b.cpp:7'
check "sticky test" 1 '^TrainsSmall  *failed .*0 passed, 0 skipped, 3 failed'  # the last two only because of the first
table '^  again, one by one  *failed .*3 of 3 alone, failed: rnn; memcheck: Invalid __global__ read of size 8 bytes, at kernel' '^Spectra  *ok ' '^memcheck  *skipped .*broke off' \
    '^aelle_perf.* skipped .*broke off' '^perf/peers/gpu.py  *skipped .*broke off' '^study smnist  *skipped .*broke off'
AELLE_GPU_FORCE=1; export AELLE_GPU_FORCE
check "sticky test" 1 '^study smnist  *ok .*12 of 24 networks'
unset AELLE_GPU_FORCE
check "crashing test" 1 '^TrainsSmall  *failed .*status 134: 1 passed, 0 skipped, then lstm'
table '^  again, one by one  *failed .*2 of 2 alone, failed: lstm;' '^Spectra  *ok ' '^aelle_perf.* skipped'
check "unlisted test" 1 '^conformance  *failed .*lists no tests'
check "skipping test" 1 '^TrainsSmall  *failed .*for want of a device'
check "hanging test" 1 '^TrainsSmall  *failed .*not through in [0-9]* s: 1 passed, 0 skipped, then lstm' $((15 + slow))

check "race test" 1 '^racecheck  *failed .*2 errors'
check "cut error" 1 '^memcheck  *failed .*Invalid __global__ read of size 8 bytes, at kernel' $((14 + slow))
check "slow tool" 0 '^memcheck  *cut .*no error in' $((14 + slow))
check "blind" 1 '^info.* failed .*no device'
check "emulation" 1 '^info.* failed '
check "other device" 1 '^study smnist  *failed .*cpu'
check "broken study" 1 '^study smnist  *failed .*status 70'
check "" 0 '^study smnist  *skipped .*too late' 29

# The same without a GPU: nothing fails, unless it does.
if ! command -v nvidia-smi >/dev/null 2>&1 && [ ! -e /dev/nvidia0 ]; then
    rm "$folder/bin/nvidia-smi"
    check "blind" 0 '^0 failed, device: no'
    table '^TrainsSmall  *no device ' '^cuda_tests  *no device .*5 passed' '^study smnist  *no device '
    check "failing test" 1 '^TrainsSmall  *failed'
    check "stranger" 1 '^info.* failed .*another build'
fi

PRETEND='' "$source/tools/gpu-bundle" --test -o "$folder/bundle" 2>"$folder/err" || wrong "in an empty root: $(cat "$folder/err")"
exit 0
