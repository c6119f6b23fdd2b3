#pragma once
/// accurate_qr() (qr.hpp) for N x N matrices of double whose N is known to the compiler, with the matrix in registers (performance.md 3.2, step Q2).
///
/// Entries are spread cyclically over the threads: eight lanes of a warp have a column, each of them pairs of rows 16 apart, and the columns of a
/// thread are Threads / 8 apart. Neighbouring lanes have neighbouring columns, so that four of them load the same part of a reflector. Every
/// array in registers is indexed by constants. Reflectors go through the shared memory of the matrix itself, which is free once it has been
/// read: v of column j is written to column j, zero above its pivot, and stays for forming Q, which then needs no barrier at all; factoring
/// needs one for each column. The work comes in stages by the number of reflectors, each with its own code, so that rows and columns which
/// are finished cost little. Q starts as the identity in registers; register column s is slot s (qr.hpp).

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/cuda/block.hpp"
#include "kernels/cuda/qr.hpp"
#include "kernels/cuda/view.hpp"

#if defined(__CUDACC__)
#define AELLE_NO_UNROLL _Pragma("unroll 1")
#else
#define AELLE_NO_UNROLL
#endif

namespace aelle::cuda {
namespace qr_detail {

template <int N, int Threads>
struct RegisterWork {
    double* r;        ///< as in Work
    double* tau;      ///< of the reflector of column j; 0 of a zero column
    double* row_max;  ///< by segment of columns and row
    int* before;      ///< by segment and row: how many rows of the segment come before this one
    int* order;       ///< row of the matrix that is sorted to place i
    int* exponent;    ///< column j was multiplied by 2^exponent[j]
    int* r_exponent;  ///< as in Work
    int* column_of;   ///< of slot s
    int* votes;       ///< of warps

    static constexpr std::size_t bytes =
        (2 * N + Threads) * sizeof(double) + (Threads + 4 * N + static_cast<std::size_t>(warp_size)) * sizeof(int);
    AELLE_DEVICE explicit RegisterWork(char* memory)
        : r(reinterpret_cast<double*>(memory)),
          tau(r + N),
          row_max(tau + N),
          before(reinterpret_cast<int*>(row_max + Threads)),
          order(before + Threads),
          exponent(order + N),
          r_exponent(exponent + N),
          column_of(r_exponent + N),
          votes(column_of + N) {}
};

template <int N, int Threads>
class RegisterHouseholder {
public:
    static constexpr int lanes = 8, groups = Threads / lanes, rows = N / lanes, cols = N / groups;  // rows, cols: of a thread
    static constexpr int columns_of_warp = warp_size / lanes;
    static constexpr int stages = 4, stage_pivots = N / stages;
    static constexpr int segments = Threads / N, segment = N / segments;
    static_assert(N % (2 * lanes * stages) == 0 && N % groups == 0 && Threads % N == 0 && cols <= 4);

    using Tile = double[rows][cols];
    using Reflector = double[rows];

    AELLE_DEVICE RegisterHouseholder(const Block& block, View<double> z, char* work)
        : block_(block),
          z_(z),
          work_(work),
          lane_(block.lane() / columns_of_warp),
          group_(block.warp() * columns_of_warp + block.lane() % columns_of_warp) {}

    AELLE_DEVICE void run(double* log_r, View<float> ratios) {
        Tile x;
        int reflectors = 0;
        if (!factor(x, reflectors, log_r)) return;
        if (ratios.data != nullptr) store_ratios(x, reflectors, ratios);
        set_identity(x);
        int j = N - 1, pivot = reflectors - 1;
        form_stage<3>(x, j, pivot);
        form_stage<2>(x, j, pivot);
        form_stage<1>(x, j, pivot);
        form_stage<0>(x, j, pivot);
        store(x);
    }

protected:
    /// x becomes R, in slots; the matrix in shared memory makes way for the reflectors. False, with logs of NaN, where an entry is not finite.
    AELLE_DEVICE bool factor(Tile& x, int& reflectors, double* log_r) {
        if (!sort_rows()) {
            block_.each(N, [&](int64_t j) { log_r[j] = std::numeric_limits<double>::quiet_NaN(); });
            return false;
        }
        load(x);
        make_reflector<0>(x, 0, 0);
        block_.sync();
        int j = 0;
        reflectors = 0;
        factor_stage<0>(x, j, reflectors);
        factor_stage<1>(x, j, reflectors);
        factor_stage<2>(x, j, reflectors);
        factor_stage<3>(x, j, reflectors);
        finish(reflectors, log_r);
        return true;
    }

    /// Places of this thread's register rows and columns. Every 16 rows from a multiple of 16 on are a pair of each lane.
    static constexpr int row_step(int i) { return i / 2 * (2 * lanes) + i % 2; }
    AELLE_DEVICE int row(int i) const { return row_step(i) + 2 * lane_; }
    AELLE_DEVICE int column(int k) const { return group_ + k * groups; }

    /// First register row and column that a stage has not finished.
    template <int Stage>
    static constexpr int live_row = Stage* stage_pivots / lanes;
    template <int Stage>
    static constexpr int live_column = Stage* stage_pivots / groups;

    /// As in Householder; threads share a row, each with a segment of the columns or of the other rows.
    AELLE_DEVICE bool sort_rows() {
        const int mine = block_.thread() % N, first = block_.thread() / N * segment;
        bool bad = false;
        double largest = 0.0;
        for (int j = first; j < first + segment; ++j) {
            const double size = std::fabs(z_(mine, j));
            bad = bad || !(size <= std::numeric_limits<double>::max());
            largest = size > largest ? size : largest;
        }
        work_.row_max[block_.thread()] = largest;
        if (block_.any(bad, work_.votes)) return false;  // with barriers
        if (block_.thread() < N) {
            for (int s = 1; s < segments; ++s) {
                const double other = work_.row_max[s * N + mine];
                largest = other > largest ? other : largest;
            }
            work_.row_max[mine] = largest;
        }
        block_.sync();
        largest = work_.row_max[mine];
        int before = 0;
        for (int i = first; i < first + segment; ++i)
            before += work_.row_max[i] > largest || (work_.row_max[i] == largest && i < mine) ? 1 : 0;
        work_.before[block_.thread()] = before;
        block_.sync();
        if (block_.thread() < N) {
            for (int s = 1; s < segments; ++s) before += work_.before[s * N + mine];
            work_.order[before] = mine;
        }
        block_.sync();
        return true;
    }

    /// Rows sorted, columns scaled. Ends with a barrier: then the matrix in shared memory is free.
    AELLE_DEVICE void load(Tile& x) {
        AELLE_UNROLL
        for (int i = 0; i < rows; ++i) {
            const int from = work_.order[row(i)];
            AELLE_UNROLL
            for (int k = 0; k < cols; ++k) x[i][k] = z_(from, column(k));
        }
        AELLE_UNROLL
        for (int k = 0; k < cols; ++k) {
            double largest = 0.0;
            AELLE_UNROLL
            for (int i = 0; i < rows; ++i) largest = std::fabs(x[i][k]) > largest ? std::fabs(x[i][k]) : largest;
            largest = lanes_max(largest);
            const int exponent = largest > 0.0 ? Format<double>::target - exponent_of(largest) : 0;
            const PowerOfTwo<double> scale(exponent);
            AELLE_UNROLL
            for (int i = 0; i < rows; ++i) x[i][k] = scale(x[i][k]);
            if (lane_ == 0) work_.exponent[column(k)] = exponent;
        }
        block_.sync();
    }

    AELLE_DEVICE double lanes_max(double value) const {
        AELLE_UNROLL
        for (int mask = warp_size / 2; mask >= columns_of_warp; mask /= 2) {
            const double other = block_.shuffle_xor(value, mask);
            value = other > value ? other : value;
        }
        return value;
    }

    /// Sums over the lanes of a column from live column K on, all in all lanes. As in warp_sums(): lanes pass on what others add up.
    template <int K>
    AELLE_DEVICE void lanes_sums(double (&sum)[cols]) const {
        const bool upper = (lane_ & 4) != 0, odd = (lane_ & 2) != 0;
        const int mine = block_.lane() % columns_of_warp;
        if constexpr (cols - K == 1) {
            AELLE_UNROLL
            for (int mask = warp_size / 2; mask >= columns_of_warp; mask /= 2) sum[K] += block_.shuffle_xor(sum[K], mask);
        } else if constexpr (cols - K == 2) {
            double one = (upper ? sum[K + 1] : sum[K]) + block_.shuffle_xor(upper ? sum[K] : sum[K + 1], 16);
            one += block_.shuffle_xor(one, 8);
            one += block_.shuffle_xor(one, 4);
            sum[K] = block_.shuffle(one, mine);
            sum[K + 1] = block_.shuffle(one, mine + 16);
        } else {
            constexpr bool four = cols - K == 4;
            double low = upper ? sum[K + 2] : sum[K], high = upper ? (four ? sum[cols - 1] : 0.0) : sum[K + 1];
            low += block_.shuffle_xor(upper ? sum[K] : sum[K + 2], 16);
            high += block_.shuffle_xor(upper ? sum[K + 1] : (four ? sum[cols - 1] : 0.0), 16);
            double one = (odd ? high : low) + block_.shuffle_xor(odd ? low : high, 8);
            one += block_.shuffle_xor(one, 4);
            AELLE_UNROLL
            for (int k = K; k < cols; ++k) sum[k] = block_.shuffle(one, mine + 8 * (k - K));
        }
    }

    /// x -= tau v (v . x) for all columns after `after`, where v is in column j of the matrix. Register rows and columns before the first ones are
    /// left out: those of v are zero, and those of x nothing to do with v.
    template <int first_row, int first_column>
    AELLE_DEVICE void reflect(Tile& x, int j, double tau, int after) const {
        Reflector v;
        const double* from = z_.column(j) + 2 * lane_;
        AELLE_UNROLL
        for (int i = first_row; i < rows; i += 2) {
            const Pair two = load_pair(from + i * lanes);
            v[i] = two.first, v[i + 1] = two.second;
        }
        double sum[cols];
        AELLE_UNROLL
        for (int k = first_column; k < cols; ++k) sum[k] = v[first_row] * x[first_row][k];
        AELLE_UNROLL
        for (int i = first_row + 1; i < rows; ++i) {
            AELLE_UNROLL
            for (int k = first_column; k < cols; ++k) sum[k] = multiply_add(v[i], x[i][k], sum[k]);
        }
        lanes_sums<first_column>(sum);
        AELLE_UNROLL
        for (int k = first_column; k < cols; ++k) sum[k] = k * groups > after - group_ ? sum[k] * -tau : 0.0;
        AELLE_UNROLL
        for (int i = first_row; i < rows; ++i) {
            AELLE_UNROLL
            for (int k = first_column; k < cols; ++k) x[i][k] = multiply_add(sum[k], v[i], x[i][k]);
        }
    }

    /// As in Householder, for column j, by the warp that has it: all its lanes go the same way, with the numbers of the lanes that have the column.
    template <int Stage>
    AELLE_DEVICE void make_reflector(const Tile& x, int j, int pivot) const {
        constexpr int first_row = live_row<Stage>;
        const int owner = j % groups;
        if (block_.warp() != owner / columns_of_warp) return;
        const int first = owner % columns_of_warp, place = j / groups, pivot_lane = pivot % (2 * lanes) / 2;
        const int pivot_step = pivot - 2 * lane_;  // rows are compared by constants: they take no registers
        const bool mine = block_.lane() % columns_of_warp == first;
        double alpha = 0.0, even = 0.0, odd = 0.0;
        AELLE_UNROLL
        for (int i = first_row; i < rows; i += 2) {
            const double low = row_step(i) < pivot_step ? 0.0 : chosen<Stage>(x[i], place);
            const double high = row_step(i + 1) < pivot_step ? 0.0 : chosen<Stage>(x[i + 1], place);
            if (row_step(i) == pivot_step) alpha = low;
            if (row_step(i + 1) == pivot_step) alpha = high;
            even = multiply_add(low, low, even);
            odd = multiply_add(high, high, odd);
            if (mine) store_pair(z_.column(j) + 2 * lane_ + i * lanes, low, high);
        }
        alpha = block_.shuffle(alpha, first + pivot_lane * columns_of_warp);
        double square = even + odd;
        square += block_.shuffle_xor(square, 16);
        square += block_.shuffle_xor(square, 8);
        square = block_.shuffle(square, first) + block_.shuffle(square, first + columns_of_warp);
        int exponent = 0;
        if (!(square >= 1.0)) {  // far below the largest of the whole column
            if (!rescale(z_.column(j), first_row, mine, square, exponent)) {
                if (block_.lane() == first) work_.tau[j] = 0.0;
                return;
            }
            alpha = PowerOfTwo<double>(exponent)(alpha);
        }
        if (!mine || lane_ != pivot_lane) return;
        const double norm = std::sqrt(square), signed_norm = std::copysign(norm, alpha);
        z_(pivot, j) = alpha + signed_norm;
        work_.tau[j] = 1.0 / (norm * (norm + std::fabs(alpha)));
        work_.r[j] = -signed_norm;
        work_.r_exponent[j] = -(work_.exponent[j] + exponent);
    }

    template <int Stage>
    static AELLE_DEVICE double chosen(const double (&x)[cols], int place) {
        double value = x[live_column<Stage>];
        AELLE_UNROLL
        for (int k = live_column<Stage> + 1; k < cols; ++k) value = k == place ? x[k] : value;
        return value;
    }

    /// By one warp: scales a reflector in shared memory, where rows from `first_row` of this thread's on are set and those before the pivot zero; its
    /// square and the exponent of the scale. False where it is zero. Seldom needed, so it takes no registers from the rest.
    AELLE_DEVICE bool rescale(double* v, int first_row, bool mine, double& square, int& exponent) const {
        block_.sync_warp();
        double largest = 0.0;
        AELLE_NO_UNROLL
        for (int i = first_row; i < rows; ++i) {
            const double size = std::fabs(v[row(i)]);
            largest = size > largest ? size : largest;
        }
        largest = lanes_max(largest);
        if (largest == 0.0) return false;
        exponent = Format<double>::target - exponent_of(largest);
        const PowerOfTwo<double> scale(exponent);
        square = 0.0;
        AELLE_NO_UNROLL
        for (int i = first_row; i < rows; ++i) {
            const double value = scale(v[row(i)]);
            square = multiply_add(value, value, square);
            block_.sync_warp();  // four lanes have read it
            if (mine) v[row(i)] = value;
        }
        AELLE_UNROLL
        for (int mask = warp_size / 2; mask >= columns_of_warp; mask /= 2) square += block_.shuffle_xor(square, mask);
        return true;
    }

    /// Until the rows of the stage have their reflectors. A zero column makes none: then columns run ahead of rows, and some that are finished still
    /// belong to those the stage goes through.
    template <int Stage>
    AELLE_DEVICE void factor_stage(Tile& x, int& j, int& pivot) const {
        while (j < N && pivot < (Stage + 1) * stage_pivots) {
            const double tau = work_.tau[j];
            const int next = pivot + (tau != 0.0 ? 1 : 0);
            if (j + 1 < N) {
                if (tau != 0.0) reflect<live_row<Stage>, live_column<Stage>>(x, j, tau, j);
                make_reflector<Stage>(x, j + 1, next);
            }
            block_.sync();
            ++j;
            pivot = next;
        }
    }

    template <int Stage>
    AELLE_DEVICE void form_stage(Tile& x, int& j, int& pivot) const {
        while (j >= 0 && pivot >= Stage * stage_pivots) {
            const double tau = work_.tau[j];
            if (tau != 0.0) {
                reflect<live_row<Stage>, live_column<Stage>>(x, j, tau, -1);  // unit vectors before the pivot have nothing in common with v
                --pivot;
            }
            --j;
        }
    }

    AELLE_DEVICE void finish(int reflectors, double* log_r) {
        block_.each(N, [&](int64_t index) {
            const int j = static_cast<int>(index);
            const bool zero = work_.tau[j] == 0.0;
            int slot = j;
            if (reflectors < N) {
                slot = zero ? reflectors : 0;
                for (int k = 0; k < j; ++k) slot += (work_.tau[k] == 0.0) == zero ? 1 : 0;
            }
            work_.column_of[slot] = j;
            if (zero) {
                log_r[j] = -std::numeric_limits<double>::infinity();
                return;
            }
            log_r[j] = log_scaled(std::fabs(work_.r[j]), work_.r_exponent[j]);
            invert(work_.r[j], work_.r_exponent[j]);
        });
    }

    AELLE_DEVICE void store_ratios(const Tile& x, int reflectors, View<float> ratios) const {
        AELLE_UNROLL
        for (int i = 0; i < rows; ++i) {
            const int j = work_.column_of[row(i)];
            AELLE_UNROLL
            for (int k = 0; k < cols; ++k) {
                const int other = column(k);
                float value = j == other ? 1.0f : 0.0f;
                if (j < other && row(i) < reflectors) value = ratio(x[i][k], work_.r[j], work_.r_exponent[j] - work_.exponent[other]);
                ratios(j, other) = value;
            }
        }
    }

    AELLE_DEVICE void set_identity(Tile& x) const {
        AELLE_UNROLL
        for (int i = 0; i < rows; ++i) {
            AELLE_UNROLL
            for (int k = 0; k < cols; ++k) x[i][k] = row(i) == column(k) ? 1.0 : 0.0;
        }
    }

    AELLE_DEVICE void store(const Tile& x) const {
        block_.sync();
        AELLE_UNROLL
        for (int i = 0; i < rows; ++i) {
            const int to = work_.order[row(i)];
            AELLE_UNROLL
            for (int k = 0; k < cols; ++k) z_(to, work_.column_of[column(k)]) = x[i][k];
        }
        block_.sync();
    }

    const Block& block_;
    View<double> z_;
    RegisterWork<N, Threads> work_;
    int lane_, group_;
};

}  // namespace qr_detail

/// Bytes of `work` for accurate_qr_registers().
template <int N, int Threads>
constexpr std::size_t accurate_qr_registers_work() {
    return qr_detail::RegisterWork<N, Threads>::bytes;
}

/// accurate_qr() of z (N x N) in shared memory, aligned to 16 bytes, as its ld is; `work` in shared memory too. By a block of `Threads`.
template <int N, int Threads>
AELLE_DEVICE void accurate_qr_registers(const Block& block, View<double> z, double* log_r, View<float> ratios, char* work) {
    qr_detail::RegisterHouseholder<N, Threads>(block, z, work).run(log_r, ratios);
}

/// As BatchedQr, of N x N matrices.
template <int N, int Threads>
struct BatchedQrRegisters {
    static constexpr int threads = Threads, blocks_per_multiprocessor = N > 64 ? 1 : Threads > 128 ? 3 : 4;
    double* z;
    int64_t stride;
    double* log_r;
    float* ratios;

    static constexpr std::size_t shared_bytes = sizeof(double) * N * N + accurate_qr_registers_work<N, Threads>();

    AELLE_DEVICE void operator()(const Block& block) const {
        const int64_t index = block.index();
        double* mine = z + index * stride;
        auto* at = reinterpret_cast<double*>(block.shared());
        View<float> mine_ratios;
        if (ratios != nullptr) mine_ratios = {ratios + index * N * N, N, N, N};
        block.each(N * N, [&](int64_t i) { at[i] = mine[i]; });
        accurate_qr_registers<N, Threads>(block, {at, N, N, N}, log_r + index * N, mine_ratios, block.shared() + sizeof(double) * N * N);
        block.each(N * N, [&](int64_t i) { mine[i] = at[i]; });
    }
};

}  // namespace aelle::cuda
