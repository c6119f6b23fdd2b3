#include "plane_parts.hpp"

#include <algorithm>
#include <cmath>

namespace aelle::report {

std::vector<Point> plane_points(const Results& results, int64_t epoch) {
    std::vector<Point> points;
    for (int64_t v = 0; v < results.variants(); ++v) {
        const auto i = static_cast<std::size_t>(v);
        const double pc1 = results.component(v, epoch, 0);
        const double pc2 = results.latent > 1 ? results.component(v, epoch, 1) : 0.0;
        if (!std::isfinite(pc1) || !std::isfinite(pc2)) continue;
        points.push_back({pc1, pc2, results.init[i], results.is_good(v), results.repeats > 0 && results.split_of(0, v) == 2, v});
    }
    return points;
}

std::vector<double> component_of(const std::vector<Point>& points, double Point::*component) {
    std::vector<double> values;
    for (const Point& point : points) values.push_back(point.*component);
    return values;
}

std::vector<std::string> boundary_line(Figure& figure, const Results& results, int64_t epoch, const Range& x, const Range& y) {
    const double boundary = pc1_boundary(results, epoch);
    if (!(boundary >= x.low && boundary <= x.high)) return {};
    const std::string name = figure.stem + "-boundary.dat";
    figure.data.push_back({name, "# boundary low, high\n" + data_line({boundary, y.low}) + data_line({boundary, y.high})});
    return {"'" + name + "' using 1:2 with lines lw 2 dt (8,5) lc rgb '" + ink + "' title 'boundary'"};
}

int64_t bin_of(const Range& range, double value) {
    const double place = (range.clamped(value) - range.low) / (range.high - range.low) * static_cast<double>(bins);
    return std::clamp<int64_t>(static_cast<int64_t>(place), 0, bins - 1);
}

double stack(const Range& range, const std::vector<Bins>& counts, const std::vector<double>& colour, std::string& data) {
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

std::string accuracy_fill(int group) {
    if (group == 0) return "fs solid 0.9 border lc rgb '#ffffff' lc rgb '" + std::string(blue) + "'";
    return "fs pattern 4 border lc rgb '" + std::string(vermillion) + "' lc rgb '" + vermillion + "'";
}

void start_histogram(Figure& figure, const Results& results, const std::vector<Point>& points, const std::vector<Bins>& counts,
                     const std::vector<double>& colour, int64_t epoch, int width, std::vector<std::string>& terms) {
    const Range x = display_range(component_of(points, &Point::pc1));
    std::string data = "# left right bottom top group colour\n";
    const double highest = stack(x, counts, colour, data);
    const Range y{0.0, std::max(1.0, 1.06 * highest), 0};
    figure.data.push_back({figure.stem + ".dat", data});
    terms = boundary_line(figure, results, epoch, x, y);
    figure.script = preamble(width, 400) + axis_labels(pc1_axis, "networks per bin") + set_range("x", x) + set_range("y", y);
    figure.caption = outside_note(x.outside);
}

std::string count_words(const std::vector<Point>& points) {
    const auto high = std::count_if(points.begin(), points.end(), [](const Point& point) { return point.high; });
    return std::to_string(high) + " of high and " + std::to_string(static_cast<int64_t>(points.size()) - high) + " of low accuracy";
}

}  // namespace aelle::report
