# The commands of this project; CMake does the work in build/. `make help` lists the targets.
#   make demo                 set up, build, run runs/demo.toml into out/demo
#   make NATIVE=ON MPI=OFF    switches: NATIVE, MPI, CUDA (AUTO|ON|OFF), WERROR, JOBS, PREFIX
NATIVE ?= OFF
MPI ?= ON
CUDA ?= AUTO
WERROR ?= OFF
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600
RACE_FILTER ?= *
# One compiler per core, and no more than one per 1.2 GB of free memory.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 1); m=$$(awk '/^MemAvailable/ {print int($$2 / 1200000)}' /proc/meminfo 2>/dev/null || echo $$n); \
          [ "$$m" -lt 1 ] && m=1; [ "$$n" -lt "$$m" ] && echo $$n || echo $$m)

release := build/release
options := -DAELLE_NATIVE=$(NATIVE) -DAELLE_MPI=$(MPI) -DAELLE_CUDA=$(CUDA) -DAELLE_WERROR=$(WERROR)
build = cmake --build $(1) -j $(JOBS) --target $(2)
ctest = cd $(release) && ctest --output-on-failure -j $(JOBS)
export MPI
MAKEFLAGS += --no-print-directory

.PHONY: all help setup demo test check check-long tests bench bench-full sanitize race fuzz install clean
.NOTPARALLEL:

all:
	@tools/setup build
	@tools/configure $(release) build -DCMAKE_BUILD_TYPE=Release $(options)
	@$(call build,$(release),aelle)

help:
	@echo "make              build $(release)/aelle"
	@echo "make demo         build and run runs/demo.toml into out/demo"
	@echo "make test         the tests, under 8 minutes on 2 cores; make check: the fast ones; make check-long: the rest"
	@echo "make setup        install what is missing"
	@echo "make bench        the benchmarks, under 5 minutes on 2 cores; make bench-full: at length; results in build/bench"
	@echo "make sanitize     the fast tests under the address and undefined-behaviour sanitizers"
	@echo "make race         races between threads of the GPU's kernels, emulated; under two minutes on 2 cores"
	@echo "make fuzz FUZZ_SECONDS=$(FUZZ_SECONDS)   the readers of files against inputs made by libFuzzer, each so long"
	@echo "make install PREFIX=$(PREFIX)"
	@echo "make clean        remove build/ (results in out/ stay)"
	@echo "switches: NATIVE=ON MPI=OFF CUDA=AUTO|ON|OFF WERROR=ON JOBS=n"

setup:
	@tools/setup build test

demo: all
	$(release)/aelle run runs/demo.toml -o out/demo

tests:
	@tools/setup build test
	@tools/configure $(release) test -DCMAKE_BUILD_TYPE=Release $(options)
	@$(call build,$(release),aelle_tests)

test: tests
	@$(ctest) -LE long

check: tests
	@$(ctest) -L fast

check-long: tests
	@$(ctest) -L long

bench bench-full:
	@tools/setup build
	@tools/configure $(release) build -DCMAKE_BUILD_TYPE=Release $(options)
	@$(call build,$(release),aelle_benchmarks)
	@tools/bench $(release) $@

sanitize:
	@tools/setup build test
	@tools/configure build/sanitize test -DCMAKE_BUILD_TYPE=RelWithDebInfo -DAELLE_SANITIZE=ON -DAELLE_PERF=OFF $(options)
	@$(call build,build/sanitize,aelle_tests)
	@cd build/sanitize && ctest --output-on-failure -j $(JOBS) -L fast

race:
	@tools/setup build test
	@tools/configure $(release) test -DCMAKE_BUILD_TYPE=Release $(options)
	@$(call build,$(release),cuda_race_tests)
	@$(release)/tests/cuda_race_tests --gtest_list_tests --gtest_filter='$(RACE_FILTER)' | grep -q '^  ' || \
	    { echo "make race: RACE_FILTER: found '$(RACE_FILTER)', expected the name of a test" >&2; exit 1; }
	@seq 0 $$(($(JOBS) - 1)) | GTEST_TOTAL_SHARDS=$(JOBS) xargs -P $(JOBS) -I{} \
	    env GTEST_SHARD_INDEX={} $(release)/tests/cuda_race_tests --gtest_brief=1 --gtest_filter='$(RACE_FILTER)'

fuzz:
	@tools/setup build fuzz
	@tools/fuzz $(FUZZ_SECONDS)

install: all
	@cmake --install $(release) --prefix "$(PREFIX)"

clean:
	rm -rf build
