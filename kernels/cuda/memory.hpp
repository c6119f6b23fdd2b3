#pragma once
/// Devices and their memory: CUDA's, or for emulation the host's, which then starts as NaN.

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/api.hpp"
#include "kernels/cuda/block.hpp"

namespace aelle::cuda::memory {

#if defined(__CUDACC__)

inline Stream stream() { return cudaStreamPerThread; }
inline int select(int device) { return cudaSetDevice(device); }
inline int wait() { return cudaStreamSynchronize(stream()); }
inline const char* message(int status) { return cudaGetErrorString(static_cast<cudaError_t>(status)); }

inline int device_count(int* count) {
    const cudaError_t status = cudaGetDeviceCount(count);
    cudaGetLastError();  // not to be found again by the next call
    return status;
}

inline int facts(int device, DeviceFacts* facts) {
    cudaDeviceProp properties;
    if (const int status = cudaGetDeviceProperties(&properties, device)) return status;
    std::memcpy(facts->name, properties.name, sizeof facts->name - 1);
    facts->major = properties.major;
    facts->minor = properties.minor;
    facts->multiprocessors = properties.multiProcessorCount;
    facts->shared_memory = static_cast<int64_t>(properties.sharedMemPerBlockOptin);
    facts->l2_cache = properties.l2CacheSize;
    facts->memory = static_cast<int64_t>(properties.totalGlobalMem);  // without a context, which would hold memory of the device
    return 0;
}

/// Whether the device hands out memory in the order of streams. Then what is given back is kept for the next request: cudaFree would wait for all
/// streams, those of other threads among them.
inline bool pooled(int device) {
    static std::atomic<uint64_t> known{0}, yes{0};  // a bit for each device
    const uint64_t bit = uint64_t{1} << (device & 63);
    if ((known & bit) == 0) {
        int found = 0;
        cudaMemPool_t pool;
        uint64_t keep = uint64_t{1} << 30;  // no more: other processes may share the device
        const bool good = cudaDeviceGetAttribute(&found, cudaDevAttrMemoryPoolsSupported, device) == cudaSuccess && found != 0 &&
                          cudaDeviceGetDefaultMemPool(&pool, device) == cudaSuccess &&
                          cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep) == cudaSuccess;
        if (good) yes |= bit;
        else cudaGetLastError();  // not to be found again by the next launch
        known |= bit;
    }
    return (yes & bit) != 0;
}

/// For use in the calling thread's stream, or after a copy, by any other.
inline int allocate(int device, void** address, std::size_t bytes) {
    if (const int status = select(device)) return status;
    const cudaError_t status = pooled(device) ? cudaMallocAsync(address, bytes, stream()) : cudaMalloc(address, bytes);
    if (status != cudaSuccess) cudaGetLastError();  // out of memory is no lasting error
    return status;
}
inline int release(int device, void* address) {
    if (const int status = select(device)) return status;
    return pooled(device) ? cudaFreeAsync(address, stream()) : cudaFree(address);
}
inline int upload_rows(int device, void* to, std::size_t stride, const void* from, std::size_t bytes, std::size_t rows) {
    if (const int status = select(device)) return status;
    if (const int status = cudaMemcpy2DAsync(to, stride, from, bytes, bytes, rows, cudaMemcpyHostToDevice, stream())) return status;
    return wait();
}
inline int download_rows(int device, void* to, const void* from, std::size_t stride, std::size_t bytes, std::size_t rows) {
    if (const int status = select(device)) return status;
    if (const int status = cudaMemcpy2DAsync(to, bytes, from, stride, bytes, rows, cudaMemcpyDeviceToHost, stream())) return status;
    return wait();
}
inline int upload(int device, void* to, const void* from, std::size_t bytes) {
    if (const int status = select(device)) return status;
    if (const int status = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream())) return status;
    return wait();
}
inline int download(int device, void* to, const void* from, std::size_t bytes) {
    if (const int status = select(device)) return status;
    if (const int status = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream())) return status;
    return wait();
}
inline int clear(int device, void* address, std::size_t bytes) {
    if (const int status = select(device)) return status;
    return cudaMemsetAsync(address, 0, bytes, stream());
}

#else

inline Stream stream() { return nullptr; }

inline int64_t setting(const char* variable, int64_t otherwise) {
    const char* value = std::getenv(variable);
    return value ? std::strtoll(value, nullptr, 10) : otherwise;
}
/// Bytes that the emulated device has, AELLE_EMULATED_MEMORY or without limit; for tests of running out.
inline std::atomic<int64_t>& room() {
    static std::atomic<int64_t> left{setting("AELLE_EMULATED_MEMORY", INT64_MAX / 2)};
    return left;
}
/// AELLE_EMULATED_FAILURE = n: the emulated device fails for good after n launches; -n: the n-th one fails, and no other.
inline bool fails(bool launches) {
    static const int64_t failure = setting("AELLE_EMULATED_FAILURE", INT64_MAX);
    static std::atomic<int64_t> made{0};
    const int64_t now = launches ? ++made : made.load();
    return failure > 0 ? now > failure : launches && now == -failure;
}
inline constexpr int launch_failure = 719;

inline int select(int) { return fails(true) ? launch_failure : 0; }
inline const char* message(int status) { return status == out_of_memory ? "out of memory" : "the emulated device failed as asked"; }
inline int device_count(int* count) {
    *count = static_cast<int>(setting("AELLE_EMULATED_DEVICES", 1));
    return *count > 0 ? 0 : no_device;
}
inline int facts(int, DeviceFacts* facts) {
    std::strcpy(facts->name, "emulation on the host");
    facts->multiprocessors = 2;
    facts->l2_cache = 1 << 20;
    facts->memory = room();
    facts->shared_memory = 227 * 1024;
    facts->emulated = true;
    return 0;
}
inline int allocate(int, void** address, std::size_t bytes) {
    constexpr std::size_t header = 64;  // holds the size
    if (room().fetch_sub(static_cast<int64_t>(bytes)) < static_cast<int64_t>(bytes)) {
        room() += static_cast<int64_t>(bytes);
        return out_of_memory;
    }
    auto* block = static_cast<char*>(std::aligned_alloc(header, (bytes + 2 * header - 1) / header * header));
    std::memset(block, 0xFF, (bytes + 2 * header - 1) / header * header);
    std::memcpy(block, &bytes, sizeof bytes);
    *address = block + header;
    return 0;
}
inline int release(int, void* address) {
    if (address == nullptr) return 0;
    char* block = static_cast<char*>(address) - 64;
    std::size_t bytes = 0;
    std::memcpy(&bytes, block, sizeof bytes);
    room() += static_cast<int64_t>(bytes);
    std::free(block);
    return 0;
}
inline int upload(int, void* to, const void* from, std::size_t bytes) {
    if (fails(false)) return launch_failure;
    std::memcpy(to, from, bytes);
    return 0;
}
inline int download(int, void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
    return 0;
}
inline int upload_rows(int, void* to, std::size_t stride, const void* from, std::size_t bytes, std::size_t rows) {
    for (std::size_t r = 0; r < rows; ++r)
        std::memcpy(static_cast<char*>(to) + r * stride, static_cast<const char*>(from) + r * bytes, bytes);
    return 0;
}
inline int download_rows(int, void* to, const void* from, std::size_t stride, std::size_t bytes, std::size_t rows) {
    for (std::size_t r = 0; r < rows; ++r)
        std::memcpy(static_cast<char*>(to) + r * bytes, static_cast<const char*>(from) + r * stride, bytes);
    return 0;
}
inline int clear(int, void* address, std::size_t bytes) {
    std::memset(address, 0, bytes);
    return 0;
}

#endif

}  // namespace aelle::cuda::memory
