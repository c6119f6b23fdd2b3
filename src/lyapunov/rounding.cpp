#include "src/lyapunov/rounding.hpp"

#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

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

// Rounding of one QR in units of u times the size of its operands.
constexpr double rounding_of_qr = 4.0;
constexpr float rounding_of_q = 2.0f;

/// b = r b for unit upper triangular r.
void triangular_product(const Matrix<float>& r, Matrix<float>& b) {
    cblas_strmm(CblasColMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasUnit, narrow(b.rows()), narrow(b.cols()), 1.0f, r.data(),
                narrow(r.rows()), b.data(), narrow(b.rows()));
}
/// b = b r^-1
void triangular_division(Matrix<float>& b, const Matrix<float>& r) {
    cblas_strsm(CblasColMajor, CblasRight, CblasUpper, CblasNoTrans, CblasUnit, narrow(b.rows()), narrow(b.cols()), 1.0f, r.data(),
                narrow(r.rows()), b.data(), narrow(b.rows()));
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
void Factorisation::before(backend::QrMethod method, MatrixView<const T> z) {
    growth = std::sqrt(static_cast<double>(z.rows));
    rows_.assign(static_cast<std::size_t>(z.rows), 0.0);
    if (method == backend::QrMethod::library) {
        std::fill(rows_.begin(), rows_.end(), largest_column_norm(z));
    } else {
        for (int64_t j = 0; j < z.cols; ++j) {
            const T* x = z.column(j);
            for (int64_t i = 0; i < z.rows; ++i) rows_[i] = std::max(rows_[i], static_cast<double>(std::fabs(x[i])));
        }
    }
    sorted_ = rows_;
    std::sort(sorted_.begin(), sorted_.end(), std::greater<>());
}

template <class T>
void Factorisation::after(backend::QrMethod method, MatrixView<const T> q, double unit) {
    scales.resize(log_r.size());
    std::size_t row = 0;
    for (const bool zero : {false, true})
        for (std::size_t j = 0; j < log_r.size(); ++j)
            if (std::isinf(log_r[j]) == zero) scales[j] = sorted_[row++];  // zero columns take what rows are left
    if (method == backend::QrMethod::library) return;
    const double noise = 1024 * unit;
    for (int64_t j = 0; j < q.cols; ++j) {
        if (std::isinf(log_r[j])) continue;
        double largest = 0.0;
        for (int64_t k = j; k < q.cols; ++k) largest = std::max(largest, static_cast<double>(std::fabs(ratios(j, k))));
        const double in_r = largest * std::exp(log_r[j]);
        scales[j] = in_r;
        const T* x = q.column(j);
        for (int64_t i = 0; i < q.rows; ++i) {
            const double size = static_cast<double>(std::fabs(x[i]));
            if (size <= noise) continue;
            scales[j] = std::max(scales[j], size * rows_[i]);
            // What reflection j brought into row i, where a later column may need a row that was small.
            rows_[i] = std::max(rows_[i], size * in_r);
        }
    }
}

void Factorisation::of_block(double probe) { std::fill(scales.begin(), scales.end(), probe); }

namespace {

/// u s / r for an error of size s in units of u.
template <class T>
double relative(const Factorisation& f, std::size_t j) {
    return f.growth * (std::exp(std::log(Precision<T>::unit * f.scales[j]) - f.log_r[j]) +
                       std::exp(std::log(Precision<T>::smallest) - f.log_r[j]));
}

}  // namespace

/// log of the norm of column l of R.
double log_norm(const Factorisation& f, int64_t l) {
    double top = f.log_r[l];
    for (int64_t k = 0; k < l; ++k)
        if (f.ratios(k, l) != 0.0f) top = std::max(top, f.log_r[k] + std::log(std::fabs(static_cast<double>(f.ratios(k, l)))));
    return top + 0.5 * std::log(static_cast<double>(l + 1));
}

template <class T>
double local_error(const Factorisation& f) {
    double worst = 0.0;
    for (std::size_t j = 0; j < f.log_r.size(); ++j)
        if (!std::isinf(f.log_r[j])) worst = std::max(worst, relative<T>(f, j));
    return worst;
}

template <class T>
ChainErrors<T>::ChainErrors(int64_t columns)
    : sums_(static_cast<std::size_t>(columns)),
      direction_(columns, columns),
      turned_(columns, columns),
      noise_(static_cast<std::size_t>(columns * columns + shifts)),
      weight_(sums_.size()) {
    RandomStream random(0, 0, Purpose::tangent, 2);
    for (float& x : noise_) x = static_cast<float>(random.uniform(-std::numbers::sqrt3, std::numbers::sqrt3));
}

template <class T>
void ChainErrors<T>::add(const Factorisation& f, bool counts) {
    const int64_t n = direction_.rows();
    shift_ = (shift_ + 389) % shifts;
    constexpr double range = 80.0;                                   // of exp in single precision
    constexpr float most = static_cast<float>(1 / Precision<T>::unit);  // a direction wholly wrong
    const auto small = [](float x) { return std::fabs(x) < most ? x : most; };  // also for NaN
    std::copy_n(direction_.data(), n * n, turned_.data());
    triangular_product(f.ratios, turned_);
    for (int64_t j = 0; j < n; ++j) {
        weight_[j] = std::isinf(f.log_r[j]) ? 0.0 : rounding_of_qr * std::exp(std::min(std::log(f.scales[j]) - f.log_r[j], range));
        std::fill_n(turned_.column(j), j, 0.0f);
    }
    for (int64_t l = 0; l < n; ++l) {
        const double column = f.exact_product ? log_norm(f, l) : std::numeric_limits<double>::infinity();
        for (int64_t k = l; k < n; ++k) {
            const double weight = std::min(weight_[k], rounding_of_qr * std::exp(std::min(column - f.log_r[k], range)));
            turned_(k, l) = small(turned_(k, l) + static_cast<float>(weight) * noise(k, l));
        }
    }
    triangular_division(turned_, f.ratios);
    for (int64_t l = 0; l < n; ++l) {
        const bool exists = !std::isinf(f.log_r[l]);  // a zero column has an arbitrary direction, and no other column depends on it
        if (counts) {
            if (exists) sums_[l] += Precision<T>::unit * std::fabs(static_cast<double>(small(turned_(l, l))));
            else if (f.scales[l] != 0.0) sums_[l] = std::numeric_limits<double>::infinity();  // rounding may have left the zero
        }
        for (int64_t k = l + 1; k < n; ++k) {
            const double growth = exists ? std::exp(std::min(f.log_r[k] - f.log_r[l], range)) : 0.0;
            direction_(k, l) = small(turned_(k, l) * static_cast<float>(growth) + rounding_of_q * noise(k, l));
        }
    }
}

template <class T>
void ChainErrors<T>::disturb(double size) {
    const int64_t n = direction_.rows();
    shift_ = (shift_ + 389) % shifts;
    for (int64_t l = 0; l < n; ++l)
        for (int64_t k = l + 1; k < n; ++k) direction_(k, l) += static_cast<float>(size) * noise(k, l);
}

template <class T>
std::vector<double> ChainErrors<T>::sums() const {
    return sums_;
}

template <class T>
void ChainErrors<T>::save(ArchiveWriter& archive) const {
    archive.value(shift_);
    archive.array(sums_);
    archive.array(std::span<const float>(direction_.data(), static_cast<std::size_t>(direction_.size())));
}

template <class T>
void ChainErrors<T>::load(ArchiveReader& archive) {
    std::vector<double> sums;
    std::vector<float> direction;
    archive.value(shift_);
    archive.array(sums);
    archive.array(direction);
    if (shift_ < 0 || shift_ >= shifts || sums.size() != sums_.size() || static_cast<int64_t>(direction.size()) != direction_.size())
        throw DataError("checkpoint: error bounds have the wrong size");
    sums_ = std::move(sums);
    std::copy(direction.begin(), direction.end(), direction_.data());
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
template void Factorisation::before(backend::QrMethod, MatrixView<const float>);
template void Factorisation::before(backend::QrMethod, MatrixView<const double>);
template void Factorisation::after(backend::QrMethod, MatrixView<const float>, double);
template void Factorisation::after(backend::QrMethod, MatrixView<const double>, double);
template double local_error<float>(const Factorisation&);
template double local_error<double>(const Factorisation&);
template class ChainErrors<float>;
template class ChainErrors<double>;
template class ChainErrors<DoubleDouble>;
template double largest_column_norm(MatrixView<const float>);
template double largest_column_norm(MatrixView<const double>);

}  // namespace aelle::lyapunov
