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
#define AELLE_PHASE inline __device__ __noinline__
/// Clusters of blocks, and the larger forms of the matrix instructions: from compute capability 9.0 on.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define AELLE_CUDA_CLUSTERS 1
#else
#define AELLE_CUDA_CLUSTERS 0
#endif
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
    /// Dynamic shared memory, aligned to 128 bytes; what it holds at the start is undefined. Named here and not kept, so that the compiler knows in every
    /// function which memory it is, and has instructions of its own for it.
    AELLE_DEVICE char* shared() const {
        extern __shared__ __align__(128) char shared[];
        return shared;
    }
    AELLE_DEVICE int thread() const { return static_cast<int>(threadIdx.x); }
    AELLE_DEVICE int threads() const { return static_cast<int>(blockDim.x); }
    AELLE_DEVICE int index() const { return static_cast<int>(blockIdx.x); }
    AELLE_DEVICE void sync() const { __syncthreads(); }
    AELLE_DEVICE void sync_warp() const { __syncwarp(); }
    /// Place among the blocks that were launched as a cluster with it, and how many they are.
    AELLE_DEVICE int cluster_rank() const {
        unsigned rank = 0;
#if AELLE_CUDA_CLUSTERS
        asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
        return static_cast<int>(rank);
    }
    AELLE_DEVICE int cluster_size() const {
        unsigned size = 1;
#if AELLE_CUDA_CLUSTERS
        asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
#endif
        return static_cast<int>(size);
    }
    /// A barrier of all threads of the cluster, after which they see what the others wrote before it, in device memory too.
    AELLE_DEVICE void sync_cluster() const {
#if AELLE_CUDA_CLUSTERS
        asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
#else
        __syncthreads();
#endif
    }
    /// c += a b by a warp, c (16 x 8), a (16 x 8), b (8 x 8), by the units for matrices. With g = lane() / 4 and t = lane() % 4 a lane holds c(g, 2t), c(g, 2t + 1),
    /// c(g + 8, 2t), c(g + 8, 2t + 1); a(g, t), a(g + 8, t), a(g, t + 4), a(g + 8, t + 4); b(t, g), b(t + 4, g). PTX ISA, mma.m16n8k8 for .f64.
    /// Volatile: the compiler must not move what all lanes do together into a branch that some take.
    AELLE_DEVICE void multiply_16x8x8(double (&c)[4], const double (&a)[4], const double (&b)[2]) const {
#if AELLE_CUDA_CLUSTERS  // the same architectures
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
                     : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(b[0]), "d"(b[1]));
#else
        for (int k = 0; k < 2; ++k) {
            for (int i = 0; i < 2; ++i)
                asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
                             : "+d"(c[2 * i]), "+d"(c[2 * i + 1])
                             : "d"(a[2 * k + i]), "d"(b[k]));
        }
#endif
    }
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
    char* shared() const { return shared_; }
    int thread() const { return fibre_->thread(); }
    int threads() const { return fibre_->threads(); }
    int index() const { return fibre_->block(); }
    void sync() const { fibre_->sync(); }
    void sync_warp() const { fibre_->sync_warp(); }
    int cluster_rank() const { return fibre_->rank(); }
    int cluster_size() const { return fibre_->cluster(); }
    void sync_cluster() const { fibre_->sync_cluster(); }
    void multiply_16x8x8(double (&c)[4], const double (&a)[4], const double (&b)[2]) const {
        const double mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
        fibre_->together(mine, [&](const double(*of)[6]) {
            for (int e = 0; e < 4; ++e)
                for (int k = 0; k < 8; ++k)
                    c[e] += of[lane() / 4 * 4 + k % 4][k / 4 * 2 + e / 2] * of[(lane() % 4 * 2 + e % 2) * 4 + k % 4][4 + k / 4];
        });
    }
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

#if !defined(__CUDACC__)
private:
    char* shared_;
    emulation::Fibre* fibre_;
#endif
};

#if defined(__CUDACC__)

using Stream = cudaStream_t;

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, Kernel::blocks_per_multiprocessor) run_kernel(const __grid_constant__ Kernel kernel) {
    kernel(Block());
}

/// Raises a kernel's limit of shared memory. It belongs to the kernel, not to the launch or the thread: it is raised to all that there is and never
/// lowered, and so is what a cluster may hold.
template <class Kernel>
cudaError_t raise_limits() {
    static std::atomic<uint64_t> raised{0};  // a bit for each device
    int device = 0, limit = 0, clusters = 0;
    cudaError_t status = cudaGetDevice(&device);
    const uint64_t bit = uint64_t{1} << (device & 63);
    if (status != cudaSuccess || (raised & bit) != 0) return status;
    status = cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    if (status == cudaSuccess) status = cudaDeviceGetAttribute(&clusters, cudaDevAttrClusterLaunch, device);
    if (status == cudaSuccess) status = cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, limit);
    if (status == cudaSuccess && clusters != 0)
        status = cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
    if (status == cudaSuccess) raised |= bit;
    return status;
}

/// A launch's sizes for CUDA.
struct LaunchConfig {
    cudaLaunchAttribute shape = {};
    cudaLaunchConfig_t sizes = {};
    LaunchConfig(int64_t blocks, int threads, std::size_t shared_bytes, int cluster) {
        shape.id = cudaLaunchAttributeClusterDimension;
        shape.val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
        sizes.gridDim = dim3(static_cast<unsigned>(blocks));
        sizes.blockDim = dim3(static_cast<unsigned>(threads));
        sizes.dynamicSmemBytes = shared_bytes;
        sizes.attrs = &shape;
        sizes.numAttrs = cluster > 1 ? 1 : 0;
    }
    LaunchConfig(const LaunchConfig&) = delete;
};

/// `cluster` blocks after one another start together and share barriers; `blocks` is a multiple of it. 0, or a CUDA status.
template <class Kernel>
int launch(Stream stream, int64_t blocks, std::size_t shared_bytes, const Kernel& kernel, int cluster = 1) {
    cudaError_t status = cudaSuccess;
    if (shared_bytes > 48 * 1024 || cluster > 1) status = raise_limits<Kernel>();
    if (status == cudaSuccess) {
        LaunchConfig config(blocks, Kernel::threads, shared_bytes, cluster);
        config.sizes.stream = stream;
        status = cudaLaunchKernelEx(&config.sizes, run_kernel<Kernel>, kernel);
    }
    if (status != cudaSuccess) cudaGetLastError();  // not to be found again by the next launch
    return status;
}

/// The largest cluster of at most `wanted` blocks, a power of two, that a device can hold; 1 where it knows none.
template <class Kernel>
int fitting_cluster(int wanted, std::size_t shared_bytes) {
    if (wanted <= 1) return 1;
    int device = 0, clusters = 0;
    cudaFuncAttributes code = {};
    cudaError_t status = cudaGetDevice(&device);
    if (status == cudaSuccess) status = cudaDeviceGetAttribute(&clusters, cudaDevAttrClusterLaunch, device);
    // Code for older devices, which a driver translated for a newer one, does not ask for its place in a cluster.
    if (status == cudaSuccess) status = cudaFuncGetAttributes(&code, run_kernel<Kernel>);
    if (status == cudaSuccess) status = raise_limits<Kernel>();
    if (status != cudaSuccess) cudaGetLastError();
    if (status != cudaSuccess || clusters == 0 || code.ptxVersion < 90) return 1;
    for (int size = wanted; size > 1; size /= 2) {
        const LaunchConfig config(size, Kernel::threads, shared_bytes, size);
        int fit = 0;
        if (cudaOccupancyMaxActiveClusters(&fit, run_kernel<Kernel>, &config.sizes) == cudaSuccess && fit > 0) return size;
        cudaGetLastError();
    }
    return 1;
}

#else

using Stream = void*;

template <class Kernel>
int launch(Stream, int64_t blocks, std::size_t shared_bytes, const Kernel& kernel, int cluster = 1) {
    emulation::run(
        blocks, Kernel::threads, shared_bytes, [&kernel](emulation::Fibre& fibre) { kernel(Block(fibre)); }, cluster);
    return 0;
}

template <class Kernel>
int fitting_cluster(int wanted, std::size_t) {
    return wanted;
}

#endif

}  // namespace aelle::cuda
