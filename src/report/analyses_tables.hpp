#pragma once
/// The same study analysed in other ways (`aelle analyze --as NAME`), beside the main analysis.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"
#include "aelle/report/shown_table.hpp"

namespace aelle::report {

struct NamedAnalysis {
    std::string name;
    Results results;
    Scores scores;
};

/// Those of a study's folder, DIR/analyses/NAME/analysis.h5, by name. One that cannot be read, or is of another study, is left out with a
/// note: the report of the study does not depend on it.
std::vector<NamedAnalysis> read_other_analyses(const std::filesystem::path& folder, std::vector<std::string>& notes);

/// Scores after the last epoch, AeLLE through training, and the options that differ; without other analyses no table.
TableSection analyses_section(const Results& results, const Scores& scores, const std::vector<NamedAnalysis>& others);

}  // namespace aelle::report
