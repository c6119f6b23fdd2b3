// aelle train on images and text: data made for the test, usage, files, and PyTorch as the judge of updates.
#include "program.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/learn/model.hpp"
#include "aelle/learn/weights.hpp"
#include "tasks/data_folder.hpp"

namespace aelle::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

using Words = std::vector<std::string>;

class Train : public ProgramTest {
protected:
    fs::path data() const { return real_.empty() ? scratch_ / "data" : real_; }

    /// `count` images, digit n % 10: a bright row whose place tells the digit.
    void write_images(int count) const {
        std::string images, labels;
        for (int n = 0; n < count; ++n) {
            for (int row = 0; row < 28; ++row) {
                for (int column = 0; column < 28; ++column) images += static_cast<char>(row == 2 * (n % 10) + 4 && column > n % 7 ? 200 : (n * row + column) % 5);
            }
            labels += static_cast<char>(n % 10);
        }
        const auto size = static_cast<uint32_t>(count);
        put(data() / "mnist" / "train-images-idx3-ubyte", idx(0x803, {size, 28, 28}, images));
        put(data() / "mnist" / "train-labels-idx1-ubyte", idx(0x801, {size}, labels));
    }

    /// 101 * windows characters.
    void write_text(int windows) const {
        std::string text;
        while (text.size() < 101u * static_cast<unsigned>(windows)) text += "abcdefg hijk. ";
        text.resize(101u * static_cast<unsigned>(windows));
        put(data() / "war_and_peace" / "input.txt", text);
    }

    Words words(const std::string& cell, const std::string& task, const Words& more, const std::string& output = "out.h5") const {
        Words all{"train", "--cell", cell, "--task", task, "--data", data(), "-o", scratch_ / output, "--quiet"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    Outcome train(const std::string& cell, const std::string& task, const Words& more, const std::string& output = "out.h5") const {
        return aelle(words(cell, task, more, output));
    }
    io::H5Reader result(const std::string& output = "out.h5") const { return io::H5Reader(scratch_ / output); }
    void refuse(const std::string& cell, const std::string& task, const Words& more, int status, const std::string& expected) const {
        const Outcome outcome = train(cell, task, more);
        EXPECT_EQ(outcome.status, status) << expected << outcome.err;
        EXPECT_TRUE(contains(outcome.err, expected)) << outcome.err;
        EXPECT_FALSE(fs::exists(scratch_ / "out.h5")) << expected;
    }

    fs::path real_;  ///< real data in place of those made here
};

TEST_F(Train, WritesTensorsCurvesAndOptions) {
    write_images(60);
    const Outcome outcome =
        train("lstm", "smnist", {"--hidden", "12", "--epochs", "3", "--batch", "16", "--limit-train", "40", "--limit-validation", "15", "--clip", "1"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(contains(outcome.out, "sequences per second")) << outcome.out;
    const io::H5Reader file = result();
    EXPECT_EQ(file.dims("weight_ih_l0"), (io::Dims{48, 28}));
    EXPECT_EQ(file.dims("weight_hh_l0"), (io::Dims{48, 12}));
    EXPECT_EQ(file.dims("bias_hh_l0"), (io::Dims{48}));
    EXPECT_EQ(file.dims("fc.weight"), (io::Dims{10, 12}));
    EXPECT_EQ(file.dims("fc.bias"), (io::Dims{10}));
    for (const char* curve : {"train_loss", "loss", "accuracy"}) {
        for (const double value : file.read<double>(curve, {3})) EXPECT_TRUE(std::isfinite(value)) << curve;
    }
    EXPECT_GT(file.number("/", "seconds"), 0.0);
    EXPECT_NEAR(file.number("/", "samples_per_second") * file.number("/", "seconds"), 3 * 40, 1e-6);
    EXPECT_EQ(file.number("/", "lr"), 0.01);
    EXPECT_EQ(file.number("/", "dropout"), 0.1);
    EXPECT_EQ(file.number("/", "batch"), 16);
    EXPECT_EQ(file.number("/", "clip"), 1);
    EXPECT_EQ(file.number("/", "limit_train"), 40);
    EXPECT_EQ(file.number("/", "limit_validation"), 15);
    EXPECT_EQ(file.text("/", "optimizer"), "adam");
    EXPECT_EQ(file.text("/", "order"), "shuffle");
    EXPECT_EQ(file.text("/", "task"), "smnist");
    EXPECT_EQ(file.text("/", "data"), data().string());
    EXPECT_TRUE(file.text("/", "device").starts_with("cpu")) << file.text("/", "device");
    EXPECT_GE(file.number("/", "threads"), 1);
}

TEST_F(Train, LearnsAndRepeatsItself) {
    write_images(200);
    const Words options{"--hidden", "16", "--epochs", "12", "--batch", "16", "--limit-validation", "40", "--seed", "4"};
    ASSERT_EQ(train("gru", "smnist", options).status, 0);
    EXPECT_LT(result().read<double>("loss").back(), 0.5 * result().read<double>("loss").front());
    EXPECT_GT(result().read<double>("accuracy").back(), 0.8);
    ASSERT_EQ(train("gru", "smnist", options, "again.h5").status, 0);
    for (const char* name : {"weight_hh_l0", "fc.bias", "loss", "train_loss"}) EXPECT_EQ(result().raw_bytes(name), result("again.h5").raw_bytes(name)) << name;
    ASSERT_EQ(train("gru", "smnist", {"--hidden", "16", "--epochs", "1", "--batch", "16", "--limit-validation", "40", "--seed", "5"}, "other.h5").status, 0);
    EXPECT_NE(result("other.h5").raw_bytes("weight_hh_l0"), result().raw_bytes("weight_hh_l0"));
}

TEST_F(Train, TextIsReadInWindowsWithBothLosses) {
    write_text(60);
    ASSERT_EQ(train("rnn", "charrnn", {"--hidden", "8", "--epochs", "1"}).status, 0);
    EXPECT_EQ(result().number("/", "limit_train"), 54);
    EXPECT_EQ(result().number("/", "limit_validation"), 6);  // the last tenth
    EXPECT_EQ(result().number("/", "lr"), 0.002);
    EXPECT_EQ(result().number("/", "batch"), 32);
    EXPECT_EQ(result().dims("fc.weight"), (io::Dims{13, 8}));
    const Outcome every = train("lstm", "charrnn", {"--hidden", "16", "--epochs", "6", "--loss", "every", "--lr", "0.02", "--batch", "8"}, "every.h5");
    ASSERT_EQ(every.status, 0) << every.err;
    EXPECT_LT(result("every.h5").read<double>("loss").back(), 0.5);  // the text repeats
    EXPECT_EQ(result("every.h5").text("/", "loss"), "every");
}

TEST_F(Train, EveryCellTrainsAndFeedsSpectrum) {
    write_images(30);
    io::H5Writer inputs;
    inputs.write("inputs", std::vector<double>(28 * 28, 0.3), {1, 28, 28});
    inputs.commit(scratch_ / "inputs.h5");
    for (const std::string cell : {"rnn", "lstm", "gru", "asrnn", "asrnn-gated", "cornn", "lipschitz", "noisy", "lem"}) {
        const Outcome outcome = train(cell, "smnist", {"--hidden", "6", "--epochs", "1", "--limit-validation", "5", "--init", "0.4"});
        ASSERT_EQ(outcome.status, 0) << cell << outcome.err;
        const Outcome spectrum = aelle({"spectrum", "--cell", cell, "--weights", scratch_ / "out.h5", "--inputs", scratch_ / "inputs.h5", "-o", scratch_ / "s.h5"});
        ASSERT_EQ(spectrum.status, 0) << cell << spectrum.err;
        for (const double exponent : io::H5Reader(scratch_ / "s.h5").read<double>("spectrum")) EXPECT_TRUE(std::isfinite(exponent)) << cell;
    }
}

TEST_F(Train, GivenWeightsDecideSizesAndWhatIsTrained) {
    write_images(30);
    const learn::Model model = learn::initial_model(cells::find_cell("asrnn-gated"), {5, 28}, 10, {}, {.p = 0.2}, 1, 0);
    cells::Parameters parameters = model.parameters;
    parameters.tensors.erase("bias_ih_l0");
    parameters.scalars["eps"] = 0.05;
    io::H5Writer file;
    learn::write_weights(file, *model.cell, model.shape, parameters);
    file.write("fc.weight", model.fc_weight, {10, 5});
    file.commit(scratch_ / "w.h5");
    const Words options{"--init-weights", scratch_ / "w.h5", "--epochs", "1", "--limit-validation", "5", "--param", "gamma=0.3"};
    const Outcome outcome = train("asrnn", "smnist", options);  // gated: the file holds weight_iz_l0
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const io::H5Reader out = result();
    EXPECT_EQ(out.dims("weight_iz_l0"), (io::Dims{5, 28}));
    EXPECT_FALSE(out.has("bias_ih_l0"));
    EXPECT_FALSE(out.has("fc.bias"));
    EXPECT_EQ(out.number("/", "eps"), 0.05);
    EXPECT_EQ(out.number("/", "gamma"), 0.3);
    EXPECT_EQ(out.number("/", "hidden"), 5);
    const auto trained = out.read<double>("weight_hh_l0");
    EXPECT_NE(trained, model.parameters.tensors.at("weight_hh_l0"));
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(trained[6 * i], model.parameters.tensors.at("weight_hh_l0")[6 * i]);  // U - U^T: the diagonal never moves
    fs::remove(scratch_ / "out.h5");
    refuse("asrnn", "smnist", {"--init-weights", scratch_ / "w.h5", "--hidden", "6", "--limit-validation", "5"}, 64, "--hidden: found 6, expected 5");
    write_text(20);
    refuse("asrnn", "charrnn", {"--init-weights", scratch_ / "w.h5"}, 65, "found 28 input features, expected 13");
}

// Before any file is opened: there is no data here.
TEST_F(Train, UsageIsCheckedBeforeFiles) {
    refuse("rank1", "smnist", {}, 64, "--task smnist: found cell rank1");
    refuse("lstm", "signal", {}, 64, "--task signal: found cell lstm, expected rank1");
    refuse("lstm", "smnist", {"--steps", "5"}, 64, "--steps: found with --task smnist");
    refuse("lstm", "charrnn", {"--alpha", "2"}, 64, "--alpha: found with --task charrnn");
    refuse("rank1", "signal", {"--batch", "5"}, 64, "--batch: found with --task signal");
    refuse("lstm", "smnist", {"--gated"}, 64, "--gated: found cell lstm");
    refuse("lstm", "smnist", {"--loss", "every"}, 64, "--loss: found every");
    refuse("lstm", "smnist", {"--loss", "all"}, 64, "--loss");
    refuse("lstm", "smnist", {"--momentum", "0.9"}, 64, "--momentum: found with --optimizer adam");
    refuse("lstm", "smnist", {"--layer", "1"}, 64, "--layer: found without --init-weights");
    refuse("lstm", "smnist", {"--init", "1", "--init-weights", "w"}, 64, "--init: found with --init-weights");
    refuse("lstm", "smnist", {"--dropout", "1"}, 64, "--dropout");
    refuse("lstm", "smnist", {"--lr", "nan"}, 64, "--lr");
    refuse("lstm", "smnist", {"--batch", "0"}, 64, "--batch");
    refuse("lstm", "smnist", {"--limit-train", "0"}, 64, "--limit-train");
    refuse("lstm", "smnist", {"--optimizer", "rmsprop"}, 64, "--optimizer");
    refuse("lstm", "smnist", {"--param", "dt=1"}, 64, "--param: found 'dt'");
    refuse("cornn", "smnist", {"--param", "dt=-1"}, 64, "--param dt: found -1");
    refuse("lstm", "mnist", {}, 64, "--task");
}

TEST_F(Train, MissingDataAre66AndLimitsBeyondThem64) {
    refuse("lstm", "smnist", {}, 66, "train-images-idx3-ubyte");
    refuse("lstm", "charrnn", {}, 66, "input.txt");
    write_images(30);
    refuse("lstm", "smnist", {}, 64, "--limit-validation: found 10000, expected at most 29");
    refuse("lstm", "smnist", {"--limit-validation", "30"}, 64, "--limit-validation: found 30");
    refuse("lstm", "smnist", {"--limit-validation", "10", "--limit-train", "21"}, 64, "--limit-train: found 21, expected at most 20");
    refuse("lstm", "smnist", {"--init-weights", scratch_ / "none.h5", "--limit-validation", "10"}, 66, "none.h5");
}

TEST_F(Train, DivergenceIsAResult) {
    write_images(30);
    const Outcome outcome = train("rnn", "smnist", {"--hidden", "4", "--epochs", "3", "--limit-validation", "5", "--optimizer", "sgd", "--lr", "1e6", "--init", "1000000"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Outcome lipschitz = train("lipschitz", "smnist", {"--hidden", "4", "--epochs", "3", "--limit-validation", "5", "--init", "1000000"});
    ASSERT_EQ(lipschitz.status, 0) << lipschitz.err;
    EXPECT_TRUE(contains(lipschitz.out, "the network diverged")) << lipschitz.out;
    EXPECT_EQ(result().dims("loss"), (io::Dims{3}));
    EXPECT_TRUE(std::isnan(result().read<double>("loss").back()));
}

TEST_F(Train, StopsOnSignalAndTimeLimitWith75) {
    write_images(500);
    const Words endless{"--hidden", "64", "--epochs", "1000000", "--limit-validation", "10"};
    Words limited = endless;
    limited.insert(limited.end(), {"--time-limit", "1"});
    const Outcome timed = train("lstm", "smnist", limited);
    EXPECT_EQ(timed.status, 75);
    EXPECT_TRUE(contains(timed.err, "time limit")) << timed.err;
    Words all = words("lstm", "smnist", endless);
    all.insert(all.begin(), program);
    Process process(all, scratch_);
    process.wait_for_handler(SIGUSR1);
    process.signal(SIGUSR1);
    const Outcome outcome = process.wait();
    EXPECT_EQ(outcome.status, 75) << outcome.err;
    EXPECT_LT(outcome.seconds, 8.0);
    EXPECT_FALSE(fs::exists(scratch_ / "out.h5"));
}

/// Ten updates of each optimiser on the first real images, the last batch smaller, repeated by PyTorch (tests/learn/torch_reference.py).
TEST_F(Train, TenUpdatesOfEveryCellAgreeWithPytorch) {
    const auto real = real_data("mnist");
    if (!real) GTEST_SKIP() << "no MNIST: looked for mnist in $AELLE_DATA and ../shared/data";
    real_ = *real;
    const std::string absent = absent_from_python({"torch", "numpy", "h5py"});
    if (!absent.empty()) GTEST_SKIP() << absent;
    Words compared{"python3", source / "tests" / "learn" / "torch_reference.py", "--data", *real};
    for (const std::string name : {"rnn", "lstm", "gru", "asrnn", "asrnn-gated", "cornn", "lipschitz", "noisy", "lem"}) {
        const cells::CellSpec& cell = cells::find_cell(name);
        const learn::Model model = learn::initial_model(cell, {32, 28}, 10, {}, {}, 7, 0);
        io::H5Writer file;
        learn::write_weights(file, cell, model.shape, model.parameters);
        file.write("fc.weight", model.fc_weight, {10, 32});
        file.write("fc.bias", model.fc_bias, {10});
        const fs::path initial = scratch_ / (name + ".h5");
        file.commit(initial);
        for (const Words& optimizer : {Words{"adam", "--lr", "0.001"}, Words{"sgd", "--lr", "0.1", "--momentum", "0.9", "--clip", "1"}}) {
            const std::string output = name + "-" + optimizer[0] + ".h5";
            Words options{"--init-weights", initial, "--epochs", "1", "--batch", "64", "--limit-train", "610", "--limit-validation", "10",
                          "--order", "sequential", "--dropout", "0", "--optimizer"};
            options.insert(options.end(), optimizer.begin(), optimizer.end());
            if (name == "noisy") options.insert(options.end(), {"--param", "sigma_add=0", "--param", "sigma_mult=0"});
            const Outcome outcome = train(name == "asrnn-gated" ? "asrnn" : name, "smnist", options, output);
            ASSERT_EQ(outcome.status, 0) << outcome.err;
            compared.insert(compared.end(), {initial, scratch_ / output});
        }
    }
    const Outcome outcome = Process(compared, scratch_).wait();
    if (outcome.status == 77) GTEST_SKIP() << outcome.out;  // found, and yet not to be imported
    EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
    EXPECT_TRUE(contains(outcome.out, "lem sgd 10 updates, weight_hz_l0")) << outcome.out;
}

}  // namespace
}  // namespace aelle::test
