#include "figure_parts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "aelle/base/text.hpp"
#include "aelle/report/gnuplot.hpp"
#include "text_columns.hpp"

namespace aelle::report {

const char* group_colour(std::size_t index) {
    // Okabe and Ito's eight, the yellow a little darker to stand out from white.
    static constexpr std::array<const char*, 8> colours{blue, "#E69F00", "#009E73", vermillion, "#56B4E9", "#CC79A7", "#C9B400", "#000000"};
    return colours[index % colours.size()];
}

std::string group_marker(std::size_t index) {
    static constexpr std::array<int, 10> markers{7, 5, 9, 11, 13, 6, 4, 8, 10, 12};
    return std::to_string(markers[index % markers.size()]);
}

double Range::clamped(double value) const { return std::clamp(value, low, high); }

Range display_range(const std::vector<double>& values) {
    std::vector<double> finite;
    for (const double value : values) {
        if (std::isfinite(value)) finite.push_back(value);
    }
    if (finite.empty()) return {};
    std::sort(finite.begin(), finite.end());
    const double lower = finite[finite.size() / 4];
    const double upper = finite[finite.size() - 1 - finite.size() / 4];
    const double fence = upper > lower ? 8.0 * (upper - lower) : std::numeric_limits<double>::infinity();
    const double low = std::max(finite.front(), lower - fence);
    const double high = std::min(finite.back(), upper + fence);
    const double margin = high > low ? 0.04 * (high - low) : std::max(0.5, 0.04 * std::fabs(high));
    Range range{low - margin, high + margin, 0};
    for (const double value : values) range.outside += value < range.low || value > range.high;
    return range;
}

std::string preamble(int width, int height) {
    return "# Draws on standard output: gnuplot NAME.gp > NAME.svg\n"
           "set terminal svg size " +
           std::to_string(width) + "," + std::to_string(height) +
           " dynamic noenhanced font 'sans-serif,15' background '#ffffff'\n"
           "set encoding utf8\n"
           "set border 3 lc rgb '" +
           ink +
           "'\n"
           "set tics nomirror out scale 0.5\nset xtics offset 0,0.25\nset xlabel offset 0,0.4\n"
           "set grid lc rgb '#e3e3e3' lw 1 dt solid\n"
           "set key above left Left reverse samplen 2\n";
}

std::string axis_labels(const std::string& x, const std::string& y) {
    return "set xlabel " + gnuplot_quoted(x) + "\nset ylabel " + gnuplot_quoted(y) + "\n";
}

std::string set_range(const std::string& axis, const Range& range) {
    return "set " + axis + "range [" + rounded(range.low, 9) + ":" + rounded(range.high, 9) + "]\n";
}

std::string logarithmic_tics() {
    std::vector<std::string> tics;
    for (int decade = -12; decade <= 12; ++decade) {
        for (const int digit : {1, 2, 5}) tics.push_back(std::to_string(digit) + "e" + std::to_string(decade));
    }
    return "set ytics (" + join(tics, ", ") + ")\n";
}

std::string plot_command(const std::vector<std::string>& terms) { return "plot " + join(terms, ", \\\n     ") + "\n"; }

std::vector<std::string> accuracy_points(const std::string& file, bool mark_test) {
    const auto term = [&](int high, int filled, int marker, const char* colour, const std::string& title) {
        return "'" + file + "' using 1:($3==" + std::to_string(high) + " && $4==" + std::to_string(filled) +
               " ? $2 : NaN) with points pt " + std::to_string(marker) + " ps 0.8 lw 1.3 lc rgb '" + colour + "' title " +
               gnuplot_quoted(title);
    };
    if (!mark_test) return {term(1, 1, 7, blue, "high accuracy"), term(0, 1, 9, vermillion, "low accuracy")};
    return {term(1, 0, 6, blue, "high accuracy"), term(0, 0, 8, vermillion, "low accuracy"), term(1, 1, 7, blue, "high, test"),
            term(0, 1, 9, vermillion, "low, test")};
}

std::string key_panel(const std::vector<KeyEntry>& entries) {
    std::vector<std::string> terms;
    for (const KeyEntry& entry : entries) terms.push_back("NaN with " + entry.style + " title " + gnuplot_quoted(entry.title));
    return "set lmargin at screen 0.02\nset rmargin at screen 0.98\nset tmargin at screen 0.99\nset bmargin at screen 0.5\nunset border\nunset xtics\n"
           "unset ytics\nunset xlabel\nunset ylabel\nunset label\nset xrange [0:1]\nset yrange [0:1]\nset key inside top left Left reverse horizontal samplen 2\n" +
           plot_command(terms);
}

std::vector<KeyEntry> accuracy_key() {
    const auto marker = [](int number, const char* colour) { return "points pt " + std::to_string(number) + " ps 0.8 lw 1.3 lc rgb '" + colour + "'"; };
    return {{marker(6, blue), "high accuracy"}, {marker(8, vermillion), "low accuracy"}, {marker(7, blue), "high, test"}, {marker(9, vermillion), "low, test"}};
}

std::string data_line(const std::vector<double>& values) {
    std::string line;
    for (const double value : values) line += (line.empty() ? "" : " ") + rounded(value, 9);
    return line + "\n";
}

std::string init_axis(const Results& results) {
    if (results.init_name == "g") return "g, gain of the initial recurrent weights";
    if (results.init_name == "p") return "p, range of the initial weights";
    return results.init_name;
}

std::string init_palette(const Results& results) {
    std::vector<double> finite;
    for (const double value : results.init) {
        if (std::isfinite(value)) finite.push_back(value);
    }
    double low = 0.0, high = 1.0;
    if (!finite.empty()) {
        low = *std::min_element(finite.begin(), finite.end());
        high = *std::max_element(finite.begin(), finite.end());
        if (!(high > low)) high = low + 1.0;
    }
    return "set palette defined (0 '#440154', 1 '#46327e', 2 '#365c8d', 3 '#277f8e', 4 '#1fa187', 5 '#4ac16d', 6 '#a0da39', 7 '#fde725')\n"
           "set cbrange [" +
           rounded(low, 9) + ":" + rounded(high, 9) + "]\nset cblabel " + gnuplot_quoted(init_axis(results)) + "\n";
}

std::string outside_note(int64_t outside) {
    return outside == 0
               ? ""
               : " " + counted(outside, "value", "values") + " beyond the axes " + (outside == 1 ? "is" : "are") + " drawn at the edge.";
}

double pc1_boundary(const Results& results, int64_t epoch) {
    const int64_t c = results.find_classifier("aelle-pc1");
    return c < 0 || results.repeats == 0 ? std::numeric_limits<double>::quiet_NaN() : results.boundary[results.at(c, 0, epoch)];
}

std::string pc1_side(const Results& results, int64_t epoch) {
    if (!std::isfinite(pc1_boundary(results, epoch))) return "";
    const int64_t side = results.side[results.at(results.find_classifier("aelle-pc1"), 0, epoch)];
    if (side == 0) return "";
    return std::string(" Networks to the ") + (side > 0 ? "right" : "left") + " of the dashed line (classifier aelle-pc1) are called good.";
}

std::string after_epoch(const Results& results, int64_t epoch) {
    const int64_t number = results.epoch[static_cast<std::size_t>(epoch)];
    return number == 0 ? "before training" : "after epoch " + std::to_string(number);
}

}  // namespace aelle::report
