#pragma once
/// A fitted AeLLE: from the spectrum of a network to its latent vector, principal components, predicted loss and class.
///
///     exponents -> floor -> common length L -> (g(x) - shift) / factor -> encoder -> latent (d) -> pc = axes (latent - mean)
///                                                                                 -> predictor -> loss
///
/// The analysis and `apply` share the functions below. Spectra are encoded one by one, so a network's place does not depend on what else
/// is placed with it: to the bit, on one kind of processor.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aelle/base/matrix.hpp"
#include "aelle/embed/autoencoder.hpp"
#include "aelle/embed/choices.hpp"
#include "aelle/embed/pca.hpp"
#include "aelle/embed/scores.hpp"
#include "aelle/embed/transform.hpp"

namespace aelle::embed {

/// Latent vectors (d x n) of scaled spectra (L x n), one a column. Every value is a float's.
Matrix<double> latent_vectors(const Autoencoder<float>& net, MatrixView<const double> scaled);

/// All principal components (d x n) of latent vectors (d x n).
Matrix<double> components(const Pca& pca, MatrixView<const double> latent);

/// Predicted losses (n) of latent vectors (d x n), in units of the loss.
std::vector<double> predicted_losses(const Autoencoder<float>& net, const TargetScaler& scaler, MatrixView<const double> latent);

struct Model {
    int64_t length = 0;  ///< L
    Interpolation interpolation = Interpolation::linear;
    int64_t leading = 0;       ///< exponents of each network it was fitted to, where they were the leading ones only; 0: whole spectra
    std::string kind;          ///< of the spectra it was fitted to (lyapunov/kinds.hpp); empty where unknown: the first of a study
    LogBase log = LogBase::e;  ///< unit that exponents are brought to first
    double floor = 0.0;  ///< exponents below it are raised to it
    SpectrumScaler spectrum_scaler;
    TargetScaler target_scaler;
    Autoencoder<float> net;
    Pca pca;
    double threshold = 0.0;                    ///< loss below which the study calls a network good
    std::vector<int64_t> epochs;               ///< (E) of the study's spectra
    bool boundary_each_epoch = false;          ///< otherwise one boundary serves all ages
    std::vector<Threshold> by_component;       ///< (E) on the first component: classifier `aelle-pc1`
    std::vector<Threshold> by_predicted_loss;  ///< (E) on the predicted loss: classifier `aelle-prediction`

    /// Index of the boundaries for networks at this epoch: the last one's where no epoch is given, or where one boundary serves all. DataError
    /// when each epoch has its own boundary and this one has none.
    int64_t boundary_index(std::optional<int64_t> epoch) const;
};

/// The model of repeat 0 in an analysis.h5. MissingInput without the file; DataError naming the dataset for another version or sizes that disagree.
Model read_model(const std::filesystem::path& file);

/// Where a model puts n networks; NaN and -1 where a spectrum is empty or holds NaN or +inf.
struct Placement {
    std::vector<double> latent, pc;                        ///< (n, d) row-major
    std::vector<double> predicted_loss;                    ///< (n)
    std::vector<int8_t> positive, positive_by_prediction;  ///< (n) 1 = good, 0 = bad, -1 = undefined
};

/// `spectra`: the exponents of one network each, descending, natural logarithms per step, any number of them. DataError for a number that "doubling" cannot
/// bring to the common length.
Placement apply(const Model& model, std::span<const std::vector<double>> spectra, int64_t boundary_index);

}  // namespace aelle::embed
