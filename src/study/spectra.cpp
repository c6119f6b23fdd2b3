#include "aelle/study/spectra.hpp"

#include <algorithm>

#include "aelle/backend/extended.hpp"
#include "aelle/base/error.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace aelle::study {
namespace {

/// One chain in either precision.
class Chain {
public:
    virtual ~Chain() = default;
    virtual bool done() const = 0;
    virtual int64_t steps_done() const = 0;
    virtual void advance() = 0;
    virtual lyapunov::Spectrum result() const = 0;
    virtual void save(ArchiveWriter& archive) const = 0;
    virtual void load(ArchiveReader& archive) = 0;
};

template <class T>
class ChainOf final : public Chain {
public:
    ChainOf(const backend::Backend& backend, std::shared_ptr<backend::Network<T>> network, const std::vector<double>& inputs,
            const std::vector<double>& state, const lyapunov::SpectrumOptions& options,
            std::shared_ptr<backend::Network<DoubleDouble>> extended = nullptr)
        : system_(lyapunov::network_system<T>(std::move(network), {inputs.begin(), inputs.end()}, {state.begin(), state.end()},
                                              std::move(extended))),
          run_(backend, *system_, options) {}
    bool done() const override { return run_.done(); }
    int64_t steps_done() const override { return run_.steps_done(); }
    void advance() override { run_.advance(); }
    lyapunov::Spectrum result() const override { return run_.result(); }
    void save(ArchiveWriter& archive) const override { run_.save(archive); }
    void load(ArchiveReader& archive) override { run_.load(archive); }

private:
    std::unique_ptr<lyapunov::TangentSystem<T>> system_;
    lyapunov::SpectrumRun<T> run_;
};

}  // namespace

lyapunov::SpectrumOptions chain_options(const SpectrumConfig& config, const SpectrumInputs& inputs, const cells::CellSpec& cell,
                                        std::size_t kind) {
    lyapunov::SpectrumOptions options;
    options.exponents = config.exponents;
    options.steps = inputs.steps;
    options.warmup = config.warmup;
    options.interval = config.interval;
    options.qr = config.qr;
    options.random_start = config.random_start;
    options.seed = inputs.seed;
    options.extended_up_to = config.extended_up_to;
    lyapunov::apply(lyapunov::find_kind(config.kinds[kind]), cell, options);
    return options;
}

void SpectraSums::add(std::size_t kind, const lyapunov::Spectrum& spectrum) {
    const std::size_t count = spectrum.exponents.size();
    if (kind == sums_.size()) sums_.push_back({std::vector<double>(count, 0.0), std::vector<uint8_t>(count, 1)});
    for (std::size_t k = 0; k < count; ++k) {
        sums_[kind].exponents[k] += spectrum.exponents[k];
        sums_[kind].reliable[k] &= spectrum.reliable[k];
    }
}

void SpectraSums::add(std::size_t kind, const SpectraSums& other) {
    require(kind == sums_.size() && !other.sums_.empty(), "spectra: kinds come in order");
    sums_.push_back(other.sums_.front());
}

void SpectraSums::store(std::vector<KindSpectra>& spectra, std::size_t epoch, std::size_t sequences) const {
    const auto count = static_cast<double>(sequences);
    for (std::size_t i = 0; i < spectra.size(); ++i) {
        const KindSpectra& sum = sums_[i];
        const auto at = static_cast<std::ptrdiff_t>(epoch * sum.exponents.size());
        std::transform(sum.exponents.begin(), sum.exponents.end(), spectra[i].exponents.begin() + at,
                       [count](double value) { return value / count; });
        std::copy(sum.reliable.begin(), sum.reliable.end(), spectra[i].reliable.begin() + at);
    }
}

void SpectraSums::save(ArchiveWriter& archive) const {
    archive.value(static_cast<uint64_t>(sums_.size()));
    for (const KindSpectra& sum : sums_) {
        archive.array(sum.exponents);
        archive.array(sum.reliable);
    }
}

void SpectraSums::load(ArchiveReader& archive) {
    sums_.resize(archive.value<uint64_t>());
    for (KindSpectra& sum : sums_) {
        archive.array(sum.exponents);
        archive.array(sum.reliable);
    }
}

struct SpectraRun::Impl {
    const backend::Backend& backend;
    SpectrumConfig config;
    const cells::CellSpec& cell;
    cells::Shape shape;
    cells::Parameters parameters;
    const SpectrumInputs& inputs;
    std::size_t kind = 0, sequence = 0;  ///< of the chain in work
    int64_t steps = 0;                   ///< of finished chains
    SpectraSums sums = {};
    std::unique_ptr<Chain> chain = {};
    std::shared_ptr<backend::Network<float>> single = {};  ///< of `kind`, once a sequence has needed it, like those below
    std::shared_ptr<backend::Network<double>> network = {};
    std::shared_ptr<backend::Network<DoubleDouble>> extended = {};

    bool done() const { return kind == config.kinds.size(); }

    void start_chain() {
        chain.reset();
        if (done()) return;
        const auto& method = lyapunov::find_kind(config.kinds[kind]);
        const lyapunov::SpectrumOptions options = chain_options(config, inputs, cell, kind);
        const std::vector<double>& sequence_inputs = inputs.sequences[sequence];
        if (config.single_precision) {
            if (!single) single = backend.network_single(cell, shape, parameters, method.space);
            chain = std::make_unique<ChainOf<float>>(backend, single, sequence_inputs, inputs.initial_state, options);
        } else {
            const bool small = lyapunov::tangent_dimension(method, cell, shape) <= options.extended_up_to;
            if (!network) network = backend.network(cell, shape, parameters, method.space);
            if (small && !extended) extended = backend::extended_network(cell, shape, parameters, method.space);
            chain = std::make_unique<ChainOf<double>>(backend, network, sequence_inputs, inputs.initial_state, options, extended);
        }
    }
    void go_to(std::size_t next_kind, std::size_t next_sequence) {
        if (next_kind != kind) {
            single.reset();
            network.reset();
            extended.reset();
        }
        kind = next_kind;
        sequence = next_sequence;
    }
};

SpectraRun::SpectraRun(const backend::Backend& backend, const SpectrumConfig& config, const cells::CellSpec& cell,
                       const cells::Shape& shape, cells::Parameters parameters, const SpectrumInputs& inputs)
    : impl_(new Impl{backend, config, cell, shape, std::move(parameters), inputs}) {
    impl_->start_chain();
}

SpectraRun::~SpectraRun() = default;

bool SpectraRun::done() const { return impl_->done(); }

int64_t SpectraRun::steps_done() const { return impl_->steps + (impl_->chain ? impl_->chain->steps_done() : 0); }

int64_t SpectraRun::all_steps(const SpectrumConfig& config, int64_t sequences, int64_t steps) {
    return static_cast<int64_t>(config.kinds.size()) * sequences * (config.warmup + steps);
}

void SpectraRun::advance() {
    impl_->chain->advance();
    if (!impl_->chain->done()) return;
    impl_->sums.add(impl_->kind, impl_->chain->result());
    impl_->steps += impl_->chain->steps_done();
    if (impl_->sequence + 1 < impl_->inputs.sequences.size()) impl_->go_to(impl_->kind, impl_->sequence + 1);
    else impl_->go_to(impl_->kind + 1, 0);
    impl_->start_chain();
}

void SpectraRun::store(std::vector<KindSpectra>& spectra, std::size_t epoch) const {
    impl_->sums.store(spectra, epoch, impl_->inputs.sequences.size());
}

void SpectraRun::add_to(SpectraSums& sums, std::size_t kind) const { sums.add(kind, impl_->sums); }

void SpectraRun::save(ArchiveWriter& archive) const {
    archive.value(static_cast<uint64_t>(impl_->kind));
    archive.value(static_cast<uint64_t>(impl_->sequence));
    archive.value(impl_->steps);
    impl_->sums.save(archive);
    if (impl_->chain) impl_->chain->save(archive);
}

void SpectraRun::load(ArchiveReader& archive) {
    const auto kind = archive.value<uint64_t>();
    impl_->go_to(kind, archive.value<uint64_t>());
    archive.value(impl_->steps);
    impl_->sums.load(archive);
    impl_->start_chain();
    if (impl_->chain) impl_->chain->load(archive);
}

}  // namespace aelle::study
