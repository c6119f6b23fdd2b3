#pragma once
/// One page of HTML that opens from disk: no network, figures as inline SVG, one script of ours for the interactive plane.

#include <string>
#include <string_view>
#include <vector>

#include "aelle/report/figures.hpp"
#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"
#include "aelle/report/shown_table.hpp"

namespace aelle::report {

/// Text with & < > " ' as entities, for element content and quoted attributes.
std::string escaped(std::string_view text);

/// gnuplot's SVG made fit for a page that holds several: the XML prologue and namespace declarations go, identifiers get `prefix`, and the figure
/// gets a role and a label.
std::string inline_svg(std::string_view svg, std::string_view prefix, std::string_view label);

/// A figure and its drawing; an empty `svg` says that it could not be drawn.
struct DrawnFigure {
    Figure figure;
    std::string svg;
};

std::string html_page(const Results& results, const Scores& scores, const std::vector<TableSection>& sections, const std::vector<DrawnFigure>& figures,
                      const std::vector<std::string>& notes);

}  // namespace aelle::report
