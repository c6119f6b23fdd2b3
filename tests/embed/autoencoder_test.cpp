#include "aelle/embed/autoencoder.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "aelle/base/nan_max.hpp"
#include "src/embed/elementwise.hpp"

namespace aelle::embed {
namespace {

template <class T>
Matrix<T> random_matrix(int64_t rows, int64_t cols, uint64_t seed) {
    RandomStream random(seed, 0, Purpose::noise);
    Matrix<T> matrix(rows, cols);
    for (int64_t i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<T>(random.normal());
    return matrix;
}

/// The objective written down anew from its equations, sample by sample, in long double; `dropout[l]` as in the class, or empty.
Losses written_out(const Autoencoder<double>& net, const Matrix<double>& z, const std::vector<double>& target, const Objective& objective,
                   const std::vector<Matrix<double>>& dropout) {
    long double reconstruction = 0, prediction = 0;
    const auto layers = static_cast<int64_t>(net.layers().size());
    const auto& p = net.parameters();
    for (int64_t j = 0; j < z.cols(); ++j) {
        std::vector<long double> x(z.column(j), z.column(j) + z.rows());
        for (int64_t l = 0; l < layers; ++l) {
            const auto& layer = net.layers()[static_cast<std::size_t>(l)];
            std::vector<long double> y;
            for (int64_t i = 0; i < layer.outputs; ++i) {
                long double sum = p[static_cast<std::size_t>(layer.bias + i)];
                for (int64_t k = 0; k < layer.inputs; ++k) sum += p[static_cast<std::size_t>(layer.weight + i + k * layer.outputs)] * x[static_cast<std::size_t>(k)];
                if (l != net.latent_layer() && l + 1 != layers) sum = std::tanh(sum);
                if (l != net.latent_layer() && !dropout.empty()) sum *= dropout[static_cast<std::size_t>(l)](i, j);
                y.push_back(sum);
            }
            x = y;
            if (l != net.latent_layer()) continue;
            long double predicted = p[static_cast<std::size_t>(net.predictor().bias)];
            for (std::size_t k = 0; k < x.size(); ++k) predicted += p[static_cast<std::size_t>(net.predictor().weight) + k] * x[k];
            prediction += std::pow(std::fabs(predicted - target[static_cast<std::size_t>(j)]), objective.prediction_norm);
        }
        for (int64_t i = 0; i < z.rows(); ++i) {
            reconstruction += std::pow(std::fabs(x[static_cast<std::size_t>(i)] - z(i, j)), objective.reconstruction_norm);
        }
    }
    const auto count = static_cast<long double>(z.cols());
    return {static_cast<double>(reconstruction / (count * static_cast<long double>(z.rows()))), static_cast<double>(prediction / count)};
}

struct GradientCase {
    std::vector<int64_t> hidden;
    int reconstruction_norm, prediction_norm;
    bool dropout;
};

class AutoencoderGradientTest : public testing::TestWithParam<GradientCase> {};

TEST_P(AutoencoderGradientTest, EveryParameterAgreesWithCentralDifferences) {
    const auto& [hidden, p_norm, l_norm, with_dropout] = GetParam();
    Autoencoder<double> net(6, hidden, 3);
    RandomStream random(5, 1, Purpose::autoencoder);
    net.initialise(random);
    const Matrix<double> z = random_matrix<double>(6, 4, 17);
    const std::vector<double> target{0.3, -1.2, 0.8, 2.0};
    const Objective objective{7.0, p_norm, l_norm};
    AutoencoderGradient<double> gradient(net, 5);  // room for one more than there are
    std::vector<Matrix<double>> dropout;
    for (std::size_t l = 0; l < net.layers().size(); ++l) {
        Matrix<double>& factors = gradient.dropout(static_cast<int64_t>(l));
        for (int64_t i = 0; with_dropout && i < factors.size(); ++i) factors.data()[i] = random.uniform() < 0.3 ? 0.0 : 1.0 / 0.7;
        dropout.push_back(factors);
    }
    const Losses losses = gradient(net, z.view(), target, objective);
    const Losses expected = written_out(net, z, target, objective, dropout);
    EXPECT_NEAR(losses.reconstruction, expected.reconstruction, 1e-13);
    EXPECT_NEAR(losses.prediction, expected.prediction, 1e-13);

    double largest = 0.0;
    for (std::size_t i = 0; i < net.parameters().size(); ++i) {
        const double step = 1e-6, kept = net.parameters()[i];
        const auto total = [&](double value) {
            net.parameters()[i] = value;
            const Losses at = written_out(net, z, target, objective, dropout);
            return at.reconstruction + objective.alpha * at.prediction;
        };
        const double difference = (total(kept + step) - total(kept - step)) / (2.0 * step);
        net.parameters()[i] = kept;
        EXPECT_NEAR(gradient.gradient()[i], difference, 2e-8) << "parameter " << i;
        largest = nan_max(largest, std::fabs(difference));
    }
    EXPECT_GT(largest, 0.1);  // there was something to compare
}

INSTANTIATE_TEST_SUITE_P(NormsAndDepths, AutoencoderGradientTest,
                         testing::Values(GradientCase{{5}, 2, 2, false}, GradientCase{{5}, 1, 2, false}, GradientCase{{5}, 2, 1, false},
                                         GradientCase{{5}, 1, 1, true}, GradientCase{{5, 4}, 2, 2, true}, GradientCase{{}, 2, 2, true}));

TEST(Autoencoder, SinglePrecisionGradientFollowsDouble) {
    Autoencoder<double> precise(48, {64}, 32);
    RandomStream random(5, 1, Purpose::autoencoder);
    precise.initialise(random);
    Autoencoder<float> net(48, {64}, 32);
    for (std::size_t i = 0; i < net.parameters().size(); ++i) net.parameters()[i] = static_cast<float>(precise.parameters()[i]);
    for (std::size_t i = 0; i < net.parameters().size(); ++i) precise.parameters()[i] = net.parameters()[i];
    const auto z = random_matrix<float>(48, 32, 3);
    Matrix<double> z_precise(48, 32);
    for (int64_t i = 0; i < z.size(); ++i) z_precise.data()[i] = z.data()[i];
    const std::vector<float> target(32, 0.5f);
    AutoencoderGradient<float> gradient(net, 32);
    AutoencoderGradient<double> reference(precise, 32);
    gradient(net, z.view(), target, {});
    reference(precise, z_precise.view(), std::vector<double>(32, 0.5), {});
    double largest = 0.0;
    for (const double g : reference.gradient()) largest = std::max(largest, std::fabs(g));
    for (std::size_t i = 0; i < gradient.gradient().size(); ++i) EXPECT_NEAR(gradient.gradient()[i], reference.gradient()[i], 5e-6 * largest);
}

TEST(Autoencoder, EvaluatesAndEncodesLikeTheEquations) {
    Autoencoder<double> net(6, {5, 4}, 3);
    RandomStream random(8, 1, Purpose::autoencoder);
    net.initialise(random);
    const Matrix<double> z = random_matrix<double>(6, 7, 2);
    const std::vector<double> target{0.1, 0.2, 0.3, -0.4, 0.5, 0.6, 0.7};
    const Losses losses = net.evaluate(z.view(), target, {5.0, 1, 2});
    const Losses expected = written_out(net, z, target, {5.0, 1, 2}, {});
    EXPECT_NEAR(losses.reconstruction, expected.reconstruction, 1e-13);
    EXPECT_NEAR(losses.prediction, expected.prediction, 1e-13);
    const Matrix<double> latent = net.encode(z.view());
    EXPECT_EQ(latent.rows(), 3);
    double squares = 0.0;
    const auto predictions = net.predict(latent.view());
    for (std::size_t j = 0; j < 7; ++j) squares += std::pow(predictions[j] - target[j], 2) / 7.0;
    EXPECT_NEAR(squares, losses.prediction, 1e-13);
}

TEST(Autoencoder, InitialWeightsFillThePyTorchRange) {
    Autoencoder<float> net(64, {64}, 32);
    RandomStream random(1, 0, Purpose::autoencoder);
    net.initialise(random);
    for (const auto& layer : net.layers()) {
        const double bound = 1.0 / std::sqrt(static_cast<double>(layer.inputs));
        double squares = 0.0, largest = 0.0;
        const int64_t count = layer.inputs * layer.outputs;
        for (int64_t i = layer.weight; i < layer.bias; ++i) {
            const double w = net.parameters()[static_cast<std::size_t>(i)];
            squares += w * w / static_cast<double>(count);
            largest = std::max(largest, std::fabs(w));
        }
        EXPECT_LE(largest, bound * (1 + 1e-6));
        EXPECT_NEAR(squares, bound * bound / 3.0, 4.0 * bound * bound / 3.0 * std::sqrt(0.8 / static_cast<double>(count)));
    }
}

TEST(Adam, TwoStepsByHand) {
    std::vector<double> w{1.0, -2.0};
    Adam<double> adam(2, 0.1);
    adam.step(w, std::vector{0.5, -4.0});
    // First step: mean and square bias-corrected are g and g^2, so every weight moves by rate * sign(g).
    EXPECT_NEAR(w[0], 1.0 - 0.1 * 0.5 / (0.5 + 1e-8), 1e-15);
    EXPECT_NEAR(w[1], -2.0 + 0.1 * 4.0 / (4.0 + 1e-8), 1e-15);
    adam.step(w, std::vector{-1.0, 0.0});
    const double mean = (0.9 * 0.1 * 0.5 + 0.1 * -1.0) / (1 - 0.81);
    const double square = (0.999 * 0.001 * 0.25 + 0.001 * 1.0) / (1 - 0.998001);
    EXPECT_NEAR(w[0], 1.0 - 0.1 * 0.5 / (0.5 + 1e-8) - 0.1 * mean / (std::sqrt(square) + 1e-8), 1e-12);
}

TEST(Elementwise, HyperbolicTangentIsWithinThreeUnitsInTheLastPlace) {
    std::vector<float> x;
    for (float v = 1e-6f; v < 30.0f; v *= 1.0003f) {
        x.push_back(v);
        x.push_back(-v);
    }
    x.insert(x.end(), {0.0f, 1e-30f, 100.0f, -1e30f});
    std::vector<float> y = x;
    tanh_in_place(y.data(), static_cast<int64_t>(y.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double exact = std::tanh(static_cast<double>(x[i]));
        const double unit = std::nextafter(std::fabs(static_cast<float>(exact)), 2.0f) - std::fabs(static_cast<float>(exact));
        ASSERT_LE(std::fabs(y[i] - exact), 3.0 * unit) << x[i];
    }
}

TEST(Elementwise, DropoutKeepsItsRateAndScale) {
    const int64_t count = 100003;
    std::vector<float> factors(static_cast<std::size_t>(count)), again(factors), other(factors);
    dropout_factors(7, 1, 2, 0.1, factors.data(), count);
    dropout_factors(7, 1, 2, 0.1, again.data(), count);
    dropout_factors(7, 2, 2, 0.1, other.data(), count);
    int64_t dropped = 0, shared = 0, shared_with_next = 0;
    for (std::size_t i = 0; i < factors.size(); ++i) {
        EXPECT_TRUE(factors[i] == 0.0f || std::fabs(factors[i] - 1.0f / 0.9f) < 1e-6f);
        dropped += factors[i] == 0.0f;
        shared += factors[i] == 0.0f && other[i] == 0.0f;
        shared_with_next += i > 0 && factors[i] == 0.0f && factors[i - 1] == 0.0f;
    }
    EXPECT_NEAR(static_cast<double>(dropped) / count, 0.1, 5 * std::sqrt(0.09 / count));
    EXPECT_NEAR(static_cast<double>(shared) / count, 0.01, 5 * std::sqrt(0.01 / count));
    EXPECT_NEAR(static_cast<double>(shared_with_next) / count, 0.01, 5 * std::sqrt(0.012 / count));
    EXPECT_EQ(factors, again);
}

/// Two hidden causes make 12 numbers; the target is a function of one of them.
struct Synthetic {
    Matrix<float> z;
    std::vector<float> target;
};

Synthetic make_synthetic(int64_t count, uint64_t seed) {
    RandomStream random(seed, 3, Purpose::noise);
    Synthetic data{Matrix<float>(12, count), {}};
    for (int64_t j = 0; j < count; ++j) {
        const double a = random.uniform(-1, 1), b = random.uniform(-1, 1);
        for (int64_t i = 0; i < 12; ++i) data.z(i, j) = static_cast<float>(a * std::cos(0.5 * static_cast<double>(i)) + b * std::sin(0.3 * static_cast<double>(i)));
        data.target.push_back(static_cast<float>(2.0 * a * a - 0.7));
    }
    return data;
}

AutoencoderOptions small_options() {
    AutoencoderOptions options;
    options.hidden = {24};
    options.latent = 4;
    options.steps = 2500;
    options.dropout = 0.0;
    return options;
}

TEST(Training, LearnsHiddenCausesAndPredictsUnseenSamples) {
    const Synthetic train = make_synthetic(200, 1), validation = make_synthetic(100, 2);
    const auto result = train_autoencoder(std::as_const(train.z).view(), train.target, std::as_const(validation.z).view(), validation.target,
                                          small_options(), 4, 0);
    // Before training the prediction misses by about the target's variance, 16/45; reconstruction by about that of z.
    EXPECT_GT(result.curve.prediction_validation.front(), 0.2);
    EXPECT_LT(result.curve.prediction_validation.back(), 0.02);
    EXPECT_LT(result.curve.reconstruction_validation.back(), 0.1 * result.curve.reconstruction_validation.front());
    EXPECT_EQ(result.curve.step.front(), 0);
    EXPECT_EQ(result.curve.step.back(), 2500);
    EXPECT_EQ(result.curve.step.size(), 101u);
    EXPECT_EQ(result.step, 2500);
}

TEST(Training, EqualSeedsGiveEqualBytesAndValidationDoesNotEnterTheLastWeights) {
    const Synthetic train = make_synthetic(50, 1), validation = make_synthetic(20, 2), other = make_synthetic(20, 3);
    AutoencoderOptions options = small_options();
    options.steps = 60;
    options.dropout = 0.2;
    const auto run = [&](const Synthetic& held_out, int64_t repeat) {
        return train_autoencoder(std::as_const(train.z).view(), train.target, std::as_const(held_out.z).view(), held_out.target, options, 4, repeat)
            .net.parameters();
    };
    EXPECT_EQ(run(validation, 0), run(validation, 0));
    EXPECT_EQ(run(validation, 0), run(other, 0));
    EXPECT_NE(run(validation, 0), run(validation, 1));
    options.reshuffle = false;
    EXPECT_EQ(run(validation, 0), run(validation, 0));
}

TEST(Training, KeepBestReturnsTheWeightsOfTheLeastValidationPredictionLoss) {
    const Synthetic train = make_synthetic(12, 1);
    Synthetic validation = make_synthetic(30, 2);
    for (float& t : validation.target) t = -t;  // training drives this up after a while, so the best is not the last
    AutoencoderOptions options = small_options();
    options.steps = 400;
    options.keep_best = true;
    const auto best = train_autoencoder(std::as_const(train.z).view(), train.target, std::as_const(validation.z).view(), validation.target, options, 4, 0);
    std::size_t least = 0;
    for (std::size_t i = 1; i < best.curve.step.size(); ++i) {
        if (best.curve.prediction_validation[i] < best.curve.prediction_validation[least]) least = i;
    }
    ASSERT_LT(best.curve.step[least], 400);
    EXPECT_EQ(best.step, best.curve.step[least]);
    const Losses losses = best.net.evaluate(std::as_const(validation.z).view(), validation.target, {});
    EXPECT_EQ(losses.prediction, best.curve.prediction_validation[least]);
}

TEST(Training, AlphaRisesByQuarters) {
    AutoencoderOptions options;
    options.alpha = {5, 6, 10, 20};
    options.steps = 7500;
    const std::pair<int64_t, double> expected[] = {{0, 5}, {1874, 5}, {1875, 6}, {3749, 6}, {3750, 10}, {5624, 10}, {5625, 20}, {7499, 20}};
    for (const auto& [step, alpha] : expected) EXPECT_EQ(alpha_at(options, step), alpha) << step;
    options.alpha = {3};
    EXPECT_EQ(alpha_at(options, 7000), 3);
}

TEST(Training, WithoutWeightThePredictorStaysAsItWasMade) {
    const Synthetic train = make_synthetic(20, 1);
    AutoencoderOptions options = small_options();
    options.hidden = {};
    const auto predictor = [&](int64_t steps, std::vector<double> alpha) {
        options.steps = steps;
        options.alpha = std::move(alpha);
        const auto result = train_autoencoder(std::as_const(train.z).view(), train.target, std::as_const(train.z).view(), train.target, options, 4, 0);
        const auto& p = result.net.parameters();
        return std::vector<float>(p.begin() + result.net.predictor().weight, p.end());
    };
    EXPECT_EQ(predictor(0, {0}), predictor(40, {0}));
    EXPECT_NE(predictor(0, {0}), predictor(40, {0, 0, 0, 1}));
}

}  // namespace
}  // namespace aelle::embed
