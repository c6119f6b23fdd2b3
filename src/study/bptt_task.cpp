#include "aelle/study/bptt_task.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "aelle/study/parallel.hpp"
#include "bptt_group_job.hpp"
#include "bptt_job.hpp"

namespace aelle::study {
namespace {

// Steps of Purpose::sequences: what is drawn.
enum Draw : uint64_t { for_spectra = 0, for_examples = 1, for_training = 2, for_validation = 3 };

/// `count` of `all`, each once, in a random order.
std::vector<int64_t> drawn(std::vector<int64_t> all, int64_t count, RandomStream stream) {
    for (int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        std::swap(all[at], all[at + static_cast<std::size_t>(stream.below(static_cast<int64_t>(all.size()) - i))]);
    }
    all.resize(static_cast<std::size_t>(count));
    return all;
}

/// Sequences as a trajectory in double precision reads them, (T x I) row-major each.
std::vector<std::vector<double>> as_inputs(const learn::Sequences& data, const std::vector<int64_t>& indices,
                                           const learn::Minibatch& batch) {
    const auto features = static_cast<std::size_t>(data.features()), count = indices.size();
    std::vector<std::vector<double>> all(count, std::vector<double>(static_cast<std::size_t>(data.steps()) * features, 0.0));
    for (std::size_t t = 0; t < static_cast<std::size_t>(data.steps()); ++t) {
        for (std::size_t b = 0; b < count; ++b) {
            const std::size_t column = t * count + b;
            double* x = all[b].data() + t * features;
            if (!batch.symbols.empty()) x[batch.symbols[column]] = 1.0;
            else std::copy_n(batch.values.begin() + static_cast<std::ptrdiff_t>(column * features), features, x);
        }
    }
    return all;
}

/// Matrix blocks of a cell: those that read the state and those that read the input (performance.md 2).
struct Blocks {
    double recurrent = 0, input = 0;
};

Blocks blocks_of(const cells::CellSpec& cell) {
    Blocks blocks;
    for (const cells::StageSpec& stage : cell.stages) {
        for (const cells::LinearTerm& term : stage.terms) {
            if (term.source == cells::Source::input) blocks.input += 1;
            if (term.source == cells::Source::state || term.source == cells::Source::updated_state) blocks.recurrent += 1;
        }
    }
    return blocks;
}

}  // namespace

BpttTask::BpttTask(TomlTable& root, const StudyConfig& config, const Defaults& defaults, int64_t steps)
    : StudyTask(config), table_(root.table("data")), spectrum_table_(root.table("spectrum")), steps_(steps) {
    TomlTable variants = root.table("variants");
    for (const std::string& cell : config.cells) {
        if (blocks_of(cells::find_cell(cell)).input == 0) {
            variants.fail("cells", "found '" + cell + "', which reads no input, expected cells that do for the task " + config.task);
        }
    }
    read_training(root.table("training"), defaults);
    read_scalars(root.table("cell"));
    check_steps(spectrum_table_);
    settings_.spectrum_sequences = spectrum_table_.integer("sequences", settings_.spectrum_sequences, 1, 1'000'000);
    settings_.unit_inputs = root.table("init").boolean("unit_inputs", false);
    settings_.batch_fraction = table_.real("batch_fraction", defaults.batch_fraction, 1e-6, 1.0);
}

void BpttTask::read_training(TomlTable table, const Defaults& defaults) {
    learn::BpttOptions& options = settings_.training;
    const bool adam = table.choice("optimizer", "adam", {"adam", "sgd"}) == "adam";
    options.optimizer = adam ? learn::Optimizer::adam : learn::Optimizer::sgd;
    options.learning_rate = table.real("learning_rate", defaults.learning_rate, 1e-12, 1e3);
    options.momentum = table.real("momentum", 0.0, 0.0, 1.0);
    if (adam && options.momentum != 0.0) table.fail("momentum", "found one with optimizer \"adam\", expected it with \"sgd\"");
    options.batch = table.integer("batch", defaults.batch, 1, 1'000'000);
    options.dropout = table.real("dropout", 0.1, 0.0, 0.99);
    options.clip = table.real("clip", 0.0, 0.0, 1e9);
}

void BpttTask::read_scalars(TomlTable table) {
    for (const cells::CellSpec& cell : cells::all_cells()) {  // also of cells that are not among the variants: --set may leave some out
        const std::string name(cell.name);
        if (!table.has(name)) continue;
        TomlTable values = table.table(name);
        for (const cells::ScalarSpec& scalar : cell.scalars) {
            const std::string key(scalar.name);
            if (values.has(key)) settings_.scalars[name].scalars[key] = values.real(key, std::nullopt, scalar.low, scalar.high);
        }
    }
}

void BpttTask::check_steps(TomlTable table) {
    SpectrumConfig& spectrum = config_.spectrum;
    if (spectrum.warmup >= steps_) {
        table.fail("warmup", "found " + std::to_string(spectrum.warmup) + ", expected fewer than the " + std::to_string(steps_) +
                                 " steps of a sequence");
    }
    if (spectrum.warmup + spectrum.steps > steps_) {
        table.fail("steps", "found " + std::to_string(spectrum.steps) + " after " + std::to_string(spectrum.warmup) +
                                " of warm-up, expected at most the " + std::to_string(steps_) + " of a sequence together");
    }
    if (spectrum.steps == 0) spectrum.steps = steps_ - spectrum.warmup;
    data_.spectrum.steps = spectrum.steps;
}

void BpttTask::read_data(const std::filesystem::path& folder) {
    load(folder, data_);
    const auto available = static_cast<int64_t>(data_.validation_indices.size());
    if (settings_.spectrum_sequences > available) {
        spectrum_table_.fail("sequences", "found " + std::to_string(settings_.spectrum_sequences) + ", expected at most " +
                                              std::to_string(available) + ", the sequences of validation");
    }
    if (example_count() > static_cast<int64_t>(data_.example_indices.size())) {
        table_.fail("validation", "found " + std::to_string(data_.example_indices.size()) + " sequences, expected at least " +
                                      std::to_string(example_count()) + ", those that study.h5 shows as examples");
    }
    const auto stream = [&](Draw what) { return RandomStream(config_.seed, 0, Purpose::sequences, what); };
    const std::vector<int64_t> indices = drawn(data_.validation_indices, settings_.spectrum_sequences, stream(for_spectra));
    learn::Minibatch batch;
    data_.validation->gather(indices, batch);
    data_.spectrum.sequences = as_inputs(*data_.validation, indices, batch);
    data_.one_hot = !batch.symbols.empty();
    data_.spectrum.seed = config_.seed;
    data_.example_indices = drawn(data_.example_indices, example_count(), stream(for_examples));
}

cells::Shape BpttTask::shape(const Variant& variant) const { return {variant.hidden, data_.training->features()}; }

cells::Parameters BpttTask::scalars(const Variant& variant) const {
    const auto given = settings_.scalars.find(variant.cell);
    return given == settings_.scalars.end() ? cells::Parameters{} : given->second;
}

learn::Model BpttTask::initial_model(const Variant& variant) const {
    learn::InitOptions options;
    options.p = variant.init;
    options.unit_inputs = settings_.unit_inputs;
    return learn::initial_model(cells::find_cell(variant.cell), shape(variant), data_.training->classes(), scalars(variant), options,
                                variant.seed, 0);
}

SpectrumInputs BpttTask::spectrum_inputs(const Variant& variant) const {
    SpectrumInputs inputs = data_.spectrum;
    inputs.initial_state.assign(static_cast<std::size_t>(cells::find_cell(variant.cell).blocks * variant.hidden), 0.0);
    return inputs;
}

std::vector<int64_t> BpttTask::kept(const std::vector<int64_t>& all, const Variant& variant, uint64_t what) const {
    if (settings_.batch_fraction == 1.0) return all;
    const int64_t batch = settings_.training.batch, count = static_cast<int64_t>(all.size());
    std::vector<int64_t> batches(static_cast<std::size_t>((count + batch - 1) / batch));
    std::iota(batches.begin(), batches.end(), 0);
    const auto wanted = std::max<int64_t>(1, std::llround(settings_.batch_fraction * static_cast<double>(batches.size())));
    batches = drawn(std::move(batches), wanted, RandomStream(variant.seed, 0, Purpose::sequences, what));
    std::sort(batches.begin(), batches.end());
    std::vector<int64_t> some;
    for (const int64_t b : batches) {
        some.insert(some.end(), all.begin() + b * batch, all.begin() + std::min(count, (b + 1) * batch));
    }
    return some;
}

std::vector<int64_t> BpttTask::training_indices(const Variant& variant) const {
    return kept(data_.training_indices, variant, for_training);
}

std::vector<int64_t> BpttTask::validation_indices(const Variant& variant) const {
    return kept(data_.validation_indices, variant, for_validation);
}

double BpttTask::training_work(const Variant& variant) const {
    const Blocks blocks = blocks_of(cells::find_cell(variant.cell));
    const auto h = static_cast<double>(variant.hidden), classes = static_cast<double>(data_.training->classes());
    const auto features = data_.one_hot ? 0.0 : static_cast<double>(data_.training->features());  // a column of the matrix is looked up
    return static_cast<double>(steps_) * 2.0 * h * (3.0 * h * blocks.recurrent + 2.0 * features * blocks.input) +
           static_cast<double>(data_.training->target_steps()) * 6.0 * h * classes;
}

double BpttTask::spectrum_step_work(const Variant& variant, std::size_t kind) const {
    const auto& method = lyapunov::find_kind(config_.spectrum.kinds[kind]);
    const auto d = static_cast<double>(lyapunov::tangent_dimension(method, cells::find_cell(variant.cell), shape(variant)));
    const auto k = static_cast<double>(exponent_count(variant, kind));
    return 2.0 * d * d * k + 4.0 * d * k * k + 2.0 / 3.0 * d * d * d;  // product, QR with Q, determinant
}

double BpttTask::work(const Variant& variant) const {
    const double training = static_cast<double>(data_.training_indices.size()) + static_cast<double>(data_.validation_indices.size()) / 3.0;
    double spectra = 0;
    for (std::size_t kind = 0; kind < config_.spectrum.kinds.size(); ++kind) spectra += spectrum_step_work(variant, kind);
    spectra *= static_cast<double>(config_.spectrum.epochs.size() * data_.spectrum.sequences.size()) *
               static_cast<double>(data_.spectrum.steps + config_.spectrum.warmup);
    return static_cast<double>(config_.epochs) * settings_.batch_fraction * training * training_work(variant) + spectra;
}

double BpttTask::memory(const Variant& variant) const {
    const cells::CellSpec& cell = cells::find_cell(variant.cell);
    const auto h = static_cast<double>(variant.hidden);
    double slots = 0;
    for (const cells::StageSpec& stage : cell.stages) slots += stage.slots;
    // Per unit, step and sequence: pre-activations, their partials and the state, and the gradients of as many.
    const double activations = 4.0 * h * 2.0 * (slots + 2.0 * cell.blocks) * static_cast<double>(steps_ * settings_.training.batch);
    const double d = static_cast<double>(cell.blocks) * h;
    return activations + 2.0 * weights_size(variant) + 8.0 * 6.0 * d * d;
}

std::unique_ptr<Job> BpttTask::job(const Variant& variant, const backend::Backend& backend) const {
    return make_bptt_job(*this, variant, backend);
}

StudyTask::GroupJobs BpttTask::group_jobs(const backend::GroupEngine& engine, const backend::Backend& backend, int threads) const {
    std::map<const learn::Sequences*, std::shared_ptr<const learn::DeviceCopy>> copies;  // sets may be parts of one
    const auto copy_of = [&](const std::shared_ptr<const learn::Sequences>& sequences) {
        auto& copy = copies[sequences.get()];
        if (!copy) copy = std::make_shared<const learn::DeviceCopy>(engine, *sequences);
        return copy;
    };
    const auto device = std::make_shared<const BpttDevice>(BpttDevice{
        {engine, backend, on_threads(threads), threads}, copy_of(data_.training), copy_of(data_.validation), copy_of(data_.examples)});
    return [this, device](std::span<const Variant> variants) {
        return make_bptt_group_job(*this, {variants.begin(), variants.end()}, *device);
    };
}

}  // namespace aelle::study
