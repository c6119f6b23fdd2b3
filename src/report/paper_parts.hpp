#pragma once
/// Parts of the paper's tables that are scores of other labels, splits or regions.

#include <string>
#include <utility>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"
#include "aelle/report/shown_table.hpp"

namespace aelle::report {

struct NamedClassifier {
    std::string name, classifier;  ///< in the table, in analysis.h5
};

/// The classifier of a row of the paper, one threshold on a number, under the analysis' rule for boundaries; any other as it is.
std::string by_rule(const Results& results, const std::string& classifier);

/// Names as in CSV files, and values.
std::vector<std::pair<std::string, const Spread*>> metrics_of(const Summary& summary);

/// The study as its controls see it: labels by the median loss of the own architecture; a repeat for each architecture left out. Of use where the
/// analysis has them. Scores and boundaries are not known.
Results by_own_architecture(const Results& results);
Results on_left_out(const Results& results);

/// The paper's hyperellipse, and for the signal task the range 1.2 < g < 1.5: share of good networks inside against that of all, and the networks on
/// which the two disagree, on both sides.
ShownTable ellipse_table(const Results& results);

/// All classifiers for labels by the median loss of the own architecture.
ShownTable architecture_control_table(const Results& results);

/// F1 on architectures that were left out of training.
ShownTable left_out_table(const Results& results);

}  // namespace aelle::report
