#pragma once
/// Bounds of rounding of a Lyapunov chain by a team of blocks: lyapunov::Factorisation and lyapunov::ChainErrors (src/lyapunov/rounding.hpp,
/// which says what is estimated and why) for a chain whose tangents are factored at every step by reflections, QrMethod::accurate.
///
/// With the ratios U = diag(R)^-1 R (K x K), the direction D (strictly lower triangular, what rounding has done to the columns of Q so far in units
/// of u), G the rounding of this step and S = diag(R), a step finds the lower part of
///
///     W = (U D + G') U^-1,   G' = S^-1 G, entries 4 scale_k / r_kk times random numbers;
///
/// |W_ll| is added to the error of sum l, and D_kl becomes W_kl r_kk / r_ll and 2 random numbers. Rows of W are found without one another: a warp
/// takes a few of them through all columns, W_ij = (U D)_ij + G'_ij - sum over m < j of W_im U_mj, eight columns at a time, and waits for no other.
/// Random numbers are those of the host, number for number; sums of products are taken in an order that K alone decides, and all else are
/// maxima, so that bits depend neither on the number of threads and blocks nor on what runs beside a chain.
///
/// Functions end with a barrier of the team, and what their arguments hold must have passed one. All threads of the team call them, and all of them
/// see what the arguments lie in: device memory, or shared memory where the team is one block.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "aelle/base/random.hpp"
#include "kernels/cuda/team.hpp"
#include "kernels/cuda/view.hpp"
#include "kernels/cuda/wide.hpp"

#if defined(__CUDACC__)
#define AELLE_KEEP_LOOP _Pragma("unroll 1")
#else
#define AELLE_KEEP_LOOP
#endif

namespace aelle::cuda {

inline constexpr int chain_noise_shifts = 2053;

/// The random numbers of all chains with K = `columns`, uniform with variance 1: K + 2 x 2053 of them.
inline std::vector<float> chain_noise(int64_t columns) {
    std::vector<float> noise(static_cast<std::size_t>(columns + 2 * chain_noise_shifts));
    RandomField(0, 0, Purpose::tangent, 2, 0).uniform(0, 0, noise);
    constexpr auto width = static_cast<float>(std::numbers::sqrt3);
    for (float& x : noise) x = width * (2 * x - 1);
    return noise;
}

/// Where the numbers of one chain lie: in `data`, of bytes(D, K), aligned to 16, in memory that all threads of the team see.
struct ChainErrorsMemory {
    char* data = nullptr;
    const float* noise = nullptr;    ///< chain_noise(K), shared by all chains
    int dimension = 0, columns = 0;  ///< D, K

    static constexpr int padded(int n) { return (n + 15) / 16 * 16; }
    static constexpr int64_t matrix_bytes(int columns) { return int64_t{4} * padded(columns) * columns; }
    static constexpr int64_t bytes(int dimension, int columns) {
        return 2 * matrix_bytes(columns) + 8 * (int64_t{5} * padded(columns) + 8 + padded(dimension));
    }

    /// Of the two matrices, as in lyapunov::ChainErrors.
    AELLE_HOST_DEVICE int ld() const { return padded(columns); }

    // What a chain carries from step to step.
    /// (ld x K) D; zeros on and above the diagonal and below row K.
    AELLE_HOST_DEVICE float* direction() const { return reinterpret_cast<float*>(data); }
    AELLE_HOST_DEVICE double* sums() const { return vector(0); }  ///< (K) estimated errors of sums of log|r_jj|
    /// Where in `noise` the last step began.
    AELLE_HOST_DEVICE int* shift() const { return reinterpret_cast<int*>(vector(5)); }

    // What a step leaves.
    AELLE_HOST_DEVICE double* scales() const { return vector(1); }  ///< (K) rounding of columns in units of u
    /// (D) largest entry of every row of Z, as raised so far.
    AELLE_HOST_DEVICE double* rows() const { return vector(5) + 8; }
    /// (ld x K) W; before it is found, whatever else there is to keep.
    AELLE_HOST_DEVICE float* turned() const { return reinterpret_cast<float*>(data + matrix_bytes(columns)); }

    // Of single functions.
    AELLE_HOST_DEVICE double* in_r() const { return vector(2); }   ///< (K)
    AELLE_HOST_DEVICE double* sizes() const { return vector(3); }  ///< (K) r_kk over what lies in the middle of them
    AELLE_HOST_DEVICE float* weights() const { return reinterpret_cast<float*>(vector(4)); }  ///< (K) sizes of G'

private:
    AELLE_HOST_DEVICE double* vector(int i) const { return reinterpret_cast<double*>(data + 2 * matrix_bytes(columns)) + i * ld(); }
};

namespace chain_errors_detail {

// Rounding of one QR in units of u times the size of its operands.
inline constexpr double rounding_of_qr = 4.0;
inline constexpr float rounding_of_q = 2.0f;
inline constexpr double growth_range = 80.0;                  // of exp in single precision
inline constexpr double most_growth = 5.5406223843935098e34;  // exp(growth_range)

inline constexpr int width = 8;  ///< columns of W that a warp finds together

/// Columns from which on a warp takes 8 rows of W with every sum in four parts, not 16 in two: so many are shared among blocks, where the longest rows
/// decide the time. By K alone, since it decides the order of sums.
inline constexpr int four_parts = 512;

template <class T>
struct Precision {
    static constexpr double unit = std::numeric_limits<T>::epsilon() / 2;
    static constexpr float most = static_cast<float>(1 / unit);  ///< a direction wholly wrong
    /// Of the smallest subnormal number.
    static constexpr double log_smallest = sizeof(T) == 8 ? -744.44007192138127 : -103.27892990343184;
};

AELLE_DEVICE double larger(double x, double y) { return x < y ? y : x; }
AELLE_DEVICE double smaller(double x, double y) { return y < x ? y : x; }

/// |x| where it is below `most`, otherwise that, also for NaN.
AELLE_DEVICE float bounded(float x, float most) { return std::fabs(x) < most ? x : most; }

/// Of eight numbers of every lane the largest over all lanes: of number `lane() / 4`. Lanes of a half exchange half of what is left.
AELLE_DEVICE double largest_of_eight(const Block& block, double (&best)[8]) {
    AELLE_UNROLL
    for (int half = 4; half >= 1; half /= 2) {
        const bool upper = (block.lane() & (4 * half)) != 0;
        AELLE_UNROLL
        for (int c = 0; c < half; ++c) {
            const double other = block.shuffle_xor(upper ? best[c] : best[c + half], 4 * half);
            best[c] = larger(upper ? best[c + half] : best[c], other);
        }
    }
    for (int mask = 2; mask > 0; mask /= 2) best[0] = larger(best[0], block.shuffle_xor(best[0], mask));
    return best[0];
}

/// Eight columns of a matrix whose columns are aligned to 16 bytes; beyond the last there is, it is that one.
struct Columns {
    const float* first;
    int ld, last;
    AELLE_DEVICE const float* at(int c, int m) const { return first + ((c < last ? c : last) * ld + m); }
};

/// sum_c += sum over m in [begin, end) of left(m) right(m, c), m in fours; of Parts lanes, each takes every other four. What left() gives
/// beyond `end` must be 0; `begin` is a multiple of four, and columns are readable to the end of the last four.
template <int Parts, class Left>
AELLE_DEVICE void add_products(int begin, int end, int part, const Left& left, const Columns& right, float (&sum)[width]) {
    AELLE_KEEP_LOOP
    for (int m = begin + 4 * part; m < end; m += 4 * Parts) {
        float a[4];
        AELLE_UNROLL
        for (int e = 0; e < 4; ++e) a[e] = left(m + e);
        AELLE_UNROLL
        for (int c = 0; c < width; ++c) {
            float b[4];
            load_four(right.at(c, m), b);
            AELLE_UNROLL
            for (int e = 0; e < 4; ++e) sum[c] = multiply_add(a[e], b[e], sum[c]);
        }
    }
}

/// Adds up the parts.
template <int Parts>
AELLE_DEVICE void gather(const Block& block, float (&sum)[width]) {
    AELLE_UNROLL
    for (int lanes = warp_size / Parts; lanes < warp_size; lanes *= 2) {
        AELLE_UNROLL
        for (int c = 0; c < width; ++c) sum[c] += block.shuffle_xor(sum[c], lanes);
    }
}

/// x U = b for eight columns in place, the square of U on the diagonal beginning `at` in them.
AELLE_DEVICE void solve_square(const Columns& u, int at, float (&x)[width]) {
    AELLE_UNROLL
    for (int b = 0; b < width; b += 4) {
        if (b > u.last) break;
        AELLE_UNROLL
        for (int c = b + 1; c < width; ++c) {
            float factors[4];
            load_four(u.at(c, at + b), factors);
            AELLE_UNROLL
            for (int e = 0; e < 4; ++e)
                if (b + e < c) x[c] = multiply_add(-factors[e], x[b + e], x[c]);
        }
    }
}

}  // namespace chain_errors_detail

/// The bounds of one chain whose arithmetic is T. A step is before(), the factorisation, after() and add().
template <class T>
class ChainErrors {
    using Precision = chain_errors_detail::Precision<T>;
    static constexpr int width = chain_errors_detail::width;

public:
    AELLE_DEVICE ChainErrors(const Team& team, const ChainErrorsMemory& memory) : team_(team), m_(memory) {}

    /// A new chain.
    AELLE_DEVICE void start() const {
        if (team_.thread() == 0) *m_.shift() = 0;
        team_.each(m_.columns, [&](int64_t j) { m_.sums()[j] = 0.0; });
        team_.each(m_.ld() * m_.columns, [&](int64_t i) { m_.direction()[i] = m_.turned()[i] = 0.0f; });
    }

    /// z (D x K) that will be factored.
    AELLE_DEVICE void before(View<const T> z) const {
        largest_of_rows(z, false, [&](int64_t i, double largest) { m_.rows()[i] = largest; });
    }

    /// Its factorisation, into memory.scales(). `ratios` (K x K): data aligned to 16 bytes, ld a multiple of 4 and at least K; what is below row K
    /// is read, but may be anything.
    AELLE_DEVICE void after(View<const T> q, const double* log_r, View<const float> ratios) const;

    /// The factorisation that after() has seen; `counts`: its logs are added to the exponents. `exact_product`: Z was free of rounding, so that of
    /// the factorisation is also relative to every column.
    AELLE_DEVICE void add(const double* log_r, View<const float> ratios, bool exact_product, bool counts) const;

    /// The columns of Q were disturbed, each in every direction, by `size` units of u.
    AELLE_DEVICE void disturb(double size) const {
        const int shift = next_shift();
        for (int l = place(); l < m_.columns; l += team_.warps())
            below_diagonal(l, [&](int k) { m_.direction()[k + l * m_.ld()] += static_cast<float>(size) * noise(k, l, shift); });
        team_.sync();
    }

    /// Largest change that rounding of Z makes to a log|r_jj|, after after(); the same in all threads.
    AELLE_DEVICE double local_error(const double* log_r) const;

private:
    AELLE_DEVICE const Block& block() const { return team_.block(); }
    /// Of a warp in the team when work is shared out: neighbours belong to other blocks, so that little work is spread over all of them.
    AELLE_DEVICE int place() const { return block().warp() * team_.size() + team_.rank(); }
    AELLE_DEVICE static bool exists(double log_r) { return !std::isinf(log_r); }
    AELLE_DEVICE float noise(int i, int j, int shift) const { return m_.noise[i + j * 241 % chain_noise_shifts + shift]; }

    /// In all threads, which have passed a barrier after it was read; it can be read again after the next one.
    AELLE_DEVICE int next_shift() const {
        const int shift = (*m_.shift() + 389) % chain_noise_shifts;
        team_.sync();
        if (team_.thread() == 0) *m_.shift() = shift;
        return shift;
    }

    /// f(k) for rows k > l of column l by the lanes of a warp, which read whole lines.
    template <class F>
    AELLE_DEVICE void below_diagonal(int l, const F& f) const {
        for (int k = l / warp_size * warp_size + block().lane(); k < m_.columns; k += warp_size)
            if (k > l) f(k);
    }

    template <class A, class Store>
    AELLE_DEVICE void largest_of_rows(View<const A> x, bool upper, const Store& store) const;
    AELLE_DEVICE void scales_of_zero_columns(const double* log_r, int zeros) const;
    AELLE_DEVICE int reaches(View<const T> q) const;
    AELLE_DEVICE void find_sizes(const double* log_r) const;
    AELLE_DEVICE void find_exact_weights(const double* log_r, View<const float> ratios) const;
    template <int Parts>
    AELLE_DEVICE void turn_rows(View<const float> ratios, bool exact_product, int shift, int first) const;
    template <int Parts>
    AELLE_DEVICE void turn_all_rows(View<const float> ratios, bool exact_product, int shift) const;

    const Team& team_;
    const ChainErrorsMemory& m_;
};

/// store(i, largest entry of row i of x). `upper`: nothing but zeros is below the diagonal. Where a team has more warps than a row needs they take a part
/// of its columns each, which meet in `turned`.
template <class T>
template <class A, class Store>
AELLE_DEVICE void ChainErrors<T>::largest_of_rows(View<const A> x, bool upper, const Store& store) const {
    constexpr int fewest = 64;  // columns of a part that are worth another barrier
    double* found = reinterpret_cast<double*>(m_.turned());
    const int tiles = (x.rows + warp_size - 1) / warp_size, room = m_.ld() * m_.columns / 2 / x.rows;
    int parts = team_.warps() / tiles;
    if (parts > x.cols / fewest) parts = x.cols / fewest;
    if (parts > room) parts = room;
    if (parts < 1) parts = 1;
    for (int turn = place(); turn < tiles * parts; turn += team_.warps()) {
        const int first = turn % tiles * warp_size, i = first + block().lane(), part = turn / tiles;
        if (i >= x.rows) continue;
        double largest = 0.0;
        for (int j = (upper ? first : 0) + part; j < x.cols; j += parts)
            largest = chain_errors_detail::larger(largest, std::fabs(static_cast<double>(x(i, j))));
        if (parts == 1) store(i, largest);
        else found[part * x.rows + i] = largest;
    }
    team_.sync();
    if (parts == 1) return;
    team_.each(x.rows, [&](int64_t i) {
        double largest = 0.0;
        for (int part = 0; part < parts; ++part) largest = chain_errors_detail::larger(largest, found[part * x.rows + i]);
        store(i, largest);
    });
}

/// Zero columns take what rows of Z are left, in the order of the columns.
template <class T>
AELLE_DEVICE void ChainErrors<T>::scales_of_zero_columns(const double* log_r, int zeros) const {
    double* sorted = m_.sizes();
    team_.each(m_.dimension, [&](int64_t i) {
        const double row = m_.rows()[i];
        int rank = 0;
        for (int64_t k = 0; k < i; ++k) rank += m_.rows()[k] >= row ? 1 : 0;
        for (int64_t k = i + 1; k < m_.dimension; ++k) rank += m_.rows()[k] > row ? 1 : 0;
        if (rank < m_.columns) sorted[rank] = row;
    });
    team_.each(m_.columns, [&](int64_t j) {
        if (exists(log_r[j])) return;
        int before = 0;
        for (int64_t k = 0; k < j; ++k) before += exists(log_r[k]) ? 0 : 1;
        m_.scales()[j] = sorted[m_.columns - zeros + before];
    });
}

/// How far column j reaches: max_i |q_ij| rows_i over entries above rounding; what reflection j of size in_r brought into row i, where a later
/// column may need a row that was small, raises rows_i. Leaves in `turned`, as doubles, the largest that each warp saw of every column;
/// returns the number of warps.
template <class T>
AELLE_DEVICE int ChainErrors<T>::reaches(View<const T> q) const {
    constexpr double noise = 1024 * Precision::unit;
    int warps = team_.warps();
    if (warps > (q.rows + warp_size - 1) / warp_size) warps = (q.rows + warp_size - 1) / warp_size;
    if (warps > m_.ld() / 2) warps = m_.ld() / 2;
    double* found = reinterpret_cast<double*>(m_.turned());
    for (int first = 0; first < m_.columns && place() < warps; first += 8) {
        double best[8] = {};
        for (int i = place() * warp_size + block().lane(); i < q.rows; i += warps * warp_size) {
            double row = m_.rows()[i];
            AELLE_UNROLL
            for (int c = 0; c < 8; ++c) {
                const double in_r = first + c < m_.columns ? m_.in_r()[first + c] : -1.0;
                if (in_r < 0.0) continue;
                const double entry = std::fabs(static_cast<double>(q(i, first + c))), size = entry > noise ? entry : 0.0;
                const double reach = size * row, raised = size * in_r;
                best[c] = reach > best[c] ? reach : best[c];
                row = raised > row ? raised : row;
            }
            m_.rows()[i] = row;
        }
        const double largest = chain_errors_detail::largest_of_eight(block(), best);
        const int column = first + block().lane() / 4;
        if (block().lane() % 4 == 0 && column < m_.columns) found[place() * m_.columns + column] = largest;
    }
    return warps;
}

template <class T>
AELLE_DEVICE void ChainErrors<T>::after(View<const T> q, const double* log_r, View<const float> ratios) const {
    largest_of_rows(ratios, true,
                    [&](int64_t j, double largest) { m_.in_r()[j] = exists(log_r[j]) ? largest * std::exp(log_r[j]) : -1.0; });
    int zeros = 0;  // counted by every warp, which costs less than to tell the others
    for (int j = block().lane(); j < m_.columns; j += warp_size) zeros += exists(log_r[j]) ? 0 : 1;
    zeros = block().warp_sum(zeros);
    if (zeros > 0) scales_of_zero_columns(log_r, zeros);
    const int warps = reaches(q);
    team_.sync();
    const double* found = reinterpret_cast<const double*>(m_.turned());
    team_.each(m_.columns, [&](int64_t j) {
        if (!exists(log_r[j])) return;
        double scale = m_.in_r()[j];
        for (int w = 0; w < warps; ++w) scale = chain_errors_detail::larger(scale, found[w * m_.columns + j]);
        m_.scales()[j] = scale;
    });
}

template <class T>
AELLE_DEVICE double ChainErrors<T>::local_error(const double* log_r) const {
    double worst = 0.0;  // of all columns, to every warp
    for (int j = block().lane(); j < m_.columns; j += warp_size) {
        if (!exists(log_r[j])) continue;
        const double relative =
            std::exp(std::log(Precision::unit * m_.scales()[j]) - log_r[j]) + std::exp(Precision::log_smallest - log_r[j]);
        worst = chain_errors_detail::larger(worst, relative);
    }
    worst = block().warp_max(worst);
    team_.sync();
    return std::sqrt(static_cast<double>(m_.dimension)) * worst;
}

/// Sizes, which are r_kk over what lies in the middle of them in logarithms, so that their quotients keep range, 0 for r_kk = 0; and weights, in
/// logarithms, since scales may be subnormal and quotients overflow.
template <class T>
AELLE_DEVICE void ChainErrors<T>::find_sizes(const double* log_r) const {
    using namespace chain_errors_detail;
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (int j = block().lane(); j < m_.columns; j += warp_size) {  // again by every warp
        if (!exists(log_r[j])) continue;
        low = smaller(low, log_r[j]);
        high = larger(high, log_r[j]);
    }
    low = -block().warp_max(-low);
    high = block().warp_max(high);
    team_.each(m_.columns, [&](int64_t k) {
        if (!exists(log_r[k])) {
            m_.sizes()[k] = 0.0;
            m_.weights()[k] = 0.0f;
            return;
        }
        m_.sizes()[k] = std::exp(smaller(larger(log_r[k] - 0.5 * (low + high), -700.0), 700.0));
        m_.weights()[k] = static_cast<float>(rounding_of_qr * std::exp(smaller(std::log(m_.scales()[k]) - log_r[k], growth_range)));
    });
}

/// Weights of every entry of G', into `turned`: no larger than what the norm of the entry's column of R says.
template <class T>
AELLE_DEVICE void ChainErrors<T>::find_exact_weights(const double* log_r, View<const float> ratios) const {
    using namespace chain_errors_detail;
    for (int l = place(); l < m_.columns; l += team_.warps()) {
        double top = log_r[l];
        for (int k = block().lane(); k < l; k += warp_size)
            if (ratios(k, l) != 0.0f) top = larger(top, log_r[k] + std::log(std::fabs(static_cast<double>(ratios(k, l)))));
        const double norm = block().warp_max(top) + 0.5 * std::log(static_cast<double>(l + 1));
        const auto limit = [&](int k) {
            const float most = static_cast<float>(rounding_of_qr * std::exp(smaller(norm - log_r[k], growth_range)));
            m_.turned()[k + l * m_.ld()] = most < m_.weights()[k] ? most : m_.weights()[k];
        };
        below_diagonal(l - 1, limit);
    }
    team_.sync();
}

/// Rows `first` to first + 32 / Parts of W by one warp, a row for Parts lanes. They are found up to the diagonal; what is above stays as it was.
template <class T>
template <int Parts>
AELLE_DEVICE void ChainErrors<T>::turn_rows(View<const float> ratios, bool exact_product, int shift, int first) const {
    using namespace chain_errors_detail;
    constexpr int rows = warp_size / Parts;
    const int n = m_.columns, part = block().lane() / rows, own = first + block().lane() % rows;
    const int row = own < n ? own : n - 1;  // lanes without a row go along
    for (int j = 0; j < n && j < first + rows; j += width) {
        const Columns directions{m_.direction() + j * m_.ld(), m_.ld(), n - 1 - j},
            u{ratios.column(j), static_cast<int>(ratios.ld), n - 1 - j};
        float x[width] = {}, taken[width] = {};
        const auto of_u = [&](int m) { return m < n ? ratios(row, m) : 0.0f; };
        add_products<Parts>(first > j ? first : j, n, part, of_u, directions, x);
        const auto of_w = [&](int m) { return m_.turned()[row + m * m_.ld()]; };
        add_products<Parts>(0, j, part, of_w, u, taken);
        gather<Parts>(block(), x);
        gather<Parts>(block(), taken);
        AELLE_UNROLL
        for (int c = 0; c < width; ++c) {
            const int column = j + c < n ? j + c : n - 1;
            const float weight = exact_product ? m_.turned()[row + column * m_.ld()] : m_.weights()[row];
            x[c] = bounded(multiply_add(weight, noise(row, column, shift), x[c]), Precision::most) - taken[c];
        }
        solve_square(u, j, x);
        block().sync_warp();  // the weights have been read
        AELLE_UNROLL
        for (int c = 0; c < width; ++c)
            if (c % Parts == part && own < n && j + c <= own) m_.turned()[own + (j + c) * m_.ld()] = x[c];
        block().sync_warp();
    }
}

/// Warps take turns there and back, the longest rows first.
template <class T>
template <int Parts>
AELLE_DEVICE void ChainErrors<T>::turn_all_rows(View<const float> ratios, bool exact_product, int shift) const {
    constexpr int rows = warp_size / Parts;
    const int tiles = (m_.columns + rows - 1) / rows, warps = team_.warps();
    for (int round = 0; round * warps < tiles; ++round) {
        const int turn = round * warps + (round % 2 == 0 ? place() : warps - 1 - place());
        if (turn < tiles) turn_rows<Parts>(ratios, exact_product, shift, (tiles - 1 - turn) * rows);
    }
    team_.sync();
}

template <class T>
AELLE_DEVICE void ChainErrors<T>::add(const double* log_r, View<const float> ratios, bool exact_product, bool counts) const {
    using namespace chain_errors_detail;
    const int shift = next_shift();
    find_sizes(log_r);
    if (exact_product) find_exact_weights(log_r, ratios);
    if (m_.columns < four_parts) turn_all_rows<2>(ratios, exact_product, shift);
    else turn_all_rows<4>(ratios, exact_product, shift);
    for (int l = place(); l < m_.columns; l += team_.warps()) {
        const float* turned = m_.turned() + l * m_.ld();
        float* direction = m_.direction() + l * m_.ld();
        const bool there = exists(log_r[l]);  // a zero column has an arbitrary direction, and no other column depends on it
        if (counts && block().lane() == 0) {
            if (there) m_.sums()[l] += Precision::unit * std::fabs(static_cast<double>(bounded(turned[l], Precision::most)));
            else if (m_.scales()[l] != 0.0) m_.sums()[l] = std::numeric_limits<double>::infinity();  // rounding may have left the zero
        }
        const double inverse = there ? 1.0 / m_.sizes()[l] : 0.0;
        below_diagonal(l, [&](int k) {
            const double growth = m_.sizes()[k] * inverse;
            const float turn = turned[k] * static_cast<float>(growth < most_growth ? growth : most_growth);
            direction[k] = bounded(multiply_add(rounding_of_q, noise(k, l, shift), turn), Precision::most);
        });
    }
    team_.sync();
}

}  // namespace aelle::cuda
