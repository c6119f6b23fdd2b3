// Lyapunov chains of the device against those of the host, for every cell of the list and cells that only tests know.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "aelle/backend/choose.hpp"
#include "aelle/cells/list.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "kernels/cuda/chain.hpp"
#include "kernels/reference/network.hpp"
#include "tests/cuda/host_group.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/fixtures/toy_cells.hpp"

namespace aelle::cuda {
namespace {

using fixtures::random_parameters;
using fixtures::random_vector;

template <class... Cells>
::testing::Types<Cells..., fixtures::DrivenTanh, fixtures::TwoStage> all_types(cells::CellList<Cells...>);
using CellTypes = decltype(all_types(cells::AllCells{}));

struct Problem {
    backend::TangentSpace space = backend::TangentSpace::full;
    int64_t hidden = 9, exponents = 0, steps = 12, warmup = 0;
    int64_t shared = 227 * 1024;
    bool random_start = false;
    double scale = 1.0;
    int32_t large_from = large_chain, team = 1;
};

struct Result {
    std::vector<double> log_sum, errors;
    bool finite = false;
    bool operator==(const Result&) const = default;
};

template <class Cell>
struct Setting {
    Problem p;
    cells::Shape shape;
    cells::Parameters parameters;
    std::vector<double> inputs, state, tangents;
    ChainPlan plan;
    std::vector<double> packed, matrices;
    std::vector<float> noise;

    explicit Setting(const Problem& problem)
        : p(problem),
          shape{.hidden = p.hidden, .input = fixtures::driven(Cell::spec()) ? 3 : 0},
          parameters(random_parameters(Cell::spec(), shape, 1.0, 5)),
          inputs(random_vector(shape.input * (p.steps + p.warmup), 1.0, 42)),
          state(random_vector(Cell::blocks * p.hidden, 0.3, 99)) {
        for (auto& [name, values] : parameters.tensors)
            for (double& x : values) x *= p.scale;
        const cells::ParameterLayout layout(Cell::spec(), shape, parameters);
        plan.cell = plan_cell<Cell>(layout, parameters);
        plan.full = p.space == backend::TangentSpace::full;
        plan.dimension = static_cast<int32_t>(plan.full ? Cell::blocks * p.hidden : p.hidden);
        if (p.exponents == 0) p.exponents = plan.dimension;
        plan.exponents = static_cast<int32_t>(p.exponents);
        plan.warmup = static_cast<int32_t>(p.warmup);
        plan.total = static_cast<int32_t>(p.warmup + p.steps);
        plan.from_unit_vectors = !p.random_start;
        noise = chain_noise(p.exponents);
        plan.noise = noise.data();
        lay_out(plan, p.shared, p.large_from);
        packed = layout.template pack<double>(parameters);
        matrices.assign(static_cast<std::size_t>(plan.cell.matrices), 0.0);
        int at = 0;
        for (const auto& stage : kernels::batch_terms(Cell::spec(), layout, parameters))
            for (const auto& term : stage)
                if (term.spec.form != cells::Form::dense && !term.noise()) {
                    while (plan.cell.term[at].matrix < 0) ++at;
                    kernels::add_matrix(term, p.hidden, packed.data(), matrices.data() + plan.cell.term[at++].matrix);
                }
        tangents.assign(static_cast<std::size_t>(plan.dimension * p.exponents), 0.0);
        for (int64_t j = 0; j < p.exponents; ++j) tangents[j * plan.dimension + j] = 1.0;
        if (!p.random_start) return;
        RandomStream random(7, 0, Purpose::tangent);  // as lyapunov::SpectrumRun begins
        for (double& x : tangents) x = random.normal();
        std::vector<double> log_r(static_cast<std::size_t>(p.exponents));
        backend::Backend::QrWork work;
        cpu().qr(backend::QrMethod::accurate, {tangents.data(), plan.dimension, p.exponents, plan.dimension}, log_r, work);
    }

    static const backend::Backend& cpu() {
        static const auto choice = backend::choose(backend::Device::cpu);
        return *choice.backend;
    }

    /// All chains at once, cut after `cut` steps.
    std::vector<Result> run(int count, int cut) const {
        std::vector<std::vector<double>> memory(static_cast<std::size_t>(count));
        std::vector<int32_t> finite(static_cast<std::size_t>(count), 1);
        std::vector<ChainWork> work;
        for (auto& chain : memory) {
            chain.assign(static_cast<std::size_t>(plan.memory), std::numeric_limits<double>::quiet_NaN());
            std::copy(state.begin(), state.end(), chain.begin() + plan.state);
            std::copy(tangents.begin(), tangents.end(), chain.begin() + plan.q);
            work.push_back({packed.data(), matrices.data(), inputs.data(), chain.data(), &finite[work.size()]});
        }
        for (int step = 0; step < plan.total; step += cut) {
            const int steps = std::min(cut, plan.total - step);
            const auto start = [&]<class Kernel>(const Kernel& kernel) {
                return launch(nullptr, count * p.team, static_cast<std::size_t>(plan.shared_bytes), kernel, p.team);
            };
            EXPECT_EQ(plan.large ? start(Chains<Cell, true>{&plan, work.data(), step, steps})
                                 : start(Chains<Cell, false>{&plan, work.data(), step, steps}),
                      0);
        }
        std::vector<Result> results;
        for (std::size_t n = 0; n < memory.size(); ++n) {
            const double* at = memory[n].data();
            const double* sums = plan.errors_of(memory[n].data()).sums();
            results.push_back({{at + plan.log_sum, at + plan.log_sum + p.exponents}, {sums, sums + p.exponents}, finite[n] == 1});
        }
        return results;
    }

    lyapunov::Spectrum host() const {
        auto system = lyapunov::network_system<double>(std::make_unique<reference::CellNetwork<Cell, double>>(shape, parameters, p.space),
                                                       inputs, state);
        const lyapunov::SpectrumOptions options{.exponents = p.exponents,
                                                .steps = p.steps,
                                                .warmup = p.warmup,
                                                .interval = 1,
                                                .random_start = p.random_start,
                                                .seed = 7,
                                                .sorted = false};
        return lyapunov::compute_spectrum(cpu(), *system, options);
    }
};

template <class Cell>
class CudaChains : public ::testing::Test {};
TYPED_TEST_SUITE(CudaChains, CellTypes);

template <class Cell>
void compare_with_host(const Problem& p) {
    SCOPED_TRACE(testing::Message() << "full " << (p.space == backend::TangentSpace::full) << " hidden " << p.hidden << " K " << p.exponents
                                    << " large from " << p.large_from << " team " << p.team);
    const Setting<Cell> setting(p);
    const std::vector<Result> found = setting.run(1, 100);
    const lyapunov::Spectrum expected = setting.host();
    ASSERT_TRUE(found[0].finite);
    ASSERT_EQ(found[0].log_sum.size(), expected.exponents.size());
    int compared = 0;
    for (std::size_t k = 0; k < expected.exponents.size(); ++k) {
        if (!expected.reliable[k]) continue;
        EXPECT_NEAR(found[0].log_sum[k] / static_cast<double>(p.steps), expected.exponents[k], 1e-9) << k;
        EXPECT_LE(found[0].errors[k], 1e-6 * static_cast<double>(p.steps)) << k;  // ten times what is called reliable
        ++compared;
    }
    EXPECT_GT(compared, 0);
}

TYPED_TEST(CudaChains, ExponentsAreThoseOfTheHost) {
    using enum backend::TangentSpace;
    for (const Problem& p :
         {Problem{}, Problem{.space = hidden}, Problem{.exponents = 4, .warmup = 3, .shared = 0},
          Problem{.space = hidden, .warmup = 2, .random_start = true}, Problem{.hidden = 37, .steps = 2},
          Problem{.space = hidden, .hidden = 64, .steps = 2}, Problem{.steps = 3, .warmup = 1, .large_from = 1, .team = 2}})
        compare_with_host<TypeParam>(p);
}

TYPED_TEST(CudaChains, BitsDependNeitherOnOtherChainsNorOnCutsNorOnTheOrderOfThreads) {
    const Setting<TypeParam> setting({.steps = 7, .warmup = 1});
    const Result alone = setting.run(1, 100)[0];
    for (const auto order : {emulation::Order::descending, emulation::Order::shuffled}) {
        const EmulationOrder guard(order);
        EXPECT_EQ(setting.run(2, 3)[1], alone);
    }
}

TYPED_TEST(CudaChains, AnOverflowingTrajectoryIsNotFinite) {
    Setting<TypeParam> setting({.steps = 3});
    setting.state[0] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_FALSE(setting.run(1, 100)[0].finite);
}

template <class Cell>
class CudaLargeChains : public ::testing::Test {};
using LargeTypes = ::testing::Types<cells::Lstm, cells::Lem, fixtures::TwoStage>;
TYPED_TEST_SUITE(CudaLargeChains, LargeTypes);

TYPED_TEST(CudaLargeChains, ExponentsAreThoseOfTheHost) { compare_with_host<TypeParam>({.hidden = 66, .steps = 2, .warmup = 1}); }

TYPED_TEST(CudaLargeChains, BitsDependNeitherOnTheTeamNorOnTheOrderOfThreads) {
    Problem p{.hidden = 33, .steps = 2, .large_from = 1};  // more columns than a tile of products has
    const Result alone = Setting<TypeParam>(p).run(1, 100)[0];
    EXPECT_TRUE(alone.finite);
    p.team = 4;
    EXPECT_EQ(Setting<TypeParam>(p).run(1, 1)[0], alone);
    p.team = 2;
    for (const auto order : {emulation::Order::descending, emulation::Order::shuffled}) {
        const EmulationOrder guard(order);
        EXPECT_EQ(Setting<TypeParam>(p).run(2, 100)[1], alone);
    }
}

TEST(CudaChainPlan, WithoutRoomForTheTeamOneBlockFactors) {
    compare_with_host<cells::Rnn>({.hidden = 140, .exponents = 70, .steps = 2, .shared = 64 * 1024, .team = 2});
}

TEST(CudaChainErrors, OfSaturatedCellsTellWhichExponentsAreLost) {
    const Setting<cells::Lstm> setting({.hidden = 24, .steps = 10, .scale = 40.0});
    const Result found = setting.run(1, 100)[0];
    const lyapunov::Spectrum expected = setting.host();  // at double precision too, but with steps factored in two
    int lost = 0, kept = 0;
    for (std::size_t k = 0; k < found.errors.size(); ++k) {
        if (found.errors[k] > 1e-7 * 10) {
            ++lost;
        } else if (expected.reliable[k]) {
            EXPECT_NEAR(found.log_sum[k] / 10, expected.exponents[k], 1e-6 * std::max(1.0, std::fabs(expected.exponents[k]))) << k;
            ++kept;
        }
    }
    EXPECT_GT(lost, 0);
    EXPECT_GT(kept, 0);
}

}  // namespace
}  // namespace aelle::cuda
