#include "src/lyapunov/extended.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "aelle/backend/extended.hpp"
#include "aelle/base/error.hpp"

namespace aelle::lyapunov {
namespace {

void round(MatrixView<const DoubleDouble> from, MatrixView<double> to) {
    for (int64_t j = 0; j < from.cols; ++j)
        for (int64_t i = 0; i < from.rows; ++i) to(i, j) = from(i, j).high;
}

}  // namespace

template <class T>
ExtendedChain::ExtendedChain(MatrixView<const T> q)
    : q_(q.rows, q.cols),
      z_(q.rows, q.cols),
      j_(q.rows, q.rows),
      rounded_(q.rows, q.cols),
      errors_(q.cols),
      log_sum_(static_cast<std::size_t>(q.cols), 0.0) {
    for (int64_t j = 0; j < q.cols; ++j) {
        for (int64_t i = 0; i < q.rows; ++i) {
            q_(i, j) = static_cast<double>(q(i, j));
            exact_ = exact_ && q(i, j) == (i == j ? T(1) : T(0));
        }
    }
    factorisation_ = Factorisation(q.cols);
    if (exact_) return;
    std::vector<double> ignored(log_sum_.size());
    backend::extended_qr(q_.view(), ignored, {});
}

template <class T>
bool ExtendedChain::add(TangentSystem<T>& system, bool counts, bool closes) {
    system.extended_jacobian(j_.view());
    backend::extended_multiply(std::as_const(j_).view(), std::as_const(q_).view(), z_.view());
    if (!factor(counts)) return false;
    std::copy_n(z_.data(), z_.size(), q_.data());
    system.extended_shear(q_.view());
    double change = 0.0;
    for (int64_t i = 0; i < q_.size(); ++i) change += std::pow(q_.data()[i].high - z_.data()[i].high, 2);
    if (change == 0.0) return true;
    errors_.disturb(1 + change / static_cast<double>(q_.rows()));  // as for chains in double
    if (!closes) return true;
    std::swap(q_, z_);
    if (!factor(counts)) return false;
    std::swap(q_, z_);
    return true;
}

bool ExtendedChain::factor(bool counts) {
    round(std::as_const(z_).view(), rounded_.view());
    const double largest = largest_column_norm<double>(std::as_const(rounded_).view());
    factorisation_.before<double>(backend::QrMethod::accurate, rounded_.view());
    backend::extended_qr(z_.view(), factorisation_.log_r, factorisation_.unit_r());
    if (std::any_of(factorisation_.log_r.begin(), factorisation_.log_r.end(), [](double x) { return std::isnan(x) || x == HUGE_VAL; }))
        return false;
    round(std::as_const(z_).view(), rounded_.view());
    factorisation_.after<double>(backend::QrMethod::accurate, rounded_.view(), Precision<DoubleDouble>::unit);
    // What is 2^-960 times smaller than the largest numbers has lost its low part.
    for (double& scale : factorisation_.scales)
        if (scale != 0.0) scale = std::max(scale, largest * 0x1p-960 / Precision<DoubleDouble>::unit);
    factorisation_.exact_product = std::exchange(exact_, false);
    errors_.add(factorisation_, counts);
    for (std::size_t j = 0; counts && j < log_sum_.size(); ++j) log_sum_[j] += factorisation_.log_r[j];
    return true;
}

void ExtendedChain::save(ArchiveWriter& archive) const {
    archive.value(exact_);
    archive.array(log_sum_);
    errors_.save(archive);
    archive.array(std::span<const DoubleDouble>(q_.data(), static_cast<std::size_t>(q_.size())));
}

void ExtendedChain::load(ArchiveReader& archive) {
    std::vector<DoubleDouble> q;
    archive.value(exact_);
    archive.array(log_sum_);
    errors_.load(archive);
    archive.array(q);
    if (static_cast<int64_t>(q.size()) != q_.size() || static_cast<int64_t>(log_sum_.size()) != q_.cols())
        throw DataError("checkpoint: extended tangents have the wrong size");
    std::copy(q.begin(), q.end(), q_.data());
}

template ExtendedChain::ExtendedChain(MatrixView<const float>);
template ExtendedChain::ExtendedChain(MatrixView<const double>);
template bool ExtendedChain::add(TangentSystem<float>&, bool, bool);
template bool ExtendedChain::add(TangentSystem<double>&, bool, bool);

}  // namespace aelle::lyapunov
