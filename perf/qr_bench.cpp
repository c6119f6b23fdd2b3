/// One step of a Lyapunov spectrum of the Rank-1 RNN: the step itself, the tangent product and the factorisation by either method, and
/// whole spectra. `error` is the row's own check against the reference backend (or interval 1): largest difference over the largest value.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/random.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace {

using namespace aelle;

const backend::Backend& cpu() {
    static const auto choice = backend::choose(backend::Device::cpu);
    return *choice.backend;
}

cells::Parameters rank1(int64_t n, double density) {
    RandomStream random(1, 0, Purpose::weights);
    cells::Parameters parameters;
    auto& m = parameters.tensors["weight_hh_l0"];
    m.assign(static_cast<std::size_t>(n * n), 0.0);
    for (double& x : m)
        if (random.uniform() < density) x = 1.5 * random.normal() / std::sqrt(density * static_cast<double>(n));
    for (const char* name : {"weight_fb", "weight_out"}) {
        auto& vector = parameters.tensors[name];
        vector.resize(static_cast<std::size_t>(n));
        for (double& x : vector) x = random.uniform(-0.3, 0.3);
    }
    cells::complete(cells::find_cell("rank1"), {.hidden = n}, parameters);
    return parameters;
}

std::vector<double> start(int64_t n) {
    RandomStream random(2, 0, Purpose::initial_state);
    std::vector<double> x(static_cast<std::size_t>(n));
    for (double& value : x) value = 0.5 * random.normal();
    return x;
}

Matrix<double> random_matrix(int64_t rows, int64_t cols) {
    RandomStream random(3, 0, Purpose::tangent);
    Matrix<double> z(rows, cols);
    std::generate_n(z.data(), z.size(), [&] { return random.normal(); });
    return z;
}

double difference(std::span<const double> a, std::span<const double> b) {
    double worst = 0, scale = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::fabs(a[i] - b[i]));
        scale = std::max(scale, std::fabs(b[i]));
    }
    return worst / scale;
}

void step(benchmark::State& state) {
    const int64_t n = state.range(0);
    const auto network = cpu().network(cells::find_cell("rank1"), {.hidden = n}, rank1(n, 0.1), backend::TangentSpace::full);
    const auto reference =
        backend::make_reference()->network(cells::find_cell("rank1"), {.hidden = n}, rank1(n, 0.1), backend::TangentSpace::full);
    const std::vector<double> x = start(n);
    std::vector<double> next(x.size()), expected(x.size());
    for (auto _ : state) network->step(x.data(), nullptr, next.data());
    reference->step(x.data(), nullptr, expected.data());
    state.counters["error"] = difference(next, expected);
}

void tangent(benchmark::State& state) {
    const int64_t n = state.range(0), k = state.range(1);
    const double density = static_cast<double>(state.range(2)) / 100;
    const auto& cell = cells::find_cell("rank1");
    const auto network = cpu().network(cell, {.hidden = n}, rank1(n, density), backend::TangentSpace::full);
    const auto reference = backend::make_reference()->network(cell, {.hidden = n}, rank1(n, density), backend::TangentSpace::full);
    const std::vector<double> x = start(n);
    std::vector<double> next(x.size());
    const Matrix<double> v = random_matrix(n, k);
    Matrix<double> w(n, k), expected(n, k);
    network->step(x.data(), nullptr, next.data());
    for (auto _ : state) network->tangent(v.view(), w.view());
    reference->step(x.data(), nullptr, next.data());
    reference->tangent(v.view(), expected.view());
    state.counters["error"] = difference({w.data(), static_cast<std::size_t>(w.size())}, {expected.data(), static_cast<std::size_t>(w.size())});
    state.counters["GFlop/s"] = benchmark::Counter(2e-9 * density * static_cast<double>(n * n * k), benchmark::Counter::kIsIterationInvariantRate);
}

void qr(benchmark::State& state, backend::QrMethod method) {
    const int64_t n = state.range(0), k = state.range(1);
    const Matrix<double> original = random_matrix(n, k);
    Matrix<double> z = original;
    std::vector<double> log_r(static_cast<std::size_t>(k)), expected(log_r.size());
    backend::Backend::QrWork work;
    for (auto _ : state) {
        z = original;
        cpu().qr(method, z.view(), log_r, work);
    }
    z = original;
    backend::make_reference()->qr(backend::QrMethod::accurate, z.view(), expected, work);
    state.counters["error"] = difference(log_r, expected);
    const auto rows = static_cast<double>(n), cols = static_cast<double>(k);
    state.counters["GFlop/s"] =
        benchmark::Counter(4e-9 * cols * cols * (rows - cols / 3), benchmark::Counter::kIsIterationInvariantRate);  // R and explicit Q
}

void spectrum(benchmark::State& state) {
    const int64_t n = state.range(0), k = state.range(1), steps = 200;
    const auto run = [&](int64_t interval) {
        const auto system = lyapunov::network_system<double>(
            cpu().network(cells::find_cell("rank1"), {.hidden = n}, rank1(n, 0.1), backend::TangentSpace::full), {}, start(n));
        return lyapunov::compute_spectrum(cpu(), *system, {.exponents = k, .steps = steps, .interval = interval});
    };
    lyapunov::Spectrum found;
    for (auto _ : state) found = run(state.range(2));
    state.counters["error"] = difference(found.exponents, run(1).exponents);
    state.counters["s/step"] = benchmark::Counter(
        static_cast<double>(steps), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    state.counters["QRs"] = static_cast<double>(found.factorisations);
}

}  // namespace

BENCHMARK(step)->Arg(512)->Unit(benchmark::kMicrosecond);
BENCHMARK(tangent)->ArgNames({"n", "k", "percent"})->Args({512, 48, 10})->Args({512, 48, 24})->Args({512, 48, 26})->Args({512, 512, 10})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(qr, accurate, aelle::backend::QrMethod::accurate)->ArgNames({"n", "k"})->Args({64, 64})->Args({128, 128})->Args({512, 48})
    ->Args({512, 512})->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(qr, library, aelle::backend::QrMethod::library)->ArgNames({"n", "k"})->Args({64, 64})->Args({128, 128})->Args({512, 48})
    ->Args({512, 512})->Unit(benchmark::kMicrosecond);
BENCHMARK(spectrum)->ArgNames({"n", "k", "interval"})->Args({512, 48, 0})->Args({512, 48, 1})->Args({64, 64, 0})->Args({64, 64, 1})
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
