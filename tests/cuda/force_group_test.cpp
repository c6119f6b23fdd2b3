// Networks trained by FORCE side by side on the emulated device: against the host's trainer, and bit for bit against themselves alone, cut,
// and saved half-way.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "aelle/learn/force_group.hpp"
#include "kernels/cuda/force_launch.hpp"
#include "tests/cuda/emulated_engine.hpp"

namespace aelle::cuda {
namespace {

using learn::ForceGroupTrainer;
using learn::ForceMember;
using learn::ForceOptions;
using learn::ForceTrainer;

const backend::Backend& host() {
    static const backend::Choice choice = backend::choose(backend::Device::cpu);
    return *choice.backend;
}

constexpr int64_t period_steps = 70;

std::vector<double> period(uint64_t seed) {
    std::vector<double> f;
    for (int64_t i = 0; i < period_steps; ++i) f.push_back(std::sin(0.09 * static_cast<double>(i)) / (1.0 + static_cast<double>(seed)));
    return f;
}

/// Rounding errors do not grow: without feedback M alone contracts.
ForceOptions options(int64_t hidden = 24, double density = 0.3) {
    return {.hidden = hidden, .gain = 0.8, .density = density, .alpha = 0.7, .learn_every = 2};
}

std::vector<ForceMember> members(const ForceOptions& options, std::size_t count, uint64_t first = 0) {
    std::vector<ForceMember> all;
    for (uint64_t seed = first; seed < first + count; ++seed)
        all.push_back({learn::initial_rank1(options, seed, 0), period(seed), seed, 0});
    return all;
}

std::vector<std::size_t> all_of(const ForceGroupTrainer& trainer) {
    std::vector<std::size_t> who;
    for (std::size_t i = 0; i < trainer.size(); ++i) who.push_back(i);
    return who;
}

/// Every network to that step, at most `most` in a call.
void train_to(ForceGroupTrainer& trainer, int64_t end, int64_t most) {
    for (;;) {
        std::vector<std::size_t> who;
        int64_t left = most;
        for (const std::size_t i : all_of(trainer)) {
            if (trainer.steps_done(i) == end) continue;
            who.push_back(i);
            left = std::min(left, end - trainer.steps_done(i));
        }
        if (who.empty()) return;
        trainer.train(who, left);
    }
}

std::vector<std::byte> saved(const ForceGroupTrainer& trainer, std::size_t i) {
    ArchiveWriter archive;
    trainer.save(i, archive);
    return archive.take();
}

std::vector<std::vector<std::byte>> saved(const ForceGroupTrainer& trainer) {
    std::vector<std::vector<std::byte>> all;
    for (const std::size_t i : all_of(trainer)) all.push_back(saved(trainer, i));
    return all;
}

/// As in force_test.cpp: rounding errors of sums of N terms of size 1 in every step, P of size 1 / alpha.
double tolerance(int64_t n, int64_t steps) { return static_cast<double>(steps * (n + 8)) * std::numeric_limits<double>::epsilon() / 0.7; }

TEST(CudaForceGroup, AgreesWithTheTrainerOfTheHost) {
    for (const auto& [hidden, density, learn_every] : {std::tuple{24, 0.3, 2}, std::tuple{40, 1.0, 1}, std::tuple{1, 1.0, 3}}) {
        ForceOptions o = options(hidden, density);
        o.learn_every = learn_every;
        ForceGroupTrainer group(emulated_engine(), o, members(o, 3));
        train_to(group, 100, 33);
        for (uint64_t seed = 0; seed < 3; ++seed) {
            ForceTrainer one(host(), learn::initial_rank1(o, seed, 0), o, period(seed), seed, 0);
            std::vector<double> z(100);
            one.train(100, z);
            const double allowed = tolerance(hidden, 100);
            EXPECT_NEAR(group.training_error(seed), one.training_error(), allowed);
            EXPECT_NEAR(group.output(seed), one.output(), allowed);
            const auto expected = one.snapshot(), found = group.snapshot(seed);
            EXPECT_EQ(found.first_step, 100);
            EXPECT_EQ(group.left_in_epoch(seed), 40);
            const std::vector<double> w_out = group.parameters(seed).tensors.at("weight_out"), x = group.state(seed);
            for (std::size_t k = 0; k < x.size(); ++k) {
                ASSERT_NEAR(found.state.w_out[k], expected.state.w_out[k], allowed);
                ASSERT_NEAR(found.state.x[k], expected.state.x[k], allowed);
                ASSERT_EQ(found.state.w_out[k], w_out[k]);
                ASSERT_EQ(found.state.x[k], x[k]);
            }
            EXPECT_EQ(group.parameters(seed).tensors.at("weight_hh_l0"), one.parameters().tensors.at("weight_hh_l0"));
        }
    }
}

TEST(CudaForceGroup, GivesTheSameBitsAloneAndHoweverItIsCut) {
    const ForceOptions o = options();
    ForceGroupTrainer together(emulated_engine(), o, members(o, 5));  // more than a launch takes
    train_to(together, 90, 1 << 20);
    const auto expected = saved(together);
    for (const int64_t most : {1, 7, 64}) {
        ForceGroupTrainer cut(emulated_engine(), o, members(o, 5));
        train_to(cut, 90, most);
        EXPECT_EQ(saved(cut), expected) << most;
    }
    for (uint64_t seed : {0, 4}) {
        ForceGroupTrainer alone(emulated_engine(), o, members(o, 1, seed));
        train_to(alone, 90, 1 << 20);
        EXPECT_EQ(saved(alone, 0), expected[seed]);
    }
    ForceGroupTrainer uneven(emulated_engine(), o, members(o, 5));  // some behind the others
    const std::size_t some[] = {3, 1};
    uneven.train(some, 33);
    train_to(uneven, 90, 40);
    EXPECT_EQ(saved(uneven), expected);
}

TEST(CudaForceGroup, GoesOnFromWhatItSavedAtAnyStep) {
    ForceOptions o = options();
    o.learn_every = 1;  // 16 updates are put off: P0 is written before steps 16, 32, ...
    ForceGroupTrainer whole(emulated_engine(), o, members(o, 2));
    train_to(whole, 60, 1 << 20);
    for (const int64_t at : {0, 1, 15, 16, 17, 31, 50}) {
        ForceGroupTrainer before(emulated_engine(), o, members(o, 2)), after(emulated_engine(), o, members(o, 2));
        train_to(before, at, 1 << 20);
        for (std::size_t i = 0; i < 2; ++i) {
            const auto bytes = saved(before, i);
            ArchiveReader archive(bytes);
            after.load(i, archive);
            EXPECT_TRUE(archive.empty());
        }
        EXPECT_EQ(saved(after), saved(before));
        train_to(after, 60, 1 << 20);
        EXPECT_EQ(saved(after), saved(whole)) << at;
    }
    ForceGroupTrainer other(emulated_engine(), options(23), members(options(23), 1));
    const auto bytes = saved(whole, 0);
    ArchiveReader archive(bytes);
    EXPECT_THROW(other.load(0, archive), DataError);
}

/// A group below the trainer, and steps of it.
struct Group {
    ForceOptions o = options();
    std::vector<cells::Parameters> parameters;
    std::unique_ptr<backend::ForceGroup> group;

    explicit Group(std::size_t count, int64_t longest = 64) {
        for (uint64_t seed = 0; seed < count; ++seed) parameters.push_back(learn::initial_rank1(o, seed, 0));
        group = emulated_engine().force({o.hidden, 0}, parameters, o.alpha, longest);
        for (std::size_t i = 0; i < count; ++i) {
            backend::ForceState state = group->get(static_cast<int64_t>(i), false);
            std::fill(state.x.begin(), state.x.end(), 0.3 + 0.1 * static_cast<double>(i));
            group->set(static_cast<int64_t>(i), state);
        }
    }
    std::vector<std::vector<double>> run(int64_t first, int64_t steps, int64_t learn_every) {
        const std::vector<double> f = period(0);
        std::vector<std::vector<double>> outputs(parameters.size(), std::vector<double>(static_cast<std::size_t>(steps)));
        std::vector<backend::ForceGroup::Work> work;
        for (std::size_t i = 0; i < outputs.size(); ++i)
            work.push_back({static_cast<int64_t>(i), first, {f.data() + first, static_cast<std::size_t>(steps)}, outputs[i]});
        group->run(learn_every, work);
        return outputs;
    }
};

TEST(CudaForceGroup, StateHoldsPAndWhatItLacks) {
    Group g(2);
    g.run(0, 45, 1);  // 13 updates after P0 was written
    const auto loop = host().force_loop({24, 0}, g.parameters[1], g.o.alpha);
    auto start = loop->get();
    std::fill(start.x.begin(), start.x.end(), 0.4);
    start.p.clear();
    loop->set(start);
    std::vector<double> z(45);
    const std::vector<double> f = period(0);
    loop->run(0, 1, {f.data(), 45}, z);
    const auto expected = loop->get().p;
    const backend::ForceState state = g.group->get(1);
    ASSERT_EQ(state.c.size(), 13u);
    double furthest = 0.0;
    std::size_t at = 0;
    for (std::size_t j = 0; j < 24; ++j) {
        for (std::size_t i = j; i < 24; ++i, ++at) {
            double p = state.p[at];
            for (std::size_t k = 0; k < 13; ++k) p -= state.c[k] * state.v[k * 24 + i] * state.v[k * 24 + j];
            EXPECT_NEAR(p, expected[at], tolerance(24, 45));
            furthest = std::max(furthest, std::fabs(state.p[at] - expected[at]));
        }
    }
    EXPECT_GT(furthest, 1e3 * tolerance(24, 45));  // P0 alone is another matrix
    const backend::ForceState cheap = g.group->get(1, false);
    EXPECT_TRUE(cheap.p.empty() && cheap.v.empty() && cheap.c.empty());
    EXPECT_EQ(cheap.x, state.x);
    EXPECT_EQ(cheap.z, state.z);
}

TEST(CudaForceGroup, WithoutLearningTheWeightsStay) {
    Group g(1);
    g.run(0, 20, 1);
    const backend::ForceState before = g.group->get(0);
    g.run(20, 20, 0);
    const backend::ForceState after = g.group->get(0);
    EXPECT_EQ(after.w_out, before.w_out);
    EXPECT_EQ(after.p, before.p);
    EXPECT_EQ(after.v, before.v);
    EXPECT_NE(after.x, before.x);
}

TEST(CudaForceGroup, WhatIsNotFiniteStaysAndLeavesOthersAlone) {
    Group sound(3), spoilt(3);
    backend::ForceState state = spoilt.group->get(1);
    state.x[4] = std::numeric_limits<double>::quiet_NaN();
    spoilt.group->set(1, state);
    const auto expected = sound.run(0, 40, 2), found = spoilt.run(0, 40, 2);
    EXPECT_EQ(found[0], expected[0]);
    EXPECT_EQ(found[2], expected[2]);
    EXPECT_EQ(spoilt.group->get(2).p, sound.group->get(2).p);
    EXPECT_TRUE(std::isnan(spoilt.group->get(1).z));
    EXPECT_TRUE(std::isnan(spoilt.group->get(1).x[4]));
}

TEST(CudaForceGroup, RefusesCallsThatDoNotFit) {
    Group g(2, 8);
    EXPECT_THROW(g.run(0, 9, 1), InternalError);
    std::vector<double> z(4);
    const backend::ForceGroup::Work one{0, 0, z, z}, beyond{2, 0, z, z};
    const backend::ForceGroup::Work twice[] = {one, one};
    EXPECT_THROW(g.group->run(1, twice), InternalError);
    EXPECT_THROW(g.group->run(1, {&beyond, 1}), InternalError);
    backend::ForceState state = g.group->get(0);
    state.v.push_back(0.0);
    EXPECT_THROW(g.group->set(0, state), InternalError);
    ForceOptions large = options(1025);
    EXPECT_EQ(emulated_engine().largest_force(), 1024);
    EXPECT_THROW(ForceGroupTrainer(emulated_engine(), large, members(large, 1)), InternalError);
    ForceOptions wrong = options();
    wrong.alpha = 0.0;
    EXPECT_THROW(ForceGroupTrainer(emulated_engine(), wrong, members(options(), 1)), DataError);
}

/// Two networks with 1 and 3 tests that start after 20, 40 and 60 steps, run to `steps` with at most `most` of a call.
struct TestsOfTwo {
    ForceOptions o = options();
    ForceGroupTrainer trainer{emulated_engine(), o, members(o, 2)};
    std::vector<std::vector<ForceGroupTrainer::Snapshot>> snapshots{2};

    TestsOfTwo() {
        for (const int64_t at : {20, 40, 60}) {
            train_to(trainer, at, 1 << 20);
            if (at == 20) snapshots[0].push_back(trainer.snapshot(0));
            snapshots[1].push_back(trainer.snapshot(1));
        }
    }
    ForceGroupTrainer::Tests start(const std::vector<std::vector<std::byte>>& progress = std::vector<std::vector<std::byte>>(2)) const {
        return trainer.start_tests(
            std::vector<ForceGroupTrainer::TestStart>{{0, snapshots[0], progress[0]}, {1, snapshots[1], progress[1]}});
    }
    static void run(ForceGroupTrainer::Tests& tests, std::vector<int64_t> ends, int64_t most) {
        for (;;) {
            std::vector<int64_t> now;
            for (std::size_t part = 0; part < ends.size(); ++part) now.push_back(std::min(most, ends[part] - tests.steps_done(part)));
            if (std::ranges::max(now) == 0) return;
            tests.run(now);
        }
    }
    static std::vector<std::vector<std::byte>> saved(const ForceGroupTrainer::Tests& tests) {
        std::vector<std::vector<std::byte>> all;
        for (std::size_t part = 0; part < tests.parts(); ++part) {
            ArchiveWriter archive;
            tests.save(part, archive);
            all.push_back(archive.take());
        }
        return all;
    }
};

TEST(CudaForceGroup, TestsFindWhatThoseOfTheHostFind) {
    const TestsOfTwo two;
    auto tests = two.start();
    EXPECT_TRUE(std::isnan(tests.error(1, 0)));
    TestsOfTwo::run(tests, {100, 100}, 100);
    for (std::size_t i = 0; i < 2; ++i) {
        ForceTrainer one(host(), learn::initial_rank1(two.o, i, 0), two.o, period(i), i, 0);
        std::vector<ForceTrainer::Snapshot> snapshots;
        std::vector<double> z(60);
        for (std::size_t k = 0; k < two.snapshots[i].size(); ++k) {
            one.train(20, {z.data(), 20});
            snapshots.push_back(one.snapshot());
        }
        auto expected = one.start_tests(snapshots);
        Matrix<double> output(expected.count(), 100);
        expected.run(output.view());
        for (int64_t k = 0; k < expected.count(); ++k)
            EXPECT_NEAR(tests.error(i, k), expected.error(k), tolerance(24, 160)) << i << ' ' << k;
    }
}

TEST(CudaForceGroup, TestsGiveTheSameBitsHoweverTheyAreCutAndSaved) {
    const TestsOfTwo two;
    auto whole = two.start();
    TestsOfTwo::run(whole, {90, 90}, 1 << 20);
    const auto expected = TestsOfTwo::saved(whole);
    for (const int64_t most : {1, 13}) {
        auto cut = two.start();
        TestsOfTwo::run(cut, {31, 7}, most);  // one goes ahead
        auto on = two.start(TestsOfTwo::saved(cut));
        EXPECT_EQ(on.steps_done(0), 31);
        TestsOfTwo::run(on, {90, 90}, most);
        EXPECT_EQ(TestsOfTwo::saved(on), expected) << most;
        EXPECT_EQ(on.error(1, 2), whole.error(1, 2));
    }
    auto fewer = TestsOfTwo::saved(whole);
    std::swap(fewer[0], fewer[1]);
    EXPECT_THROW(two.start(fewer), DataError);
}

TEST(CudaForceGroup, KernelsFitTheSharedMemoryOfADevice) {
    constexpr int64_t kibi = 1024;
    const auto width = [](int32_t n, int64_t shared) {
        return with_frozen_kernel(n, shared, []<class Kernel, int Width>() { return Width; });
    };
    EXPECT_EQ(largest_force(227 * kibi), force_max_units);
    EXPECT_GE(largest_force(163 * kibi), 512);  // compute capability 8.0
    EXPECT_GE(largest_force(99 * kibi), 256);   // 8.6, 8.9, 12.0
    EXPECT_EQ(width(512, 227 * kibi), 16);
    EXPECT_EQ(width(512, 163 * kibi), 8);
    EXPECT_EQ(width(577, 227 * kibi), 8);
}

}  // namespace
}  // namespace aelle::cuda
