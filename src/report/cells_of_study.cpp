#include "cells_of_study.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/embed/scores.hpp"

namespace aelle::report {

std::vector<CellOfStudy> cells_of(const Results& results) {
    std::vector<CellOfStudy> cells;
    const auto loss = [&](int64_t v) {
        const double value = results.loss[static_cast<std::size_t>(v)];
        return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
    };
    for (int64_t v = 0; v < results.variants(); ++v) {
        const std::string& name = results.cell[static_cast<std::size_t>(v)];
        auto found = std::find_if(cells.begin(), cells.end(), [&](const CellOfStudy& cell) { return cell.name == name; });
        if (found == cells.end()) found = cells.insert(cells.end(), CellOfStudy{name, {}, 0.0});
        found->variants.push_back(v);
    }
    for (CellOfStudy& cell : cells) {
        std::stable_sort(cell.variants.begin(), cell.variants.end(), [&](int64_t a, int64_t b) { return loss(a) < loss(b); });
        std::vector<double> losses;
        for (const int64_t v : cell.variants) losses.push_back(loss(v));
        cell.median_loss = embed::median(losses);
    }
    return cells;
}

NearZero count_near_zero(const Results& results, int64_t v, int64_t e) {
    NearZero count;
    for (const double exponent : results.spectrum(v, e)) {
        ++count.all;
        count.inside += std::fabs(exponent) <= near_zero;
    }
    return count;
}

}  // namespace aelle::report
