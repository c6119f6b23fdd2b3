#pragma once
/// QR factorisation of one matrix by one block of threads (performance.md 3.2, step Q1), with the guarantees of Backend::qr and
/// QrMethod::accurate; kernels/reference/qr.cpp defines what is correct.
///
/// Rows are sorted by decreasing largest entry, which leaves R as it is and keeps graded rows accurate (performance.md 3.1), and every column is
/// multiplied by a power of two, which is exact, so that squares neither overflow nor underflow. Then unblocked Householder reflections
/// 1 - tau v v', v = x - beta e, beta = -sign(alpha) ||x||, in place: v of column j takes its rows from the pivot on, R the rows above, and Q,
/// formed backwards, overwrites both. A column that is zero from its pivot on makes no reflector and its pivot goes to the next column; in Q
/// it gets a direction that no other column needs. "Slot" s is the s-th unit vector, from which the column `column_of[s]` of Q is formed:
/// reflectors come first, zero columns after them.
///
/// One warp has a column at a time and its lanes the rows, 32 apart; the first warp goes ahead with the next reflector, so that there is one barrier
/// for each column. Four columns share the loads of v and the shuffles of their sums, which are those of a butterfly, bit for bit: results do
/// not depend on the number of threads.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <type_traits>

#include "kernels/cuda/block.hpp"
#include "kernels/cuda/view.hpp"
#include "kernels/cuda/wide.hpp"

/// For loops over rows in steps of a warp: more would take more registers than a block that has company may have.
#if defined(__CUDACC__)
#define AELLE_UNROLL_TWICE _Pragma("unroll 2")
#else
#define AELLE_UNROLL_TWICE
#endif

namespace aelle::cuda {
namespace qr_detail {

/// Of IEEE numbers; `target` is the exponent that columns and reflectors are scaled to: entries far below the largest stay normal, and squares of
/// the largest and their products with each other stay finite for any number of rows.
template <class T>
struct Format;
template <>
struct Format<double> {
    using Bits = uint64_t;
    static constexpr int mantissa = 52, bias = 1023, target = 300;
};
template <>
struct Format<float> {
    using Bits = uint32_t;
    static constexpr int mantissa = 23, bias = 127, target = 40;
};

/// 2^exponent, a normal number.
template <class T>
AELLE_DEVICE T power_of_two(int exponent) {
    using Bits = typename Format<T>::Bits;
    return std::bit_cast<T>(static_cast<Bits>(static_cast<Bits>(exponent + Format<T>::bias) << Format<T>::mantissa));
}

/// e of x = m 2^e, 1/2 <= m < 1; x finite and positive.
template <class T>
AELLE_DEVICE int exponent_of(T x) {
    const bool subnormal = x < std::numeric_limits<T>::min();
    const auto bits = std::bit_cast<typename Format<T>::Bits>(subnormal ? x * power_of_two<T>(64) : x);
    return static_cast<int>(bits >> Format<T>::mantissa) - (Format<T>::bias - 1) - (subnormal ? 64 : 0);
}

/// Multiplies by 2^exponent in two exact halves: the factor itself may be out of range.
template <class T>
struct PowerOfTwo {
    T first, second;
    AELLE_DEVICE explicit PowerOfTwo(int exponent)
        : first(power_of_two<T>(exponent / 2)), second(power_of_two<T>(exponent - exponent / 2)) {}
    AELLE_DEVICE T operator()(T x) const { return x * first * second; }
};

/// log(x 2^exponent), x positive and normal, without the cancellation of two large logarithms.
AELLE_DEVICE double log_scaled(double x, int exponent) {
    int shift = exponent_of(x);
    double mantissa = x * power_of_two<double>(-shift);
    if (mantissa < std::numbers::sqrt2 / 2) {
        mantissa *= 2;
        --shift;
    }
    return std::log(mantissa) + static_cast<double>(exponent + shift) * std::numbers::ln2;
}

/// What is kept of r_jj: r 2^exponent. Later: its inverse in the same form, with 1 <= |r| <= 2, so that products with it are in range.
AELLE_DEVICE void invert(double& r, int& exponent) {
    const int shift = exponent_of(std::fabs(r));
    r = 1.0 / (r * power_of_two<double>(-shift));
    exponent = -(exponent + shift);
}

/// x 2^exponent inverse, far inside the range of float, so that sums of products of a few stay there.
AELLE_DEVICE float ratio(double x, double inverse, int exponent) {
    constexpr double limit = 1e18;
    const int within = exponent > 2000 ? 2000 : exponent < -2000 ? -2000 : exponent;
    const double value = PowerOfTwo<double>(within)(x * inverse);
    return static_cast<float>(value > limit ? limit : value < -limit ? -limit : value);
}

/// Sums over the 32 lanes of a warp of each of four numbers, all in all lanes. Lanes pass on what others add up: half the shuffles of four warp_sum()
/// and the same bits, since those differ by the order of two summands only.
template <class T>
AELLE_DEVICE void warp_sums(const Block& block, T (&sum)[4]) {
    const bool upper = (block.lane() & 16) != 0, odd = (block.lane() & 8) != 0;
    T low = upper ? sum[2] : sum[0], high = upper ? sum[3] : sum[1];
    low += block.shuffle_xor(upper ? sum[0] : sum[2], 16);
    high += block.shuffle_xor(upper ? sum[1] : sum[3], 16);
    T one = (odd ? high : low) + block.shuffle_xor(odd ? low : high, 8);
    AELLE_UNROLL
    for (int mask = 4; mask > 0; mask /= 2) one += block.shuffle_xor(one, mask);
    AELLE_UNROLL
    for (int c = 0; c < 4; ++c) sum[c] = block.shuffle(one, 8 * c);
}
template <class T>
AELLE_DEVICE void warp_sums(const Block& block, T (&sum)[1]) {
    sum[0] = block.warp_sum(sum[0]);
}

/// Place of a row among all, by decreasing largest entry; equal ones stay in order.
template <class T>
AELLE_DEVICE int sorted_place(const T* largest, int rows, int row) {
    const T mine = largest[row];
    int before = 0;
    for (int k = 0; k < rows; ++k) before += largest[k] > mine || (largest[k] == mine && k < row) ? 1 : 0;
    return before;
}

/// Memory of a factorisation beside the matrix itself.
template <class T>
struct Work {
    double* r;        ///< of column j: r_jj = r[j] 2^r_exponent[j], later its inverse; 0 of a zero column
    T* row_max;       ///< by row; later room for a column
    T* tau;           ///< of the reflector of column j
    int* order;       ///< row of the matrix that is sorted to place i
    int* exponent;    ///< column j was multiplied by 2^exponent[j]
    int* r_exponent;  ///< see r
    int* slot_of;     ///< of column j; negative where the column is zero
    int* column_of;   ///< of slot s
    int* votes;       ///< of warps

    static constexpr std::size_t bytes(int rows, int cols) {
        const auto m = static_cast<std::size_t>(rows), n = static_cast<std::size_t>(cols);
        return (n * sizeof(double) + (m + n) * sizeof(T) + (m + 4 * n + warp_size) * sizeof(int) + 15) / 16 * 16;
    }
    AELLE_DEVICE Work(char* memory, int rows, int cols)
        : r(reinterpret_cast<double*>(memory)),
          row_max(reinterpret_cast<T*>(r + cols)),
          tau(row_max + rows),
          order(reinterpret_cast<int*>(tau + cols)),
          exponent(order + rows),
          r_exponent(exponent + cols),
          slot_of(r_exponent + cols),
          column_of(slot_of + cols),
          votes(column_of + cols) {}

    /// Of a column that is factored, as are all others: log_r, the inverse of its diagonal, and the slot of a zero column.
    AELLE_DEVICE void finish(int j, int reflectors, double* log_r) const {
        if (slot_of[j] >= 0) {
            log_r[j] = log_scaled(std::fabs(r[j]), r_exponent[j]);
            invert(r[j], r_exponent[j]);
            return;
        }
        log_r[j] = -std::numeric_limits<double>::infinity();
        int slot = reflectors;
        for (int k = 0; k < j; ++k) slot += slot_of[k] < 0 ? 1 : 0;
        column_of[slot] = j;
    }
    /// r_jk / r_jj, where all columns are finished and z holds R above the pivots.
    AELLE_DEVICE float ratio_of(View<T> z, int j, int k) const {
        const int slot = slot_of[j];
        if (j >= k || slot < 0) return j == k ? 1.0f : 0.0f;
        return ratio(static_cast<double>(z(slot, k)), r[j], r_exponent[j] - exponent[k]);
    }
};

template <class T>
class Householder {
public:
    AELLE_DEVICE Householder(const Block& block, View<T> z, char* work) : block_(block), z_(z), work_(work, z.rows, z.cols) {}

    AELLE_DEVICE void run(double* log_r, View<float> ratios) {
        if (!sort_rows()) {
            block_.each(z_.cols, [&](int64_t j) { log_r[j] = std::numeric_limits<double>::quiet_NaN(); });
            return;
        }
        permute(false);
        scale_columns();
        const int reflectors = factor();
        finish(reflectors, log_r);
        if (ratios.data != nullptr) store_ratios(ratios);
        form_q(reflectors);
        permute(true);
    }

private:
    static constexpr int tile = 4;         ///< columns that share loads of v
    static constexpr int held_values = 8;  ///< of a column, in the registers of a lane

    /// False where an entry is not finite.
    AELLE_DEVICE bool sort_rows() {
        bool bad = false;
        for (int i = block_.thread(); i < z_.rows; i += block_.threads()) {
            T largest = T(0);
            for (int j = 0; j < z_.cols; ++j) {
                const T size = std::fabs(z_(i, j));
                bad = bad || !(size <= std::numeric_limits<T>::max());
                largest = size > largest ? size : largest;
            }
            work_.row_max[i] = largest;
        }
        if (block_.any(bad, work_.votes)) return false;  // with barriers
        block_.each(z_.rows,
                    [&](int64_t i) { work_.order[sorted_place(work_.row_max, z_.rows, static_cast<int>(i))] = static_cast<int>(i); });
        return true;
    }

    /// Rows of all columns into sorted order, or back.
    AELLE_DEVICE void permute(bool back) {
        if (z_.rows <= held_values * warp_size) {
            for (int j = block_.warp(); j < z_.cols; j += block_.warps()) permute_held(z_.column(j), back);
            block_.sync();
            return;
        }
        T* room = work_.row_max;
        for (int j = 0; j < z_.cols; ++j) {
            T* x = z_.column(j);
            block_.each(z_.rows, [&](int64_t i) { (back ? room[work_.order[i]] : room[i]) = back ? x[i] : x[work_.order[i]]; });
            block_.each(z_.rows, [&](int64_t i) { x[i] = room[i]; });
        }
    }
    AELLE_DEVICE void permute_held(T* x, bool back) {
        T held[held_values] = {};
        AELLE_UNROLL
        for (int c = 0; c < held_values; ++c) {
            const int i = block_.lane() + c * warp_size;
            if (i < z_.rows) held[c] = x[back ? i : work_.order[i]];
        }
        block_.sync_warp();
        AELLE_UNROLL
        for (int c = 0; c < held_values; ++c) {
            const int i = block_.lane() + c * warp_size;
            if (i < z_.rows) x[back ? work_.order[i] : i] = held[c];
        }
    }

    AELLE_DEVICE void scale_columns() {
        for (int j = block_.warp(); j < z_.cols; j += block_.warps()) {
            T* x = z_.column(j);
            const T largest = largest_below(x, 0);
            const int exponent = largest > T(0) ? Format<T>::target - exponent_of(largest) : 0;
            const PowerOfTwo<T> scale(exponent);
            for (int i = block_.lane(); i < z_.rows; i += warp_size) x[i] = scale(x[i]);
            if (block_.lane() == 0) work_.exponent[j] = exponent;
        }
        block_.sync();
    }

    /// The first of this lane's rows in the 32 rows that hold the pivot; it may lie before the pivot.
    AELLE_DEVICE int first_row(int pivot) const { return pivot / warp_size * warp_size + block_.lane(); }

    AELLE_DEVICE T largest_below(const T* x, int pivot) const {
        T largest = T(0);
        for (int i = first_row(pivot); i < z_.rows; i += warp_size) {
            const T size = i >= pivot ? std::fabs(x[i]) : T(0);
            largest = size > largest ? size : largest;
        }
        return block_.warp_max(largest);
    }
    AELLE_DEVICE T square_below(const T* x, int pivot) const {
        T square = T(0);
        for (int i = first_row(pivot); i < z_.rows; i += warp_size) {
            const T value = i >= pivot ? x[i] : T(0);
            square = multiply_add(value, value, square);
        }
        return block_.warp_sum(square);
    }

    /// By one warp: the reflector that maps x[pivot:] of column j, which all earlier reflectors have passed, to a multiple of a unit vector.
    AELLE_DEVICE void make_reflector(int j, int pivot) {
        T* x = z_.column(j);
        T square = square_below(x, pivot);
        int exponent = 0;
        if (!(square >= T(1))) {  // far below the largest of the whole column
            const T largest = largest_below(x, pivot);
            if (largest == T(0)) {
                if (block_.lane() == 0) {
                    work_.slot_of[j] = -1;
                    work_.r[j] = 0.0;
                    work_.r_exponent[j] = 0;
                }
                return;
            }
            exponent = Format<T>::target - exponent_of(largest);
            const PowerOfTwo<T> scale(exponent);
            for (int i = first_row(pivot); i < z_.rows; i += warp_size)
                if (i >= pivot) x[i] = scale(x[i]);
            square = square_below(x, pivot);
        }
        block_.sync_warp();
        if (block_.lane() != 0) return;
        const T norm = std::sqrt(square), alpha = x[pivot];
        work_.tau[j] = T(1) / (norm * (norm + std::fabs(alpha)));
        x[pivot] = alpha + std::copysign(norm, alpha);  // no cancellation
        work_.r[j] = -static_cast<double>(std::copysign(norm, alpha));
        work_.r_exponent[j] = -(work_.exponent[j] + exponent);
        work_.slot_of[j] = pivot;
        work_.column_of[pivot] = j;
    }

    /// By one warp: x -= tau v (v . x) for the first `count` of C columns.
    template <int C>
    AELLE_DEVICE void reflect(const T* v, T tau, int pivot, T* const (&x)[C], int count) const {
        T sum[C] = {};
        AELLE_UNROLL_TWICE
        for (int i = first_row(pivot); i < z_.rows; i += warp_size) {
            const T value = i >= pivot ? v[i] : T(0);
            AELLE_UNROLL
            for (int c = 0; c < C; ++c) sum[c] = multiply_add(value, x[c][i], sum[c]);
        }
        warp_sums(block_, sum);
        AELLE_UNROLL
        for (int c = 0; c < C; ++c) sum[c] *= -tau;
        AELLE_UNROLL_TWICE
        for (int i = first_row(pivot); i < z_.rows; i += warp_size) {
            if (i < pivot) continue;
            const T value = v[i];
            AELLE_UNROLL
            for (int c = 0; c < C; ++c)
                if (c < count) x[c][i] = multiply_add(sum[c], value, x[c][i]);
        }
    }
    AELLE_DEVICE void reflect_one(const T* v, T tau, int pivot, T* column) const {
        T* const x[1] = {column};
        reflect(v, tau, pivot, x, 1);
        block_.sync_warp();
    }
    /// Columns column(first) to column(z.cols - 1), in tiles; the first warp, which has the next reflector to make, comes last.
    template <class Column>
    AELLE_DEVICE void reflect_rest(const T* v, T tau, int pivot, int first, Column&& column) const {
        for (int t = (block_.warp() + block_.warps() - 1) % block_.warps(); first + t * tile < z_.cols; t += block_.warps()) {
            const int begin = first + t * tile, count = z_.cols - begin < tile ? z_.cols - begin : tile;
            T* x[tile];
            AELLE_UNROLL
            for (int c = 0; c < tile; ++c) x[c] = z_.column(column(begin + (c < count ? c : count - 1)));
            reflect<tile>(v, tau, pivot, x, count);
        }
    }

    /// R above the pivots, reflectors below; the number of reflectors.
    AELLE_DEVICE int factor() {
        if (block_.warp() == 0) make_reflector(0, 0);
        block_.sync();
        int pivot = 0;
        for (int j = 0; j < z_.cols; ++j) {
            const bool some = work_.slot_of[j] >= 0;
            const int next = pivot + (some ? 1 : 0);
            const T* v = z_.column(j);
            const T tau = some ? work_.tau[j] : T(0);
            if (block_.warp() == 0 && j + 1 < z_.cols) {
                if (some) reflect_one(v, tau, pivot, z_.column(j + 1));
                make_reflector(j + 1, next);
            }
            if (some) reflect_rest(v, tau, pivot, j + 2, [](int column) { return column; });
            block_.sync();
            pivot = next;
        }
        return pivot;
    }

    /// Logarithms, inverses of the diagonal, and slots of zero columns.
    AELLE_DEVICE void finish(int reflectors, double* log_r) {
        block_.each(z_.cols, [&](int64_t j) { work_.finish(static_cast<int>(j), reflectors, log_r); });
    }

    AELLE_DEVICE void store_ratios(View<float> ratios) const {
        for (int k = block_.warp(); k < z_.cols; k += block_.warps())
            for (int j = block_.lane(); j < z_.cols; j += warp_size) ratios(j, k) = work_.ratio_of(z_, j, k);
        block_.sync();
    }

    /// By one warp: a reflector becomes what it makes of its own unit vector.
    AELLE_DEVICE void reflect_unit(int slot) const {
        const int column = work_.column_of[slot];
        T* x = z_.column(column);
        const T weight = work_.tau[column] * x[slot];
        block_.sync_warp();
        for (int i = block_.lane(); i < z_.rows; i += warp_size) x[i] = i < slot ? T(0) : (i == slot ? T(1) : T(0)) - weight * x[i];
        block_.sync_warp();
    }

    /// H_0 H_1 ... times the unit vectors. Reflector p changes slots from p on only; its own column is overwritten one step later, when no warp
    /// reads the reflector any more.
    AELLE_DEVICE void form_q(int reflectors) {
        for (int s = reflectors + block_.warp(); s < z_.cols; s += block_.warps()) {
            T* x = z_.column(work_.column_of[s]);
            for (int i = block_.lane(); i < z_.rows; i += warp_size) x[i] = i == s ? T(1) : T(0);
        }
        block_.sync();
        for (int p = reflectors - 1; p >= 0; --p) {
            const T* v = z_.column(work_.column_of[p]);
            const T tau = work_.tau[work_.column_of[p]];
            const bool fresh = p + 1 < reflectors;
            if (fresh && block_.warp() == 0) {
                reflect_unit(p + 1);
                reflect_one(v, tau, p, z_.column(work_.column_of[p + 1]));
            }
            reflect_rest(v, tau, p, fresh ? p + 2 : p + 1, [&](int slot) { return work_.column_of[slot]; });
            block_.sync();
        }
        if (reflectors > 0 && block_.warp() == 0) reflect_unit(0);
        block_.sync();
    }

    const Block& block_;
    View<T> z_;
    Work<T> work_;
};

}  // namespace qr_detail

/// Bytes of `work` for accurate_qr().
template <class T>
constexpr std::size_t accurate_qr_work(int rows, int cols) {
    return qr_detail::Work<T>::bytes(rows, cols);
}

/// z (D x K, 1 <= K <= D) is replaced by Q of its reduced QR factorisation, log_r[K] and, where given, `ratios` (K x K) are set as Backend::qr says;
/// where z is not finite, log_r is NaN and all else stays as it was. By all threads of a block, 1 to 32 warps, with the same bits
/// for any number. `work`, aligned to 16 bytes, in memory that all threads see. Ends with a barrier; what z holds must have passed one.
template <class T>
AELLE_DEVICE void accurate_qr(const Block& block, View<T> z, double* log_r, View<float> ratios, char* work) {
    qr_detail::Householder<T>(block, z, work).run(log_r, ratios);
}

/// `stride` apart, matrices of rows x cols, one for each block; log_r (cols each) and ratios (cols x cols each, or null) densely packed.
/// They are factored in shared memory where `Staged`, else in place.
template <class T, int Threads = 256, bool Staged = true>
struct BatchedQr {
    static constexpr int resident = Staged ? 768 : 512;  // threads of a multiprocessor: as many as have registers enough
    static constexpr int threads = Threads, blocks_per_multiprocessor = Threads > resident ? 1 : resident / Threads;
    T* z;
    int rows, cols;
    int64_t stride;
    double* log_r;
    float* ratios;

    static constexpr std::size_t matrix_bytes(int rows, int cols) {
        return Staged ? (static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * sizeof(T) + 15) / 16 * 16 : 0;
    }
    static constexpr std::size_t shared_bytes(int rows, int cols) { return matrix_bytes(rows, cols) + accurate_qr_work<T>(rows, cols); }

    AELLE_DEVICE void operator()(const Block& block) const {
        const int64_t index = block.index();
        const int size = rows * cols;
        T* mine = z + index * stride;
        View<float> mine_ratios;
        if (ratios != nullptr) mine_ratios = {ratios + index * cols * cols, cols, cols, cols};
        char* work = block.shared() + matrix_bytes(rows, cols);
        if constexpr (Staged) {
            T* at = reinterpret_cast<T*>(block.shared());
            block.each(size, [&](int64_t i) { at[i] = mine[i]; });
            accurate_qr<T>(block, {at, rows, cols, rows}, log_r + index * cols, mine_ratios, work);
            block.each(size, [&](int64_t i) { mine[i] = at[i]; });
        } else {
            accurate_qr<T>(block, {mine, rows, cols, rows}, log_r + index * cols, mine_ratios, work);
        }
    }
};

}  // namespace aelle::cuda
