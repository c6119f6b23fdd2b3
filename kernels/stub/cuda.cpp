#include "src/backend/factories.hpp"

namespace aelle::backend {

Choice make_cuda() { return {nullptr, "this version has no GPU kernels; AELLE_CUDA is the switch that will build them"}; }

}  // namespace aelle::backend
