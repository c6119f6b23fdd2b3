#pragma once
/// Tables of classifiers and variants: CSV files and text for a terminal.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"

namespace aelle::report {

/// CSV texts; reals with 17 digits, empty where undefined.
std::string classifiers_csv(const Results& results, const Scores& scores);
std::string summary_csv(const Results& results, const Scores& scores);
std::string variants_csv(const Results& results);

/// Aligned columns for a terminal: every classifier at the last epoch, the other epochs beside it, and what can be said of the numbers.
std::string text_table(const Results& results, const Scores& scores);

struct Tables {
    std::string text;                          ///< for the terminal
    std::vector<std::filesystem::path> files;  ///< what was written
};

/// Writes tables/{classifiers,summary,variants}.csv, and those of shown_tables.hpp, into the folder of the analysis of that name (results.hpp).
Tables write_tables(const std::filesystem::path& folder, const std::string& analysis = "");

}  // namespace aelle::report
