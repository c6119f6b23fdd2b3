#include "aelle/backend/choose.hpp"

#include "aelle/base/error.hpp"
#include "src/backend/factories.hpp"

namespace aelle::backend {

Choice choose(Device device, const Place& place) {
    if (device == Device::cpu) return {make_cpu(), nullptr, "not asked for"};
    if (device == Device::automatic && !cuda_tested_on_a_device) {
        const CudaFound gpu = make_cuda({.share = true});
        if (!gpu.engine) return {make_cpu(), nullptr, gpu.note};
        return {make_cpu(), nullptr,
                gpu.note + "; not used by itself, since its kernels are untested on a device: --device cuda asks for it"};
    }
    CudaFound gpu = make_cuda(place);
    if (device == Device::cuda && !gpu.engine) throw DataError("--device: found cuda, expected cpu or auto: " + gpu.note);
    return {make_cpu(), std::move(gpu.engine), std::move(gpu.note)};
}

}  // namespace aelle::backend
