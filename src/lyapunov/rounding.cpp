#include "src/lyapunov/rounding.hpp"

#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "aelle/base/activations.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/base/triangular.hpp"
#include "aelle/base/vector.hpp"

namespace aelle::lyapunov {
namespace {

int narrow(int64_t n) {
    require(n <= std::numeric_limits<int>::max(), "a matrix is too large for BLAS");
    return static_cast<int>(n);
}

// Rounding of one QR in units of u times the size of its operands.
constexpr double rounding_of_qr = 4.0;
constexpr float rounding_of_q = 2.0f;

/// |x| where it is below `most`, otherwise that, also for NaN.
AELLE_BODY float bounded(float x, float most) { return std::fabs(x) < most ? x : most; }

/// x_k += weight_k noise_k
AELLE_CLONES void add_noise(int64_t n, const float* weight, const float* noise, float most, float* x) {
    for (int64_t k = 0; k < n; ++k) x[k] = bounded(x[k] + weight[k] * noise[k], most);
}

/// to_k = x_k size_k inverse + rounding_of_q noise_k, with a growth of at most exp(growth_range)
AELLE_CLONES void turn(int64_t n, const float* x, const double* size, double inverse, double most_growth, const float* noise, float most,
                       float* to) {
    for (int64_t k = 0; k < n; ++k) {
        const double growth = size[k] * inverse;
        to[k] = bounded(x[k] * static_cast<float>(growth < most_growth ? growth : most_growth) + rounding_of_q * noise[k], most);
    }
}

/// largest_i = max(largest_i, |x_i|)
AELLE_CLONES void raise_to(int64_t n, const double* x, double* largest) {
    for (int64_t i = 0; i < n; ++i) largest[i] = std::fabs(x[i]) > largest[i] ? std::fabs(x[i]) : largest[i];
}
AELLE_CLONES void raise_to(int64_t n, const float* x, double* largest) {
    for (int64_t i = 0; i < n; ++i)
        largest[i] = static_cast<double>(std::fabs(x[i])) > largest[i] ? static_cast<double>(std::fabs(x[i])) : largest[i];
}

/// The largest |x_i| rows_i of those |x_i| above `noise`; what reflection j of size in_r brought into row i, where a later column may need a row
/// that was small, raises rows_i.
AELLE_CLONES double reach(int64_t n, const double* x, double noise, double in_r, double* rows) {
    double largest = 0.0;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < n; ++i) {
        const double size = std::fabs(x[i]) > noise ? std::fabs(x[i]) : 0.0;
        largest = size * rows[i] > largest ? size * rows[i] : largest;
        rows[i] = size * in_r > rows[i] ? size * in_r : rows[i];
    }
    return largest;
}
double reach(int64_t n, const float* x, double noise, double in_r, double* rows) {
    const std::vector<double> wide(x, x + n);
    return reach(n, wide.data(), noise, in_r, rows);
}

template <class T>
double column_norm(const T* x, int64_t n) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return std::sqrt(sum);
}

}  // namespace

double InverseNorm::operator()(const Factorisation& f) {
    const auto count = f.log_r.size();
    const auto k = static_cast<int64_t>(count);
    r_.resize(count * count);
    work_.resize(3 * count);
    integers_.resize(count);
    const double top = *std::max_element(f.log_r.begin(), f.log_r.end());
    diagonal_.resize(count);
    for (std::size_t i = 0; i < count; ++i) diagonal_[i] = std::exp(f.log_r[i] - top);
    const MatrixView<const float> ratios = f.unit_r();
    double norm = 0.0;
    for (int64_t j = 0; j < k; ++j) {
        double sum = 0.0;
        for (int64_t i = 0; i <= j; ++i) {
            r_[j * k + i] = static_cast<double>(ratios(i, j)) * diagonal_[i];
            sum += std::fabs(r_[j * k + i]);
        }
        norm = std::max(norm, sum);
    }
    double reciprocal = 0.0;
    const int status =
        LAPACKE_dtrcon_work(LAPACK_COL_MAJOR, '1', 'U', 'N', narrow(k), r_.data(), narrow(k), &reciprocal, work_.data(), integers_.data());
    require(status == 0, "LAPACK trcon refused its arguments");
    return std::exp(-top) / (reciprocal * norm);
}

template <class T>
void Factorisation::before(backend::QrMethod method, MatrixView<const T> z) {
    growth = std::sqrt(static_cast<double>(z.rows));
    rows_.assign(static_cast<std::size_t>(z.rows), 0.0);
    if (method == backend::QrMethod::library) {
        std::fill(rows_.begin(), rows_.end(), largest_column_norm(z));
    } else {
        for (int64_t j = 0; j < z.cols; ++j) raise_to(z.rows, z.column(j), rows_.data());
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
    sorted_.assign(log_r.size(), 0.0);  // from here on the largest entry of every row of `ratios`
    for (int64_t k = 0; k < q.cols; ++k) raise_to(k + 1, ratios.column(k), sorted_.data());
    for (int64_t j = 0; j < q.cols; ++j) {
        if (std::isinf(log_r[j])) continue;
        const double in_r = sorted_[j] * std::exp(log_r[j]);
        scales[j] = std::max(in_r, reach(q.rows, q.column(j), noise, in_r, rows_.data()));
    }
}

void Factorisation::of_columns(int64_t rows, double norm) {
    growth = std::sqrt(static_cast<double>(rows));
    scales.assign(log_r.size(), norm);
}

void Factorisation::of_block(double probe) { std::fill(scales.begin(), scales.end(), probe); }

namespace {

/// u s / r for an error of size s in units of u.
template <class T>
double relative(const Factorisation& f, std::size_t j) {
    return f.growth *
           (std::exp(std::log(Precision<T>::unit * f.scales[j]) - f.log_r[j]) + std::exp(std::log(Precision<T>::smallest) - f.log_r[j]));
}

}  // namespace

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
      direction_(padded_rows(columns), columns),
      turned_(padded_rows(columns), columns),
      noise_(static_cast<std::size_t>(columns + 2 * shifts)),
      weight_(sums_.size()),
      growth_(sums_.size()),
      size_(sums_.size()) {
    RandomField(0, 0, Purpose::tangent, 2, 0).uniform(0, 0, noise_);
    constexpr auto width = static_cast<float>(std::numbers::sqrt3);
    for (float& x : noise_) x = width * (2 * x - 1);
}

namespace {

/// log of the norm of column l of R.
double log_norm(const Factorisation& f, int64_t l) {
    double top = f.log_r[l];
    for (int64_t k = 0; k < l; ++k)
        if (f.ratios(k, l) != 0.0f) top = std::max(top, f.log_r[k] + std::log(std::fabs(static_cast<double>(f.ratios(k, l)))));
    return top + 0.5 * std::log(static_cast<double>(l + 1));
}

constexpr double growth_range = 80.0;  // of exp in single precision

/// size_k = r_kk over what lies in the middle of them in logarithms, so that their quotients keep range; 0 for r_kk = 0.
void sizes(const std::vector<double>& log_r, std::vector<double>& size) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const double x : log_r) {
        if (std::isinf(x)) continue;
        low = std::min(low, x);
        high = std::max(high, x);
    }
    for (std::size_t k = 0; k < size.size(); ++k) size[k] = std::clamp(log_r[k] - 0.5 * (low + high), -700.0, 700.0);
    vector_functions().exp(static_cast<int64_t>(size.size()), size.data(), size.data());
    for (std::size_t k = 0; k < size.size(); ++k)
        if (std::isinf(log_r[k])) size[k] = 0.0;
}

}  // namespace

template <class T>
void ChainErrors<T>::disturb_product(const Factorisation& f) {
    const auto n = static_cast<int64_t>(sums_.size());
    // Logarithms, since scales may be subnormal and quotients overflow; scales that are all the same have just one.
    double scale = -1.0, log_scale = 0.0;
    for (int64_t j = 0; j < n; ++j) {
        if (f.scales[j] != scale) log_scale = std::log(scale = f.scales[j]);
        growth_[j] = std::min(log_scale - f.log_r[j], growth_range);
    }
    vector_functions().exp(n, growth_.data(), growth_.data());
    for (int64_t j = 0; j < n; ++j) weight_[j] = std::isinf(f.log_r[j]) ? 0.0f : static_cast<float>(rounding_of_qr * growth_[j]);
    std::vector<float> least;  // of an exact product, rounding is also relative to every column
    for (int64_t l = 0; l < n; ++l) {
        const float* weight = weight_.data() + l;
        if (f.exact_product) {
            const double column = log_norm(f, l);
            least.clear();
            for (int64_t k = l; k < n; ++k)
                least.push_back(
                    std::min(weight_[k], static_cast<float>(rounding_of_qr * std::exp(std::min(column - f.log_r[k], growth_range)))));
            weight = least.data();
        }
        add_noise(n - l, weight, noise(l, l), most, turned_.column(l) + l);
    }
}

template <class T>
void ChainErrors<T>::add(const Factorisation& f, bool counts) {
    const auto n = static_cast<int64_t>(sums_.size());
    shift_ = (shift_ + 389) % shifts;
    lower_part_of_product(f.ratios.data(), direction_.data(), turned_.data(), direction_.rows(), n);
    disturb_product(f);
    solve_from_right<float>(turned_.data(), turned_.rows(), n, f.ratios.data(), 1, f.ratios.rows(), nullptr, true);
    sizes(f.log_r, size_);
    for (int64_t l = 0; l < n; ++l) {
        const bool exists = !std::isinf(f.log_r[l]);  // a zero column has an arbitrary direction, and no other column depends on it
        if (counts) {
            if (exists) sums_[l] += Precision<T>::unit * std::fabs(static_cast<double>(bounded(turned_(l, l), most)));
            else if (f.scales[l] != 0.0) sums_[l] = std::numeric_limits<double>::infinity();  // rounding may have left the zero
        }
        turn(n - l - 1, turned_.column(l) + l + 1, size_.data() + l + 1, exists ? 1.0 / size_[l] : 0.0, std::exp(growth_range),
             noise(l + 1, l), most, direction_.column(l) + l + 1);
    }
}

template <class T>
void ChainErrors<T>::disturb(double size) {
    const auto n = static_cast<int64_t>(sums_.size());
    shift_ = (shift_ + 389) % shifts;
    for (int64_t l = 0; l < n; ++l)
        for (int64_t k = l + 1; k < n; ++k) direction_(k, l) += static_cast<float>(size) * *noise(k, l);
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
    for (int64_t j = 0; j < z.cols; ++j) largest = nan_max(largest, column_norm(z.column(j), z.rows));
    return largest;
}

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
