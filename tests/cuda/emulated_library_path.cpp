// libaelle_cuda_lib_emulated.so: libaelle_cuda_lib.so on the host, with plain loops in place of cuBLAS and cuSOLVER.

#include "tests/cuda/plain_device.hpp"

extern "C" __attribute__((visibility("default"))) int aelle_cuda_lib_open(const char* build_id, uint64_t cells,
                                                                          aelle::cuda::LibraryTable* table) {
    return aelle::cuda::LibraryPath<aelle::cuda::PlainDevice>::open(build_id, cells, table);
}
