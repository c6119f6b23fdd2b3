#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "aelle/base/triangular.hpp"
#include "kernels/cpu/blas.hpp"
#include "kernels/cpu/qr.hpp"
#include "kernels/cpu/scratch.hpp"

namespace aelle::cpu {
namespace {

/// Up to this many columns our own triangular kernels are faster than LAPACK's, which are blocked for larger ones.
constexpr int64_t small = 768;

template <class T>
struct Limits;
template <>
struct Limits<float> {
    /// Of r_jj over that of the largest column: about rounding of G. Accepting less costs more than it saves: tangents that come out too short are
    /// refused a step later.
    static constexpr float least_square = 8 * std::numeric_limits<float>::epsilon();
    static constexpr float range = 1e25f;  ///< of squares, which must stay far from overflow and from numbers that lose digits
};
template <>
struct Limits<double> {
    static constexpr double least_square = 1e-8;
    static constexpr double range = 1e200;
};

/// The lower triangle of Z^T Z; `copy` (padded(cols) x rows).
template <class T>
void gram_matrix(MatrixView<const double> z, T* g, int64_t ld, T* copy) {
    if (z.cols <= small) return gram(z.data, z.ld, z.rows, z.cols, g, ld, copy);
    if constexpr (sizeof(T) == sizeof(double)) {
        cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, blas_size(z.cols), blas_size(z.rows), 1.0, z.data, blas_size(z.ld), 0.0, g,
                    blas_size(ld));
    } else {
        for (int64_t j = 0; j < z.cols; ++j)
            for (int64_t i = 0; i < z.rows; ++i) copy[j * z.rows + i] = static_cast<T>(z(i, j));
        cblas_ssyrk(CblasColMajor, CblasLower, CblasTrans, blas_size(z.cols), blas_size(z.rows), 1.0f, copy, blas_size(z.rows), 0.0f, g,
                    blas_size(ld));
    }
}

int potrf(int n, double* g, int ld) { return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', n, g, ld); }
int potrf(int n, float* g, int ld) { return LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'L', n, g, ld); }

/// R by rows, that is R^T by columns, in place of G. False where a square of r_jj is not above `smallest`.
template <class T>
bool factor(T* g, int64_t ld, int64_t n, T smallest, T* inverse) {
    if (n <= small) return cholesky(g, ld, n, smallest, inverse);
    if (potrf(blas_size(n), g, blas_size(ld)) != 0) return false;
    for (int64_t j = 0; j < n; ++j) {
        const T r = g[j * ld + j];
        if (!(r * r > smallest)) return false;
        inverse[j] = 1 / r;
    }
    return true;
}

/// z (at most `small` columns) becomes z R^-1.
void divide_few(MatrixView<double> z, const double* r, int64_t ld, const double* inverse, double* padded_z, int64_t padded_rows) {
    if (z.rows == padded_rows && z.ld == padded_rows && reinterpret_cast<std::uintptr_t>(z.data) % 64 == 0)
        return solve_from_right(z.data, z.ld, z.cols, r, ld, int64_t{1}, inverse, false);
    for (int64_t j = 0; j < z.cols; ++j) {
        std::copy_n(z.column(j), z.rows, padded_z + j * padded_rows);
        std::fill(padded_z + j * padded_rows + z.rows, padded_z + (j + 1) * padded_rows, 0.0);
    }
    solve_from_right(padded_z, padded_rows, z.cols, r, ld, int64_t{1}, inverse, false);
    for (int64_t j = 0; j < z.cols; ++j) std::copy_n(padded_z + j * padded_rows, z.rows, z.column(j));
}

/// z becomes z R^-1, R by rows; by halves down to few columns, so that BLAS has products only: its solutions are slower.
void divide(MatrixView<double> z, const double* r, int64_t ld, const double* inverse, double* padded_z, int64_t padded_rows) {
    if (z.cols <= small) return divide_few(z, r, ld, inverse, padded_z, padded_rows);
    const int64_t half = padded<double>(z.cols / 2), rest = z.cols - half;
    const MatrixView<double> left = z.columns(0, half), right = z.columns(half, rest);
    divide(left, r, ld, inverse, padded_z, padded_rows);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, blas_size(z.rows), blas_size(rest), blas_size(half), -1.0, left.data,
                blas_size(left.ld), r + half, blas_size(ld), 1.0, right.data, blas_size(right.ld));
    divide(right, r + half * (ld + 1), ld, inverse + half, padded_z, padded_rows);
}

template <class T>
void store_ratios(const T* r, int64_t ld, const T* inverse, MatrixView<float> ratios) {
    for (int64_t k = 0; k < ratios.cols; ++k) {
        std::fill(ratios.column(k) + k + 1, ratios.column(k) + ratios.rows, 0.0f);
        ratios(k, k) = 1.0f;
    }
    constexpr int64_t together = 16;  // rows of a cache line
    for (int64_t first = 0; first < ratios.cols; first += together) {
        const int64_t end = std::min(first + together, ratios.cols);
        for (int64_t k = first + 1; k < ratios.cols; ++k)
            for (int64_t j = first; j < std::min(end, k); ++j) ratios(j, k) = static_cast<float>(r[j * ld + k] * inverse[j]);
    }
}

/// Squares of r_jj over that of the largest column, below which what rounding leaves of a column that depends on others may stand in its place.
constexpr double doubtful = 1e-3;

bool of_good_length(const double* column, int64_t rows) {
    const double square = cblas_ddot(blas_size(rows), column, 1, column, 1);
    return square >= 0.25 && square <= 4.0;
}

template <class T>
double factor_gram(MatrixView<double> z, double least, std::span<double> log_r, backend::Backend::QrWork& work, MatrixView<float> ratios) {
    const int64_t n = z.cols, rows = padded<double>(z.rows), ld = padded<double>(n), own_ld = padded<T>(n);
    Scratch scratch(
        work,
        static_cast<int64_t>(sizeof(double)) * (ld * n + ld + 2 * rows * n) + static_cast<int64_t>(sizeof(T)) * own_ld * (n + 1 + z.rows),
        0);
    T* g = scratch.take<T>(own_ld * n);
    T* inverse = scratch.take<T>(n);
    gram_matrix(z, g, own_ld, scratch.take<T>(own_ld * z.rows));
    T largest = 0;
    for (int64_t j = 0; j < n; ++j) largest = std::max(largest, g[j * own_ld + j]);
    if (!(largest > 1 / Limits<T>::range && largest < Limits<T>::range)) return 0.0;
    if (!factor(g, own_ld, n, std::max(Limits<T>::least_square, static_cast<T>(least * least)) * largest, inverse)) return 0.0;

    double* r = scratch.take<double>(ld * n);
    double* inverse_diagonal = scratch.take<double>(n);
    double* copy = scratch.take<double>(rows * n);
    double* before = scratch.take<double>(rows * n);
    for (int64_t j = 0; j < n; ++j) {
        for (int64_t k = j; k < n; ++k) r[j * ld + k] = static_cast<double>(g[j * own_ld + k]);
        inverse_diagonal[j] = 1.0 / r[j * ld + j];
    }
    int64_t first_doubtful = 0;
    const auto doubts = [&](int64_t j) { return r[j * ld + j] * r[j * ld + j] <= doubtful * static_cast<double>(largest); };
    while (first_doubtful < n && !doubts(first_doubtful)) ++first_doubtful;
    if (first_doubtful < n)
        for (int64_t j = 0; j < n; ++j) std::copy_n(z.column(j), z.rows, before + j * z.rows);
    divide(z, r, ld, inverse_diagonal, copy, rows);
    for (int64_t j = first_doubtful; j < n; ++j) {
        if (!doubts(j) || of_good_length(z.column(j), z.rows)) continue;
        for (int64_t k = 0; k < n; ++k) std::copy_n(before + k * z.rows, z.rows, z.column(k));
        return 0.0;
    }
    for (int64_t j = 0; j < n; ++j) log_r[j] = -std::log(inverse_diagonal[j]);
    if (ratios.data != nullptr) store_ratios(g, own_ld, inverse, ratios);
    return std::sqrt(static_cast<double>(largest));
}

}  // namespace

double gram_qr(MatrixView<double> z, backend::GramArithmetic arithmetic, double least, std::span<double> log_r,
               backend::Backend::QrWork& work, MatrixView<float> ratios) {
    require(z.cols >= 1 && z.cols <= z.rows && static_cast<int64_t>(log_r.size()) == z.cols, "qr: wrong shape");
    return arithmetic == backend::GramArithmetic::single_precision ? factor_gram<float>(z, least, log_r, work, ratios)
                                                                   : factor_gram<double>(z, least, log_r, work, ratios);
}

}  // namespace aelle::cpu
