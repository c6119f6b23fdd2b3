#include "aelle/embed/classifiers.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "aelle/embed/pca.hpp"
#include "aelle/embed/scores.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool chooses_boundary(const Features& f, int64_t row) {
    const int8_t part = f.part[static_cast<std::size_t>(f.variant_of(row))];
    return part == Part::validation || (part == Part::training && f.options->boundary_set == BoundarySet::both);
}

bool is_fitted_epoch(const Features& f, int64_t row) {
    return f.options->fit == FitEpochs::pooled || row % f.epochs == f.epochs - 1;
}

template <class Predicate>
std::vector<int64_t> select_rows(const Features& f, Predicate wanted) {
    std::vector<int64_t> rows;
    for (int64_t row = 0; row < f.rows(); ++row) {
        if (f.usable[static_cast<std::size_t>(row)] && wanted(row)) rows.push_back(row);
    }
    return rows;
}

uint8_t label_of(const Features& f, int64_t row) { return f.label[static_cast<std::size_t>(f.variant_of(row))]; }

/// Rows that choose the boundary for epoch index e; the fitted epochs where e has none of its own.
std::vector<int64_t> boundary_rows_of_epoch(const Features& f, int64_t e) {
    auto rows = select_rows(f, [&](int64_t row) { return row % f.epochs == e && chooses_boundary(f, row); });
    return rows.empty() ? f.boundary_rows() : rows;
}

using FitThreshold = std::function<Threshold(const std::vector<double>& values, const std::vector<uint8_t>& labels)>;

Judgement judge(const Features& f, std::vector<double> score, const FitThreshold& fit) {
    Judgement result;
    result.score = std::move(score);
    result.positive.resize(result.score.size());
    const auto fit_on = [&](const std::vector<int64_t>& rows) {
        std::vector<double> values;
        std::vector<uint8_t> labels;
        for (const int64_t row : rows) {
            values.push_back(result.score[static_cast<std::size_t>(row)]);
            labels.push_back(label_of(f, row));
        }
        return fit(values, labels);
    };
    const bool each = f.options->boundaries == BoundaryEpochs::each;
    const Threshold common = each ? Threshold{} : fit_on(f.boundary_rows());
    for (int64_t e = 0; e < f.epochs; ++e) {
        const Threshold threshold = each ? fit_on(boundary_rows_of_epoch(f, e)) : common;
        result.boundary.push_back(threshold.boundary);
        result.side.push_back(threshold.side);
        for (int64_t row = e; row < f.rows(); row += f.epochs) {
            const auto i = static_cast<std::size_t>(row);
            result.positive[i] = f.usable[i] && threshold.positive(result.score[i]);
        }
    }
    return result;
}

/// One threshold on the score, with the best F1.
Judgement by_best(const Features& f, std::vector<double> score, Side side = Side::either) {
    return judge(f, std::move(score), [side](const auto& values, const auto& labels) { return best_f1_threshold(values, labels, side); });
}

/// The score's median as threshold; [P]'s rule, with the median of training and validation networks in place of the shown ones'.
Judgement by_median(const Features& f, std::vector<double> score) {
    return judge(f, std::move(score), [](const auto& values, const auto& labels) { return median_threshold(values, labels); });
}

Judgement by_fixed(const Features& f, std::vector<double> score, double boundary) {
    return judge(f, std::move(score), [boundary](const auto&, const auto&) { return Threshold{boundary, 1}; });
}

Judgement call_all_good(const Features& f) {
    Judgement result;
    result.score.assign(f.usable.size(), 1.0);
    result.positive = f.usable;
    result.boundary.assign(static_cast<std::size_t>(f.epochs), nan);
    result.side.assign(static_cast<std::size_t>(f.epochs), 0);
    return result;
}

/// Row `component` of a feature matrix; zeros when it has none.
std::vector<double> component(const Matrix<double>& features, int64_t index) {
    std::vector<double> values(static_cast<std::size_t>(features.cols()));
    for (int64_t j = 0; j < features.cols() && index < features.rows(); ++j) values[static_cast<std::size_t>(j)] = features(index, j);
    return values;
}

/// Ridge regression of label or scaled loss on the leading `count` features, fitted on training networks; the side is given by what is regressed.
Judgement regress(const Features& f, const Matrix<double>& features, int64_t count) {
    const std::vector<int64_t> rows = f.training_rows();
    const bool label = f.options->regressand == Regressand::label;
    Matrix<double> x(count, static_cast<int64_t>(rows.size()));
    std::vector<double> y;
    for (std::size_t j = 0; j < rows.size(); ++j) {
        std::copy_n(features.column(rows[j]), count, x.column(static_cast<int64_t>(j)));
        y.push_back(label ? label_of(f, rows[j]) : f.target[static_cast<std::size_t>(f.variant_of(rows[j]))]);
    }
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

/// Share of good networks among the 5 nearest spectra of training and validation networks, the row's own network excepted; positive above one half.
/// Equal distances: lower row first.
Judgement nearest_neighbours(const Features& f, const Matrix<double>& features) {
    const std::vector<int64_t> known = select_rows(f, [&](int64_t row) {
        const int8_t part = f.part[static_cast<std::size_t>(f.variant_of(row))];
        return (part == Part::training || part == Part::validation) && is_fitted_epoch(f, row);
    });
    std::vector<double> score(f.usable.size(), nan);
    std::vector<std::pair<double, int64_t>> distances;
    for (int64_t row = 0; row < f.rows(); ++row) {
        if (!f.usable[static_cast<std::size_t>(row)]) continue;
        distances.clear();
        for (const int64_t other : known) {
            if (f.variant_of(other) == f.variant_of(row)) continue;
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

/// (mean, max) of the exponents, each divided by its standard deviation over the training rows.
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

std::vector<double> init_of_rows(const Features& f) {
    std::vector<double> values;
    for (int64_t row = 0; row < f.rows(); ++row) values.push_back(f.init[static_cast<std::size_t>(f.variant_of(row))]);
    return values;
}

std::vector<double> init_distance(const Features& f) {
    std::vector<double> values = init_of_rows(f);
    for (double& value : values) value = std::fabs(value - *f.options->init_centre);
    return values;
}

}  // namespace

std::vector<int64_t> Features::training_rows() const {
    return select_rows(*this, [&](int64_t row) {
        return part[static_cast<std::size_t>(variant_of(row))] == Part::training && is_fitted_epoch(*this, row);
    });
}

std::vector<int64_t> Features::boundary_rows() const {
    return select_rows(*this, [&](int64_t row) { return chooses_boundary(*this, row) && is_fitted_epoch(*this, row); });
}

std::vector<Classifier> classifiers(const AnalysisOptions& options) {
    std::vector<Classifier> list{
        {"all-good", call_all_good},
        {"le-mean", [](const Features& f) { return by_best(f, f.mean); }},
        {"le-max", [](const Features& f) { return by_best(f, f.maximum); }},
        {"le-std", [](const Features& f) { return by_best(f, f.deviation); }},
        {"le-pc1", [](const Features& f) { return by_best(f, component(f.le_pc, 0)); }},
        {"aelle-pc1", [](const Features& f) { return by_best(f, component(f.aelle_pc, 0)); }},
        {"aelle-pc1-median", [](const Features& f) { return by_median(f, component(f.aelle_pc, 0)); }},
        {"le-mean-median", [](const Features& f) { return by_median(f, f.mean); }},
        {"le-max-median", [](const Features& f) { return by_median(f, f.maximum); }},
        {"le-pc1-median", [](const Features& f) { return by_median(f, component(f.le_pc, 0)); }},
        {"ridge-spectrum", [](const Features& f) { return regress(f, f.baseline(), f.baseline().rows()); }},
        {"ridge-le-pcs", [](const Features& f) { return regress_components(f, f.le_pc); }},
        {"ridge-aelle-pcs", [](const Features& f) { return regress_components(f, f.aelle_pc); }},
        {"aelle-prediction", [](const Features& f) { return by_best(f, f.predicted_loss, Side::below); }},
        {"5-nn-spectrum", [](const Features& f) { return nearest_neighbours(f, f.transformed); }},
        {"5-nn-mean-max", [](const Features& f) { return nearest_neighbours(f, scaled_mean_and_maximum(f)); }},
        {"init", [](const Features& f) { return by_best(f, init_of_rows(f)); }},
    };
    if (options.init_centre) list.push_back({"init-distance", [](const Features& f) { return by_best(f, init_distance(f)); }});
    return list;
}

}  // namespace aelle::embed
