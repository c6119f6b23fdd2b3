#pragma once
/// What chain_launch.hpp declares; for the files that say which of the two they compile.

#include "kernels/cuda/chain.hpp"
#include "kernels/cuda/chain_launch.hpp"
#include "kernels/cuda/with_cell.hpp"

namespace aelle::cuda {

template <bool Large>
int launch_chains(int device, int cell, int64_t count, const ChainLaunch& how, const ChainPlan* plan, const ChainWork* work, int32_t first,
                  int32_t steps) {
    if (const int status = memory::select(device)) return status;
    return finished(with_cell(cells::AllCells{}, cell, [&]<class C>() {
        using Kernel = Chains<C, Large>;
        const auto shared = static_cast<std::size_t>(how.shared_bytes);
        const int blocks = fitting_cluster<Kernel>(how.team, shared);
        return launch(memory::stream(), count * blocks, shared, Kernel{plan, work, first, steps}, blocks);
    }));
}

}  // namespace aelle::cuda
