#pragma once
/// The signal study: Rank-1 networks trained by FORCE on four sines (cells.md "rank1").
///
/// Tables: [signal] target ("random_4sine", "fixed"), steps_per_epoch, test_epochs, test_after ("last", "spectra", "every") ·
/// [force] initialisation (gaussian or r-force), dt, density, alpha, learn_every, initial_scale.
/// The varied initialisation parameter is the gain g. `loss_every_epoch` is the training error, `loss` the test error at spectrum epochs.
/// A spectrum is that of the closed loop from the state at the end of its epoch (at epoch 0 from the initial state).

#include <memory>
#include <vector>

#include "aelle/learn/force.hpp"
#include "aelle/study/spectra.hpp"
#include "aelle/study/task.hpp"

namespace aelle::study {

enum class TestAfter { last, spectra, every };

struct SignalOptions {
    bool random_target = true;
    int64_t steps_per_epoch = 1200;
    int64_t test_epochs = 1;
    TestAfter test_after = TestAfter::last;
    learn::ForceOptions force;  ///< hidden and gain are the variant's
};

class SignalTask : public StudyTask {
public:
    SignalTask(TomlTable& root, const StudyConfig& config);

    std::string init_name() const override { return "g"; }
    std::string loss_name() const override { return "mean absolute error"; }
    void read_data(const std::filesystem::path&) override {}  // it needs none
    cells::Shape shape(const Variant& variant) const override { return {variant.hidden, 0}; }
    double work(const Variant& variant) const override;
    double memory(const Variant& variant) const override;
    std::vector<ExampleField> example_fields() const override;
    void write_shared_examples(io::H5Writer& file) const override;
    std::unique_ptr<Job> job(const Variant& variant, const backend::Backend& backend) const override;
    GroupJobs group_jobs(const backend::GroupEngine& engine, const backend::Backend& backend, int threads) const override;

    const StudyConfig& config() const { return config_; }
    const SignalOptions& options() const { return options_; }
    /// One epoch's target.
    std::vector<double> period(const Variant& variant) const;
    learn::ForceOptions force_options(const Variant& variant) const;
    cells::Parameters initial_network(const Variant& variant) const;
    int64_t spectrum_steps() const;
    /// Of all variants, without the state in which a spectrum begins.
    SpectrumInputs spectrum_inputs() const;

protected:
    cells::Parameters scalars(const Variant& variant) const override;

private:
    SignalOptions options_;
};

}  // namespace aelle::study
