#pragma once
/// Tables of architectures: what the paper's Figure 7 shows, and what its paragraphs on clusters state.

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"
#include "aelle/report/shown_table.hpp"

namespace aelle::report {

/// The network of median loss of every architecture, and its exponents near zero; empty with one architecture.
ShownTable median_variants_table(const Results& results);

/// The paper's statements on clusters of architectures, each held against this study: true, false, or nothing where the architecture is not there.
ShownTable statements_table(const Results& results);

}  // namespace aelle::report
