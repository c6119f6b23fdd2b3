// Whole studies on the emulated device: every thread of the kernels runs on the host.
#include "program.hpp"

#include <algorithm>
#include <cmath>

#include "fixtures/data_files.hpp"

namespace aelle::test {
namespace {

constexpr const char* digits = R"([study]
name = "digits"
task = "smnist"
seed = 3
[variants]
cells = ["lstm", "noisy"]
hidden = [5]
count = 3
init_range = [0.05, 2.0]
init_distribution = "log-uniform"
group_size = 2
[training]
epochs = 2
batch = 20
keep_weights = true
[data]
train = 50
validation = 30
[spectrum]
epochs = [0, 2]
kinds = ["full", "hidden", "paper-code"]
sequences = 1
)";

constexpr const char* words = R"([study]
name = "words"
task = "charrnn"
[variants]
cells = ["gru"]
hidden = [4]
count = 2
init_values = [0.1, 2.0]
[training]
epochs = 1
batch = 4
[data]
window = 12
validation = 0.3
loss = "every"
batch_fraction = 0.1
[spectrum]
epochs = [1]
sequences = 1
)";

class DeviceStudy : public ProgramTest {
protected:
    void SetUp() override {
        ProgramTest::SetUp();
        data_ = scratch_ / "data";
        write_digits(data_, 90);
        write_words(data_, 2000);
        std::ofstream(scratch_ / "digits.toml") << digits;
        std::ofstream(scratch_ / "words.toml") << words;
        setenv("AELLE_CUDA_LIBRARY", AELLE_EMULATED_LIBRARY, 1);
    }
    void TearDown() override {
        for (const char* name : {"AELLE_CUDA_LIBRARY", "AELLE_EMULATED_MEMORY", "AELLE_EMULATED_FAILURE", "AELLE_EMULATED_DEVICES"})
            unsetenv(name);
        ProgramTest::TearDown();
    }
    std::vector<std::string> command(const std::string& study, const fs::path& output, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all{"run", scratch_ / (study + ".toml"), "-o", output, "--data", data_, "--until", "study", "--device",
                                     "cuda"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    static std::vector<double> values(const fs::path& output, const std::string& dataset) {
        return io::H5Reader(output / "study.h5").read<double>(dataset);
    }
    static void expect_same_study(const fs::path& a, const fs::path& b) {
        SCOPED_TRACE(b.filename().string() + " beside " + a.filename().string());
        const io::H5Reader left(a / "study.h5"), right(b / "study.h5");
        ASSERT_EQ(left.datasets(), right.datasets());
        for (const std::string& name : left.datasets()) EXPECT_EQ(left.raw_bytes(name), right.raw_bytes(name)) << name;
    }
    /// NaN in the same places, and otherwise this near.
    static void expect_near(const fs::path& a, const fs::path& b, const std::string& dataset, double tolerance) {
        const std::vector<double> left = values(a, dataset), right = values(b, dataset);
        ASSERT_EQ(left.size(), right.size());
        for (std::size_t i = 0; i < left.size(); ++i) {
            ASSERT_EQ(std::isnan(left[i]), std::isnan(right[i])) << dataset << " " << i;
            if (!std::isnan(left[i])) {
                EXPECT_NEAR(left[i], right[i], tolerance) << dataset << " " << i;
            }
        }
    }

    fs::path data_;
};

TEST_F(DeviceStudy, AgreesWithTheHostToRounding) {
    for (const std::string study : {"digits", "words"}) {
        const fs::path device = scratch_ / (study + "-device"), host = scratch_ / (study + "-host");
        const Outcome outcome = aelle(command(study, device));
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_NE(outcome.err.find("rank 0: GPU 0: emulation on the host"), std::string::npos) << outcome.err;
        ASSERT_EQ(
            aelle({"run", scratch_ / (study + ".toml"), "-o", host, "--data", data_, "--until", "study", "--device", "cpu", "--quiet"})
                .status,
            0);
        expect_near(device, host, "loss_every_epoch", 1e-5);
        expect_near(device, host, "accuracy", 0.0);
        // Weights agree to single precision, and exponents of nearly singular steps feel that most.
        expect_near(device, host, "exponents", 1e-4);
        if (study == "digits") {
            expect_near(device, host, "exponents_hidden", 1e-4);
            expect_near(device, host, "exponents_paper-code", 1e-4);  // on the host in both
        }
    }
}

TEST_F(DeviceStudy, GivesTheSameBytesForAnyRanksInterruptionsAndMemory) {
    const fs::path reference = scratch_ / "reference";
    ASSERT_EQ(aelle(command("digits", reference)).status, 0);

    const fs::path stopped = scratch_ / "stopped";
    EXPECT_GT(runs_until_done(command("digits", stopped, {"--checkpoint-every", "0.1"}), 0.3), 1);
    expect_same_study(reference, stopped);

    const fs::path ranks = scratch_ / "ranks";
    ASSERT_EQ(Process(mpirun(2, command("digits", ranks, {"--share-gpus", "--threads", "1"})), scratch_).wait().status, 0);
    expect_same_study(reference, ranks);

    const fs::path small = scratch_ / "small";
    setenv("AELLE_EMULATED_MEMORY", "500000", 1);
    const Outcome outcome = aelle(command("digits", small));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("variants at once instead of"), std::string::npos) << outcome.err;
    expect_same_study(reference, small);
}

TEST_F(DeviceStudy, ADeviceThatFailsCostsNothingThatWasFinished) {
    const fs::path reference = scratch_ / "reference", failed = scratch_ / "failed";
    ASSERT_EQ(aelle(command("words", reference)).status, 0);
    setenv("AELLE_EMULATED_FAILURE", "3", 1);  // for good
    Outcome outcome = aelle(command("words", failed));
    EXPECT_EQ(outcome.status, 74) << outcome.err;
    EXPECT_NE(outcome.err.find("aelle: GPU 0: "), std::string::npos) << outcome.err;
    setenv("AELLE_EMULATED_FAILURE", "-3", 1);  // once
    outcome = aelle(command("words", failed));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("tried once more"), std::string::npos) << outcome.err;
    expect_same_study(reference, failed);
}

TEST_F(DeviceStudy, IsRefusedWhereTheDeviceCannotBeHad) {
    setenv("AELLE_EMULATED_DEVICES", "0", 1);
    Outcome outcome = aelle(command("words", scratch_ / "none"));
    EXPECT_EQ(outcome.status, 65);
    EXPECT_NE(outcome.err.find("--device: found cuda, expected cpu or auto: no device"), std::string::npos) << outcome.err;
    unsetenv("AELLE_EMULATED_DEVICES");
    outcome = Process(mpirun(2, command("words", scratch_ / "crowded")), scratch_).wait();
    EXPECT_EQ(outcome.status, 64);
    EXPECT_NE(outcome.err.find("2 ranks for 1 GPUs on a node, expected no more ranks than GPUs, or --share-gpus"), std::string::npos)
        << outcome.err;
    setenv("AELLE_CUDA_LIBRARY", program.c_str(), 1);  // no such library
    outcome = aelle(command("words", scratch_ / "wrong"));
    EXPECT_EQ(outcome.status, 65);
    EXPECT_NE(outcome.err.find("cannot be opened"), std::string::npos) << outcome.err;
}

TEST_F(DeviceStudy, AnOutputFolderKeepsToItsKindOfDevice) {
    const fs::path output = scratch_ / "host";
    std::vector<std::string> host{"run", scratch_ / "words.toml", "-o", output, "--data", data_, "--until", "study", "--device", "cpu"};
    ASSERT_EQ(aelle(host).status, 0);
    const Outcome outcome = aelle(command("words", output));
    EXPECT_EQ(outcome.status, 65);
    EXPECT_NE(outcome.err.find("cuda emulated"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace aelle::test
