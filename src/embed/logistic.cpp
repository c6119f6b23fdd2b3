#include "aelle/embed/logistic.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/base/error.hpp"

namespace aelle::embed {
namespace {

constexpr int most_steps = 100;
constexpr double small_gradient = 1e-10;
constexpr double largest_intercept = 30.0;

double sigmoid(double y) { return y >= 0.0 ? 1.0 / (1.0 + std::exp(-y)) : std::exp(y) / (1.0 + std::exp(y)); }

/// Samples with a leading 1, standardised.
struct Design {
    Matrix<double> x;  ///< (1 + features x samples)
    std::vector<double> mean, deviation;
};

Design standardise(MatrixView<const double> samples) {
    Design design{Matrix<double>(samples.rows + 1, samples.cols), {}, {}};
    const auto count = static_cast<double>(samples.cols);
    for (int64_t i = 0; i < samples.rows; ++i) {
        double mean = 0.0, squares = 0.0;
        for (int64_t j = 0; j < samples.cols; ++j) mean += samples(i, j) / count;
        for (int64_t j = 0; j < samples.cols; ++j) squares += (samples(i, j) - mean) * (samples(i, j) - mean) / count;
        if (!std::isfinite(squares)) throw DataError("logistic regression: feature " + std::to_string(i) + ": found a value that is not finite");
        const double deviation = std::sqrt(squares);
        design.mean.push_back(mean);
        // Deviations at the level of rounding are constants: such features are switched off.
        design.deviation.push_back(deviation > 1e-12 * std::max(1.0, std::fabs(mean)) ? deviation : 0.0);
    }
    for (int64_t j = 0; j < samples.cols; ++j) {
        design.x(0, j) = 1.0;
        for (int64_t i = 0; i < samples.rows; ++i) {
            const auto at = static_cast<std::size_t>(i);
            design.x(i + 1, j) = design.deviation[at] > 0.0 ? (samples(i, j) - design.mean[at]) / design.deviation[at] : 0.0;
        }
    }
    return design;
}

double linear(const Matrix<double>& x, int64_t sample, const std::vector<double>& w) {
    double y = 0.0;
    for (int64_t i = 0; i < x.rows(); ++i) y += x(i, sample) * w[static_cast<std::size_t>(i)];
    return y;
}

double objective(const Matrix<double>& x, std::span<const uint8_t> label, double penalty, const std::vector<double>& w) {
    double sum = 0.0;
    for (int64_t j = 0; j < x.cols(); ++j) {
        const double margin = label[static_cast<std::size_t>(j)] ? linear(x, j, w) : -linear(x, j, w);
        sum += margin > 0.0 ? std::log1p(std::exp(-margin)) : -margin + std::log1p(std::exp(margin));
    }
    double squares = 0.0;
    for (std::size_t i = 1; i < w.size(); ++i) squares += w[i] * w[i];
    return sum / static_cast<double>(x.cols()) + 0.5 * penalty * squares;
}

/// Solves h d = g for symmetric positive definite h by Cholesky; h and g are overwritten, g by d.
void solve(Matrix<double>& h, std::vector<double>& g) {
    const int64_t n = h.rows();
    const auto at = [&](int64_t i) -> double& { return g[static_cast<std::size_t>(i)]; };
    for (int64_t j = 0; j < n; ++j) {
        for (int64_t k = 0; k < j; ++k) h(j, j) -= h(j, k) * h(j, k);
        h(j, j) = std::sqrt(std::max(h(j, j), 1e-300));
        for (int64_t i = j + 1; i < n; ++i) {
            for (int64_t k = 0; k < j; ++k) h(i, j) -= h(i, k) * h(j, k);
            h(i, j) /= h(j, j);
        }
    }
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t k = 0; k < i; ++k) at(i) -= h(i, k) * at(k);
        at(i) /= h(i, i);
    }
    for (int64_t i = n - 1; i >= 0; --i) {
        for (int64_t k = i + 1; k < n; ++k) at(i) -= h(k, i) * at(k);
        at(i) /= h(i, i);
    }
}

/// Gradient, and the Newton step in `step`.
std::vector<double> newton(const Matrix<double>& x, std::span<const uint8_t> label, double penalty, const std::vector<double>& w,
                           std::vector<double>& step) {
    const int64_t n = x.rows();
    const double share = 1.0 / static_cast<double>(x.cols());
    std::vector<double> gradient(w.size());
    Matrix<double> hessian(n, n);
    for (int64_t i = 1; i < n; ++i) {
        gradient[static_cast<std::size_t>(i)] = penalty * w[static_cast<std::size_t>(i)];
        hessian(i, i) = penalty;
    }
    for (int64_t j = 0; j < x.cols(); ++j) {
        const double p = sigmoid(linear(x, j, w));
        const double error = p - (label[static_cast<std::size_t>(j)] ? 1.0 : 0.0), weight = p * (1.0 - p) * share;
        for (int64_t i = 0; i < n; ++i) {
            gradient[static_cast<std::size_t>(i)] += share * error * x(i, j);
            for (int64_t k = 0; k <= i; ++k) hessian(i, k) += weight * x(i, j) * x(k, j);
        }
    }
    hessian(0, 0) += 1e-12;  // weights vanish where all labels are equal
    step = gradient;
    solve(hessian, step);
    return gradient;
}

}  // namespace

double LogisticModel::probability(const double* sample) const {
    double y = intercept;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (weights[i] != 0.0) y += weights[i] * sample[i];
    }
    return sigmoid(y);
}

LogisticModel fit_logistic(MatrixView<const double> samples, std::span<const uint8_t> label, double penalty) {
    require(static_cast<std::size_t>(samples.cols) == label.size(), "as many labels as samples");
    require(penalty > 0.0, "a penalty above 0");
    if (samples.cols == 0) throw DataError("logistic regression: found no sample, expected at least one");
    const Design design = standardise(samples);
    std::vector<double> w(static_cast<std::size_t>(samples.rows + 1)), step;
    double value = objective(design.x, label, penalty, w);
    for (int count = 0; count < most_steps; ++count) {
        const std::vector<double> gradient = newton(design.x, label, penalty, w, step);
        if (std::all_of(gradient.begin(), gradient.end(), [](double g) { return std::fabs(g) < small_gradient; })) break;
        bool lower = false;
        for (double length = 1.0; !lower && length > 1e-9; length *= 0.5) {  // halved until the objective falls
            std::vector<double> next = w;
            for (std::size_t i = 0; i < w.size(); ++i) next[i] -= length * step[i];
            next[0] = std::clamp(next[0], -largest_intercept, largest_intercept);
            const double next_value = objective(design.x, label, penalty, next);
            lower = next_value < value;
            if (!lower) continue;
            w = std::move(next);
            value = next_value;
        }
        if (!lower) break;  // at the bottom, to rounding
    }
    LogisticModel model{std::vector<double>(static_cast<std::size_t>(samples.rows)), w[0]};
    for (std::size_t i = 0; i < model.weights.size(); ++i) {
        if (design.deviation[i] == 0.0) continue;
        model.weights[i] = w[i + 1] / design.deviation[i];
        model.intercept -= model.weights[i] * design.mean[i];
    }
    return model;
}

}  // namespace aelle::embed
