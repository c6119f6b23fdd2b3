// Loss, readout and their gradients, in double precision on the reference backend.
#include "src/learn/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "aelle/backend/choose.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

namespace aelle::test {
namespace {

using learn::Classifier;

constexpr int64_t steps = 4, batch = 3, features = 3, classes = 5;

struct Case {
    std::string cell;
    bool every;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.cell << (c.every ? ", every step" : ", last step"); }

/// A small network with every tensor, one batch for it, and all that a training pass may have.
struct Problem {
    std::unique_ptr<backend::Backend> backend = backend::make_reference();
    std::vector<double> values;
    std::vector<int32_t> targets;
    backend::NoiseKey noise{5, 6, 7};
    learn::Dropout dropout{0.3, 5, 6, 7};
    Classifier<double> classifier;

    explicit Problem(const Case& c)
        : classifier(*backend, learn::initial_model(cells::find_cell(c.cell), {5, features}, classes, {}, {}, 11, 0)) {
        RandomStream random(2, 0, Purpose::target);
        for (int64_t i = 0; i < features * steps * batch; ++i) values.push_back(random.normal());
        for (int64_t i = 0; i < (c.every ? steps : 1) * batch; ++i) targets.push_back(static_cast<int32_t>(random.below(classes)));
        for (double& p : classifier.parameters()) p += 0.3 * random.normal();  // no tensor at a special value
        classifier.parameters_changed();
    }
    learn::BatchLoss loss() { return classifier.forward_training({steps, batch, values.data(), nullptr}, targets, &noise, &dropout); }
    double mean_loss() {
        const auto l = loss();
        return l.sum / static_cast<double>(l.predictions);
    }
};

class ClassifierTest : public testing::TestWithParam<Case> {};

TEST_P(ClassifierTest, GradientAgreesWithDifferences) {
    Problem problem(GetParam());
    problem.mean_loss();
    problem.classifier.backward();
    const auto found = problem.classifier.gradient();
    const std::vector<double> gradient(found.begin(), found.end());
    double largest = 0;
    for (const double g : gradient) largest = std::max(largest, std::fabs(g));
    ASSERT_GT(largest, 1e-3);
    const auto parameters = problem.classifier.parameters();
    const auto at = [&](std::size_t i, double value) {
        parameters[i] = value;
        problem.classifier.parameters_changed();
        return problem.mean_loss();
    };
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const double theta = parameters[i], h = 1e-4;
        // Five points: the error of order h^4 lies below the rounding.
        const double difference = (8 * (at(i, theta + h) - at(i, theta - h)) - (at(i, theta + 2 * h) - at(i, theta - 2 * h))) / (12 * h);
        at(i, theta);
        EXPECT_NEAR(gradient[i], difference, 1e-8 * largest + 1e-7 * std::fabs(difference)) << "parameter " << i;
    }
}

std::vector<Case> cases() {
    std::vector<Case> all;
    for (const cells::CellSpec& cell : cells::all_cells()) {
        if (cell.name == "rank1") continue;  // trained by FORCE
        for (const bool every : {false, true}) all.push_back({std::string(cell.name), every});
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(Cells, ClassifierTest, testing::ValuesIn(cases()), [](const auto& tested) {
    std::string name = tested.param.cell + (tested.param.every ? "_every" : "_last");
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

/// h' = tanh(W x + U h + b + b'), then the readout and -log softmax, in long double.
TEST(Classifier, LossIsTheMeanCrossEntropyWrittenOut) {
    auto backend = backend::make_reference();
    const learn::Model model = learn::initial_model(cells::find_cell("rnn"), {5, features}, classes, {}, {.p = 1.0}, 11, 0);
    Classifier<double> classifier(*backend, model);
    RandomStream random(2, 0, Purpose::target);
    std::vector<double> values;
    for (int64_t i = 0; i < features * steps * batch; ++i) values.push_back(random.normal());
    const std::vector<int32_t> targets{4, 0, 2};
    const auto loss = classifier.forward({steps, batch, values.data(), nullptr}, targets);
    long double sum = 0;
    int64_t correct = 0;
    for (int64_t b = 0; b < batch; ++b) {
        std::vector<long double> h(5, 0);
        for (int64_t t = 0; t < steps; ++t) {
            std::vector<long double> next(5, 0);
            for (std::size_t i = 0; i < 5; ++i) {
                for (std::size_t j = 0; j < features; ++j)
                    next[i] += model.parameters.tensors.at("weight_ih_l0")[i * features + j] * values[static_cast<std::size_t>((t * batch + b) * features) + j];
                for (std::size_t j = 0; j < 5; ++j) next[i] += model.parameters.tensors.at("weight_hh_l0")[i * 5 + j] * h[j];
                next[i] = std::tanh(next[i]);
            }
            h = next;
        }
        std::vector<long double> p(classes);
        long double all = 0;
        for (std::size_t c = 0; c < classes; ++c) {
            p[c] = model.fc_bias[c];
            for (std::size_t j = 0; j < 5; ++j) p[c] += model.fc_weight[c * 5 + j] * h[j];
            p[c] = std::exp(p[c]);
            all += p[c];
        }
        const auto target = static_cast<std::size_t>(targets[static_cast<std::size_t>(b)]);
        sum -= std::log(p[target] / all);
        correct += std::max_element(p.begin(), p.end()) - p.begin() == targets[static_cast<std::size_t>(b)] ? 1 : 0;
        for (std::size_t c = 0; c < classes; ++c) EXPECT_NEAR(classifier.probabilities()(static_cast<int64_t>(c), b), static_cast<double>(p[c] / all), 1e-14);
    }
    EXPECT_NEAR(loss.sum, static_cast<double>(sum), 1e-13);
    EXPECT_EQ(loss.predictions, batch);
    EXPECT_EQ(loss.correct, correct);
}

TEST(Classifier, HugeLogitsNeitherOverflowNorLoseTheLoss) {
    auto backend = backend::make_reference();
    learn::Model model = learn::initial_model(cells::find_cell("rnn"), {2, 1}, 3, {}, {}, 1, 0);
    std::fill(model.fc_weight.begin(), model.fc_weight.end(), 0.0);
    model.fc_bias = {1e30, -1e30, 0.0};
    Classifier<float> classifier(*backend, model);
    const std::vector<float> values{0.5f};
    const auto loss_of = [&](int32_t target) { return classifier.forward({1, 1, values.data(), nullptr}, std::vector<int32_t>{target}).sum; };
    EXPECT_EQ(loss_of(0), 0.0);
    EXPECT_NEAR(loss_of(1) / 2e30, 1.0, 1e-6);
    EXPECT_NEAR(loss_of(2) / 1e30, 1.0, 1e-6);
    EXPECT_THROW(loss_of(3), DataError);
    EXPECT_THROW(loss_of(-1), DataError);
}

TEST(Classifier, ReadoutMayHaveNoBias) {
    auto backend = backend::make_reference();
    learn::Model model = learn::initial_model(cells::find_cell("rnn"), {4, 1}, 3, {}, {}, 1, 0);
    model.fc_bias.clear();
    Classifier<float> classifier(*backend, model);
    const std::vector<float> values{0.5f};
    classifier.forward_training({1, 1, values.data(), nullptr}, std::vector<int32_t>{1}, nullptr, nullptr);
    classifier.backward();
    EXPECT_EQ(classifier.gradient().size(), classifier.parameters().size());
    EXPECT_TRUE(classifier.model().fc_bias.empty());
    EXPECT_EQ(classifier.model().fc_weight, model.fc_weight);
}

// The readout's gradient for a network whose hidden state is known shows which units were dropped: rows of dW are d_logits h_i factor_i.
TEST(Classifier, DropoutZeroesUnitsAtItsRateAndScalesTheRest) {
    constexpr int64_t hidden = 50, many = 200;
    auto backend = backend::choose(backend::Device::cpu).backend;
    learn::Model model = learn::initial_model(cells::find_cell("rnn"), {hidden, 1}, 2, {}, {}, 1, 0);
    Classifier<float> classifier(*backend, model);
    const std::vector<float> one{0.7f};
    const std::vector<int32_t> target{1};
    const double rate = 0.2;
    int64_t dropped = 0;
    const learn::Dropout none{0.0, 3, 4, 0};
    classifier.forward_training({1, 1, one.data(), nullptr}, target, nullptr, &none);
    const double p_plain = classifier.probabilities()(0, 0);
    classifier.backward();
    const auto size = static_cast<std::size_t>(2 * hidden);
    const auto fc = [&] { return classifier.gradient().subspan(classifier.gradient().size() - size - 2, static_cast<std::size_t>(hidden)); };
    const std::vector<float> plain(fc().begin(), fc().end());
    std::vector<int64_t> per_unit(hidden);
    for (uint64_t update = 0; update < many; ++update) {
        const learn::Dropout dropout{rate, 3, 4, update};
        classifier.forward_training({1, 1, one.data(), nullptr}, target, nullptr, &dropout);
        const double p = classifier.probabilities()(0, 0);
        classifier.backward();
        for (std::size_t i = 0; i < hidden; ++i) {
            const double factor = static_cast<double>(fc()[i]) / plain[i] * p_plain / p;
            if (factor == 0.0) ++per_unit[i];
            else EXPECT_NEAR(factor, 1 / (1 - rate), 1e-4);
        }
    }
    for (const int64_t count : per_unit) {
        dropped += count;
        EXPECT_NEAR(static_cast<double>(count), rate * many, 5 * std::sqrt(many * rate * (1 - rate)));
    }
    EXPECT_NEAR(static_cast<double>(dropped), rate * many * hidden, 4 * std::sqrt(hidden * many * rate * (1 - rate)));
}

TEST(Classifier, ModelsThatDoNotFitAreRefused) {
    auto backend = backend::make_reference();
    learn::Model model = learn::initial_model(cells::find_cell("rnn"), {4, 1}, 3, {}, {}, 1, 0);
    model.fc_weight.pop_back();
    EXPECT_THROW(Classifier<float>(*backend, model), DataError);
}

}  // namespace
}  // namespace aelle::test
