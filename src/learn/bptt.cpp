#include "aelle/learn/bptt.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "aelle/base/text.hpp"
#include "classifier.hpp"
#include "optimizer.hpp"
#include "training_course.hpp"

namespace aelle::learn {
namespace {

void refuse(const char* option, const std::string& found, const char* expected) {
    throw DataError(std::string(option) + ": found " + found + ", expected " + expected);
}

}  // namespace

void check_options(const BpttOptions& o) {
    constexpr double most = std::numeric_limits<double>::max();
    const auto within = [](double value, double low, double high) { return value >= low && value <= high; };  // false for NaN
    if (!within(o.learning_rate, 0, most)) refuse("learning_rate", rounded(o.learning_rate), "a finite number, at least 0");
    if (!(o.momentum >= 0 && o.momentum < 1)) refuse("momentum", rounded(o.momentum), "a number from 0 to less than 1");
    if (!within(o.clip, 0, most)) refuse("clip", rounded(o.clip), "a finite number, at least 0");
    if (!(o.dropout >= 0 && o.dropout < 1)) refuse("dropout", rounded(o.dropout), "a number from 0 to less than 1");
    if (o.batch < 1) refuse("batch", std::to_string(o.batch), "an integer from 1");
}

struct BpttTrainer::Impl {
    BpttOptions options;
    const Sequences& data;
    TrainingCourse course;
    Classifier<float> classifier;
    AlignedVector<float> mean{}, square{};  ///< Adam's moments; `mean` is SGD's velocity
    Minibatch minibatch{};

    /// Loss and gradient of the next minibatch.
    BatchLoss learn() {
        data.gather(course.next(1), minibatch);
        const auto number = static_cast<uint64_t>(course.updates);
        const backend::NoiseKey noise{course.seed, course.variant, number};
        const Dropout dropout{options.dropout, course.seed, course.variant, number};
        const BatchLoss loss = classifier.forward_training(minibatch.inputs(), minibatch.targets, &noise, &dropout);
        if (std::isfinite(loss.sum)) classifier.backward();
        return loss;
    }

    void descend() {
        const std::span<float> gradient = classifier.gradient(), parameters = classifier.parameters();
        if (options.clip > 0) clip_norm(options.clip, gradient);
        if (options.optimizer == Optimizer::adam) {
            adam_step<float>(options.learning_rate, course.updates + 1, gradient, mean, square, parameters);
        } else {
            sgd_step<float>(options.learning_rate, options.momentum, gradient, mean, parameters);
        }
        classifier.parameters_changed();
    }
};

BpttTrainer::BpttTrainer(const backend::Backend& backend, Model model, const BpttOptions& options, const Sequences& data,
                         std::vector<int64_t> indices, uint64_t seed, uint64_t variant) {
    check_options(options);
    check_fits(model, data, indices);
    TrainingCourse course{
        .indices = std::move(indices), .batch = options.batch, .shuffle = options.shuffle, .seed = seed, .variant = variant};
    impl_ = std::make_unique<Impl>(Impl{options, data, std::move(course), Classifier<float>(backend, model)});
    const bool adam = options.optimizer == Optimizer::adam;
    const std::size_t size = impl_->classifier.parameters().size();
    if (adam || options.momentum > 0) impl_->mean.resize(size);
    if (adam) impl_->square.resize(size);
    impl_->course.finite = all_finite<float>(impl_->classifier.parameters());
}

BpttTrainer::~BpttTrainer() = default;
BpttTrainer::BpttTrainer(BpttTrainer&&) noexcept = default;

int64_t BpttTrainer::updates_per_epoch() const { return impl_->course.per_epoch(); }

int64_t BpttTrainer::updates_done() const { return impl_->course.updates; }

int64_t BpttTrainer::epochs_done() const { return impl_->course.updates / impl_->course.per_epoch(); }

void BpttTrainer::update() {
    Impl& me = *impl_;
    if (!me.course.finite) return me.course.record({std::numeric_limits<double>::quiet_NaN(), 1, 0});
    const BatchLoss loss = me.learn();
    me.course.finite = std::isfinite(loss.sum);
    if (me.course.finite) {
        me.descend();
        me.course.finite = all_finite<float>(me.classifier.parameters());
    }
    me.course.record(loss);
}

double BpttTrainer::training_loss() const { return impl_->course.tally.loss(); }

bool BpttTrainer::finite() const { return impl_->course.finite; }

Model BpttTrainer::model() const { return impl_->classifier.model(); }

void BpttTrainer::save(ArchiveWriter& archive) const {
    impl_->course.save(archive);
    archive.array(std::as_const(impl_->classifier).parameters());
    archive.array(impl_->mean);
    archive.array(impl_->square);
}

void BpttTrainer::load(ArchiveReader& archive) {
    Impl& me = *impl_;
    TrainingCourse course = me.course;
    course.load(archive);
    std::vector<float> parameters;
    AlignedVector<float> mean, square;
    archive.array(parameters);
    archive.array(mean);
    archive.array(square);
    if (parameters.size() != me.classifier.parameters().size() || mean.size() != me.mean.size() || square.size() != me.square.size()) {
        throw DataError("checkpoint: training: found " + std::to_string(parameters.size()) + " parameters and " +
                        std::to_string(mean.size() + square.size()) + " values of the optimiser, expected " +
                        std::to_string(me.classifier.parameters().size()) + " and " + std::to_string(me.mean.size() + me.square.size()));
    }
    std::ranges::copy(parameters, me.classifier.parameters().begin());
    me.classifier.parameters_changed();
    me.course = std::move(course);
    me.mean = std::move(mean);
    me.square = std::move(square);
}

}  // namespace aelle::learn
