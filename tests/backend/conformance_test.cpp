// Every cell of the list, and cells that only tests know, on every backend that runs on the host.

#include <gtest/gtest.h>

#include <limits>

#include "aelle/backend/choose.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/cpu/network.hpp"
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

template <class Cell>
class CellConformance : public ::testing::Test {
protected:
    static constexpr int64_t hidden = 13, input = 3;
    const cells::CellSpec spec = Cell::spec();

    cells::Shape shape(int64_t units = hidden) const { return {.hidden = units, .input = fixtures::driven(spec) ? input : 0}; }
    cells::Parameters parameters(double density = 1.0, int64_t units = hidden) const {
        return random_parameters(spec, shape(units), density, 5);
    }
    std::vector<double> state(int64_t units = hidden) const { return random_vector(Cell::blocks * units, 0.7, 99); }
    const std::vector<double> x = random_vector(input, 1.0, 42);
};
TYPED_TEST_SUITE(CellConformance, CellTypes);

/// Largest difference over the largest value of b.
template <class A, class B>
double scaled_difference(const A* a, const B* b, int64_t count) {
    double difference = 0, scale = 0;
    for (int64_t i = 0; i < count; ++i) {
        difference = nan_max(difference, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
        scale = std::max(scale, std::fabs(static_cast<double>(b[i])));
    }
    return difference / scale;
}

/// The same for matrices.
template <class T>
double scaled_difference(MatrixView<const T> a, MatrixView<const double> b) {
    double difference = 0, scale = 0;
    for (int64_t c = 0; c < b.cols; ++c) {
        for (int64_t i = 0; i < b.rows; ++i) {
            difference = nan_max(difference, std::fabs(static_cast<double>(a(i, c)) - b(i, c)));
            scale = std::max(scale, std::fabs(b(i, c)));
        }
    }
    return difference / scale;
}

void fill(Matrix<double>& m, uint64_t seed) {
    const std::vector<double> values = random_vector(m.size(), 1.0, seed);
    std::copy(values.begin(), values.end(), m.data());
}

MatrixView<const double> top(const Matrix<double>& m, int64_t rows) { return m.view().block(0, 0, rows, m.cols()); }

Matrix<double> times(const Matrix<double>& a, MatrixView<const double> b) {
    Matrix<double> c(a.rows(), b.cols);
    for (int64_t k = 0; k < b.cols; ++k)
        for (int64_t l = 0; l < b.rows; ++l)
            for (int64_t i = 0; i < a.rows(); ++i) c(i, k) += a(i, l) * b(l, k);
    return c;
}

template <class Net>
void check_jacobian(Net& net, const std::vector<double>& state, const double* input, int64_t offset) {
    const int64_t d = net.state_dimension(), n = net.tangent_dimension();
    std::vector<double> next(static_cast<std::size_t>(d)), up = next, down = next;
    Matrix<double> central(n, n), jacobian(n, n);
    constexpr double h = 1e-5;
    for (int64_t j = 0; j < n; ++j) {
        std::vector<double> moved = state;
        moved[offset + j] = state[offset + j] + h;
        net.step(moved.data(), input, up.data());
        moved[offset + j] = state[offset + j] - h;
        net.step(moved.data(), input, down.data());
        for (int64_t i = 0; i < n; ++i) central(i, j) = (up[offset + i] - down[offset + i]) / (2 * h);
    }
    net.step(state.data(), input, next.data());
    net.jacobian(jacobian.view());
    for (int64_t i = 0; i < n * n; ++i) EXPECT_NEAR(jacobian.data()[i], central.data()[i], 1e-8) << i;

    for (const int64_t k : {1, 2, 8, 9, 16, 17, 35}) {
        Matrix<double> v(n + 3, k), w(n + 5, k);  // the last rows are not part of the views
        fill(v, static_cast<uint64_t>(k));
        net.tangent(top(v, n), w.view().block(0, 0, n, k));
        EXPECT_LT(scaled_difference(top(w, n), times(jacobian, top(v, n)).view()), 1e-14) << k << " columns";
        for (int64_t c = 0; c < k; ++c) EXPECT_EQ(w(n, c), 0.0);
    }
}

TYPED_TEST(CellConformance, JacobiansMatchCentralDifferencesAndTangents) {
    for (const double density : {1.0, 0.15}) {  // dense and sparse storage
        for (const TangentSpace space : {TangentSpace::full, TangentSpace::hidden}) {
            const auto parameters = this->parameters(density);
            const int64_t offset = space == TangentSpace::full ? 0 : this->spec.readout_block * this->hidden;
            reference::CellNetwork<TypeParam, double> reference(this->shape(), parameters, space);
            check_jacobian(reference, this->state(), this->x.data(), offset);
            cpu::CellNetwork<TypeParam, double> cpu(this->shape(), parameters, space);
            check_jacobian(cpu, this->state(), this->x.data(), offset);
        }
    }
}

/// J = P S with P unit triangular, whichever way they are asked for.
template <class Net>
void check_split(Net& net, const std::vector<double>& state, const double* input, bool sheared, bool regular) {
    const int64_t n = net.tangent_dimension();
    std::vector<double> next(state.size());
    net.step(state.data(), input, next.data());
    Matrix<double> j(n, n), s(n, n), p(n, n);
    for (int64_t i = 0; i < n; ++i) p(i, i) = 1;
    net.shear(p.view());
    net.unsheared_jacobian(s.view());
    net.jacobian(j.view());
    const Matrix<double> ps = times(p, top(s, n));
    EXPECT_LT(scaled_difference(top(ps, n), top(j, n)), 1e-15);

    Matrix<double> beyond = p;  // P - I
    for (int64_t i = 0; i < n; ++i) beyond(i, i) -= 1;
    const Matrix<double> squared = times(beyond, top(beyond, n));
    EXPECT_TRUE(std::all_of(squared.data(), squared.data() + n * n, [](double x) { return x == 0.0; }));
    EXPECT_EQ(std::any_of(beyond.data(), beyond.data() + n * n, [](double x) { return x != 0.0; }), sheared);
    const auto backend = choose(Device::cpu).backend;
    Backend::QrWork work;
    Matrix<double> s_copy = s;
    const double of_s = backend->log_abs_det(s_copy.view(), work), of_j = backend->log_abs_det(j.view(), work);
    if (regular) {
        EXPECT_NEAR(of_s, of_j, 1e-11);
    }

    for (const int64_t k : {1, 3, 20}) {
        Matrix<double> v(n + 3, k), w(n + 5, k);
        fill(v, static_cast<uint64_t>(k));
        net.unsheared_tangent(top(v, n), w.view().block(0, 0, n, k));
        EXPECT_LT(scaled_difference(top(w, n), times(s, top(v, n)).view()), 1e-14);
        const Matrix<double> moved = times(p, top(w, n));
        net.shear(w.view().block(0, 0, n, k));
        EXPECT_LT(scaled_difference(top(w, n), moved.view()), 1e-14);
    }
}

TYPED_TEST(CellConformance, JacobianIsTheProductOfItsParts) {
    constexpr int64_t units = 13;
    const auto scalars = kernels::scalars_of<TypeParam>(this->parameters());
    const std::vector<bool> blocks = kernels::sheared_blocks(kernels::patterns_of<TypeParam>(scalars));
    for (const double density : {1.0, 0.15}) {
        for (const TangentSpace space : {TangentSpace::full, TangentSpace::hidden}) {
            auto parameters = this->parameters(density, units);
            const bool sheared = space == TangentSpace::full && std::find(blocks.begin(), blocks.end(), true) != blocks.end();
            reference::CellNetwork<TypeParam, double> reference(this->shape(units), parameters, space);
            check_split(reference, this->state(units), this->x.data(), sheared, density == 1.0);
            cpu::CellNetwork<TypeParam, double> cpu(this->shape(units), parameters, space);
            check_split(cpu, this->state(units), this->x.data(), sheared, density == 1.0);
        }
    }
}

/// An absent tensor is one of zeros, or of the value of the scalar that stands in for it.
TYPED_TEST(CellConformance, AbsentTensorsAreTheirFallbacks) {
    for (const cells::TensorSpec& tensor : this->spec.tensors) {
        if (!tensor.optional) continue;
        cells::Parameters absent = this->parameters(), filled = absent;
        std::vector<double>& values = filled.tensors.find(tensor.name)->second;
        absent.tensors.erase(std::string(tensor.name));
        double fallback = 0;
        for (const cells::StageSpec& stage : this->spec.stages)
            for (const cells::LinearTerm& term : stage.terms)
                if (term.tensor == tensor.name && !term.scalar.empty()) fallback = absent.scalars.find(term.scalar)->second;
        std::fill(values.begin(), values.end(), fallback);
        const auto run = [&]<class Net>(const cells::Parameters& parameters) {
            Net net(this->shape(), parameters, TangentSpace::full);
            std::vector<double> next = this->state();
            net.step(next.data(), this->x.data(), next.data());
            Matrix<double> j(net.tangent_dimension(), net.tangent_dimension());
            net.jacobian(j.view());
            next.insert(next.end(), j.data(), j.data() + j.size());
            return next;
        };
        EXPECT_EQ((run.template operator()<cpu::CellNetwork<TypeParam, double>>(absent)),
                  (run.template operator()<cpu::CellNetwork<TypeParam, double>>(filled)))
            << tensor.name;
        EXPECT_EQ((run.template operator()<reference::CellNetwork<TypeParam, double>>(absent)),
                  (run.template operator()<reference::CellNetwork<TypeParam, double>>(filled)))
            << tensor.name;
    }
}

template <class Cell, int Stage>
void check_partials() {
    constexpr int slots = Cell::slots[Stage], blocks = Cell::blocks;
    const auto parameters = random_parameters(Cell::spec(), {.hidden = 1, .input = 1}, 1.0, 3);
    const auto scalars = kernels::scalars_of<Cell>(parameters);
    const std::vector<double> a = random_vector(slots, 1.0, 1), s = random_vector(blocks, 1.0, 2);
    std::vector<double> d_a(blocks * slots), d_s(blocks * blocks);
    const auto value = [&](std::vector<double> pre, std::vector<double> state) {
        std::vector<double> unused_a(blocks * slots), unused_s(blocks * blocks);
        kernels::linearise_stage<Cell, Stage, double>(1, pre.data(), state.data(), scalars, unused_a.data(), unused_s.data());
        return state;
    };
    std::vector<double> result = s;
    kernels::linearise_stage<Cell, Stage, double>(1, a.data(), result.data(), scalars, d_a.data(), d_s.data());
    constexpr double h = 1e-5;
    const auto moved = [](std::vector<double> v, int k, double by) {
        v[static_cast<std::size_t>(k)] += by;
        return v;
    };
    for (int b = 0; b < blocks; ++b) {
        for (int k = 0; k < slots; ++k)
            EXPECT_NEAR(d_a[b * slots + k], (value(moved(a, k, h), s)[b] - value(moved(a, k, -h), s)[b]) / (2 * h), 1e-8);
        for (int c = 0; c < blocks; ++c)
            EXPECT_NEAR(d_s[b * blocks + c], (value(a, moved(s, c, h))[b] - value(a, moved(s, c, -h))[b]) / (2 * h), 1e-8);
    }
}

TYPED_TEST(CellConformance, PartialsMatchFiniteDifferences) {
    kernels::for_each_stage<TypeParam>([]<int Stage>() { check_partials<TypeParam, Stage>(); });
}

TYPED_TEST(CellConformance, CpuAndSinglePrecisionAgreeWithTheReference) {
    constexpr int64_t units = 41, k = 21;
    const auto run = [&]<class Net, class T>(double density, TangentSpace space, double unit) {
        const auto parameters = this->parameters(density, units);
        const auto shape = this->shape(units);
        reference::CellNetwork<TypeParam, double> expected(shape, parameters, space);
        Net found(shape, parameters, space);
        const int64_t d = expected.state_dimension(), n = expected.tangent_dimension();
        std::vector<double> s = this->state(units), next(static_cast<std::size_t>(d));
        std::vector<T> s_found = converted<T>(s), x_found = converted<T>(this->x);
        expected.step(s.data(), this->x.data(), next.data());
        found.step(s_found.data(), x_found.data(), s_found.data());  // in place
        EXPECT_LT(scaled_difference(s_found.data(), next.data(), d), 50 * unit);

        Matrix<double> v(n, k), w(n, k), j(n, n);
        Matrix<T> v_found(n, k), w_found(n, k), j_found(n, n);
        const std::vector<double> values = random_vector(n * k, 1.0, 8);
        std::copy(values.begin(), values.end(), v.data());
        std::copy_n(converted<T>(values).begin(), n * k, v_found.data());
        expected.tangent(static_cast<const Matrix<double>&>(v).view(), w.view());
        found.tangent(static_cast<const Matrix<T>&>(v_found).view(), w_found.view());
        EXPECT_LT(scaled_difference(w_found.data(), w.data(), n * k), 50 * unit);
        expected.jacobian(j.view());
        found.jacobian(j_found.view());
        EXPECT_LT(scaled_difference(j_found.data(), j.data(), n * n), 50 * unit);
    };
    for (const double density : {1.0, 0.1}) {
        for (const TangentSpace space : {TangentSpace::full, TangentSpace::hidden}) {
            run.template operator()<cpu::CellNetwork<TypeParam, double>, double>(density, space, 1.1e-16);
            run.template operator()<cpu::CellNetwork<TypeParam, float>, float>(density, space, 6e-8);
            run.template operator()<reference::CellNetwork<TypeParam, float>, float>(density, space, 6e-8);
        }
    }
}

TEST(Rank1Network, FollowsItsEquations) {
    constexpr int64_t n = 40;
    const cells::CellSpec& cell = cells::find_cell("rank1");
    const auto parameters = random_parameters(cell, {.hidden = n}, 0.1, 1);
    const auto &m = parameters.tensors.at("weight_hh_l0"), &fb = parameters.tensors.at("weight_fb"),
               &out = parameters.tensors.at("weight_out");
    const std::vector<double> x = random_vector(n, 0.5, 4);
    long double z = 0;
    for (int64_t i = 0; i < n; ++i) z += static_cast<long double>(out[i]) * std::tanh(static_cast<long double>(x[i]));
    const auto cpu = choose(Device::cpu).backend;
    const auto reference = make_reference();
    for (const Backend* backend : {cpu.get(), reference.get()}) {
        const auto network = backend->network(cell, {.hidden = n}, parameters, TangentSpace::full);
        std::vector<double> next(n);
        network->step(x.data(), nullptr, next.data());
        Matrix<double> j(n, n);
        network->jacobian(j.view());
        for (int64_t i = 0; i < n; ++i) {
            long double a = fb[i] * z;
            for (int64_t c = 0; c < n; ++c) a += static_cast<long double>(m[i * n + c]) * std::tanh(static_cast<long double>(x[c]));
            EXPECT_NEAR(next[i], static_cast<double>(0.9L * x[i] + 0.1L * a), 1e-15) << backend->name();
            for (int64_t c = 0; c < n; ++c) {
                const long double r = std::tanh(static_cast<long double>(x[c]));
                const long double weight = m[i * n + c] + static_cast<long double>(fb[i]) * out[c];
                const long double expected = (i == c ? 0.9L : 0.0L) + 0.1L * weight * (1 - r * r);
                EXPECT_NEAR(j(i, c), static_cast<double>(expected), 1e-15);
            }
        }
    }
}

TEST(DrivenTanhNetwork, FollowsItsEquationsWithAndWithoutBias) {
    constexpr int64_t n = 9, inputs = 3;
    const cells::CellSpec cell = fixtures::DrivenTanh::spec();
    auto parameters = random_parameters(cell, {.hidden = n, .input = inputs}, 1.0, 1);
    const std::vector<double> s = random_vector(n, 0.5, 4), x = random_vector(inputs, 1.0, 6);
    for (const bool biased : {true, false}) {
        if (!biased) parameters.tensors.erase("bias");
        cpu::CellNetwork<fixtures::DrivenTanh, double> network({.hidden = n, .input = inputs}, parameters, TangentSpace::full);
        std::vector<double> next(n);
        network.step(s.data(), x.data(), next.data());
        for (int64_t i = 0; i < n; ++i) {
            double a = biased ? parameters.tensors["bias"][i] : 0.0;
            for (int64_t c = 0; c < inputs; ++c) a += parameters.tensors["weight_ih"][i * inputs + c] * x[c];
            for (int64_t c = 0; c < n; ++c) a += parameters.tensors["weight_hh"][i * n + c] * s[c];
            EXPECT_NEAR(next[i], 0.2 * s[i] + 0.8 * std::tanh(a), 1e-15);
        }
    }
}

TEST(TwoStageNetwork, FollowsItsEquations) {
    constexpr int64_t n = 7, inputs = 3;
    const auto parameters = random_parameters(fixtures::TwoStage::spec(), {.hidden = n, .input = inputs}, 1.0, 1);
    const std::vector<double> s = random_vector(2 * n, 0.8, 4), x = random_vector(inputs, 1.0, 6);
    const double *y = s.data(), *z = s.data() + n;
    const auto at = [&](const char* name, int64_t index) { return parameters.tensors.find(name)->second[index]; };
    std::vector<double> z_new(n), y_new(n);
    for (int64_t i = 0; i < n; ++i) {
        double k = 0, g = at("b", i);
        for (int64_t c = 0; c < inputs; ++c) k += at("w", i * inputs + c) * x[c];
        for (int64_t c = 0; c < n; ++c) {
            k += at("gates", i * n + c) * y[c];
            g += at("gates", (n + i) * n + c) * y[c] + at("v", i * n + c) * std::tanh(z[c]);
        }
        const double c = 1 / (1 + std::exp(-k));
        z_new[i] = (1 - c) * z[i] + c * std::tanh(g);
    }
    for (int64_t i = 0; i < n; ++i) {
        double q = 0;
        for (int64_t c = 0; c < n; ++c)
            q += at("u", i * n + c) * std::tanh(z_new[c]) + at("left", i) * at("right", c) * y[c] + at("p", i * n + c) * z[c];
        y_new[i] = y[i] + 0.3 * (std::tanh(q) * z_new[i] - y[i] / (1 + y[i] * y[i]));
    }
    cpu::CellNetwork<fixtures::TwoStage, double> network({.hidden = n, .input = inputs}, parameters, TangentSpace::full);
    std::vector<double> next(2 * n);
    network.step(s.data(), x.data(), next.data());
    for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(next[i], y_new[i], 1e-14);
        EXPECT_NEAR(next[n + i], z_new[i], 1e-14);
    }
}

TEST(Rank1Network, SaturatedUnitsKeepTheirTinyDerivatives) {
    constexpr int64_t n = 3;
    cells::Parameters parameters;
    parameters.tensors["weight_hh_l0"] = {0, 1, 0, 0, 0, 1, 1, 0, 0};
    parameters.tensors["weight_fb"] = {0, 0, 0};
    parameters.tensors["weight_out"] = {0, 0, 0};
    parameters.scalars["dt"] = 1.0;  // J = M diag(1 - tanh^2)
    const std::vector<double> x = {0.0, 100.0, -200.0};
    const auto backend = choose(Device::cpu).backend;
    const auto network = backend->network(cells::find_cell("rank1"), {.hidden = n}, parameters, TangentSpace::full);
    std::vector<double> next(n);
    network->step(x.data(), nullptr, next.data());
    Matrix<double> j(n, n);
    network->jacobian(j.view());
    EXPECT_NEAR(std::log(j(0, 1)), std::log(4.0) - 200.0, 1e-12);
    EXPECT_NEAR(std::log(j(1, 2)), std::log(4.0) - 400.0, 1e-12);
    EXPECT_EQ(j(2, 0), 1.0);
}

TEST(InstructionSets, AgreeWithinRounding) {
    constexpr int64_t n = 61, k = 19;
    const auto values = random_parameters(cells::find_cell("rank1"), {.hidden = n}, 0.1, 1).tensors.at("weight_hh_l0");
    const auto map = cpu::LinearMap<double>::from_matrix(n, n, values.data());
    Matrix<double> v(n, k), expected(n, k);
    const std::vector<double> entries = random_vector(n * k, 1.0, 8), slope = random_vector(n, 1.0, 9);
    std::copy(entries.begin(), entries.end(), v.data());
    for (int64_t c = 0; c < k; ++c)
        for (int64_t i = 0; i < n; ++i)
            for (int64_t l = 0; l < n; ++l) expected(i, c) += values[i * n + l] * slope[l] * v(l, c);
    for (int set = 0; set <= static_cast<int>(cpu::best_instruction_set()); ++set) {
        const auto& kernels = cpu::kernels<double>(static_cast<cpu::InstructionSet>(set));
        Matrix<double> w(n, k);
        typename cpu::LinearMap<double>::Scratch scratch;
        map.apply(kernels, slope.data(), static_cast<const Matrix<double>&>(v).view(), w.view(), scratch);
        EXPECT_LT(scaled_difference(w.data(), expected.data(), n * k), 1e-14);
        std::vector<double> y(n), y_expected(n);
        map.apply(kernels, v.data(), y.data());
        for (int64_t i = 0; i < n; ++i)
            for (int64_t l = 0; l < n; ++l) y_expected[i] += values[i * n + l] * v(l, 0);
        EXPECT_LT(scaled_difference(y.data(), y_expected.data(), n), 1e-14);
    }
}

}  // namespace
}  // namespace aelle::backend
