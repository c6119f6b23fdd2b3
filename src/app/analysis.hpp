#pragma once
/// From study.h5 to analysis.h5, tables and report: where study, embed and report meet.

#include "aelle/embed/analysis.hpp"
#include "aelle/study/folder.hpp"
#include "aelle/study/toml.hpp"
#include "session.hpp"

namespace aelle::app {

/// Reads an [analysis] table over the given defaults. The caller finishes the root table.
embed::AnalysisOptions read_analysis_options(study::TomlTable table, const embed::AnalysisOptions& defaults = {});

/// Analyses study.h5 as it stands, the repeats shared among ranks and threads; writes analysis.h5 and tables/, prints the tables. Collective.
/// `name`: of an analysis beside the main one (report/results.hpp).
void analyze_folder(Session& session, const study::StudyFolder& folder, const embed::AnalysisOptions& options, const std::string& name = "");

/// Prints the tables of an analysis made before.
void print_tables(Session& session, const study::StudyFolder& folder, const std::string& name = "");

/// Writes the report and prints its path. At rank 0.
void report_folder(Session& session, const study::StudyFolder& folder);

}  // namespace aelle::app
