#pragma once
/// What kernels/ gives to `choose`. Defined in kernels/cpu and in kernels/cuda or, where that is not built, kernels/stub.

#include <memory>

#include "aelle/backend/backend.hpp"

namespace aelle::backend {

std::unique_ptr<Backend> make_cpu();

/// The backend, or none and a note that says why.
Choice make_cuda();

}  // namespace aelle::backend
