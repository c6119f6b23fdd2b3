// The library path of the device (cuBLAS, cuSOLVER) with plain loops in their place: training against our own kernel, which training_test.cpp compares
// with the reference, and QR by its defining properties.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "aelle/base/nan_max.hpp"
#include "tests/cuda/host_group.hpp"
#include "tests/cuda/plain_device.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/fixtures/toy_cells.hpp"

namespace aelle::cuda {
namespace {

using fixtures::random_vector;

template <class... Cells>
::testing::Types<Cells..., fixtures::DrivenTanh, fixtures::TwoStage> all_types(cells::CellList<Cells...>);
using CellTypes = decltype(all_types(cells::AllCells{}));

struct Problem {
    bool symbols = false, every_step = false, optional = true, adam = true;
    double dropout = 0.0, clip = 0.0;
    int64_t hidden = 9, batch = 4;
};

/// Random sequences.
class Table final : public learn::Sequences {
public:
    explicit Table(const Problem& p, int64_t features) : p_(p), features_(features) {}
    int64_t size() const override { return 14; }
    int64_t steps() const override { return 5; }
    int64_t features() const override { return features_; }
    int64_t classes() const override { return 3; }
    int64_t target_steps() const override { return p_.every_step ? steps() : 1; }
    void gather(std::span<const int64_t> indices, learn::Minibatch& out) const override {
        out = {.steps = steps(), .batch = static_cast<int64_t>(indices.size()), .values = {}, .symbols = {}, .targets = {}};
        for (int64_t t = 0; t < steps(); ++t) {
            for (const int64_t i : indices) {
                const auto key = static_cast<uint64_t>(i * 100 + t);
                if (p_.symbols)
                    out.symbols.push_back(features_ == 0 ? 0
                                                         : static_cast<int32_t>((key * 7 + key / 3) % static_cast<uint64_t>(features_)));
                else
                    for (const double x : random_vector(features_, 1.0, key)) out.values.push_back(static_cast<float>(x));
                if (t >= steps() - target_steps()) out.targets.push_back(static_cast<int32_t>(key * 5 / 7 % 3));
            }
        }
    }

private:
    Problem p_;
    int64_t features_;
};

/// Networks one after another in memory, as a group on the device holds them.
template <class Cell>
struct Setting {
    cells::Shape shape;
    cells::Parameters parameters;
    cells::ParameterLayout layout;
    Table table;
    HostSequences sequences;
    TrainingPlan plan;

    explicit Setting(const Problem& p)
        : shape{.hidden = p.hidden, .input = fixtures::driven(Cell::spec()) ? 6 : 0},
          parameters(made(p)),
          layout(Cell::spec(), shape, parameters),
          table(p, shape.input),
          sequences(table) {
        plan.cell = plan_cell<Cell>(layout, parameters);
        plan.batch = static_cast<int32_t>(p.batch);
        plan.steps = sequences.data.steps;
        plan.target_steps = sequences.data.target_steps;
        plan.classes = sequences.data.classes;
        plan.one_hot = p.symbols && shape.input > 0;
        plan.adam = p.adam;
        plan.momentum = 0.5;
        plan.clip = p.clip;
        plan.dropout = p.dropout;
        plan.learning_rate = 0.01;
        lay_out(plan);
    }
    cells::Parameters made(const Problem& p) const {
        cells::Parameters all = fixtures::random_parameters(Cell::spec(), shape, 1.0, 11);
        if (!p.optional)
            for (const auto& tensor : Cell::spec().tensors)
                if (tensor.optional) all.tensors.erase(std::string(tensor.name));
        return all;
    }
    std::vector<float> packed(int network) const {
        std::vector<float> all = layout.template pack<float>(parameters);
        for (const double x : random_vector(plan.size - layout.size(), 0.5, 3)) all.push_back(static_cast<float>(x));
        for (float& x : all) x *= 1.0f + 0.01f * static_cast<float>(network);
        return all;
    }
};

template <class Cell>
class LibraryGroup {
public:
    LibraryGroup(const Setting<Cell>& setting, const std::vector<std::vector<float>>& parameters) : setting_(setting) {
        const TrainingPlan& plan = setting.plan;
        memory_.assign(parameters.size() * static_cast<std::size_t>(plan.memory), std::numeric_limits<float>::quiet_NaN());
        for (std::size_t n = 0; n < parameters.size(); ++n) {
            std::copy(parameters[n].begin(), parameters[n].end(), at(n, plan.parameters));
            std::fill_n(at(n, plan.mean), plan.size, 0.0f);
            if (plan.adam) std::fill_n(at(n, plan.square), plan.size, 0.0f);
        }
        losses.resize(parameters.size(), std::vector<double>(8, -1.0));
        correct.resize(parameters.size(), std::vector<int32_t>(8, -1));
        finite.assign(parameters.size(), -99);
    }

    int run(const std::vector<std::vector<int32_t>>& order, bool learning, std::vector<float>* probabilities = nullptr) {
        const TrainingPlan& plan = setting_.plan;
        std::vector<TrainingWork> work;
        for (std::size_t n = 0; n < order.size(); ++n) {
            work.push_back({.memory = at(n, 0),
                            .order = order[n].data(),
                            .count = static_cast<int32_t>(order[n].size()),
                            .learning = learning,
                            .first_update = 0,
                            .seed = 5 + n,
                            .variant = n,
                            .losses = losses[n].data(),
                            .correct = correct[n].data(),
                            .probabilities = probabilities ? probabilities->data() : nullptr,
                            .finite = &finite[n]});
        }
        PlainDevice* device = nullptr;
        EXPECT_EQ(PlainDevice::of(0, device), 0);
        return LibraryPath<PlainDevice>::train_all<Cell>(*device, plan, &plan, setting_.sequences.data, work.data(), work);
    }

    std::vector<float> part(std::size_t n, int64_t offset) { return {at(n, offset), at(n, offset) + setting_.plan.size}; }

    std::vector<std::vector<double>> losses;
    std::vector<std::vector<int32_t>> correct;
    std::vector<int32_t> finite;

private:
    float* at(std::size_t n, int64_t offset) { return memory_.data() + static_cast<int64_t>(n) * setting_.plan.memory + offset; }
    const Setting<Cell>& setting_;
    std::vector<float> memory_;
};

/// Largest difference over the largest value; NaN stays.
double difference(const std::vector<float>& found, const std::vector<float>& expected) {
    double worst = 0, scale = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        worst = nan_max(worst, std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
        scale = std::max(scale, std::fabs(static_cast<double>(expected[i])));
    }
    return worst / scale;
}

template <class Cell>
class CudaLibraryTraining : public ::testing::Test {};
TYPED_TEST_SUITE(CudaLibraryTraining, CellTypes);

std::vector<Problem> problems() {
    std::vector<Problem> all;
    for (const bool symbols : {false, true})
        for (const bool optional : {false, true}) all.push_back({.symbols = symbols, .every_step = symbols, .optional = optional});
    all.push_back({.every_step = true, .dropout = 0.3});
    all.push_back({.hidden = 35, .batch = 9});
    return all;
}

TYPED_TEST(CudaLibraryTraining, LossAndGradientAreThoseOfOurKernel) {
    for (const Problem& p : problems()) {
        SCOPED_TRACE(testing::Message() << "symbols " << p.symbols << " every step " << p.every_step << " optional " << p.optional
                                        << " hidden " << p.hidden);
        const Setting<TypeParam> setting(p);
        const std::vector<std::vector<float>> networks{setting.packed(0), setting.packed(1), setting.packed(2)};
        const auto size = static_cast<int>(p.batch);
        const std::vector<std::vector<int32_t>> order{numbers(size), numbers(size, 3), numbers(size, 1)};
        HostGroup<TypeParam> ours(setting.plan, setting.sequences, networks);
        ours.run(order, true);
        LibraryGroup<TypeParam> theirs(setting, networks);
        ASSERT_EQ(theirs.run(order, true), 0);
        for (std::size_t n = 0; n < networks.size(); ++n) {
            EXPECT_EQ(theirs.finite[n], 1);
            EXPECT_NEAR(theirs.losses[n][0], ours.losses[n][0], 2e-6 * ours.losses[n][0]);
            EXPECT_EQ(theirs.correct[n][0], ours.correct[n][0]);
            // Some tens of roundings of single precision each.
            EXPECT_LE(difference(theirs.part(n, setting.plan.gradient), ours.gradient(n)), 6e-6) << n;
        }
    }
}

TYPED_TEST(CudaLibraryTraining, UpdatesOfUnlikeLengthsAreThoseOfOurKernel) {
    for (const bool adam : {false, true}) {
        const Problem p{.every_step = true, .adam = adam, .dropout = 0.2, .clip = adam ? 0.0 : 0.05};
        const Setting<TypeParam> setting(p);
        const std::vector<std::vector<float>> networks{setting.packed(0), setting.packed(1), setting.packed(2)};
        // The last batches are short; the third network goes in a call of its own.
        const std::vector<std::vector<int32_t>> order{numbers(10), numbers(10, 2), numbers(7, 4)};
        HostGroup<TypeParam> ours(setting.plan, setting.sequences, networks);
        ours.run(order, true);
        LibraryGroup<TypeParam> theirs(setting, networks);
        ASSERT_EQ(theirs.run(order, true), 0);
        for (std::size_t n = 0; n < networks.size(); ++n) {
            EXPECT_EQ(theirs.finite[n], n < 2 ? 3 : 2);
            for (std::size_t k = 0; k < ours.losses[n].size(); ++k)
                EXPECT_NEAR(theirs.losses[n][k], ours.losses[n][k], 1e-4 * ours.losses[n][k]);
            // Adam divides by the root of squares: where a gradient is about a rounding of its terms, an update of any sign and of learning
            // rate's size follows. SGD passes differences on as they are.
            const std::vector<float> found = theirs.part(n, setting.plan.parameters), expected = ours.parameters(n);
            if (!adam) {
                EXPECT_LE(difference(found, expected), 1e-5) << n;
            }
            for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 3 * 2 * 0.01f) << n << " " << i;
            EXPECT_GT(difference(found, networks[n]), 1e-4) << n;
        }
    }
}

TYPED_TEST(CudaLibraryTraining, EvaluationChangesNothing) {
    const Problem p{.dropout = 0.5};
    const Setting<TypeParam> setting(p);
    HostGroup<TypeParam> ours(setting.plan, setting.sequences, {setting.packed(0)});
    LibraryGroup<TypeParam> theirs(setting, {setting.packed(0)});
    std::vector<float> expected(12, -1.0f), found(12, -1.0f);
    ours.run({numbers(7)}, false, &expected);
    ASSERT_EQ(theirs.run({numbers(7)}, false, &found), 0);
    EXPECT_EQ(theirs.finite[0], 2);
    EXPECT_NEAR(theirs.losses[0][1], ours.losses[0][1], 2e-6 * ours.losses[0][1]);
    for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(found[i], expected[i], 1e-5) << i;  // 3 classes of the 3 sequences of the last batch
    EXPECT_EQ(theirs.part(0, setting.plan.parameters), setting.packed(0));
}

TEST(CudaLibraryTraining, DivergenceStopsANetworkAndNoOther) {
    const Setting<cells::Lstm> setting({});
    std::vector<float> bad = setting.packed(0);
    bad.back() = std::numeric_limits<float>::infinity();
    LibraryGroup<cells::Lstm> group(setting, {bad, setting.packed(1)}), alone(setting, {setting.packed(0), setting.packed(1)});
    ASSERT_EQ(group.run({numbers(9), numbers(9)}, true), 0);
    ASSERT_EQ(alone.run({numbers(9), numbers(9)}, true), 0);
    EXPECT_EQ(group.finite[0], -1);
    EXPECT_EQ(group.losses[0][1], -1.0);  // not reached
    EXPECT_EQ(group.part(0, setting.plan.parameters).front(), bad.front());
    EXPECT_EQ(group.finite[1], 3);
    EXPECT_EQ(group.part(1, setting.plan.parameters), alone.part(1, setting.plan.parameters));
}

TEST(CudaLibraryTraining, CellsAreFoundByTheirPlace) {
    const Setting<cells::Lstm> setting({});
    const std::vector<float> parameters = setting.packed(0);
    std::vector<float> memory(static_cast<std::size_t>(setting.plan.memory), 0.0f);
    std::copy(parameters.begin(), parameters.end(), memory.begin() + setting.plan.parameters);
    const std::vector<int32_t> order = numbers(4);
    double loss = -1;
    int32_t correct = -1, finite = -1;
    const TrainingWork work{
        .memory = memory.data(), .order = order.data(), .count = 4, .losses = &loss, .correct = &correct, .finite = &finite};
    using Path = LibraryPath<PlainDevice>;
    EXPECT_EQ(Path::train(0, 99, 1, 1, &setting.plan, &setting.sequences.data, &work), unknown_cell);
    EXPECT_EQ(loss, -1.0);
    EXPECT_EQ(Path::train(0, 1, 1, 1, &setting.plan, &setting.sequences.data, &work), 0);  // Lstm is the second of the list
    EXPECT_GT(loss, 0.0);
    EXPECT_EQ(finite, 1);
}

/// Matrices whose columns are of unlike size, one after another.
template <class T>
std::vector<T> matrices(int rows, int cols, int count) {
    std::vector<T> all;
    for (const double x : random_vector(int64_t{rows} * cols * count, 1.0, 17)) all.push_back(static_cast<T>(x));
    for (std::size_t i = 0; i < all.size(); ++i)
        all[i] *= static_cast<T>(1 + i / static_cast<std::size_t>(rows) % static_cast<std::size_t>(cols));
    return all;
}

template <class T>
void expect_factored(const LibraryQr& p, const std::vector<T>& z, const std::vector<T>& q, const std::vector<double>& log_r) {
    const double tolerance = 40 * p.rows * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (int64_t g = 0; g < p.count; ++g) {
        const auto at = [&](const std::vector<T>& m, int64_t i, int64_t j) {
            return static_cast<double>(m[static_cast<std::size_t>((g * p.cols + j) * p.rows + i)]);
        };
        for (int64_t a = 0; a < p.cols; ++a) {
            for (int64_t b = 0; b < p.cols; ++b) {
                double orthogonal = 0, r = 0;
                for (int64_t i = 0; i < p.rows; ++i) {
                    orthogonal += at(q, i, a) * at(q, i, b);
                    r += at(q, i, a) * at(z, i, b);
                }
                ASSERT_NEAR(orthogonal, a == b ? 1.0 : 0.0, tolerance) << g << " " << a << " " << b;
                if (a > b) {
                    ASSERT_NEAR(r, 0.0, tolerance * p.cols) << g;  // R = Q'Z is a triangle
                }
                if (a == b) {
                    ASSERT_NEAR(log_r[static_cast<std::size_t>(g * p.cols + a)], std::log(std::fabs(r)), 100 * tolerance) << g << " " << a;
                }
            }
        }
    }
}

template <class T>
void factor_and_check(LibraryQrForm form, int rows, int cols, int count) {
    const std::vector<T> z = matrices<T>(rows, cols, count);
    std::vector<T> q = z;
    std::vector<double> log_r(static_cast<std::size_t>(cols * count), -99.0);
    const LibraryQr p{form, sizeof(T) == 4, rows, cols, count, q.data(), log_r.data()};
    ASSERT_EQ(LibraryPath<PlainDevice>::qr(0, &p), 0);
    expect_factored(p, z, q, log_r);
}

constexpr LibraryQrForm all_forms[]{LibraryQrForm::geqrf_batched, LibraryQrForm::one_by_one, LibraryQrForm::cholesky_twice};

TEST(CudaLibraryQr, QIsOrthogonalAndRATriangle) {
    for (const LibraryQrForm form : all_forms) {
        SCOPED_TRACE(static_cast<int>(form));
        factor_and_check<double>(form, 12, 12, 5);
        factor_and_check<double>(form, 21, 9, 4);
        factor_and_check<float>(form, 21, 9, 4);
        factor_and_check<double>(form, 1, 1, 1);
    }
    factor_and_check<double>(LibraryQrForm::geqrf_batched, 125, 100, 1);  // too large to be staged
}

TEST(CudaLibraryQr, OrderOfThreadsDoesNotMatter) {
    const std::vector<double> z = matrices<double>(14, 11, 2);
    std::vector<std::vector<double>> all;
    for (const auto order : {emulation::Order::ascending, emulation::Order::descending, emulation::Order::shuffled}) {
        const EmulationOrder guard(order);
        std::vector<double>& q = all.emplace_back(z);
        std::vector<double> log_r(22);
        const LibraryQr p{LibraryQrForm::geqrf_batched, false, 14, 11, 2, q.data(), log_r.data()};
        ASSERT_EQ(LibraryPath<PlainDevice>::qr(0, &p), 0);
        EXPECT_EQ(q, all.front());
    }
}

TEST(CudaLibraryQr, AGramMatrixThatIsNotPositiveDefiniteGivesNanAndSpoilsNoOther) {
    std::vector<double> z = matrices<double>(4, 3, 2);
    for (std::size_t i = 0; i < 4; ++i) z[4 + i] = 0;  // a zero column in the first matrix
    std::vector<double> log_r(6, 0.0);
    const LibraryQr p{LibraryQrForm::cholesky_twice, false, 4, 3, 2, z.data(), log_r.data()};
    ASSERT_EQ(LibraryPath<PlainDevice>::qr(0, &p), 0);
    for (std::size_t j = 0; j < 3; ++j) {
        EXPECT_TRUE(std::isnan(log_r[j]));
        EXPECT_TRUE(std::isfinite(log_r[3 + j]));
    }
}

TEST(CudaLibraryQr, UnknownFormsAndProducts) {
    const LibraryQr unknown{static_cast<LibraryQrForm>(9), false, 1, 1, 1, nullptr, nullptr};
    EXPECT_EQ(LibraryPath<PlainDevice>::qr(0, &unknown), unknown_form);
    const std::vector<float> a{1, 2, 3, 4}, b{5, 6, 7, 8};
    std::vector<float> c(4, std::numeric_limits<float>::quiet_NaN());
    const LibraryProduct p{true, 2, 2, a.data(), b.data(), c.data()};
    EXPECT_EQ(LibraryPath<PlainDevice>::product(0, &p), 0);
    EXPECT_EQ(c, (std::vector<float>{23, 34, 31, 46}));
}

}  // namespace
}  // namespace aelle::cuda
