#include "aelle/embed/transform.hpp"

#include <algorithm>
#include <cmath>

namespace aelle::embed {
namespace {

/// Mean and standard deviation (1 where there is none to speak of) of what `value(i)` gives for i < count.
template <class Value>
void standardise(int64_t count, Value value, double& shift, double& factor) {
    double mean = 0.0;
    for (int64_t i = 0; i < count; ++i) mean += (value(i) - mean) / static_cast<double>(i + 1);
    double squares = 0.0;
    for (int64_t i = 0; i < count; ++i) squares += (value(i) - mean) * (value(i) - mean);
    const double deviation = count > 0 ? std::sqrt(squares / static_cast<double>(count)) : 0.0;
    shift = mean;
    // Deviations at the level of rounding are constants too.
    factor = deviation > 1e-12 * std::max(1.0, std::fabs(mean)) ? deviation : 1.0;
}

constexpr double least_loss = 1e-12;

}  // namespace

void SpectrumScaler::fit(MatrixView<const double> training) {
    shift = 0.0;
    factor = 1.0;
    const SpectrumScaler plain = *this;
    double mean = 0.0, deviation = 1.0;
    standardise(
        training.rows * training.cols, [&](int64_t i) { return plain.apply(training(i % training.rows, i / training.rows)); }, mean, deviation);
    shift = mean;
    factor = deviation;
}

double SpectrumScaler::apply(double x) const {
    const double g = transform == SpectrumTransform::raw ? x : std::copysign(std::log1p(std::fabs(x) / scale), x);
    return (g - shift) / factor;
}

double SpectrumScaler::invert(double scaled) const {
    const double g = scaled * factor + shift;
    return transform == SpectrumTransform::raw ? g : std::copysign(scale * std::expm1(std::fabs(g)), g);
}

Matrix<double> SpectrumScaler::apply(MatrixView<const double> spectra) const {
    Matrix<double> scaled(spectra.rows, spectra.cols);
    for (int64_t j = 0; j < spectra.cols; ++j) {
        for (int64_t i = 0; i < spectra.rows; ++i) scaled(i, j) = apply(spectra(i, j));
    }
    return scaled;
}

void TargetScaler::fit(std::span<const double> training_losses) {
    shift = 0.0;
    factor = 1.0;
    const TargetScaler plain = *this;
    double mean = 0.0, deviation = 1.0;
    standardise(
        static_cast<int64_t>(training_losses.size()), [&](int64_t i) { return plain.apply(training_losses[static_cast<std::size_t>(i)]); }, mean,
        deviation);
    shift = mean;
    factor = deviation;
}

double TargetScaler::apply(double loss) const {
    const double capped = loss < cap ? std::max(loss, least_loss) : cap;  // NaN: the cap
    return ((transform == TargetTransform::log ? std::log(capped) : capped) - shift) / factor;
}

double TargetScaler::invert(double target) const {
    const double h = target * factor + shift;
    return transform == TargetTransform::log ? std::exp(h) : h;
}

}  // namespace aelle::embed
