#include "src/lyapunov/rounding.hpp"

#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "aelle/base/error.hpp"

namespace aelle::lyapunov {
namespace {

int narrow(int64_t n) {
    require(n <= std::numeric_limits<int>::max(), "a matrix is too large for BLAS");
    return static_cast<int>(n);
}

/// c = a^T b
void transposed_product(MatrixView<const double> a, MatrixView<const double> b, double* c) {
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, narrow(a.cols), narrow(b.cols), narrow(a.rows), 1.0, a.data, narrow(a.ld), b.data,
                narrow(b.ld), 0.0, c, narrow(a.cols));
}
void transposed_product(MatrixView<const float> a, MatrixView<const float> b, float* c) {
    cblas_sgemm(CblasColMajor, CblasTrans, CblasNoTrans, narrow(a.cols), narrow(b.cols), narrow(a.rows), 1.0f, a.data, narrow(a.ld), b.data,
                narrow(b.ld), 0.0f, c, narrow(a.cols));
}

template <class T>
double column_norm(const T* x, int64_t n) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return std::sqrt(sum);
}

}  // namespace

template <class T>
double InverseNorm<T>::operator()(MatrixView<const T> q, MatrixView<const T> z) {
    const int64_t k = q.cols;
    const auto count = static_cast<std::size_t>(k);
    product_.resize(count * count);
    r_.resize(count * count);
    work_.resize(3 * count);
    integers_.resize(count);
    transposed_product(q, z, product_.data());
    double norm = 0.0;
    for (int64_t j = 0; j < k; ++j) {
        double sum = 0.0;
        for (int64_t i = 0; i <= j; ++i) {
            r_[j * k + i] = static_cast<double>(product_[j * k + i]);
            sum += std::fabs(r_[j * k + i]);
        }
        norm = std::max(norm, sum);
    }
    double reciprocal = 0.0;
    const int status =
        LAPACKE_dtrcon_work(LAPACK_COL_MAJOR, '1', 'U', 'N', narrow(k), r_.data(), narrow(k), &reciprocal, work_.data(), integers_.data());
    require(status == 0, "LAPACK trcon refused its arguments");
    return 1.0 / (reciprocal * norm);
}

template <class T>
void error_scales(backend::QrMethod method, MatrixView<const T> z, std::vector<double>& scales) {
    scales.assign(static_cast<std::size_t>(z.rows), 0.0);
    if (method == backend::QrMethod::library) {
        std::fill(scales.begin(), scales.end(), largest_column_norm(z));
        return;
    }
    for (int64_t j = 0; j < z.cols; ++j) {
        const T* x = z.column(j);
        for (int64_t i = 0; i < z.rows; ++i) scales[i] = std::max(scales[i], static_cast<double>(std::fabs(x[i])));
    }
    std::sort(scales.begin(), scales.end(), std::greater<>());
}

template <class T>
void relative_errors(std::span<const double> log_r, std::span<const double> scales, std::span<double> error) {
    // The factorisation is accurate to a few units in each of the D products of a sum; errors of unlike sign mostly cancel.
    const double growth = std::sqrt(static_cast<double>(scales.size()));
    const auto bound = [&](double log_size, double scale) {
        return growth * (std::exp(std::log(Precision<T>::unit * scale) - log_size) + std::exp(std::log(Precision<T>::smallest) - log_size));
    };
    std::size_t row = 0;
    double worst = 0.0;
    for (std::size_t j = 0; j < log_r.size(); ++j) {
        if (std::isinf(log_r[j])) continue;
        worst = std::max(worst, bound(log_r[j], scales[row++]));
        error[j] = worst;
    }
    for (std::size_t j = 0; j < log_r.size(); ++j)
        if (std::isinf(log_r[j])) error[j] = scales[row++] == 0.0 ? 0.0 : std::numeric_limits<double>::infinity();
}

template <class T>
double largest_column_norm(MatrixView<const T> z) {
    double largest = 0.0;
    for (int64_t j = 0; j < z.cols; ++j) {
        const double norm = column_norm(z.column(j), z.rows);
        if (!(norm <= largest)) largest = norm;  // keeps NaN
    }
    return largest;
}

template class InverseNorm<float>;
template class InverseNorm<double>;
template void error_scales(backend::QrMethod, MatrixView<const float>, std::vector<double>&);
template void error_scales(backend::QrMethod, MatrixView<const double>, std::vector<double>&);
template void relative_errors<float>(std::span<const double>, std::span<const double>, std::span<double>);
template void relative_errors<double>(std::span<const double>, std::span<const double>, std::span<double>);
template double largest_column_norm(MatrixView<const float>);
template double largest_column_norm(MatrixView<const double>);

}  // namespace aelle::lyapunov
