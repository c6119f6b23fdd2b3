// libaelle_cuda_emulated.so: what libaelle_cuda.so does, every thread of it, on the host; for tests of the program where there is no device.

#include "kernels/cuda/library.hpp"

extern "C" __attribute__((visibility("default"))) int aelle_cuda_open(const char* build_id, uint64_t cells, aelle::cuda::Table* table) {
    return aelle::cuda::open(build_id, cells, table);
}
