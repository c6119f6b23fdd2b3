#pragma once
/// Dynamical systems with known exponents.

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "aelle/backend/choose.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace aelle::lyapunov::test {

inline const backend::Backend& cpu() {
    static const auto choice = backend::choose(backend::Device::cpu);
    return *choice.backend;
}

/// s' = A_t s with matrices used in turn; its state is a counter, so that trajectories never overflow.
template <class T>
class MatrixProduct final : public TangentSystem<T> {
public:
    explicit MatrixProduct(std::vector<Matrix<T>> matrices) : matrices_(std::move(matrices)) {}
    int64_t dimension() const override { return matrices_.front().rows(); }
    std::span<T> state() override { return state_; }
    void advance(int64_t step) override {
        current_ = static_cast<std::size_t>(step) % matrices_.size();
        state_[0] += T(1);
    }
    void tangent(MatrixView<const T> v, MatrixView<T> w) override {
        const Matrix<T>& a = matrices_[current_];
        for (int64_t k = 0; k < v.cols; ++k) {
            std::fill_n(w.column(k), w.rows, T(0));
            for (int64_t j = 0; j < a.cols(); ++j)
                for (int64_t i = 0; i < a.rows(); ++i) w(i, k) += a(i, j) * v(j, k);
        }
    }
    void jacobian(MatrixView<T> j) override {
        for (int64_t c = 0; c < j.cols; ++c) std::copy_n(matrices_[current_].column(c), j.rows, j.column(c));
    }

private:
    std::vector<Matrix<T>> matrices_;
    std::size_t current_ = 0;
    std::array<T, 1> state_{};
};

/// x' = 1 - a x^2 + y, y' = b x.
class Henon final : public TangentSystem<double> {
public:
    int64_t dimension() const override { return 2; }
    std::span<double> state() override { return state_; }
    void advance(int64_t) override {
        slope_ = -2.8 * state_[0];
        state_ = {1 - 1.4 * state_[0] * state_[0] + state_[1], 0.3 * state_[0]};
    }
    void tangent(MatrixView<const double> v, MatrixView<double> w) override {
        for (int64_t k = 0; k < v.cols; ++k) {
            w(0, k) = slope_ * v(0, k) + v(1, k);
            w(1, k) = 0.3 * v(0, k);
        }
    }
    void jacobian(MatrixView<double> j) override {
        j(0, 0) = slope_;
        j(0, 1) = 1;
        j(1, 0) = 0.3;
        j(1, 1) = 0;
    }

private:
    std::array<double, 2> state_ = {0.1, 0.1};
    double slope_ = 0;
};

template <class T = double>
Matrix<T> matrix(int64_t rows, std::initializer_list<double> row_major) {
    const int64_t cols = static_cast<int64_t>(row_major.size()) / rows;
    Matrix<T> m(rows, cols);
    auto value = row_major.begin();
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) m(i, j) = static_cast<T>(*value++);
    return m;
}

template <class T>
Matrix<T> transposed(const Matrix<T>& a) {
    Matrix<T> b(a.cols(), a.rows());
    for (int64_t j = 0; j < a.cols(); ++j)
        for (int64_t i = 0; i < a.rows(); ++i) b(j, i) = a(i, j);
    return b;
}

inline Spectrum spectrum_of(TangentSystem<double>& system, SpectrumOptions options) { return compute_spectrum(cpu(), system, options); }

}  // namespace aelle::lyapunov::test
