#pragma once
/// Classifiers of networks: from a spectrum, its embedding or the initialisation parameter to "high accuracy" or not.
///
/// A row is one spectrum, number v * E + e for variant v at epoch index e. Everything fitted here comes from rows of training and
/// validation networks. A classifier is one function from `Features` to a `Judgement`; to add one, add its line to the list in
/// src/embed/classifiers.cpp, and analysis.h5, tables and report have it. Baselines that see no spectrum are functions of the same kind.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/base/matrix.hpp"
#include "aelle/embed/options.hpp"
#include "aelle/embed/split.hpp"

namespace aelle::embed {

/// What classifiers may look at in one repeat. Values of rows that are not usable are not read.
struct Features {
    const AnalysisOptions* options = nullptr;
    int64_t variants = 0;
    int64_t epochs = 0;

    std::vector<int8_t> part;            ///< (V E) of each spectrum, see split.hpp; that of its network unless options.split = spectra
    std::vector<uint8_t> usable;         ///< (V E)
    std::vector<uint8_t> label;          ///< (V)
    std::vector<double> target;          ///< (V) scaled loss, as the autoencoder predicts it
    std::vector<double> init;            ///< (V)
    std::vector<int64_t> hidden;         ///< (V) units
    std::vector<int64_t> cell;           ///< (V) architecture, from 0
    std::vector<double> epoch_loss;      ///< (V E) at the spectrum's epoch, +inf where diverged, NaN where not measured
    std::vector<double> loss_threshold;  ///< (V) loss below it = label 1

    std::vector<double> mean, maximum, deviation, kaplan_yorke;  ///< (V E) of the exponents
    Matrix<double> spectrum;             ///< (L x V E) at the common length
    Matrix<double> transformed;          ///< (L x V E) as the autoencoder sees it
    Matrix<double> le_pc;                ///< (min(L, ...) x V E) principal components of the baseline spectra
    Matrix<double> aelle_pc;             ///< (d x V E) principal components of the latent vectors
    std::vector<double> predicted_loss;  ///< (V E) by the autoencoder

    int64_t rows() const { return variants * epochs; }
    int64_t variant_of(int64_t row) const { return row / epochs; }
    /// Usable rows of the fitted epochs whose network is in training, or in the set that chooses boundaries.
    std::vector<int64_t> training_rows() const;
    std::vector<int64_t> boundary_rows() const;
    const Matrix<double>& baseline() const {
        return options->baseline == BaselineSpectra::raw ? spectrum : transformed;
    }
};

struct Judgement {
    std::vector<double> score;      ///< (V E); NaN: nothing can be said of this spectrum, it is left out for this classifier
    std::vector<uint8_t> positive;  ///< (V E)
    std::vector<double> boundary;   ///< (E) on the score; NaN where there is none
    std::vector<int32_t> side;      ///< (E) +1: positive above the boundary, -1: at or below it, 0: no boundary
};

struct Classifier {
    std::string name;
    Judgement (*judge)(const Features&);
};

/// Those that the options allow for, in the order of analysis.h5.
std::vector<Classifier> classifiers(const AnalysisOptions& options);

}  // namespace aelle::embed
