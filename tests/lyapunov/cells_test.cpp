// Spectra of every cell of the list along a stored trajectory, against wide arithmetic.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "aelle/backend/extended.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/cells/list.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/fixtures/wide_cell.hpp"
#include "tests/lyapunov/systems.hpp"

namespace aelle::lyapunov {
namespace {

using namespace test;
using backend::TangentSpace;

/// A network of the cell with everything U(-p, p), biases included, its inputs, and the states that the backend steps through.
template <class C>
struct Case {
    cells::CellSpec spec = C::spec();
    cells::Shape shape;
    TangentSpace space;
    cells::Parameters parameters;
    std::vector<double> inputs;
    int64_t steps;

    Case(int64_t hidden, int64_t count, double p, uint64_t seed, TangentSpace which)
        : shape{.hidden = hidden, .input = fixtures::driven(spec) ? 4 : 0}, space(which), steps(count) {
        for (std::size_t t = 0; t < spec.tensors.size(); ++t) {
            RandomStream random(seed, t, Purpose::weights);
            std::vector<double>& values = parameters.tensors[std::string(spec.tensors[t].name)];
            values.resize(static_cast<std::size_t>(cells::element_count(spec.tensors[t], shape)));
            for (double& x : values) x = random.uniform(-p, p);
        }
        cells::complete(spec, shape, parameters);
        inputs = fixtures::random_vector(shape.input * steps, 1.0, seed + 1000);
    }

    std::vector<double> start() const {
        std::vector<double> state(static_cast<std::size_t>(C::blocks * shape.hidden), 0.0);
        if (shape.input == 0) state = fixtures::random_vector(C::blocks * shape.hidden, 0.5, 77);  // or it would stay at 0
        return state;
    }
    int64_t dimension() const { return space == TangentSpace::full ? C::blocks * shape.hidden : shape.hidden; }

    Spectrum found(SpectrumOptions options = {}) const {
        options.steps = steps;
        auto extended = options.extended_up_to > 0 ? backend::extended_network(spec, shape, parameters, space) : nullptr;
        const auto system = network_system<double>(cpu().network(spec, shape, parameters, space), inputs, start(), std::move(extended));
        return spectrum_of(*system, options);
    }

    template <class R>
    std::vector<double> expected(bool transposed = false) const {
        const auto network = cpu().network(spec, shape, parameters, space);
        const fixtures::WideCell<C, R> wide(shape, parameters, space);
        const int64_t n = dimension();
        std::vector<double> state = start(), sum(static_cast<std::size_t>(n), 0.0);
        fixtures::WideMatrix<R> q(n, n);
        for (int64_t i = 0; i < n; ++i) q(i, i) = 1;
        for (int64_t t = 0; t < steps; ++t) {
            const double* x = inputs.data() + t * shape.input;
            fixtures::WideMatrix<R> j = wide.jacobian(state.data(), x);
            if (transposed)
                for (int64_t a = 0; a < n; ++a)
                    for (int64_t b = 0; b < a; ++b) std::swap(j(a, b), j(b, a));
            q = fixtures::product(j, q);
            const std::vector<double> logs = fixtures::givens_qr(q);
            for (int64_t i = 0; i < n; ++i) sum[i] += logs[i] / static_cast<double>(steps);
            network->step(state.data(), x, state.data());
        }
        return sum;
    }
};

struct Tally {
    int64_t exponents = 0, flagged = 0, wrong = 0, factorisations = 0;
    double worst_unflagged = 0, worst_flagged = 0, worst_share = 0;

    void add(const Spectrum& found, std::vector<double> expected) {
        ASSERT_TRUE(found.finite);
        std::sort(expected.rbegin(), expected.rend());
        int64_t here = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const double error = found.exponents[i] == expected[i] ? 0.0 : std::fabs(found.exponents[i] - expected[i]);
            double& worst = found.reliable[i] ? worst_unflagged : worst_flagged;
            worst = nan_max(worst, error);
            here += found.reliable[i] == 0;
            wrong += found.reliable[i] != 0 && !(error <= 1e-6);
        }
        flagged += here;
        exponents += static_cast<int64_t>(expected.size());
        worst_share = std::max(worst_share, static_cast<double>(here) / static_cast<double>(expected.size()));
        factorisations += found.factorisations;
    }
    double share() const { return static_cast<double>(flagged) / static_cast<double>(exponents); }
    void print(std::string_view cell, const char* what) const {
        std::printf("%-12s %-7s flagged %6.3f %% (worst network %5.1f %%)  wrong %lld  worst unflagged %.1e flagged %.1e  QRs %lld\n",
                    std::string(cell).c_str(), what, 100 * share(), 100 * worst_share, static_cast<long long>(wrong), worst_unflagged,
                    worst_flagged, static_cast<long long>(factorisations));
    }
};

template <class... Cells>
::testing::Types<Cells...> all_types(cells::CellList<Cells...>);
template <class Cell>
class SpectraOfCells : public ::testing::Test {};
using CellTypes = decltype(all_types(cells::AllCells{}));
TYPED_TEST_SUITE(SpectraOfCells, CellTypes);

template <class C, class R>
Tally saturated(int64_t hidden, int64_t steps, double p, uint64_t seeds, TangentSpace space, int64_t extended_up_to) {
    Tally tally;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
        const Case<C> network(hidden, steps, p, seed, space);
        tally.add(network.found({.extended_up_to = extended_up_to}), network.template expected<R>());
    }
    return tally;
}

int64_t setting(const char* name, int64_t otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr ? otherwise : std::atoll(value);
}

/// Weights of T lambda_1 < 15, where trajectories agree to rounding whoever computes them.
TYPED_TEST(SpectraOfCells, MildAreRightTo1em8) {
    for (const auto space : {TangentSpace::full, TangentSpace::hidden}) {
        for (const int64_t hidden : {6, 17}) {
            const Case<TypeParam> network(hidden, 20, 0.2, static_cast<uint64_t>(hidden), space);
            for (const int64_t interval : {0, 1}) {
                Tally tally;
                tally.add(network.found({.interval = interval}), network.template expected<fixtures::Quad>());
                EXPECT_EQ(tally.flagged, 0) << hidden;
                EXPECT_LT(tally.worst_unflagged, 1e-8) << hidden;
            }
        }
    }
}

/// h and c stay 0 for some steps, where h' does not depend on h: half of the exponents do not exist, and the others may need more bits.
TEST(SpectraOfAnLstm, ThatBeginsWithBlankInputsHaveInfiniteExponents) {
    int64_t extended = 0;
    for (const uint64_t seed : {1, 2, 3, 4}) {
        Case<cells::Lstm> network(24, 28, 5.0, seed, TangentSpace::full);
        std::fill_n(network.inputs.begin(), 4 * network.shape.input, 0.0);
        for (auto& [name, tensor] : network.parameters.tensors)
            if (name.starts_with("bias")) std::fill(tensor.begin(), tensor.end(), 0.0);
        for (const int64_t extended_up_to : {0, 48}) {
            const Spectrum found = network.found({.extended_up_to = extended_up_to});
            extended += found.extended;
            for (std::size_t k = 0; k < 48; ++k) EXPECT_EQ(std::isinf(found.exponents[k]), k >= 24) << seed << " exponent " << k;
        }
    }
    EXPECT_GT(extended, 0);
}

TYPED_TEST(SpectraOfCells, MildOf64AreRightTo1em8Slow) {
    for (const auto space : {TangentSpace::full, TangentSpace::hidden}) {
        const Case<TypeParam> network(64, 28, 0.2, 3, space);
        Tally tally;
        tally.add(network.found(), network.template expected<long double>());
        EXPECT_EQ(tally.flagged, 0);
        EXPECT_LT(tally.worst_unflagged, 1e-8);
    }
}

TYPED_TEST(SpectraOfCells, SaturatedAreRightOrFlagged) {
    for (const auto space : {TangentSpace::full, TangentSpace::hidden}) {
        for (const int64_t extended_up_to : {0, 32}) {
            const Tally tally = saturated<TypeParam, fixtures::Quad>(16, 12, 3.0, 2, space, extended_up_to);
            EXPECT_EQ(tally.wrong, 0);
            EXPECT_LE(tally.share(), 0.05);
        }
    }
}

TYPED_TEST(SpectraOfCells, SaturatedAreRightOrFlaggedLong) {
    const int64_t hidden = setting("H", 24), steps = setting("STEPS", 12), seeds = setting("SEEDS", 20);
    for (const auto space : {TangentSpace::full, TangentSpace::hidden}) {
        const Tally tally = saturated<TypeParam, fixtures::Quad>(hidden, steps, 3.0, static_cast<uint64_t>(seeds), space, setting("EXTENDED", 128));
        tally.print(TypeParam::spec().name, space == TangentSpace::full ? "full" : "hidden");
        EXPECT_EQ(tally.wrong, 0);
        EXPECT_LE(tally.share(), 0.05);
    }
}

}  // namespace
}  // namespace aelle::lyapunov
