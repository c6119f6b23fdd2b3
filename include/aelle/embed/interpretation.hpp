#pragma once
/// What an autoencoder with a predictor goes by: the weight of each latent dimension, and the change of spectrum that would lower the predicted loss.
/// The paper leaves this as future work.
///
/// Let z be the latent vectors of the training spectra, y = w . z + b the predictions (scaled losses). Dimension i has the share
///     w_i cov(z_i, y) / var(y)
/// of the variance of the predictions; shares add up to 1, and one may be negative where a dimension works against the others.
///
/// Spectra along the predictor's direction: from the mean latent vector z0, the shortest step that changes the prediction by s is s w / |w|^2; the decoder
/// turns z0 + s w / |w|^2 into a spectrum. What is decoded may lie where no spectrum of a network does, so it is encoded again: `encoded_prediction` is the
/// prediction for the decoded spectrum, and where it does not follow `prediction` the decoded change is not to be believed.

#include <array>
#include <cstdint>
#include <vector>

#include "aelle/base/matrix.hpp"
#include "aelle/embed/autoencoder.hpp"
#include "aelle/embed/transform.hpp"

namespace aelle::embed {

/// Changes s of the predicted scaled loss; a unit is a standard deviation of the training networks' scaled losses where spectra are standardised.
inline constexpr std::array<double, 5> interpretation_shifts{-1.0, -0.5, 0.0, 0.5, 1.0};

struct Interpretation {
    std::vector<double> weight;              ///< (d) of the predictor
    std::vector<double> deviation;           ///< (d) standard deviation of the latent dimension over training spectra
    std::vector<double> share;               ///< (d) of the variance of the predictions; 0 where that is 0
    std::vector<double> spectrum;            ///< (S, L) decoded, in the unit of the exponents
    std::vector<double> prediction;          ///< (S) at the latent vector, in units of the loss
    std::vector<double> encoded_prediction;  ///< (S) for the decoded spectrum encoded again
};

/// `training`: latent vectors of the training spectra (d x n), n > 0. Without a direction (w = 0) all spectra are that of the mean latent vector.
Interpretation interpret(const Autoencoder<float>& net, const SpectrumScaler& spectrum_scaler, const TargetScaler& target_scaler,
                         MatrixView<const double> training);

}  // namespace aelle::embed
