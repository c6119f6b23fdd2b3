#pragma once
/// Scaling of what the autoencoder sees and predicts. Everything is fitted on training networks and applied unchanged elsewhere.

#include <cstdint>
#include <span>

#include "aelle/base/matrix.hpp"
#include "aelle/embed/choices.hpp"

namespace aelle::embed {

/// Exponent x, after interpolation and floor, to (g(x) - shift) / factor with g(x) = sign(x) ln(1 + |x| / scale) or x. ONE shift and one factor
/// for the whole spectrum, the mean and standard deviation of all transformed training exponents together, so that differences between
/// exponents of one spectrum keep their proportion.
struct SpectrumScaler {
    SpectrumTransform transform = SpectrumTransform::signed_log;
    double scale = 0.002;
    double shift = 0.0;
    double factor = 1.0;

    void fit(MatrixView<const double> training);  ///< (L x rows), a spectrum a column; a constant set gets factor 1
    double apply(double exponent) const;
    double invert(double scaled) const;  ///< the exponent; beyond what can be written as a number, infinity
    Matrix<double> apply(MatrixView<const double> spectra) const;
};

/// Loss to (h(loss) - shift) / factor with h = ln(min(loss, cap)) or min(loss, cap). A loss of NaN (diverged) enters as the cap, one
/// below 1e-12 as 1e-12.
struct TargetScaler {
    TargetTransform transform = TargetTransform::log;
    double cap = 10.0;
    double shift = 0.0;
    double factor = 1.0;

    void fit(std::span<const double> training_losses);
    double apply(double loss) const;
    double invert(double target) const;  ///< in units of the loss
};

}  // namespace aelle::embed
