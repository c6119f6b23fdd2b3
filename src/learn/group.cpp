#include "aelle/learn/group.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/cells/layout.hpp"
#include "training_course.hpp"

namespace aelle::learn {
namespace {

constexpr int64_t gathered_at_once = 256;

/// Column t * batch + b of a minibatch goes behind the others of sequence b.
template <class T>
void append(const std::vector<T>& columns, int64_t steps, int64_t batch, int64_t height, std::vector<T>& all) {
    for (int64_t b = 0; b < batch; ++b) {
        for (int64_t t = 0; t < steps; ++t) {
            const auto from = columns.begin() + (t * batch + b) * height;
            all.insert(all.end(), from, from + height);
        }
    }
}

backend::SequenceTable table_of(const Sequences& data) {
    backend::SequenceTable table{.count = data.size(),
                                 .steps = data.steps(),
                                 .features = data.features(),
                                 .classes = data.classes(),
                                 .target_steps = data.target_steps(),
                                 .values = {},
                                 .symbols = {},
                                 .targets = {}};
    Minibatch some;
    std::vector<int64_t> indices;
    for (int64_t first = 0; first < data.size(); first += gathered_at_once) {
        indices.clear();
        for (int64_t i = first; i < std::min(data.size(), first + gathered_at_once); ++i) indices.push_back(i);
        data.gather(indices, some);
        if (!some.symbols.empty()) append(some.symbols, some.steps, some.batch, 1, table.symbols);
        else append(some.values, some.steps, some.batch, table.features, table.values);
        append(some.targets, table.target_steps, some.batch, 1, table.targets);
    }
    return table;
}

}  // namespace

DeviceCopy::DeviceCopy(const backend::GroupEngine& engine, const Sequences& data) : data_(data) {
    backend::SequenceTable table = table_of(data);
    for (const int32_t target : table.targets) {
        if (target >= 0 && target < table.classes) continue;
        throw DataError("target: found class " + std::to_string(target) + ", expected from 0 to " + std::to_string(table.classes - 1));
    }
    sequences_ = engine.sequences(table);
    shape_ = std::move(table);
    shape_.values.clear();
    shape_.values.shrink_to_fit();
    shape_.symbols.resize(std::min<std::size_t>(shape_.symbols.size(), 1));  // says that inputs are symbols
    shape_.targets.clear();
}

struct GroupTrainer::Impl {
    std::vector<Member> members;
    cells::ParameterLayout layout;
    std::vector<TrainingCourse> courses;
    std::unique_ptr<backend::TrainingGroup> group;
    BpttOptions options;
    const DeviceCopy& data;

    void put(std::size_t i, const backend::TrainingState& state) { group->set(static_cast<int64_t>(i), state); }
    bool has_mean() const { return options.optimizer == Optimizer::adam || options.momentum > 0; }
    bool has_square() const { return options.optimizer == Optimizer::adam; }
};

GroupTrainer::GroupTrainer(const backend::GroupEngine& engine, const BpttOptions& options, const DeviceCopy& data,
                           std::vector<Member> members) {
    check_options(options);
    require(!members.empty(), "a group without networks");
    for (Member& member : members) {
        cells::complete(*member.model.cell, member.model.shape, member.model.parameters);
        check_fits(member.model, data.data(), member.indices);
    }
    const Model& first = members.front().model;
    cells::ParameterLayout layout(*first.cell, first.shape, first.parameters);
    std::vector<TrainingCourse> courses;
    for (Member& member : members)
        courses.push_back({.indices = member.indices,
                           .batch = options.batch,
                           .shuffle = options.shuffle,
                           .seed = member.seed,
                           .variant = member.variant});
    const backend::GroupTraining training{.adam = options.optimizer == Optimizer::adam,
                                          .learning_rate = options.learning_rate,
                                          .momentum = options.momentum,
                                          .clip = options.clip,
                                          .dropout = options.dropout,
                                          .batch = options.batch,
                                          .classes = first.classes,
                                          .fc_bias = !first.fc_bias.empty()};
    auto group = engine.training(*first.cell, layout, first.parameters, training, data.shape(), static_cast<int64_t>(members.size()));
    impl_.reset(new Impl{std::move(members), std::move(layout), std::move(courses), std::move(group), options, data});
    for (std::size_t i = 0; i < size(); ++i) {
        const Model& model = impl_->members[i].model;
        require(model.parameters.scalars == first.parameters.scalars, "a group of networks with unlike scalars");
        backend::TrainingState state{.parameters = impl_->layout.pack<float>(model.parameters), .mean = {}, .square = {}};
        for (const auto& values : {model.fc_weight, model.fc_bias})
            for (const double value : values) state.parameters.push_back(static_cast<float>(value));
        if (impl_->has_mean()) state.mean.resize(state.parameters.size());
        if (impl_->has_square()) state.square.resize(state.parameters.size());
        impl_->courses[i].finite = std::all_of(state.parameters.begin(), state.parameters.end(), [](float x) { return std::isfinite(x); });
        impl_->put(i, state);
    }
}

GroupTrainer::~GroupTrainer() = default;

std::size_t GroupTrainer::size() const { return impl_->members.size(); }
int64_t GroupTrainer::updates_per_epoch(std::size_t i) const { return impl_->courses[i].per_epoch(); }
int64_t GroupTrainer::updates_done(std::size_t i) const { return impl_->courses[i].updates; }
int64_t GroupTrainer::left_in_epoch(std::size_t i) const { return impl_->courses[i].left_in_epoch(); }
double GroupTrainer::training_loss(std::size_t i) const { return impl_->courses[i].tally.loss(); }
bool GroupTrainer::finite(std::size_t i) const { return impl_->courses[i].finite; }

Model GroupTrainer::model(std::size_t i) const {
    Model model = impl_->members[i].model;
    const std::vector<float> packed = impl_->group->get(static_cast<int64_t>(i)).parameters;
    const auto size = static_cast<std::size_t>(impl_->layout.size());
    impl_->layout.unpack<float>({packed.data(), size}, model.parameters);
    const auto fc = packed.begin() + static_cast<std::ptrdiff_t>(size);
    const auto split = fc + model.classes * model.shape.hidden;
    model.fc_weight.assign(fc, split);
    model.fc_bias.assign(split, packed.end());
    return model;
}

void GroupTrainer::update(std::span<const std::size_t> who, int64_t most) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<backend::TrainingGroup::Work> work;
    std::vector<std::size_t> working;
    for (const std::size_t i : who) {
        TrainingCourse& course = impl_->courses[i];
        const int64_t count = std::min(most, course.left_in_epoch());
        if (!course.finite) {
            for (int64_t k = 0; k < count; ++k) course.record({nan, 1, 0});
            continue;
        }
        working.push_back(i);
        work.push_back({static_cast<int64_t>(i), course.next(count), course.seed, course.variant, course.updates});
    }
    const auto outcomes = impl_->group->train(impl_->data.sequences(), work);
    for (std::size_t n = 0; n < working.size(); ++n) {
        TrainingCourse& course = impl_->courses[working[n]];
        const auto sequences = static_cast<int64_t>(work[n].order.size());
        for (std::size_t k = 0; k < outcomes[n].losses.size(); ++k) {
            const int64_t batch = std::min(course.batch, sequences - static_cast<int64_t>(k) * course.batch);
            course.record({outcomes[n].losses[k].sum, batch * impl_->data.shape().target_steps, outcomes[n].losses[k].correct});
        }
        course.finite = outcomes[n].finite;
    }
}

std::vector<GroupTrainer::Loss> GroupTrainer::evaluate(const DeviceCopy& data, std::span<const Part> parts,
                                                       std::vector<float>* probabilities) {
    std::vector<backend::TrainingGroup::Work> work;
    for (const Part& part : parts) work.push_back({static_cast<int64_t>(part.network), part.sequences, 0, 0, 0});
    const auto outcomes = impl_->group->evaluate(data.sequences(), work, probabilities);
    std::vector<Loss> losses(parts.size());
    for (std::size_t n = 0; n < parts.size(); ++n) {
        losses[n] = parts[n].before;
        losses[n].predictions += static_cast<int64_t>(parts[n].sequences.size()) * data.shape().target_steps;
        for (const backend::GroupLoss& batch : outcomes[n].losses) {
            losses[n].sum += batch.sum;
            losses[n].correct += batch.correct;
        }
    }
    return losses;
}

void GroupTrainer::save(std::size_t i, ArchiveWriter& archive) const {
    impl_->courses[i].save(archive);
    const backend::TrainingState state = impl_->group->get(static_cast<int64_t>(i));
    for (const auto* values : {&state.parameters, &state.mean, &state.square}) archive.array(*values);
}

void GroupTrainer::load(std::size_t i, ArchiveReader& archive) {
    TrainingCourse course = impl_->courses[i];
    course.load(archive);
    backend::TrainingState state;
    for (auto* values : {&state.parameters, &state.mean, &state.square}) archive.array(*values);
    const std::size_t size = impl_->group->get(static_cast<int64_t>(i)).parameters.size();
    if (state.parameters.size() != size || state.mean.size() != (impl_->has_mean() ? size : 0) ||
        state.square.size() != (impl_->has_square() ? size : 0))
        throw DataError("checkpoint: training: found " + std::to_string(state.parameters.size()) + " parameters, expected " +
                        std::to_string(size));
    impl_->put(i, state);
    impl_->courses[i] = std::move(course);
}

}  // namespace aelle::learn
