#include "aelle/embed/analysis_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <utility>

#include "aelle/io/h5.hpp"
#include "synthetic_study.hpp"

namespace aelle::embed {
namespace {

class AnalysisFileTest : public testing::Test {
protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("aelle_analysis_file_" + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
        options_.repeats = 2;
        options_.autoencoder.hidden = {16};
        options_.autoencoder.latent = 4;
        options_.autoencoder.steps = 100;
        options_.autoencoder.curve_points = 10;
        input_ = synthetic_study(15, 2, Rule::band);
        input_.exponents[7 * 2 * 16] = std::nan("");  // variant 7 at epoch index 0
        analysis_ = assemble(input_, options_, {analyze_repeat(input_, options_, 0), analyze_repeat(input_, options_, 1)});
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path write(const char* name) {
        const auto file = folder_ / name;
        write_analysis(file, input_, options_, analysis_);
        return file;
    }

    std::filesystem::path folder_;
    AnalysisOptions options_;
    AnalysisInput input_;
    Analysis analysis_;
};

TEST_F(AnalysisFileTest, DatasetsHaveThePromisedNamesShapesAndValues) {
    const io::H5Reader file(write("analysis.h5"));
    const auto classes = static_cast<int64_t>(analysis_.classifier.size());
    EXPECT_EQ(file.read_strings("classifier"), analysis_.classifier);
    EXPECT_EQ(file.read<int64_t>("variant", {15}), input_.variant);
    EXPECT_EQ(file.read<int64_t>("epoch", {2}), input_.epochs);
    EXPECT_EQ(file.read<double>("loss", {15}), input_.loss_final);
    EXPECT_EQ(file.read<double>("init", {15}), input_.init);
    EXPECT_EQ(file.read<uint8_t>("label", {15}), analysis_.label);
    for (const char* name : {"statistic/mean", "statistic/max", "statistic/std", "statistic/kaplan_yorke", "predicted_loss"}) {
        const auto values = file.read<double>(name, {15, 2});
        for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(std::isnan(values[i]), i == 14) << name << " " << i;
    }
    EXPECT_EQ(file.dims("latent"), (io::Dims{15, 2, 4}));
    EXPECT_EQ(file.dims("pc"), (io::Dims{15, 2, 4}));
    EXPECT_EQ(file.dims("le_pc"), (io::Dims{15, 2, 2}));
    const Interpretation& interpretation = analysis_.repeats.front().model->interpretation;
    EXPECT_EQ(file.read<double>("interpretation/share", {4}), interpretation.share);
    EXPECT_EQ(file.read<double>("interpretation/spectrum", {5, 16}), interpretation.spectrum);
    EXPECT_EQ(file.read<double>("interpretation/encoded_prediction", {5}), interpretation.encoded_prediction);
    for (const char* name : {"boundary", "side"}) EXPECT_EQ(file.dims(name), (io::Dims{classes, 2, 2}));

    const auto split = file.read<int32_t>("split", {2, 15});
    const auto positive = file.read<int32_t>("positive", {classes, 2, 15, 2});
    const auto score = file.read<double>("score", {classes, 2, 15, 2});
    for (int64_t c = 0; c < classes; ++c) {
        for (int64_t r = 0; r < 2; ++r) {
            const RepeatResult& repeat = analysis_.repeats[static_cast<std::size_t>(r)];
            for (int64_t v = 0; v < 15; ++v) {
                EXPECT_EQ(split[static_cast<std::size_t>(r * 15 + v)], repeat.split[static_cast<std::size_t>(v)]);
                for (int64_t e = 0; e < 2; ++e) {
                    const auto in_file = static_cast<std::size_t>(((c * 2 + r) * 15 + v) * 2 + e);
                    const auto in_repeat = static_cast<std::size_t>((c * 15 + v) * 2 + e);
                    EXPECT_EQ(positive[in_file], repeat.positive[in_repeat]);
                    EXPECT_TRUE(score[in_file] == repeat.score[in_repeat] || std::isnan(score[in_file]));
                }
            }
        }
    }
    EXPECT_EQ(file.number("/", "threshold"), analysis_.threshold);
    EXPECT_EQ(file.number("/", "left_out_spectra"), 1);
    EXPECT_EQ(file.number("/", "left_out"), 0);
    EXPECT_EQ(file.number("/", "diverged"), 0);
    EXPECT_EQ(file.number("/", "clipped"), 0);
    EXPECT_EQ(file.text("/", "analysis.transform"), "signed-log");
    EXPECT_EQ(file.number("/", "analysis.autoencoder.steps"), 100);
    for (const char* name : {"reconstruction_train", "reconstruction_validation", "prediction_train", "prediction_validation", "step"}) {
        EXPECT_EQ(file.dims(std::string("curve/") + name), (io::Dims{11})) << name;
    }
}

TEST_F(AnalysisFileTest, TheStoredModelReproducesLatentVectorsComponentsAndPredictions) {
    const io::H5Reader file(write("analysis.h5"));
    const auto spectrum_constants = file.read<double>("transform/spectrum", {3});
    const auto target_constants = file.read<double>("transform/target", {3});
    const auto latent = file.read<double>("latent"), pc = file.read<double>("pc"), loss = file.read<double>("predicted_loss");
    const auto mean = file.read<double>("pca/mean", {4}), axes = file.read<double>("pca/axes", {4, 4});
    const auto predictor = file.read<double>("autoencoder/predictor/weight", {1, 4});
    const double bias = file.read<double>("autoencoder/predictor/bias", {1})[0];
    for (const std::size_t row : {0u, 9u, 29u}) {
        std::vector<double> x;
        for (std::size_t i = 0; i < 16; ++i) {
            const double exponent = input_.exponents[row * 16 + i];
            const double g = std::copysign(std::log(1.0 + std::fabs(exponent) / spectrum_constants[0]), exponent);
            x.push_back((g - spectrum_constants[1]) / spectrum_constants[2]);
        }
        for (int l = 0; l < 2; ++l) {
            const std::string name = "autoencoder/layer_" + std::to_string(l);
            const auto weight = file.read<double>(name + "/weight"), layer_bias = file.read<double>(name + "/bias");
            const bool tanh = file.text(name, "activation") == "tanh";
            std::vector<double> y;
            for (std::size_t i = 0; i < layer_bias.size(); ++i) {
                double sum = layer_bias[i];
                for (std::size_t k = 0; k < x.size(); ++k) sum += weight[i * x.size() + k] * x[k];
                y.push_back(tanh ? std::tanh(sum) : sum);
            }
            x = y;
        }
        double prediction = bias;
        for (std::size_t i = 0; i < 4; ++i) {
            EXPECT_NEAR(latent[row * 4 + i], x[i], 1e-5);
            prediction += predictor[i] * latent[row * 4 + i];
            double component = 0.0;
            for (std::size_t k = 0; k < 4; ++k) component += axes[i * 4 + k] * (latent[row * 4 + k] - mean[k]);
            EXPECT_NEAR(pc[row * 4 + i], component, 1e-12);
        }
        EXPECT_NEAR(loss[row], std::exp(prediction * target_constants[2] + target_constants[1]), 1e-5 * loss[row]);
    }
}

TEST_F(AnalysisFileTest, EqualAnalysesGiveEqualFiles) {
    const io::H5Reader first(write("a.h5")), second(write("b.h5"));
    for (const std::string group : {"/", "statistic", "pca", "le_pca", "curve", "transform", "autoencoder/layer_0", "autoencoder/predictor"}) {
        for (const std::string& name : first.datasets(group)) {
            const std::string path = group == "/" ? name : group + "/" + name;
            EXPECT_EQ(first.raw_bytes(path), second.raw_bytes(path)) << path;
        }
    }
}

}  // namespace
}  // namespace aelle::embed
