// Whole Lyapunov chains of the LSTM on the device, the spectrum of its full state: unit, one chain. FLOP: 2 N^3 a step for the product and 4/3 N^3 for the QR.
// Error: exponents of one chain against the host's, those that the host calls reliable, over the largest; column `reliable`: their share.

#include <algorithm>
#include <array>
#include <cmath>

#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/base/text.hpp"
#include "aelle/cells/layout.hpp"
#include "aelle/cells/list.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "cases.hpp"
#include "gpu.hpp"
#include "kernels/cuda/chain_group.hpp"

namespace aelle::perf {
namespace {

struct Problem {
    const cells::CellSpec* cell;
    cells::Shape shape;
    int64_t steps, networks, sequences;
    std::vector<cells::Parameters> parameters;
    backend::ChainProblem chains;

    Problem(const cells::CellSpec& which, const cells::Shape& size, int64_t t, int64_t nets, int64_t side_by_side)
        : cell(&which), shape(size), steps(t), networks(nets), sequences(side_by_side) {
        for (int64_t n = 0; n < networks; ++n) {
            cells::Parameters& one = parameters.emplace_back(uniform_parameters(which, size, 0.2));
            const double factor = 1 - 0.3 * static_cast<double>(n) / static_cast<double>(networks);
            for (auto& tensor : one.tensors)
                for (double& x : tensor.second) x *= factor;
        }
        chains.exponents = dimension();
        chains.steps = steps;
        chains.sequences = sequences;
        chains.initial_state.resize(static_cast<std::size_t>(dimension()));
        RandomStream random(2, 0, Purpose::sequences);
        chains.inputs.resize(static_cast<std::size_t>(sequences * steps * shape.input));
        for (double& x : chains.inputs) x = random.uniform();
    }
    int64_t dimension() const { return cell->blocks * shape.hidden; }
    double count() const { return static_cast<double>(networks * sequences); }
    /// team: blocks of each chain, 0 as many as the engine takes.
    std::unique_ptr<cuda::Chain> start(const GpuBench& bench, int32_t team) const {
        const cells::ParameterLayout layout(*cell, shape, parameters.front());
        std::vector<std::vector<double>> packed;
        for (const auto& one : parameters) packed.push_back(layout.pack<double>(one));
        auto made = std::make_unique<cuda::Chain>(bench.library(), bench.facts(),
                                                  cuda::plan_for(cells::AllCells{}, *cell, layout, parameters.front()), packed, chains);
        if (team > 0) made->use_teams_of(team);
        return made;
    }
};

/// Of the last chain.
Check check(const Problem& p, const backend::ChainResult& found) {
    const auto inputs = static_cast<std::ptrdiff_t>(p.steps * p.shape.input);
    const auto system = lyapunov::network_system<double>(cpu().network(*p.cell, p.shape, p.parameters.back(), backend::TangentSpace::full),
                                                         {p.chains.inputs.end() - inputs, p.chains.inputs.end()}, p.chains.initial_state);
    const lyapunov::Spectrum expected = lyapunov::compute_spectrum(cpu(), *system, {.steps = p.steps, .interval = 1, .sorted = false});
    double worst = found.finite ? 0 : unknown, scale = 0, reliable = 0;
    for (std::size_t k = 0; k < expected.exponents.size(); ++k) {
        if (!expected.reliable[k]) continue;
        reliable += 1;
        worst = nan_max(worst, std::fabs(found.log_sum[k] / static_cast<double>(p.steps) - expected.exponents[k]));
        scale = std::max(scale, std::fabs(expected.exponents[k]));
    }
    return {.error = worst / scale, .columns = {{"reliable", reliable / static_cast<double>(expected.exponents.size())}}};
}

void measure_chains(GpuBench& bench, const Problem& p, const std::string& name, double budget, int32_t team = 0) {
    const auto group = p.start(bench, team);
    bench.wait();
    group->advance(1);  // loads what there is to load
    bench.wait();
    Stopwatch watch;
    group->advance(1);
    bench.wait();
    const double first = watch.seconds();
    GpuCase made;
    made.what.name = name;
    made.what.parameters = {{"hidden", std::to_string(p.shape.hidden)},
                            {"steps", std::to_string(p.steps)},
                            {"chains", std::to_string(p.networks * p.sequences)}};
    if (team > 0) made.what.parameters["team"] = "at most " + std::to_string(team);
    made.what.unit = "one chain of all steps";
    made.what.amount = 10.0 / 3.0 * std::pow(static_cast<double>(p.dimension()), 3) * static_cast<double>(p.steps);
    made.peak = bench.peaks().twofold;
    const int64_t rest = p.steps - 2, fit = bench.tiny() ? rest : std::clamp<int64_t>(static_cast<int64_t>(budget / first), 1, rest);
    watch = {};
    group->advance(fit);
    bench.wait();
    const double seconds = watch.seconds() / static_cast<double>(fit) * static_cast<double>(p.steps) / p.count();
    made.seconds = {seconds};
    if (fit == rest) {
        made.check = check(p, group->results().back());
        made.most["error"] = 1e-6;
    } else made.notes.push_back("extrapolated from " + std::to_string(fit) + " steps, unchecked: all of them take too long");
    if (team == 0) bench.remember("LSTM chains T " + std::to_string(p.steps) + " " + rounded(1 / seconds, 3) + "/s");
    bench.row(std::move(made));
}

}  // namespace

void add_gpu_chains(GpuBench& bench, double until) {
    const auto& lstm = cells::find_cell("lstm");
    for (const int64_t steps : bench.tiny() ? std::array<int64_t, 2>{3, 5} : std::array<int64_t, 2>{28, 100}) {
        const std::string name = "gpu/chains/lstm/full/" + std::to_string(bench.tiny() ? 8 : 64) + "/" + std::to_string(steps);
        if (!bench.wanted(name) || !bench.time_until(until, name)) continue;
        bench.attempt(name, [&] {
            const int64_t wanted = bench.tiny() ? 1 : std::max<int64_t>(1, bench.engine().wanted() / 16);
            const Problem p(lstm, {.hidden = bench.tiny() ? 8 : 64, .input = steps == 100 ? 82 : 28}, steps, wanted, bench.tiny() ? 2 : 16);
            measure_chains(bench, p, name, 5.0);
        });
    }
}

void add_gpu_chain_teams(GpuBench& bench) {
    const auto& lstm = cells::find_cell("lstm");
    for (const int64_t hidden : bench.tiny() ? std::vector<int64_t>{64} : std::vector<int64_t>{64, 128, 256, 512}) {
        for (const int64_t networks : bench.tiny() ? std::vector<int64_t>{1} : std::vector<int64_t>{1, 8, 32}) {
            for (int32_t team = 1; team <= (bench.tiny() ? 2 : cuda::Team::largest); team *= 2) {
                const std::string name = "gpu/teams/chains/lstm/full/" + std::to_string(hidden) + "/" + std::to_string(4 * networks) + "/" +
                                         std::to_string(team);
                if (!bench.wanted(name)) continue;
                bench.attempt(name, [&] {
                    const Problem p(lstm, {.hidden = hidden, .input = 28}, 3, networks, bench.tiny() ? 1 : 4);
                    measure_chains(bench, p, name, 1.0, team);
                });
            }
        }
    }
}

}  // namespace aelle::perf
