#pragma once
/// What the figures share: colours, markers, ranges, script preamble.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/report/results.hpp"

namespace aelle::report {

// Okabe and Ito (2008).
inline constexpr const char* blue = "#0072B2";
inline constexpr const char* vermillion = "#D55E00";
inline constexpr const char* grey = "#8C8C8C";
inline constexpr const char* ink = "#333333";

/// Colour and gnuplot marker number of the group with that index; both come again after the eighth and the tenth.
const char* group_colour(std::size_t index);
std::string group_marker(std::size_t index);

/// An axis that shows the data; `outside` values lie beyond it and are drawn at its edge.
struct Range {
    double low = 0.0, high = 1.0;
    int64_t outside = 0;
    double clamped(double value) const;
};

/// The finite values with a margin of 4 % of the range; without those more than eight interquartile ranges from the quartiles, which would
/// squeeze the rest into a corner. Infinities count as outside, NaN not at all.
Range display_range(const std::vector<double>& values);

/// Terminal, font, border, grid. `width` and `height` in pixels.
std::string preamble(int width, int height);

std::string axis_labels(const std::string& x, const std::string& y);
std::string set_range(const std::string& axis, const Range& range);

/// Tics at 1, 2 and 5 of every decade of a logarithmic y axis: within one decade gnuplot itself labels none.
std::string logarithmic_tics();

/// Terms of a plot command, joined with commas and line continuations.
std::string plot_command(const std::vector<std::string>& terms);

/// Points of high and low accuracy (column 3) at columns 1 and 2. With `mark_test`, those with 1 in column 4 are filled and the others open;
/// without, all are filled and column 4 must be 1.
std::vector<std::string> accuracy_points(const std::string& file, bool mark_test);

/// The key of a multiplot, across its whole width at the top: a plot of nothing with these styles and titles, as the last one before `unset multiplot`.
struct KeyEntry {
    std::string style, title;
};
std::string key_panel(const std::vector<KeyEntry>& entries);

/// Of accuracy_points with `mark_test`.
std::vector<KeyEntry> accuracy_key();

/// One line of a data file.
std::string data_line(const std::vector<double>& values);

/// "g, gain of the initial recurrent weights".
std::string init_axis(const Results& results);

/// Colours from dark blue to yellow, in even steps of lightness (viridis), over `values`.
std::string init_palette(const Results& results);

/// "12 points beyond the axes are drawn at their edge." or "".
std::string outside_note(int64_t outside);

/// Line of aelle-pc1's boundary of repeat 0; NaN where the analysis has none.
double pc1_boundary(const Results& results, int64_t epoch);

/// Which side of that line is called good, as a sentence; "" without a boundary.
std::string pc1_side(const Results& results, int64_t epoch);

std::string after_epoch(const Results& results, int64_t epoch);

}  // namespace aelle::report
