#include "bptt_group_job.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "aelle/backend/groups.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "bptt_course.hpp"

namespace aelle::study {
namespace {

using Phase = BpttCourse::Phase;
using Who = std::vector<std::size_t>;

/// How much of something is done between two looks at the clock: what takes about a quarter of a second. Results do not depend on it.
class Pace {
public:
    int64_t amount() const { return amount_; }
    template <class F>
    void time(F&& f) {
        const auto start = std::chrono::steady_clock::now();
        f();
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const double factor = std::clamp(wanted / std::max(seconds, 1e-6), 0.25, 2.0);
        amount_ = std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(amount_) * factor), 1, 1 << 20);
    }

private:
    static constexpr double wanted = 0.25;  // seconds
    int64_t amount_ = 1;
};

std::vector<learn::Member> members_of(const BpttTask& task, const std::vector<Variant>& variants) {
    std::vector<learn::Member> members;
    for (const Variant& variant : variants)
        members.push_back({task.initial_model(variant), task.training_indices(variant), variant.seed, 0});
    return members;
}

/// How far the validation of one network is.
struct Validation {
    int64_t position = 0, predictions = 0, correct = 0;
    double sum = 0.0;
};

class BpttGroupJob final : public GroupJob {
public:
    BpttGroupJob(const BpttTask& task, const std::vector<Variant>& variants, const BpttDevice& device)
        : task_(task),
          device_(device),
          config_(task.config()),
          inputs_(task.spectrum_inputs(variants.front())),
          trainer_(device.engine, task.settings().training, *device.training, members_of(task, variants)),
          validations_(variants.size()),
          most_spectra_(variants.size()) {
        for (std::size_t i = 0; i < variants.size(); ++i) courses_.emplace_back(task, variants[i], trainer_.updates_per_epoch(i));
    }

    std::size_t size() const override { return courses_.size(); }
    bool done(std::size_t i) const override { return courses_[i].done(); }
    double progress(std::size_t i) const override { return courses_[i].progress(); }
    VariantResult result(std::size_t i) const override { return courses_[i].result(); }

    void advance() override {
        if (spectra_) return spectrum_slice();
        if (const Who who = in(Phase::examples); !who.empty()) return measure_examples(who);
        if (const Who who = in(Phase::spectrum); !who.empty()) return begin_spectra(who);
        if (const Who who = in(Phase::validating); !who.empty()) return validate_slice(who);
        if (const Who who = in(Phase::training); !who.empty()) return train_slice(who);
    }

    /// Spectra in work are not saved: they begin anew.
    void save(std::size_t i, ArchiveWriter& archive) const override {
        courses_[i].save(archive);
        trainer_.save(i, archive);
        if (courses_[i].phase() == Phase::validating) archive.value(validations_[i]);
    }
    void load(std::size_t i, ArchiveReader& archive) override {
        courses_[i].load(archive);
        trainer_.load(i, archive);
        if (courses_[i].phase() == Phase::validating) archive.value(validations_[i]);
    }

private:
    /// Spectra of some networks, kind after kind.
    struct Spectra {
        Who who;
        std::vector<cells::Parameters> networks;
        std::vector<SpectraSums> sums;
        std::size_t kind = 0;
        std::unique_ptr<lyapunov::GroupSpectra> run = nullptr;
        std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    };
    /// Spectra in work are not saved, so only so many are begun together as take about this long.
    static constexpr double spectra_seconds = 0.5;

    Who in(Phase phase) const {
        Who who;
        for (std::size_t i = 0; i < size(); ++i)
            if (courses_[i].phase() == phase) who.push_back(i);
        return who;
    }
    int64_t batch() const { return task_.settings().training.batch; }

    void keep_if_done(std::size_t i) {
        if (courses_[i].done() && config_.keep_weights) courses_[i].keep(trainer_.model(i));
    }

    void train_slice(const Who& who) {
        std::vector<int64_t> before, left;
        for (const std::size_t i : who) {
            before.push_back(trainer_.updates_done(i));
            left.push_back(trainer_.left_in_epoch(i));
        }
        training_pace_.time([&] { trainer_.update(who, training_pace_.amount()); });
        for (std::size_t n = 0; n < who.size(); ++n) {
            BpttCourse& course = courses_[who[n]];
            const int64_t updates = trainer_.updates_done(who[n]) - before[n];
            course.trained(updates);
            if (!trainer_.finite(who[n])) course.diverged_in_training();
            else if (updates == left[n]) course.trained_epoch();
            keep_if_done(who[n]);
        }
    }

    void validate_slice(const Who& who) {
        std::vector<learn::GroupTrainer::Part> parts;
        for (const std::size_t i : who) {
            const std::vector<int64_t>& all = courses_[i].validation();
            const int64_t first = validations_[i].position;
            const int64_t count = std::min(validation_pace_.amount() * batch(), static_cast<int64_t>(all.size()) - first);
            parts.push_back({i, std::span(all).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))});
        }
        std::vector<learn::GroupTrainer::Loss> losses;
        validation_pace_.time([&] { losses = trainer_.evaluate(*device_.validation, parts); });
        for (std::size_t n = 0; n < who.size(); ++n) {
            Validation& v = validations_[who[n]];
            BpttCourse& course = courses_[who[n]];
            const auto count = static_cast<int64_t>(parts[n].sequences.size());
            v.position += count;
            v.sum += losses[n].sum;
            v.predictions += losses[n].predictions;
            v.correct += losses[n].correct;
            course.evaluated((count + batch() - 1) / batch());
            if (v.position < static_cast<int64_t>(course.validation().size())) continue;
            const auto predictions = static_cast<double>(v.predictions);
            course.validated(v.sum / predictions, static_cast<double>(v.correct) / predictions);
            v = {};
            keep_if_done(who[n]);
        }
    }

    void begin_spectra(const Who& who) {
        spectra_.emplace();
        spectra_->who.assign(who.begin(), who.begin() + static_cast<std::ptrdiff_t>(std::min(spectra_at_once_, who.size())));
        spectra_->sums.resize(spectra_->who.size());
        for (const std::size_t i : spectra_->who) spectra_->networks.push_back(trainer_.model(i).parameters);
        begin_kind();
    }

    const cells::CellSpec& cell() const { return cells::find_cell(courses_.front().variant().cell); }
    cells::Shape shape() const { return task_.shape(courses_.front().variant()); }

    /// Chains of the kind, or all of it at once on the host where devices do not know it.
    void begin_kind() {
        const lyapunov::SpectrumOptions options = chain_options(config_.spectrum, inputs_, cell(), spectra_->kind);
        if (config_.spectrum.single_precision || !lyapunov::GroupSpectra::possible(options)) return take_on_host();
        const backend::TangentSpace space = lyapunov::find_kind(config_.spectrum.kinds[spectra_->kind]).space;
        try {
            spectra_->run = std::make_unique<lyapunov::GroupSpectra>(
                device_.engine, device_.backend,
                lyapunov::GroupProblem{&cell(), shape(), space, spectra_->networks, inputs_.sequences, inputs_.initial_state, options});
        } catch (const backend::OutOfDeviceMemory&) {
            if (spectra_->who.size() == 1) throw;
            spectra_at_once_ = most_spectra_ = spectra_->who.size() / 2;  // the others follow
            spectra_.reset();
        }
    }

    void take_on_host() {
        SpectrumConfig one = config_.spectrum;
        one.kinds = {config_.spectrum.kinds[spectra_->kind]};
        device_.parallel(static_cast<int64_t>(spectra_->who.size()), [&](int64_t n) {
            SpectraRun run(device_.backend, one, cell(), shape(), spectra_->networks[static_cast<std::size_t>(n)], inputs_);
            while (!run.done()) run.advance();
            run.add_to(spectra_->sums[static_cast<std::size_t>(n)], spectra_->kind);
        });
        end_kind();
    }

    void spectrum_slice() {
        lyapunov::GroupSpectra& run = *spectra_->run;
        if (!run.done()) return spectrum_pace_.time([&] { run.advance(spectrum_pace_.amount()); });
        const std::vector<lyapunov::Spectrum> all = run.results(device_.parallel);
        for (std::size_t chain = 0; chain < all.size(); ++chain)
            spectra_->sums[chain / inputs_.sequences.size()].add(spectra_->kind, all[chain]);
        end_kind();
    }

    void end_kind() {
        spectra_->run.reset();
        if (++spectra_->kind < config_.spectrum.kinds.size()) return begin_kind();
        const Spectra finished = std::move(*spectra_);
        spectra_.reset();
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - finished.start).count();
        if (seconds < spectra_seconds) spectra_at_once_ = std::min(2 * finished.who.size(), most_spectra_);
        else if (seconds > 4 * spectra_seconds) spectra_at_once_ = std::max<std::size_t>(1, finished.who.size() / 2);
        for (std::size_t n = 0; n < finished.who.size(); ++n) {
            BpttCourse& course = courses_[finished.who[n]];
            finished.sums[n].store(course.spectra(), course.spectrum_index(), inputs_.sequences.size());
            course.followed(SpectraRun::all_steps(config_.spectrum, static_cast<int64_t>(inputs_.sequences.size()), inputs_.steps));
            course.took_spectra();
            keep_if_done(finished.who[n]);
        }
    }

    /// Class probabilities of the example sequences, (C x steps with a target * sequences), a batch at a time.
    void measure_examples(const Who& who) {
        const std::vector<int64_t>& indices = task_.data().example_indices;
        const int64_t count = static_cast<int64_t>(indices.size()), classes = device_.examples->shape().classes,
                      steps = device_.examples->shape().target_steps;
        std::vector<Matrix<float>> probabilities(who.size(), Matrix<float>(classes, steps * count));
        for (int64_t first = 0; first < count; first += batch()) {
            const int64_t some = std::min(batch(), count - first);
            std::vector<learn::GroupTrainer::Part> parts;
            for (const std::size_t i : who)
                parts.push_back({i, std::span(indices).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(some))});
            std::vector<float> values;
            trainer_.evaluate(*device_.examples, parts, &values);
            auto from = values.begin();
            for (Matrix<float>& to : probabilities)
                for (int64_t t = 0; t < steps; ++t)
                    for (int64_t b = 0; b < some; ++b, from += classes) std::copy_n(from, classes, to.column(t * count + first + b));
        }
        for (std::size_t n = 0; n < who.size(); ++n) {
            courses_[who[n]].measured_examples(task_.example_values(std::as_const(probabilities[n]).view()));
            keep_if_done(who[n]);
        }
    }

    const BpttTask& task_;
    const BpttDevice& device_;
    const StudyConfig& config_;
    SpectrumInputs inputs_;
    learn::GroupTrainer trainer_;
    std::vector<BpttCourse> courses_;
    std::vector<Validation> validations_;
    std::optional<Spectra> spectra_;
    std::size_t spectra_at_once_ = 1, most_spectra_;
    Pace training_pace_, validation_pace_, spectrum_pace_;
};

}  // namespace

std::unique_ptr<GroupJob> make_bptt_group_job(const BpttTask& task, const std::vector<Variant>& variants, const BpttDevice& device) {
    return std::make_unique<BpttGroupJob>(task, variants, device);
}

}  // namespace aelle::study
