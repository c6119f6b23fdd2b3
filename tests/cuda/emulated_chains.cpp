// libaelle_cuda_emulated.so: the chains.

#include "kernels/cuda/chain_large.cu"
#include "kernels/cuda/chain_small.cu"
