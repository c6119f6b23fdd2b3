// Training of every cell of the list, and of cells that only tests know, on every backend that runs on the host.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "aelle/backend/backend.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/cpu/batch.hpp"
#include "kernels/cpu/network.hpp"
#include "kernels/reference/batch.hpp"
#include "kernels/reference/network.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/fixtures/toy_cells.hpp"

namespace aelle::backend {
namespace {

using fixtures::converted;
using fixtures::random_parameters;
using fixtures::random_vector;

template <class... Cells>
::testing::Types<Cells..., fixtures::DrivenTanh, fixtures::TwoStage> all_types(cells::CellList<Cells...>);
using CellTypes = decltype(all_types(cells::AllCells{}));

/// A small problem: what goes in, and which steps the loss sees.
struct Problem {
    bool symbols = false;
    bool every_step = false;
    bool optional = true;  ///< whether optional tensors are there
    bool noise = false;
    cells::Shape shape{.hidden = 5, .input = 3};
    int64_t steps = 4, batch = 3;

    std::string name() const {
        return std::string(symbols ? "symbols" : "values") + (every_step ? ", every step" : ", last step") + (optional ? "" : ", no optional tensors") +
               (noise ? ", noise" : "");
    }
};

/// Values and symbols of a problem, and the linear part of its loss.
template <class T>
struct Data {
    std::vector<T> values, weights;
    std::vector<int32_t> symbols;
    SequenceBatch<T> batch;

    explicit Data(const Problem& p) {
        values = converted<T>(random_vector(p.shape.input * p.steps * p.batch, 1.0, 7));
        weights = converted<T>(random_vector(p.shape.hidden * p.steps * p.batch, 1.0, 8));
        RandomStream random(1, 0, Purpose::sampling);
        for (int64_t i = 0; i < p.steps * p.batch; ++i) symbols.push_back(p.shape.input ? static_cast<int32_t>(random.below(p.shape.input)) : 0);
        batch = {.steps = p.steps, .batch = p.batch};
        if (p.shape.input == 0) return;
        if (p.symbols) batch.symbols = symbols.data();
        else batch.values = values.data();
    }
};

constexpr NoiseKey noise_key{.seed = 3, .variant = 4, .update = 5};

template <class Cell>
bool driven() {
    for (const auto& stage : Cell::spec().stages)
        for (const auto& term : stage.terms)
            if (term.source == cells::Source::input) return true;
    return false;
}

template <class Cell>
cells::Parameters parameters_of(const Problem& p) {
    cells::Parameters parameters = random_parameters(Cell::spec(), p.shape, 1.0, 11);
    if (!p.optional)
        for (const auto& tensor : Cell::spec().tensors)
            if (tensor.optional) parameters.tensors.erase(std::string(tensor.name));
    return parameters;
}

/// L = sum of w r + r^2 / 2 over the readouts r that the loss sees.
template <class T>
double loss(BatchNetwork<T>& network, const Problem& p, const Data<T>& data) {
    const auto r = network.forward(data.batch, p.noise ? &noise_key : nullptr, false);
    double sum = 0;
    for (int64_t c = p.every_step ? 0 : (p.steps - 1) * p.batch; c < p.steps * p.batch; ++c)
        for (int64_t i = 0; i < r.rows; ++i) sum += data.weights[c * r.rows + i] * r(i, c) + r(i, c) * r(i, c) / 2;
    return sum;
}

template <class T>
std::vector<T> gradient(BatchNetwork<T>& network, const Problem& p, const Data<T>& data, int64_t size) {
    const auto r = network.forward(data.batch, p.noise ? &noise_key : nullptr, true);
    const int64_t first = p.every_step ? 0 : (p.steps - 1) * p.batch;
    Matrix<T> d(r.rows, p.steps * p.batch - first);
    for (int64_t c = 0; c < d.cols(); ++c)
        for (int64_t i = 0; i < r.rows; ++i) d(i, c) = data.weights[(first + c) * r.rows + i] + r(i, first + c);
    std::vector<T> g(static_cast<std::size_t>(size), T(99));
    network.backward(static_cast<const Matrix<T>&>(d).view(), g);
    return g;
}

template <class Cell>
std::vector<Problem> problems() {
    std::vector<Problem> all;
    for (int bits = 0; bits < 16; ++bits) {
        Problem p{.symbols = (bits & 1) != 0, .every_step = (bits & 2) != 0, .optional = (bits & 4) != 0, .noise = (bits & 8) != 0};
        if (!driven<Cell>()) p.shape.input = 0;
        all.push_back(p);
    }
    return all;
}

template <class Cell>
class BatchTraining : public ::testing::Test {};
TYPED_TEST_SUITE(BatchTraining, CellTypes);

template <class Cell, template <class, class> class Net>
void check_gradient(const Problem& p) {
    SCOPED_TRACE(p.name());
    const cells::Parameters parameters = parameters_of<Cell>(p);
    const cells::ParameterLayout layout(Cell::spec(), p.shape, parameters);
    const Data<double> data(p);
    Net<Cell, double> network(layout, parameters);
    const std::vector<double> found = gradient(network, p, data, layout.size());
    const std::vector<double> found_scalars(network.scalar_gradient().begin(), network.scalar_gradient().end());
    constexpr double h = 1e-5;
    std::vector<double> packed = layout.pack<double>(parameters);
    const auto at = [&](std::size_t i, double by) {
        std::vector<double> moved = packed;
        moved[i] += by;
        network.set_parameters(moved);
        return loss(network, p, data);
    };
    for (const auto& entry : layout.entries()) {
        double scale = 0, error = 0;
        for (int64_t i = entry.offset; i < entry.offset + entry.count; ++i) {
            const double expected = (at(i, h) - at(i, -h)) / (2 * h);
            scale = std::max(scale, std::fabs(expected));
            error = nan_max(error, std::fabs(found[i] - expected));
        }
        EXPECT_LE(error, 1e-6 * scale) << entry.name;
    }
    const cells::CellSpec spec = Cell::spec();
    for (std::size_t k = 0; k < spec.scalars.size(); ++k) {
        bool is_gamma = false;
        for (const auto& stage : spec.stages)
            for (const auto& term : stage.terms) is_gamma = is_gamma || (!term.gamma.empty() && term.gamma == spec.scalars[k].name);
        const auto moved = [&](double by) {
            cells::Parameters changed = parameters;
            changed.scalars[std::string(spec.scalars[k].name)] += by;
            Net<Cell, double> other(layout, changed);
            return loss(other, p, data);
        };
        const double expected = is_gamma ? (moved(h) - moved(-h)) / (2 * h) : 0.0;
        EXPECT_NEAR(found_scalars[k], expected, 1e-6 * std::fabs(expected)) << spec.scalars[k].name;
    }
}

TYPED_TEST(BatchTraining, GradientsMatchCentralDifferences) {
    for (const Problem& p : problems<TypeParam>()) {
        check_gradient<TypeParam, reference::BatchCell>(p);
        check_gradient<TypeParam, cpu::BatchCell>(p);
    }
}

/// Largest difference over the largest value of b.
template <class A, class B>
double scaled_difference(const A* a, const B* b, int64_t count) {
    double difference = 0, scale = 0;
    for (int64_t i = 0; i < count; ++i) {
        difference = nan_max(difference, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
        scale = std::max(scale, std::fabs(static_cast<double>(b[i])));
    }
    return scale > 0 ? difference / scale : difference;
}

/// Units that fill no register and registers and a part, more sequences than columns of a product's kernel.
template <class Cell>
std::vector<Problem> larger_problems() {
    std::vector<Problem> all;
    for (Problem p : problems<Cell>()) {
        if (p.every_step || !p.optional) continue;
        for (const int64_t hidden : {1, 37, 64}) {
            p.shape.hidden = hidden;
            p.steps = 7;
            p.batch = 19;
            all.push_back(p);
        }
    }
    return all;
}

TYPED_TEST(BatchTraining, CpuInSinglePrecisionAgreesWithTheReference) {
    for (const Problem& p : larger_problems<TypeParam>()) {
        const cells::Parameters parameters = parameters_of<TypeParam>(p);
        const cells::ParameterLayout layout(TypeParam::spec(), p.shape, parameters);
        const Data<float> data(p);
        Data<double> exact(p);
        exact.values.assign(data.values.begin(), data.values.end());
        exact.weights.assign(data.weights.begin(), data.weights.end());
        if (exact.batch.values) exact.batch.values = exact.values.data();
        reference::BatchCell<TypeParam, double> reference(layout, parameters);
        const std::vector<float> packed = layout.pack<float>(parameters);
        reference.set_parameters(std::vector<double>(packed.begin(), packed.end()));
        const std::vector<double> expected = gradient(reference, p, exact, layout.size());
        const auto readout = reference.forward(exact.batch, p.noise ? &noise_key : nullptr, false);
        for (int set = 0; set <= static_cast<int>(cpu::best_instruction_set()); ++set) {
            SCOPED_TRACE(p.name() + ", " + std::to_string(p.shape.hidden) + " units, " + std::string(cpu::name(static_cast<cpu::InstructionSet>(set))));
            cpu::BatchCell<TypeParam, float> network(layout, parameters, static_cast<cpu::InstructionSet>(set));
            const std::vector<float> found = gradient(network, p, data, layout.size());
            for (const auto& entry : layout.entries())
                EXPECT_LT(scaled_difference(&found[entry.offset], &expected[entry.offset], entry.count), 1e-5) << entry.name;
            const auto states = network.forward(data.batch, p.noise ? &noise_key : nullptr, false);
            EXPECT_LT(scaled_difference(states.data, readout.data, states.rows * states.cols), 1e-5);
        }
    }
}

template <class Cell, template <class, class> class Net, template <class, class> class Stepped>
void check_steps(const Problem& p) {
    SCOPED_TRACE(p.name());
    const cells::Parameters parameters = parameters_of<Cell>(p);
    const cells::ParameterLayout layout(Cell::spec(), p.shape, parameters);
    const Data<double> data(p);
    Net<Cell, double> network(layout, parameters);
    const auto readout = network.forward(data.batch, nullptr, false);
    Stepped<Cell, double> stepped(p.shape, parameters, TangentSpace::full);
    for (int64_t b = 0; b < p.batch; ++b) {
        std::vector<double> state(static_cast<std::size_t>(stepped.state_dimension()), 0.0);
        for (int64_t t = 0; t < p.steps; ++t) {
            std::vector<double> x(static_cast<std::size_t>(p.shape.input), 0.0);
            const int64_t column = t * p.batch + b;
            if (p.symbols && p.shape.input > 0) x[data.symbols[column]] = 1.0;
            else std::copy_n(data.values.begin() + column * p.shape.input, p.shape.input, x.begin());
            stepped.step(state.data(), x.data(), state.data());
            const int64_t offset = Cell::spec().readout_block * p.shape.hidden;
            EXPECT_LT(scaled_difference(state.data() + offset, readout.column(column), p.shape.hidden), 1e-13);
        }
    }
}

TYPED_TEST(BatchTraining, ReadoutsAreThoseOfSteppingTheNetwork) {
    for (const Problem& p : problems<TypeParam>()) {
        if (p.noise) continue;
        check_steps<TypeParam, reference::BatchCell, reference::CellNetwork>(p);
        check_steps<TypeParam, cpu::BatchCell, cpu::CellNetwork>(p);
    }
}

TYPED_TEST(BatchTraining, RepeatedCallsGiveTheSameBits) {
    for (const Problem& p : problems<TypeParam>()) {
        const cells::Parameters parameters = parameters_of<TypeParam>(p);
        const cells::ParameterLayout layout(TypeParam::spec(), p.shape, parameters);
        const Data<float> data(p);
        cpu::BatchCell<TypeParam, float> network(layout, parameters);
        const std::vector<float> first = gradient(network, p, data, layout.size());
        const double value = loss(network, p, data);
        Problem other = p;  // leaves larger buffers with other numbers behind
        other.symbols = !p.symbols;
        other.noise = !p.noise;
        other.steps = 9;
        other.batch = 8;
        gradient(network, other, Data<float>(other), layout.size());
        EXPECT_EQ(gradient(network, p, data, layout.size()), first) << p.name();
        EXPECT_EQ(loss(network, p, data), value) << p.name();
        cpu::BatchCell<TypeParam, float> fresh(layout, parameters);
        EXPECT_EQ(gradient(fresh, p, data, layout.size()), first) << p.name();
    }
}

/// Another order of the sequences, and fewer of them: sequences do not mix, so only the order of sums may differ.
TYPED_TEST(BatchTraining, SequencesDoNotMix) {
    Problem p{.steps = 6, .batch = 5};
    if (!driven<TypeParam>()) return;
    const cells::Parameters parameters = parameters_of<TypeParam>(p);
    const cells::ParameterLayout layout(TypeParam::spec(), p.shape, parameters);
    Data<double> data(p);
    const int64_t block = p.shape.input;
    for (int64_t t = 0; t < p.steps; ++t) data.values[(t * p.batch + 1) * block] = std::nan("");  // sequence 1 has diverged
    cpu::BatchCell<TypeParam, double> cpu(layout, parameters);
    reference::BatchCell<TypeParam, double> reference(layout, parameters);
    for (BatchNetwork<double>* network : {static_cast<BatchNetwork<double>*>(&cpu), static_cast<BatchNetwork<double>*>(&reference)}) {
        const auto together = network->forward(data.batch, nullptr, false);
        const std::vector<double> kept(together.data, together.column(together.cols));
        for (int64_t b = 0; b < p.batch; ++b) {
            std::vector<double> own;
            for (int64_t t = 0; t < p.steps; ++t) own.insert(own.end(), &data.values[(t * p.batch + b) * block], &data.values[(t * p.batch + b + 1) * block]);
            const auto alone = network->forward({.steps = p.steps, .batch = 1, .values = own.data()}, nullptr, false);
            for (int64_t t = 0; t < p.steps; ++t) {
                const double* found = &kept[static_cast<std::size_t>((t * p.batch + b) * p.shape.hidden)];
                if (b == 1) EXPECT_TRUE(std::any_of(found, found + p.shape.hidden, [](double x) { return std::isnan(x); }));
                else EXPECT_LT(scaled_difference(found, alone.column(t), p.shape.hidden), 1e-14);
            }
        }
    }
}

/// Noise is the same whatever the size of the batch.
TEST(BatchNoise, DependsOnStepSequenceAndUnitAlone) {
    Problem p{.noise = true, .steps = 6, .batch = 5};
    const cells::Parameters parameters = parameters_of<cells::Noisy>(p);
    const cells::ParameterLayout layout(cells::Noisy::spec(), p.shape, parameters);
    const Data<double> data(p);
    cpu::BatchCell<cells::Noisy, double> network(layout, parameters);
    const auto all = network.forward(data.batch, &noise_key, false);
    const std::vector<double> kept(all.data, all.column(all.cols));
    const auto quiet = network.forward(data.batch, nullptr, false);
    EXPECT_GT(scaled_difference(kept.data(), quiet.data, p.shape.hidden), 1e-4);
    const NoiseKey next{noise_key.seed, noise_key.variant, noise_key.update + 1};
    EXPECT_GT(scaled_difference(kept.data(), network.forward(data.batch, &next, false).data, p.shape.hidden), 1e-4);
    std::vector<double> few;  // the first two sequences
    for (int64_t t = 0; t < p.steps; ++t)
        few.insert(few.end(), &data.values[t * p.batch * p.shape.input], &data.values[(t * p.batch + 2) * p.shape.input]);
    const auto two = network.forward({.steps = p.steps, .batch = 2, .values = few.data()}, &noise_key, false);
    for (int64_t t = 0; t < p.steps; ++t)
        for (int64_t b = 0; b < 2; ++b)
            EXPECT_LT(scaled_difference(&kept[static_cast<std::size_t>((t * p.batch + b) * p.shape.hidden)], two.column(t * 2 + b), p.shape.hidden), 1e-14);
}

TEST(BatchMisuse, IsRefused) {
    Problem p{.symbols = true};
    const cells::Parameters parameters = parameters_of<cells::Lstm>(p);
    const cells::ParameterLayout layout(cells::Lstm::spec(), p.shape, parameters);
    Data<double> data(p);
    const auto refused = [&](const std::function<void()>& what) { EXPECT_THROW(what(), InternalError); };
    cpu::BatchCell<cells::Lstm, double> network(layout, parameters);
    std::vector<double> g(static_cast<std::size_t>(layout.size())), short_parameters(3);
    const Matrix<double> d(p.shape.hidden, p.batch), wrong(p.shape.hidden, p.batch + 1);
    refused([&] { network.set_parameters(short_parameters); });
    network.forward(data.batch, nullptr, false);
    refused([&] { network.backward(d.view(), g); });
    network.forward(data.batch, nullptr, true);
    refused([&] { network.backward(wrong.view(), g); });
    network.backward(d.view(), g);
    refused([&] { network.backward(d.view(), g); });
    data.symbols[2] = static_cast<int32_t>(p.shape.input);
    refused([&] { network.forward(data.batch, nullptr, true); });
}

}  // namespace
}  // namespace aelle::backend
