#include "aelle/embed/interpretation.hpp"

#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "aelle/embed/model.hpp"

namespace aelle::embed {
namespace {

double mean_of(std::span<const double> values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double covariance(std::span<const double> a, std::span<const double> b) {
    const double mean_a = mean_of(a), mean_b = mean_of(b);
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
    return sum / static_cast<double>(a.size());
}

std::vector<double> row_of(MatrixView<const double> matrix, int64_t row) {
    std::vector<double> values;
    for (int64_t j = 0; j < matrix.cols; ++j) values.push_back(matrix(row, j));
    return values;
}

}  // namespace

Interpretation interpret(const Autoencoder<float>& net, const SpectrumScaler& spectrum_scaler, const TargetScaler& target_scaler,
                         MatrixView<const double> training) {
    const int64_t dimensions = net.latent();
    const float* weight = net.parameters().data() + net.predictor().weight;
    Interpretation result;
    result.weight.assign(weight, weight + dimensions);
    std::vector<double> prediction(static_cast<std::size_t>(training.cols), 0.0);
    for (int64_t j = 0; j < training.cols; ++j) {
        for (int64_t i = 0; i < dimensions; ++i)
            prediction[static_cast<std::size_t>(j)] += result.weight[static_cast<std::size_t>(i)] * training(i, j);
    }
    const double variance = covariance(prediction, prediction);
    const double square = std::inner_product(result.weight.begin(), result.weight.end(), result.weight.begin(), 0.0);

    Matrix<float> latent(dimensions, static_cast<int64_t>(interpretation_shifts.size()));
    for (int64_t i = 0; i < dimensions; ++i) {
        const double w = result.weight[static_cast<std::size_t>(i)];
        const std::vector<double> values = row_of(training, i);
        result.deviation.push_back(std::sqrt(covariance(values, values)));
        result.share.push_back(variance > 0.0 ? w * covariance(values, prediction) / variance : 0.0);
        for (int64_t s = 0; s < latent.cols(); ++s) {
            const double step = square > 0.0 ? interpretation_shifts[static_cast<std::size_t>(s)] * w / square : 0.0;
            latent(i, s) = static_cast<float>(mean_of(values) + step);
        }
    }
    const Matrix<float> decoded = net.decode(std::as_const(latent).view());
    for (int64_t s = 0; s < decoded.cols(); ++s) {
        for (int64_t i = 0; i < decoded.rows(); ++i) result.spectrum.push_back(spectrum_scaler.invert(decoded(i, s)));
    }
    const auto losses = [&](const Matrix<float>& from) {
        std::vector<double> values;
        for (const float scaled : net.predict(from.view())) values.push_back(target_scaler.invert(scaled));
        return values;
    };
    result.prediction = losses(latent);
    result.encoded_prediction = losses(net.encode(decoded.view()));
    return result;
}

}  // namespace aelle::embed
