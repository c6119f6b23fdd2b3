#pragma once
/// From spectra to embedding and classifiers, one random split after the other.
///
/// Labels: 1 = high accuracy = loss below the threshold, strictly; the threshold is the median loss of the whole study (NaN counted as +inf,
/// so a diverged variant is bad wherever its spectrum is finite), fixed once. Only spectra with NaN or +inf are left out; a variant
/// without a usable spectrum is in no split.
///
/// Each repeat: split by network; scale spectra and target, fit the autoencoder and both PCAs on training networks; choose boundaries
/// and their side on training and validation networks; judge everything. With several epochs (E > 1)
/// - fit = "pooled": one model from the spectra of all epochs of the training networks, each with its network's loss; so a network at any age has
///   its place in one plane, and one boundary (boundaries = "fitted") has to serve all ages, as in the paper's pre-trained study.
///   boundaries = "each" chooses one per epoch, for users who know the age of the network they judge;
/// - fit = "last": models and boundaries from the last epoch alone, applied to all: what a model of trained networks says of young ones.
///
/// Two controls, with two or more architectures (`cell`):
/// - architecture_control: in every repeat all classifiers once more, on the same models, for labels by the median loss of the own architecture;
/// - leave_one_out: after the repeats one more fit for each architecture, from the networks of the others, judged on all of its own.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aelle/base/archive.hpp"
#include "aelle/base/matrix.hpp"
#include "aelle/embed/autoencoder.hpp"
#include "aelle/embed/interpretation.hpp"
#include "aelle/embed/options.hpp"
#include "aelle/embed/pca.hpp"
#include "aelle/embed/transform.hpp"

namespace aelle::embed {

/// Arrays are row-major, as in study.h5.
struct AnalysisInput {
    uint64_t seed = 0;
    std::vector<int64_t> epochs;         ///< (E)
    std::vector<int64_t> variant;        ///< (V) numbers
    std::vector<std::string> cell;       ///< (V)
    std::vector<int64_t> hidden;         ///< (V)
    std::vector<double> init;            ///< (V)
    std::vector<std::string> status;     ///< (V) ok, diverged or failed
    std::vector<double> loss_final, loss_best;  ///< (V)
    std::vector<double> loss;            ///< (V, E) at the epochs of the spectra, NaN where diverged; all of an epoch where not measured; may be empty
    std::vector<int64_t> dimension;      ///< (V) exponents of each variant
    int64_t largest_dimension = 0;       ///< D
    std::vector<double> exponents;       ///< (V, E, D), unused beyond `dimension`
    int64_t leading = 0;                 ///< number of exponents where they are the leading ones only; 0: whole spectra
    std::string kind;                    ///< of these spectra (lyapunov/kinds.hpp); empty where unknown
};

/// What was fitted in one repeat, and where it puts every spectrum; NaN for those left out.
struct FittedModel {
    SpectrumScaler spectrum_scaler;
    TargetScaler target_scaler;
    TrainedAutoencoder autoencoder;
    Pca pca;                             ///< of the latent vectors
    Pca le_pca;                          ///< of the baseline spectra
    std::vector<double> latent, pc;      ///< (V, E, d)
    std::vector<double> predicted_loss;  ///< (V, E) in units of the loss
    std::vector<double> le_pc;           ///< (V, E, 2); 0 beyond the length of a spectrum
    Interpretation interpretation;
};

struct RepeatResult {
    int64_t repeat = 0;
    std::vector<int8_t> split;       ///< (V); with split = "spectra" the part of each variant's last usable spectrum
    std::vector<int8_t> spectrum_split;  ///< (V, E); empty unless split = "spectra"
    std::vector<double> score;       ///< (C, V, E); NaN where the spectrum is left out
    std::vector<int8_t> positive;    ///< (C, V, E); 1, 0, or -1 where the spectrum is left out
    std::vector<double> boundary;    ///< (C, E)
    std::vector<int32_t> side;       ///< (C, E)
    std::vector<int8_t> control_positive;  ///< (C, V, E) for labels by architecture; empty without that control
    std::optional<FittedModel> model;  ///< of repeat 0 only

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);
};

struct Analysis {
    std::vector<std::string> classifier;  ///< (C)
    std::vector<double> loss;             ///< (V) that labels were made from
    std::vector<uint8_t> label;           ///< (V)
    std::vector<uint8_t> usable;          ///< (V, E)
    std::vector<uint8_t> control_label;   ///< (V) by the median of the own architecture; empty without that control
    std::vector<double> mean, maximum, deviation, kaplan_yorke;  ///< (V, E); NaN where left out
    double median_loss = 0.0;
    double threshold = 0.0;
    int64_t length = 0;                   ///< L
    int64_t diverged = 0;                 ///< variants with status diverged
    int64_t failed = 0;                   ///< variants with status failed
    int64_t left_out = 0;                 ///< variants without a usable spectrum
    int64_t left_out_spectra = 0;
    int64_t clipped = 0;                  ///< exponents raised to the floor
    std::vector<RepeatResult> repeats;    ///< in order; the first has the model
    std::vector<std::string> held_out;    ///< (A) architectures left out of training in turn
    std::vector<RepeatResult> held_out_results;  ///< (A)
};

/// Throws what analyze_repeat would throw for the input or the options, before any work. DataError.
void check_input(const AnalysisInput& input, const AnalysisOptions& options);

/// Architectures left out of training in turn: in order of appearance, those with a usable spectrum while enough other networks have one. Empty unless
/// the options ask for it and there are two or more.
std::vector<std::string> held_out_cells(const AnalysisInput& input, const AnalysisOptions& options);

/// One split, 0 <= repeat < options.repeats; or, from options.repeats on, the one that leaves out held_out_cells()[repeat - options.repeats]. Pure: results depend on the arguments alone, so repeats may be spread over threads and ranks. One thread
/// and no hidden state; BLAS libraries without OpenMP must have been told to use one thread.
RepeatResult analyze_repeat(const AnalysisInput& input, const AnalysisOptions& options, int64_t repeat);

/// Puts the repeats, which may come in any order, together. InternalError unless each of 0 .. options.repeats - 1, and each of the
/// architectures to leave out, is there once.
Analysis assemble(const AnalysisInput& input, const AnalysisOptions& options, std::vector<RepeatResult> repeats);

}  // namespace aelle::embed
