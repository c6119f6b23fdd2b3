// Steps and Jacobians of every architecture against its equations written out by hand, and the determinants that follow from them.

#include <gtest/gtest.h>

#include <cmath>

#include "aelle/backend/choose.hpp"
#include "tests/fixtures/plain_cells.hpp"
#include "tests/fixtures/random_network.hpp"

namespace aelle::backend {
namespace {

using fixtures::Plain;
using fixtures::random_vector;
using fixtures::Vec;

constexpr int64_t hidden = 9, inputs = 4;

/// Scalars unlike their fallbacks and unlike one another, so that none stands in for another.
void spread_scalars(const cells::CellSpec& cell, cells::Parameters& parameters) {
    double share = 0.31;
    for (const cells::ScalarSpec& scalar : cell.scalars) {
        const double low = std::max(scalar.low, -1.0), high = std::min(scalar.high, 1.0);
        parameters.scalars[std::string(scalar.name)] = low + share * (high - low);
        share = share > 0.8 ? 0.23 : share + 0.11;
    }
}

std::vector<cells::Parameters> with_and_without_optional_tensors(const cells::CellSpec& cell, const cells::Shape& shape) {
    cells::Parameters full = fixtures::random_parameters(cell, shape, 1.0, 12);
    spread_scalars(cell, full);
    std::vector<cells::Parameters> all{full};
    for (const cells::TensorSpec& tensor : cell.tensors) {
        if (!tensor.optional) continue;
        all.push_back(full);
        all.back().tensors.erase(std::string(tensor.name));
    }
    return all;
}

Vec widened(const std::vector<double>& v) { return {v.begin(), v.end()}; }

/// Jacobian of a plain step by central differences in long double; truncation and rounding are both below 1e-10.
Matrix<double> plain_jacobian(const fixtures::PlainStep& step, const Plain& plain, const Vec& state, const Vec& input) {
    const auto d = static_cast<int64_t>(state.size());
    constexpr long double distance = 1e-6L;
    Matrix<double> j(d, d);
    for (int64_t c = 0; c < d; ++c) {
        Vec up = state, down = state;
        up[c] += distance;
        down[c] -= distance;
        const Vec above = step(plain, up, input), below = step(plain, down, input);
        for (int64_t i = 0; i < d; ++i) j(i, c) = static_cast<double>((above[i] - below[i]) / (2 * distance));
    }
    return j;
}

TEST(Equations, EveryArchitectureStepsAndDifferentiatesAsWrittenOut) {
    const auto cpu = choose(Device::cpu).backend, reference = make_reference();
    for (const auto& [name, step] : fixtures::plain_steps()) {
        SCOPED_TRACE(name);
        const cells::CellSpec& cell = cells::find_cell(name);
        const cells::Shape shape{.hidden = hidden, .input = name == "rank1" ? 0 : inputs};
        const std::vector<double> s = random_vector(cell.blocks * hidden, 0.8, 3), x = random_vector(shape.input, 1.0, 4);
        for (const cells::Parameters& parameters : with_and_without_optional_tensors(cell, shape)) {
            const Plain plain{parameters, hidden};
            const Vec expected = step(plain, widened(s), widened(x));
            const Matrix<double> jacobian = plain_jacobian(step, plain, widened(s), widened(x));
            for (const Backend* backend : {cpu.get(), reference.get()}) {
                SCOPED_TRACE(backend->name());
                const auto network = backend->network(cell, shape, parameters, TangentSpace::full);
                std::vector<double> next(s.size());
                network->step(s.data(), x.data(), next.data());
                for (std::size_t i = 0; i < s.size(); ++i) EXPECT_NEAR(next[i], static_cast<double>(expected[i]), 1e-14) << i;
                Matrix<double> found(jacobian.rows(), jacobian.cols());
                network->jacobian(found.view());
                for (int64_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found.data()[i], jacobian.data()[i], 1e-10) << i;
            }
        }
    }
}

TEST(Equations, EveryCellOfTheListIsWrittenOut) {
    for (const cells::CellSpec& cell : cells::all_cells())
        EXPECT_TRUE(cell.source == "tests" || fixtures::plain_steps().contains(std::string(cell.name))) << cell.name;
}

/// log|det J| of one step by the backend and by a formula that the equations give (cells.md section 1).
struct Determinants {
    explicit Determinants(const char* name, double scale) : cell(cells::find_cell(name)) {
        parameters = fixtures::random_parameters(cell, {.hidden = hidden, .input = inputs}, 1.0, 21);
        for (auto& [tensor, values] : parameters.tensors)
            for (double& value : values) value *= scale;
        spread_scalars(cell, parameters);
        state = random_vector(cell.blocks * hidden, 0.6, 7);
        input = random_vector(inputs, 1.0, 8);
    }
    double of_jacobian() {
        const auto network = backend->network(cell, {.hidden = hidden, .input = inputs}, parameters, TangentSpace::full);
        std::vector<double> next(state.size());
        network->step(state.data(), input.data(), next.data());
        Matrix<double> j(network->tangent_dimension(), network->tangent_dimension());
        network->jacobian(j.view());
        return backend->log_abs_det(j.view(), work);
    }
    /// log|det(diag(keep) + diag(weight) U)| with U rows [gate H, (gate + 1) H) of a tensor.
    double of_matrix(const Vec& keep, const Vec& weight, const char* tensor, int gate) {
        Matrix<double> m(hidden, hidden);
        for (int64_t i = 0; i < hidden; ++i)
            for (int64_t j = 0; j < hidden; ++j)
                m(i, j) = static_cast<double>((i == j ? keep[i] : 0) + weight[i] * parameters.tensors.find(tensor)->second[(gate * hidden + i) * hidden + j]);
        return backend->log_abs_det(m.view(), work);
    }
    Vec block(int b) const { return {state.begin() + b * hidden, state.begin() + (b + 1) * hidden}; }
    Plain plain() const { return {parameters, hidden}; }

    std::unique_ptr<Backend> backend = choose(Device::cpu).backend;
    Backend::QrWork work;
    const cells::CellSpec& cell;
    cells::Parameters parameters;
    std::vector<double> state, input;
};

TEST(Equations, DeterminantOfTheLstm) {
    for (const double scale : {0.5, 4.0}) {
        Determinants d("lstm", scale);
        const Vec x = widened(d.input), h = d.block(0), next = fixtures::lstm_step(d.plain(), widened(d.state), x);
        const Vec f = fixtures::torch_gate(d.plain(), 1, h, x), o = fixtures::torch_gate(d.plain(), 3, h, x);
        Vec weight(hidden);
        long double forget = 0;
        for (int64_t i = 0; i < hidden; ++i) {
            forget += std::log(fixtures::logistic(f[i]));
            weight[i] = std::tanh(next[hidden + i]) * fixtures::logistic(o[i]) * fixtures::logistic(-o[i]);
        }
        const double expected = static_cast<double>(forget) + d.of_matrix(Vec(hidden, 0), weight, "weight_hh_l0", 3);
        EXPECT_NEAR(d.of_jacobian(), expected, 1e-9) << scale;
    }
}

TEST(Equations, DeterminantOfTheCoupledOscillators) {
    Determinants d("cornn", 0.5);
    const Plain n = d.plain();
    const Vec a = fixtures::sum({n.times("weight_hy_l0", 0, d.block(0)), n.times("weight_hz_l0", 0, d.block(1)),
                                 n.times("weight_ih_l0", 0, widened(d.input)), n.bias("bias_l0", 0)});
    Vec weight(hidden);
    for (int64_t i = 0; i < hidden; ++i) weight[i] = n.scalar("dt") * (1 - std::tanh(a[i]) * std::tanh(a[i]));
    const double expected = d.of_matrix(Vec(hidden, 1 - n.scalar("dt") * n.scalar("epsilon")), weight, "weight_hz_l0", 0);
    EXPECT_NEAR(d.of_jacobian(), expected, 1e-11);
}

TEST(Equations, DeterminantOfTheLongExpressiveMemory) {
    Determinants d("lem", 0.7);
    const Plain n = d.plain();
    const Vec y = d.block(0), x = widened(d.input), next = fixtures::lem_step(n, widened(d.state), x);
    const auto gate = [&](int of_input, int of_state) {
        return fixtures::sum({n.times("weight_ih_l0", of_input, x), n.bias("bias_ih_l0", of_input), n.times("weight_hh_l0", of_state, y),
                              n.bias("bias_hh_l0", of_state)});
    };
    const Vec slow = gate(0, 0), fast = gate(1, 1), z_new(next.begin() + hidden, next.end());
    const Vec q = fixtures::sum({n.times("weight_hz_l0", 0, z_new), n.bias("bias_hz_l0", 0), n.times("weight_ih_l0", 2, x), n.bias("bias_ih_l0", 2)});
    Vec keep(hidden), weight(hidden);
    long double logs = 0;
    for (int64_t i = 0; i < hidden; ++i) {
        const long double dt = n.scalar("dt"), open = fixtures::logistic(slow[i]);
        logs += std::log(1 - dt * fixtures::logistic(fast[i]));
        keep[i] = 1 - dt * open;
        weight[i] = (std::tanh(q[i]) - y[i]) * dt * open * (1 - open);
    }
    EXPECT_NEAR(d.of_jacobian(), static_cast<double>(logs) + d.of_matrix(keep, weight, "weight_hh_l0", 0), 1e-11);
}

}  // namespace
}  // namespace aelle::backend
