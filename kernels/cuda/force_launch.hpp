#pragma once
/// Which kernels of force.hpp serve networks of a size on a device. Bits depend on the choice, which depends on nothing else.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/force.hpp"

namespace aelle::cuda {

/// f with the number of threads of a block, which depends on the size of the networks alone, since the order of sums follows from it.
template <class F>
auto with_force_threads(int32_t n, F&& f) {
    return n <= 128 ? f.template operator()<128>() : f.template operator()<512>();
}
/// The same with the kernel of frozen loops: as many in a block as force_plan.hpp says, or fewer on devices whose shared memory is smaller.
template <class F>
auto with_frozen_kernel(int32_t n, int64_t shared_memory, F&& f) {
    return with_force_threads(n, [&]<int Threads>() {
        using Wide = FrozenRollouts<16, Threads>;
        const bool wide = frozen_width(n) == 16 && static_cast<int64_t>(Wide::shared_bytes(n)) <= shared_memory;
        return wide ? f.template operator()<Wide, 16>() : f.template operator()<FrozenRollouts<8, Threads>, 8>();
    });
}

/// Networks of up to this size fit into the shared memory of a block.
inline int32_t largest_force(int64_t shared_memory) {
    const auto fits = [shared_memory](int32_t n) {
        const std::size_t training = with_force_threads(n, [n]<int Threads>() { return ForceTraining<Threads>::shared_bytes(n); });
        const std::size_t rollouts =
            with_frozen_kernel(n, shared_memory, [n]<class Kernel, int Width>() { return Kernel::shared_bytes(n); });
        return static_cast<int64_t>(std::max(training, rollouts)) <= shared_memory;
    };
    int32_t n = 0;
    while (n < force_max_units && fits(n + 1)) ++n;
    return n;
}

}  // namespace aelle::cuda
