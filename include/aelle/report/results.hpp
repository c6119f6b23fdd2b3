#pragma once
/// What the report needs of study.h5 and analysis.h5, read once and checked against each other.
///
/// Letters: V variants, E spectrum epochs, R repeats (random splits), C classifiers, K exponents, d latent dimensions. Arrays are row-major as in
/// the files. Members under "optional" are empty where the file lacks the dataset: figures that need them are then left out.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "aelle/report/examples.hpp"

namespace aelle::report {

/// One curve of the autoencoder's training, with its steps.
struct LearningCurve {
    std::string name;  ///< "reconstruction_train", ...
    std::vector<double> value;
};

/// What the autoencoder goes by (embed/interpretation.hpp); empty where the file does not say.
struct Direction {
    std::vector<double> weight, deviation, share;           ///< (d)
    std::vector<double> shift, prediction, encoded;         ///< (S)
    std::vector<double> spectrum;                           ///< (S, L)
    int64_t length = 0;                                     ///< L
};

struct Results {
    std::filesystem::path folder;

    // study.h5
    std::string name, task, text, version, device, cells, init_name, loss_name;
    int64_t seed = 0;
    std::vector<int64_t> variant, hidden, variant_seed;  ///< (V)
    std::vector<std::string> cell, status;               ///< (V)
    std::vector<double> init;                            ///< (V)
    std::vector<int64_t> epoch;                          ///< (E)

    // analysis.h5
    std::vector<std::string> classifier;  ///< (C)
    std::vector<double> loss;             ///< (V) the loss that defines the label
    std::vector<int64_t> label;           ///< (V) 1 = high accuracy
    std::vector<int64_t> split;           ///< (R, V) 0 training, 1 validation, 2 test, -1 left out
    std::vector<int64_t> positive;        ///< (C, R, V, E) 1 called good, 0 called bad, -1 spectrum left out
    std::vector<double> boundary;         ///< (C, R, E)
    std::vector<int64_t> side;            ///< (C, R, E) good is above the boundary (1), at or below it (-1), or there is none (0)
    double threshold = 0.0;               ///< loss below it = high accuracy
    int64_t diverged = 0, failed = 0, left_out = 0;  ///< variants
    int64_t left_out_spectra = 0;
    int64_t clipped = 0;                  ///< exponents raised to the floor

    // how the analysis was done; empty in files that do not say
    std::string fit, split_by, label_reference, boundary_rule;

    std::map<std::string, std::string> options;  ///< all that the file records, by name, as text

    // controls; empty without them
    std::vector<int64_t> control_label;      ///< (V) 1 = loss below the median of the own architecture
    std::vector<int64_t> control_positive;   ///< (C, R, V, E)
    std::vector<std::string> held_out;       ///< (A) architectures left out of training and tested on
    std::vector<int64_t> held_out_split;     ///< (A, V)
    std::vector<int64_t> held_out_positive;  ///< (C, A, V, E)

    // optional, study.h5
    std::vector<double> epoch_loss;  ///< (V, E)
    std::vector<double> learning;    ///< (V, training_epochs) loss after every epoch
    int64_t training_epochs = 0;     ///< 0: not known
    Examples examples;
    std::vector<double> exponents;  ///< (V, E, K), NaN beyond a variant's dimension
    int64_t exponent_count = 0;     ///< K

    // optional, analysis.h5; models of repeat 0
    std::vector<int64_t> spectrum_split;                               ///< (R, V, E) of a split by spectrum
    std::vector<double> pc;                                            ///< (V, E, d)
    int64_t latent = 0;                                                ///< d
    std::vector<double> predicted_loss;                                ///< (V, E)
    std::vector<double> statistic_mean, statistic_max, statistic_std, kaplan_yorke;  ///< (V, E)
    std::vector<double> le_pc;                                         ///< (V, E, 2) principal components of the spectra
    std::vector<double> score;                                         ///< (C, R, V, E) number that the classifier decides on
    Direction direction;
    std::vector<double> curve_step;
    std::vector<LearningCurve> curves;

    int64_t variants() const { return static_cast<int64_t>(variant.size()); }
    int64_t epochs() const { return static_cast<int64_t>(epoch.size()); }
    int64_t repeats = 0;
    int64_t classifiers() const { return static_cast<int64_t>(classifier.size()); }

    /// Index into `score` and `positive`.
    std::size_t at(int64_t c, int64_t r, int64_t v, int64_t e) const {
        return static_cast<std::size_t>(((c * repeats + r) * variants() + v) * epochs() + e);
    }
    int64_t call(int64_t c, int64_t r, int64_t v, int64_t e) const { return positive[at(c, r, v, e)]; }
    /// Index into `boundary` and `side`.
    std::size_t at(int64_t c, int64_t r, int64_t e) const { return static_cast<std::size_t>((c * repeats + r) * epochs() + e); }
    int64_t split_of(int64_t r, int64_t v) const { return split[static_cast<std::size_t>(r * variants() + v)]; }
    bool is_good(int64_t v) const { return label[static_cast<std::size_t>(v)] == 1; }
    /// A test variant of repeat r with a spectrum at epoch index e.
    bool is_tested(int64_t r, int64_t v, int64_t e) const { return classifiers() > 0 && is_judged(0, r, v, e); }
    /// The same, of which classifier c says something.
    bool is_judged(int64_t c, int64_t r, int64_t v, int64_t e) const { return split_of(r, v, e) == 2 && call(c, r, v, e) >= 0; }
    /// Part of one spectrum, where a split by spectrum gives each its own.
    int64_t split_of(int64_t r, int64_t v, int64_t e) const {
        return spectrum_split.empty() ? split_of(r, v) : spectrum_split[static_cast<std::size_t>((r * variants() + v) * epochs() + e)];
    }
    /// Share of the training done at epoch index e, in per cent; NaN where the length of training is not known.
    double percent(int64_t e) const;
    /// True where the loss measured at epoch index e is the one that labels are made from: classifiers by it are then right by construction.
    bool loss_is_label(int64_t e) const;
    /// Principal component `k` (0 first) of variant v at epoch index e; NaN where there is none.
    double component(int64_t v, int64_t e, int64_t k) const;
    /// Exponents of variant v at epoch index e without the NaN beyond its dimension.
    std::vector<double> spectrum(int64_t v, int64_t e) const;
    /// An option of the analysis as text, `otherwise` where the file does not record it.
    std::string option(const std::string& wanted, const std::string& otherwise) const;
    /// Index of a classifier, -1 when the analysis has none of that name.
    int64_t find_classifier(const std::string& wanted) const;
};

/// Reads DIR/study.h5 and DIR/analysis.h5. MissingInput when one is absent; DataError naming file and dataset when something required is
/// missing, of another shape, or when the files do not belong together. The second: another analysis of the study in DIR, in a folder of its own.
Results read_results(const std::filesystem::path& folder);
Results read_results(const std::filesystem::path& folder, const std::filesystem::path& analysis_folder);

/// Folder of the analysis of that name (`aelle analyze --as NAME`), DIR/analyses/NAME; DIR itself for the main one, "".
std::filesystem::path analysis_folder(const std::filesystem::path& folder, const std::string& name);

}  // namespace aelle::report
