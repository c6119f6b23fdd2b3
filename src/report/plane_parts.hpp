#pragma once
/// What figures of the AeLLE plane share: its points, its boundary, histograms along its first axis.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "aelle/report/figures.hpp"
#include "figure_parts.hpp"

namespace aelle::report {

inline constexpr const char* pc1_axis = "PC1 of the latent vectors";
inline constexpr const char* pc2_axis = "PC2 of the latent vectors";

/// A network that has a place in the plane.
struct Point {
    double pc1, pc2, init;
    bool high, test;
    int64_t variant;  ///< index
};

std::vector<Point> plane_points(const Results& results, int64_t epoch);
std::vector<double> component_of(const std::vector<Point>& points, double Point::*component);
/// "12 of high and 9 of low accuracy".
std::string count_words(const std::vector<Point>& points);

/// The dashed vertical line of the boundary, from bottom to top of the axis, where it can be seen; its data go to the figure.
std::vector<std::string> boundary_line(Figure& figure, const Results& results, int64_t epoch, const Range& x, const Range& y);

inline constexpr int64_t bins = 24;
using Bins = std::array<int64_t, bins>;

int64_t bin_of(const Range& range, double value);

/// Stacks the groups bin by bin: lines of `left right bottom top group colour`; returns the height of the highest stack.
double stack(const Range& range, const std::vector<Bins>& counts, const std::vector<double>& colour, std::string& data);

/// Boxes of such lines, those of one group or (empty) of all, with `colour` as a further column.
std::string boxes(const std::string& file, const std::string& group, const std::string& colour, const std::string& style);

/// Styles of the boxes of high (0) and low accuracy (1).
std::string accuracy_fill(int group);

/// `stem.dat` with the stacked boxes; ranges and labels in the script, boundary line in `terms`, outside values in the caption.
void start_histogram(Figure& figure, const Results& results, const std::vector<Point>& points, const std::vector<Bins>& counts,
                     const std::vector<double>& colour, int64_t epoch, int width, std::vector<std::string>& terms);

}  // namespace aelle::report
