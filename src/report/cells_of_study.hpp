#pragma once
/// Architectures of a study, each with its variants in order of loss.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/report/results.hpp"

namespace aelle::report {

/// Half-width of the band about zero in which the paper counts exponents, nats per step.
inline constexpr double near_zero = 0.05;

struct CellOfStudy {
    std::string name;
    std::vector<int64_t> variants;  ///< indices by ascending loss, those without a finite loss last
    double median_loss = 0.0;       ///< +inf where the median variant has none

    /// The one of median loss (of an even number the better of the middle two).
    int64_t median() const { return variants[(variants.size() - 1) / 2]; }
};

/// In order of appearance.
std::vector<CellOfStudy> cells_of(const Results& results);

/// Exponents of variant v at epoch index e within near_zero of zero, and how many it has; {0, 0} where they are not known.
struct NearZero {
    int64_t inside = 0, all = 0;
    double share() const { return all > 0 ? static_cast<double>(inside) / static_cast<double>(all) : 0.0; }
};
NearZero count_near_zero(const Results& results, int64_t v, int64_t e);

}  // namespace aelle::report
