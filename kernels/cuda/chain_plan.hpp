#pragma once
/// What the kernel of Lyapunov chains is told, and where a chain's numbers lie in its memory.

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/chain_errors.hpp"
#include "kernels/cuda/plan.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/qr.hpp"
#include "kernels/cuda/qr_registers.hpp"

namespace aelle::cuda {

inline constexpr int chain_threads = 256;

/// Of all chains of a group: one block each. Offsets count doubles from the beginning of a chain's memory.
struct ChainPlan {
    CellPlan cell;
    bool full = true;               ///< tangents of the whole state; otherwise of the readout block, the others held fixed
    bool from_unit_vectors = true;  ///< initial tangents are columns of 1
    int32_t dimension = 0;          ///< n, of tangents
    int32_t exponents = 0;          ///< K
    int32_t warmup = 0, total = 0;
    const float* noise = nullptr;  ///< chain_noise(K) on the device

    int64_t state = 0, next = 0;     ///< (D) each
    int64_t pre = 0;                 ///< (slots H) of the stage in work
    int64_t d_a[max_stages] = {};    ///< (blocks x slots x H) ds'_b/da_k at [(b * slots + k) * H + i]
    int64_t d_s[max_stages] = {};    ///< (blocks x blocks x H) ds'_b/ds_c at [(b * blocks + c) * H + i]
    int64_t q = 0, z = 0;            ///< (n x K) and (D x K)
    int64_t log_sum = 0, log_r = 0;  ///< (K)
    int64_t ratios = 0;              ///< floats (padded K x K)
    int64_t errors = 0;              ///< ChainErrorsMemory
    int64_t qr_work = 0;
    int64_t memory = 0;  ///< doubles of one chain
    int64_t shared_bytes = 0;
    bool staged = false;  ///< the matrix in factorisation lies in shared memory

    AELLE_HOST_DEVICE int64_t state_size() const { return cell.state_size(); }
    AELLE_HOST_DEVICE int64_t ratios_ld() const { return ChainErrorsMemory::padded(exponents); }
    AELLE_HOST_DEVICE ChainErrorsMemory errors_of(double* chain) const {
        return {.data = reinterpret_cast<char*>(chain + errors), .noise = noise, .dimension = dimension, .columns = exponents};
    }
    /// Whether the whole matrix fits into the registers of a block (qr_registers.hpp), once it is staged.
    AELLE_HOST_DEVICE bool in_registers() const { return dimension == 64 && exponents == 64; }
    /// Earlier stages wrote the block and the last one only reads it (kernels/linearise.hpp, sheared_blocks).
    AELLE_HOST_DEVICE bool sheared(int block) const { return full && cell.writer[block] >= 0 && cell.writer[block] < cell.stages - 1; }
    AELLE_HOST_DEVICE bool shears() const {
        bool any = false;
        for (int b = 0; b < cell.blocks; ++b) any = any || sheared(b);
        return any;
    }
};

/// Lays out a chain's memory; everything else of the plan must be there. shared_limit: bytes of shared memory that a block may have.
inline void lay_out(ChainPlan& plan, int64_t shared_limit) {
    constexpr int64_t unit = 16;  // 128 bytes
    int64_t at = 0;
    const auto take = [&](int64_t count) {
        const int64_t begin = at;
        at += (count + unit - 1) / unit * unit;
        return begin;
    };
    const auto doubles = [](std::size_t bytes) { return static_cast<int64_t>((bytes + 7) / 8); };
    const CellPlan& cell = plan.cell;
    const int64_t k = plan.exponents, hidden = cell.hidden;
    plan.state = take(plan.state_size());
    plan.next = take(plan.state_size());
    plan.pre = take(hidden * *std::max_element(cell.slots, cell.slots + cell.stages));
    for (int s = 0; s < cell.stages; ++s) {
        plan.d_a[s] = take(cell.blocks * cell.slots[s] * hidden);
        plan.d_s[s] = take(cell.blocks * cell.blocks * hidden);
    }
    plan.q = take(plan.dimension * k);
    plan.z = take(plan.state_size() * k);
    plan.log_sum = take(k);
    plan.log_r = take(k);
    plan.ratios = take((plan.ratios_ld() * k + 1) / 2);
    plan.errors = take((ChainErrorsMemory::bytes(plan.dimension, plan.exponents) + 7) / 8);
    std::size_t work = accurate_qr_work<double>(plan.dimension, plan.exponents);
    if (plan.in_registers()) work = std::max(work, accurate_qr_registers_work<64, chain_threads>());
    plan.qr_work = take(doubles(work));
    plan.memory = at;
    const auto panel = static_cast<int64_t>((product_scratch(chain_threads) + 64) * sizeof(double));
    const int64_t matrix = 8 * plan.dimension * k;
    // A product and a factorisation never run at once: they share the memory.
    const int64_t staged = std::max(panel, matrix + static_cast<int64_t>((work + 127) / 128 * 128)) + 512;
    plan.staged = staged <= shared_limit;
    plan.shared_bytes = plan.staged ? staged : panel + 512;
}

/// One chain.
struct ChainWork {
    const double* packed = nullptr;    ///< the network's parameters
    const double* matrices = nullptr;  ///< effective matrices that are not parameters as they lie
    const double* inputs = nullptr;    ///< (total x I)
    double* memory = nullptr;
    int32_t* finite = nullptr;  ///< 1 until trajectory or tangents are not
};

}  // namespace aelle::cuda
