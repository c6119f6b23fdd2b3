// What a device computes against what the host computes, through the interfaces that studies use: every cell's training, evaluation and spectra, and FORCE.
// Skipped where there is no device; with AELLE_CUDA_LIBRARY naming the emulated library the same tests run on the host.

#include <gtest/gtest.h>

#include <cmath>

#include "aelle/backend/choose.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/learn/force_group.hpp"
#include "aelle/learn/group.hpp"
#include "aelle/lyapunov/group.hpp"
#include "aelle/study/parallel.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/learn/toy_sequences.hpp"

namespace aelle {
namespace {

/// The device and the host's backend, or why there is no device.
struct Devices {
    backend::Choice choice;
    std::string why;
};

const Devices& devices() {
    static const Devices found = [] {
        Devices d;
        try {
            d.choice = backend::choose(backend::Device::cuda);
        } catch (const Error& error) {
            d.why = error.what();
        }
        return d;
    }();
    return found;
}

class OnDevice : public ::testing::Test {
protected:
    void SetUp() override {
        if (!devices().choice.groups) GTEST_SKIP() << "no device: " << devices().why;
    }
    static const backend::GroupEngine& engine() { return *devices().choice.groups; }
    static const backend::Backend& host() { return *devices().choice.backend; }
};

class EveryCellOnDevice : public OnDevice, public ::testing::WithParamInterface<std::string> {
protected:
    const cells::CellSpec& cell() const { return cells::find_cell(GetParam()); }
};

std::string underscored(const ::testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    for (char& c : name) c = c == '-' ? '_' : c;
    return name;
}

std::vector<std::string> names(bool driven) {
    std::vector<std::string> all;
    for (const cells::CellSpec& cell : cells::all_cells())
        if (!driven || fixtures::driven(cell)) all.emplace_back(cell.name);
    return all;
}

learn::Member member(const cells::CellSpec& cell, const learn::Sequences& data, int64_t hidden, uint64_t seed) {
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < data.size() - 5; ++i) indices.push_back(i);
    return {learn::initial_model(cell, {hidden, data.features()}, data.classes(), {}, {}, seed, 0), indices, seed, 0};
}

double largest_difference(const learn::Model& a, const learn::Model& b) {
    double largest = 0;
    const auto compare = [&](const std::vector<double>& x, const std::vector<double>& y) {
        for (std::size_t i = 0; i < x.size(); ++i) largest = nan_max(largest, std::fabs(x[i] - y[i]));
    };
    for (const auto& [name, values] : a.parameters.tensors) compare(values, b.parameters.tensors.at(name));
    compare(a.fc_weight, b.fc_weight);
    compare(a.fc_bias, b.fc_bias);
    return largest;
}

/// By plain descent, which does not magnify rounding as Adam's first updates do.
void check_training(const backend::GroupEngine& engine, const backend::Backend& host, const cells::CellSpec& cell,
                    const learn::Sequences& data, int64_t hidden, int64_t batch) {
    const learn::BpttOptions options{
        .optimizer = learn::Optimizer::sgd, .learning_rate = 0.05, .momentum = 0.5, .clip = 1.0, .dropout = 0.2, .batch = batch};
    const learn::DeviceCopy copy(engine, data);
    learn::GroupTrainer alone(engine, options, copy, {member(cell, data, hidden, 1)});
    learn::GroupTrainer group(engine, options, copy,
                              {member(cell, data, hidden, 0), member(cell, data, hidden, 1), member(cell, data, hidden, 2)});
    const std::vector<std::size_t> first{0}, all{0, 1, 2};
    alone.update(first, 2);
    alone.update(first, 1);
    group.update(all, 3);
    EXPECT_EQ(largest_difference(alone.model(0), group.model(1)), 0.0);  // bit by bit
    const std::vector<int64_t> held_out{data.size() - 3, data.size() - 2, data.size() - 1};
    for (std::size_t n = 0; n < 3; ++n) {
        learn::Member one = member(cell, data, hidden, n);
        learn::BpttTrainer trainer(host, one.model, options, data, one.indices, one.seed, one.variant);
        for (int i = 0; i < 3; ++i) trainer.update();
        EXPECT_TRUE(group.finite(n));
        EXPECT_NEAR(group.training_loss(n), trainer.training_loss(), 1e-5);
        EXPECT_LE(largest_difference(group.model(n), trainer.model()), 2e-6);
        EXPECT_GT(largest_difference(group.model(n), one.model), 1e-4);  // something was learnt
        learn::Evaluation evaluation(host, trainer.model(), data, held_out, 2);
        while (!evaluation.done()) evaluation.advance();
        const learn::GroupTrainer::Part part{n, held_out};
        const learn::GroupTrainer::Loss loss = group.evaluate(copy, std::span(&part, 1)).front();
        EXPECT_NEAR(loss.sum / static_cast<double>(loss.predictions), evaluation.loss(), 1e-5);
        EXPECT_EQ(static_cast<double>(loss.correct) / static_cast<double>(loss.predictions), evaluation.accuracy());
    }
}

TEST_P(EveryCellOnDevice, TrainsAsOnTheHostSmall) { check_training(engine(), host(), cell(), test::RaisedFeature(30, 5, 4, false), 7, 6); }

TEST_P(EveryCellOnDevice, TrainsOnSymbolsAsOnTheHostSmall) { check_training(engine(), host(), cell(), test::Counting(30, 5, 4), 7, 6); }

INSTANTIATE_TEST_SUITE_P(Training, EveryCellOnDevice, ::testing::ValuesIn(names(true)), underscored);

class SpectraOnDevice : public EveryCellOnDevice {
protected:
    void check(int64_t hidden, backend::TangentSpace space, int64_t steps, int64_t warmup, int64_t exponents = 0) const {
        lyapunov::GroupProblem problem;
        problem.cell = &cell();
        problem.shape = {.hidden = hidden, .input = fixtures::driven(cell()) ? 3 : 0};
        problem.space = space;
        problem.options = {.exponents = exponents, .steps = steps, .warmup = warmup, .interval = 1};
        for (const uint64_t seed : {5u, 6u}) {
            problem.networks.push_back(fixtures::random_parameters(cell(), problem.shape, 1.0, seed));
            problem.sequences.push_back(fixtures::random_vector(problem.shape.input * (steps + warmup), 1.0, 40 + seed));
        }
        problem.initial_state.assign(static_cast<std::size_t>(cell().blocks * hidden), 0.1);
        lyapunov::GroupSpectra run(engine(), host(), problem);
        while (!run.done()) run.advance(2);
        const std::vector<lyapunov::Spectrum> found = run.results(study::on_threads(1));
        ASSERT_EQ(found.size(), 4U);
        int compared = 0;
        for (std::size_t chain = 0; chain < 4; ++chain) {
            const auto system = lyapunov::network_system<double>(host().network(cell(), problem.shape, problem.networks[chain / 2], space),
                                                                 problem.sequences[chain % 2], problem.initial_state);
            const lyapunov::Spectrum expected = lyapunov::compute_spectrum(host(), *system, problem.options);
            ASSERT_TRUE(found[chain].finite);
            for (std::size_t k = 0; k < expected.exponents.size(); ++k) {
                if (!expected.reliable[k] || !found[chain].reliable[k]) continue;
                EXPECT_NEAR(found[chain].exponents[k], expected.exponents[k], 1e-9) << "chain " << chain << " exponent " << k;
                ++compared;
            }
        }
        EXPECT_GT(compared, 0);
    }
};

TEST_P(SpectraOnDevice, OfTheFullStateAreThoseOfTheHostSmall) { check(9, backend::TangentSpace::full, 8, 3); }
TEST_P(SpectraOnDevice, OfTheHiddenBlockAreThoseOfTheHostSmall) { check(9, backend::TangentSpace::hidden, 8, 0); }
TEST_P(SpectraOnDevice, OfSixtyFourUnitsAreThoseOfTheHost) { check(64, backend::TangentSpace::hidden, 2, 0); }  // QR in registers

INSTANTIATE_TEST_SUITE_P(Spectra, SpectraOnDevice, ::testing::ValuesIn(names(false)), underscored);

// So large that few of them are shared by teams of blocks.
class TeamsOnDevice : public SpectraOnDevice {};
TEST_P(TeamsOnDevice, TrainAsOnTheHost) { check_training(engine(), host(), cell(), test::RaisedFeature(80, 3, 4, true), 72, 36); }
TEST_P(TeamsOnDevice, TakeSpectraAsOnTheHost) { check(66, backend::TangentSpace::full, 2, 1); }
// By the largest teams that there are, of 16 blocks where the device has so many multiprocessors.
TEST_P(TeamsOnDevice, TrainLargeNetworksAsOnTheHost) {
    check_training(engine(), host(), cell(), test::RaisedFeature(215, 3, 4, true), 512, 70);
}
TEST_P(TeamsOnDevice, TakeSpectraOfLargeNetworksAsOnTheHost) { check(640, backend::TangentSpace::hidden, 2, 0, 96); }

INSTANTIATE_TEST_SUITE_P(Teams, TeamsOnDevice, ::testing::Values("lstm"), underscored);

TEST_F(OnDevice, ForceTrainsAsOnTheHostSmall) {
    // Without feedback M alone contracts, so that rounding does not grow.
    const learn::ForceOptions options{.hidden = 40, .gain = 0.8, .density = 0.3, .alpha = 0.7, .learn_every = 2};
    std::vector<double> period;
    for (int i = 0; i < 80; ++i) period.push_back(std::sin(0.08 * i));
    std::vector<learn::ForceMember> members;
    for (const uint64_t seed : {3u, 4u}) members.push_back({learn::initial_rank1(options, seed, 0), period, seed, 0});
    learn::ForceGroupTrainer group(engine(), options, members);
    const std::vector<std::size_t> both{0, 1};
    while (group.steps_done(0) < 80) group.train(both, 33);
    for (std::size_t n = 0; n < 2; ++n) {
        learn::ForceTrainer trainer(host(), members[n].parameters, options, period, members[n].seed, 0);
        std::vector<double> output(80);
        trainer.train(80, output);
        EXPECT_NEAR(group.training_error(n), trainer.training_error(), 1e-10);
        const std::vector<double> found = group.state(n), expected = trainer.state();
        for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-9);
    }
}

}  // namespace
}  // namespace aelle
