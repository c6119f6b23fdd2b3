// libaelle_cuda.so: large chains of every cell of the list.

#include "kernels/cuda/chain_launch_kernels.hpp"

namespace aelle::cuda {

template int launch_chains<true>(int, int, int64_t, const ChainLaunch&, const ChainPlan*, const ChainWork*, int32_t, int32_t);

}  // namespace aelle::cuda
