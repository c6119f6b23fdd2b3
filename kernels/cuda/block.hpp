#pragma once
/// One block of threads as kernels see it, and their launch: on a device with CUDA, on the host by emulation (emulation.hpp).
///
/// A kernel is a struct, copied to the device by value:
///
///     struct Scale {
///         static constexpr int threads = 256;                       // of a block, a multiple of 32
///         static constexpr int blocks_per_multiprocessor = 1;       // the compiler limits registers by it
///         float* x; float factor; int n;
///         AELLE_DEVICE void operator()(const Block& block) const;   // all threads of all blocks
///     };
///     launch(stream, count, shared_bytes, Scale{x, 2.0f, n});
///
/// Kernels are the same source for both, so that tests on the host run what a device runs: every thread, every barrier, every shuffle.
/// All threads of a block must reach every sync(), and all of a warp every shuffle. What may not be written: anything that relies on
/// threads of one warp going in step without sync_warp(), atomics, and reductions whose order depends on the number of blocks.

#include <atomic>
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#define AELLE_DEVICE __device__ __forceinline__
#define AELLE_UNROLL _Pragma("unroll")
/// A phase of a kernel long enough to be called: compiled once for the kernels of all cells, with registers of its own.
#define AELLE_PHASE __device__ __noinline__
#else
#include "kernels/cuda/emulation.hpp"
#define AELLE_DEVICE inline
#define AELLE_UNROLL
#define AELLE_PHASE inline
#endif

namespace aelle::cuda {

inline constexpr int warp_size = 32;

/// a b + c: on a device, where nothing else is fused, by one instruction; on the host as the compiler likes.
template <class T>
AELLE_DEVICE T multiply_add(T a, T b, T c) {
#if defined(__CUDACC__)
    return fma(a, b, c);
#else
    return a * b + c;
#endif
}

class Block {
public:
#if defined(__CUDACC__)
    AELLE_DEVICE explicit Block(char* shared) : shared_(shared) {}
    AELLE_DEVICE int thread() const { return static_cast<int>(threadIdx.x); }
    AELLE_DEVICE int threads() const { return static_cast<int>(blockDim.x); }
    AELLE_DEVICE int index() const { return static_cast<int>(blockIdx.x); }
    AELLE_DEVICE void sync() const { __syncthreads(); }
    AELLE_DEVICE void sync_warp() const { __syncwarp(); }
    /// The value that lane `lane() ^ mask` of the same warp gives.
    template <class T>
    AELLE_DEVICE T shuffle_xor(T value, int mask) const {
        return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
    }
    /// The value that lane `from` of the same warp gives.
    template <class T>
    AELLE_DEVICE T shuffle(T value, int from) const {
        return __shfl_sync(0xFFFFFFFFu, value, from);
    }
#else
    explicit Block(emulation::Fibre& fibre) : shared_(fibre.shared()), fibre_(&fibre) {}
    int thread() const { return fibre_->thread(); }
    int threads() const { return fibre_->threads(); }
    int index() const { return fibre_->block(); }
    void sync() const { fibre_->sync(); }
    void sync_warp() const { fibre_->sync_warp(); }
    template <class T>
    T shuffle_xor(T value, int mask) const {
        return fibre_->exchange(value, lane() ^ mask);
    }
    template <class T>
    T shuffle(T value, int from) const {
        return fibre_->exchange(value, from);
    }
#endif
    AELLE_DEVICE int lane() const { return thread() % warp_size; }
    AELLE_DEVICE int warp() const { return thread() / warp_size; }
    AELLE_DEVICE int warps() const { return threads() / warp_size; }
    /// Dynamic shared memory, aligned to 128 bytes; what it holds at the start is undefined.
    AELLE_DEVICE char* shared() const { return shared_; }

    /// f(i) for i in [0, count), shared among the threads; then a barrier.
    template <class F>
    AELLE_DEVICE void each(int64_t count, F&& f) const {
        for (int64_t i = thread(); i < count; i += threads()) f(i);
        sync();
    }

    /// Sum over the lanes of a warp, the same in all of them; the order of additions is fixed.
    template <class T>
    AELLE_DEVICE T warp_sum(T value) const {
        for (int mask = warp_size / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
        return value;
    }
    /// Largest over the lanes of a warp that is no NaN.
    template <class T>
    AELLE_DEVICE T warp_max(T value) const {
        for (int mask = warp_size / 2; mask > 0; mask /= 2) {
            const T other = shuffle_xor(value, mask);
            value = other > value || value != value ? other : value;
        }
        return value;
    }
    /// Sum over all threads, the same in all of them. `scratch` in shared memory holds a number for each warp. Begins and ends with a barrier.
    template <class T>
    AELLE_DEVICE T sum(T value, T* scratch) const {
        value = warp_sum(value);
        sync();
        if (lane() == 0) scratch[warp()] = value;
        sync();
        T total = scratch[0];
        for (int w = 1; w < warps(); ++w) total += scratch[w];
        sync();
        return total;
    }
    /// Whether any thread says so.
    AELLE_DEVICE bool any(bool value, int* scratch) const { return sum(value ? 1 : 0, scratch) > 0; }

private:
    char* shared_;
#if !defined(__CUDACC__)
    emulation::Fibre* fibre_;
#endif
};

#if defined(__CUDACC__)

using Stream = cudaStream_t;

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, Kernel::blocks_per_multiprocessor) run_kernel(const __grid_constant__ Kernel kernel) {
    extern __shared__ __align__(128) char shared[];
    kernel(Block(shared));
}

/// 0, or a CUDA status.
template <class Kernel>
int launch(Stream stream, int64_t blocks, std::size_t shared_bytes, const Kernel& kernel) {
    if (shared_bytes > 48 * 1024) {
        // The limit belongs to the kernel, not to the launch or the thread: it is raised to all that there is and never lowered.
        static std::atomic<uint64_t> raised{0};  // a bit for each device
        int device = 0, limit = 0;
        cudaError_t status = cudaGetDevice(&device);
        const uint64_t bit = uint64_t{1} << (device & 63);
        if (status == cudaSuccess && (raised & bit) == 0) {
            status = cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
            if (status == cudaSuccess)
                status = cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, limit);
            if (status == cudaSuccess) raised |= bit;
        }
        if (status != cudaSuccess) {
            cudaGetLastError();  // not to be found again by the next launch
            return status;
        }
    }
    run_kernel<Kernel><<<static_cast<unsigned>(blocks), Kernel::threads, shared_bytes, stream>>>(kernel);
    return cudaGetLastError();
}

#else

using Stream = void*;

template <class Kernel>
int launch(Stream, int64_t blocks, std::size_t shared_bytes, const Kernel& kernel) {
    emulation::run(blocks, Kernel::threads, shared_bytes, [&kernel](emulation::Fibre& fibre) { kernel(Block(fibre)); });
    return 0;
}

#endif

}  // namespace aelle::cuda
