#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/backend/backend.hpp"
#include "aelle/base/error.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/reference/batch.hpp"
#include "kernels/reference/force.hpp"
#include "kernels/reference/network.hpp"
#include "kernels/reference/qr.hpp"
#include "kernels/softmax.hpp"

namespace aelle::backend {
namespace {

template <class T>
void checked_qr(QrMethod method, MatrixView<T> z, std::span<double> log_r, MatrixView<float> ratios) {
    require(z.cols <= z.rows && static_cast<int64_t>(log_r.size()) == z.cols, "qr: wrong shape");
    for (int64_t j = 0; j < z.cols; ++j) {
        for (int64_t i = 0; i < z.rows; ++i) {
            if (std::isfinite(z(i, j))) continue;
            std::fill(log_r.begin(), log_r.end(), std::numeric_limits<double>::quiet_NaN());
            return;
        }
    }
    reference::householder_qr(method, z, log_r, ratios);
}

template <class T>
void plain_multiply(bool a_transposed, bool b_transposed, MatrixView<const T> a, MatrixView<const T> b, T beta, MatrixView<T> c) {
    for (int64_t j = 0; j < c.cols; ++j) {
        for (int64_t i = 0; i < c.rows; ++i) {
            T sum = T(0);
            for (int64_t k = 0; k < (a_transposed ? a.rows : a.cols); ++k)
                sum += (a_transposed ? a(k, i) : a(i, k)) * (b_transposed ? b(j, k) : b(k, j));
            c(i, j) = beta == T(0) ? sum : sum + beta * c(i, j);
        }
    }
}

template <class T>
SoftmaxLoss plain_softmax(std::span<const int32_t> targets, MatrixView<T> logits) {
    const auto largest = [](int64_t n, const T* x) { return *std::max_element(x, x + n); };
    const auto normalise = [](int64_t n, T* x, T top) {
        T sum = T(0);
        for (int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
        for (int64_t i = 0; i < n; ++i) x[i] /= sum;
        return sum;
    };
    return kernels::softmax(targets, logits, largest, normalise);
}

class Reference final : public Backend {
public:
    std::string_view name() const override { return "reference"; }
    std::string device_kind() const override { return "cpu reference"; }
    std::unique_ptr<Network<double>> network(const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters,
                                             TangentSpace space) const override {
        return kernels::make_for<reference::CellNetwork, double, Network<double>>(cells::AllCells{}, cell, shape, parameters, space);
    }
    std::unique_ptr<Network<float>> network_single(const cells::CellSpec& cell, const cells::Shape& shape,
                                                   const cells::Parameters& parameters, TangentSpace space) const override {
        return kernels::make_for<reference::CellNetwork, float, Network<float>>(cells::AllCells{}, cell, shape, parameters, space);
    }
    std::unique_ptr<BatchNetwork<float>> batch_network(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                       const cells::Parameters& parameters) const override {
        return kernels::make_for<reference::BatchCell, float, BatchNetwork<float>>(cells::AllCells{}, cell, layout, parameters);
    }
    std::unique_ptr<BatchNetwork<double>> batch_network_double(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                               const cells::Parameters& parameters) const override {
        return kernels::make_for<reference::BatchCell, double, BatchNetwork<double>>(cells::AllCells{}, cell, layout, parameters);
    }
    void multiply(bool a_transposed, bool b_transposed, MatrixView<const float> a, MatrixView<const float> b, float beta,
                  MatrixView<float> c) const override {
        plain_multiply(a_transposed, b_transposed, a, b, beta, c);
    }
    void multiply(bool a_transposed, bool b_transposed, MatrixView<const double> a, MatrixView<const double> b, double beta,
                  MatrixView<double> c) const override {
        plain_multiply(a_transposed, b_transposed, a, b, beta, c);
    }
    SoftmaxLoss softmax(std::span<const int32_t> targets, MatrixView<float> logits) const override {
        return plain_softmax(targets, logits);
    }
    SoftmaxLoss softmax(std::span<const int32_t> targets, MatrixView<double> logits) const override {
        return plain_softmax(targets, logits);
    }
    std::unique_ptr<ForceLoop> force_loop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha) const override {
        return reference::make_force_loop(shape, parameters, alpha);
    }
    std::unique_ptr<FrozenLoops> frozen_loops(const cells::Shape& shape, const cells::Parameters& parameters,
                                              int64_t count) const override {
        return reference::make_frozen_loops(shape, parameters, count);
    }
    void qr(QrMethod method, MatrixView<double> z, std::span<double> log_r, QrWork&, MatrixView<float> ratios) const override {
        checked_qr(method, z, log_r, ratios);
    }
    void qr(QrMethod method, MatrixView<float> z, std::span<double> log_r, QrWork&, MatrixView<float> ratios) const override {
        checked_qr(method, z, log_r, ratios);
    }
    double log_abs_det(MatrixView<double> a, QrWork&) const override {
        for (int64_t j = 0; j < a.cols; ++j)
            for (int64_t i = 0; i < a.rows; ++i)
                if (!std::isfinite(a(i, j))) return std::numeric_limits<double>::quiet_NaN();
        return reference::log_abs_det(a);
    }
};

}  // namespace

std::unique_ptr<Backend> make_reference() { return std::make_unique<Reference>(); }

}  // namespace aelle::backend
