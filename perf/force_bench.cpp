// Cost of FORCE: a recursive-least-squares update, a closed-loop step, a whole network as in the signal study.
// Peer of an update: BLAS dspmv + dspr on the packed triangle. Limit: reading and writing those bytes once.
// `error`: of steps, the largest |z' - z'_reference| over the first 200, where chaos has not yet spread rounding; of updates, the
// largest difference from BLAS of P after 20 samples.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

#include "aelle/backend/blas.hpp"
#include "aelle/base/random.hpp"
#include "aelle/learn/force.hpp"
#include "aelle/tasks/signal.hpp"
#include "kernels/cpu/force.hpp"
#include "kernels/cpu/rls.hpp"
#include "kernels/reference/force.hpp"

extern "C" {
void dspmv_(const char*, const int*, const double*, const double*, const double*, const int*, const double*, double*, const int*);
void dspr_(const char*, const int*, const double*, const double*, const int*, double*);
}

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

AlignedVector<double> sample(int64_t n, uint64_t number) {
    RandomStream numbers(1, number, Purpose::noise);
    AlignedVector<double> r(static_cast<std::size_t>(cpu::padded<double>(n)));
    for (int64_t i = 0; i < n; ++i) r[static_cast<std::size_t>(i)] = std::tanh(numbers.normal());
    return r;
}

void blas_update(int n, AlignedVector<double>& p, const AlignedVector<double>& r, AlignedVector<double>& v) {
    const double one = 1.0, zero = 0.0;
    const int step = 1;
    dspmv_("L", &n, &one, p.data(), r.data(), &step, &zero, v.data(), &step);
    double rv = 0.0;
    for (int i = 0; i < n; ++i) rv += r[static_cast<std::size_t>(i)] * v[static_cast<std::size_t>(i)];
    const double factor = -1.0 / (1.0 + rv);
    dspr_("L", &n, &factor, v.data(), &step, p.data());
}

void update_ours(benchmark::State& run, cpu::InstructionSet set) {
    if (set > cpu::best_instruction_set()) return run.SkipWithError("the processor lacks this instruction set");
    backend::set_blas_threads(1);
    const int64_t n = run.range(0);
    cpu::InverseCorrelation p(n, 1.0, set);
    AlignedVector<double> gain = sample(n, 0), expected = p.packed(), v = gain;
    for (uint64_t number = 0; number < 20; ++number) {
        p.update(sample(n, number).data(), gain.data());
        blas_update(static_cast<int>(n), expected, sample(n, number), v);
    }
    const AlignedVector<double> found = p.packed();
    double error = 0.0;
    for (std::size_t i = 0; i < found.size(); ++i) error = std::max(error, std::fabs(found[i] - expected[i]));
    const AlignedVector<double> r = sample(n, 0);
    for (auto _ : run) p.update(r.data(), gain.data());
    run.counters["error"] = error;
}

void update_blas(benchmark::State& run) {
    backend::set_blas_threads(1);
    const int64_t n = run.range(0);
    AlignedVector<double> p = cpu::InverseCorrelation(n, 1.0, cpu::best_instruction_set()).packed(), v = sample(n, 0);
    const AlignedVector<double> r = sample(n, 0);
    for (auto _ : run) blas_update(static_cast<int>(n), p, r, v);
}

void update_limit(benchmark::State& run) {
    AlignedVector<double> p(static_cast<std::size_t>(run.range(0) * (run.range(0) + 1) / 2), 1.0);
    for (auto _ : run) {
        for (double& value : p) value += 1.0;
        benchmark::ClobberMemory();
    }
}

/// Steps with an update every `learn_every` of them (0: none).
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

/// The protocol of the signal study: 15 epochs of training, and a test of 15 epochs from the end of each.
void protocol(benchmark::State& run) {
    const auto backend = backend::choose(backend::Device::cpu).backend;
    const learn::ForceOptions options{.hidden = run.range(0)};
    const std::vector<double> target = tasks::one_period({}, 1200);
    std::vector<double> z(target.size());
    Matrix<double> tested(15, 1200);
    for (auto _ : run) {
        learn::ForceTrainer trainer(*backend, learn::initial_rank1(options, 1, 0), options, target, 1, 0);
        std::vector<learn::ForceTrainer::Snapshot> snapshots;
        for (int epoch = 0; epoch < 15; ++epoch) {
            trainer.train(1200, z);
            snapshots.push_back(trainer.snapshot());
        }
        auto tests = trainer.start_tests(snapshots);
        for (int epoch = 0; epoch < 15; ++epoch) tests.run(tested.view());
    }
}

}  // namespace

BENCHMARK_CAPTURE(update_ours, sse2, cpu::InstructionSet::baseline)->ArgName("N")->Arg(512)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(update_ours, avx2, cpu::InstructionSet::avx2)->ArgName("N")->Arg(512)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(update_ours, avx512, cpu::InstructionSet::avx512)->ArgName("N")->Arg(256)->Arg(512)->Arg(1024)->Unit(benchmark::kMicrosecond);
BENCHMARK(update_blas)->ArgName("N")->Arg(256)->Arg(512)->Arg(1024)->Unit(benchmark::kMicrosecond);
BENCHMARK(update_limit)->ArgName("N")->Arg(256)->Arg(512)->Arg(1024)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(steps, reference, reference::make_force_loop)
    ->ArgNames({"N", "learn_every"})->ArgsProduct({{512}, {0, 1}})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(steps, cpu, cpu::make_force_loop)
    ->ArgNames({"N", "learn_every"})->ArgsProduct({{128, 256, 512, 1024}, {0, 1, 2}})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(network, cpu, cpu::make_force_loop)->ArgName("N")->Arg(256)->Arg(512)->Unit(benchmark::kSecond);
BENCHMARK(protocol)->ArgName("N")->Arg(512)->Unit(benchmark::kSecond);

BENCHMARK_MAIN();
