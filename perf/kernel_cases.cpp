// What spectra are made of: factorisations, and products of Jacobians with blocks of tangents.
// Error: QR, log|r_jj| against the reference backend (LAPACK above 128 columns), products against the reference backend; over the largest value.

#include <algorithm>
#include <cmath>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "aelle/learn/force.hpp"
#include "cases.hpp"

namespace aelle::perf {
namespace {

std::string text(int64_t value) { return std::to_string(value); }

Matrix<double> random_matrix(int64_t rows, int64_t cols) {
    RandomStream random(3, 0, Purpose::tangent);
    Matrix<double> z(rows, cols);
    std::generate_n(z.data(), z.size(), [&] { return random.normal(); });
    return z;
}

/// Columns as one step of a mild network leaves them: orthonormal ones, moved a little.
Matrix<double> mild_matrix(int64_t rows, int64_t cols) {
    Matrix<double> z = random_matrix(rows, cols);
    for (double& x : std::span(z.data(), static_cast<std::size_t>(z.size()))) x *= 0.3 / std::sqrt(static_cast<double>(rows));
    for (int64_t j = 0; j < cols; ++j) z(j, j) += 1.0;
    return z;
}

/// One way to factor z; false when it does not take it.
using Factor = std::function<bool(MatrixView<double> z, std::span<double> log_r, backend::Backend::QrWork& work)>;

Factor by(backend::QrMethod method) {
    return [method](MatrixView<double> z, std::span<double> log_r, backend::Backend::QrWork& work) {
        cpu().qr(method, z, log_r, work);
        return true;
    };
}

bool by_gram(MatrixView<double> z, std::span<double> log_r, backend::Backend::QrWork& work) {
    return cpu().gram_qr(z, backend::GramArithmetic::single_precision, 0.0, log_r, work) > 0;
}

std::function<Work()> factorisations(const Matrix<double>& original, const Factor& factor) {
    return [=] {
        return [=, z = original, log_r = std::vector<double>(static_cast<std::size_t>(original.cols())),
                work = backend::Backend::QrWork()]() mutable {
            std::copy_n(original.data(), original.size(), z.data());
            require(factor(z.view(), log_r, work), "the matrix is factored");
        };
    };
}

double qr_error(const Matrix<double>& original, const Factor& factor) {
    std::vector<double> found(static_cast<std::size_t>(original.cols())), expected(found.size());
    backend::Backend::QrWork work;
    Matrix<double> z = original;
    require(factor(z.view(), found, work), "the matrix is factored");
    // R may be rough where Q takes up what it lacks.
    std::vector<double> rest(found.size());
    cpu().qr(backend::QrMethod::accurate, z.view(), rest, work);
    for (std::size_t j = 0; j < found.size(); ++j) found[j] += rest[j];
    z = original;
    if (original.cols() > 128) cpu().qr(backend::QrMethod::library, z.view(), expected, work);
    else backend::make_reference()->qr(backend::QrMethod::accurate, z.view(), expected, work);
    return relative_difference(found, expected);
}

Case qr_case(int64_t n, int64_t k, bool gram) {
    const Matrix<double> original = gram ? mild_matrix(n, k) : random_matrix(n, k);
    const Factor factor = gram ? Factor(by_gram) : by(backend::QrMethod::accurate);
    const auto rows = static_cast<double>(n), cols = static_cast<double>(k);
    Case made;
    made.name = "kernel/qr/" + text(n) + "x" + text(k) + (gram ? "/gram" : "/accurate");
    made.unit = "R and explicit Q of one matrix";
    // Reflections: R and Q. Gram: Z'Z, its factor, and Z R^-1.
    made.amount = gram ? rows * cols * cols * 2 + cols * cols * cols / 3 : 4 * cols * cols * (rows - cols / 3);
    made.roof = Roof::dgemm;
    made.check = [=] { return Check{.error = qr_error(original, factor)}; };
    made.side = crew_of(factorisations(original, factor));
    made.rival = Rival{"LAPACK geqrf + orgqr", crew_of(factorisations(original, by(backend::QrMethod::library)))};
    return made;
}

struct Network {
    std::string cell;
    cells::Shape shape;
    double density;  ///< of rank1's matrix

    std::shared_ptr<backend::Network<double>> at_first_step(const backend::Backend& engine) const {
        const auto& spec = cells::find_cell(cell);
        cells::Parameters parameters = cell == "rank1" ? learn::initial_rank1({.hidden = shape.hidden, .density = density}, 1, 0)
                                                       : uniform_parameters(spec, shape, 0.2);
        cells::complete(spec, shape, parameters);
        std::shared_ptr<backend::Network<double>> network = engine.network(spec, shape, parameters, backend::TangentSpace::full);
        RandomStream random(2, 0, Purpose::initial_state);
        std::vector<double> state(static_cast<std::size_t>(network->state_dimension())), next(state.size());
        std::vector<double> input(static_cast<std::size_t>(shape.input), 0.5);
        for (double& x : state) x = 0.5 * random.normal();
        network->step(state.data(), input.data(), next.data());
        return network;
    }
};

Case tangent_case(const Network& network, int64_t columns) {
    const auto of = [=](const backend::Backend& engine) {
        const auto ready = network.at_first_step(engine);
        const Matrix<double> v = random_matrix(ready->tangent_dimension(), columns);
        Matrix<double> w(v.rows(), columns);
        ready->tangent(v.view(), w.view());
        return w;
    };
    const auto h = static_cast<double>(network.shape.hidden);
    Case made;
    made.name = "kernel/tangent/" + network.cell + "/" + text(network.shape.hidden) + "x" + text(columns);
    if (network.cell == "rank1") made.name += "/" + text(std::llround(100 * network.density)) + "%";
    made.unit = "the Jacobian of one step times " + text(columns) + " columns";
    // Rank1 reads the nonzeros of its matrix; of an LSTM's Jacobian only the blocks that read h are dense, as if added up beforehand.
    made.amount = 2 * h * h * static_cast<double>(columns) * (network.cell == "rank1" ? network.density : 2.0);
    made.roof = Roof::dgemm;
    made.check = [=] {
        const Matrix<double> found = of(cpu()), expected = of(*backend::make_reference());
        const auto values = [](const Matrix<double>& m) { return std::span(m.data(), static_cast<std::size_t>(m.size())); };
        return Check{.error = relative_difference(values(found), values(expected))};
    };
    made.side = crew_of([=] {
        const auto ready = network.at_first_step(cpu());
        const int64_t rows = ready->tangent_dimension();
        return [ready, v = random_matrix(rows, columns), w = Matrix<double>(rows, columns)]() mutable {
            ready->tangent(std::as_const(v).view(), w.view());
        };
    });
    return made;
}

}  // namespace

void add_kernel_cases(const Plan& plan, std::vector<Case>& cases) {
    for (const int64_t n : {64, 128, 256, 512}) {
        if (!plan.full && n == 256) continue;
        cases.push_back(qr_case(n, n, false));
        cases.push_back(qr_case(n, n, true));
    }
    cases.push_back(qr_case(512, 48, false));
    cases.push_back(tangent_case({"rank1", {.hidden = 512}, 0.1}, 48));
    if (plan.full) {
        cases.push_back(tangent_case({"rank1", {.hidden = 512}, 0.24}, 48));
        cases.push_back(tangent_case({"rank1", {.hidden = 512}, 0.26}, 48));
        cases.push_back(tangent_case({"rank1", {.hidden = 512}, 0.1}, 512));
    }
    cases.push_back(tangent_case({"lstm", {.hidden = 64, .input = 28}, 0}, 128));
}

}  // namespace aelle::perf
