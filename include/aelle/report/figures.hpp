#pragma once
/// The figures of a study: data files and gnuplot scripts, each with a caption in plain words and a text alternative.
///
/// Colours are Okabe and Ito's, safe for colour-blind readers; accuracy has marker shapes, dashes or hatching as a second cue. Values that no
/// axis can show (NaN, infinities) are left out or drawn at the edge, and the caption says so.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"

namespace aelle::report {

struct DataFile {
    std::string name;  ///< beside the script
    std::string text;  ///< columns, `#` starts a comment, blocks parted by two empty lines
};

struct Figure {
    std::string stem;  ///< of NAME.gp and NAME.svg
    std::string title;
    std::string caption;
    std::string alternative;  ///< for readers who do not see it
    std::string script;
    std::vector<DataFile> data;
};

/// All figures that the data allow, in the order of the page, at the last epoch; what is missing for the others is said in `notes`.
std::vector<Figure> make_figures(const Results& results, const Scores& scores, std::vector<std::string>& notes);

/// The figures one by one, at epoch index `epoch` where they depend on it.
Figure signal_figure(const Results& results);
Figure digits_figure(const Results& results);
Figure characters_figure(const Results& results);
Figure accuracy_plane_figure(const Results& results, int64_t epoch);
Figure init_plane_figure(const Results& results, int64_t epoch);
Figure accuracy_histogram_figure(const Results& results, int64_t epoch);
Figure init_histogram_figure(const Results& results, int64_t epoch);
/// Networks in colours by what they are; of use where has_groups.
enum class Grouping { size, architecture };
bool has_groups(const Results& results, Grouping grouping);
Figure group_plane_figure(const Results& results, int64_t epoch, Grouping grouping);
Figure group_histogram_figure(const Results& results, int64_t epoch, Grouping grouping);
/// The paper's Figures 5 to 7. Planes and statistics with two epochs or more; the last needs `learning`.
Figure training_planes_figure(const Results& results);
Figure statistics_figure(const Results& results);
Figure median_variants_figure(const Results& results);
Figure spectra_figure(const Results& results, int64_t epoch);
Figure loss_figure(const Results& results);
Figure interpretation_figure(const Results& results);
Figure learning_curve_figure(const Results& results);
Figure score_figure(const Results& results, const Scores& scores, int64_t epoch);

}  // namespace aelle::report
