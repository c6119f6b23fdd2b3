#pragma once
/// Recursive least squares on a symmetric matrix: one pass over memory per update.
///
/// An update needs v = P r and then P -= c v v^T, c = 1 / (1 + r.v). The subtraction is put off until the next product reads P anyway,
/// so each update reads and writes P once. Putting it off changes no bit: subtracting is the same instruction, early or late.

#include <cstdint>
#include <span>

#include "aelle/base/matrix.hpp"
#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {

/// Sum of a_i b_i over n elements, n a multiple of 8, both aligned.
using DotProduct = double (*)(int64_t n, const double* a, const double* b);
DotProduct dot_product(InstructionSet set);

/// P of recursive least squares. Vectors are aligned and padded<double>(N) long, zero beyond N.
class InverseCorrelation {
public:
    /// P = I / alpha
    InverseCorrelation(int64_t n, double alpha, InstructionSet set);
    /// From the lower triangle packed by columns.
    InverseCorrelation(int64_t n, std::span<const double> packed, InstructionSet set);

    /// Replaces P by its value after the sample r, and v by the gain k = P r / (1 + r . P r) with the old P.
    void update(const double* r, double* k);

    AlignedVector<double> packed() const;

    int64_t size() const { return n_; }

private:
    /// Subtracts the pending u u^T from `tiles` and sets y = P r.
    using Pass = void (*)(int64_t panels, double* tiles, const double* u, const double* r, double* y);
    static Pass pass(InstructionSet set);
    InverseCorrelation(int64_t n, InstructionSet set);

    int64_t n_, panels_;
    Pass pass_;
    DotProduct dot_;
    /// Lower triangle in tiles of 8 x 8, column-major inside, in the order in which a pass meets them: down each panel of 8 columns.
    /// Tiles on the diagonal are whole and stay symmetric to the last bit.
    AlignedVector<double> tiles_;
    AlignedVector<double> pending_;  ///< u = sqrt(c) v
};

}  // namespace aelle::cpu
