#pragma once
/// The report of a finished study: DIR/report/index.html and DIR/report/figures/.

#include <filesystem>
#include <string>
#include <vector>

namespace aelle::report {

struct Report {
    std::filesystem::path path;      ///< the page
    std::vector<std::string> notes;  ///< what a reader should know: figures left out, no gnuplot, ...
};

/// Reads DIR/study.h5 and DIR/analysis.h5; writes the data, scripts and drawings of all figures and the page. Without gnuplot on PATH, or where it
/// fails, data and scripts are written all the same, and the page and `notes` say so. The same files give the same bytes.
Report write_report(const std::filesystem::path& folder);

}  // namespace aelle::report
