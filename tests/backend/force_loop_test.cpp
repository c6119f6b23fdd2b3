// The inner loop of FORCE: reference and CPU against ridge regression, long double and each other.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/backend/choose.hpp"
#include "fixtures/random_network.hpp"
#include "fixtures/ridge.hpp"

namespace {

using namespace aelle;
using State = backend::ForceLoop::State;

constexpr double unit_roundoff = std::numeric_limits<double>::epsilon() / 2;

cells::Parameters parameters(int64_t n, double density) {
    auto p = fixtures::random_parameters(cells::find_cell("rank1"), {n, 0}, density, static_cast<uint64_t>(n));
    for (double& w : p.tensors["weight_hh_l0"]) w *= 1.5;
    for (double& w : p.tensors["weight_fb"]) w *= 2.0;
    return p;
}

State start(int64_t n) {
    const auto x = fixtures::random_vector(n, 0.5, 77), w = fixtures::random_vector(n, 0.1, 78);
    return {{x.begin(), x.end()}, 0.3, {w.begin(), w.end()}, {}};
}

std::vector<double> target(int64_t steps) {
    std::vector<double> f;
    for (int64_t i = 0; i < steps; ++i) f.push_back(std::sin(0.02 * static_cast<double>(i)) + 0.4 * std::cos(0.05 * static_cast<double>(i)));
    return f;
}

/// Element (i, j) of a symmetric matrix whose lower triangle is packed by columns.
double element(const AlignedVector<double>& packed, int64_t n, int64_t i, int64_t j) {
    const int64_t row = std::max(i, j), column = std::min(i, j);
    return packed[static_cast<std::size_t>(column * (2 * n - column - 1) / 2 + row)];
}

struct Case {
    const char* backend;
    int64_t hidden;
    double density;
};

class ForceLoop : public ::testing::TestWithParam<Case> {
protected:
    std::unique_ptr<backend::ForceLoop> loop(double alpha = 1.0) const {
        const Case c = GetParam();
        const auto backend = std::string_view(c.backend) == "cpu" ? backend::choose(backend::Device::cpu).backend : backend::make_reference();
        auto made = backend->force_loop({c.hidden, 0}, parameters(c.hidden, c.density), alpha);
        made->set(start(c.hidden));
        return made;
    }
};

/// Rates r' and targets f of the updates of a run that is taken one step at a time. `teacher` feeds the target back in place of z.
struct Recording {
    std::vector<std::vector<double>> r;
    std::vector<double> f;
};

Recording record(backend::ForceLoop& loop, int64_t steps, int64_t learn_every, bool teacher) {
    const auto f = target(steps);
    Recording recording;
    for (int64_t i = 0; i < steps; ++i) {
        if (teacher) {
            State state = loop.get();
            state.z = f[static_cast<std::size_t>(i)];
            loop.set(state);
        }
        double z = 0.0;
        loop.run(i, learn_every, std::span(f).subspan(static_cast<std::size_t>(i), 1), {&z, 1});
        if (i % learn_every != 0) continue;
        std::vector<double> r;
        for (const double x : loop.get(false).x) r.push_back(std::tanh(x));
        recording.r.push_back(r);
        recording.f.push_back(f[static_cast<std::size_t>(i)]);
    }
    return recording;
}

TEST_P(ForceLoop, LearnsTheRidgeRegressionOfTheSequenceItSaw) {
    const int64_t n = GetParam().hidden;
    for (const bool teacher : {true, false}) {
        for (const double alpha : {0.5, 1.0, 20.0}) {
            const auto made = loop(alpha);
            const auto seen = record(*made, 120, 2, teacher);
            const State found = made->get();
            const auto w_0 = start(n).w_out;
            const auto exact = fixtures::ridge(seen.r, seen.f, {w_0.begin(), w_0.end()}, alpha);
            long double size = 1.0L;
            for (const long double w : exact.w) size = std::max(size, std::fabs(w));
            const double tolerance = unit_roundoff * 60.0 * exact.condition;
            for (int64_t i = 0; i < n; ++i) {
                const auto w = exact.w[static_cast<std::size_t>(i)];
                EXPECT_NEAR(found.w_out[i], static_cast<double>(w), tolerance * static_cast<double>(size));
                for (int64_t j = 0; j <= i; ++j)
                    ASSERT_NEAR(element(found.p, n, i, j), static_cast<double>(exact.p[static_cast<std::size_t>(i * n + j)]), tolerance / alpha);
            }
        }
    }
}

TEST_P(ForceLoop, FollowsTheEquationsInLongDouble) {
    const auto [backend, n, density] = GetParam();
    const auto p = parameters(n, density);
    const auto &m = p.tensors.at("weight_hh_l0"), &w_f = p.tensors.at("weight_fb");
    const long double dt = p.scalars.at("dt");
    const State first = start(n);
    std::vector<long double> x(first.x.begin(), first.x.end()), next(x.size());
    long double z = first.z;
    std::vector<double> output(40);
    const auto made = loop();
    made->run(0, 0, target(40), output);
    for (const double found : output) {
        for (std::size_t i = 0; i < x.size(); ++i) {
            long double a = w_f[i] * z;
            for (std::size_t j = 0; j < x.size(); ++j) a += m[i * x.size() + j] * std::tanh(x[j]);
            next[i] = (1.0L - dt) * x[i] + dt * a;
        }
        x = next;
        z = 0.0L;
        for (std::size_t i = 0; i < x.size(); ++i) z += first.w_out[i] * std::tanh(x[i]);
        // an error grows by a factor of at most 1 + dt (1.5 * 2 + |w_f| |w_o|) a step in these networks
        EXPECT_NEAR(found, static_cast<double>(z), 1e-12);
    }
    EXPECT_EQ(made->get().w_out, first.w_out);
}

TEST_P(ForceLoop, AgreesWithTheReferenceOnTheFirst200Steps) {
    const auto [backend, n, density] = GetParam();
    const auto f = target(200);
    std::vector<double> found(200), expected(200);
    const auto made = loop();
    auto reference = backend::make_reference()->force_loop({n, 0}, parameters(n, density), 1.0);
    reference->set(start(n));
    made->run(0, 2, f, found);
    reference->run(0, 2, f, expected);
    double largest = 1.0;
    for (const double z : expected) largest = std::max(largest, std::fabs(z));
    // 200 steps and 100 updates, each adding rounding errors of at most N terms
    const double tolerance = 200.0 * static_cast<double>(n + 8) * unit_roundoff * largest;
    for (std::size_t i = 0; i < 200; ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << "step " << i;
    const State a = made->get(), b = reference->get();
    ASSERT_EQ(a.p.size(), b.p.size());
    for (std::size_t i = 0; i < a.p.size(); ++i) ASSERT_NEAR(a.p[i], b.p[i], tolerance);
}

TEST_P(ForceLoop, GivesTheSameBitsHoweverTheRunIsCut) {
    const auto f = target(300);
    std::vector<double> whole(300);
    const auto uncut = loop();
    uncut->run(0, 2, f, whole);
    const State expected = uncut->get();
    for (const int64_t piece : {1, 7, 100}) {
        for (const bool copied : {false, true}) {  // also through get and set of a new loop at each cut
            auto made = loop();
            std::vector<double> z(300);
            for (int64_t i = 0; i < 300; i += piece) {
                const auto count = static_cast<std::size_t>(std::min(piece, 300 - i));
                made->run(i, 2, std::span(f).subspan(static_cast<std::size_t>(i), count), std::span(z).subspan(static_cast<std::size_t>(i), count));
                if (!copied || i % 10 != 0) continue;
                const State state = made->get();
                made = loop();
                made->set(state);
            }
            EXPECT_EQ(z, whole) << piece;
            const State found = made->get();
            EXPECT_EQ(found.x, expected.x);
            EXPECT_EQ(found.w_out, expected.w_out);
            EXPECT_EQ(found.p, expected.p);
        }
    }
}

TEST_P(ForceLoop, PStaysPositiveDefinite) {
    const int64_t n = GetParam().hidden;
    const auto made = loop();
    std::vector<double> z(1500);
    made->run(0, 1, target(1500), z);
    const auto p = made->get().p;
    std::vector<double> l(static_cast<std::size_t>(n * n));  // Cholesky: all pivots positive
    for (int64_t j = 0; j < n; ++j) {
        for (int64_t i = j; i < n; ++i) {
            double sum = element(p, n, i, j);
            for (int64_t k = 0; k < j; ++k) sum -= l[i * n + k] * l[j * n + k];
            ASSERT_TRUE(i != j || sum > 0.0) << "pivot " << j << ": " << sum;
            l[i * n + j] = i == j ? std::sqrt(sum) : sum / l[j * n + j];
        }
    }
    for (int64_t i = 0; i < n; ++i) EXPECT_LE(element(p, n, i, i), 1.0);  // never above P_0
}

TEST_P(ForceLoop, UpdatesOnlyInStepsWhoseGlobalNumberIsAMultiple) {
    const auto made = loop();
    const auto f = target(1);
    double z = 0.0;
    for (const int64_t step : {0, 1, 2, 3, 4, 5, 6, 1199, 1200}) {
        const auto before = made->get(false).w_out;
        made->run(step, 3, f, {&z, 1});
        EXPECT_EQ(made->get(false).w_out != before, step % 3 == 0) << step;
    }
}

TEST_P(ForceLoop, SurvivesWhatIsNotFinite) {
    for (const double bad : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(), 1e308}) {
        const auto made = loop();
        State state = made->get();
        state.x[0] = bad;
        state.z = bad;
        made->set(state);
        std::vector<double> z(50);
        made->run(0, 2, target(50), z);
        EXPECT_EQ(made->get().p.size(), static_cast<std::size_t>(GetParam().hidden * (GetParam().hidden + 1) / 2));
        EXPECT_EQ(std::isfinite(made->get().x[0]), std::isfinite(bad));
    }
}

INSTANTIATE_TEST_SUITE_P(Backends, ForceLoop,
                         ::testing::Values(Case{"reference", 21, 0.3}, Case{"reference", 40, 1.0}, Case{"cpu", 1, 1.0}, Case{"cpu", 13, 1.0},
                                           Case{"cpu", 40, 0.2}, Case{"cpu", 75, 0.1}),
                         [](const auto& tested) {
                             return std::string(tested.param.backend) + std::to_string(tested.param.hidden) +
                                    (tested.param.density < 0.25 ? "Sparse" : "Dense");
                         });

}  // namespace
