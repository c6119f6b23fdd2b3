// aelle predict: a study's autoencoder applied to spectra in every kind of file.
#include "given_network.hpp"

namespace aelle::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// One small study for all tests of this file.
class Predict : public ProgramTest {
protected:
    void SetUp() override {
        ProgramTest::SetUp();
        const Outcome outcome = aelle(small_run(scratch_ / "study"));
        ASSERT_EQ(outcome.status, 0) << outcome.err;
    }
    Outcome predict(const std::string& spectra, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> words{"predict", "--model", scratch_ / "study", "--spectra", spectra, "-o", scratch_ / "p.h5"};
        words.insert(words.end(), more.begin(), more.end());
        return aelle(words);
    }
    io::H5Reader result() const { return io::H5Reader(scratch_ / "p.h5"); }

    /// Bytes of `predicted` are those of analysis.h5 at one epoch index: (V, d) against (V, E, d).
    void expect_analysis(const std::string& name, const Reals& expected, int64_t epochs, int64_t epoch) const {
        const Reals found = result().read<double>(name);
        const auto networks = result().dims(name)[0], width = static_cast<int64_t>(found.size()) / networks;
        ASSERT_EQ(static_cast<int64_t>(expected.size()), networks * epochs * width) << name;
        for (int64_t v = 0; v < networks; ++v) {
            for (int64_t i = 0; i < width; ++i) {
                const double a = found[v * width + i], b = expected[(v * epochs + epoch) * width + i];
                EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << name << " " << v << ": " << a << " " << b;
            }
        }
    }
    Reals positive_of_repeat_0(const io::H5Reader& analysis, const std::string& classifier) const {
        const auto names = analysis.read_strings("classifier");
        const auto c = std::find(names.begin(), names.end(), classifier) - names.begin();
        const auto all = analysis.read<double>("positive");
        const io::Dims dims = analysis.dims("positive");
        const int64_t spectra = dims[2] * dims[3];
        const auto first = all.begin() + c * dims[1] * spectra;
        return {first, first + spectra};
    }
};

TEST_F(Predict, ItsOwnStudyToTheBitInEveryFormat) {
    const io::H5Reader study(scratch_ / "study" / "study.h5"), analysis(scratch_ / "study" / "analysis.h5");
    const auto epochs = study.read<int64_t>("epoch");
    const auto expect_epoch = [&](int64_t e) {
        const auto count = static_cast<int64_t>(epochs.size());
        for (const char* name : {"latent", "pc", "predicted_loss"}) expect_analysis(name, analysis.read<double>(name), count, e);
        expect_analysis("positive", positive_of_repeat_0(analysis, "aelle-pc1"), count, e);
        expect_analysis("positive_by_prediction", positive_of_repeat_0(analysis, "aelle-prediction"), count, e);
    };
    const Outcome outcome = predict(scratch_ / "study" / "study.h5");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    expect_epoch(1);  // the last
    EXPECT_FALSE(contains(outcome.err, "leading exponents")) << outcome.err;
    EXPECT_EQ(result().number("/", "epoch"), static_cast<double>(epochs[1]));
    const auto names = analysis.read_strings("classifier");
    const auto c = std::find(names.begin(), names.end(), "aelle-pc1") - names.begin();
    const io::Dims shape = analysis.dims("boundary");
    EXPECT_EQ(result().number("positive", "boundary"), analysis.read<double>("boundary")[c * shape[1] * shape[2] + 1]);
    ASSERT_EQ(predict(scratch_ / "study" / "study.h5", {"--epoch", std::to_string(epochs[0])}).status, 0);
    expect_epoch(0);

    const io::Dims dims = study.dims("exponents");
    const auto exponents = study.read<double>("exponents");
    std::ofstream csv(scratch_ / "spectra.csv");
    Reals rows;
    for (int64_t v = 0; v < dims[0]; ++v) {
        for (int64_t k = 0; k < dims[2]; ++k) {
            rows.push_back(exponents[(v * dims[1] + 1) * dims[2] + k]);
            char text[40];
            std::snprintf(text, sizeof text, "%.17g", rows.back());
            csv << (k > 0 ? "," : "") << text;
        }
        csv << "\n";
    }
    csv.close();
    ASSERT_EQ(predict(scratch_ / "spectra.csv").status, 0);
    expect_epoch(1);
    io::H5Writer file;
    file.write("exponents", rows, {dims[0], dims[2]});
    file.commit(scratch_ / "rows.h5");
    ASSERT_EQ(predict(scratch_ / "rows.h5").status, 0);
    expect_epoch(1);
    Process ranks(mpirun(2, {"predict", "--model", scratch_ / "study", "--spectra", scratch_ / "rows.h5", "-o", scratch_ / "p.h5"}), scratch_);
    ASSERT_EQ(ranks.wait().status, 0);
    expect_epoch(1);
}

TEST_F(Predict, ANetworkOfAelleSpectrumOfAnotherSizeInEitherLogarithm) {
    write_h5(given_net("rank1", 40, 0, 2.0), scratch_ / "net.h5");
    io::H5Writer file;
    file.write("inputs", Reals{}, {2, 60, 0});
    file.commit(scratch_ / "x.h5");
    io::H5Writer initial;
    Reals state;
    for (int i = 0; i < 80; ++i) state.push_back(std::sin(i));
    initial.write("initial_state", state, {2, 40});
    initial.commit(scratch_ / "s0.h5");
    Reals losses;
    for (const char* log : {"e", "2"}) {
        ASSERT_EQ(aelle({"spectrum", "--cell", "rank1", "--weights", scratch_ / "net.h5", "--inputs", scratch_ / "x.h5", "--initial-state", scratch_ / "s0.h5",
                         "--log", log, "-o", scratch_ / "s.h5"}).status,
                  0);
        const Outcome outcome = predict(scratch_ / "s.h5");
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_TRUE(contains(outcome.out, "network 0: 40 exponents")) << outcome.out;
        EXPECT_TRUE(contains(outcome.err, "fitted to the 32 leading exponents of each network; 1 of 1 spectra have another number")) << outcome.err;
        const auto loss = result().read<double>("predicted_loss");
        ASSERT_EQ(loss.size(), 1u);  // the mean over the sequences
        losses.push_back(loss[0]);
    }
    EXPECT_NEAR(losses[0], losses[1], 1e-6 * losses[0]);
    ASSERT_EQ(predict((scratch_ / "s.h5").string() + ":exponents").status, 0);
    EXPECT_EQ(result().dims("predicted_loss"), (io::Dims{2}));
}

TEST_F(Predict, SpectraOfAnotherKindAreRefused) {
    write_h5(given_net("lstm", 8, 3), scratch_ / "net.h5");
    io::H5Writer file;
    file.write("inputs", Reals(60, 0.5), {1, 20, 3});
    file.commit(scratch_ / "x.h5");
    for (const std::string state : {"full", "hidden"}) {
        ASSERT_EQ(aelle({"spectrum", "--cell", "lstm", "--weights", scratch_ / "net.h5", "--inputs", scratch_ / "x.h5", "--state", state, "-o", scratch_ / "s.h5"}).status, 0);
        const Outcome outcome = predict(scratch_ / "s.h5");
        EXPECT_EQ(outcome.status, state == "full" ? 0 : 65) << outcome.err;
        if (state == "hidden") {
            EXPECT_TRUE(contains(outcome.err, "s.h5: spectrum: found spectra of kind \"hidden\", expected \"full\"")) << outcome.err;
        }
    }
}

TEST_F(Predict, WhatIsNotANumberIsUndefinedAndWhatIsWrongIsNamed) {
    const auto with = [&](const std::string& text) {
        std::ofstream(scratch_ / "x.csv") << text;
        return predict(scratch_ / "x.csv");
    };
    ASSERT_EQ(with("a,b\n0.1,-1\n,\nnan,-1\n").status, 0);
    EXPECT_EQ(result().read<int64_t>("positive", {3})[1], -1);
    EXPECT_EQ(result().read<int64_t>("positive_by_prediction", {3})[2], -1);
    EXPECT_TRUE(std::isnan(result().read<double>("predicted_loss")[1]));
    EXPECT_TRUE(std::isfinite(result().read<double>("predicted_loss")[0]));
    const auto refuse = [&](const Outcome& outcome, int status, const std::string& words) {
        EXPECT_EQ(outcome.status, status);
        EXPECT_TRUE(contains(outcome.err, words)) << outcome.err;
    };
    refuse(with("0.1,-1\n0.1,x\n"), 65, "x.csv:2:5: column 2: found 'x', expected a number");
    refuse(with("0.1,-1\n0.1\n"), 65, "x.csv:2: found 1 fields, expected 2");
    refuse(predict(scratch_ / "absent.csv"), 66, "absent.csv");
    refuse(predict(scratch_ / "absent.h5"), 66, "absent.h5");
    refuse(predict(scratch_ / "study" / "study.h5", {"--epoch", "77"}), 65, "epoch: found no 77");
    refuse(aelle({"predict", "--model", scratch_ / "nowhere", "--spectra", scratch_ / "x.csv", "-o", scratch_ / "p.h5"}), 66, "nowhere/analysis.h5");
    refuse(aelle({"predict", "--model", scratch_ / "study" / "study.h5", "--spectra", scratch_ / "x.csv", "-o", scratch_ / "p.h5"}), 65, "study.h5");
    refuse(aelle({"predict", "--model", scratch_ / "study", "--spectra", scratch_ / "x.csv", "-o", scratch_ / "no" / "p.h5"}), 73, "no");
    refuse(aelle({"predict", "--model", scratch_ / "study", "-o", scratch_ / "p.h5"}), 64, "--spectra");
}

}  // namespace
}  // namespace aelle::test
