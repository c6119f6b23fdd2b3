#!/bin/sh
# gpu_bundle.sh SOURCE FOLDER COMPILER: tools/gpu-bundle and tools/gpu-check with a program that only pretends to be aelle, on a machine that
# pretends to have a GPU: that good is told from bad. What the pretence does wrong is said by the variable PRETEND.
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
int main(int count, char** values) {
    const std::string name = values[0], first = count > 1 ? values[1] : "", pretend = std::getenv("PRETEND") ? std::getenv("PRETEND") : "";
    const auto ends = [&](const std::string& end) { return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0; };
    if (omp_get_max_threads() < 1) return 9;
    if (ends("cuda_tests")) {
        if (first == "--gtest_list_tests") std::cout << "Suite.\n  Small\n";
        if (pretend == "failing test") std::cout << "[  PASSED  ] 4 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Suite.Small\n";
        if (pretend == "skipping test") std::cout << "a.cpp:1: Skipped\nno device\n[  PASSED  ] 4 tests.\n[  SKIPPED ] 1 test, listed below:\n";
        if (pretend.find(" test") == std::string::npos) std::cout << "[  PASSED  ] 5 tests.\n";
        return pretend == "failing test" ? 1 : 0;
    }
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
$compiler -std=c++20 -fopenmp "$folder/pretence.cpp" -o "$folder/build/aelle" || exit 2
cp "$folder/build/aelle" "$folder/build/aelle_perf"
cp "$folder/build/aelle" "$folder/build/tests/cuda_tests"
: >"$folder/data/mnist/train-images-idx3-ubyte.gz"
printf '#!/bin/sh\necho "GPU 0: Pretence"\n' >"$folder/bin/nvidia-smi"
cat >"$folder/bin/compute-sanitizer" <<'END'
#!/bin/sh
shift 4  # --tool NAME --error-exitcode N
"$@"
[ "$PRETEND" = "race test" ] && { echo "========= ERROR SUMMARY: 2 errors"; exit 86; }
echo "========= ERROR SUMMARY: 0 errors"
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

check() {  # check PRETENCE STATUS PATTERN [SECONDS]: gpu-check with a GPU, its status, and a line of its table
    PRETEND=$1 PATH=$folder/bin:$PATH OUT=$folder/out AELLE_GPU_SECONDS=${4:-525} "$source/tools/gpu-check" "$folder/bundle" >"$folder/said" 2>&1
    code=$?
    [ $code = "$2" ] || wrong "PRETEND='$1': status $code, expected $2: $(cat "$folder/said")"
    grep -Eq "$3" "$folder/out/table.txt" || wrong "PRETEND='$1': no line '$3' in: $(cat "$folder/out/table.txt")"
}
check "" 0 '^study smnist  *ok .*12 of 24 networks'
for line in '^info.* ok .*sm_90' '^cuda_tests  *ok .*5 passed, 0 skipped' '^racecheck  *ok .*0 errors' '^aelle_perf.* ok .*5 times' '^0 failed, device: yes'; do
    grep -Eq "$line" "$folder/out/table.txt" || wrong "no line '$line' in: $(cat "$folder/out/table.txt")"
done
check "failing test" 1 '^cuda_tests  *failed .*4 passed'
check "skipping test" 1 '^cuda_tests  *failed .*for want of a device'
check "race test" 1 '^racecheck  *failed .*2 errors'
check "blind" 1 '^info.* failed .*no device'
check "emulation" 1 '^info.* failed '
check "other device" 1 '^study smnist  *failed .*cpu'
check "broken study" 1 '^study smnist  *failed .*status 70'
check "" 0 '^study smnist  *skipped .*too late' 29

# The same without a GPU: nothing fails, unless it does.
if ! command -v nvidia-smi >/dev/null 2>&1 && [ ! -e /dev/nvidia0 ]; then
    rm "$folder/bin/nvidia-smi"
    check "blind" 0 '^0 failed, device: no'
    check "failing test" 1 '^cuda_tests  *failed'
    check "stranger" 1 '^info.* failed .*another build'
fi

PRETEND='' "$source/tools/gpu-bundle" --test -o "$folder/bundle" 2>"$folder/err" || wrong "in an empty root: $(cat "$folder/err")"
exit 0
