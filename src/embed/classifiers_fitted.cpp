// Classifiers that fit a model: regressions, architecture, neighbours.

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "aelle/embed/logistic.hpp"
#include "aelle/embed/pca.hpp"
#include "judging.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Features of networks (count x V) for logistic regression.
Matrix<double> network_features(const Features& f, bool interaction) {
    const auto rows = f.training_rows();
    const bool logarithm = std::all_of(rows.begin(), rows.end(), [&](int64_t row) { return f.init[static_cast<std::size_t>(f.variant_of(row))] > 0.0; });
    const int64_t cells = f.cell.empty() ? 0 : 1 + *std::max_element(f.cell.begin(), f.cell.end());
    Matrix<double> features(3 + cells + (interaction ? 2 * cells : 0), f.variants);
    for (int64_t v = 0; v < f.variants; ++v) {
        const auto i = static_cast<std::size_t>(v);
        const double p = f.init[i];
        // A test network's p that has no logarithm is as small as can be.
        const double log_p = logarithm ? std::log(std::max(p, std::numeric_limits<double>::min())) : 0.0;
        features(0, v) = p;
        features(1, v) = log_p;
        features(2, v) = std::log(static_cast<double>(std::max<int64_t>(1, f.hidden[i])));
        features(3 + f.cell[i], v) = 1.0;
        if (!interaction) continue;
        features(3 + cells + f.cell[i], v) = p;
        features(3 + 2 * cells + f.cell[i], v) = log_p;
    }
    return features;
}

}  // namespace

Judgement regress(const Features& f, const Matrix<double>& features, int64_t count) {
    const std::vector<int64_t> rows = f.training_rows();
    const bool label = f.options->regressand == Regressand::label;
    const Matrix<double> x = leading_features(features, count, rows);
    std::vector<double> y;
    for (const int64_t row : rows) y.push_back(label ? label_of(f, row) : f.target[static_cast<std::size_t>(f.variant_of(row))]);
    const LinearModel model = fit_ridge(x.view(), y, f.options->ridge);
    std::vector<double> score(f.usable.size(), nan);
    for (std::size_t i = 0; i < score.size(); ++i) {
        if (f.usable[i]) score[i] = model.predict(features.column(static_cast<int64_t>(i)));
    }
    return by_best(f, std::move(score), label ? Side::above : Side::below);
}

Judgement regress_components(const Features& f, const Matrix<double>& features) {
    return regress(f, features, std::min(f.options->regression_components, features.rows()));
}

Judgement logistic_on_networks(const Features& f, bool interaction) {
    const Matrix<double> features = network_features(f, interaction);
    std::vector<int64_t> variants;
    std::vector<uint8_t> labels;
    for (const int64_t row : f.training_rows()) {
        variants.push_back(f.variant_of(row));
        labels.push_back(label_of(f, row));
    }
    const Matrix<double> x = leading_features(features, features.rows(), variants);
    const LogisticModel model = fit_logistic(x.view(), labels, f.options->logistic_penalty);
    std::vector<double> probability;
    for (int64_t v = 0; v < f.variants; ++v) probability.push_back(model.probability(features.column(v)));
    return by_best(f, by_row(f, probability), Side::above);
}

Judgement by_architecture(const Features& f) {
    std::vector<std::pair<int64_t, int64_t>> good_of(f.cell.empty() ? 0 : static_cast<std::size_t>(1 + *std::max_element(f.cell.begin(), f.cell.end())));
    std::pair<int64_t, int64_t> all;
    for (const int64_t row : f.training_rows()) {
        for (auto* counts : {&good_of[static_cast<std::size_t>(f.cell[static_cast<std::size_t>(f.variant_of(row))])], &all}) {
            counts->first += label_of(f, row);
            ++counts->second;
        }
    }
    std::vector<double> share;
    for (const int64_t cell : f.cell) {
        const auto& counts = good_of[static_cast<std::size_t>(cell)].second > 0 ? good_of[static_cast<std::size_t>(cell)] : all;
        share.push_back(static_cast<double>(counts.first) / static_cast<double>(std::max<int64_t>(1, counts.second)));
    }
    return by_best(f, by_row(f, share), Side::above);
}

Judgement nearest_neighbours(const Features& f, const Matrix<double>& features) {
    const std::vector<int64_t> known = select_rows(f, [&](int64_t row) { return is_known(f, row) && is_fitted_epoch(f, row); });
    const bool by_network = f.options->split == SplitBy::networks;
    std::vector<double> score(f.usable.size(), nan);
    std::vector<std::pair<double, int64_t>> distances;
    for (int64_t row = 0; row < f.rows(); ++row) {
        if (!f.usable[static_cast<std::size_t>(row)]) continue;
        distances.clear();
        for (const int64_t other : known) {
            // A split by spectrum lets a network's other spectra tell its label: that is what leaks there.
            if (by_network ? f.variant_of(other) == f.variant_of(row) : other == row) continue;
            double squares = 0.0;
            for (int64_t i = 0; i < features.rows(); ++i) {
                const double difference = features(i, row) - features(i, other);
                squares += difference * difference;
            }
            distances.emplace_back(squares, other);
        }
        const std::size_t count = std::min<std::size_t>(5, distances.size());
        std::partial_sort(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(count), distances.end());
        int64_t good = 0;
        for (std::size_t i = 0; i < count; ++i) good += label_of(f, distances[i].second);
        score[static_cast<std::size_t>(row)] = static_cast<double>(good) / static_cast<double>(std::max<std::size_t>(1, count));
    }
    return by_fixed(f, std::move(score), 0.5);
}

Matrix<double> scaled_mean_and_maximum(const Features& f) {
    Matrix<double> features(2, f.rows());
    const std::vector<int64_t> rows = f.training_rows();
    int64_t feature = 0;
    for (const std::vector<double>* values : {&f.mean, &f.maximum}) {
        double mean = 0.0, squares = 0.0;
        for (const int64_t row : rows) mean += (*values)[static_cast<std::size_t>(row)] / static_cast<double>(rows.size());
        for (const int64_t row : rows) squares += std::pow((*values)[static_cast<std::size_t>(row)] - mean, 2) / static_cast<double>(rows.size());
        const double factor = squares > 0.0 ? std::sqrt(squares) : 1.0;
        for (int64_t row = 0; row < f.rows(); ++row) features(feature, row) = (*values)[static_cast<std::size_t>(row)] / factor;
        ++feature;
    }
    return features;
}

}  // namespace aelle::embed
