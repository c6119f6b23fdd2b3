#include "aelle/lyapunov/group.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "aelle/backend/extended.hpp"
#include "aelle/base/error.hpp"
#include "aelle/cells/layout.hpp"
#include "src/lyapunov/chain_parts.hpp"
#include "src/lyapunov/rounding.hpp"

namespace aelle::lyapunov {

struct GroupSpectra::Impl {
    const backend::Backend& backend;
    GroupProblem problem;
    int64_t dimension, exponents;
    std::unique_ptr<backend::ChainGroup> chains = nullptr;

    /// Q_0 of options.random_start, as SpectrumRun draws it.
    std::vector<double> initial_tangents() const {
        if (!problem.options.random_start) return {};
        std::vector<double> q(static_cast<std::size_t>(dimension * exponents)), log_r(static_cast<std::size_t>(exponents));
        backend::Backend::QrWork work;
        draw_tangents<double>(backend, problem.options.seed, {q.data(), dimension, exponents, dimension}, log_r, work);
        return q;
    }

    Spectrum spectrum_of(const backend::ChainResult& chain) const {
        const auto count = static_cast<std::size_t>(exponents);
        Spectrum spectrum;
        spectrum.logdet_defect = std::numeric_limits<double>::quiet_NaN();
        spectrum.finite = chain.finite;
        spectrum.factorisations = problem.options.warmup + problem.options.steps;
        spectrum.exponents.assign(count, std::numeric_limits<double>::quiet_NaN());
        spectrum.reliable.assign(count, 0);
        if (!chain.finite) return spectrum;
        const auto steps = static_cast<double>(problem.options.steps);
        tell(chain.log_sum, chain.error, steps, Precision<double>::exponent_tolerance * steps, problem.options.sorted, spectrum);
        return spectrum;
    }

    std::vector<double> state_of(int64_t chain) const {
        const int64_t size = problem.cell->blocks * problem.shape.hidden;
        const auto& all = problem.initial_state;
        const auto first = all.begin() + chain % (static_cast<int64_t>(all.size()) / size) * size;  // one, one a sequence, or one a chain
        return {first, first + size};
    }

    Spectrum again(int64_t chain) const {
        const auto sequences = static_cast<int64_t>(problem.sequences.size());
        const cells::Parameters& parameters = problem.networks[static_cast<std::size_t>(chain / sequences)];
        auto extended = backend::extended_network(*problem.cell, problem.shape, parameters, problem.space);
        const auto system =
            network_system<double>(backend.network(*problem.cell, problem.shape, parameters, problem.space),
                                   problem.sequences[static_cast<std::size_t>(chain % sequences)], state_of(chain), std::move(extended));
        return compute_spectrum(backend, *system, problem.options);
    }
};

bool GroupSpectra::possible(const SpectrumOptions& options) {
    return options.qr == backend::QrMethod::accurate && !options.transposed && (options.interval == 0 || options.interval == 1);
}

GroupSpectra::GroupSpectra(const backend::GroupEngine& engine, const backend::Backend& backend, GroupProblem problem) {
    require(possible(problem.options) && !problem.networks.empty() && !problem.sequences.empty(),
            "group spectra: a problem that devices do not know");
    const int64_t dimension = (problem.space == backend::TangentSpace::full ? problem.cell->blocks : 1) * problem.shape.hidden;
    const int64_t exponents = problem.options.exponents == 0 ? dimension : problem.options.exponents;
    impl_.reset(new Impl{backend, std::move(problem), dimension, exponents});
    const GroupProblem& p = impl_->problem;
    backend::ChainProblem chains{.space = p.space,
                                 .exponents = exponents,
                                 .steps = p.options.steps,
                                 .warmup = p.options.warmup,
                                 .inputs = {},
                                 .sequences = static_cast<int64_t>(p.sequences.size()),
                                 .initial_state = p.initial_state,
                                 .initial_tangents = impl_->initial_tangents()};
    const auto values = static_cast<std::size_t>((p.options.warmup + p.options.steps) * p.shape.input);
    for (const std::vector<double>& sequence : p.sequences) {
        require(sequence.size() >= values, "group spectra: a sequence is too short");
        chains.inputs.insert(chains.inputs.end(), sequence.begin(), sequence.begin() + static_cast<std::ptrdiff_t>(values));
    }
    const cells::ParameterLayout layout(*p.cell, p.shape, p.networks.front());
    std::vector<std::vector<double>> packed;
    for (const cells::Parameters& network : p.networks) packed.push_back(layout.pack<double>(network));
    impl_->chains = engine.chains(*p.cell, layout, p.networks.front(), packed, chains);
}

GroupSpectra::~GroupSpectra() = default;

int64_t GroupSpectra::steps_done() const { return impl_->chains->steps_done(); }

bool GroupSpectra::done() const { return steps_done() == impl_->problem.options.warmup + impl_->problem.options.steps; }

void GroupSpectra::advance(int64_t steps) { impl_->chains->advance(steps); }

std::vector<Spectrum> GroupSpectra::results(const ParallelFor& parallel) const {
    std::vector<Spectrum> all;
    std::vector<int64_t> doubtful;
    for (const backend::ChainResult& chain : impl_->chains->results()) {
        all.push_back(impl_->spectrum_of(chain));
        const Spectrum& spectrum = all.back();
        const bool reliable = std::find(spectrum.reliable.begin(), spectrum.reliable.end(), uint8_t{0}) == spectrum.reliable.end();
        if (spectrum.finite && !reliable && impl_->dimension <= impl_->problem.options.extended_up_to)
            doubtful.push_back(static_cast<int64_t>(all.size()) - 1);
    }
    parallel(static_cast<int64_t>(doubtful.size()), [&](int64_t i) {
        const int64_t chain = doubtful[static_cast<std::size_t>(i)];
        all[static_cast<std::size_t>(chain)] = impl_->again(chain);
    });
    return all;
}

}  // namespace aelle::lyapunov
