#include "kernels/reference/qr.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace aelle::reference {
namespace {

using Real = long double;
using Columns = std::vector<std::vector<Real>>;

template <class T>
std::vector<int64_t> row_order(backend::QrMethod method, MatrixView<T> z) {
    std::vector<int64_t> order(static_cast<std::size_t>(z.rows));
    std::iota(order.begin(), order.end(), int64_t{0});
    if (method == backend::QrMethod::library) return order;
    std::vector<T> largest(order.size(), T(0));
    for (int64_t j = 0; j < z.cols; ++j)
        for (int64_t i = 0; i < z.rows; ++i) largest[i] = std::max(largest[i], std::fabs(z(i, j)));
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return largest[a] > largest[b]; });
    return order;
}

/// c -= tau v (v . c)
void reflect(const std::vector<Real>& v, Real tau, std::vector<Real>& c) {
    Real dot = 0;
    for (std::size_t i = 0; i < v.size(); ++i) dot += v[i] * c[i];
    for (std::size_t i = 0; i < v.size(); ++i) c[i] -= tau * dot * v[i];
}

/// The reflector that maps x[pivot:] to a multiple of the unit vector, and the norm of x[pivot:].
std::vector<Real> reflector(const std::vector<Real>& x, std::size_t pivot, Real& tau, Real& norm) {
    std::vector<Real> v(x.size(), 0);
    Real square = 0;
    for (std::size_t i = pivot; i < x.size(); ++i) {
        v[i] = x[i];
        square += x[i] * x[i];
    }
    norm = std::sqrt(square);
    v[pivot] += x[pivot] < 0 ? -norm : norm;
    tau = norm > 0 ? 1 / (norm * (norm + std::fabs(x[pivot]))) : 0;
    return v;
}

/// c: columns that all reflectors before their own have passed.
void store_ratios(const Columns& c, const std::vector<std::size_t>& pivot, const std::vector<std::size_t>& zero_columns,
                  std::span<const double> log_r, MatrixView<float> ratios) {
    for (int64_t k = 0; k < ratios.cols; ++k) {
        for (int64_t j = 0; j < ratios.rows; ++j) {
            const bool zero = std::find(zero_columns.begin(), zero_columns.end(), static_cast<std::size_t>(j)) != zero_columns.end();
            ratios(j, k) = j == k ? 1.0f : 0.0f;
            if (j < k && !zero) ratios(j, k) = static_cast<float>(-std::copysign(c[k][pivot[j]] / std::exp(static_cast<Real>(log_r[j])),
                                                                                 c[k][pivot[j]] * c[j][pivot[j]]));
        }
    }
}

}  // namespace

template <class T>
void householder_qr(backend::QrMethod method, MatrixView<T> z, std::span<double> log_r, MatrixView<float> ratios) {
    const auto rows = static_cast<std::size_t>(z.rows), cols = static_cast<std::size_t>(z.cols);
    const std::vector<int64_t> order = row_order(method, z);
    Columns c(cols, std::vector<Real>(rows));
    for (std::size_t j = 0; j < cols; ++j)
        for (std::size_t i = 0; i < rows; ++i) c[j][i] = z(order[i], static_cast<int64_t>(j));

    Columns v;
    std::vector<Real> tau;
    std::vector<std::size_t> pivot(cols), zero_columns;
    for (std::size_t j = 0; j < cols; ++j) {
        for (std::size_t k = 0; k < v.size(); ++k) reflect(v[k], tau[k], c[j]);
        Real t = 0, norm = 0;
        std::vector<Real> reflection = reflector(c[j], v.size(), t, norm);
        log_r[j] = static_cast<double>(std::log(norm));
        if (norm == 0) {
            zero_columns.push_back(j);  // takes a direction that no later column needs
            continue;
        }
        pivot[j] = v.size();
        v.push_back(std::move(reflection));
        tau.push_back(t);
    }
    if (ratios.data != nullptr) store_ratios(c, pivot, zero_columns, log_r, ratios);
    for (std::size_t k = 0; k < zero_columns.size(); ++k) pivot[zero_columns[k]] = v.size() + k;
    for (std::size_t j = 0; j < cols; ++j) {
        std::vector<Real> q(rows, 0);
        q[pivot[j]] = 1;
        for (std::size_t k = v.size(); k-- > 0;) reflect(v[k], tau[k], q);
        for (std::size_t i = 0; i < rows; ++i) z(order[i], static_cast<int64_t>(j)) = static_cast<T>(q[i]);
    }
}

template void householder_qr(backend::QrMethod, MatrixView<double>, std::span<double>, MatrixView<float>);
template void householder_qr(backend::QrMethod, MatrixView<float>, std::span<double>, MatrixView<float>);

double log_abs_det(MatrixView<double> a) {
    const int64_t n = a.rows;
    std::vector<std::vector<Real>> row(static_cast<std::size_t>(n), std::vector<Real>(static_cast<std::size_t>(n)));
    Real sum = 0;
    for (int64_t i = 0; i < n; ++i) {
        Real largest = 0;
        for (int64_t j = 0; j < n; ++j) largest = std::max(largest, std::fabs(static_cast<Real>(a(i, j))));
        if (largest == 0) return -std::numeric_limits<double>::infinity();
        sum += std::log(largest);
        for (int64_t j = 0; j < n; ++j) row[i][j] = a(i, j) / largest;
    }
    for (int64_t k = 0; k < n; ++k) {
        int64_t best = k;
        for (int64_t i = k + 1; i < n; ++i)
            if (std::fabs(row[i][k]) > std::fabs(row[best][k])) best = i;
        std::swap(row[k], row[best]);
        if (row[k][k] == 0) return -std::numeric_limits<double>::infinity();
        sum += std::log(std::fabs(row[k][k]));
        for (int64_t i = k + 1; i < n; ++i) {
            const Real factor = row[i][k] / row[k][k];
            for (int64_t j = k; j < n; ++j) row[i][j] -= factor * row[k][j];
        }
    }
    return static_cast<double>(sum);
}

}  // namespace aelle::reference
