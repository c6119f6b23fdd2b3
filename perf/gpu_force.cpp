// FORCE (performance.md section 5, F5): networks of one size trained side by side, and closed loops with frozen weights, 15 of every network as the study
// tests its epochs. Unit: one step of all networks, or of all loops. FLOP: products with the tenth of M that is not zero, and updates at
// every other step. Error: the largest |z' - z'_host| of the first network or its loops over the first 100 steps, where chaos has not yet spread rounding.

#include <algorithm>
#include <cmath>

#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/base/text.hpp"
#include "aelle/learn/force.hpp"
#include "aelle/tasks/signal.hpp"
#include "cases.hpp"
#include "gpu.hpp"

namespace aelle::perf {
namespace {

constexpr int64_t period = 1200, learn_every = 2, loops = 15, early = 100, longest = 400;

class Fleet {
public:
    Fleet(const backend::GroupEngine& engine, int64_t hidden, int64_t networks)
        : hidden_(hidden),
          options_{.hidden = hidden},
          target_(tasks::one_period({}, period)),
          outputs_(static_cast<std::size_t>(networks)),
          group_(make(engine, networks)) {
        for (int64_t n = 0; n < networks; ++n) group_->set(n, seeded(group_->get(n), n));  // from zeros nothing would move
    }

    backend::ForceGroup& group() { return *group_; }
    /// So many steps of training of all networks.
    void train(int64_t steps) {
        while (steps > 0) {
            const int64_t at = done_ % period, now = std::min({steps, longest, period - at});
            std::vector<backend::ForceGroup::Work> work;
            for (std::size_t n = 0; n < outputs_.size(); ++n) {
                outputs_[n].resize(static_cast<std::size_t>(now));
                work.push_back({static_cast<int64_t>(n), done_, {target_.data() + at, static_cast<std::size_t>(now)}, outputs_[n]});
            }
            group_->run(learn_every, work);
            done_ += now;
            steps -= now;
        }
    }
    /// Of the first network: the host's steps against ours, from the beginning.
    double error() {
        std::vector<double> expected(early);
        auto loop = cpu().force_loop({hidden_, 0}, learn::initial_rank1(options_, 1, 0), options_.alpha);
        loop->set(seeded(loop->get(), 0));
        loop->run(0, learn_every, std::span(target_).first(early), expected);
        train(early);
        double worst = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) worst = nan_max(worst, std::fabs(outputs_[0][i] - expected[i]));
        return worst;
    }
    /// Of the loops of the first network: the host's steps from `start` against those `found`, one after another in columns.
    double error_of_loops(const std::vector<backend::ForceState>& start, const Matrix<double>& found) const {
        const auto host = cpu().frozen_loops({hidden_, 0}, learn::initial_rank1(options_, 1, 0), loops);
        for (std::size_t l = 0; l < start.size(); ++l) {
            backend::ForceLoop::State state = host->get(static_cast<int64_t>(l));
            std::copy(start[l].x.begin(), start[l].x.end(), state.x.begin());
            state.z = start[l].z;
            std::copy(start[l].w_out.begin(), start[l].w_out.end(), state.w_out.begin());
            host->set(static_cast<int64_t>(l), state);
        }
        Matrix<double> expected(loops, early);
        host->run(expected.view());
        double worst = 0;
        for (int64_t i = 0; i < loops; ++i)
            for (int64_t step = 0; step < early; ++step) worst = nan_max(worst, std::fabs(found(i, step) - expected(i, step)));
        return worst;
    }
    /// Of the loops of a network.
    std::vector<backend::ForceState> starts(int64_t network) const {
        std::vector<backend::ForceState> all;
        for (int64_t loop = 0; loop < loops; ++loop) all.push_back(seeded(group_->get(network, false), loop));
        return all;
    }

private:
    std::unique_ptr<backend::ForceGroup> make(const backend::GroupEngine& engine, int64_t networks) const {
        std::vector<cells::Parameters> all;
        for (int64_t n = 0; n < networks; ++n) all.push_back(learn::initial_rank1(options_, 1, static_cast<uint64_t>(n)));
        return engine.force({hidden_, 0}, all, options_.alpha, longest);
    }
    template <class State>  // of a loop on the host or of a network of the group
    static State seeded(State state, int64_t number) {
        RandomStream numbers(1, static_cast<uint64_t>(number), Purpose::initial_state);
        for (double& x : state.x) x = 0.5 * numbers.normal();
        state.z = 0.5 * numbers.normal();
        return state;
    }

    int64_t hidden_;
    learn::ForceOptions options_;
    std::vector<double> target_;
    std::vector<std::vector<double>> outputs_;
    std::unique_ptr<backend::ForceGroup> group_;
    int64_t done_ = 0;
};

GpuCase case_of(const GpuBench& bench, const std::string& name, int64_t hidden, int64_t networks, double updates, double count) {
    GpuCase made;
    made.what.name = name;
    made.what.parameters = {{"units", std::to_string(hidden)}, {"networks", std::to_string(networks)}};
    const double squares = static_cast<double>(hidden * hidden);
    made.what.amount = squares * (2 * learn::ForceOptions{}.density + 4 * updates) * count;
    made.peak = bench.peaks().twofold;
    return made;
}

/// Seconds of one step of one loop of every network.
double measure_loops(GpuBench& bench, Fleet& fleet, const std::string& name, int64_t hidden, int64_t networks) {
    std::vector<backend::ForceGroup::Loops> parts;
    for (int64_t n = 0; n < networks; ++n) parts.push_back({n, fleet.starts(n)});
    const auto frozen = fleet.group().frozen(parts, longest);
    std::vector<Matrix<double>> outputs;
    for (int64_t n = 0; n < networks; ++n) outputs.emplace_back(loops, longest);
    const auto run = [&](int64_t units) {
        while (units > 0) {
            const int64_t now = std::min(units, longest);
            std::vector<backend::FrozenGroup::Work> work;
            for (int64_t n = 0; n < networks; ++n) {
                const auto whole = outputs[static_cast<std::size_t>(n)].view();
                work.push_back({n, {whole.data, loops, now, whole.ld}});
            }
            frozen->run(work);
            units -= now;
        }
    };
    run(early);
    GpuCase made = case_of(bench, name, hidden, networks, 0.0, static_cast<double>(networks * loops));
    made.what.unit = "one step of 15 loops of all networks";
    made.check.error = fleet.error_of_loops(parts.front().start, outputs.front());
    made.most["error"] = 1e-6;
    made.seconds = bench.time(run, 1.0);
    const double step = spread(made.seconds).median / loops;
    bench.row(std::move(made));
    return step;
}

}  // namespace

void add_gpu_force(GpuBench& bench, double until) {
    const int64_t hidden = bench.tiny() ? 12 : 512, networks = bench.tiny() ? 2 : bench.facts().multiprocessors;
    const std::string training = "gpu/force/training/" + std::to_string(hidden), tests = "gpu/force/loops/" + std::to_string(hidden);
    if ((!bench.wanted(training) && !bench.wanted(tests)) || !bench.time_until(until, training)) return;
    if (hidden > bench.engine().largest_force()) {
        bench.say(training + ": left out: the device takes up to " + std::to_string(bench.engine().largest_force()) + " units");
        return;
    }
    bench.attempt(training, [&] {
        Fleet fleet(bench.engine(), hidden, networks);
        const auto all = static_cast<double>(networks);
        GpuCase made = case_of(bench, training, hidden, networks, 1.0 / learn_every, all);
        made.what.unit = "one step of all networks";
        made.check.error = fleet.error();
        made.most["error"] = 1e-6;
        made.seconds = bench.time([&](int64_t units) { fleet.train(units); }, 1.5);
        const double step = spread(made.seconds).median;
        bench.row(std::move(made));
        const double loop_step = measure_loops(bench, fleet, tests, hidden, networks);
        bench.remember("FORCE " + rounded(1e6 * step / all, 3) + " us a step and network, loops " + rounded(1e6 * loop_step / all, 3) +
                       " us");
    });
}

}  // namespace aelle::perf
