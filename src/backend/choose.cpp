#include "aelle/backend/choose.hpp"

#include "aelle/base/error.hpp"
#include "src/backend/factories.hpp"

namespace aelle::backend {

Choice choose(Device device, const Place& place) {
    if (device == Device::cpu) return {make_cpu(), nullptr, "not asked for"};
    const bool reluctant = device == Device::automatic && !cuda_tested_on_a_device;
    CudaFound gpu = make_cuda(reluctant ? Place{.share = true} : place);
    if (gpu.engine && !cuda_tested_on_a_device) gpu.note += "; kernels untested on a device";
    if (device == Device::cuda && !gpu.engine) throw DataError("--device: found cuda, expected cpu or auto: " + gpu.note);
    if (gpu.engine && reluctant) return {make_cpu(), nullptr, gpu.note + ", so not used by itself: --device cuda asks for it"};
    return {make_cpu(), std::move(gpu.engine), std::move(gpu.note)};
}

}  // namespace aelle::backend
