#pragma once
/// What the program says to the two libraries beside libaelle_cuda.so, in the manner of api.hpp and checked like it: libaelle_cuda_lib.so, the same work by
/// NVIDIA's cuBLAS and cuSOLVER (performance.md 3.2 Q0 and 4.3 T0; it promises a tolerance, not bits), and libaelle_cuda_bench.so, kernels and
/// facts that only benchmarks ask for. Memory is libaelle_cuda.so's: one process has one context of a device, whichever library asks.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/api.hpp"

namespace aelle::cuda {

/// Ways to a QR factorisation with cuBLAS and cuSOLVER.
enum class LibraryQrForm : int32_t {
    geqrf_batched,  ///< cuBLAS geqrfBatched, and Q formed by a kernel of ours, since there is no batched one
    one_by_one,     ///< cuSOLVER geqrf and orgqr, matrix after matrix, on several streams
    cholesky_twice  ///< CholeskyQR2: gemm, potrfBatched, trsmBatched, twice; log_r is NaN where the Gram matrix was not positive definite
};

/// `count` matrices of rows x cols, cols <= rows, column-major, one directly after another; each becomes its Q. Rows are not sorted: graded matrices
/// lose their small |r_jj| (performance.md 3.1).
struct LibraryQr {
    LibraryQrForm form = LibraryQrForm::geqrf_batched;
    bool single = false;  ///< z holds floats, otherwise doubles
    int32_t rows = 0, cols = 0;
    int64_t count = 0;
    void* z = nullptr;
    double* log_r = nullptr;  ///< (cols of each matrix) log|r_jj|
};

/// Products C = A B of n x n matrices: what the machine can do at most.
struct LibraryProduct {
    bool single = false;
    int32_t n = 0, repeats = 1;
    const void* a = nullptr;
    const void* b = nullptr;
    void* c = nullptr;
};

/// Work is done when a function returns. Each thread has handles and work memory of its own for each device, made at first use.
struct LibraryTable {
    int (*train)(int device, int cell, int64_t networks, int32_t team, const TrainingPlan* plan, const SequenceData* data,
                 const TrainingWork* work);  ///< as Table::train; `team` says nothing to it
    int (*qr)(int device, const LibraryQr* problem);
    int (*product)(int device, const LibraryProduct* problem);
    int (*close)(int device);  ///< gives back what the calling thread holds
    const char* (*message)(int status);
};

/// Statuses of NVIDIA's libraries are theirs plus these.
inline constexpr int cublas_statuses = 10000, cusolver_statuses = 20000;
enum : int { unknown_form = -4 };

/// Our own factorisations (qr.hpp, qr_registers.hpp, qr_team.hpp), in double precision.
enum class BenchQrForm : int32_t {
    shared_memory,
    device_memory,
    registers_128,
    registers_256,
    registers_512,
    team_1,
    team_2,
    team_4,
    team_8,
    team_16
};

/// Chains of tangents, a block each (qr_implicit.hpp): QR after each of `steps` products, with Q formed or as reflectors.
struct BenchTangents {
    bool implicit = false;
    int32_t threads = 0;  ///< 128 or 256 for n 64, 512 for n 128
    int32_t n = 0, steps = 0;
    int64_t chains = 0;
    const double* jacobians = nullptr;  ///< n x n one after another; step t of chain c has number (c + t) % distinct
    int32_t distinct = 0;
    double* log_sum = nullptr;  ///< (n of each chain)
};

/// FLOP a second at the highest clock, an FMA counted as two, without tensor units; 0 where the chip is not known.
struct BenchFacts {
    double clock = 0.0, single = 0.0, twofold = 0.0;  ///< Hz; single and double precision
};

/// Work is queued in the calling thread's stream; `wait` waits for it.
struct BenchTable {
    int (*facts)(int device, BenchFacts* facts);
    int (*copy)(int device, void* to, const void* from, std::size_t bytes);  ///< inside the device
    /// `count` matrices n x n one after another become their Q; log_r (n each). unknown_form where the form does not know the size.
    int (*qr)(int device, BenchQrForm form, int32_t n, int64_t count, double* z, double* log_r);
    int (*tangents)(int device, const BenchTangents* problem);  ///< unknown_form as well
    /// Blocks of the largest team that can factor n x n; 0 where not even one can.
    int (*largest_team)(int device, int32_t n);
    int (*wait)(int device);
    const char* (*message)(int status);
};

template <class PartTable>
using OpenPart = int (*)(const char* build_id, uint64_t cells, PartTable* table);
inline constexpr const char* open_library_name = "aelle_cuda_lib_open";
inline constexpr const char* open_bench_name = "aelle_cuda_bench_open";

/// fingerprint() of a library whose table is PartTable.
template <class PartTable, cells::Cell... Cells>
uint64_t part_fingerprint(cells::CellList<Cells...> list) {
    uint64_t hash = fingerprint(list);
    for (const std::size_t size : {sizeof(PartTable), sizeof(LibraryQr), sizeof(LibraryProduct), sizeof(BenchFacts), sizeof(BenchTangents)})
        hash = (hash ^ size) * 1099511628211u;
    return hash;
}

}  // namespace aelle::cuda
