#pragma once
/// The interactive plane of the page: a script of ours (page/explore.js) over data that lie in the page itself.

#include <string>

#include "aelle/report/results.hpp"

namespace aelle::report {

/// The section with canvases, controls, data and script; empty where no network has a place in the plane.
std::string explore_section(const Results& results);

}  // namespace aelle::report
