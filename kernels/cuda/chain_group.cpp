#include "kernels/cuda/chain_group.hpp"

#include <algorithm>

#include "kernels/cuda/team_size.hpp"

namespace aelle::cuda {
namespace {

void build_matrices(const CellPlan& cell, const double* packed, double* matrices) {
    for (int n = 0; n < cell.first_term[cell.stages]; ++n) {
        const TermPlan& term = cell.term[n];
        if (term.matrix < 0) continue;
        for (int64_t e = 0; e < int64_t{cell.hidden} * cell.hidden; ++e)
            matrices[term.matrix + e] = matrix_entry(term, cell.hidden, packed, e);
    }
}

/// Blocks of each of so many chains: as many as its matrices give work to in tiles of 64 rows, twice as many where the device would wait otherwise.
int32_t chain_team(const DeviceFacts& facts, const ChainPlan& plan, int64_t chains) {
    if (!plan.large) return 1;
    int64_t most = std::max<int64_t>(plan.dimension / 64, 1);
    if (2 * most * chains <= facts.multiprocessors) most *= 2;
    return team_size(facts, chains, plan.memory * static_cast<int64_t>(sizeof(double)), most, 1);
}

}  // namespace

Chain::Chain(const Library& library, const DeviceFacts& facts, const PlannedCell& cell, std::span<const std::vector<double>> packed,
             const backend::ChainProblem& problem)
    : library_(library), cell_(cell.place), chains_(static_cast<int64_t>(packed.size()) * problem.sequences) {
    plan_.cell = cell.plan;
    plan_.full = problem.space == backend::TangentSpace::full;
    plan_.dimension = static_cast<int32_t>(plan_.full ? cell.plan.state_size() : cell.plan.hidden);
    plan_.exponents = static_cast<int32_t>(problem.exponents);
    plan_.from_unit_vectors = problem.initial_tangents.empty();
    plan_.warmup = static_cast<int32_t>(problem.warmup);
    plan_.total = static_cast<int32_t>(problem.warmup + problem.steps);
    require(problem.exponents >= 1 && problem.exponents <= plan_.dimension && problem.steps >= 1 && problem.warmup >= 0,
            "GPU chains: wrong sizes");
    require(static_cast<int64_t>(problem.inputs.size()) == problem.sequences * plan_.total * plan_.cell.input,
            "GPU chains: inputs of another size");
    const std::vector<float> noise = chain_noise(problem.exponents);
    noise_ = on_device(library, noise.data(), noise.size(), "random numbers");
    plan_.noise = noise_.as<float>();
    lay_out(plan_, facts.shared_memory);
    plan_.team = chain_team(facts, plan_, chains_);
    std::vector<double> all, matrices(packed.size() * static_cast<std::size_t>(plan_.cell.matrices));
    for (std::size_t n = 0; n < packed.size(); ++n) {
        require(static_cast<int64_t>(packed[n].size()) == plan_.cell.parameters, "GPU chains: parameters of another size");
        build_matrices(plan_.cell, packed[n].data(), matrices.data() + n * static_cast<std::size_t>(plan_.cell.matrices));
        all.insert(all.end(), packed[n].begin(), packed[n].end());
    }
    packed_ = on_device(library, all.data(), all.size(), "parameters");
    matrices_ = on_device(library, matrices.data(), matrices.size(), "matrices");
    inputs_ = on_device(library, problem.inputs.data(), problem.inputs.size(), "inputs");
    plan_memory_ = on_device(library, &plan_, 1, "a plan");
    memory_ = DeviceMemory(library, static_cast<std::size_t>(chains_ * plan_.memory) * sizeof(double), std::to_string(chains_) + " chains");
    start(problem);
}

void Chain::start(const backend::ChainProblem& problem) {
    const std::vector<int32_t> finite(static_cast<std::size_t>(chains_), 1);
    finite_ = on_device(library_, finite.data(), finite.size(), "flags");
    std::vector<double> tangents = problem.initial_tangents;
    if (plan_.from_unit_vectors) {
        tangents.assign(static_cast<std::size_t>(plan_.dimension) * static_cast<std::size_t>(plan_.exponents), 0.0);
        for (int64_t j = 0; j < plan_.exponents; ++j) tangents[static_cast<std::size_t>(j * plan_.dimension + j)] = 1.0;
    }
    const int64_t states = plan_.state_size(), given = static_cast<int64_t>(problem.initial_state.size());
    require((given == states || given == problem.sequences * states || given == chains_ * states) &&
                static_cast<int64_t>(tangents.size()) == int64_t{plan_.dimension} * plan_.exponents,
            "GPU chains: initial values of another size");
    std::vector<ChainWork> work;
    std::vector<double> all_states, all_tangents;
    for (int64_t chain = 0; chain < chains_; ++chain) {
        const int64_t network = chain / problem.sequences, sequence = chain % problem.sequences;
        const auto state = problem.initial_state.begin() + (given == states             ? 0
                                                            : given == chains_ * states ? chain * states
                                                                                        : sequence * states);
        all_states.insert(all_states.end(), state, state + states);
        all_tangents.insert(all_tangents.end(), tangents.begin(), tangents.end());
        work.push_back({.packed = packed_.as<double>() + network * plan_.cell.parameters,
                        .matrices = matrices_.as<double>() + network * plan_.cell.matrices,
                        .inputs = inputs_.as<double>() + sequence * plan_.total * plan_.cell.input,
                        .memory = memory_.as<double>() + chain * plan_.memory,
                        .finite = finite_.as<int32_t>() + chain});
    }
    const auto bytes = [](int64_t doubles) { return static_cast<std::size_t>(doubles) * sizeof(double); };
    const auto rows = static_cast<std::size_t>(chains_);
    memory_.upload_rows(all_states.data(), bytes(states), rows, bytes(plan_.memory), bytes(plan_.state));
    memory_.upload_rows(all_tangents.data(), tangents.size() * sizeof(double), rows, bytes(plan_.memory), bytes(plan_.q));
    work_ = on_device(library_, work.data(), work.size(), "work");
}

void Chain::advance(int64_t steps) {
    const auto now = static_cast<int32_t>(std::min(steps, plan_.total - done_));
    if (now <= 0 || chains_ == 0) return;
    library_.check(library_.table().chains(library_.device(), cell_, chains_, plan_, plan_memory_.as<ChainPlan>(), work_.as<ChainWork>(),
                                           static_cast<int32_t>(done_), now),
                   "Lyapunov chains");
    done_ += now;
}

std::vector<backend::ChainResult> Chain::results() const {
    require(done_ == plan_.total, "GPU chains: results before the last step");
    std::vector<int32_t> finite(static_cast<std::size_t>(chains_));
    finite_.download(finite.data(), finite.size() * sizeof(int32_t));
    const auto count = static_cast<std::size_t>(plan_.exponents), rows = static_cast<std::size_t>(chains_);
    std::vector<double> sums(rows * count), errors(rows * count);
    const auto bytes = [](int64_t doubles) { return static_cast<std::size_t>(doubles) * sizeof(double); };
    double* first = memory_.as<double>();
    memory_.download_rows(sums.data(), count * sizeof(double), rows, bytes(plan_.memory), bytes(plan_.log_sum));
    memory_.download_rows(errors.data(), count * sizeof(double), rows, bytes(plan_.memory), bytes(plan_.errors_of(first).sums() - first));
    std::vector<backend::ChainResult> all(rows);
    for (std::size_t chain = 0; chain < rows; ++chain) {
        const auto at = static_cast<std::ptrdiff_t>(chain * count), end = at + static_cast<std::ptrdiff_t>(count);
        all[chain] = {{sums.begin() + at, sums.begin() + end}, {errors.begin() + at, errors.begin() + end}, finite[chain] != 0};
    }
    return all;
}

}  // namespace aelle::cuda
