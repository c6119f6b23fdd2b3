#pragma once
/// Principal components and ridge regression through LAPACK's dsyevd of a covariance.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/base/matrix.hpp"

namespace aelle::embed {

/// Samples are columns. Axes are orthonormal columns by descending variance; the loading of largest magnitude of each is positive (of equal
/// ones the first).
struct Pca {
    std::vector<double> mean;      ///< (D)
    Matrix<double> axes;           ///< (D x D)
    std::vector<double> variance;  ///< (D) along the axes, divided by n - 1; never negative

    /// Coordinates (count x samples) of `samples` (D x samples) on the first `count` axes: axes^T (x - mean).
    Matrix<double> project(MatrixView<const double> samples, int64_t count) const;
};

/// DataError when there is no sample or a value is not finite.
Pca fit_pca(MatrixView<const double> samples);

/// Linear model y = intercept + weights . x.
struct LinearModel {
    std::vector<double> weights;
    double intercept = 0.0;

    double predict(const double* sample) const;
};

/// Minimises mean (y - y')^2 + penalty |w|^2 over weights w of the standardised features (each centred and divided by its standard deviation; constant
/// features get weight 0). penalty = 0 gives the minimum-norm least-squares solution, so there may be more features than samples.
LinearModel fit_ridge(MatrixView<const double> samples, std::span<const double> y, double penalty);

}  // namespace aelle::embed
