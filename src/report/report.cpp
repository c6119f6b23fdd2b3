#include "aelle/report/report.hpp"

#include <optional>
#include <system_error>

#include "aelle/base/error.hpp"
#include "aelle/io/file.hpp"
#include "aelle/report/figures.hpp"
#include "aelle/report/gnuplot.hpp"
#include "aelle/report/html.hpp"
#include "aelle/report/results.hpp"
#include "aelle/report/shown_tables.hpp"
#include "analyses_tables.hpp"

namespace aelle::report {
namespace {

/// Data and script always; the drawing where gnuplot can be had.
DrawnFigure write_figure(const std::filesystem::path& folder, const Figure& figure, const std::optional<std::filesystem::path>& gnuplot,
                         std::vector<std::string>& notes) {
    for (const DataFile& data : figure.data) io::write_atomically(folder / data.name, data.text);
    io::write_atomically(folder / (figure.stem + ".gp"), figure.script);
    DrawnFigure drawn{figure, ""};
    std::error_code ignored;
    std::filesystem::remove(folder / (figure.stem + ".svg"), ignored);  // one of an earlier report must not pass for this one's
    if (!gnuplot) return drawn;
    try {
        drawn.svg = run_gnuplot(*gnuplot, folder, figure.stem + ".gp");
    } catch (const IoError& error) {
        notes.push_back("Figure not drawn: " + figure.title + ": " + error.what());
        return drawn;
    }
    io::write_atomically(folder / (figure.stem + ".svg"), drawn.svg);
    return drawn;
}

}  // namespace

Report write_report(const std::filesystem::path& folder) {
    const Results results = read_results(folder);
    const Scores scores = score_classifiers(results);
    const auto to = folder / "report" / "figures";
    io::create_folders(to);

    Report report{folder / "report" / "index.html", {}};
    const auto gnuplot = find_gnuplot();
    if (!gnuplot) {
        report.notes.push_back(
            "gnuplot was not found on PATH, so no figure is drawn; data and scripts of the figures are in report/figures/.");
    }
    std::vector<DrawnFigure> drawn;
    for (const Figure& figure : make_figures(results, scores, report.notes))
        drawn.push_back(write_figure(to, figure, gnuplot, report.notes));
    std::vector<TableSection> sections = shown_tables(results, scores);
    sections.push_back(analyses_section(results, scores, read_other_analyses(folder, report.notes)));
    for (const ShownTable& table : sections.back().tables) {
        if (!table.empty()) io::write_atomically(folder / "report" / (table.name + ".csv"), table.csv);
    }
    io::write_atomically(report.path, html_page(results, scores, sections, drawn, report.notes));
    return report;
}

}  // namespace aelle::report
