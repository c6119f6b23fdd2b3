#pragma once
/// What all repeats share: labels, statistics and spectra of common length.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/base/matrix.hpp"
#include "aelle/embed/analysis.hpp"

namespace aelle::embed {

/// Rows are spectra, v * E + e.
struct Prepared {
    std::vector<double> loss;            ///< (V) chosen loss, NaN where there is none
    std::vector<uint8_t> label;          ///< (V)
    std::vector<double> loss_threshold;  ///< (V) that the label was made with
    std::vector<std::string> cells;      ///< architectures in order of appearance
    std::vector<int64_t> cell;           ///< (V) index into `cells`
    std::vector<double> cell_median;     ///< (V) median loss of the own architecture
    std::vector<double> epoch_loss;      ///< (V E) +inf where diverged; NaN at epochs where no loss was measured, and of failed variants
    std::vector<uint8_t> usable;         ///< (V E)
    std::vector<uint8_t> usable_variant; ///< (V) has a usable spectrum
    std::vector<double> mean, maximum, deviation, kaplan_yorke;  ///< (V E)
    Matrix<double> spectrum;             ///< (L x V E) at the common length, at or above the floor; 0 where not usable
    double median_loss = 0.0, threshold = 0.0;
    int64_t clipped = 0;
};

/// DataError when sizes disagree or nothing can be analysed.
Prepared prepare(const AnalysisInput& input, const AnalysisOptions& options);

}  // namespace aelle::embed
