#include "signal_group_job.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "aelle/learn/force_group.hpp"
#include "pace.hpp"
#include "signal_course.hpp"
#include "signal_job.hpp"

namespace aelle::study {
namespace {

using Phase = SignalCourse::Phase;
using Who = std::vector<std::size_t>;

std::vector<learn::ForceMember> members_of(const SignalTask& task, std::span<const Variant> variants) {
    std::vector<learn::ForceMember> members;
    for (const Variant& variant : variants) members.push_back({task.initial_network(variant), task.period(variant), variant.seed, 0});
    return members;
}

class SignalGroupJob final : public GroupJob {
public:
    SignalGroupJob(const SignalTask& task, std::span<const Variant> variants, const SpectraDevice& device)
        : task_(task),
          trainer_(device.engine, task.force_options(variants.front()), members_of(task, variants)),
          progress_of_tests_(variants.size()),
          spectra_(device, task.config().spectrum, cells::find_cell("rank1"), task.shape(variants.front()), task.spectrum_inputs()) {
        for (const Variant& variant : variants) courses_.emplace_back(task, variant);
    }

    std::size_t size() const override { return courses_.size(); }
    bool done(std::size_t i) const override { return courses_[i].done(); }
    double progress(std::size_t i) const override { return courses_[i].progress(); }
    VariantResult result(std::size_t i) const override { return courses_[i].result(); }

    /// Tests come last, so that those of networks which diverged wait for the others.
    void advance() override {
        if (spectra_.busy()) return spectrum_slice();
        if (const Who who = in(Phase::training); !who.empty()) return train_slice(who);
        if (const Who who = in(Phase::spectrum); !who.empty()) return begin_spectra(who);
        if (tests_) return test_slice();
        if (const Who who = in(Phase::testing); !who.empty()) return begin_tests(who);
    }

    /// Spectra in work are not saved: they begin anew.
    void save(std::size_t i, ArchiveWriter& archive) const override {
        courses_[i].save(archive);
        trainer_.save(i, archive);
        if (courses_[i].phase() == Phase::testing) archive.array(progress_of_tests(i));
    }
    void load(std::size_t i, ArchiveReader& archive) override {
        courses_[i].load(archive);
        trainer_.load(i, archive);
        if (courses_[i].phase() == Phase::testing) archive.array(progress_of_tests_[i]);
    }

private:
    Who in(Phase phase) const {
        Who who;
        for (std::size_t i = 0; i < size(); ++i)
            if (courses_[i].phase() == phase) who.push_back(i);
        return who;
    }

    void keep_if_done(std::size_t i) {
        if (courses_[i].done() && task_.config().keep_weights)
            courses_[i].keep(trainer_.parameters(i), trainer_.state(i), trainer_.output(i));
    }

    /// Whether a network has diverged is asked at the ends of epochs alone, so that all that is kept of it is independent of the slices.
    void train_slice(const Who& who) {
        std::vector<int64_t> before;
        for (const std::size_t i : who) before.push_back(trainer_.steps_done(i));
        training_pace_.time([&] { trainer_.train(who, training_pace_.amount()); });
        for (std::size_t n = 0; n < who.size(); ++n) {
            const std::size_t i = who[n];
            courses_[i].ran(trainer_.steps_done(i) - before[n]);
            if (trainer_.steps_done(i) % task_.options().steps_per_epoch != 0) continue;
            if (trainer_.finite(i)) courses_[i].trained_epoch(trainer_.training_error(i), trainer_.snapshot(i));
            else courses_[i].diverged_in_training();
            keep_if_done(i);
        }
    }

    void begin_spectra(const Who& who) {
        spectra_.begin(who, [this](std::size_t i) { return StudyGroupSpectra::Network{trainer_.parameters(i), trainer_.state(i)}; });
    }

    void spectrum_slice() {
        if (!spectra_.done()) return spectra_.advance();
        spectra_.take([this](std::size_t i, const SpectraSums& sums) {
            sums.store(courses_[i].spectra(), courses_[i].spectrum_index(), 1);
            courses_[i].ran(SpectraRun::all_steps(task_.config().spectrum, 1, task_.spectrum_steps()));
            courses_[i].took_spectra();
            keep_if_done(i);
        });
    }

    /// As many at once as the device holds; the others follow.
    void begin_tests(const Who& who) {
        tested_.assign(who.begin(), who.begin() + static_cast<std::ptrdiff_t>(std::min(who.size(), tests_at_once_)));
        std::vector<learn::ForceGroupTrainer::TestStart> starts;
        for (const std::size_t i : tested_) starts.push_back({i, courses_[i].snapshots(), progress_of_tests_[i]});
        try {
            tests_.emplace(trainer_.start_tests(starts));
        } catch (const backend::OutOfDeviceMemory&) {
            if (tested_.size() == 1) throw;
            tests_at_once_ = tested_.size() / 2;
        }
    }

    void test_slice() {
        std::vector<int64_t> first, most;
        for (std::size_t part = 0; part < tested_.size(); ++part) {
            first.push_back(tests_->steps_done(part));
            most.push_back(std::min(test_pace_.amount(), courses_[tested_[part]].test_steps() - first[part]));
        }
        std::vector<Matrix<double>> outputs;
        test_pace_.time([&] { outputs = tests_->run(most); });
        bool all = true;
        for (std::size_t part = 0; part < tested_.size(); ++part) {
            SignalCourse& course = courses_[tested_[part]];
            if (course.done()) continue;
            course.ran(outputs[part].cols());
            course.tested(first[part], std::as_const(outputs[part]).view());
            if (tests_->steps_done(part) == course.test_steps()) judge(part);
            all = all && course.done();
        }
        if (all) tests_.reset();
    }

    void judge(std::size_t part) {
        const std::size_t i = tested_[part];
        std::vector<double> errors;
        for (std::size_t k = 0; k < courses_[i].snapshots().size(); ++k) errors.push_back(tests_->error(part, static_cast<int64_t>(k)));
        courses_[i].judged(errors);
        keep_if_done(i);
    }

    std::vector<std::byte> progress_of_tests(std::size_t i) const {
        const auto at = std::ranges::find(tested_, i);
        if (!tests_ || at == tested_.end()) return progress_of_tests_[i];
        ArchiveWriter archive;
        tests_->save(static_cast<std::size_t>(at - tested_.begin()), archive);
        return archive.take();
    }

    const SignalTask& task_;
    learn::ForceGroupTrainer trainer_;
    std::vector<SignalCourse> courses_;
    std::vector<std::vector<std::byte>> progress_of_tests_;  ///< as loaded; empty where they have not begun
    std::vector<std::size_t> tested_;                        ///< whose tests are in work
    std::optional<learn::ForceGroupTrainer::Tests> tests_;
    std::size_t tests_at_once_ = static_cast<std::size_t>(-1);
    StudyGroupSpectra spectra_;
    Pace training_pace_, test_pace_;
};

/// The host's jobs of some variants, a slice of a few at a time; a job takes memory only while it is one of these.
class HostJobs final : public GroupJob {
public:
    HostJobs(const SignalTask& task, std::span<const Variant> variants, const SpectraDevice& device)
        : task_(task), variants_(variants.begin(), variants.end()), device_(device), jobs_(variants.size()), results_(variants.size()) {}

    std::size_t size() const override { return variants_.size(); }
    bool done(std::size_t i) const override { return results_[i].has_value(); }
    double progress(std::size_t i) const override { return done(i) ? 1.0 : jobs_[i] ? jobs_[i]->progress() : 0.0; }
    VariantResult result(std::size_t i) const override { return *results_[i]; }

    void advance() override {
        Who who;
        for (std::size_t i = 0; i < size() && who.size() < static_cast<std::size_t>(device_.threads); ++i)
            if (!done(i)) who.push_back(i);
        device_.parallel(static_cast<int64_t>(who.size()), [&](int64_t n) { advance(who[static_cast<std::size_t>(n)]); });
    }

    void save(std::size_t i, ArchiveWriter& archive) const override {
        archive.value(done(i) ? State::done : jobs_[i] ? State::started : State::waiting);
        if (done(i)) results_[i]->save(archive);
        else if (jobs_[i]) jobs_[i]->save(archive);
    }
    void load(std::size_t i, ArchiveReader& archive) override {
        const auto state = archive.value<State>();
        if (state == State::done) results_[i].emplace().load(archive);
        if (state != State::started) return;
        jobs_[i] = make_signal_job(task_, variants_[i], device_.backend);
        jobs_[i]->load(archive);
    }

private:
    enum class State : int32_t { waiting, started, done };

    void advance(std::size_t i) {
        if (!jobs_[i]) jobs_[i] = make_signal_job(task_, variants_[i], device_.backend);
        jobs_[i]->advance();
        if (!jobs_[i]->done()) return;
        results_[i] = jobs_[i]->result();
        jobs_[i].reset();
    }

    const SignalTask& task_;
    std::vector<Variant> variants_;
    SpectraDevice device_;
    std::vector<std::unique_ptr<Job>> jobs_;
    std::vector<std::optional<VariantResult>> results_;
};

}  // namespace

std::unique_ptr<GroupJob> make_signal_group_job(const SignalTask& task, std::span<const Variant> variants, const SpectraDevice& device) {
    if (variants.front().hidden > device.engine.largest_force()) return std::make_unique<HostJobs>(task, variants, device);
    return std::make_unique<SignalGroupJob>(task, variants, device);
}

}  // namespace aelle::study
