// The partials of every cell against dual numbers in 113-bit arithmetic, units saturated included.

#include <gtest/gtest.h>

#include "aelle/cells/list.hpp"
#include "kernels/linearise.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/fixtures/toy_cells.hpp"
#include "tests/fixtures/wide_cell.hpp"

namespace aelle::cells {
namespace {

using fixtures::Quad;

template <class... Cells>
::testing::Types<Cells..., fixtures::DrivenTanh, fixtures::TwoStage> all_types(CellList<Cells...>);

template <class Cell>
class Partials : public ::testing::Test {};
TYPED_TEST_SUITE(Partials, decltype(all_types(AllCells{})));

/// Pre-activations from well inside the slopes to |a| = 300, multiples of 1/16 so that their sums are exact.
double draw_pre_activation(RandomStream& random) {
    const double size = random.uniform() < 0.3 ? 2.0 : random.uniform() < 0.5 ? 40.0 : 300.0;
    return std::round(16 * size * (2 * random.uniform() - 1)) / 16;
}
/// States up to 1.5, odd multiples of 1/32: never the limits of tanh, where the h - n of a gate (gru, lem) has no digits left. That costs
/// a Jacobian nothing, since h - n stands beside numbers of order 1 in its row.
double draw_state(RandomStream& random) { return (2 * std::floor(48 * random.uniform()) - 47) / 32; }

/// A few units in the last place, times what rounding an argument of size `argument` does to exp of it. Below 1e-290 digits are lost.
void expect_close(double found, Quad exact, double argument) {
    const Quad scale = std::max(fixtures::absolute(exact), Quad(1e-290));
    EXPECT_LT(static_cast<double>(fixtures::absolute(Quad(found) - exact) / scale), 2e-14 + 3e-16 * argument) << found;
}

template <class Cell, int Stage>
void check_stage() {
    constexpr int slots = Cell::slots[Stage], blocks = Cell::blocks;
    using D = fixtures::WideDual<Quad, slots + blocks>;
    const auto scalars = kernels::scalars_of<Cell>(fixtures::random_parameters(Cell::spec(), {.hidden = 1, .input = 1}, 1.0, 3));
    RandomStream random(11, Stage, Purpose::sampling);
    for (int trial = 0; trial < 300; ++trial) {
        std::vector<double> a(slots + 1), s(blocks), d_a(blocks * slots + 1), d_s(blocks * blocks);
        std::array<D, slots + 1> wide_a;
        std::array<D, blocks> wide_s;
        double argument = 0;
        for (int k = 0; k < slots; ++k) {
            wide_a[k] = D(Quad(a[k] = draw_pre_activation(random)));
            wide_a[k].d[k] = 1;
            argument += std::fabs(a[k]);
        }
        for (int b = 0; b < blocks; ++b) {
            wide_s[b] = D(Quad(s[b] = draw_state(random)));
            wide_s[b].d[slots + b] = 1;
        }
        std::array<D, blocks> next = wide_s;
        Cell::template pointwise<Stage, Quad>(wide_a.data(), wide_s.data(), scalars, next.data());
        kernels::linearise_stage<Cell, Stage, double>(1, a.data(), s.data(), scalars, d_a.data(), d_s.data());
        for (int b = 0; b < blocks; ++b) {
            for (int k = 0; k < slots; ++k) expect_close(d_a[b * slots + k], next[b].d[k], argument);
            for (int c = 0; c < blocks; ++c) expect_close(d_s[b * blocks + c], next[b].d[slots + c], argument);
        }
    }
}

TYPED_TEST(Partials, KeepRelativeAccuracyInSaturatedUnits) {
    kernels::for_each_stage<TypeParam>([]<int Stage>() { check_stage<TypeParam, Stage>(); });
}

/// A partial that the pattern calls zero, or one of a block left alone, is exactly that.
template <class Cell, int Stage>
void check_pattern() {
    constexpr int slots = Cell::slots[Stage], blocks = Cell::blocks;
    const auto scalars = kernels::scalars_of<Cell>(fixtures::random_parameters(Cell::spec(), {.hidden = 1, .input = 1}, 1.0, 3));
    const kernels::StagePattern pattern = kernels::pattern_of_stage<Cell, Stage>(scalars);
    std::vector<double> a = fixtures::random_vector(slots + 1, 1.0, 1), s = fixtures::random_vector(blocks, 1.0, 2);
    std::vector<double> d_a(blocks * slots + 1), d_s(blocks * blocks);
    kernels::linearise_stage<Cell, Stage, double>(1, a.data(), s.data(), scalars, d_a.data(), d_s.data());
    for (int b = 0; b < blocks; ++b) {
        for (int k = 0; k < slots; ++k) EXPECT_EQ(d_a[b * slots + k] != 0.0, pattern.reads_slot(b, k)) << b << k;
        for (int c = 0; c < blocks; ++c) {
            EXPECT_EQ(d_s[b * blocks + c] != 0.0, pattern.reads_block(b, c)) << b << c;
            if (pattern.writes[b]) continue;
            EXPECT_EQ(d_s[b * blocks + c], b == c ? 1.0 : 0.0);
        }
    }
}

TYPED_TEST(Partials, VanishWhereTheEquationsSaySo) {
    kernels::for_each_stage<TypeParam>([]<int Stage>() { check_pattern<TypeParam, Stage>(); });
}

}  // namespace
}  // namespace aelle::cells
