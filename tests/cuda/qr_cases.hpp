#pragma once
/// Matrices that QR factorisations by blocks of threads are tested with, and what holds for their factors.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/matrix.hpp"
#include "tests/cuda/emulation_order.hpp"
#include "tests/fixtures/random_matrix.hpp"

namespace aelle::cuda {

using emulation::Order;
using fixtures::orthogonality_error;
using fixtures::random_matrix;

inline constexpr double infinity = std::numeric_limits<double>::infinity();
template <class T>
struct Factors {
    Matrix<T> q;
    std::vector<double> log_r;
    Matrix<float> ratios;
    bool operator==(const Factors& other) const {
        return std::equal(q.data(), q.data() + q.size(), other.q.data()) && log_r == other.log_r &&
               std::equal(ratios.data(), ratios.data() + ratios.size(), other.ratios.data());
    }
};

inline constexpr float untouched = 77.0f;  // what ratios hold before

template <class T>
Factors<T> empty_factors(const Matrix<T>& z) {
    Factors<T> f{z, std::vector<double>(static_cast<std::size_t>(z.cols()), 99.0), Matrix<float>(z.cols(), z.cols())};
    std::fill_n(f.ratios.data(), f.ratios.size(), untouched);
    return f;
}

template <class T>
Factors<T> by_reference(const Matrix<T>& z) {
    static const auto reference = backend::make_reference();
    backend::Backend::QrWork work;
    Factors<T> f = empty_factors(z);
    reference->qr(backend::QrMethod::accurate, f.q.view(), f.log_r, work, f.ratios.view());
    return f;
}

template <class T>
struct Method {
    std::string name;
    std::function<Factors<T>(const Matrix<T>&)> factor;
};

/// Rows and columns of a random matrix, scaled over so many decades in a mixed order.
template <class T>
Matrix<T> graded_matrix(int64_t n, double row_decades, double column_decades, uint64_t seed) {
    Matrix<T> z = random_matrix<T>(n, n, seed);
    const double step = 1.0 / static_cast<double>(n - 1);
    for (int64_t j = 0; j < n; ++j) {
        for (int64_t i = 0; i < n; ++i) {
            const double exponent =
                -row_decades * step * static_cast<double>(i * 37 % n) - column_decades * step * static_cast<double>(j * 23 % n);
            z(i, j) = static_cast<T>(static_cast<double>(z(i, j)) * std::pow(10.0, exponent));
        }
    }
    return z;
}

/// The Jacobian of a saturated network: diag(1 - tanh^2 a) W, most rows tiny.
template <class T>
Matrix<T> saturated_matrix(int64_t n, double gain, uint64_t seed) {
    Matrix<T> z = random_matrix<T>(n, n, seed);
    const std::vector<double> a = fixtures::random_vector(n, gain, seed + 1);
    for (int64_t i = 0; i < n; ++i) {
        const double e = std::exp(-2 * std::fabs(a[static_cast<std::size_t>(i)]));
        for (int64_t j = 0; j < n; ++j) z(i, j) = static_cast<T>(4 * e / ((1 + e) * (1 + e)) * static_cast<double>(z(i, j)));
    }
    return z;
}

/// Q's columns are products of as many reflections as there are columns, each with errors of a few u in a vector of unit length, which add
/// up like a random walk.
template <class T>
double orthogonality_limit(int64_t rows) {
    return 8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::sqrt(static_cast<double>(rows));
}

/// Q diag(r) ratios = Z up to the rounding of ratios to single precision, relative to the norm of the column. Signs of r are those of q_j . z_j.
template <class T>
void check_product(const Matrix<T>& z, const Factors<T>& f, const std::string& name) {
    const int64_t n = z.cols();
    std::vector<double> r(static_cast<std::size_t>(n));
    for (int64_t j = 0; j < n; ++j) {
        double dot = 0;
        for (int64_t i = 0; i < z.rows(); ++i) dot += static_cast<double>(f.q(i, j)) * static_cast<double>(z(i, j));
        r[j] = std::copysign(std::exp(f.log_r[j]), dot);
    }
    for (int64_t k = 0; k < n; ++k) {
        double norm = 0;
        for (int64_t i = 0; i < z.rows(); ++i) norm = std::hypot(norm, static_cast<double>(z(i, k)));
        for (int64_t i = 0; i < z.rows(); ++i) {
            double sum = 0;
            for (int64_t j = 0; j <= k; ++j) sum += static_cast<double>(f.q(i, j)) * r[j] * static_cast<double>(f.ratios(j, k));
            ASSERT_NEAR(sum / norm, static_cast<double>(z(i, k)) / norm, 4e-7) << name << " (" << i << ", " << k << ")";
        }
        for (int64_t j = k; j < n; ++j) ASSERT_EQ(f.ratios(j, k), j == k ? 1.0f : 0.0f) << name;
    }
}

/// log r to `tolerance`, absolute below 1 and relative above; ratios to `ratio_tolerance` of the larger of 1 and themselves.
template <class T>
void check_against_reference(const Matrix<T>& z, const std::vector<Method<T>>& methods, double tolerance, double ratio_tolerance,
                             const std::string& what, bool product = false) {
    const Factors<T> expected = by_reference(z);
    for (const auto& method : methods) {
        const std::string name = what + ", " + method.name;
        const Factors<T> f = method.factor(z);
        EXPECT_LT(orthogonality_error(f.q), orthogonality_limit<T>(z.rows())) << name;
        if (product) check_product(z, f, name);
        for (int64_t j = 0; j < z.cols(); ++j) {
            const double log_r = expected.log_r[j];  // may be -infinity
            ASSERT_TRUE(f.log_r[j] == log_r || std::fabs(f.log_r[j] - log_r) < tolerance * std::max(1.0, std::fabs(log_r)))
                << name << ", column " << j << ": " << f.log_r[j] << " instead of " << log_r;
            for (int64_t k = 0; k < z.cols(); ++k) {
                const double ratio = std::clamp(static_cast<double>(expected.ratios(j, k)), -1e18, 1e18);
                ASSERT_NEAR(f.ratios(j, k), ratio, ratio_tolerance * std::max(1.0, std::fabs(ratio)))
                    << name << " (" << j << ", " << k << ")";
            }
        }
    }
}

inline Matrix<double> shifted(const Matrix<double>& z, const std::function<int(int)>& shift) {
    Matrix<double> to = z;
    for (int j = 0; j < z.cols(); ++j)
        for (int i = 0; i < z.rows(); ++i) to(i, j) = std::ldexp(z(i, j), shift(j));
    return to;
}

/// A staircase: no row below the one step of each column, and `flat` columns make none, so that exactly nothing is left of them below the
/// pivot, though they are not zero. Rows come sorted.
template <class T>
Matrix<T> staircase(int64_t rows, int64_t cols, const std::vector<int>& flat) {
    Matrix<T> z = random_matrix<T>(rows, cols, 4);
    int64_t end = 0;
    for (int64_t j = 0; j < cols; ++j) {
        if (std::find(flat.begin(), flat.end(), j) == flat.end()) ++end;
        for (int64_t i = 0; i < rows; ++i)
            z(i, j) = i < end ? std::ldexp(z(i, j) + (i + 1 == end ? T(3) : T(0)), static_cast<int>(-8 * i)) : T(0);
    }
    return z;
}

}  // namespace aelle::cuda
