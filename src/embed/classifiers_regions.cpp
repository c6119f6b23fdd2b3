// Classifiers by a region of the plane or of the loss.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "judging.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Mean and inverse covariance of points in the plane.
struct Ellipse {
    double mean[2] = {0.0, 0.0};
    double inverse[3] = {1.0, 0.0, 1.0};  ///< xx, xy, yy

    double distance(double x, double y) const {
        const double dx = x - mean[0], dy = y - mean[1];
        return std::sqrt(std::max(0.0, inverse[0] * dx * dx + 2.0 * inverse[1] * dx * dy + inverse[2] * dy * dy));
    }
};

/// Needs three points that do not lie on a line; otherwise a circle about their mean.
Ellipse fit_ellipse(const std::vector<std::pair<double, double>>& points) {
    Ellipse ellipse;
    const auto count = static_cast<double>(points.size());
    for (const auto& [x, y] : points) {
        ellipse.mean[0] += x / count;
        ellipse.mean[1] += y / count;
    }
    if (points.size() < 3) return ellipse;
    double xx = 0.0, xy = 0.0, yy = 0.0;
    for (const auto& [x, y] : points) {
        const double dx = x - ellipse.mean[0], dy = y - ellipse.mean[1];
        xx += dx * dx / (count - 1.0);
        xy += dx * dy / (count - 1.0);
        yy += dy * dy / (count - 1.0);
    }
    const double determinant = xx * yy - xy * xy;
    if (!(determinant > 1e-12 * (xx + yy) * (xx + yy))) return ellipse;
    ellipse.inverse[0] = yy / determinant;
    ellipse.inverse[1] = -xy / determinant;
    ellipse.inverse[2] = xx / determinant;
    return ellipse;
}

}  // namespace

Judgement by_orthants(const Features& f, const Matrix<double>& features, int64_t count) {
    const std::vector<int64_t> rows = f.training_rows();
    const int64_t used = std::min(count, features.rows());
    std::vector<double> medians;
    for (int64_t i = 0; i < used; ++i) {
        std::vector<double> values;
        for (const int64_t row : rows) values.push_back(features(i, row));
        medians.push_back(median(values));
    }
    const auto orthant = [&](int64_t row) {
        std::vector<bool> above;
        for (int64_t i = 0; i < used; ++i) above.push_back(features(i, row) > medians[static_cast<std::size_t>(i)]);
        return above;
    };
    std::map<std::vector<bool>, std::pair<int64_t, int64_t>> votes;  // positives minus negatives, all
    for (const int64_t row : rows) {
        auto& [balance, all] = votes[orthant(row)];
        balance += label_of(f, row) ? 1 : -1;
        ++all;
    }
    std::vector<double> score(f.usable.size(), nan);
    for (int64_t row = 0; row < f.rows(); ++row) {
        if (!f.usable[static_cast<std::size_t>(row)]) continue;
        const auto found = votes.find(orthant(row));
        score[static_cast<std::size_t>(row)] =
            found == votes.end() ? 0.0 : static_cast<double>(found->second.first) / static_cast<double>(found->second.second);
    }
    return by_fixed(f, std::move(score), 0.0);
}

Judgement by_ellipse(const Features& f, const Matrix<double>& features) {
    const std::vector<double> first = component(features, 0), second = component(features, 1);
    std::vector<std::pair<double, double>> good;
    for (const int64_t row : f.training_rows()) {
        if (label_of(f, row)) good.emplace_back(first[static_cast<std::size_t>(row)], second[static_cast<std::size_t>(row)]);
    }
    const Ellipse ellipse = fit_ellipse(good);
    std::vector<double> score(f.usable.size(), nan);
    for (std::size_t i = 0; i < score.size(); ++i) {
        if (f.usable[i]) score[i] = ellipse.distance(first[i], second[i]);
    }
    return by_best(f, std::move(score), Side::below);
}

Judgement by_epoch_loss(const Features& f) {
    Judgement result = judge(f, f.epoch_loss, BoundaryEpochs::each, [](const std::vector<double>& values, const std::vector<uint8_t>& labels) {
        return values.empty() ? Threshold{nan, 0} : best_f1_threshold(values, labels, Side::below);
    });
    return result;
}

Judgement by_epoch_loss_and_final_threshold(const Features& f) {
    Judgement result;
    result.score = f.epoch_loss;
    const bool common = std::adjacent_find(f.loss_threshold.begin(), f.loss_threshold.end(), std::not_equal_to<>()) == f.loss_threshold.end();
    for (int64_t row = 0; row < f.rows(); ++row) {
        const auto i = static_cast<std::size_t>(row);
        result.positive.push_back(f.usable[i] && f.epoch_loss[i] < f.loss_threshold[static_cast<std::size_t>(f.variant_of(row))]);
    }
    result.boundary.assign(static_cast<std::size_t>(f.epochs), common && !f.loss_threshold.empty() ? f.loss_threshold.front() : nan);
    result.side.assign(static_cast<std::size_t>(f.epochs), -1);
    return result;
}

}  // namespace aelle::embed
