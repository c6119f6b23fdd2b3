// Training of every cell of the list, and of cells that only tests know, on every backend that runs on the host.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "aelle/backend/backend.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/cpu/batch.hpp"
#include "kernels/reference/batch.hpp"
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
            error = std::max(error, std::fabs(found[i] - expected));
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

}  // namespace
}  // namespace aelle::backend
