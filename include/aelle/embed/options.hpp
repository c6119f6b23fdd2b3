#pragma once
/// Options of the analysis. Defaults are those of `study.md` 3, the paper's and its code's are among the alternatives.

#include <cstdint>
#include <optional>
#include <string>

#include "aelle/embed/autoencoder.hpp"
#include "aelle/embed/choices.hpp"

namespace aelle::embed {

struct AnalysisOptions {
    int64_t repeats = 20;              ///< random splits
    double train_fraction = 0.7;       ///< of the networks; what is left of 1 after the two is test
    double validation_fraction = 0.1;

    SplitBy split = SplitBy::networks;
    bool leave_one_out = true;         ///< with two or more architectures: one more model for each, fitted on the others and tested on it

    std::string spectrum;              ///< kind of spectrum, as in `exponents_KIND` of study.h5; empty: the study's first
    LogBase log = LogBase::e;          ///< exponents are divided by ln 2 before anything else; floor and scale are in the same unit
    int64_t length = 0;                ///< common length of spectra; 0: the largest dimension
    Interpolation interpolation = Interpolation::linear;
    double floor = -500.0;             ///< exponents below it, -inf too, are raised to it (nats per step)
    SpectrumTransform transform = SpectrumTransform::signed_log;
    double transform_scale = 0.002;    ///< s of the signed logarithm: 0.002 suits the signal task, 0.05 sMNIST
    bool standardise = true;           ///< false: no shift and factor for spectra and target, as the paper's code

    LossChoice loss = LossChoice::final;  ///< that labels are made from and the autoencoder predicts
    std::optional<double> threshold;      ///< loss below it = high accuracy; default: the median of the study
    LabelReference label = LabelReference::study;  ///< architecture: the median of the own architecture's losses is the threshold
    bool architecture_control = true;     ///< with two or more architectures: all classifiers once more for labels by architecture
    TargetTransform target = TargetTransform::log;
    double loss_cap = 10.0;               ///< larger losses, and NaN of diverged variants, enter the target as this

    AutoencoderOptions autoencoder;

    FitEpochs fit = FitEpochs::pooled;
    BoundaryEpochs boundaries = BoundaryEpochs::fitted;
    BoundarySet boundary_set = BoundarySet::both;
    BoundaryRule boundary_rule = BoundaryRule::best_f1;  ///< of the rows of the paper's tables; classifiers with both rules are always there

    BaselineSpectra baseline = BaselineSpectra::raw;
    Regressand regressand = Regressand::label;
    double ridge = 0.01;               ///< penalty on weights of standardised features; 0: minimum-norm least squares
    int64_t regression_components = 6; ///< leading PCs that ridge regression on PCs uses
    double logistic_penalty = 0.01;    ///< of logistic regression, on weights of standardised features
    std::optional<double> init_centre; ///< c of the classifier `init-distance`, |init - c|; without it the classifier is left out
};

/// DataError naming the option, what was found and what is expected.
void check_options(const AnalysisOptions& options);

}  // namespace aelle::embed
