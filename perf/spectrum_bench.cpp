// Whole spectra of every architecture with weights U(-p, p), H 64, input 28, 28 steps, interval auto: p 0.2 (mild) and 3 (saturated), the latter also with
// what rounding spoils done again in double-double. `reliable`: share of the exponents. `error`: p 0.2, the largest difference from QR at every step; p 3, that of
// the reliable exponents from those in double-double.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "aelle/backend/extended.hpp"
#include "aelle/base/random.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace {

using namespace aelle;
using backend::TangentSpace;

constexpr int64_t hidden = 64, input = 28, steps = 28;

const backend::Backend& cpu() {
    static const auto choice = backend::choose(backend::Device::cpu);
    return *choice.backend;
}

struct Problem {
    const cells::CellSpec& cell;
    double p;
    TangentSpace space;
    cells::Shape shape{.hidden = hidden, .input = input};
    cells::Parameters parameters = {};
    std::vector<double> inputs = {};

    Problem(const cells::CellSpec& c, double width, TangentSpace which) : cell(c), p(width), space(which) {
        for (std::size_t t = 0; t < cell.tensors.size(); ++t) {
            RandomStream random(1, t, Purpose::weights);
            auto& values = parameters.tensors[std::string(cell.tensors[t].name)];
            values.resize(static_cast<std::size_t>(cells::element_count(cell.tensors[t], shape)));
            for (double& x : values) x = random.uniform(-p, p);
        }
        cells::complete(cell, shape, parameters);
        RandomStream random(2, 0, Purpose::weights);
        inputs.resize(static_cast<std::size_t>(input * steps));
        for (double& x : inputs) x = random.uniform();
    }

    lyapunov::Spectrum spectrum(int64_t interval, int64_t extended_up_to) const {
        const auto system = lyapunov::network_system<double>(
            cpu().network(cell, shape, parameters, space), inputs, std::vector<double>(static_cast<std::size_t>(cell.blocks * hidden)),
            extended_up_to > 0 ? backend::extended_network(cell, shape, parameters, space) : nullptr);
        return lyapunov::compute_spectrum(cpu(), *system, {.steps = steps, .interval = interval, .extended_up_to = extended_up_to});
    }
};

void spectrum(benchmark::State& state, const Problem& problem, int64_t extended_up_to) {
    lyapunov::Spectrum found;
    for (auto _ : state) found = problem.spectrum(0, extended_up_to);
    const lyapunov::Spectrum other = problem.p < 1 ? problem.spectrum(1, 0) : problem.spectrum(1, 2 * hidden);
    double error = 0;
    for (std::size_t j = 0; j < found.exponents.size(); ++j)
        if (found.reliable[j] && other.reliable[j]) error = std::max(error, std::fabs(found.exponents[j] - other.exponents[j]));
    const auto reliable = static_cast<double>(std::count(found.reliable.begin(), found.reliable.end(), uint8_t{1}));
    state.counters["reliable"] = reliable / static_cast<double>(found.reliable.size());
    state.counters["error"] = error;
    state.counters["QRs"] = static_cast<double>(found.factorisations);
}

}  // namespace

int main(int argc, char** argv) {
    for (const cells::CellSpec& cell : cells::all_cells()) {
        if (cell.name == "rank1") continue;
        for (const auto space : {TangentSpace::full, TangentSpace::hidden}) {
            if (space == TangentSpace::hidden && cell.blocks == 1) continue;
            const std::string name = std::string(cell.name) + (space == TangentSpace::full ? "/full" : "/hidden");
            const auto add = [&](const char* kind, double p, int64_t extended_up_to) {
                const Problem problem(cell, p, space);
                benchmark::RegisterBenchmark((name + kind).c_str(), [=](benchmark::State& state) { spectrum(state, problem, extended_up_to); })
                    ->Unit(benchmark::kMillisecond);
            };
            add("/p:0.2", 0.2, 0);
            add("/p:3", 3.0, 0);
            add("/p:3/extended", 3.0, 2 * hidden);
        }
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
