#include "src/backend/factories.hpp"

namespace aelle::backend {

Choice make_cuda() { return {nullptr, "GPU support is not built; configure with -DAELLE_CUDA=ON"}; }

}  // namespace aelle::backend
