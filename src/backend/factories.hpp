#pragma once
/// What kernels/ gives to `choose`.

#include <memory>
#include <string>

#include "aelle/backend/choose.hpp"

namespace aelle::backend {

std::unique_ptr<Backend> make_cpu();

/// Looks for the library of GPU kernels and a device; without them no engine, and a note that says why.
struct CudaFound {
    std::unique_ptr<GroupEngine> engine;
    std::string note;
};
CudaFound make_cuda(const Place& place);

/// False as long as the GPU kernels have run by emulation only: then a GPU is used where it is asked for, not by itself.
inline constexpr bool cuda_tested_on_a_device = false;

}  // namespace aelle::backend
