#include "group_spectra.hpp"

#include <algorithm>
#include <utility>

#include "aelle/lyapunov/kinds.hpp"

namespace aelle::study {
namespace {

constexpr double wanted_seconds = 0.5;

}  // namespace

StudyGroupSpectra::StudyGroupSpectra(SpectraDevice device, const SpectrumConfig& config, const cells::CellSpec& cell,
                                     const cells::Shape& shape, SpectrumInputs inputs)
    : device_(std::move(device)), config_(config), cell_(cell), shape_(shape), inputs_(std::move(inputs)) {
    const auto sequences = static_cast<int64_t>(inputs_.sequences.size());
    at_once_ = static_cast<std::size_t>(std::max<int64_t>({1, device_.engine.wanted() / 4 / sequences, device_.threads}));
    least_ = at_once_;
}

void StudyGroupSpectra::begin(std::span<const std::size_t> who, const std::function<Network(std::size_t)>& network) {
    start_ = std::chrono::steady_clock::now();
    const auto some = who.first(std::min(at_once_, who.size()));
    who_.assign(some.begin(), some.end());
    for (const std::size_t i : who_) networks_.push_back(network(i));
    sums_.resize(who_.size());
    begin_kind();
}

/// Chains of the kind, or all of it at once on the host where devices do not know it.
void StudyGroupSpectra::begin_kind() {
    const lyapunov::SpectrumOptions options = chain_options(config_, inputs_, cell_, kind_);
    if (config_.single_precision || !lyapunov::GroupSpectra::possible(options)) return take_on_host();
    try {
        start_chains(options);
    } catch (const backend::OutOfDeviceMemory&) {
        if (who_.size() == 1) throw;
        at_once_ = most_ = who_.size() / 2;  // the others follow
        clear();
    }
}

void StudyGroupSpectra::start_chains(const lyapunov::SpectrumOptions& options) {
    const backend::TangentSpace space = lyapunov::find_kind(config_.kinds[kind_]).space;
    lyapunov::GroupProblem problem{&cell_, shape_, space, {}, inputs_.sequences, {}, options};
    for (const Network& network : networks_) {
        problem.networks.push_back(network.parameters);
        for (std::size_t s = 0; s < inputs_.sequences.size(); ++s)
            problem.initial_state.insert(problem.initial_state.end(), initial_state(network).begin(), initial_state(network).end());
    }
    run_ = std::make_unique<lyapunov::GroupSpectra>(device_.engine, device_.backend, std::move(problem));
}

void StudyGroupSpectra::take_on_host() {
    SpectrumConfig one = config_;
    one.kinds = {config_.kinds[kind_]};
    device_.parallel(static_cast<int64_t>(networks_.size()), [&](int64_t n) {
        const Network& network = networks_[static_cast<std::size_t>(n)];
        SpectrumInputs inputs = inputs_;
        inputs.initial_state = initial_state(network);
        SpectraRun run(device_.backend, one, cell_, shape_, network.parameters, inputs);
        while (!run.done()) run.advance();
        run.add_to(sums_[static_cast<std::size_t>(n)], kind_);
    });
    if (++kind_ < config_.kinds.size()) begin_kind();
}

void StudyGroupSpectra::advance() {
    if (run_->done()) return take_results();
    pace_.time([&] { run_->advance(pace_.amount()); });
}

void StudyGroupSpectra::take_results() {
    std::size_t chain = 0;
    for (const lyapunov::Spectrum& spectrum : run_->results(device_.parallel))
        sums_[chain++ / inputs_.sequences.size()].add(kind_, spectrum);
    run_.reset();
    if (++kind_ < config_.kinds.size()) begin_kind();
}

void StudyGroupSpectra::take(const std::function<void(std::size_t, const SpectraSums&)>& take) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    if (seconds < wanted_seconds) at_once_ = std::min(2 * who_.size(), most_);
    else if (seconds > 4 * wanted_seconds) at_once_ = std::max(std::min(least_, most_), who_.size() / 2);
    for (std::size_t n = 0; n < who_.size(); ++n) take(who_[n], sums_[n]);
    clear();
}

void StudyGroupSpectra::clear() {
    run_.reset();
    who_.clear();
    networks_.clear();
    sums_.clear();
    kind_ = 0;
}

}  // namespace aelle::study
