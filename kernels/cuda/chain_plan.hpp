#pragma once
/// What the kernel of Lyapunov chains is told, and where a chain's numbers lie in its memory.

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/chain_errors.hpp"
#include "kernels/cuda/plan.hpp"
#include "kernels/cuda/product_units.hpp"
#include "kernels/cuda/qr.hpp"
#include "kernels/cuda/qr_registers.hpp"
#include "kernels/cuda/qr_team.hpp"

namespace aelle::cuda {

inline constexpr int chain_threads = 256;
inline constexpr int large_chain = 128;           ///< tangents of so many rows are factored by a team of blocks
inline constexpr int most_team_rows = 1024;       ///< of accurate_qr_team()
inline constexpr int chain_columns_at_once = 64;  ///< of a tile of product_units()
inline constexpr int chain_scratch = 1024;        ///< bytes of shared memory for sums of small chains

/// How chains are launched.
struct ChainLaunch {
    int64_t shared_bytes = 0;
    int32_t team = 1;    ///< blocks of a chain, a power of two up to 16; no result depends on it. 1 where not `large`
    bool large = false;  ///< tangents are factored in device memory, where a team of blocks sees them, not in shared memory
};

/// Part of the matrix by which pre-activations of a stage read a block: (H x H), row-major.
struct MatrixPart {
    int64_t offset = 0;
    bool built = false;  ///< among the effective matrices that are built, not among parameters
    bool tanh = false;   ///< the state is read through tanh
    int32_t slot = 0;
};

/// Of all chains of a group. Offsets count doubles from the beginning of a chain's memory.
struct ChainPlan : ChainLaunch {
    static constexpr int most_parts = 64;
    CellPlan cell;
    bool full = true;               ///< tangents of the whole state; otherwise of the readout block, the others held fixed
    bool from_unit_vectors = true;  ///< initial tangents are columns of 1
    int32_t dimension = 0;          ///< n, of tangents
    int32_t exponents = 0;          ///< K
    int32_t warmup = 0, total = 0;
    const float* noise = nullptr;  ///< chain_noise(K) on the device
    MatrixPart part[most_parts];
    int32_t first_part[2 * 8 * max_stages + 1] = {};  ///< at place_of() and after it

    int64_t state = 0, next = 0;     ///< (D) each
    int64_t pre = 0;                 ///< (slots H) of the stage in work
    int64_t d_a[max_stages] = {};    ///< (blocks x slots x H) ds'_b/da_k at [(b * slots + k) * H + i]
    int64_t d_s[max_stages] = {};    ///< (blocks x blocks x H) ds'_b/ds_c at [(b * blocks + c) * H + i]
    int64_t q = 0, z = 0;            ///< (n x K) and (D x K)
    int64_t step_matrix = 0;         ///< (H x H) row-major, where it is formed
    int64_t log_sum = 0, log_r = 0;  ///< (K)
    int64_t ratios = 0;              ///< floats (padded K x K)
    int64_t errors = 0;              ///< ChainErrorsMemory
    int64_t qr_work = 0;
    int64_t sums = 0;      ///< Team::sum() and Team::count() of large chains
    int64_t memory = 0;    ///< doubles of one chain
    bool by_team = false;  ///< large ones: by accurate_qr_team(), otherwise by one block of the team

    AELLE_HOST_DEVICE int64_t state_size() const { return cell.state_size(); }
    AELLE_HOST_DEVICE int64_t ratios_ld() const { return ChainErrorsMemory::padded(exponents); }
    AELLE_HOST_DEVICE ChainErrorsMemory errors_of(double* chain) const {
        return {.data = reinterpret_cast<char*>(chain + errors), .noise = noise, .dimension = dimension, .columns = exponents};
    }
    /// The matrices by which a stage reads a block as it finds it, or as it was before the step.
    AELLE_HOST_DEVICE static int place_of(int stage, int block, bool found) { return (stage * 8 + block) * 2 + (found ? 1 : 0); }
    /// Whether matrices are added up in memory: several tiles of columns would add them up again.
    AELLE_HOST_DEVICE bool forms_matrix() const { return exponents > chain_columns_at_once; }
    /// Whether the whole matrix fits into the registers of a block (qr_registers.hpp).
    AELLE_HOST_DEVICE bool in_registers() const { return dimension == 64 && exponents == 64; }
    AELLE_HOST_DEVICE static constexpr int64_t whole_lines(int64_t bytes) { return (bytes + 127) / 128 * 128; }
    /// Earlier stages wrote the block and the last one only reads it (kernels/linearise.hpp, sheared_blocks).
    AELLE_HOST_DEVICE bool sheared(int block) const { return full && cell.writer[block] >= 0 && cell.writer[block] < cell.stages - 1; }
    AELLE_HOST_DEVICE bool shears() const {
        bool any = false;
        for (int b = 0; b < cell.blocks; ++b) any = any || sheared(b);
        return any;
    }
};

/// Lists the matrices of all stages.
inline void list_parts(ChainPlan& plan) {
    const CellPlan& cell = plan.cell;
    int32_t count = 0;
    for (int s = 0; s < cell.stages; ++s) {
        for (int b = 0; b < cell.blocks; ++b) {
            for (const bool found : {false, true}) {
                plan.first_part[ChainPlan::place_of(s, b, found)] = count;
                for (int n = cell.first_term[s]; n < cell.first_term[s + 1]; ++n) {
                    const TermPlan& term = cell.term[n];
                    if (term.block != b || term.source != (found ? cells::Source::updated_state : cells::Source::state)) continue;
                    for (int r = 0; r < term.rows / cell.hidden; ++r) {
                        require(count < ChainPlan::most_parts, "the GPU's plan of a chain: too many matrices");
                        plan.part[count++] = {
                            .offset = (term.matrix >= 0 ? term.matrix : term.offset) + int64_t{r} * cell.hidden * cell.hidden,
                            .built = term.matrix >= 0,
                            .tanh = term.through == cells::Through::tanh,
                            .slot = term.slot + r};
                    }
                }
                for (int after = ChainPlan::place_of(s, b, found) + 1; after <= 2 * 8 * max_stages; ++after) plan.first_part[after] = count;
            }
        }
    }
}

/// Who factors, and in which memory. Returns the bytes of work in device memory.
inline std::size_t choose_factorisation(ChainPlan& plan, int64_t shared_limit, int32_t large_from) {
    const auto panel = [](int height) { return static_cast<int64_t>(product_units_scratch(chain_threads, height) * sizeof(double)); };
    std::size_t work = accurate_qr_work<double>(plan.dimension, plan.exponents);
    if (plan.in_registers()) work = std::max(work, accurate_qr_registers_work<64, chain_threads>());
    // A product and a factorisation never run at once: they share the memory.
    const int64_t matrix = ChainPlan::whole_lines(8 * int64_t{plan.dimension} * plan.exponents);
    plan.shared_bytes = ChainPlan::whole_lines(std::max(panel(1), matrix + static_cast<int64_t>(work))) + chain_scratch;
    plan.large = plan.dimension >= large_from || plan.shared_bytes > shared_limit;
    plan.by_team = false;
    if (!plan.large) return 0;
    plan.shared_bytes = panel(2);
    if (plan.dimension > most_team_rows) return work;
    const auto shared = static_cast<int64_t>(accurate_qr_team_shared(plan.dimension));
    if (shared > shared_limit) return work;
    plan.by_team = true;
    plan.shared_bytes = std::max(plan.shared_bytes, shared);
    return accurate_qr_team_work(plan.dimension, plan.exponents);
}

/// Lays out a chain's memory; cell, sizes and space of the plan must be there. shared_limit: bytes of shared memory that a block may have.
inline void lay_out(ChainPlan& plan, int64_t shared_limit, int32_t large_from = large_chain) {
    constexpr int64_t unit = 16;  // 128 bytes
    int64_t at = 0;
    const auto take = [&](int64_t count) {
        const int64_t begin = at;
        at += (count + unit - 1) / unit * unit;
        return begin;
    };
    const CellPlan& cell = plan.cell;
    const int64_t k = plan.exponents, hidden = cell.hidden;
    list_parts(plan);
    const std::size_t work = choose_factorisation(plan, shared_limit, large_from);
    plan.state = take(plan.state_size());
    plan.next = take(plan.state_size());
    plan.pre = take(hidden * *std::max_element(cell.slots, cell.slots + cell.stages));
    for (int s = 0; s < cell.stages; ++s) {
        plan.d_a[s] = take(cell.blocks * cell.slots[s] * hidden);
        plan.d_s[s] = take(cell.blocks * cell.blocks * hidden);
    }
    plan.q = take(plan.dimension * k);
    plan.z = take(plan.state_size() * k);
    plan.step_matrix = take(plan.forms_matrix() ? hidden * hidden : 0);
    plan.log_sum = take(k);
    plan.log_r = take(k);
    plan.ratios = take((plan.ratios_ld() * k + 1) / 2);
    plan.errors = take((ChainErrorsMemory::bytes(plan.dimension, plan.exponents) + 7) / 8);
    plan.sums = take(Team::count_scratch);
    plan.qr_work = take(static_cast<int64_t>((work + 7) / 8));
    plan.memory = at;
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
