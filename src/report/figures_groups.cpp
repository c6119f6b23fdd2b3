// Figures of the AeLLE plane and of its first axis, by size and by architecture.

#include <algorithm>
#include <map>

#include "aelle/report/figures.hpp"
#include "aelle/report/gnuplot.hpp"
#include "plane_parts.hpp"

namespace aelle::report {
namespace {

/// Networks in groups, each with a colour and a marker.
struct Groups {
    std::string stem, noun;
    std::vector<std::string> names;
    std::vector<std::size_t> of_variant;
};

Groups by_architecture(const Results& results) {
    Groups groups{"architecture", "architecture", {}, {}};
    for (const std::string& cell : results.cell) {
        const auto found = std::find(groups.names.begin(), groups.names.end(), cell);
        groups.of_variant.push_back(static_cast<std::size_t>(found - groups.names.begin()));
        if (found == groups.names.end()) groups.names.push_back(cell);
    }
    return groups;
}

Groups by_size(const Results& results) {
    Groups groups{"size", "number of hidden units", {}, {}};
    std::map<int64_t, std::size_t> place;
    for (const int64_t hidden : results.hidden) place[hidden] = 0;
    for (auto& [hidden, index] : place) {
        index = groups.names.size();
        groups.names.push_back(std::to_string(hidden) + " units");
    }
    for (const int64_t hidden : results.hidden) groups.of_variant.push_back(place[hidden]);
    return groups;
}

Groups groups_of(const Results& results, Grouping grouping) {
    return grouping == Grouping::size ? by_size(results) : by_architecture(results);
}

}  // namespace

bool has_groups(const Results& results, Grouping grouping) { return groups_of(results, grouping).names.size() > 1; }

Figure group_plane_figure(const Results& results, int64_t epoch, Grouping grouping) {
    const Groups groups = groups_of(results, grouping);
    const std::vector<Point> points = plane_points(results, epoch);
    const Range x = display_range(component_of(points, &Point::pc1)), y = display_range(component_of(points, &Point::pc2));
    Figure figure;
    figure.stem = "plane-" + groups.stem;
    figure.title = "AeLLE plane by " + groups.noun;
    const std::string file = figure.stem + ".dat";
    std::string data = "# pc1 pc2 group\n";
    std::vector<bool> there(groups.names.size());
    for (const Point& point : points) {
        const std::size_t group = groups.of_variant[static_cast<std::size_t>(point.variant)];
        there[group] = true;
        data += data_line({x.clamped(point.pc1), y.clamped(point.pc2), static_cast<double>(group)});
    }
    figure.data.push_back({file, data});
    figure.script = preamble(700, 480) + axis_labels(pc1_axis, pc2_axis) + set_range("x", x) + set_range("y", y);
    std::vector<std::string> terms = boundary_line(figure, results, epoch, x, y);
    for (std::size_t group = 0; group < groups.names.size(); ++group) {
        if (!there[group]) continue;
        terms.push_back("'" + file + "' using 1:($3==" + std::to_string(group) + " ? $2 : NaN) with points pt " + group_marker(group) +
                        " ps 0.8 lw 1.3 lc rgb '" + group_colour(group) + "' title " + gnuplot_quoted(groups.names[group]));
    }
    figure.script += plot_command(terms);
    figure.caption = "The same plane by " + groups.noun + ", which the autoencoder was not told." + outside_note(x.outside + y.outside);
    figure.alternative = "Scatter plot of the same networks, a colour and a marker for each " + groups.noun + ".";
    return figure;
}

Figure group_histogram_figure(const Results& results, int64_t epoch, Grouping grouping) {
    const Groups groups = groups_of(results, grouping);
    const std::vector<Point> points = plane_points(results, epoch);
    const Range range = display_range(component_of(points, &Point::pc1));
    std::vector<Bins> counts(groups.names.size());
    for (const Point& point : points) {
        ++counts[groups.of_variant[static_cast<std::size_t>(point.variant)]][static_cast<std::size_t>(bin_of(range, point.pc1))];
    }
    Figure figure;
    figure.stem = "histogram-" + groups.stem;
    figure.title = "Networks along PC1 by " + groups.noun;
    std::vector<std::string> terms, filled;
    start_histogram(figure, results, points, counts, std::vector<double>(counts.size(), 0.0), epoch, 700, terms);
    for (std::size_t group = 0; group < groups.names.size(); ++group) {
        if (counts[group] == Bins{}) continue;
        filled.push_back(boxes(figure.stem + ".dat", std::to_string(group), "",
                               "fs solid 0.9 border lc rgb '#ffffff' lc rgb '" + std::string(group_colour(group)) + "' title " +
                                   gnuplot_quoted(groups.names[group])));
    }
    terms.insert(terms.begin(), filled.begin(), filled.end());
    figure.script += plot_command(terms);
    figure.caption = "The same bars, divided by " + groups.noun + "." + figure.caption;
    figure.alternative = "Stacked histogram along PC1, a colour for each " + groups.noun + ".";
    return figure;
}

}  // namespace aelle::report
