// libaelle_cuda_bench.so: kernels and facts that only benchmarks ask for.

#include "kernels/cuda/bench.hpp"

extern "C" __attribute__((visibility("default"))) int aelle_cuda_bench_open(const char* build_id, uint64_t cells,
                                                                            aelle::cuda::BenchTable* table) {
    return aelle::cuda::bench::open(build_id, cells, table);
}
