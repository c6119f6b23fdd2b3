// libaelle_cuda.so: our kernels for every cell of the list.

#include "kernels/cuda/library.hpp"

extern "C" __attribute__((visibility("default"))) int aelle_cuda_open(const char* build_id, uint64_t cells, aelle::cuda::Table* table) {
    return aelle::cuda::open(build_id, cells, table);
}
