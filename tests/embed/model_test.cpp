#include "aelle/embed/model.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/embed/analysis_file.hpp"
#include "aelle/embed/spectra.hpp"
#include "aelle/io/h5.hpp"
#include "synthetic_study.hpp"

namespace aelle::embed {
namespace {

constexpr int64_t variants = 15, epochs = 2, dimension = 16, latent = 4;

class ModelTest : public testing::Test {
protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("aelle_model_" + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
        options_.repeats = 2;
        options_.autoencoder.hidden = {16, 8};
        options_.autoencoder.latent = latent;
        options_.autoencoder.steps = 100;
        input_ = synthetic_study(variants, epochs, Rule::band, dimension);
        input_.exponents[7 * epochs * dimension + 3] = std::nan("");                                   // variant 7 at the first epoch
        input_.exponents[2 * epochs * dimension + 15] = -std::numeric_limits<double>::infinity();  // raised to the floor
        input_.dimension[4] = 10;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    /// analysis.h5 of the input with the options, read back.
    Model written_and_read() {
        analysis_ = assemble(input_, options_, {analyze_repeat(input_, options_, 0), analyze_repeat(input_, options_, 1)});
        write_analysis(folder_ / "analysis.h5", input_, options_, analysis_);
        return read_model(folder_ / "analysis.h5");
    }
    std::vector<std::vector<double>> spectra_at(int64_t epoch) const {
        std::vector<std::vector<double>> spectra;
        for (int64_t v = 0; v < variants; ++v) {
            const auto first = input_.exponents.begin() + (v * epochs + epoch) * dimension;
            spectra.emplace_back(first, first + input_.dimension[static_cast<std::size_t>(v)]);
        }
        return spectra;
    }
    /// What the analysis said of repeat 0 by a classifier.
    int positive(const std::string& classifier, int64_t v, int64_t e) const {
        const auto c = std::find(analysis_.classifier.begin(), analysis_.classifier.end(), classifier) - analysis_.classifier.begin();
        return analysis_.repeats[0].positive[static_cast<std::size_t>((c * variants + v) * epochs + e)];
    }
    static void expect_same_bits(double a, double b) { EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << a << " " << b; }

    void expect_the_analysis(const Model& model) {
        const FittedModel& fitted = *analysis_.repeats[0].model;
        for (int64_t e = 0; e < epochs; ++e) {
            const Placement placement = apply(model, spectra_at(e), model.boundary_index(input_.epochs[static_cast<std::size_t>(e)]));
            for (int64_t v = 0; v < variants; ++v) {
                const auto row = static_cast<std::size_t>(v * epochs + e), one = static_cast<std::size_t>(v);
                for (std::size_t i = 0; i < latent; ++i) {
                    expect_same_bits(placement.latent[one * latent + i], fitted.latent[row * latent + i]);
                    expect_same_bits(placement.pc[one * latent + i], fitted.pc[row * latent + i]);
                }
                expect_same_bits(placement.predicted_loss[one], fitted.predicted_loss[row]);
                EXPECT_EQ(placement.positive[one], positive("aelle-pc1", v, e)) << v << " " << e;
                EXPECT_EQ(placement.positive_by_prediction[one], positive("aelle-prediction", v, e)) << v << " " << e;
            }
        }
    }

    std::filesystem::path folder_;
    AnalysisOptions options_;
    AnalysisInput input_;
    Analysis analysis_;
};

TEST_F(ModelTest, AppliedToItsOwnStudyGivesTheAnalysisToTheBit) {
    expect_the_analysis(written_and_read());
    options_.length = 23;
    options_.standardise = false;
    options_.transform = SpectrumTransform::raw;
    options_.target = TargetTransform::raw;
    options_.boundaries = BoundaryEpochs::each;
    expect_the_analysis(written_and_read());
}

TEST_F(ModelTest, KeepsTheKindOfItsSpectraWhereItIsKnown) {
    EXPECT_EQ(written_and_read().kind, "");
    input_.kind = "hidden";
    EXPECT_EQ(written_and_read().kind, "hidden");
}

TEST_F(ModelTest, ANetworksPlaceDoesNotDependOnTheOthers) {
    const Model model = written_and_read();
    const auto spectra = spectra_at(1);
    const Placement all = apply(model, spectra, 1);
    for (std::size_t v : {0u, 4u, 11u}) {
        const Placement alone = apply(model, {&spectra[v], 1}, 1);
        for (std::size_t i = 0; i < latent; ++i) EXPECT_EQ(alone.latent[i], all.latent[v * latent + i]);
        EXPECT_EQ(alone.predicted_loss[0], all.predicted_loss[v]);
    }
}

TEST_F(ModelTest, OtherLengthsAreInterpolatedAsTheStudyDoes) {
    const Model model = written_and_read();
    std::vector<double> fine;
    for (int i = 0; i < 31; ++i) fine.push_back(0.05 - 0.004 * i);  // at every other place the coarse one
    std::vector<double> coarse = interpolate_linear(fine, dimension);
    const std::vector<std::vector<double>> both{fine, coarse};
    const Placement placement = apply(model, both, 0);
    EXPECT_EQ(placement.predicted_loss[0], placement.predicted_loss[1]);
    EXPECT_TRUE(std::isfinite(placement.predicted_loss[0]));
}

TEST_F(ModelTest, SpectraThatAreNotNumbersAreUndefined) {
    const Model model = written_and_read();
    const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
    const std::vector<std::vector<double>> spectra{{}, {nan, -1.0}, {infinity, -1.0}, {0.1, -infinity}};
    const Placement placement = apply(model, spectra, 0);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(placement.positive[i], -1);
        EXPECT_EQ(placement.positive_by_prediction[i], -1);
        EXPECT_TRUE(std::isnan(placement.predicted_loss[i]));
        EXPECT_TRUE(std::isnan(placement.pc[i * latent]));
    }
    EXPECT_NE(placement.positive[3], -1);
    EXPECT_TRUE(std::isfinite(placement.predicted_loss[3]));
}

TEST_F(ModelTest, BoundariesOfEpochsThatAreNotThereAreRefused) {
    Model model = written_and_read();
    EXPECT_EQ(model.boundary_index(std::nullopt), 1);
    EXPECT_EQ(model.boundary_index(3), 1);  // one boundary for all
    model.boundary_each_epoch = true;
    EXPECT_EQ(model.boundary_index(0), 0);
    EXPECT_THROW(model.boundary_index(3), DataError);
}

TEST_F(ModelTest, BadFilesAreRefused) {
    EXPECT_THROW(read_model(folder_ / "absent.h5"), MissingInput);
    io::H5Writer other;
    other.write("inputs", std::vector<double>{1.0}, {1});
    other.commit(folder_ / "other.h5");
    EXPECT_THROW(read_model(folder_ / "other.h5"), DataError);
}

}  // namespace
}  // namespace aelle::embed
