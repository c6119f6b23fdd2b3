#pragma once
/// Table::chains (api.hpp) for small and for large chains: defined in chain_launch_kernels.hpp and compiled in files of their own, chain_small.cu and
/// chain_large.cu, since their kernels take as long to compile as all others together.

#include "kernels/cuda/api.hpp"

namespace aelle::cuda {

template <bool Large>
int launch_chains(int device, int cell, int64_t count, const ChainLaunch& how, const ChainPlan* plan, const ChainWork* work, int32_t first,
                  int32_t steps);

}  // namespace aelle::cuda
