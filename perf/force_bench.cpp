// Cost of FORCE: a closed-loop step, a recursive-least-squares update, a whole network as in the signal study.
// `error` beside the cpu rows: largest |z' - z'_reference| over the first 200 steps, where chaos has not yet spread rounding.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

#include "aelle/base/random.hpp"
#include "aelle/learn/force.hpp"
#include "aelle/tasks/signal.hpp"
#include "kernels/cpu/force.hpp"
#include "kernels/reference/force.hpp"

namespace {

using namespace aelle;
using Factory = std::unique_ptr<backend::ForceLoop> (*)(const cells::Shape&, const cells::Parameters&, double);

std::unique_ptr<backend::ForceLoop> seeded(Factory make, int64_t hidden) {
    const learn::ForceOptions options{.hidden = hidden};
    auto loop = make({hidden, 0}, learn::initial_rank1(options, 1, 0), options.alpha);
    auto state = loop->get();
    RandomStream numbers(1, 0, Purpose::initial_state);
    for (double& x : state.x) x = 0.5 * numbers.normal();
    state.z = 0.5 * numbers.normal();
    loop->set(state);
    return loop;
}

double early_error(Factory make, int64_t hidden) {
    const std::vector<double> target = tasks::one_period({}, 1200);
    std::vector<double> z(200), expected(200);
    seeded(make, hidden)->run(0, 2, std::span(target).first(200), z);
    seeded(reference::make_force_loop, hidden)->run(0, 2, std::span(target).first(200), expected);
    double error = 0.0;
    for (std::size_t i = 0; i < z.size(); ++i) error = std::max(error, std::fabs(z[i] - expected[i]));
    return error;
}

/// Time per step with an update every `learn_every` steps (0: none); the cost of an update is the difference of the rows 1 and 0.
void steps(benchmark::State& run, Factory make) {
    const int64_t hidden = run.range(0), learn_every = run.range(1);
    const int64_t count = make == reference::make_force_loop ? 12 : 1200;
    auto loop = seeded(make, hidden);
    const std::vector<double> target = tasks::one_period({}, 1200);
    std::vector<double> z(static_cast<std::size_t>(count));
    const auto part = std::span(target).first(z.size());
    loop->run(0, learn_every, part, z);
    for (auto _ : run) loop->run(0, learn_every, part, z);
    run.counters["per_step"] = benchmark::Counter(static_cast<double>(run.iterations() * count),
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    if (make != reference::make_force_loop) run.counters["error"] = early_error(make, hidden);
}

/// Weights, 15 epochs of 1200 steps with an update every second.
void network(benchmark::State& run, Factory make) {
    const learn::ForceOptions options{.hidden = run.range(0)};
    const std::vector<double> target = tasks::one_period({}, 1200);
    std::vector<double> z(target.size());
    for (auto _ : run) {
        auto loop = seeded(make, options.hidden);
        for (int64_t epoch = 0; epoch < 15; ++epoch) loop->run(epoch * 1200, options.learn_every, target, z);
    }
}

}  // namespace

BENCHMARK_CAPTURE(steps, reference, reference::make_force_loop)
    ->ArgNames({"N", "learn_every"})->ArgsProduct({{512}, {0, 1}})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(steps, cpu, cpu::make_force_loop)
    ->ArgNames({"N", "learn_every"})->ArgsProduct({{128, 256, 512, 1024}, {0, 1, 2}})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(network, cpu, cpu::make_force_loop)->ArgName("N")->Arg(256)->Arg(512)->Unit(benchmark::kSecond);

BENCHMARK_MAIN();
