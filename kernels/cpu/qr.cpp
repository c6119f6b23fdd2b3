#include "kernels/cpu/qr.hpp"

#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <numeric>

#include "kernels/cpu/blas.hpp"
#include "kernels/cpu/reflectors.hpp"
#include "kernels/cpu/scratch.hpp"

namespace aelle::cpu {
namespace {

using Work = backend::Backend::QrWork;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Scales of columns and of reflectors. Large, so that entries many orders below the maximum do not underflow; their product
/// times any number of rows stays finite, and so does the square of a reflector.
template <class T>
struct Scale;
template <>
struct Scale<double> {
    static constexpr int column = 400, reflector = 300;
};
template <>
struct Scale<float> {
    static constexpr int column = 50, reflector = 40;
};

/// log(x 2^exponent) without the cancellation of two large logarithms.
double log_scaled(double x, int64_t exponent) {
    if (x == 0.0) return -infinity;
    int shift = 0;
    double mantissa = std::frexp(x, &shift);
    if (mantissa < std::numbers::sqrt2 / 2) {
        mantissa *= 2;
        --shift;
    }
    return std::log(mantissa) + static_cast<double>(exponent + shift) * std::numbers::ln2;
}

/// Multiplies by 2^exponent in two exact halves: the factor itself may be out of range.
template <class T>
struct PowerOfTwo {
    explicit PowerOfTwo(int exponent) : factor{std::ldexp(T(1), exponent / 2), std::ldexp(T(1), exponent - exponent / 2)} {}
    T operator()(T x) const { return x * factor[0] * factor[1]; }
    T factor[2];
};

/// Far inside the range of float, so that sums of products of a few stay there.
float ratio(double x) { return static_cast<float>(std::clamp(x, -1e18, 1e18)); }

template <class T>
int exponent_of(T x) {
    int exponent = 0;
    std::frexp(x, &exponent);
    return exponent;
}

/// Householder factorisation of one matrix in scratch memory. Left-looking: a group of columns stays in cache while all earlier reflectors pass over
/// it, four at a time.
template <class T>
class Householder {
public:
    Householder(InstructionSet set, MatrixView<T> z, Work& work, MatrixView<float> ratios)
        : kernels_(kernels<T>(set)),
          reflect_(reflector_kernels<T>(set)),
          z_(z),
          ratios_(ratios),
          ld_(padded<T>(z.rows)),
          scratch_(work,
                   static_cast<int64_t>(sizeof(T)) * (ld_ * (z.cols + group_columns + 1) + (1 + block_weights) * padded<T>(z.cols)) +
                       static_cast<int64_t>(sizeof(double)) * padded<double>(z.cols),
                   z.rows + 3 * z.cols),
          v_(scratch_.take<T>(ld_ * z.cols)),
          group_(scratch_.take<T>(ld_ * group_columns)),
          row_max_(scratch_.take<T>(ld_)),
          tau_(scratch_.take<T>(z.cols)),
          t_(scratch_.take<T>(block_weights * z.cols)),
          inverse_(scratch_.take<double>(z.cols)),
          order_(scratch_.take_indices(z.rows)),
          direction_(scratch_.take_indices(z.cols)),
          exponent_(scratch_.take_indices(z.cols)),
          column_(scratch_.take_indices(z.cols)) {}

    void run(std::span<double> log_r) {
        if (!kernels_.row_maxima(z_, row_max_)) {
            std::fill(log_r.begin(), log_r.end(), not_a_number);
            return;
        }
        std::iota(order_, order_ + z_.rows, int64_t{0});
        std::sort(order_, order_ + z_.rows,
                  [this](int64_t a, int64_t b) { return row_max_[a] != row_max_[b] ? row_max_[a] > row_max_[b] : a < b; });
        for (int64_t j = 0; j < z_.cols; j += group_columns) factor_group(j, std::min(group_columns, z_.cols - j), log_r);
        // A zero column takes a direction that no other column needs, so it does not spoil the columns after it.
        int64_t spare = reflectors_;
        for (int64_t j = 0; j < z_.cols; ++j)
            if (direction_[j] < 0) direction_[j] = spare++;
        for (int64_t j = 0; j < z_.cols; j += group_columns) form_group(j, std::min(group_columns, z_.cols - j));
    }

private:
    void load(int64_t j, T* to) {
        const T* from = z_.column(j);
        const T largest = kernels_.largest(from, z_.rows);
        const int exponent = largest > T(0) ? Scale<T>::column - exponent_of(largest) : 0;
        const PowerOfTwo<T> scale(exponent);
        kernels_.permute(z_.rows, order_, from, scale.factor, to);
        std::fill(to + z_.rows, to + ld_, T(0));
        exponent_[j] = -exponent;
    }

    void factor_group(int64_t first, int64_t count, std::span<double> log_r) {
        for (int64_t c = 0; c < count; ++c) load(first + c, group_ + c * ld_);
        const int64_t before = reflectors_;
        apply(0, before, group_, count);
        for (int64_t c = 0; c < count; c += block_reflectors) {
            const int64_t tile = std::min(block_reflectors, count - c);
            apply(before, reflectors_, group_ + c * ld_, tile);
            factor_tile(first + c, tile, group_ + c * ld_, log_r);
        }
    }

    /// A few columns that earlier reflectors have passed.
    void factor_tile(int64_t first, int64_t count, T* columns, std::span<double> log_r) {
        for (int64_t c = 0; c < count; ++c) {
            const int64_t before = reflectors_;
            if (ratios_.data != nullptr) store_ratios(first + c, columns + c * ld_);
            log_r[first + c] = make_reflector(first + c, columns + c * ld_);
            reflect_.one_by_one(v_, tau_, ld_, before, 1, reflectors_ - before, columns + (c + 1) * ld_, count - c - 1);
        }
        for (; (blocks_ + 1) * block_reflectors <= reflectors_; ++blocks_)
            reflect_.make_block(v_, tau_, ld_, blocks_, t_ + blocks_ * block_weights);
    }

    /// Applies reflectors first to end - 1 in this order, in whole blocks where they are.
    void apply(int64_t first, int64_t end, T* columns, int64_t count) {
        while (first < end) {
            const int64_t blocks =
                std::min({blocks_, end / block_reflectors, first / block_reflectors + chunk_blocks()}) - first / block_reflectors;
            if (first % block_reflectors == 0 && blocks > 0) {
                reflect_.blocks(v_, t_, ld_, first / block_reflectors, 1, blocks, columns, count);
                first += blocks * block_reflectors;
            } else {
                reflect_.one_by_one(v_, tau_, ld_, first++, 1, 1, columns, count);
            }
        }
    }

    /// Applies reflectors end - 1 to 0 in this order.
    void apply_reversed(int64_t end, T* columns, int64_t count) {
        while (end > 0) {
            const int64_t blocks = std::min(end / block_reflectors, chunk_blocks());
            if (end % block_reflectors == 0) {
                reflect_.blocks(v_, t_, ld_, end / block_reflectors - 1, -1, blocks, columns, count);
                end -= blocks * block_reflectors;
            } else {
                reflect_.one_by_one(v_, tau_, ld_, --end, -1, 1, columns, count);
            }
        }
    }

    /// Blocks of reflectors that pass over a group at once: as many as stay in the second cache beside it.
    int64_t chunk_blocks() const { return std::max<int64_t>(2, chunk_bytes / (ld_ * block_reflectors * static_cast<int64_t>(sizeof(T)))); }

    /// log|r_jj| of the column that earlier reflectors have passed; stores the reflector that maps it to a multiple of a unit vector.
    double make_reflector(int64_t j, const T* column) {
        const int64_t pivot = reflectors_;
        const T largest = kernels_.largest(column + pivot, z_.rows - pivot);
        if (largest == T(0)) {
            direction_[j] = -1;
            return -infinity;
        }
        const int exponent = Scale<T>::reflector - exponent_of(largest);
        const PowerOfTwo<T> scale(exponent);
        T* v = v_ + pivot * ld_;
        std::fill(v, v + pivot, T(0));
        const T norm = std::sqrt(kernels_.scale(ld_ - pivot, column + pivot, scale.factor, v + pivot));
        tau_[pivot] = T(1) / (norm * (norm + std::fabs(v[pivot])));
        v[pivot] += std::copysign(norm, v[pivot]);  // x - beta e with beta = -sign(alpha) ||x||: no cancellation
        direction_[j] = pivot;
        ++reflectors_;
        const int64_t r_exponent = exponent_[j] - exponent;  // r_jj = -copysign(norm, v) 2^r_exponent
        if (pivot == 0) base_ = r_exponent;
        inverse_[pivot] = std::ldexp(-1.0 / std::copysign(static_cast<double>(norm), static_cast<double>(v[pivot])),
                                     static_cast<int>(std::clamp<int64_t>(base_ - r_exponent, -1000, 1000)));
        column_[pivot] = j;
        return log_scaled(static_cast<double>(norm), exponent_[j] - exponent);
    }

    /// Column j of R over the diagonal; earlier reflectors have passed the column.
    void store_ratios(int64_t j, const T* column) {
        float* to = ratios_.column(j);
        std::fill(to, to + ratios_.rows, 0.0f);
        to[j] = 1.0f;
        const double scale = std::ldexp(1.0, static_cast<int>(std::clamp<int64_t>(exponent_[j] - base_, -1000, 1000)));
        if (reflectors_ == j) return kernels_.quotients(j, column, scale, inverse_, to);
        for (int64_t k = 0; k < reflectors_; ++k) kernels_.quotients(1, column + k, scale, inverse_ + k, to + column_[k]);
    }

    /// Columns of Q: H_0 H_1 ... applied to unit vectors, scattered back to the original order of rows.
    void form_group(int64_t first, int64_t count) {
        std::fill(group_, group_ + ld_ * count, T(0));
        int64_t end = 0;  // later reflectors do not touch the unit vectors
        for (int64_t c = 0; c < count; ++c) {
            const int64_t direction = direction_[first + c];
            group_[c * ld_ + direction] = T(1);
            end = std::max(end, std::min(direction + 1, reflectors_));
        }
        // To the end of a block, where there is one.
        apply_reversed(
            std::min(std::max(end, blocks_ * block_reflectors), (end + block_reflectors - 1) / block_reflectors * block_reflectors), group_,
            count);
        for (int64_t c = 0; c < count; ++c) {
            T* to = z_.column(first + c);
            for (int64_t i = 0; i < z_.rows; ++i) to[order_[i]] = group_[c * ld_ + i];
        }
    }

    static constexpr int64_t group_columns = 32, chunk_bytes = 128 << 10;

    const Kernels<T>& kernels_;
    const ReflectorKernels<T>& reflect_;
    MatrixView<T> z_;
    MatrixView<float> ratios_;
    int64_t ld_;
    Scratch scratch_;
    T *v_, *group_, *row_max_, *tau_;
    T* t_;             ///< of every block of reflectors
    double* inverse_;  ///< 2^base_ / r_jj of the column of each reflector
    int64_t* order_;
    int64_t* direction_;  ///< column of the orthogonal matrix H_0 H_1 ... that becomes column j of Q
    int64_t* exponent_;   ///< column j was multiplied by 2^-exponent
    int64_t* column_;     ///< column of each reflector
    int64_t base_ = 0;
    int64_t reflectors_ = 0, blocks_ = 0;
};

lapack_int geqrf(MatrixView<double> a, double* tau, double* work, lapack_int size) {
    return LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, blas_size(a.rows), blas_size(a.cols), a.data, blas_size(a.ld), tau, work, size);
}
lapack_int geqrf(MatrixView<float> a, float* tau, float* work, lapack_int size) {
    return LAPACKE_sgeqrf_work(LAPACK_COL_MAJOR, blas_size(a.rows), blas_size(a.cols), a.data, blas_size(a.ld), tau, work, size);
}
lapack_int orgqr(MatrixView<double> a, const double* tau, double* work, lapack_int size) {
    return LAPACKE_dorgqr_work(LAPACK_COL_MAJOR, blas_size(a.rows), blas_size(a.cols), blas_size(a.cols), a.data, blas_size(a.ld), tau,
                               work, size);
}
lapack_int orgqr(MatrixView<float> a, const float* tau, float* work, lapack_int size) {
    return LAPACKE_sorgqr_work(LAPACK_COL_MAJOR, blas_size(a.rows), blas_size(a.cols), blas_size(a.cols), a.data, blas_size(a.ld), tau,
                               work, size);
}

void check_shape(int64_t rows, int64_t cols, std::span<double> log_r) {
    require(cols >= 1 && cols <= rows && static_cast<int64_t>(log_r.size()) == cols, "qr: wrong shape");
}

}  // namespace

template <class T>
void accurate_qr(InstructionSet set, MatrixView<T> z, std::span<double> log_r, Work& work, MatrixView<float> ratios) {
    check_shape(z.rows, z.cols, log_r);
    Householder<T>(set, z, work, ratios).run(log_r);
}

template <class T>
void library_qr(const Kernels<T>& kernels, MatrixView<T> z, std::span<double> log_r, Work& work, MatrixView<float> ratios) {
    check_shape(z.rows, z.cols, log_r);
    const int64_t block = 64 * z.cols;  // LAPACK's own block size is at most 64
    Scratch scratch(work, static_cast<int64_t>(sizeof(T)) * (padded<T>(z.rows) + padded<T>(z.cols) + block), 0);
    if (!kernels.row_maxima(z, scratch.take<T>(z.rows))) {
        std::fill(log_r.begin(), log_r.end(), not_a_number);
        return;
    }
    T* tau = scratch.take<T>(z.cols);
    T* space = scratch.take<T>(block);
    require(geqrf(z, tau, space, blas_size(block)) == 0, "LAPACK geqrf refused its arguments");
    for (int64_t j = 0; j < z.cols; ++j) log_r[j] = std::log(std::fabs(static_cast<double>(z(j, j))));
    for (int64_t k = 0; k < ratios.cols; ++k) {
        for (int64_t j = 0; j < ratios.rows; ++j) {
            const bool above = j < k && z(j, j) != T(0);
            ratios(j, k) = above ? ratio(static_cast<double>(z(j, k)) / static_cast<double>(z(j, j))) : j == k ? 1.0f : 0.0f;
        }
    }
    require(orgqr(z, tau, space, blas_size(block)) == 0, "LAPACK orgqr refused its arguments");
}

template void accurate_qr(InstructionSet, MatrixView<double>, std::span<double>, Work&, MatrixView<float>);
template void accurate_qr(InstructionSet, MatrixView<float>, std::span<double>, Work&, MatrixView<float>);
template void library_qr(const Kernels<double>&, MatrixView<double>, std::span<double>, Work&, MatrixView<float>);
template void library_qr(const Kernels<float>&, MatrixView<float>, std::span<double>, Work&, MatrixView<float>);

double log_abs_det(const Kernels<double>& kernels, MatrixView<double> a, Work& work) {
    require(a.rows == a.cols && a.rows >= 1, "determinant: the matrix is not square");
    const int64_t n = a.rows;
    Scratch scratch(work, static_cast<int64_t>(sizeof(double)) * 3 * padded<double>(n), n);
    double* largest = scratch.take<double>(n);
    double* first = scratch.take<double>(n);
    double* second = scratch.take<double>(n);
    auto* pivots = reinterpret_cast<lapack_int*>(scratch.take_indices(n));
    if (!kernels.row_maxima(a, largest)) return not_a_number;

    int64_t exponent = 0;  // det = 2^exponent times that of the scaled matrix
    for (int64_t i = 0; i < n; ++i) {
        if (largest[i] == 0.0) return -infinity;
        exponent += exponent_of(largest[i]);
        const PowerOfTwo<double> scale(-exponent_of(largest[i]));
        first[i] = scale.factor[0];
        second[i] = scale.factor[1];
    }
    for (int64_t j = 0; j < n; ++j) {
        double* column = a.column(j);
        for (int64_t i = 0; i < n; ++i) column[i] = column[i] * first[i] * second[i];
        const double most = kernels.largest(column, n);
        if (most == 0.0) return -infinity;
        exponent += exponent_of(most);
        const PowerOfTwo<double> scale(-exponent_of(most));
        for (int64_t i = 0; i < n; ++i) column[i] = scale(column[i]);
    }
    if (LAPACKE_dgetrf_work(LAPACK_COL_MAJOR, blas_size(n), blas_size(n), a.data, blas_size(a.ld), pivots) != 0) return -infinity;
    double sum = 0.0;
    for (int64_t i = 0; i < n; ++i) sum += std::log(std::fabs(a(i, i)));
    return sum + static_cast<double>(exponent) * std::numbers::ln2;
}

}  // namespace aelle::cpu
