// One parameter update, minibatch, forward pass, loss, backward pass, Adam, dropout and noise, of several networks in flight: our kernel, a team of blocks
// each (performance.md 4.3, T3), and beside it the same by cuBLAS over all networks in a captured graph (T0). Unit: one update of all networks. FLOP: the
// products alone (update_flop). Error: of the gradient of one batch, which an update by SGD at rate 1 shows, against the host's, of all
// parameters together over the largest value.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "aelle/base/text.hpp"
#include "aelle/cells/layout.hpp"
#include "aelle/cells/list.hpp"
#include "aelle/learn/bptt.hpp"
#include "aelle/learn/group.hpp"
#include "cases.hpp"
#include "gpu.hpp"
#include "kernels/cuda/training_group.hpp"
#include "synthetic.hpp"

namespace aelle::perf {
namespace {

constexpr double dropout = 0.1;
constexpr uint64_t seed = 1;

/// What makes sequences and groups: the engine, or libaelle_cuda.so with the other library's training.
class Maker {
public:
    /// team: blocks of each network, 0 as many as the engine takes.
    Maker(const GpuBench& bench, bool by_library, int32_t team = 0)
        : team_(team),
          library_(by_library ? cuda::with_library_training(bench.library().table(), *bench.nvidia()) : bench.library().table(),
                   bench.device()),
          facts_(bench.facts()) {}
    std::unique_ptr<cuda::Group> group(const learn::Model& model, const backend::GroupTraining& options,
                                       const backend::SequenceTable& shape, int64_t networks) const {
        const cells::ParameterLayout layout(*model.cell, model.shape, model.parameters);
        const auto planned = cuda::plan_for(cells::AllCells{}, *model.cell, layout, model.parameters);
        auto made = std::make_unique<cuda::Group>(library_, facts_, planned, options, shape, networks);
        made->use_teams_of(team_);
        return made;
    }

private:
    int32_t team_;
    cuda::Library library_;
    const cuda::DeviceFacts& facts_;
};

struct Problem {
    const cells::CellSpec* cell;
    int64_t hidden, batch, classes;
    const learn::Sequences* data;
    const learn::DeviceCopy* copy;
    bool symbols = false;

    learn::Model model() const {
        return learn::initial_model(*cell, {.hidden = hidden, .input = data->features()}, classes, {}, {}, seed, 0);
    }
    double flop() const {
        return update_flop(
            *cell, {.hidden = hidden, .input = data->features()},
            {.steps = data->steps(), .batch = batch, .classes = classes, .one_hot = symbols, .every_step = data->target_steps() > 1});
    }
};

std::vector<float> packed(const learn::Model& model) {
    const cells::ParameterLayout layout(*model.cell, model.shape, model.parameters);
    std::vector<float> all = layout.pack<float>(model.parameters);
    for (const auto* values : {&model.fc_weight, &model.fc_bias})
        for (const double x : *values) all.push_back(static_cast<float>(x));
    return all;
}

std::vector<int64_t> first_sequences(int64_t count) {
    std::vector<int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

/// One update by SGD at rate 1 moves the parameters by the gradient.
std::vector<double> moved(const std::vector<float>& from, const std::vector<float>& to) {
    std::vector<double> move(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) move[i] = static_cast<double>(to[i]) - static_cast<double>(from[i]);
    return move;
}

std::vector<double> host_gradient(const Problem& p) {
    const learn::BpttOptions options{
        .optimizer = learn::Optimizer::sgd, .learning_rate = 1.0, .dropout = dropout, .batch = p.batch, .shuffle = false};
    const learn::Model start = p.model();
    learn::BpttTrainer trainer(cpu(), start, options, *p.data, first_sequences(p.batch), seed, 0);
    trainer.update();
    return moved(packed(start), packed(trainer.model()));
}

double gradient_error(const Problem& p, const Maker& maker, const std::vector<double>& expected) {
    const learn::Model model = p.model();
    const auto group = maker.group(model, {.adam = false, .learning_rate = 1.0, .dropout = dropout, .batch = p.batch, .classes = p.classes},
                                   p.copy->shape(), 1);
    const std::vector<float> start = packed(model);
    group->set(0, {.parameters = start, .mean = {}, .square = {}});
    const std::vector<int64_t> order = first_sequences(p.batch);
    const backend::TrainingGroup::Work work{.network = 0, .order = order, .seed = seed, .variant = 0, .first_update = 0};
    group->train(p.copy->sequences(), std::span(&work, 1));
    return relative_difference(moved(start, group->get(0).parameters), expected);
}

/// Networks that are updated again and again, any number of the first of them.
class Fleet {
public:
    static constexpr int64_t most_units = 64;  // updates in a call: their sequences are copied to the device

    Fleet(const Problem& p, const Maker& maker, int64_t networks)
        : p_(p),
          group_(maker.group(p.model(), {.adam = true, .learning_rate = 1e-4, .dropout = dropout, .batch = p.batch, .classes = p.classes},
                             p.copy->shape(), networks)) {
        const std::vector<float> start = packed(p.model()), zero(start.size());
        for (int64_t n = 0; n < networks; ++n) group_->set(n, {.parameters = start, .mean = zero, .square = zero});
        for (int64_t i = 0; i < most_units * p.batch; ++i) order_.push_back(i % p.data->size());
    }
    /// So many updates of the first networks.
    void run(int64_t networks, int64_t units) {
        while (units > 0) {
            const int64_t now = std::min(units, most_units);
            std::vector<backend::TrainingGroup::Work> work;
            for (int64_t n = 0; n < networks; ++n)
                work.push_back({.network = n,
                                .order = {order_.data(), static_cast<std::size_t>(now * p_.batch)},
                                .seed = seed,
                                .variant = static_cast<uint64_t>(n),
                                .first_update = done_});
            for (const auto& outcome : group_->train(p_.copy->sequences(), work)) finite_ = finite_ && outcome.finite;
            done_ += now;
            units -= now;
        }
    }
    bool finite() const { return finite_; }

private:
    const Problem& p_;
    std::unique_ptr<backend::TrainingGroup> group_;
    std::vector<int64_t> order_;
    int64_t done_ = 0;
    bool finite_ = true;
};

/// Of each number of networks, as long as there is time: samples of seconds per update of all. `recorded`: a call makes its first update one by one and
/// records the others, as it does once for the hundreds of an epoch; what that takes is taken off.
std::vector<std::vector<double>> fleet_times(GpuBench& bench, const Problem& p, const Maker& maker, const std::vector<int64_t>& sizes,
                                             double budget, bool recorded) {
    const int64_t apart = recorded ? 2 : 0, most = recorded ? Fleet::most_units - apart : int64_t{1} << 20;
    Fleet fleet(p, maker, sizes.back());
    std::vector<std::vector<double>> all;
    for (const int64_t networks : sizes) {
        if (!all.empty() && bench.left() < 1.0) break;
        fleet.run(networks, 2);  // twice: what is recorded at the second update is loaded then
        all.push_back(
            bench.time([&](int64_t units) { fleet.run(networks, units); }, budget / static_cast<double>(sizes.size()), most, apart));
    }
    if (!fleet.finite()) throw backend::DeviceError("networks became not finite in training");
    return all;
}

GpuCase case_of(const GpuBench& bench, const Problem& p, const std::string& name, int64_t networks, double error,
                const std::vector<double>& seconds) {
    GpuCase made;
    made.what.name = name;
    made.what.parameters = {
        {"hidden", std::to_string(p.hidden)}, {"batch", std::to_string(p.batch)}, {"networks", std::to_string(networks)}};
    made.what.unit = "one update of all networks";
    made.what.amount = p.flop() * static_cast<double>(networks);
    made.peak = bench.peaks().single;
    made.check.error = error;
    made.most["error"] = 1e-4;
    made.check.columns["sequences_per_second"] = static_cast<double>(p.batch * networks) / spread(seconds).median;
    made.seconds = seconds;
    return made;
}

void measure_cell(GpuBench& bench, const Problem& p, const std::string& prefix, const std::vector<int64_t>& sizes, double budget) {
    const std::vector<double> expected = host_gradient(p);
    const Maker ours(bench, false);
    const double error = gradient_error(p, ours, expected);
    const auto times = fleet_times(bench, p, ours, sizes, budget / 2, false);
    std::vector<std::string> notes;
    std::vector<std::vector<double>> their_times;
    Opponent opponent{.python = {}, .name = "cuBLAS", .form = "cuBLAS, T0", .unit = {}, .layout = {}};
    if (bench.nvidia() != nullptr) {
        try {
            const Maker theirs(bench, true);
            opponent.error = gradient_error(p, theirs, expected);
            their_times = fleet_times(bench, p, theirs, sizes, budget / 2, true);
        } catch (const std::exception& failure) {
            notes.push_back(std::string("cuBLAS: ") + failure.what());
        }
    }
    for (std::size_t i = 0; i < times.size(); ++i) {
        GpuCase made = case_of(bench, p, prefix + "/" + std::to_string(sizes[i]), sizes[i], error, times[i]);
        made.notes = notes;
        if (i < their_times.size()) {
            made.opponent = opponent;
            made.opponent->seconds = spread(their_times[i]);
            made.check.columns["cublas_error"] = opponent.error;
        }
        bench.row(std::move(made));
    }
    const int64_t most = sizes[times.size() - 1];
    bench.remember(std::string(p.cell->name) + " " + std::to_string(p.hidden) + " x " + std::to_string(most) + " " +
                   rounded(static_cast<double>(p.batch * most) / spread(times.back()).median, 3) + " sequences/s");
}

/// Next character, from windows of 100 of 82 characters: large networks, whose weights a team shares.
void add_gpu_characters(GpuBench& bench) {
    const auto& lstm = cells::find_cell("lstm");
    const int64_t batch = bench.tiny() ? 4 : 32, steps = bench.tiny() ? 3 : 100;
    const std::vector<int64_t> sizes = bench.tiny() ? std::vector<int64_t>{2} : std::vector<int64_t>{8, 64};
    for (const int64_t hidden : bench.tiny() ? std::vector<int64_t>{7} : std::vector<int64_t>{128, 256, 512}) {
        const std::string name = "gpu/training/charrnn/lstm/" + std::to_string(hidden);
        if (!bench.wanted(name)) continue;
        bench.attempt(name, [&] {
            const auto data = synthetic_charrnn(20 * batch, steps);
            const learn::DeviceCopy copy(bench.engine(), *data);
            measure_cell(bench, {&lstm, hidden, batch, 82, data.get(), &copy, true}, name, sizes, 2.5);
        });
    }
}

struct TeamCase {
    std::string name;
    int64_t networks;
    int32_t team;
};

/// Those that are wanted.
std::vector<TeamCase> team_cases(GpuBench& bench, int64_t hidden) {
    std::vector<TeamCase> all;
    for (const int64_t networks : bench.tiny() ? std::vector<int64_t>{2} : std::vector<int64_t>{8, 32, 132}) {
        for (int32_t team = 1; team <= (bench.tiny() ? 2 : cuda::Team::largest); team *= 2) {
            const std::string name =
                "gpu/teams/charrnn/lstm/" + std::to_string(hidden) + "/" + std::to_string(networks) + "/" + std::to_string(team);
            if (bench.wanted(name)) all.push_back({name, networks, team});
        }
    }
    return all;
}

}  // namespace

void add_gpu_training_teams(GpuBench& bench) {
    const auto& lstm = cells::find_cell("lstm");
    const int64_t batch = bench.tiny() ? 4 : 32, steps = bench.tiny() ? 3 : 100;
    for (const int64_t hidden : bench.tiny() ? std::vector<int64_t>{7} : std::vector<int64_t>{512, 256, 128, 64}) {
        const std::vector<TeamCase> cases = team_cases(bench, hidden);
        if (cases.empty()) continue;
        const auto data = synthetic_charrnn(20 * batch, steps);
        const learn::DeviceCopy copy(bench.engine(), *data);
        const Problem p{&lstm, hidden, batch, 82, data.get(), &copy, true};
        const std::vector<double> expected = host_gradient(p);
        for (const TeamCase& one : cases) {
            bench.attempt(one.name, [&] {
                const Maker maker(bench, false, one.team);
                const double error = gradient_error(p, maker, expected);
                const auto times = fleet_times(bench, p, maker, {one.networks}, 0.6, false);
                GpuCase made = case_of(bench, p, one.name, one.networks, error, times.front());
                made.what.parameters["team"] = "at most " + std::to_string(one.team);
                bench.row(std::move(made));
            });
        }
    }
}

void add_gpu_training(GpuBench& bench) {
    std::vector<const cells::CellSpec*> chosen;
    for (const cells::CellSpec& cell : cells::all_cells())
        if (cell.name != "rank1" && cell.gated_form_of.empty()) chosen.push_back(&cell);  // trained by FORCE; not in the studies
    add_gpu_characters(bench);
    // The LSTM first: should the time not do for all, then it is among those that were measured.
    std::stable_partition(chosen.begin(), chosen.end(), [](const cells::CellSpec* cell) { return cell->name == "lstm"; });
    const int64_t hidden = bench.tiny() ? 6 : 64, batch = bench.tiny() ? 4 : 128;
    const std::vector<int64_t> sizes = bench.tiny() ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{1, 132, 264, 528};
    std::shared_ptr<const learn::Sequences> data;
    std::unique_ptr<learn::DeviceCopy> copy;
    auto left = static_cast<double>(chosen.size());
    for (const cells::CellSpec* cell : chosen) {
        const std::string name = "gpu/training/smnist/" + std::string(cell->name) + "/" + std::to_string(hidden);
        const double budget = 0.6 * bench.left() / left--;  // the rest: making groups, the host's gradient
        if (!bench.wanted(name)) continue;
        bench.attempt(name, [&] {
            if (!copy) {
                data = synthetic_smnist(20 * batch);
                copy = std::make_unique<learn::DeviceCopy>(bench.engine(), *data);
            }
            measure_cell(bench, {cell, hidden, batch, 10, data.get(), copy.get()}, name, sizes, budget);
        });
    }
}

}  // namespace aelle::perf
