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
#include "prediction_tally.hpp"

namespace aelle::learn {
namespace {

void refuse(const char* option, const std::string& found, const char* expected) {
    throw DataError(std::string(option) + ": found " + found + ", expected " + expected);
}

void check(const BpttOptions& o) {
    constexpr double most = std::numeric_limits<double>::max();
    const auto within = [](double value, double low, double high) { return value >= low && value <= high; };  // false for NaN
    if (!within(o.learning_rate, 0, most)) refuse("learning_rate", rounded(o.learning_rate), "a finite number, at least 0");
    if (!(o.momentum >= 0 && o.momentum < 1)) refuse("momentum", rounded(o.momentum), "a number from 0 to less than 1");
    if (!within(o.clip, 0, most)) refuse("clip", rounded(o.clip), "a finite number, at least 0");
    if (!(o.dropout >= 0 && o.dropout < 1)) refuse("dropout", rounded(o.dropout), "a number from 0 to less than 1");
    if (o.batch < 1) refuse("batch", std::to_string(o.batch), "an integer from 1");
}

}  // namespace

struct BpttTrainer::Impl {
    BpttOptions options;
    const Sequences& data;
    std::vector<int64_t> indices;  ///< as given
    uint64_t seed, variant;
    Classifier<float> classifier;
    AlignedVector<float> mean{}, square{};  ///< Adam's moments; `mean` is SGD's velocity
    int64_t updates = 0;
    bool finite = true;
    PredictionTally tally{};  ///< of the epoch that the last update belongs to
    std::vector<int64_t> order{};
    int64_t order_epoch = -1;  ///< the epoch that `order` is of
    Minibatch minibatch{};

    int64_t per_epoch() const {
        return (static_cast<int64_t>(indices.size()) + options.batch - 1) / options.batch;
    }

    /// Fisher and Yates.
    void arrange(int64_t epoch) {
        if (order_epoch == epoch) return;
        order = indices;
        order_epoch = epoch;
        if (!options.shuffle) return;
        RandomStream random(seed, variant, Purpose::batches, static_cast<uint64_t>(epoch));
        for (auto i = static_cast<int64_t>(order.size()) - 1; i > 0; --i) {
            std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
        }
    }

    /// Loss and gradient of the next minibatch.
    BatchLoss learn() {
        const int64_t first = updates % per_epoch() * options.batch;
        const int64_t count = std::min(options.batch, static_cast<int64_t>(order.size()) - first);
        data.gather({order.data() + first, static_cast<std::size_t>(count)}, minibatch);
        const auto number = static_cast<uint64_t>(updates);
        const backend::NoiseKey noise{seed, variant, number};
        const Dropout dropout{options.dropout, seed, variant, number};
        const BatchLoss loss = classifier.forward_training(minibatch.inputs(), minibatch.targets, &noise, &dropout);
        if (std::isfinite(loss.sum)) classifier.backward();
        return loss;
    }

    void descend() {
        const std::span<float> gradient = classifier.gradient(), parameters = classifier.parameters();
        if (options.clip > 0) clip_norm(options.clip, gradient);
        if (options.optimizer == Optimizer::adam) {
            adam_step<float>(options.learning_rate, updates + 1, gradient, mean, square, parameters);
        } else {
            sgd_step<float>(options.learning_rate, options.momentum, gradient, mean, parameters);
        }
        classifier.parameters_changed();
    }
};

BpttTrainer::BpttTrainer(const backend::Backend& backend, Model model, const BpttOptions& options, const Sequences& data,
                         std::vector<int64_t> indices, uint64_t seed, uint64_t variant) {
    check(options);
    check_fits(model, data, indices);
    impl_ = std::make_unique<Impl>(Impl{options, data, std::move(indices), seed, variant, Classifier<float>(backend, model)});
    const bool adam = options.optimizer == Optimizer::adam;
    const std::size_t size = impl_->classifier.parameters().size();
    if (adam || options.momentum > 0) impl_->mean.resize(size);
    if (adam) impl_->square.resize(size);
    impl_->finite = all_finite<float>(impl_->classifier.parameters());
}

BpttTrainer::~BpttTrainer() = default;
BpttTrainer::BpttTrainer(BpttTrainer&&) noexcept = default;

int64_t BpttTrainer::updates_per_epoch() const { return impl_->per_epoch(); }

int64_t BpttTrainer::updates_done() const { return impl_->updates; }

int64_t BpttTrainer::epochs_done() const { return impl_->updates / impl_->per_epoch(); }

void BpttTrainer::update() {
    Impl& me = *impl_;
    if (me.updates % me.per_epoch() == 0) me.tally = {};
    if (me.finite) {
        me.arrange(me.updates / me.per_epoch());
        const BatchLoss loss = me.learn();
        me.tally.add(loss);
        me.finite = std::isfinite(loss.sum);
        if (me.finite) {
            me.descend();
            me.finite = all_finite<float>(me.classifier.parameters());
        }
    } else {
        me.tally.add({std::numeric_limits<double>::quiet_NaN(), 1, 0});
    }
    ++me.updates;
}

double BpttTrainer::training_loss() const { return impl_->tally.loss(); }

bool BpttTrainer::finite() const { return impl_->finite; }

Model BpttTrainer::model() const { return impl_->classifier.model(); }

void BpttTrainer::save(ArchiveWriter& archive) const {
    archive.value(impl_->updates);
    archive.value(impl_->finite);
    archive.value(impl_->tally);
    archive.array(std::as_const(impl_->classifier).parameters());
    archive.array(impl_->mean);
    archive.array(impl_->square);
}

void BpttTrainer::load(ArchiveReader& archive) {
    Impl& me = *impl_;
    const auto updates = archive.value<int64_t>();
    const auto finite = archive.value<bool>();
    const auto tally = archive.value<PredictionTally>();
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
    me.updates = updates;
    me.finite = finite;
    me.tally = tally;
    me.mean = std::move(mean);
    me.square = std::move(square);
}

}  // namespace aelle::learn
