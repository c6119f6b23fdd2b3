// Training by backpropagation through time, and evaluation, on the cpu backend.
#include "aelle/backend/choose.hpp"
#include "aelle/learn/bptt.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>
#include <optional>

#include "aelle/base/error.hpp"
#include "tests/learn/toy_sequences.hpp"

namespace aelle::test {
namespace {

using learn::BpttOptions;
using learn::BpttTrainer;
using learn::Model;

std::vector<int64_t> first(int64_t count) {
    std::vector<int64_t> indices(static_cast<std::size_t>(count));
    std::iota(indices.begin(), indices.end(), 0);
    return indices;
}

Model start(const char* cell, int64_t hidden, int64_t features) {
    return learn::initial_model(cells::find_cell(cell), {hidden, features}, features, {}, {}, 5, 0);
}

/// All that training changes.
std::vector<double> values_of(const Model& model) {
    std::vector<double> all;
    for (const auto& [name, values] : model.parameters.tensors) all.insert(all.end(), values.begin(), values.end());
    all.insert(all.end(), model.fc_weight.begin(), model.fc_weight.end());
    all.insert(all.end(), model.fc_bias.begin(), model.fc_bias.end());
    return all;
}

class Training : public testing::Test {
protected:
    BpttTrainer trainer(const char* cell, const BpttOptions& options, const learn::Sequences& data, int64_t count, uint64_t seed = 1, uint64_t variant = 2) {
        return {*backend_, start(cell, 12, data.features()), options, data, first(count), seed, variant};
    }
    learn::Evaluation evaluation(const Model& model, const learn::Sequences& data, int64_t batch) {
        learn::Evaluation e(*backend_, model, data, first(data.size()), batch);
        while (!e.done()) e.advance();
        return e;
    }
    std::unique_ptr<backend::Backend> backend_ = backend::choose(backend::Device::cpu).backend;
    RaisedFeature raised_{60, 5, 4, false};
};

TEST_F(Training, LearnsWhichFeatureWasRaised) {
    for (const char* cell : {"rnn", "lstm", "lem"}) {
        BpttTrainer net = trainer(cell, {.learning_rate = 0.02, .dropout = 0.1, .batch = 16}, raised_, 60);
        net.update();
        const double before = net.training_loss();
        EXPECT_NEAR(before, std::log(4.0), 0.7) << cell;
        while (net.epochs_done() < 40) net.update();
        EXPECT_TRUE(net.finite());
        const auto result = evaluation(net.model(), raised_, 32);
        EXPECT_LT(result.loss(), 0.3) << cell;
        EXPECT_GT(result.accuracy(), 0.9) << cell;
    }
}

TEST_F(Training, LearnsToCountInSymbols) {
    const Counting counting(24, 6, 7);
    BpttTrainer net = trainer("gru", {.learning_rate = 0.02, .batch = 8}, counting, 24);
    while (net.epochs_done() < 60) net.update();
    EXPECT_GT(evaluation(net.model(), counting, 24).accuracy(), 0.95);
}

TEST_F(Training, StoppingAfterAnyUpdateChangesNoBit) {
    for (const learn::Optimizer optimizer : {learn::Optimizer::adam, learn::Optimizer::sgd}) {
        const BpttOptions options{.optimizer = optimizer, .learning_rate = 0.01, .momentum = 0.9, .clip = 0.5, .dropout = 0.2, .batch = 16};
        BpttTrainer whole = trainer("noisy", options, raised_, 60);
        std::optional<BpttTrainer> cut(trainer("noisy", options, raised_, 60));
        for (int i = 0; i < 11; ++i) {  // four updates an epoch
            whole.update();
            ArchiveWriter archive;
            cut->save(archive);
            cut.emplace(trainer("noisy", options, raised_, 60));
            ArchiveReader reader(archive.bytes());
            cut->load(reader);
            EXPECT_TRUE(reader.empty());
            cut->update();
            ASSERT_EQ(values_of(cut->model()), values_of(whole.model())) << i;
            ASSERT_EQ(cut->training_loss(), whole.training_loss());
            ASSERT_EQ(cut->updates_done(), whole.updates_done());
        }
        EXPECT_EQ(whole.epochs_done(), 2);
    }
}

TEST_F(Training, ASnapshotOfAnotherNetworkIsRefused) {
    ArchiveWriter archive;
    trainer("rnn", {}, raised_, 60).save(archive);
    BpttTrainer other = trainer("lstm", {}, raised_, 60);
    ArchiveReader reader(archive.bytes());
    EXPECT_THROW(other.load(reader), DataError);
    BpttTrainer plain = trainer("rnn", {.optimizer = learn::Optimizer::sgd}, raised_, 60);
    ArchiveReader again(archive.bytes());
    EXPECT_THROW(plain.load(again), DataError);
}

TEST_F(Training, SeedAndVariantDecideOrderDropoutAndNoise) {
    const auto after = [&](const char* cell, const BpttOptions& options, uint64_t seed, uint64_t variant) {
        BpttTrainer net = trainer(cell, options, raised_, 60, seed, variant);
        for (int i = 0; i < 3; ++i) net.update();
        return values_of(net.model());
    };
    const BpttOptions plain{.batch = 16, .shuffle = false};
    EXPECT_EQ(after("rnn", plain, 1, 2), after("rnn", plain, 8, 9));  // nothing random is left
    const BpttOptions shuffled{.batch = 16}, dropped{.dropout = 0.1, .batch = 16, .shuffle = false};
    for (const BpttOptions& options : {shuffled, dropped}) {
        EXPECT_EQ(after("rnn", options, 1, 2), after("rnn", options, 1, 2));
        EXPECT_NE(after("rnn", options, 1, 2), after("rnn", options, 2, 2));
        EXPECT_NE(after("rnn", options, 1, 2), after("rnn", options, 1, 3));
    }
    EXPECT_NE(after("noisy", plain, 1, 2), after("noisy", plain, 2, 2));
}

// Records which sequences were asked for.
class Recorded final : public learn::Sequences {
public:
    explicit Recorded(const learn::Sequences& data) : data_(data) {}
    int64_t size() const override { return data_.size(); }
    int64_t steps() const override { return data_.steps(); }
    int64_t features() const override { return data_.features(); }
    int64_t classes() const override { return data_.classes(); }
    int64_t target_steps() const override { return data_.target_steps(); }
    void gather(std::span<const int64_t> indices, learn::Minibatch& out) const override {
        seen.insert(seen.end(), indices.begin(), indices.end());
        sizes.push_back(static_cast<int64_t>(indices.size()));
        data_.gather(indices, out);
    }
    mutable std::vector<int64_t> seen, sizes;

private:
    const learn::Sequences& data_;
};

TEST_F(Training, EveryEpochSeesEverySequenceOnceInANewOrder) {
    const Recorded data(raised_);
    BpttTrainer net = trainer("rnn", {.batch = 16}, data, 60);
    EXPECT_EQ(net.updates_per_epoch(), 4);
    for (int i = 0; i < 8; ++i) net.update();
    EXPECT_EQ(data.sizes, (std::vector<int64_t>{16, 16, 16, 12, 16, 16, 16, 12}));
    std::vector<int64_t> one(data.seen.begin(), data.seen.begin() + 60), two(data.seen.begin() + 60, data.seen.end());
    EXPECT_NE(one, first(60));
    EXPECT_NE(one, two);
    std::sort(one.begin(), one.end());
    std::sort(two.begin(), two.end());
    EXPECT_EQ(one, first(60));
    EXPECT_EQ(two, first(60));
    const Recorded again(raised_);
    BpttTrainer sequential = trainer("rnn", {.batch = 16, .shuffle = false}, again, 60);
    for (int i = 0; i < 4; ++i) sequential.update();
    EXPECT_EQ(again.seen, first(60));
}

TEST_F(Training, TrainingLossIsTheMeanOverSequencesOfUnlikeBatches) {
    BpttTrainer net = trainer("rnn", {.optimizer = learn::Optimizer::sgd, .learning_rate = 0, .batch = 16}, raised_, 60);
    EXPECT_TRUE(std::isnan(net.training_loss()));
    for (int i = 0; i < 4; ++i) net.update();
    EXPECT_NEAR(net.training_loss(), evaluation(net.model(), raised_, 60).loss(), 1e-6);
    EXPECT_EQ(values_of(net.model()), values_of(start("rnn", 12, 4)));
}

TEST_F(Training, EvaluationHasNeitherDropoutNorNoiseAndDoesNotDependOnItsBatch) {
    for (const char* cell : {"noisy", "lstm"}) {
        const Model model = start(cell, 12, 4);
        const auto one = evaluation(model, raised_, 60), cut = evaluation(model, raised_, 7);
        EXPECT_NEAR(one.loss(), cut.loss(), 1e-6);
        EXPECT_EQ(one.accuracy(), cut.accuracy());
        EXPECT_EQ(one.loss(), evaluation(model, raised_, 60).loss());
    }
    Model still = start("noisy", 12, 4);
    const double noisy = evaluation(still, raised_, 60).loss();
    still.parameters.scalars["sigma_add"] = still.parameters.scalars["sigma_mult"] = 0;
    EXPECT_EQ(noisy, evaluation(still, raised_, 60).loss());
}

TEST_F(Training, EvaluationGoesOnFromASnapshot) {
    const Model model = start("lem", 12, 4);
    const RaisedFeature every(30, 5, 4, true);
    const auto whole = evaluation(model, every, 8);
    learn::Evaluation cut(*backend_, model, every, first(30), 8);
    cut.advance();
    ArchiveWriter archive;
    cut.save(archive);
    learn::Evaluation rest(*backend_, model, every, first(30), 8);
    ArchiveReader reader(archive.bytes());
    rest.load(reader);
    while (!rest.done()) rest.advance();
    EXPECT_EQ(rest.loss(), whole.loss());
    EXPECT_EQ(rest.accuracy(), whole.accuracy());
    EXPECT_EQ(rest.probabilities().cols, 5 * 6);
    for (int64_t j = 0; j < 30; ++j) {
        double sum = 0;
        for (int64_t c = 0; c < 4; ++c) sum += rest.probabilities()(c, j);
        EXPECT_NEAR(sum, 1.0, 1e-6);
    }
}

TEST_F(Training, DivergenceIsFoundAndEndsTheUpdates) {
    BpttTrainer net = trainer("rnn", {.optimizer = learn::Optimizer::sgd, .learning_rate = 1e38, .batch = 16}, raised_, 60);
    while (net.finite() && net.updates_done() < 8) net.update();
    EXPECT_FALSE(net.finite());
    const auto last = values_of(net.model());
    const int64_t updates = net.updates_done();
    net.update();
    EXPECT_EQ(net.updates_done(), updates + 1);
    EXPECT_TRUE(std::isnan(net.training_loss()));
    const auto now = values_of(net.model());
    for (std::size_t i = 0; i < last.size(); ++i) EXPECT_TRUE(now[i] == last[i] || (std::isnan(now[i]) && std::isnan(last[i])));

    Model bad = start("lstm", 12, 4);
    bad.parameters.tensors["weight_hh_l0"][3] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_FALSE(BpttTrainer(*backend_, bad, {}, raised_, first(60), 1, 2).finite());
    const auto result = evaluation(bad, raised_, 60);
    EXPECT_FALSE(std::isfinite(result.loss()));
    EXPECT_LT(result.accuracy(), 0.01);
}

TEST_F(Training, OptionsAndDataOutOfRangeAreNamed) {
    const auto refused = [&](const BpttOptions& options) { EXPECT_THROW(trainer("rnn", options, raised_, 60), DataError); };
    refused({.learning_rate = -1});
    refused({.learning_rate = std::nan("")});
    refused({.momentum = 1});
    refused({.clip = -1});
    refused({.dropout = 1});
    refused({.batch = 0});
    EXPECT_THROW(trainer("rnn", {}, raised_, 0), DataError);
    EXPECT_THROW(trainer("rnn", {}, raised_, 61), DataError);
    EXPECT_THROW(BpttTrainer(*backend_, start("rnn", 12, 3), {}, raised_, first(60), 1, 2), DataError);
}

}  // namespace
}  // namespace aelle::test
