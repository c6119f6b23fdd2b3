#include "aelle/learn/force_group.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "aelle/base/error.hpp"
#include "force_parts.hpp"

namespace aelle::learn {
namespace {

// Steps of one call at most: they bound the buffers of targets and outputs, and make no difference to the results.
constexpr int64_t longest_training = 1024, longest_tests = 256;

backend::ForceState device_state(const backend::ForceLoop::State& state) {
    return {
        .x = {state.x.begin(), state.x.end()}, .z = state.z, .w_out = {state.w_out.begin(), state.w_out.end()}, .p = {}, .v = {}, .c = {}};
}

void save_state(ArchiveWriter& archive, const backend::ForceState& state) {
    for (const auto* values : {&state.x, &state.w_out, &state.p, &state.v, &state.c}) archive.array(*values);
    archive.value(state.z);
}

backend::ForceState load_state(ArchiveReader& archive, int64_t hidden) {
    backend::ForceState state;
    for (auto* values : {&state.x, &state.w_out, &state.p, &state.v, &state.c}) archive.array(*values);
    archive.value(state.z);
    const auto n = static_cast<std::size_t>(hidden);
    if (state.x.size() != n || state.w_out.size() != n || (!state.p.empty() && state.p.size() != n * (n + 1) / 2) ||
        state.v.size() != n * state.c.size()) {
        throw DataError("checkpoint: force: found a network of " + std::to_string(state.x.size()) + " units, expected " +
                        std::to_string(hidden));
    }
    return state;
}

/// How far a network is.
struct Course {
    int64_t steps = 0;
    MeanError error{};  ///< of the epoch that the last step belongs to
};

}  // namespace

struct ForceGroupTrainer::Impl {
    ForceOptions options;
    std::vector<ForceMember> members;
    std::unique_ptr<backend::ForceGroup> group;
    std::vector<Course> courses;

    int64_t length(std::size_t i) const { return static_cast<int64_t>(members[i].period.size()); }
    int64_t left(std::size_t i) const { return length(i) - courses[i].steps % length(i); }
    backend::ForceState now(std::size_t i) const { return group->get(static_cast<int64_t>(i), false); }
};

ForceGroupTrainer::ForceGroupTrainer(const backend::GroupEngine& engine, const ForceOptions& options, std::vector<ForceMember> members) {
    check_options(options);
    require(!members.empty(), "a group without networks");
    require(options.hidden <= engine.largest_force(), "a network too large for FORCE on this device");
    std::vector<cells::Parameters> parameters;
    for (ForceMember& member : members) {
        check_period(member.period);
        member.parameters = completed(std::move(member.parameters), options);
        parameters.push_back(member.parameters);
    }
    auto group = engine.force({options.hidden, 0}, parameters, options.alpha, longest_training);
    std::vector<Course> courses(members.size());
    impl_.reset(new Impl{options, std::move(members), std::move(group), std::move(courses)});
    for (std::size_t i = 0; i < size(); ++i) {
        const ForceMember& member = impl_->members[i];
        const InitialState initial = initial_state(options, member.seed, member.variant);
        backend::ForceState state = impl_->now(i);
        state.x = initial.x;
        state.z = initial.z;
        impl_->group->set(static_cast<int64_t>(i), state);
    }
}

ForceGroupTrainer::~ForceGroupTrainer() = default;

std::size_t ForceGroupTrainer::size() const { return impl_->members.size(); }
int64_t ForceGroupTrainer::steps_done(std::size_t i) const { return impl_->courses[i].steps; }
int64_t ForceGroupTrainer::left_in_epoch(std::size_t i) const { return impl_->left(i); }
double ForceGroupTrainer::training_error(std::size_t i) const { return impl_->courses[i].error.value(); }

bool ForceGroupTrainer::finite(std::size_t i) const {
    const backend::ForceState state = impl_->now(i);
    return std::isfinite(state.z) && all_finite(state.x) && all_finite(state.w_out);
}

ForceGroupTrainer::Snapshot ForceGroupTrainer::snapshot(std::size_t i) const {
    const backend::ForceState state = impl_->now(i);
    return {impl_->courses[i].steps,
            {.x = {state.x.begin(), state.x.end()}, .z = state.z, .w_out = {state.w_out.begin(), state.w_out.end()}, .p = {}}};
}

cells::Parameters ForceGroupTrainer::parameters(std::size_t i) const {
    cells::Parameters parameters = impl_->members[i].parameters;
    parameters.tensors["weight_out"] = impl_->now(i).w_out;
    return parameters;
}

std::vector<double> ForceGroupTrainer::state(std::size_t i) const { return impl_->now(i).x; }

double ForceGroupTrainer::output(std::size_t i) const { return impl_->now(i).z; }

void ForceGroupTrainer::train(std::span<const std::size_t> who, int64_t most) {
    std::vector<std::vector<double>> outputs;
    std::vector<backend::ForceGroup::Work> work;
    for (const std::size_t i : who) outputs.emplace_back(static_cast<std::size_t>(std::min({most, impl_->left(i), longest_training})));
    for (std::size_t n = 0; n < who.size(); ++n) {
        const std::size_t i = who[n];
        const int64_t first = impl_->courses[i].steps;
        const auto phase = static_cast<std::size_t>(first % impl_->length(i));
        work.push_back({static_cast<int64_t>(i), first, std::span(impl_->members[i].period).subspan(phase, outputs[n].size()), outputs[n]});
    }
    impl_->group->run(impl_->options.learn_every, work);
    for (std::size_t n = 0; n < who.size(); ++n) {
        Course& course = impl_->courses[who[n]];
        if (course.steps % impl_->length(who[n]) == 0) course.error = {};
        course.error.add(work[n].target, work[n].output);
        course.steps += static_cast<int64_t>(outputs[n].size());
    }
}

void ForceGroupTrainer::save(std::size_t i, ArchiveWriter& archive) const {
    archive.value(impl_->courses[i]);
    save_state(archive, impl_->group->get(static_cast<int64_t>(i)));
}

void ForceGroupTrainer::load(std::size_t i, ArchiveReader& archive) {
    const auto course = archive.value<Course>();
    impl_->group->set(static_cast<int64_t>(i), load_state(archive, impl_->options.hidden));
    impl_->courses[i] = course;
}

struct ForceGroupTrainer::Tests::Impl {
    struct Part {
        std::size_t network = 0;
        std::vector<TestProgress> tests;
        int64_t steps = 0;
    };
    const ForceGroupTrainer::Impl& trainer;
    std::vector<Part> parts;
    std::unique_ptr<backend::FrozenGroup> loops;
};

ForceGroupTrainer::Tests::Tests(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ForceGroupTrainer::Tests::~Tests() = default;
ForceGroupTrainer::Tests::Tests(Tests&&) noexcept = default;

ForceGroupTrainer::Tests ForceGroupTrainer::start_tests(std::span<const TestStart> starts) const {
    std::vector<Tests::Impl::Part> parts;
    std::vector<backend::ForceGroup::Loops> loops;
    for (const TestStart& start : starts) {
        Tests::Impl::Part part{.network = start.network, .tests = {}};
        backend::ForceGroup::Loops states{static_cast<int64_t>(start.network), {}};
        for (const Snapshot& snapshot : start.snapshots) {
            part.tests.push_back({.first = snapshot.first_step});
            states.start.push_back(device_state(snapshot.state));
        }
        if (!start.progress.empty()) {
            ArchiveReader archive(start.progress);
            archive.value(part.steps);
            archive.array(part.tests);
            if (part.tests.size() != states.start.size()) {
                throw DataError("checkpoint: force: found " + std::to_string(part.tests.size()) + " tests, expected " +
                                std::to_string(states.start.size()));
            }
            for (backend::ForceState& state : states.start) state = load_state(archive, impl_->options.hidden);
        }
        parts.push_back(std::move(part));
        loops.push_back(std::move(states));
    }
    auto group = impl_->group->frozen(loops, longest_tests);
    return Tests(std::make_unique<Tests::Impl>(Tests::Impl{*impl_, std::move(parts), std::move(group)}));
}

std::size_t ForceGroupTrainer::Tests::parts() const { return impl_->parts.size(); }
int64_t ForceGroupTrainer::Tests::steps_done(std::size_t part) const { return impl_->parts[part].steps; }

double ForceGroupTrainer::Tests::error(std::size_t part, int64_t test) const {
    return impl_->parts[part].tests[static_cast<std::size_t>(test)].error.value();
}

std::vector<Matrix<double>> ForceGroupTrainer::Tests::run(std::span<const int64_t> most) {
    require(most.size() == parts(), "force: tests of another number of networks");
    std::vector<Matrix<double>> outputs;
    std::vector<backend::FrozenGroup::Work> work;
    for (std::size_t p = 0; p < parts(); ++p)
        outputs.emplace_back(static_cast<int64_t>(impl_->parts[p].tests.size()), std::min(most[p], longest_tests));
    for (std::size_t p = 0; p < parts(); ++p)
        if (outputs[p].cols() > 0) work.push_back({static_cast<int64_t>(p), outputs[p].view()});
    impl_->loops->run(work);
    for (std::size_t p = 0; p < parts(); ++p) {
        Impl::Part& part = impl_->parts[p];
        const std::vector<double>& period = impl_->trainer.members[part.network].period;
        for (std::size_t k = 0; k < part.tests.size(); ++k)
            part.tests[k].add(period, part.steps, outputs[p].view(), static_cast<int64_t>(k));
        part.steps += outputs[p].cols();
    }
    return outputs;
}

void ForceGroupTrainer::Tests::save(std::size_t part, ArchiveWriter& archive) const {
    const Impl::Part& p = impl_->parts[part];
    archive.value(p.steps);
    archive.array(p.tests);
    for (std::size_t k = 0; k < p.tests.size(); ++k)
        save_state(archive, impl_->loops->get(static_cast<int64_t>(part), static_cast<int64_t>(k)));
}

}  // namespace aelle::learn
