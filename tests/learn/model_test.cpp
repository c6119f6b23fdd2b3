// How networks start: laws, keys, rounding.
#include "aelle/learn/model.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "aelle/base/error.hpp"

namespace aelle::test {
namespace {

using learn::initial_model;
using learn::InitOptions;
using learn::Model;

Model start(const char* cell, const InitOptions& options, int64_t hidden = 64, int64_t input = 28, uint64_t seed = 3, uint64_t variant = 0) {
    return initial_model(cells::find_cell(cell), {hidden, input}, 10, {}, options, seed, variant);
}

struct Spread {
    double mean = 0, deviation = 0, largest = 0;
};

Spread spread(const std::vector<double>& values) {
    Spread s;
    for (const double v : values) {
        s.mean += v / static_cast<double>(values.size());
        s.largest = std::max(s.largest, std::fabs(v));
    }
    for (const double v : values) s.deviation += (v - s.mean) * (v - s.mean) / static_cast<double>(values.size());
    s.deviation = std::sqrt(s.deviation);
    return s;
}

void expect_uniform(const std::vector<double>& values, double width) {
    const Spread s = spread(values);
    const double error = width / std::sqrt(static_cast<double>(values.size()));
    EXPECT_LE(s.largest, width * (1 + 1e-6));
    EXPECT_GT(s.largest, width * (1 - 20.0 / static_cast<double>(values.size())));
    EXPECT_NEAR(s.mean, 0, 4 * error);
    EXPECT_NEAR(s.deviation, width / std::sqrt(3.0), 4 * error);
}

TEST(InitialModel, StudyDrawsMatricesFromPAndLeavesPytorchBiasesOut) {
    const Model lstm = start("lstm", {.p = 0.37});
    EXPECT_EQ(lstm.parameters.tensors.size(), 2u);
    expect_uniform(lstm.parameters.tensors.at("weight_ih_l0"), 0.37);
    expect_uniform(lstm.parameters.tensors.at("weight_hh_l0"), 0.37);
    expect_uniform(lstm.fc_weight, 1 / 8.0);
    EXPECT_EQ(lstm.fc_bias.size(), 10u);
    const Model lem = start("lem", {.p = 2.0});
    expect_uniform(lem.parameters.tensors.at("weight_hz_l0"), 2.0);
    expect_uniform(lem.parameters.tensors.at("bias_ih_l0"), 1 / 8.0);
}

TEST(InitialModel, StandardLawsAreThoseOfPytorchAndTheAuthors) {
    const Model gru = start("gru", {});
    EXPECT_EQ(gru.parameters.tensors.size(), 4u);
    for (const auto& [name, values] : gru.parameters.tensors) expect_uniform(values, 1 / 8.0);
    const Model asrnn = start("asrnn-gated", {});
    EXPECT_NEAR(spread(asrnn.parameters.tensors.at("weight_hh_l0")).deviation, 1 / 64.0, 1e-3);
    EXPECT_NEAR(spread(asrnn.parameters.tensors.at("weight_ih_l0")).deviation, 1 / 28.0, 2e-3);
    EXPECT_EQ(asrnn.parameters.tensors.at("bias_iz_l0"), std::vector<double>(64, 1.0));
    const Model lipschitz = start("lipschitz", {});
    EXPECT_NEAR(spread(lipschitz.parameters.tensors.at("weight_a_l0")).deviation, 6 / 64.0, 5e-3);
    EXPECT_NEAR(spread(lipschitz.parameters.tensors.at("weight_ih_l0")).deviation, std::sqrt(2.0 / (28 + 64)), 1e-2);
    expect_uniform(start("cornn", {}).parameters.tensors.at("weight_hz_l0"), 1 / std::sqrt(28.0 + 128));
}

TEST(InitialModel, ScalarsGivenGoBeforeDefaultsAndReachTheTensors) {
    cells::Parameters scalars;
    scalars.scalars = {{"eps", 0.25}, {"beta", 0.5}};
    const Model model = initial_model(cells::find_cell("noisy"), {8, 3}, 2, scalars, {}, 1, 0);
    EXPECT_EQ(model.parameters.tensors.at("step_l0"), std::vector<double>(8, 0.25));
    EXPECT_EQ(model.parameters.scalars.at("beta_w"), 0.5);
    EXPECT_EQ(model.parameters.scalars.at("sigma_mult"), 0.02);
    EXPECT_EQ(start("noisy", {}).parameters.tensors.at("step_l0").front(), static_cast<double>(0.01f));
}

TEST(InitialModel, ValuesAreFloatsAndDependOnSeedVariantAndTensor) {
    const Model model = start("rnn", {});
    for (const double value : model.parameters.tensors.at("weight_hh_l0")) EXPECT_EQ(value, static_cast<double>(static_cast<float>(value)));
    EXPECT_EQ(start("rnn", {}).parameters.tensors, model.parameters.tensors);
    EXPECT_NE(start("rnn", {}, 64, 28, 4).parameters.tensors, model.parameters.tensors);
    EXPECT_NE(start("rnn", {}, 64, 28, 3, 1).parameters.tensors, model.parameters.tensors);
    EXPECT_NE(model.parameters.tensors.at("bias_ih_l0"), model.parameters.tensors.at("bias_hh_l0"));
    const auto& fc = model.fc_weight;
    EXPECT_FALSE(std::equal(fc.begin(), fc.begin() + 64, model.parameters.tensors.at("weight_hh_l0").begin()));
    // The same numbers scaled, so that a study's variants differ in p alone where their seeds agree.
    const Model one = start("rnn", {.p = 1.0}), two = start("rnn", {.p = 2.0});
    EXPECT_EQ(2 * one.parameters.tensors.at("weight_hh_l0")[5], two.parameters.tensors.at("weight_hh_l0")[5]);
}

TEST(InitialModel, PublishedInputWeightsAreBetween0And1) {
    const Model model = start("lstm", {.p = 3.0, .unit_inputs = true});
    const auto& inputs = model.parameters.tensors.at("weight_ih_l0");
    EXPECT_GE(*std::min_element(inputs.begin(), inputs.end()), 0.0);
    EXPECT_LE(*std::max_element(inputs.begin(), inputs.end()), 1.0);
    EXPECT_NEAR(spread(inputs).mean, 0.5, 0.02);
    expect_uniform(model.parameters.tensors.at("weight_hh_l0"), 3.0);
}

TEST(InitialModel, WhatCannotStartIsRefused) {
    EXPECT_THROW(start("rank1", {}, 16, 0), DataError);
    EXPECT_THROW(start("rnn", {.p = -1.0}), DataError);
    EXPECT_THROW(start("rnn", {.p = std::nan("")}), DataError);
    EXPECT_THROW(start("rnn", {}, 0), DataError);
    cells::Parameters scalars;
    scalars.scalars = {{"dt", 0.1}};
    EXPECT_THROW(initial_model(cells::find_cell("rnn"), {4, 3}, 2, scalars, {}, 1, 0), DataError);
}

}  // namespace
}  // namespace aelle::test
