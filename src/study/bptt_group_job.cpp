#include "bptt_group_job.hpp"

#include <algorithm>
#include <utility>

#include "bptt_course.hpp"
#include "pace.hpp"

namespace aelle::study {
namespace {

using Phase = BpttCourse::Phase;
using Who = std::vector<std::size_t>;

std::vector<learn::Member> members_of(const BpttTask& task, const std::vector<Variant>& variants) {
    std::vector<learn::Member> members;
    for (const Variant& variant : variants)
        members.push_back({task.initial_model(variant), task.training_indices(variant), variant.seed, 0});
    return members;
}

/// How far the validation of one network is.
struct Validation {
    int64_t position = 0;
    learn::GroupTrainer::Loss loss;
};

class BpttGroupJob final : public GroupJob {
public:
    BpttGroupJob(const BpttTask& task, const std::vector<Variant>& variants, const BpttDevice& device)
        : task_(task),
          device_(device),
          config_(task.config()),
          trainer_(device.engine, task.settings().training, *device.training, members_of(task, variants)),
          validations_(variants.size()),
          spectra_(device, config_.spectrum, cells::find_cell(variants.front().cell), task.shape(variants.front()),
                   task.spectrum_inputs(variants.front())) {
        for (std::size_t i = 0; i < variants.size(); ++i) courses_.emplace_back(task, variants[i], trainer_.updates_per_epoch(i));
    }

    std::size_t size() const override { return courses_.size(); }
    bool done(std::size_t i) const override { return courses_[i].done(); }
    double progress(std::size_t i) const override { return courses_[i].progress(); }
    VariantResult result(std::size_t i) const override { return courses_[i].result(); }

    void advance() override {
        if (spectra_.busy()) return spectrum_slice();
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
            parts.push_back(
                {i, std::span(all).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), validations_[i].loss});
        }
        std::vector<learn::GroupTrainer::Loss> losses;
        validation_pace_.time([&] { losses = trainer_.evaluate(*device_.validation, parts); });
        for (std::size_t n = 0; n < who.size(); ++n) {
            Validation& v = validations_[who[n]];
            BpttCourse& course = courses_[who[n]];
            const auto count = static_cast<int64_t>(parts[n].sequences.size());
            v.position += count;
            v.loss = losses[n];
            course.evaluated((count + batch() - 1) / batch());
            if (v.position < static_cast<int64_t>(course.validation().size())) continue;
            const auto predictions = static_cast<double>(v.loss.predictions);
            course.validated(v.loss.sum / predictions, static_cast<double>(v.loss.correct) / predictions);
            v = {};
            keep_if_done(who[n]);
        }
    }

    void begin_spectra(const Who& who) {
        spectra_.begin(who, [this](std::size_t i) { return StudyGroupSpectra::Network{trainer_.model(i).parameters, {}}; });
    }

    void spectrum_slice() {
        if (!spectra_.done()) return spectra_.advance();
        const int64_t steps = task_.data().spectrum.steps, sequences = static_cast<int64_t>(task_.data().spectrum.sequences.size());
        spectra_.take([&](std::size_t i, const SpectraSums& sums) {
            BpttCourse& course = courses_[i];
            sums.store(course.spectra(), course.spectrum_index(), static_cast<std::size_t>(sequences));
            course.followed(SpectraRun::all_steps(config_.spectrum, sequences, steps));
            course.took_spectra();
            keep_if_done(i);
        });
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
    learn::GroupTrainer trainer_;
    std::vector<BpttCourse> courses_;
    std::vector<Validation> validations_;
    StudyGroupSpectra spectra_;
    Pace training_pace_, validation_pace_;
};

}  // namespace

std::unique_ptr<GroupJob> make_bptt_group_job(const BpttTask& task, const std::vector<Variant>& variants, const BpttDevice& device) {
    return std::make_unique<BpttGroupJob>(task, variants, device);
}

}  // namespace aelle::study
