// The training kernel against the reference backend, for every cell of the list and cells that only tests know.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "aelle/base/nan_max.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/reference/batch.hpp"
#include "tests/cuda/host_group.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/fixtures/toy_cells.hpp"
#include "tests/learn/toy_sequences.hpp"

namespace aelle::cuda {
namespace {

using fixtures::converted;
using fixtures::random_parameters;
using fixtures::random_vector;

template <class... Cells>
::testing::Types<Cells..., fixtures::DrivenTanh, fixtures::TwoStage> all_types(cells::CellList<Cells...>);
using CellTypes = decltype(all_types(cells::AllCells{}));

struct Problem {
    bool symbols = false, every_step = false, optional = true;
    double dropout = 0.0;
    int hidden = 5, batch = 3;
};

template <class Cell>
struct Setting {
    cells::Shape shape;
    cells::Parameters parameters;
    std::unique_ptr<learn::Sequences> sequences;
    HostSequences host;
    cells::ParameterLayout layout;
    TrainingPlan plan;

    explicit Setting(const Problem& p)
        : shape{.hidden = p.hidden, .input = fixtures::driven(Cell::spec()) ? 3 : 0},
          parameters(made(p)),
          sequences(p.symbols ? std::unique_ptr<learn::Sequences>(new test::Counting(20, 4, 3))
                              : std::make_unique<test::RaisedFeature>(20, 4, 3, p.every_step)),
          host(*sequences),
          layout(Cell::spec(), shape, parameters) {
        plan.cell = plan_cell<Cell>(layout, parameters);
        plan.batch = p.batch;
        plan.steps = host.data.steps;
        plan.target_steps = host.data.target_steps;
        plan.classes = host.data.classes;
        plan.one_hot = p.symbols && shape.input > 0;
        plan.dropout = p.dropout;
        plan.learning_rate = 0.01;
        lay_out(plan);
    }
    cells::Parameters made(const Problem& p) const {
        cells::Parameters all = random_parameters(Cell::spec(), shape, 1.0, 11);
        if (!p.optional)
            for (const auto& tensor : Cell::spec().tensors)
                if (tensor.optional) all.tensors.erase(std::string(tensor.name));
        return all;
    }
    std::vector<float> packed(uint64_t seed = 3) const {
        std::vector<float> all = layout.pack<float>(parameters);
        for (const double x : random_vector(plan.size - layout.size(), 0.5, seed)) all.push_back(static_cast<float>(x));
        if (seed != 3)
            for (float& x : all) x *= 1.0f + 0.01f * static_cast<float>(seed);
        return all;
    }
};

struct Expected {
    double loss = 0.0;
    int correct = 0;
    std::vector<double> gradient;
};

/// Loss and gradient of one batch by the reference backend in double precision and plain loops for the readout.
template <class Cell>
Expected expected(const Setting<Cell>& setting, const Problem& p, const std::vector<int32_t>& order, bool learning = true) {
    constexpr uint64_t seed = 5, variant = 0, update = 0;  // as HostGroup gives them to its first network
    const double dropout = learning ? p.dropout : 0.0;
    const int64_t hidden = setting.shape.hidden, classes = setting.plan.classes, size = setting.layout.size();
    const std::vector<float> packed_single = setting.packed();
    const std::vector<double> packed(packed_single.begin(), packed_single.end());
    learn::Minibatch batch;
    const std::vector<int64_t> indices(order.begin(), order.end());
    setting.sequences->gather(indices, batch);
    const std::vector<double> values(batch.values.begin(), batch.values.end());
    reference::BatchCell<Cell, double> network(setting.layout, setting.parameters);
    network.set_parameters({packed.data(), static_cast<std::size_t>(size)});
    backend::SequenceBatch<double> inputs{batch.steps, batch.batch, nullptr, nullptr};
    if (setting.shape.input > 0 && p.symbols) inputs.symbols = batch.symbols.data();
    if (setting.shape.input > 0 && !p.symbols) inputs.values = values.data();
    const backend::NoiseKey noise{seed, variant, update};
    const auto states = network.forward(inputs, learning ? &noise : nullptr, true);
    const auto columns = static_cast<int64_t>(batch.targets.size());
    const RandomField field(seed, variant, Purpose::dropout, update, 0);
    Expected result{.gradient = std::vector<double>(packed.size())};
    Matrix<double> d(hidden, columns);
    std::vector<float> draws(static_cast<std::size_t>(hidden));
    for (int64_t j = 0; j < columns; ++j) {
        field.uniform(0, static_cast<uint32_t>(j), draws);
        std::vector<double> h(static_cast<std::size_t>(hidden)), factor(h.size(), 1.0), logit(static_cast<std::size_t>(classes));
        for (int64_t i = 0; i < hidden; ++i) {
            if (dropout > 0) factor[i] = static_cast<double>(draws[i]) < dropout ? 0.0 : 1 / (1 - dropout);
            h[i] = factor[i] * states(i, states.cols - columns + j);
        }
        double sum = 0;
        for (int64_t c = 0; c < classes; ++c) {
            logit[c] = packed[size + classes * hidden + c];
            for (int64_t i = 0; i < hidden; ++i) logit[c] += packed[size + c * hidden + i] * h[i];
            sum += std::exp(logit[c]);
        }
        const int32_t target = batch.targets[j];
        result.loss += std::log(sum) - logit[target];
        result.correct += std::max_element(logit.begin(), logit.end()) - logit.begin() == target ? 1 : 0;
        for (int64_t c = 0; c < classes; ++c) {
            const double slope = (std::exp(logit[c]) / sum - (c == target ? 1.0 : 0.0)) / static_cast<double>(columns);
            result.gradient[size + classes * hidden + c] += slope;
            for (int64_t i = 0; i < hidden; ++i) {
                result.gradient[size + c * hidden + i] += slope * h[i];
                d(i, j) += slope * packed[size + c * hidden + i] * factor[i];
            }
        }
    }
    network.backward(static_cast<const Matrix<double>&>(d).view(), {result.gradient.data(), static_cast<std::size_t>(size)});
    return result;
}

template <class Cell>
std::vector<Problem> problems() {
    std::vector<Problem> all;
    for (int bits = 0; bits < 8; ++bits) {
        Problem p{
            .symbols = (bits & 1) != 0, .every_step = (bits & 2) != 0, .optional = (bits & 4) != 0, .dropout = (bits & 2) != 0 ? 0.3 : 0.0};
        if (p.symbols) p.every_step = true;
        all.push_back(p);
    }
    all.push_back({.hidden = 70, .batch = 70});  // more than a tile of a product
    return all;
}

template <class Cell>
class CudaTraining : public ::testing::Test {};
TYPED_TEST_SUITE(CudaTraining, CellTypes);

TYPED_TEST(CudaTraining, LossAndGradientAreThoseOfTheReference) {
    for (const Problem& p : problems<TypeParam>()) {
        SCOPED_TRACE(testing::Message() << "symbols " << p.symbols << " every step " << p.every_step << " optional " << p.optional
                                        << " hidden " << p.hidden);
        const Setting<TypeParam> setting(p);
        HostGroup<TypeParam> group(setting.plan, setting.host, {setting.packed()});
        const std::vector<int32_t> order = p.batch == 3 ? std::vector<int32_t>{4, 17, 9} : numbers(20);
        group.run({order}, true);
        const Expected wanted = expected(setting, p, order);
        EXPECT_NEAR(group.losses[0][0], wanted.loss, 2e-6 * wanted.loss);
        EXPECT_EQ(group.correct[0][0], wanted.correct);
        EXPECT_EQ(group.finite[0], 1);
        const std::vector<float> gradient = group.gradient(0);
        double largest = 0, worst = 0;
        for (std::size_t i = 0; i < gradient.size(); ++i) {
            largest = std::max(largest, std::fabs(wanted.gradient[i]));
            worst = nan_max(worst, std::fabs(static_cast<double>(gradient[i]) - wanted.gradient[i]));
        }
        EXPECT_LE(worst, 3e-6 * largest);  // some tens of roundings of single precision
    }
}

TYPED_TEST(CudaTraining, BitsDependNeitherOnOtherNetworksNorOnCutsNorOnTeamsNorOnTheOrderOfThreads) {
    const Problem p{.every_step = true, .dropout = 0.2, .batch = 4};
    const Setting<TypeParam> setting(p);
    const std::vector<float> first = setting.packed(), second = setting.packed(4);
    const std::vector<int32_t> order = numbers(10);  // the last batch is short
    HostGroup<TypeParam> alone(setting.plan, setting.host, {first});
    alone.run({order}, true);
    ASSERT_EQ(alone.finite[0], 3);
    for (const auto& [thread_order, team] : {std::pair{emulation::Order::descending, 1}, {emulation::Order::shuffled, 2}}) {
        const EmulationOrder guard(thread_order);
        HostGroup<TypeParam> group(setting.plan, setting.host, {first, second});
        group.team = team;
        group.run({numbers(4), numbers(8, 3)}, true);
        group.run({numbers(6, 4), numbers(3)}, true);
        EXPECT_EQ(group.parameters(0), alone.parameters(0));
        EXPECT_NE(group.parameters(1), alone.parameters(0));
    }
}

TYPED_TEST(CudaTraining, EvaluationIsWithoutNoiseOrDropoutAndChangesNothing) {
    const Problem p{.dropout = 0.5};
    const Setting<TypeParam> setting(p);
    HostGroup<TypeParam> group(setting.plan, setting.host, {setting.packed()});
    std::vector<float> probabilities(3 * 3, -1.0f);
    group.run({{4, 17, 9}}, false, &probabilities);
    EXPECT_EQ(group.parameters(0), setting.packed());
    const Expected wanted = expected(setting, p, {4, 17, 9}, false);
    EXPECT_NEAR(group.losses[0][0], wanted.loss, 2e-6 * wanted.loss);
    EXPECT_EQ(group.correct[0][0], wanted.correct);
    double sum = 0;
    for (int c = 0; c < 3; ++c) sum += static_cast<double>(probabilities[c]);
    EXPECT_NEAR(sum, 1.0, 1e-6);
    const double loss = group.losses[0][0];
    double from_probabilities = 0;
    for (const auto& [column, sequence] : {std::pair{0, 4}, {1, 17}, {2, 9}})
        from_probabilities -= std::log(static_cast<double>(probabilities[column * 3 + setting.host.targets[sequence]]));
    EXPECT_NEAR(loss, from_probabilities, 1e-5);
    group.run({{4, 17, 9}}, false);
    EXPECT_EQ(group.losses[0][0], loss);
}

using cells::Lstm;

// So many units and sequences that every block of a team has tiles of its own.
TEST(CudaTrainingTeams, BitsOfLargeNetworksDoNotDependOnTheSizeOfTheTeam) {
    for (const bool symbols : {false, true}) {
        const Setting<Lstm> setting({.symbols = symbols, .every_step = true, .dropout = 0.3, .hidden = 72, .batch = 36});
        TrainingPlan plan = setting.plan;
        plan.clip = 0.5;
        std::vector<float> whole;
        double loss = 0;
        for (const int team : {1, 2, 4, 16}) {
            HostGroup<Lstm> group(plan, setting.host, {setting.packed()});
            group.team = team;
            std::vector<int32_t> order = numbers(36);
            for (int32_t& sequence : order) sequence %= 20;
            group.run({order}, true);
            if (team == 1) whole = group.parameters(0), loss = group.losses[0][0];
            EXPECT_EQ(group.parameters(0), whole) << team;
            EXPECT_EQ(group.losses[0][0], loss) << team;
        }
        EXPECT_NE(whole, setting.packed());
    }
}

TEST(CudaTrainingOptimisers, MomentumAndClippingAsWritten) {
    const Setting<Lstm> setting({});
    for (const double clip : {0.0, 1e-3}) {
        TrainingPlan plan = setting.plan;
        plan.adam = false;
        plan.momentum = 0.9;
        plan.clip = clip;
        lay_out(plan);
        HostGroup<Lstm> group(plan, setting.host, {setting.packed()});
        std::vector<float> theta = group.parameters(0), velocity(theta.size(), 0.0f);
        for (int update = 0; update < 3; ++update) {
            group.run({{1, 2, 3}}, true);
            const std::vector<float> g = group.gradient(0);  // clipped already
            double squares = 0;
            for (std::size_t i = 0; i < g.size(); ++i) {
                squares += static_cast<double>(g[i]) * static_cast<double>(g[i]);
                velocity[i] = 0.9f * velocity[i] + g[i];
                theta[i] -= 0.01f * velocity[i];
            }
            if (clip > 0) {
                EXPECT_NEAR(std::sqrt(squares), clip, 2e-6 + 1e-5 * clip);
            }
            EXPECT_EQ(group.parameters(0), theta);
        }
    }
}

TEST(CudaTrainingOptimisers, DivergenceStopsANetworkAndNoOther) {
    const Setting<Lstm> setting({});
    std::vector<float> bad = setting.packed();
    bad.back() = std::numeric_limits<float>::infinity();
    HostGroup<Lstm> group(setting.plan, setting.host, {bad, setting.packed()}),
        alone(setting.plan, setting.host, {setting.packed(), setting.packed()});
    group.run({numbers(9), numbers(9)}, true);
    alone.run({numbers(9), numbers(9)}, true);
    EXPECT_EQ(group.finite[0], -1);
    EXPECT_EQ(group.finite[1], 3);
    EXPECT_EQ(group.parameters(1), alone.parameters(1));
    EXPECT_EQ(group.losses[0][1], -1.0);  // not reached
}

}  // namespace
}  // namespace aelle::cuda
