#include "aelle/report/figures.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/base/text.hpp"
#include "aelle/report/gnuplot.hpp"
#include "figure_parts.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

bool any_finite(const std::vector<double>& values) {
    return std::any_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

bool any_point(const Results& results, int64_t epoch) {
    for (int64_t v = 0; v < results.variants(); ++v) {
        if (std::isfinite(results.component(v, epoch, 0))) return true;
    }
    return false;
}

}  // namespace

Figure score_figure(const Results& results, const Scores& scores, int64_t epoch) {
    const std::vector<Summary> order = ranked(scores, epoch);
    const auto count = static_cast<int64_t>(order.size());
    Figure figure;
    figure.stem = "scores";
    figure.title = "F1 of the classifiers";
    std::string data = "# f1_mean place f1_low f1_high uses_autoencoder\n", tics;
    std::vector<double> shown;
    const double baseline = everything_good_score(results, epoch);
    for (int64_t i = 0; i < count; ++i) {
        const Summary& summary = order[static_cast<std::size_t>(i)];
        const std::string& name = results.classifier[static_cast<std::size_t>(summary.classifier)];
        const auto place = static_cast<double>(count - i);
        tics += (tics.empty() ? "" : ", ") + gnuplot_quoted(name) + " " + rounded(place, 6);
        shown.insert(shown.end(), {summary.f1.low, summary.f1.high});
        data += data_line({summary.f1.mean, place, summary.f1.low, summary.f1.high, name.find("aelle") != std::string::npos ? 1.0 : 0.0});
    }
    if (std::isfinite(baseline)) shown.push_back(baseline);
    const Range y{0.3, static_cast<double>(count) + 0.7, 0};
    figure.data.push_back({figure.stem + ".dat", data});
    figure.script = preamble(640, static_cast<int>(110 + 25 * count)) + "set xlabel 'F1 on test networks'\nset ytics (" + tics + ")\n" +
                    set_range("x", display_range(shown)) + set_range("y", y);
    std::vector<std::string> terms;
    if (std::isfinite(baseline)) {
        const std::string file = figure.stem + "-baseline.dat";
        figure.data.push_back({file, "# F1 of calling everything good\n" + data_line({baseline, y.low}) + data_line({baseline, y.high})});
        terms.push_back("'" + file + "' using 1:2 with lines lw 2 dt (8,5) lc rgb '" + std::string(ink) +
                        "' title 'everything called good'");
    }
    const std::string select = "'" + figure.stem + ".dat' using 1:($5==";
    const std::string rest = " ? $2 : NaN):3:4 with xerrorbars ps 0.9 lw 1.6 pt ";
    terms.push_back(select + "1" + rest + "7 lc rgb '" + blue + "' title 'with AeLLE'");
    terms.push_back(select + "0" + rest + "5 lc rgb '" + grey + "' title 'without'");
    figure.script += plot_command(terms);
    figure.caption = "Mean F1 over " + counted(results.repeats, "split", "splits") + " " + after_epoch(results, epoch) +
                     ", with 95 % intervals (bootstrap over networks). A classifier left of or on the dashed line does no better than "
                     "calling every network good.";
    figure.alternative = "Dot plot of the F1 of every classifier with intervals, sorted; the numbers are in the table.";
    return figure;
}

std::vector<Figure> make_figures(const Results& results, const Scores& scores, std::vector<std::string>& notes) {
    const int64_t last = results.epochs() - 1;
    std::vector<Figure> figures;
    const auto left_out = [&](const std::string& title, const std::string& why) {
        notes.push_back("Figure left out: " + title + ": " + why + ".");
    };
    if (!results.examples.time.empty()) figures.push_back(signal_figure(results));
    else if (results.examples.images > 0) figures.push_back(digits_figure(results));
    else if (results.examples.windows > 0) figures.push_back(characters_figure(results));
    else left_out("what networks produce", "study.h5 has no complete group example");
    if (any_finite(results.loss) && any_finite(results.init)) figures.push_back(loss_figure(results));
    else left_out("loss", "analysis.h5 has no finite loss");
    if (!results.exponents.empty() && results.exponent_count > 0) figures.push_back(spectra_figure(results, last));
    else left_out("spectra", "study.h5 has no dataset exponents");
    if (any_point(results, last)) {
        figures.push_back(accuracy_plane_figure(results, last));
        figures.push_back(init_plane_figure(results, last));
        figures.push_back(accuracy_histogram_figure(results, last));
        figures.push_back(init_histogram_figure(results, last));
        for (const Grouping grouping : {Grouping::size, Grouping::architecture}) {
            if (!has_groups(results, grouping)) continue;
            figures.push_back(group_plane_figure(results, last, grouping));
            figures.push_back(group_histogram_figure(results, last, grouping));
        }
        if (results.epochs() > 1) figures.push_back(training_planes_figure(results));
        if (results.epochs() > 1) figures.push_back(statistics_figure(results));
        if (!results.learning.empty()) figures.push_back(median_variants_figure(results));
    } else {
        left_out("AeLLE plane and histograms", results.pc.empty() ? "analysis.h5 has no dataset pc" : "analysis.h5: pc is finite nowhere");
    }
    if (!ranked(scores, last).empty()) figures.push_back(score_figure(results, scores, last));
    if (!results.direction.share.empty() && results.direction.length > 0) figures.push_back(interpretation_figure(results));
    if (!results.curves.empty() && !results.curve_step.empty()) figures.push_back(learning_curve_figure(results));
    else left_out("training of the autoencoder", "analysis.h5 has no learning curves");
    return figures;
}

}  // namespace aelle::report
