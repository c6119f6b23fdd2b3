#pragma once
/// Studies of networks trained by backpropagation through time: what sequential MNIST and the next character share. A task adds its data.
///
/// Tables: [training] optimizer, learning_rate, momentum, batch, dropout, clip · [spectrum] sequences · [init] unit_inputs ·
/// [data] batch_fraction, and the task's own keys · [cell.NAME] the scalars of a cell, for example [cell.lipschitz] eps.
/// The varied parameter is p, the half-width of the initial weights (cells.md 1.9). `loss_every_epoch` is the validation loss after each epoch,
/// `loss` and `accuracy` the same at spectrum epochs, and before training where a spectrum is taken then.
/// Spectra are means over validation sequences that are the same for all variants and epochs, from the zero state.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aelle/learn/bptt.hpp"
#include "aelle/learn/sequences.hpp"
#include "aelle/study/spectra.hpp"
#include "aelle/study/task.hpp"

namespace aelle::study {

struct BpttSettings {
    learn::BpttOptions training;
    double batch_fraction = 1.0;  ///< share of the batches of training and of validation that a variant sees; which, its seed says
    int64_t spectrum_sequences = 15;
    bool unit_inputs = false;                                       ///< learn::InitOptions
    std::map<std::string, cells::Parameters, std::less<>> scalars;  ///< by cell, where given
};

/// A task's sequences. Indices say which of them a study uses.
struct BpttData {
    std::shared_ptr<const learn::Sequences> training, validation, examples;
    std::vector<int64_t> training_indices, validation_indices, example_indices;
    bool one_hot = false;     ///< inputs are symbols
    SpectrumInputs spectrum;  ///< without initial state, which is a variant's
};

class BpttTask : public StudyTask {
public:
    std::string init_name() const override { return "p"; }
    std::string loss_name() const override { return "cross-entropy (nats)"; }
    void read_data(const std::filesystem::path& folder) override;
    cells::Shape shape(const Variant& variant) const override;
    double work(const Variant& variant) const override;
    double memory(const Variant& variant) const override;
    std::unique_ptr<Job> job(const Variant& variant, const backend::Backend& backend) const override;
    GroupJobs group_jobs(const backend::GroupEngine& engine, const backend::Backend& backend, int threads) const override;

    const StudyConfig& config() const { return config_; }
    const BpttSettings& settings() const { return settings_; }
    const BpttData& data() const { return data_; }
    /// Floating-point operations of training on one sequence once, and of one step of one spectrum of a kind.
    double training_work(const Variant& variant) const;
    double spectrum_step_work(const Variant& variant, std::size_t kind) const;
    /// The values of example_fields() from the class probabilities of the example sequences, (C x steps with a target * sequences).
    virtual std::vector<std::vector<double>> example_values(MatrixView<const float> probabilities) const = 0;
    learn::Model initial_model(const Variant& variant) const;
    /// Those of all variants, from the zero state of this one.
    SpectrumInputs spectrum_inputs(const Variant& variant) const;
    /// Which of the sequences a variant trains on, and on which it is validated.
    std::vector<int64_t> training_indices(const Variant& variant) const;
    std::vector<int64_t> validation_indices(const Variant& variant) const;

protected:
    struct Defaults {
        double learning_rate = 1e-3;
        int64_t batch = 128;
        double batch_fraction = 1.0;
    };
    /// `steps` of every sequence.
    BpttTask(TomlTable& root, const StudyConfig& config, const Defaults& defaults, int64_t steps);

    /// Fills the sequences, and the indices of training and validation; then the base picks those of spectra and examples.
    virtual void load(const std::filesystem::path& folder, BpttData& data) = 0;
    virtual int64_t example_count() const = 0;
    cells::Parameters scalars(const Variant& variant) const override;

    TomlTable table_;  ///< [data], for messages about files that do not fit it

private:
    void read_training(TomlTable table, const Defaults& defaults);
    void read_scalars(TomlTable table);
    void check_steps(TomlTable table);
    std::vector<int64_t> kept(const std::vector<int64_t>& all, const Variant& variant, uint64_t what) const;

    BpttSettings settings_;
    BpttData data_;
    TomlTable spectrum_table_;
    int64_t steps_;
};

}  // namespace aelle::study
