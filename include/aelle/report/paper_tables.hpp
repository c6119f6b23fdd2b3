#pragma once
/// The paper's tables beside ours: Tables 1 to 4 of the pre-trained study, the F1 comparisons of its single tasks, the hyperellipse, and two controls.
///
/// Rows of the paper come first, then baselines that it lacks. Columns are the epochs of the study, as shares of its training; a value of the paper
/// stands beside ours where it reports the same task at the same share (`paper_values.hpp`). Epochs that the study lacks are named in a note.

#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"
#include "aelle/report/shown_table.hpp"

namespace aelle::report {

/// table1 .. table4, tasks, hyperellipse, control_architecture, control_left_out; empty where the analysis can fill no row.
std::vector<ShownTable> paper_tables(const Results& results, const Scores& scores);

}  // namespace aelle::report
