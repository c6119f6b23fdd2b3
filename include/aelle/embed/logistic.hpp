#pragma once
/// Logistic regression by Newton's method (iteratively reweighted least squares).

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/base/matrix.hpp"

namespace aelle::embed {

/// P(label = 1) = 1 / (1 + exp(-(intercept + weights . x))).
struct LogisticModel {
    std::vector<double> weights;
    double intercept = 0.0;

    double probability(const double* sample) const;
};

/// Minimises mean ln(1 + exp(-s y)) + penalty / 2 |w|^2, s = +1 for label 1 and -1 for label 0, y = intercept + w . x, over weights w of the
/// standardised features (each centred and divided by its standard deviation; constant features get weight 0). Samples are columns. penalty > 0,
/// so that separable labels and features that depend on one another have one answer; the intercept bears none, and is bounded to +-30 where all
/// labels are equal. DataError when there is no sample or a value is not finite.
LogisticModel fit_logistic(MatrixView<const double> samples, std::span<const uint8_t> label, double penalty);

}  // namespace aelle::embed
