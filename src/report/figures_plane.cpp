// Figures of the AeLLE plane and of its first axis.

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>

#include "aelle/report/figures.hpp"
#include "aelle/report/gnuplot.hpp"
#include "figure_parts.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

constexpr const char* pc1_axis = "PC1 of the latent vectors";
constexpr const char* pc2_axis = "PC2 of the latent vectors";

/// Networks that have a place in the plane and a label.
struct Point {
    double pc1, pc2, init;
    bool high, test;
};

std::vector<Point> plane_points(const Results& results, int64_t epoch) {
    std::vector<Point> points;
    for (int64_t v = 0; v < results.variants(); ++v) {
        const auto i = static_cast<std::size_t>(v);
        const double pc1 = results.component(v, epoch, 0);
        const double pc2 = results.latent > 1 ? results.component(v, epoch, 1) : 0.0;
        if (!std::isfinite(pc1) || !std::isfinite(pc2)) continue;
        points.push_back({pc1, pc2, results.init[i], results.is_good(v), results.repeats > 0 && results.split_of(0, v) == 2});
    }
    return points;
}

std::vector<double> component_of(const std::vector<Point>& points, double Point::*component) {
    std::vector<double> values;
    for (const Point& point : points) values.push_back(point.*component);
    return values;
}

/// The dashed vertical line of the boundary, from bottom to top of the axis, where it can be seen.
std::vector<std::string> boundary_line(Figure& figure, const Results& results, int64_t epoch, const Range& x, const Range& y) {
    const double boundary = pc1_boundary(results, epoch);
    if (!(boundary >= x.low && boundary <= x.high)) return {};
    const std::string name = figure.stem + "-boundary.dat";
    figure.data.push_back({name, "# boundary low, high\n" + data_line({boundary, y.low}) + data_line({boundary, y.high})});
    return {"'" + name + "' using 1:2 with lines lw 2 dt (8,5) lc rgb '" + ink + "' title 'boundary'"};
}

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

constexpr int64_t bins = 24;

int64_t bin_of(const Range& range, double value) {
    const double place = (range.clamped(value) - range.low) / (range.high - range.low) * static_cast<double>(bins);
    return std::clamp<int64_t>(static_cast<int64_t>(place), 0, bins - 1);
}

/// Stacks the groups bin by bin: lines of `left right bottom top group colour`; returns the height of the highest stack.
double stack(const Range& range, const std::vector<std::array<int64_t, bins>>& counts, const std::vector<double>& colour,
             std::string& data) {
    const double width = (range.high - range.low) / static_cast<double>(bins);
    double highest = 0.0;
    for (int64_t bin = 0; bin < bins; ++bin) {
        double top = 0.0;
        for (std::size_t group = 0; group < counts.size(); ++group) {
            const auto count = static_cast<double>(counts[group][static_cast<std::size_t>(bin)]);
            if (count == 0.0) continue;
            const double left = range.low + static_cast<double>(bin) * width;
            data += data_line({left, left + width, top, top + count, static_cast<double>(group), colour[group]});
            top += count;
        }
        highest = std::max(highest, top);
    }
    return highest;
}

std::string boxes(const std::string& file, const std::string& group, const std::string& colour, const std::string& style) {
    const std::string height = group.empty() ? "(($3+$4)/2)" : "($5==" + group + " ? ($3+$4)/2 : NaN)";
    return "'" + file + "' using (($1+$2)/2):" + height + ":1:2:3:4" + colour + " with boxxyerror " + style;
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

/// `stem.dat` with the stacked boxes, ranges and labels in the script.
Range start_histogram(Figure& figure, const Results& results, const std::vector<Point>& points,
                      const std::vector<std::array<int64_t, bins>>& counts, const std::vector<double>& colour, int64_t epoch, int width,
                      std::vector<std::string>& terms) {
    const Range x = display_range(component_of(points, &Point::pc1));
    std::string data = "# left right bottom top group colour\n";
    const double highest = stack(x, counts, colour, data);
    const Range y{0.0, std::max(1.0, 1.06 * highest), 0};
    figure.data.push_back({figure.stem + ".dat", data});
    terms = boundary_line(figure, results, epoch, x, y);
    figure.script = preamble(width, 400) + axis_labels(pc1_axis, "networks per bin") + set_range("x", x) + set_range("y", y);
    figure.caption = outside_note(x.outside);
    return x;
}

std::string count_words(const std::vector<Point>& points) {
    const auto high = std::count_if(points.begin(), points.end(), [](const Point& point) { return point.high; });
    return std::to_string(high) + " of high and " + std::to_string(static_cast<int64_t>(points.size()) - high) + " of low accuracy";
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
    std::vector<std::array<int64_t, bins>> counts(2);
    for (const Point& point : points) ++counts[point.high ? 0 : 1][static_cast<std::size_t>(bin_of(range, point.pc1))];
    Figure figure;
    figure.stem = "histogram-accuracy";
    std::vector<std::string> terms;
    start_histogram(figure, results, points, counts, {1.0, 0.0}, epoch, 640, terms);
    const std::string file = figure.stem + ".dat";
    const std::string blue_fill = "fs solid 0.9 border lc rgb '#ffffff' lc rgb '" + std::string(blue) + "' title 'high accuracy'";
    const std::string hatch =
        "fs pattern 4 border lc rgb '" + std::string(vermillion) + "' lc rgb '" + vermillion + "' title 'low accuracy'";
    terms.insert(terms.begin(), {boxes(file, "0", "", blue_fill), boxes(file, "1", "", hatch)});
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
    std::vector<std::array<int64_t, bins>> counts(groups.size());
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
