#include "aelle/base/error.hpp"
#include "src/backend/factories.hpp"

namespace aelle::backend {

Choice choose(Device device) {
    if (device == Device::cpu) return {make_cpu(), "not asked for"};
    Choice gpu = make_cuda();
    if (gpu.backend) return gpu;
    if (device == Device::cuda) throw DataError("--device: found cuda, expected cpu or auto: " + gpu.gpu_note);
    return {make_cpu(), gpu.gpu_note};
}

}  // namespace aelle::backend
