// Figures of the AeLLE plane and of its first axis, by accuracy and by initialisation parameter.

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "aelle/report/figures.hpp"
#include "aelle/report/gnuplot.hpp"
#include "plane_parts.hpp"

namespace aelle::report {
namespace {

Figure plane(const Results& results, int64_t epoch, const std::string& stem, bool by_init) {
    const std::vector<Point> points = plane_points(results, epoch);
    const Range x = display_range(component_of(points, &Point::pc1));
    const Range y = display_range(component_of(points, &Point::pc2));
    Figure figure;
    figure.stem = stem;
    const std::string file = stem + ".dat";
    std::string data = "# pc1 pc2 high_accuracy filled init\n";
    for (const Point& point : points) {
        data +=
            data_line({x.clamped(point.pc1), y.clamped(point.pc2), point.high ? 1.0 : 0.0, by_init || point.test ? 1.0 : 0.0, point.init});
    }
    figure.data.push_back({file, data});
    std::vector<std::string> terms = boundary_line(figure, results, epoch, x, y);
    figure.script = preamble(by_init ? 700 : 640, 470) + axis_labels(pc1_axis, pc2_axis) + set_range("x", x) + set_range("y", y);
    if (by_init) {
        figure.script += init_palette(results);
        // Colour inside, a thin outline so that light colours stand out from the background.
        for (const auto& [high, marker, outline, title] : {std::tuple{1, 7, 6, "high accuracy"}, std::tuple{0, 9, 8, "low accuracy"}}) {
            const std::string select = "'" + file + "' using 1:($3==" + std::to_string(high) + " ? $2 : NaN)";
            terms.push_back(select + ":5 with points pt " + std::to_string(marker) + " ps 0.8 lc palette notitle");
            terms.push_back(select + " with points pt " + std::to_string(outline) + " ps 0.8 lw 0.7 lc rgb '" + ink + "' title '" + title +
                            "'");
        }
    } else {
        figure.script += "set key maxrows 2\n";
        const auto markers = accuracy_points(file, true);
        terms.insert(terms.end(), markers.begin(), markers.end());
    }
    figure.script += plot_command(terms);
    figure.caption = outside_note(x.outside + y.outside);
    return figure;
}

/// Values of init that groups stand for: each one of its own when they are few, else eight even ranges by their centres.
std::vector<double> init_groups(const std::vector<Point>& points) {
    std::set<double> distinct;
    for (const Point& point : points) {
        if (std::isfinite(point.init)) distinct.insert(point.init);
    }
    if (distinct.size() <= 12) return {distinct.begin(), distinct.end()};
    std::vector<double> centres;
    const double low = *distinct.begin(), width = (*distinct.rbegin() - low) / 8.0;
    for (int i = 0; i < 8; ++i) centres.push_back(low + (i + 0.5) * width);
    return centres;
}

std::size_t nearest_group(const std::vector<double>& groups, double value) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < groups.size(); ++i) {
        if (std::fabs(groups[i] - value) < std::fabs(groups[best] - value)) best = i;
    }
    return best;
}

}  // namespace

Figure accuracy_plane_figure(const Results& results, int64_t epoch) {
    Figure figure = plane(results, epoch, "plane-accuracy", false);
    figure.title = "AeLLE plane by accuracy";
    figure.caption = "Each mark is one network, placed by its Lyapunov spectrum alone " + after_epoch(results, epoch) +
                     ". Filled marks are test networks, which neither the autoencoder nor the boundary has seen." +
                     pc1_side(results, epoch) + figure.caption;
    figure.alternative = "Scatter plot of " + count_words(plane_points(results, epoch)) +
                         " networks over the first two principal components of the latent vectors, with a vertical boundary line.";
    return figure;
}

Figure init_plane_figure(const Results& results, int64_t epoch) {
    Figure figure = plane(results, epoch, "plane-init", true);
    figure.title = "AeLLE plane by " + results.init_name;
    figure.caption = "The same plane, coloured by the initialisation parameter " + results.init_name +
                     ", which the autoencoder was not told." + figure.caption;
    figure.alternative = "Scatter plot of the same networks, coloured by " + results.init_name + ".";
    return figure;
}

Figure accuracy_histogram_figure(const Results& results, int64_t epoch) {
    const std::vector<Point> points = plane_points(results, epoch);
    const Range range = display_range(component_of(points, &Point::pc1));
    std::vector<Bins> counts(2);
    for (const Point& point : points) ++counts[point.high ? 0 : 1][static_cast<std::size_t>(bin_of(range, point.pc1))];
    Figure figure;
    figure.stem = "histogram-accuracy";
    std::vector<std::string> terms;
    start_histogram(figure, results, points, counts, {1.0, 0.0}, epoch, 640, terms);
    const std::string file = figure.stem + ".dat";
    terms.insert(terms.begin(), {boxes(file, "0", "", accuracy_fill(0) + " title 'high accuracy'"), boxes(file, "1", "", accuracy_fill(1) + " title 'low accuracy'")});
    figure.script += plot_command(terms);
    figure.title = "Networks along PC1 by accuracy";
    figure.caption = "How many networks of high and low accuracy lie along the first axis of the plane; bars are stacked." +
                     pc1_side(results, epoch) + figure.caption;
    figure.alternative = "Stacked histogram along PC1 of " + count_words(points) + " networks.";
    return figure;
}

Figure init_histogram_figure(const Results& results, int64_t epoch) {
    const std::vector<Point> points = plane_points(results, epoch);
    const Range range = display_range(component_of(points, &Point::pc1));
    const std::vector<double> groups = init_groups(points);
    std::vector<Bins> counts(groups.size());
    for (const Point& point : points) {
        if (std::isfinite(point.init)) ++counts[nearest_group(groups, point.init)][static_cast<std::size_t>(bin_of(range, point.pc1))];
    }
    Figure figure;
    figure.stem = "histogram-init";
    std::vector<std::string> terms;
    start_histogram(figure, results, points, counts, groups, epoch, 700, terms);
    figure.script += init_palette(results);
    terms.insert(terms.begin(), boxes(figure.stem + ".dat", "", ":6", "fs solid 1 border lc rgb '#ffffff' lc palette notitle"));
    figure.script += plot_command(terms);
    figure.title = "Networks along PC1 by " + results.init_name;
    figure.caption = "The same bars, divided by " + results.init_name + "." + figure.caption;
    figure.alternative = "Stacked histogram along PC1, coloured by " + results.init_name + ".";
    return figure;
}

}  // namespace aelle::report
