#pragma once
/// The paper's tables beside ours: Tables 1 to 4 of the pre-trained study, the F1 comparisons of its single tasks, the hyperellipse, and two controls.
///
/// Rows of the paper come first, then baselines that it lacks. Columns are the epochs of the study, as shares of its training; a value of the paper
/// stands beside ours where it reports the same task at the same share (`paper_values.hpp`). Epochs that the study lacks are named in a note.

#include <array>
#include <string>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/tables.hpp"

namespace aelle::report {

/// A table to show: the first row is the header, the first column names the rows.
struct ShownTable {
    std::string name;   ///< stem of its CSV file
    std::string title;
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> notes;
    std::string csv;    ///< all metrics and intervals in full
};

/// Names of all tables that paper_tables may give.
inline constexpr std::array<const char*, 8> paper_table_names{"table1", "table2",       "table3",               "table4",
                                                              "tasks",  "hyperellipse", "control_architecture", "control_left_out"};

/// table1 .. table4, tasks, hyperellipse; control_architecture and control_left_out where the analysis has them; those without a row that the analysis
/// can fill are left out.
std::vector<ShownTable> paper_tables(const Results& results, const Scores& scores);

/// Aligned columns for a terminal, each with its title and notes.
std::string text_of(const std::vector<ShownTable>& tables);

}  // namespace aelle::report
