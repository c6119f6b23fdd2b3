#include "judging.hpp"

#include <algorithm>
#include <cmath>

namespace aelle::embed {
namespace {

bool chooses_boundary(const Features& f, int64_t row) {
    const int8_t part = f.part[static_cast<std::size_t>(row)];
    return part == Part::validation || (part == Part::training && f.options->boundary_set == BoundarySet::both);
}

}  // namespace

std::vector<int64_t> select_rows(const Features& f, const std::function<bool(int64_t)>& wanted) {
    std::vector<int64_t> rows;
    for (int64_t row = 0; row < f.rows(); ++row) {
        if (f.usable[static_cast<std::size_t>(row)] && wanted(row)) rows.push_back(row);
    }
    return rows;
}

bool is_known(const Features& f, int64_t row) {
    const int8_t part = f.part[static_cast<std::size_t>(row)];
    return part == Part::training || part == Part::validation;
}

bool is_fitted_epoch(const Features& f, int64_t row) {
    return f.options->fit == FitEpochs::pooled || row % f.epochs == f.epochs - 1;
}

std::vector<int64_t> Features::training_rows() const {
    return select_rows(*this, [&](int64_t row) { return part[static_cast<std::size_t>(row)] == Part::training && is_fitted_epoch(*this, row); });
}

std::vector<int64_t> Features::boundary_rows() const {
    return select_rows(*this, [&](int64_t row) { return chooses_boundary(*this, row) && is_fitted_epoch(*this, row); });
}

std::vector<int64_t> boundary_rows_of_epoch(const Features& f, int64_t e) {
    auto rows = select_rows(f, [&](int64_t row) { return row % f.epochs == e && chooses_boundary(f, row); });
    return rows.empty() ? f.boundary_rows() : rows;
}

Matrix<double> leading_features(const Matrix<double>& features, int64_t count, const std::vector<int64_t>& rows) {
    Matrix<double> chosen(count, static_cast<int64_t>(rows.size()));
    for (std::size_t j = 0; j < rows.size(); ++j) std::copy_n(features.column(rows[j]), count, chosen.column(static_cast<int64_t>(j)));
    return chosen;
}

std::vector<double> component(const Matrix<double>& features, int64_t index) {
    std::vector<double> values(static_cast<std::size_t>(features.cols()));
    for (int64_t j = 0; j < features.cols() && index < features.rows(); ++j) values[static_cast<std::size_t>(j)] = features(index, j);
    return values;
}

std::vector<double> by_row(const Features& f, const std::vector<double>& of_variant) {
    std::vector<double> values;
    for (int64_t row = 0; row < f.rows(); ++row) values.push_back(of_variant[static_cast<std::size_t>(f.variant_of(row))]);
    return values;
}

Judgement judge(const Features& f, std::vector<double> score, BoundaryEpochs epochs, const FitThreshold& fit) {
    Judgement result;
    result.score = std::move(score);
    result.positive.resize(result.score.size());
    const auto fit_on = [&](const std::vector<int64_t>& rows) {
        std::vector<double> values;
        std::vector<uint8_t> labels;
        for (const int64_t row : rows) {
            if (std::isnan(result.score[static_cast<std::size_t>(row)])) continue;
            values.push_back(result.score[static_cast<std::size_t>(row)]);
            labels.push_back(label_of(f, row));
        }
        return fit(values, labels);
    };
    const bool each = epochs == BoundaryEpochs::each;
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

Judgement by_best(const Features& f, std::vector<double> score, Side side) {
    return judge(f, std::move(score), f.options->boundaries,
                 [side](const auto& values, const auto& labels) { return best_f1_threshold(values, labels, side); });
}

Judgement by_median(const Features& f, std::vector<double> score) {
    return judge(f, std::move(score), f.options->boundaries,
                 [](const auto& values, const auto& labels) { return median_threshold(values, labels); });
}

Judgement by_fixed(const Features& f, std::vector<double> score, double boundary) {
    return judge(f, std::move(score), BoundaryEpochs::fitted, [boundary](const auto&, const auto&) { return Threshold{boundary, 1}; });
}

}  // namespace aelle::embed
