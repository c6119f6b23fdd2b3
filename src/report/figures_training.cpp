// Figures through training: planes, statistics, and the variant of median loss of every architecture (the paper's Figures 5 to 7).

#include <algorithm>
#include <array>
#include <cmath>

#include "aelle/base/text.hpp"
#include "aelle/report/figures.hpp"
#include "aelle/report/gnuplot.hpp"
#include "cells_of_study.hpp"
#include "plane_parts.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

/// Up to four epoch indices: those nearest to the paper's 0, 10, 20 and 50 % of the training; evenly picked ones where that is not known.
std::vector<int64_t> shown_epochs(const Results& results) {
    const int64_t count = results.epochs();
    std::vector<int64_t> shown;
    if (count <= 4) {
        for (int64_t e = 0; e < count; ++e) shown.push_back(e);
        return shown;
    }
    for (int64_t i = 0; i < 4; ++i) {
        int64_t best = i * (count - 1) / 3;
        const double wanted = std::array{0.0, 10.0, 20.0, 50.0}[static_cast<std::size_t>(i)];
        for (int64_t e = 0; results.training_epochs > 0 && e < count; ++e) {
            if (std::fabs(results.percent(e) - wanted) < std::fabs(results.percent(best) - wanted)) best = e;
        }
        if (shown.empty() || shown.back() != best) shown.push_back(best);
    }
    return shown;
}

std::string epoch_title(const Results& results, int64_t e) {
    const std::string epoch = "epoch " + std::to_string(results.epoch[static_cast<std::size_t>(e)]);
    return results.training_epochs > 0 ? epoch + ", " + fixed(results.percent(e), 0) + " %" : epoch;
}

std::string label(const std::string& text) { return "set label 1 " + gnuplot_quoted(text) + " at graph 0,1.07 left\n"; }

/// A number of each spectrum with the classifier that puts one boundary on it.
struct Quantity {
    std::string name, classifier;
    std::vector<double> value;  ///< (V, E)
};

std::vector<double> first_of(const std::vector<double>& values, int64_t count) {
    std::vector<double> first;
    for (std::size_t i = 0; count > 0 && i < values.size(); i += static_cast<std::size_t>(count)) first.push_back(values[i]);
    return first;
}

std::vector<Quantity> quantities(const Results& results) {
    std::vector<Quantity> all{{"LE mean", "le-mean", results.statistic_mean},
                              {"LE max", "le-max", results.statistic_max},
                              {"LE PC1", "le-pc1", first_of(results.le_pc, 2)},
                              {"AeLLE PC1", "aelle-pc1", first_of(results.pc, results.latent)}};
    std::erase_if(all, [](const Quantity& quantity) { return quantity.value.empty(); });
    return all;
}

/// One histogram by accuracy with its boundary; returns the terms of its plot command.
std::vector<std::string> quantity_panel(const Results& results, const Quantity& quantity, int64_t e, const Range& x, Figure& figure,
                                        double& highest) {
    std::vector<Bins> counts(2);
    for (int64_t v = 0; v < results.variants(); ++v) {
        const double value = quantity.value[static_cast<std::size_t>(v * results.epochs() + e)];
        if (!std::isnan(value)) ++counts[results.is_good(v) ? 0 : 1][static_cast<std::size_t>(bin_of(x, value))];
    }
    std::string data = "# left right bottom top group colour\n";
    highest = std::max(1.0, 1.06 * stack(x, counts, {1.0, 0.0}, data));
    const std::string file = figure.stem + "-" + quantity.classifier + "-" + std::to_string(e) + ".dat";
    figure.data.push_back({file, data});
    std::vector<std::string> terms{boxes(file, "0", "", accuracy_fill(0) + " notitle"),
                                   boxes(file, "1", "", accuracy_fill(1) + " notitle")};
    const int64_t c = results.find_classifier(quantity.classifier);
    const double boundary = c < 0 ? std::nan("") : results.boundary[results.at(c, 0, e)];
    if (boundary >= x.low && boundary <= x.high) {
        const std::string line = file.substr(0, file.size() - 4) + "-boundary.dat";
        figure.data.push_back({line, "# boundary low, high\n" + data_line({boundary, 0.0}) + data_line({boundary, highest})});
        terms.push_back("'" + line + "' using 1:2 with lines lw 2 dt (6,4) lc rgb '" + ink + "' notitle");
    }
    return terms;
}

}  // namespace

Figure training_planes_figure(const Results& results) {
    const std::vector<int64_t> epochs = shown_epochs(results);
    std::vector<double> pc1, pc2;
    for (const int64_t e : epochs) {
        for (const Point& point : plane_points(results, e)) {
            pc1.push_back(point.pc1);
            pc2.push_back(point.pc2);
        }
    }
    const Range x = display_range(pc1), y = display_range(pc2);
    Figure figure;
    figure.stem = "training-planes";
    figure.title = "The AeLLE plane through training";
    const auto rows = static_cast<int64_t>((epochs.size() + 1) / 2);
    const int height = static_cast<int>(100 + 290 * rows);
    figure.script = preamble(760, height) + set_range("x", x) + set_range("y", y) + "set multiplot layout " + std::to_string(rows) +
                    ",2 margins 0.09,0.98," + rounded(62.0 / height, 4) + "," + rounded(1.0 - 92.0 / height, 4) + " spacing 0.08," +
                    rounded(55.0 / height, 4) + "\nunset key\n";
    for (std::size_t panel = 0; panel < epochs.size(); ++panel) {
        const int64_t e = epochs[panel];
        const std::string file = figure.stem + "-" + std::to_string(e) + ".dat";
        std::string data = "# pc1 pc2 high_accuracy filled\n";
        for (const Point& point : plane_points(results, e)) {
            data += data_line({x.clamped(point.pc1), y.clamped(point.pc2), point.high ? 1.0 : 0.0, point.test ? 1.0 : 0.0});
        }
        figure.data.push_back({file, data});
        std::vector<std::string> terms = accuracy_points(file, true);
        const double boundary = pc1_boundary(results, e);
        if (boundary >= x.low && boundary <= x.high) {
            const std::string line = figure.stem + "-boundary-" + std::to_string(e) + ".dat";
            figure.data.push_back({line, "# boundary low, high\n" + data_line({boundary, y.low}) + data_line({boundary, y.high})});
            terms.push_back("'" + line + "' using 1:2 with lines lw 2 dt (8,5) lc rgb '" + ink + "' notitle");
        }
        figure.script += axis_labels(panel + 2 >= epochs.size() ? pc1_axis : "", panel % 2 == 0 ? pc2_axis : "") +
                         label(epoch_title(results, e)) + plot_command(terms);
    }
    std::vector<KeyEntry> key = accuracy_key();
    key.push_back({"lines lw 2 dt (8,5) lc rgb '" + std::string(ink) + "'", "boundary"});
    figure.script += key_panel(key) + "unset multiplot\n";
    figure.caption =
        "The same networks at several ages in one plane: high and low accuracy are those of the END of training. Filled marks are test "
        "networks." +
        pc1_side(results, epochs.back()) + outside_note(x.outside + y.outside);
    figure.alternative = "Scatter plots of the AeLLE plane, one for each of " +
                         counted(static_cast<int64_t>(epochs.size()), "epoch", "epochs") +
                         ", marks by final accuracy, with a vertical boundary line; the scores of that boundary are in Table 1.";
    return figure;
}

Figure statistics_figure(const Results& results) {
    const std::vector<int64_t> epochs = shown_epochs(results);
    const std::vector<Quantity> rows = quantities(results);
    Figure figure;
    figure.stem = "training-statistics";
    figure.title = "Statistics of the spectra through training";
    const int height = static_cast<int>(70 + 170 * rows.size());
    figure.script = preamble(820, height) + "set multiplot layout " + std::to_string(rows.size()) + "," + std::to_string(epochs.size()) +
                    " margins 0.1,0.98," + rounded(42.0 / height, 4) + "," + rounded(1.0 - 42.0 / height, 4) + " spacing 0.045," +
                    rounded(52.0 / height, 4) + "\nset tics font ',11'\nset ylabel offset 1.5,0\nunset key\n";
    int64_t outside = 0;
    for (const Quantity& quantity : rows) {
        std::vector<double> shown;
        for (int64_t v = 0; v < results.variants(); ++v) {
            for (const int64_t e : epochs) shown.push_back(quantity.value[static_cast<std::size_t>(v * results.epochs() + e)]);
        }
        const Range x = display_range(shown);
        outside += x.outside;
        for (const int64_t e : epochs) {
            double highest = 1.0;
            const std::vector<std::string> terms = quantity_panel(results, quantity, e, x, figure, highest);
            const double step = (x.high - x.low) / 3.0;
            const double decade = std::pow(10.0, std::floor(std::log10(step)));
            const double tic = decade * (step / decade >= 5.0 ? 5.0 : step / decade >= 2.0 ? 2.0 : 1.0);
            figure.script += set_range("x", x) + set_range("y", {0.0, highest, 0}) + "set xtics " + rounded(tic, 3) + "\n" +
                             axis_labels("", e == epochs.front() ? quantity.name : "") + label(epoch_title(results, e)) +
                             plot_command(terms);
        }
    }
    figure.script += "unset multiplot\n";
    figure.caption =
        "Networks by the mean and the largest exponent, the first component of the spectrum and that of AeLLE; blue: high accuracy at the "
        "end of "
        "training, hatched vermillion: low; dashed: the boundary that training and validation networks chose." +
        outside_note(outside);
    figure.alternative =
        "Stacked histograms, a row for each statistic and a column for each epoch, by final accuracy, with the classifier's boundary; its "
        "scores "
        "are in Table 2.";
    return figure;
}

Figure median_variants_figure(const Results& results) {
    const std::vector<CellOfStudy> cells = cells_of(results);
    const int64_t last = results.epochs() - 1;
    Figure figure;
    figure.stem = "median-variants";
    figure.title = "The network of median loss of every architecture";
    const std::vector<Point> points = plane_points(results, last);
    const Range x = display_range(component_of(points, &Point::pc1)), y = display_range(component_of(points, &Point::pc2));
    std::string all = "# pc1 pc2\n", curves = "# epoch, then the loss of each architecture's network of median loss\n";
    for (const Point& point : points) all += data_line({x.clamped(point.pc1), y.clamped(point.pc2)});
    std::vector<double> losses;
    for (int64_t epoch = 0; epoch < results.training_epochs; ++epoch) {
        std::vector<double> line{static_cast<double>(epoch + 1)};
        for (const CellOfStudy& cell : cells) {
            line.push_back(results.learning[static_cast<std::size_t>(cell.median() * results.training_epochs + epoch)]);
            if (std::isfinite(line.back())) losses.push_back(line.back());
        }
        curves += data_line(line);
    }
    const bool force = results.task == "signal";  // FORCE learning: what is known at every epoch is the error of training
    const bool logarithmic = !losses.empty() && *std::min_element(losses.begin(), losses.end()) > 0.0;
    figure.data = {{figure.stem + "-curves.dat", curves}, {figure.stem + "-all.dat", all}};
    std::vector<KeyEntry> key;
    std::vector<std::string> curve_terms,
        place_terms{"'" + figure.data[1].name + "' using 1:2 with points pt 7 ps 0.25 lc rgb '#c4c4c4' notitle"};
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string style = " pt " + group_marker(i) + " ps 0.9 lw 1.8 lc rgb '" + group_colour(i) + "' ";
        curve_terms.push_back("'" + figure.data[0].name + "' using 1:" + std::to_string(i + 2) + " with linespoints" + style + "notitle");
        key.push_back({"linespoints" + style, cells[i].name});
        const double pc1 = results.component(cells[i].median(), last, 0),
                     pc2 = results.latent > 1 ? results.component(cells[i].median(), last, 1) : 0.0;
        if (!std::isfinite(pc1) || !std::isfinite(pc2)) continue;
        const std::string file = figure.stem + "-" + std::to_string(i) + ".dat";
        figure.data.push_back({file, "# pc1 pc2\n" + data_line({x.clamped(pc1), y.clamped(pc2)})});
        place_terms.push_back("'" + file + "' using 1:2 with points" + style + "notitle");
    }
    figure.script = preamble(800, 450) + "set multiplot layout 1,2 margins 0.1,0.98,0.15,0.84 spacing 0.12\nunset key\n" +
                    axis_labels("epoch", force ? "training error" : results.loss_name) +
                    (logarithmic ? "set logscale y\nset format y '%g'\n" + logarithmic_tics() +
                                       "set autoscale yfix\nset offsets 0,0,graph 0.05,graph 0.05\n"
                                 : "") +
                    set_range("x", {0.5, static_cast<double>(results.training_epochs) + 0.5, 0}) + plot_command(curve_terms) +
                    "unset logscale y\nunset offsets\nset ytics auto\nset format y '% h'\n" + axis_labels(pc1_axis, pc2_axis) +
                    set_range("x", x) + set_range("y", y) + plot_command(place_terms) + key_panel(key) + "unset multiplot\n";
    figure.caption = std::string("Learning curves") + (force ? " (error during training)" : "") +
                     " and places in the plane at the end of training; grey: all networks." +
                     (cells.size() > 1 ? " Losses and exponents near zero are in the table \"The network of median loss\"." : "") +
                     outside_note(x.outside + y.outside);
    figure.alternative =
        "Left: learning curves, one for each architecture. Right: the place of the same networks in the AeLLE plane among all others.";
    return figure;
}

}  // namespace aelle::report
