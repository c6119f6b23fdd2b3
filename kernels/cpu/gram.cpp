#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "aelle/base/triangular.hpp"
#include "kernels/cpu/blas.hpp"
#include "kernels/cpu/qr.hpp"
#include "kernels/cpu/scratch.hpp"

namespace aelle::cpu {
namespace {

/// Up to this many columns our own triangular kernels are faster than LAPACK's, which are blocked for larger ones.
constexpr int64_t small = 256;

bool factor(double* g, int64_t ld, int64_t n, double smallest, double* inverse) {
    if (n <= small) return cholesky(g, ld, n, smallest, inverse);
    if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', blas_size(n), g, blas_size(ld)) != 0) return false;
    for (int64_t j = 0; j < n; ++j) {
        const double r = g[j * ld + j];
        if (!(r * r > smallest)) return false;
        inverse[j] = 1.0 / r;
    }
    return true;
}

/// q = z R^-1
void divide(MatrixView<double> z, const double* r, int64_t ld, const double* inverse, double* padded_z, int64_t padded_rows) {
    if (z.cols > small) {
        cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, blas_size(z.rows), blas_size(z.cols), 1.0, r,
                    blas_size(ld), z.data, blas_size(z.ld));
        return;
    }
    if (z.rows == padded_rows && z.ld == padded_rows && reinterpret_cast<std::uintptr_t>(z.data) % 64 == 0)
        return solve_from_right(z.data, z.ld, z.cols, r, ld, int64_t{1}, inverse, false);
    for (int64_t j = 0; j < z.cols; ++j) {
        std::copy_n(z.column(j), z.rows, padded_z + j * padded_rows);
        std::fill(padded_z + j * padded_rows + z.rows, padded_z + (j + 1) * padded_rows, 0.0);
    }
    solve_from_right(padded_z, padded_rows, z.cols, r, ld, int64_t{1}, inverse, false);
    for (int64_t j = 0; j < z.cols; ++j) std::copy_n(padded_z + j * padded_rows, z.rows, z.column(j));
}

void store_ratios(const double* r, int64_t ld, const double* inverse, MatrixView<float> ratios) {
    for (int64_t k = 0; k < ratios.cols; ++k) {
        std::fill(ratios.column(k) + k + 1, ratios.column(k) + ratios.rows, 0.0f);
        ratios(k, k) = 1.0f;
    }
    for (int64_t j = 0; j < ratios.rows; ++j)
        for (int64_t k = j + 1; k < ratios.cols; ++k) ratios(j, k) = static_cast<float>(r[j * ld + k] * inverse[j]);
}

}  // namespace

bool gram_qr(MatrixView<double> z, double least, std::span<double> log_r, backend::Backend::QrWork& work, MatrixView<float> ratios) {
    require(z.cols >= 1 && z.cols <= z.rows && static_cast<int64_t>(log_r.size()) == z.cols, "qr: wrong shape");
    const int64_t n = z.cols, ld = padded<double>(n), rows = padded<double>(z.rows);
    const bool own = n <= small;
    Scratch scratch(work, static_cast<int64_t>(sizeof(double)) * (ld * n + ld + (own ? std::max(rows * n, ld * z.rows) : 0)), 0);
    double* g = scratch.take<double>(ld * n);
    double* inverse = scratch.take<double>(n);
    double* copy = own ? scratch.take<double>(std::max(rows * n, ld * z.rows)) : nullptr;
    // Row by row of the upper triangle is column by column of the lower one.
    if (own) gram(z.data, z.ld, z.rows, n, g, ld, copy);
    else
        cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, blas_size(n), blas_size(z.rows), 1.0, z.data, blas_size(z.ld), 0.0, g,
                    blas_size(ld));
    double largest = 0.0;
    for (int64_t j = 0; j < n; ++j) largest = std::max(largest, g[j * ld + j]);
    // Squares must stay far from overflow and from numbers that lose digits.
    if (!(largest > 1e-200 && largest < 1e200)) return false;
    if (!factor(g, ld, n, least * least * largest, inverse)) return false;
    divide(z, g, ld, inverse, copy, rows);
    for (int64_t j = 0; j < n; ++j) log_r[j] = -std::log(inverse[j]);
    if (ratios.data != nullptr) store_ratios(g, ld, inverse, ratios);
    return true;
}

}  // namespace aelle::cpu
