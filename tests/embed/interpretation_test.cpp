// What the predictor goes by, against plain loops.

#include "aelle/embed/interpretation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "aelle/base/random.hpp"

namespace aelle::embed {
namespace {

struct Fixture {
    Autoencoder<float> net{7, {5}, 3};
    SpectrumScaler spectra{SpectrumTransform::signed_log, 0.05, -0.7, 1.3};
    TargetScaler target{TargetTransform::log, 10.0, -1.0, 0.4};
    Matrix<double> latent{3, 40};

    Fixture() {
        RandomStream random(3, 0, Purpose::autoencoder);
        net.initialise(random);
        for (int64_t j = 0; j < latent.cols(); ++j) {
            const double common = random.normal();
            for (int64_t i = 0; i < 3; ++i)
                latent(i, j) = 0.3 * static_cast<double>(i) + common * static_cast<double>(2 - i) + random.normal();
        }
    }
    double weight(int64_t i) const { return net.parameters()[static_cast<std::size_t>(net.predictor().weight + i)]; }
    double bias() const { return net.parameters()[static_cast<std::size_t>(net.predictor().bias)]; }
    Interpretation interpretation() const { return interpret(net, spectra, target, latent.view()); }
};

/// Layers from the latent vector on, by plain loops.
std::vector<double> decoded(const Autoencoder<float>& net, std::vector<double> value) {
    for (std::size_t l = static_cast<std::size_t>(net.latent_layer()) + 1; l < net.layers().size(); ++l) {
        const auto& layer = net.layers()[l];
        std::vector<double> next;
        for (int64_t i = 0; i < layer.outputs; ++i) {
            double sum = net.parameters()[static_cast<std::size_t>(layer.bias + i)];
            for (int64_t j = 0; j < layer.inputs; ++j) {
                sum +=
                    net.parameters()[static_cast<std::size_t>(layer.weight + i + j * layer.outputs)] * value[static_cast<std::size_t>(j)];
            }
            next.push_back(layer.tanh ? std::tanh(sum) : sum);
        }
        value = next;
    }
    return value;
}

TEST(Interpretation, SharesAreThoseOfTheVarianceOfThePredictions) {
    const Fixture f;
    const Interpretation found = f.interpretation();
    std::vector<double> prediction;
    for (int64_t j = 0; j < 40; ++j) {
        prediction.push_back(f.bias());
        for (int64_t i = 0; i < 3; ++i) prediction.back() += f.weight(i) * f.latent(i, j);
    }
    const double mean = std::accumulate(prediction.begin(), prediction.end(), 0.0) / 40;
    double variance = 0;
    for (const double y : prediction) variance += (y - mean) * (y - mean);
    for (int64_t i = 0; i < 3; ++i) {
        double of_dimension = 0;
        for (int64_t j = 0; j < 40; ++j) of_dimension += f.weight(i) * f.latent(i, j) * (prediction[static_cast<std::size_t>(j)] - mean);
        EXPECT_NEAR(found.share[static_cast<std::size_t>(i)], of_dimension / variance, 1e-12);
        EXPECT_EQ(found.weight[static_cast<std::size_t>(i)], f.weight(i));
    }
    EXPECT_NEAR(std::accumulate(found.share.begin(), found.share.end(), 0.0), 1.0, 1e-12);
}

TEST(Interpretation, StepsChangeThePredictionAsTheySayAndAreDecoded) {
    const Fixture f;
    const Interpretation found = f.interpretation();
    std::vector<double> centre(3, 0.0);
    double square = 0, at_centre = f.bias();
    for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < 40; ++j) centre[static_cast<std::size_t>(i)] += f.latent(i, j) / 40;
        square += f.weight(i) * f.weight(i);
        at_centre += f.weight(i) * centre[static_cast<std::size_t>(i)];
    }
    for (std::size_t s = 0; s < interpretation_shifts.size(); ++s) {
        EXPECT_NEAR(found.prediction[s], f.target.invert(at_centre + interpretation_shifts[s]), 1e-5 * found.prediction[s]);
        std::vector<double> latent = centre;
        for (int64_t i = 0; i < 3; ++i) latent[static_cast<std::size_t>(i)] += interpretation_shifts[s] * f.weight(i) / square;
        const std::vector<double> expected = decoded(f.net, latent);
        Matrix<float> again(7, 1);
        for (int64_t i = 0; i < 7; ++i) {
            const auto k = static_cast<std::size_t>(i);
            EXPECT_NEAR(found.spectrum[s * 7 + k], f.spectra.invert(expected[k]), 1e-5 * (1.0 + std::fabs(f.spectra.invert(expected[k]))));
            again(i, 0) = static_cast<float>(expected[k]);
        }
        const double encoded = f.net.predict(std::as_const(f.net).encode(again.view()).view())[0];
        EXPECT_NEAR(found.encoded_prediction[s], f.target.invert(encoded), 1e-5 * found.encoded_prediction[s]);
    }
}

TEST(Interpretation, WithoutAPredictorThereIsNoDirection) {
    Fixture f;
    for (int64_t i = 0; i < 3; ++i) f.net.parameters()[static_cast<std::size_t>(f.net.predictor().weight + i)] = 0.0f;
    const Interpretation found = f.interpretation();
    for (const double share : found.share) EXPECT_EQ(share, 0.0);
    for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(found.spectrum[i], found.spectrum[4 * 7 + i]);
}

TEST(SpectrumScalerTest, InvertUndoesApply) {
    for (const SpectrumTransform transform : {SpectrumTransform::signed_log, SpectrumTransform::raw}) {
        const SpectrumScaler scaler{transform, 0.05, -2.0, 1.7};
        for (const double x : {-500.0, -3.0, -1e-4, 0.0, 1e-4, 2.0})
            EXPECT_NEAR(scaler.invert(scaler.apply(x)), x, 1e-13 * (1 + std::fabs(x)));
    }
}

}  // namespace
}  // namespace aelle::embed
