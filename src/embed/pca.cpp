#include "aelle/embed/pca.hpp"

#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "blas.hpp"

namespace aelle::embed {
namespace {

/// Overwrites the symmetric `a` by its eigenvectors, eigenvalues ascending.
std::vector<double> eigen_decompose(Matrix<double>& a) {
    std::vector<double> values(static_cast<std::size_t>(a.rows()));
    const int size = blas_size(a.rows());
    const int status = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', size, a.data(), size, values.data());
    if (status != 0) throw DataError("principal components: dsyevd: found status " + std::to_string(status) + ", expected 0");
    return values;
}

std::vector<double> mean_of(MatrixView<const double> samples) {
    std::vector<double> mean(static_cast<std::size_t>(samples.rows));
    for (int64_t j = 0; j < samples.cols; ++j) {
        for (int64_t i = 0; i < samples.rows; ++i) {
            const double x = samples(i, j);
            if (!std::isfinite(x)) throw DataError("principal components: found a value that is not finite, expected numbers");
            mean[static_cast<std::size_t>(i)] += x;
        }
    }
    for (double& m : mean) m /= static_cast<double>(samples.cols);
    return mean;
}

Matrix<double> centred(MatrixView<const double> samples, const std::vector<double>& mean) {
    Matrix<double> result(samples.rows, samples.cols);
    for (int64_t j = 0; j < samples.cols; ++j) {
        for (int64_t i = 0; i < samples.rows; ++i) result(i, j) = samples(i, j) - mean[static_cast<std::size_t>(i)];
    }
    return result;
}

void fix_signs(Matrix<double>& axes) {
    for (int64_t j = 0; j < axes.cols(); ++j) {
        double* axis = axes.column(j);
        const double* largest = std::max_element(axis, axis + axes.rows(), [](double a, double b) { return std::fabs(a) < std::fabs(b); });
        if (*largest < 0.0) std::for_each(axis, axis + axes.rows(), [](double& x) { x = -x; });
    }
}

}  // namespace

Pca fit_pca(MatrixView<const double> samples) {
    if (samples.cols < 1 || samples.rows < 1) {
        throw DataError("principal components: found " + std::to_string(samples.cols) + " samples of " + std::to_string(samples.rows) +
                        " numbers, expected at least one of each");
    }
    Pca pca;
    pca.mean = mean_of(samples);
    const Matrix<double> x = centred(samples, pca.mean);
    Matrix<double> covariance(samples.rows, samples.rows);
    multiply(false, true, x.view(), x.view(), 0.0, covariance.view());
    const double divisor = static_cast<double>(std::max<int64_t>(1, samples.cols - 1));
    for (int64_t i = 0; i < covariance.size(); ++i) covariance.data()[i] /= divisor;
    const std::vector<double> ascending = eigen_decompose(covariance);

    pca.axes = Matrix<double>(samples.rows, samples.rows);
    for (int64_t j = 0; j < samples.rows; ++j) {
        const int64_t from = samples.rows - 1 - j;
        std::copy_n(covariance.column(from), samples.rows, pca.axes.column(j));
        pca.variance.push_back(std::max(0.0, ascending[static_cast<std::size_t>(from)]));
    }
    fix_signs(pca.axes);
    return pca;
}

Matrix<double> Pca::project(MatrixView<const double> samples, int64_t count) const {
    require(samples.rows == axes.rows() && count <= axes.cols(), "samples fit the principal axes");
    const Matrix<double> x = centred(samples, mean);
    Matrix<double> result(count, samples.cols);
    if (result.size() > 0) multiply(true, false, axes.view().columns(0, count), x.view(), 0.0, result.view());
    return result;
}

double LinearModel::predict(const double* sample) const {
    double y = intercept;
    for (std::size_t i = 0; i < weights.size(); ++i) y += weights[i] * sample[i];
    return y;
}

LinearModel fit_ridge(MatrixView<const double> samples, std::span<const double> y, double penalty) {
    require(samples.cols == static_cast<int64_t>(y.size()) && samples.cols > 0, "as many samples as values");
    const int64_t features = samples.rows;
    const auto count = static_cast<double>(samples.cols);
    const std::vector<double> mean = mean_of(samples);
    Matrix<double> x = centred(samples, mean);
    std::vector<double> deviation(static_cast<std::size_t>(features));
    for (int64_t i = 0; i < features; ++i) {
        double squares = 0.0;
        for (int64_t j = 0; j < x.cols(); ++j) squares += x(i, j) * x(i, j);
        double& spread = deviation[static_cast<std::size_t>(i)];
        spread = std::sqrt(squares / count);
        if (spread <= 1e-12 * std::fabs(mean[static_cast<std::size_t>(i)])) spread = 0.0;  // constant up to rounding
        for (int64_t j = 0; j < x.cols(); ++j) x(i, j) = spread > 0.0 ? x(i, j) / spread : 0.0;
    }
    double y_mean = 0.0;
    for (const double value : y) y_mean += value / count;

    Matrix<double> correlation(features, features);
    multiply(false, true, x.view(), x.view(), 0.0, correlation.view());
    for (int64_t i = 0; i < correlation.size(); ++i) correlation.data()[i] /= count;
    std::vector<double> moment(static_cast<std::size_t>(features));
    for (int64_t j = 0; j < x.cols(); ++j) {
        for (int64_t i = 0; i < features; ++i) moment[static_cast<std::size_t>(i)] += x(i, j) * (y[static_cast<std::size_t>(j)] - y_mean) / count;
    }
    const std::vector<double> values = eigen_decompose(correlation);
    const double negligible = 1e-12 * std::max(0.0, values.back()) * static_cast<double>(features);

    LinearModel model;
    model.weights.assign(static_cast<std::size_t>(features), 0.0);
    model.intercept = y_mean;
    for (int64_t k = 0; k < features; ++k) {
        const double value = values[static_cast<std::size_t>(k)];
        if (value <= negligible) continue;
        double overlap = 0.0;
        for (int64_t i = 0; i < features; ++i) overlap += correlation(i, k) * moment[static_cast<std::size_t>(i)];
        for (int64_t i = 0; i < features; ++i) model.weights[static_cast<std::size_t>(i)] += correlation(i, k) * overlap / (value + penalty);
    }
    for (std::size_t i = 0; i < model.weights.size(); ++i) {
        model.weights[i] = deviation[i] > 0.0 ? model.weights[i] / deviation[i] : 0.0;
        model.intercept -= model.weights[i] * mean[i];
    }
    return model;
}

}  // namespace aelle::embed
