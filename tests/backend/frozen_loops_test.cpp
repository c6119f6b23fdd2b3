// Closed loops with frozen weights side by side: reference and CPU against the loop that learns, and each loop against itself alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/backend/choose.hpp"
#include "fixtures/random_network.hpp"
#include "kernels/cpu/frozen.hpp"

namespace {

using namespace aelle;
using State = backend::ForceLoop::State;
using cpu::InstructionSet;

cells::Parameters parameters(int64_t n, double density) {
    auto p = fixtures::random_parameters(cells::find_cell("rank1"), {n, 0}, density, static_cast<uint64_t>(n));
    for (double& w : p.tensors["weight_hh_l0"]) w *= 1.5;
    return p;
}

State start(int64_t n, int64_t loop) {
    const auto seed = static_cast<uint64_t>(100 + 2 * loop);
    const auto x = fixtures::random_vector(n, 0.5, seed), w = fixtures::random_vector(n, 0.1, seed + 1);
    return {{x.begin(), x.end()}, 0.3 - 0.01 * static_cast<double>(loop), {w.begin(), w.end()}, {}};
}

/// z' of every step, a column a step.
Matrix<double> run(backend::FrozenLoops& loops, int64_t steps) {
    Matrix<double> output(loops.count(), steps);
    loops.run(output.view());
    return output;
}

struct Case {
    int64_t hidden;
    double density;
};
constexpr Case cases[] = {{1, 1.0}, {13, 1.0}, {40, 0.2}, {75, 0.1}, {70, 0.5}, {33, 0.0}};

std::vector<InstructionSet> sets() {
    std::vector<InstructionSet> all;
    for (const auto set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
        if (set <= cpu::best_instruction_set()) all.push_back(set);
    return all;
}

TEST(FrozenLoops, AgreeWithTheReferenceOnTheFirst200Steps) {
    for (const auto& [n, density] : cases) {
        for (const InstructionSet set : sets()) {
            const int64_t count = 11;
            const auto p = parameters(n, density);
            const auto made = cpu::make_frozen_loops({n, 0}, p, count, set);
            const auto reference = backend::make_reference()->frozen_loops({n, 0}, p, count);
            for (int64_t k = 0; k < count; ++k) {
                made->set(k, start(n, k));
                reference->set(k, start(n, k));
            }
            const auto found = run(*made, 200), expected = run(*reference, 200);
            // 200 steps, each adding rounding errors of at most N terms of size 1
            const double tolerance = 200.0 * static_cast<double>(n + 8) * std::numeric_limits<double>::epsilon();
            for (int64_t t = 0; t < 200; ++t)
                for (int64_t k = 0; k < count; ++k)
                    ASSERT_NEAR(found(k, t), expected(k, t), tolerance) << cpu::name(set) << " N " << n << " step " << t;
        }
    }
}

TEST(FrozenLoops, AreTheForceLoopWithoutLearning) {
    const auto p = parameters(40, 0.2);
    for (const auto& backend : {backend::make_reference(), backend::choose(backend::Device::cpu).backend}) {
        const auto loops = backend->frozen_loops({40, 0}, p, 2);
        EXPECT_EQ(loops->get(1).x, AlignedVector<double>(40, 0.0));
        EXPECT_EQ(loops->get(1).z, 0.0);
        EXPECT_TRUE(std::ranges::equal(loops->get(1).w_out, p.tensors.at("weight_out")));
        const auto loop = backend->force_loop({40, 0}, p, 1.0);
        loops->set(1, start(40, 3));
        loop->set(start(40, 3));
        std::vector<double> expected(50);
        loop->run(0, 0, std::vector<double>(50), expected);
        const auto found = run(*loops, 50);
        for (int64_t t = 0; t < 50; ++t) EXPECT_NEAR(found(1, t), expected[static_cast<std::size_t>(t)], 1e-13);
        const State a = loops->get(1), b = loop->get(false);
        for (std::size_t i = 0; i < 40; ++i) EXPECT_NEAR(a.x[i], b.x[i], 1e-13);
        EXPECT_EQ(a.w_out, b.w_out);
        EXPECT_TRUE(a.p.empty());
    }
}

TEST(FrozenLoops, GiveTheSameBitsAloneAndAmongAnyOthersHoweverTheRunIsCut) {
    const int64_t steps = 60;
    for (const auto& [n, density] : cases) {
        const auto p = parameters(n, density);
        for (const InstructionSet set : sets()) {
            for (const int64_t count : {1, 3, 8, 9, 15, 16, 17, 24, 25, 33}) {
                const auto together = cpu::make_frozen_loops({n, 0}, p, count, set);
                for (int64_t k = 0; k < count; ++k) together->set(k, start(n, k));
                const auto one = run(*together, 1), two = run(*together, steps - 1);
                for (int64_t k = 0; k < count; k += 4) {
                    const auto alone = cpu::make_frozen_loops({n, 0}, p, 1, set);
                    alone->set(0, start(n, k));
                    const auto before = run(*alone, 20);
                    const auto moved = cpu::make_frozen_loops({n, 0}, p, 12, set);  // through get and set, into another lane
                    moved->set(9, alone->get(0));
                    const auto after = run(*moved, steps - 20);
                    for (int64_t t = 0; t < steps; ++t)
                        ASSERT_EQ(t < 1 ? one(k, t) : two(k, t - 1), t < 20 ? before(0, t) : after(9, t - 20))
                            << cpu::name(set) << " N " << n;
                    EXPECT_EQ(together->get(k).x, moved->get(9).x);
                }
            }
        }
    }
}

TEST(FrozenLoops, WhatIsNotFiniteStaysInItsLoop) {
    for (const double density : {0.1, 1.0}) {
        const int64_t n = 50, count = 12;
        const auto p = parameters(n, density);
        for (const InstructionSet set : sets()) {
            const auto clean = cpu::make_frozen_loops({n, 0}, p, count, set), spoilt = cpu::make_frozen_loops({n, 0}, p, count, set);
            for (int64_t k = 0; k < count; ++k) {
                State state = start(n, k);
                clean->set(k, state);
                if (k == 2) state.x[7] = std::numeric_limits<double>::quiet_NaN();
                if (k == 9) state.w_out[7] = std::numeric_limits<double>::infinity();
                spoilt->set(k, state);
            }
            const auto expected = run(*clean, 80), found = run(*spoilt, 80);
            for (int64_t k = 0; k < count; ++k)
                for (int64_t t = 1; t < 80; ++t) {
                    if (k == 2 || k == 9) ASSERT_FALSE(std::isfinite(found(k, t)));
                    else ASSERT_EQ(found(k, t), expected(k, t));
                }
        }
    }
}

}  // namespace
