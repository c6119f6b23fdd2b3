#pragma once
/// The entry points of libaelle_cuda_bench.so (library_api.hpp): what benchmarks ask for and the program does not. Included by bench.cu and, for tests on
/// the host, by one other file.

#include <cstring>

#include "aelle/base/build_info.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/cuda/library_api.hpp"
#include "kernels/cuda/memory.hpp"
#include "kernels/cuda/qr.hpp"
#include "kernels/cuda/qr_implicit.hpp"
#include "kernels/cuda/qr_registers.hpp"
#include "kernels/cuda/qr_team.hpp"

namespace aelle::cuda::bench {

#if defined(__CUDACC__)

inline int attribute(cudaDeviceAttr which, int device, int& value) { return cudaDeviceGetAttribute(&value, which, device); }

/// Lanes of a multiprocessor that do one FMA a clock: CUDA C++ Programming Guide, arithmetic instructions.
inline void lanes(int major, int minor, double& single, double& twofold) {
    const int version = 10 * major + minor;
    single = version == 80 ? 64 : version >= 86 ? 128 : 0;
    twofold = version == 80 ? 32 : version == 90 || version == 100 ? 64 : version >= 86 ? 2 : 0;
}

inline int facts(int device, BenchFacts* facts) {
    int kilohertz = 0, count = 0, major = 0, minor = 0;
    if (const int status = attribute(cudaDevAttrClockRate, device, kilohertz)) return status;
    if (const int status = attribute(cudaDevAttrMultiProcessorCount, device, count)) return status;
    if (const int status = attribute(cudaDevAttrComputeCapabilityMajor, device, major)) return status;
    if (const int status = attribute(cudaDevAttrComputeCapabilityMinor, device, minor)) return status;
    double single = 0, twofold = 0;
    lanes(major, minor, single, twofold);
    facts->clock = 1e3 * kilohertz;
    facts->single = 2 * single * count * facts->clock;
    facts->twofold = 2 * twofold * count * facts->clock;
    return 0;
}

inline int copy(int device, void* to, const void* from, std::size_t bytes) {
    if (const int status = memory::select(device)) return status;
    return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, memory::stream());
}

inline int wait(int device) {
    if (const int status = memory::select(device)) return status;
    return memory::wait();
}

#else

inline int facts(int, BenchFacts* facts) {
    *facts = {};
    return 0;
}
inline int copy(int, void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
    return 0;
}
inline int wait(int) { return 0; }

#endif

template <int N, int Threads>
int qr_registers(int64_t count, double* z, double* log_r) {
    using Kernel = BatchedQrRegisters<N, Threads>;
    return launch(memory::stream(), count, Kernel::shared_bytes, Kernel{z, int64_t{N} * N, log_r, nullptr});
}

template <int Threads, bool Staged>
int qr_general(int n, int64_t count, double* z, double* log_r) {
    using Kernel = BatchedQr<double, Threads, Staged>;
    return launch(memory::stream(), count, Kernel::shared_bytes(n, n), Kernel{z, n, n, int64_t{n} * n, log_r, nullptr});
}

inline int largest_team(int device, int32_t n) {
    DeviceFacts facts;
    const std::size_t shared = accurate_qr_team_shared(n);
    if (memory::select(device) != 0 || memory::facts(device, &facts) != 0 || static_cast<int64_t>(shared) > facts.shared_memory) return 0;
    return fitting_cluster<BatchedQrTeam>(Team::largest, shared);
}

/// Teams of so many blocks, at most largest_team(), with memory for the work of all matrices.
inline int qr_team(int device, int team, int32_t n, int64_t count, double* z, double* log_r) {
    const std::size_t shared = accurate_qr_team_shared(n), each = (accurate_qr_team_work(n, n) + 127) / 128 * 128;
    void* work = nullptr;
    if (const int status = memory::allocate(device, &work, each * static_cast<std::size_t>(count))) return status;
    const int status =
        launch(memory::stream(), count * team, shared,
               BatchedQrTeam{z, n, n, int64_t{n} * n, log_r, nullptr, static_cast<char*>(work), static_cast<int64_t>(each)}, team);
    const int released = memory::release(device, work);
    return status != 0 ? status : released;
}

inline int qr(int device, BenchQrForm form, int32_t n, int64_t count, double* z, double* log_r) {
    if (const int status = memory::select(device)) return status;
    switch (form) {
        case BenchQrForm::shared_memory: return n <= 128 ? qr_general<256, true>(n, count, z, log_r) : unknown_form;
        case BenchQrForm::device_memory: return qr_general<512, false>(n, count, z, log_r);
        case BenchQrForm::registers_128: return n == 64 ? qr_registers<64, 128>(count, z, log_r) : unknown_form;
        case BenchQrForm::registers_256: return n == 64 ? qr_registers<64, 256>(count, z, log_r) : unknown_form;
        case BenchQrForm::team_1: return qr_team(device, 1, n, count, z, log_r);
        case BenchQrForm::team_2: return qr_team(device, 2, n, count, z, log_r);
        case BenchQrForm::team_4: return qr_team(device, 4, n, count, z, log_r);
        case BenchQrForm::team_8: return qr_team(device, 8, n, count, z, log_r);
        case BenchQrForm::team_16: return qr_team(device, 16, n, count, z, log_r);
        case BenchQrForm::registers_512: return n == 128 ? qr_registers<128, 512>(count, z, log_r) : unknown_form;
    }
    return unknown_form;
}

template <int N, int Threads>
int tangents_of(const BenchTangents& p) {
    const auto run = [&](auto kernel) { return launch(memory::stream(), p.chains, decltype(kernel)::shared_bytes, kernel); };
    if (p.implicit) return run(TangentSteps<N, Threads, true>{p.jacobians, p.distinct, p.steps, p.log_sum});
    return run(TangentSteps<N, Threads, false>{p.jacobians, p.distinct, p.steps, p.log_sum});
}

inline int tangents(int device, const BenchTangents* problem) {
    if (const int status = memory::select(device)) return status;
    if (problem->n == 64 && problem->threads == 128) return tangents_of<64, 128>(*problem);
    if (problem->n == 64 && problem->threads == 256) return tangents_of<64, 256>(*problem);
    if (problem->n == 128 && problem->threads == 512) return tangents_of<128, 512>(*problem);
    return unknown_form;
}

inline const char* message(int status) {
    return status == unknown_form ? "a size that the form or the device does not know" : memory::message(status);
}

inline int open(const char* build_id, uint64_t cells, BenchTable* table) {
    if (build_info().id != build_id) return wrong_build;
    if (cells != part_fingerprint<BenchTable>(cells::AllCells{})) return wrong_cells;
    *table = {.facts = facts, .copy = copy, .qr = qr, .tangents = tangents, .largest_team = largest_team, .wait = wait, .message = message};
    return 0;
}

}  // namespace aelle::cuda::bench
