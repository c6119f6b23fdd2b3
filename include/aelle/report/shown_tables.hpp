#pragma once
/// All tables beside those of classifiers.

#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"
#include "aelle/report/shown_table.hpp"

namespace aelle::report {

/// All sections, the tables that have nothing to show among them: those of the paper (paper_tables.hpp), architectures, interpretation.
std::vector<TableSection> shown_tables(const Results& results, const Scores& scores);

}  // namespace aelle::report
