// libaelle_cuda_lib.so: the work of libaelle_cuda.so by cuBLAS and cuSOLVER. Untested on a device.

#include <cublas_v2.h>
#include <cusolverDn.h>

#include <map>
#include <type_traits>

#include "kernels/cuda/library_path.hpp"

namespace aelle::cuda {
namespace {

int of(cublasStatus_t status) {
    if (status == CUBLAS_STATUS_SUCCESS) return 0;
    return status == CUBLAS_STATUS_ALLOC_FAILED ? out_of_memory : cublas_statuses + static_cast<int>(status);
}
int of(cusolverStatus_t status) {
    if (status == CUSOLVER_STATUS_SUCCESS) return 0;
    return status == CUSOLVER_STATUS_ALLOC_FAILED ? out_of_memory : cusolver_statuses + static_cast<int>(status);
}

cublasOperation_t op(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }
int narrow(int64_t n) { return static_cast<int>(n); }

/// Handles of one thread for one device. What it queues goes to a stream of its own; lanes are further ones.
class CudaDevice {
public:
    static int of(int device, CudaDevice*& found) {
        if (const int status = memory::select(device)) return status;
        CudaDevice& mine = all()[device];
        if (!mine.ready_) {
            if (const int status = mine.open()) {
                mine.release();  // the first status counts
                return status;
            }
        }
        found = &mine;
        return memory::wait();  // copies queued before
    }
    /// Nothing else gives handles back: at the end of a program the driver may be gone before a destructor is called.
    static int close(int device) {
        const auto place = all().find(device);
        if (place == all().end()) return 0;
        const int status = place->second.release();
        all().erase(place);
        return status;
    }
    static const char* message(int status) {
        if (status >= cusolver_statuses) return solver_message(static_cast<cusolverStatus_t>(status - cusolver_statuses));
        if (status >= cublas_statuses) return cublasGetStatusString(static_cast<cublasStatus_t>(status - cublas_statuses));
        return memory::message(status);
    }

    void* room(std::size_t bytes, int& status) {
        if (bytes > room_bytes_) {
            if ((status = cudaStreamSynchronize(stream_))) return nullptr;
            if ((status = cudaFree(room_))) return nullptr;
            room_ = nullptr;
            room_bytes_ = 0;
            if ((status = cudaMalloc(&room_, bytes))) {
                cudaGetLastError();  // out of memory is no lasting error
                return nullptr;
            }
            room_bytes_ = bytes;
        }
        return room_;
    }
    int wait() const { return cudaStreamSynchronize(stream_); }

    template <class Kernel>
    int run(int64_t blocks, std::size_t shared_bytes, const Kernel& kernel) const {
        return launch(stream_, blocks, shared_bytes, kernel);
    }
    template <class Kernel>
    int run_on(int lane, int64_t blocks, std::size_t shared_bytes, const Kernel& kernel) const {
        return launch(lane_[lane].stream, blocks, shared_bytes, kernel);
    }

    /// The first time directly, which also loads what there is to load; then recorded as a graph, and replayed.
    template <class Body>
    int repeat(int64_t times, Body&& body) const {
        if (const int status = body()) return status;
        if (times == 1) return 0;
        if (const int status = cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal)) return status;
        const int recorded = body();
        cudaGraph_t graph = nullptr;
        const int ended = cudaStreamEndCapture(stream_, &graph);
        int status = recorded != 0 ? recorded : ended;
        cudaGraphExec_t ready = nullptr;
        if (status == 0) status = cudaGraphInstantiate(&ready, graph, 0);
        for (int64_t i = 1; i < times && status == 0; ++i) status = cudaGraphLaunch(ready, stream_);
        if (status == 0) status = cudaStreamSynchronize(stream_);
        if (ready != nullptr) {
            const int destroyed = cudaGraphExecDestroy(ready);
            if (status == 0) status = destroyed;
        }
        if (graph != nullptr) {
            const int destroyed = cudaGraphDestroy(graph);
            if (status == 0) status = destroyed;
        }
        return status;
    }

    int product(const Product<float>& p) const {
        const float one = 1.0f;
        return cuda::of(cublasSgemmStridedBatched(blas_, op(p.a.transposed), op(p.b.transposed), p.m, p.n, p.k, &one, p.a.data,
                                                  narrow(p.a.ld), p.a.apart, p.b.data, narrow(p.b.ld), p.b.apart, &p.beta, p.c.data,
                                                  narrow(p.c.ld), p.c.apart, narrow(p.count)));
    }
    int product(const Product<double>& p) const {
        const double one = 1.0;
        return cuda::of(cublasDgemmStridedBatched(blas_, op(p.a.transposed), op(p.b.transposed), p.m, p.n, p.k, &one, p.a.data,
                                                  narrow(p.a.ld), p.a.apart, p.b.data, narrow(p.b.ld), p.b.apart, &p.beta, p.c.data,
                                                  narrow(p.c.ld), p.c.apart, narrow(p.count)));
    }

    template <class T>
    int geqrf_batched(int m, int n, T* const* a, int lda, T* const* tau, int64_t count) const {
        int info = 0, status = 0;
        if constexpr (std::is_same_v<T, float>) status = cuda::of(cublasSgeqrfBatched(blas_, m, n, a, lda, tau, &info, narrow(count)));
        else status = cuda::of(cublasDgeqrfBatched(blas_, m, n, a, lda, tau, &info, narrow(count)));
        if (status == 0 && info != 0) return cuda::of(CUBLAS_STATUS_INVALID_VALUE);
        return status;
    }
    template <class T>
    int potrf_batched(int n, T** a, int lda, int32_t* info, int64_t count) const {
        if constexpr (std::is_same_v<T, float>)
            return cuda::of(cusolverDnSpotrfBatched(solver_, CUBLAS_FILL_MODE_UPPER, n, a, lda, info, narrow(count)));
        else return cuda::of(cusolverDnDpotrfBatched(solver_, CUBLAS_FILL_MODE_UPPER, n, a, lda, info, narrow(count)));
    }
    template <class T>
    int trsm_batched(int m, int n, T* const* r, int ldr, T* const* z, int ldz, int64_t count) const {
        const T one = 1;
        if constexpr (std::is_same_v<T, float>)
            return cuda::of(cublasStrsmBatched(blas_, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_UPPER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, m, n,
                                               &one, r, ldr, z, ldz, narrow(count)));
        else
            return cuda::of(cublasDtrsmBatched(blas_, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_UPPER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, m, n,
                                               &one, r, ldr, z, ldz, narrow(count)));
    }

    static constexpr int lanes() { return lane_count; }
    int fork() {
        if (const int status = open_lanes()) return status;
        if (const int status = cudaEventRecord(event_, stream_)) return status;
        for (const Lane& lane : lane_)
            if (const int status = cudaStreamWaitEvent(lane.stream, event_, 0)) return status;
        return 0;
    }
    int join() const {
        for (const Lane& lane : lane_) {
            if (const int status = cudaEventRecord(event_, lane.stream)) return status;
            if (const int status = cudaStreamWaitEvent(stream_, event_, 0)) return status;
        }
        return 0;
    }
    /// devInfo tells of wrong arguments only; it is not read.
    template <class T>
    int geqrf(int number, int m, int n, T* a, T* tau) {
        Lane& lane = lane_[number];
        int size = 0;
        if constexpr (std::is_same_v<T, float>) {
            if (const int status = cuda::of(cusolverDnSgeqrf_bufferSize(lane.solver, m, n, a, m, &size))) return status;
        } else {
            if (const int status = cuda::of(cusolverDnDgeqrf_bufferSize(lane.solver, m, n, a, m, &size))) return status;
        }
        T* work = nullptr;
        if (const int status = lane.reserve(size, work)) return status;
        if constexpr (std::is_same_v<T, float>) return cuda::of(cusolverDnSgeqrf(lane.solver, m, n, a, m, tau, work, size, lane.info));
        else return cuda::of(cusolverDnDgeqrf(lane.solver, m, n, a, m, tau, work, size, lane.info));
    }
    template <class T>
    int orgqr(int number, int m, int n, T* a, const T* tau) {
        Lane& lane = lane_[number];
        int size = 0;
        if constexpr (std::is_same_v<T, float>) {
            if (const int status = cuda::of(cusolverDnSorgqr_bufferSize(lane.solver, m, n, n, a, m, tau, &size))) return status;
        } else {
            if (const int status = cuda::of(cusolverDnDorgqr_bufferSize(lane.solver, m, n, n, a, m, tau, &size))) return status;
        }
        T* work = nullptr;
        if (const int status = lane.reserve(size, work)) return status;
        if constexpr (std::is_same_v<T, float>) return cuda::of(cusolverDnSorgqr(lane.solver, m, n, n, a, m, tau, work, size, lane.info));
        else return cuda::of(cusolverDnDorgqr(lane.solver, m, n, n, a, m, tau, work, size, lane.info));
    }

private:
    static constexpr int lane_count = 8;
    static constexpr std::size_t blas_bytes = std::size_t{32} << 20;  // what cuBLAS recommends for compute capability 9.0

    struct Lane {
        cudaStream_t stream = nullptr;
        cusolverDnHandle_t solver = nullptr;
        void* work = nullptr;
        std::size_t bytes = 0;
        int32_t* info = nullptr;

        template <class T>
        int reserve(int size, T*& found) {
            const std::size_t wanted = static_cast<std::size_t>(size) * sizeof(T);
            if (wanted > bytes) {
                if (const int status = cudaStreamSynchronize(stream)) return status;
                if (const int status = cudaFree(work)) return status;
                work = nullptr;
                bytes = 0;
                if (const int status = cudaMalloc(&work, wanted)) {
                    cudaGetLastError();
                    return status;
                }
                bytes = wanted;
            }
            found = static_cast<T*>(work);
            return 0;
        }
    };

    static std::map<int, CudaDevice>& all() {
        static thread_local auto* devices = new std::map<int, CudaDevice>;  // outlives the thread on purpose: see close()
        return *devices;
    }

    int open() {
        if (const int status = cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)) return status;
        if (const int status = cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)) return status;
        if (const int status = cuda::of(cublasCreate(&blas_))) return status;
        if (const int status = cuda::of(cublasSetStream(blas_, stream_))) return status;
        // Memory that cuBLAS need not allocate while a graph is recorded; after cublasSetStream, which resets it.
        if (const int status = cudaMalloc(&blas_room_, blas_bytes)) return status;
        if (const int status = cuda::of(cublasSetWorkspace(blas_, blas_room_, blas_bytes))) return status;
        if (const int status = cuda::of(cusolverDnCreate(&solver_))) return status;
        if (const int status = cuda::of(cusolverDnSetStream(solver_, stream_))) return status;
        ready_ = true;
        return 0;
    }

    /// What a failure left undone, the next call does.
    int open_lanes() {
        for (Lane& lane : lane_) {
            if (lane.info != nullptr) continue;
            if (lane.stream == nullptr)
                if (const int status = cudaStreamCreateWithFlags(&lane.stream, cudaStreamNonBlocking)) return status;
            if (lane.solver == nullptr)
                if (const int status = cuda::of(cusolverDnCreate(&lane.solver))) return status;
            if (const int status = cuda::of(cusolverDnSetStream(lane.solver, lane.stream))) return status;
            if (const int status = cudaMalloc(&lane.info, sizeof(int32_t))) {
                cudaGetLastError();
                return status;
            }
        }
        return 0;
    }

    /// Everything, whatever fails; the first status that was not 0.
    int release() {
        int first = 0;
        const auto keep = [&first](int status) { first = first != 0 ? first : status; };
        if (stream_ != nullptr) keep(cudaStreamSynchronize(stream_));
        for (Lane& lane : lane_) {
            if (lane.stream != nullptr) keep(cudaStreamSynchronize(lane.stream));
            if (lane.solver != nullptr) keep(cuda::of(cusolverDnDestroy(lane.solver)));
            keep(cudaFree(lane.work));
            keep(cudaFree(lane.info));
            if (lane.stream != nullptr) keep(cudaStreamDestroy(lane.stream));
            lane = {};
        }
        if (solver_ != nullptr) keep(cuda::of(cusolverDnDestroy(solver_)));
        if (blas_ != nullptr) keep(cuda::of(cublasDestroy(blas_)));
        keep(cudaFree(blas_room_));
        keep(cudaFree(room_));
        if (event_ != nullptr) keep(cudaEventDestroy(event_));
        if (stream_ != nullptr) keep(cudaStreamDestroy(stream_));
        *this = {};
        return first;
    }

    static const char* solver_message(cusolverStatus_t status) {
        switch (status) {
            case CUSOLVER_STATUS_NOT_INITIALIZED: return "cuSOLVER: not initialised";
            case CUSOLVER_STATUS_INVALID_VALUE: return "cuSOLVER: invalid value";
            case CUSOLVER_STATUS_ARCH_MISMATCH: return "cuSOLVER: it has no code for this device";
            case CUSOLVER_STATUS_EXECUTION_FAILED: return "cuSOLVER: execution failed";
            case CUSOLVER_STATUS_INTERNAL_ERROR: return "cuSOLVER: internal error";
            default: return "cuSOLVER failed";
        }
    }

    bool ready_ = false;
    cudaStream_t stream_ = nullptr;
    cudaEvent_t event_ = nullptr;
    cublasHandle_t blas_ = nullptr;
    cusolverDnHandle_t solver_ = nullptr;
    void* blas_room_ = nullptr;
    void* room_ = nullptr;
    std::size_t room_bytes_ = 0;
    Lane lane_[lane_count];
};

}  // namespace
}  // namespace aelle::cuda

extern "C" __attribute__((visibility("default"))) int aelle_cuda_lib_open(const char* build_id, uint64_t cells,
                                                                          aelle::cuda::LibraryTable* table) {
    return aelle::cuda::LibraryPath<aelle::cuda::CudaDevice>::open(build_id, cells, table);
}
