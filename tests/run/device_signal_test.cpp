// A whole signal study on the emulated device: every thread of the kernels runs on the host.
#include "program.hpp"

#include <algorithm>
#include <cmath>

namespace aelle::test {
namespace {

// So weak that no loop is chaotic: rounding errors do not grow.
constexpr const char* sines = R"([study]
name = "sines"
task = "signal"
seed = 5
[variants]
cells = ["rank1"]
hidden = [24]
count = 4
init_values = [0.7, 0.9, 1.1]
group_size = 2
[training]
epochs = 8
keep_weights = true
[signal]
steps_per_epoch = 40
test_epochs = 2
test_after = "every"
[spectrum]
epochs = [0, 8]
kinds = ["full", "paper-code"]
steps = 10
exponents = 3
)";

class DeviceSignalStudy : public ProgramTest {
protected:
    void SetUp() override {
        ProgramTest::SetUp();
        std::ofstream(scratch_ / "sines.toml") << sines;
        setenv("AELLE_CUDA_LIBRARY", AELLE_EMULATED_LIBRARY, 1);
    }
    void TearDown() override {
        for (const char* name : {"AELLE_CUDA_LIBRARY", "AELLE_EMULATED_MEMORY", "AELLE_EMULATED_FAILURE"}) unsetenv(name);
        ProgramTest::TearDown();
    }
    std::vector<std::string> command(const fs::path& output, const std::vector<std::string>& more = {}, const char* device = "cuda") const {
        std::vector<std::string> all{"run", scratch_ / "sines.toml", "-o", output, "--until", "study", "--device", device};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    static void expect_same(const fs::path& a, const fs::path& b) {
        SCOPED_TRACE(b.filename().string() + " beside " + a.filename().string());
        const io::H5Reader left_study(a / "study.h5"), right_study(b / "study.h5");
        for (const char* group : {"/", "example"}) {
            ASSERT_EQ(left_study.datasets(group), right_study.datasets(group));
            for (const std::string& name : left_study.datasets(group)) {
                const std::string path = group == std::string("/") ? name : std::string(group) + "/" + name;
                EXPECT_EQ(left_study.raw_bytes(path), right_study.raw_bytes(path)) << path;
            }
        }
        int compared = 0;
        for (const auto& entry : fs::directory_iterator(a / "weights")) {
            const io::H5Reader left(entry.path()), right(b / "weights" / entry.path().filename());
            ASSERT_EQ(left.datasets(), right.datasets());
            for (const std::string& name : left.datasets()) EXPECT_EQ(left.raw_bytes(name), right.raw_bytes(name)) << entry.path() << name;
            ++compared;
        }
        EXPECT_EQ(compared, 4);
    }
    /// NaN in the same places, and otherwise this near.
    static void expect_near(const fs::path& a, const fs::path& b, const std::string& dataset, double tolerance) {
        const std::vector<double> left = io::H5Reader(a / "study.h5").read<double>(dataset),
                                  right = io::H5Reader(b / "study.h5").read<double>(dataset);
        ASSERT_EQ(left.size(), right.size());
        int64_t numbers = 0;
        for (std::size_t i = 0; i < left.size(); ++i) {
            ASSERT_EQ(std::isnan(left[i]), std::isnan(right[i])) << dataset << ' ' << i;
            if (std::isnan(left[i])) continue;
            EXPECT_NEAR(left[i], right[i], tolerance) << dataset << ' ' << i;
            ++numbers;
        }
        EXPECT_GT(numbers, 0) << dataset;
    }
};

TEST_F(DeviceSignalStudy, AgreesWithTheHostToRounding) {
    const fs::path device = scratch_ / "device", host = scratch_ / "host";
    const Outcome outcome = aelle(command(device));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("rank 0: GPU 0: emulation on the host"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("trained on the host"), std::string::npos) << outcome.err;
    ASSERT_EQ(aelle(command(host, {}, "cpu")).status, 0);
    // 320 steps of training and 80 of a test, each with sums of 24 terms: 1e4 roundings of 1e-16, and as much again in P
    for (const char* dataset : {"loss_every_epoch", "loss", "loss_final", "loss_best", "example/output"})
        expect_near(device, host, dataset, 1e-11);
    for (const char* dataset : {"exponents", "exponents_paper-code"}) expect_near(device, host, dataset, 1e-9);  // the interval differs
    expect_near(device, host, "reliable", 0.0);
}

TEST_F(DeviceSignalStudy, GivesTheSameBytesForAnyRanksInterruptionsAndMemory) {
    const fs::path reference = scratch_ / "reference";
    ASSERT_EQ(aelle(command(reference)).status, 0);

    const fs::path stopped = scratch_ / "stopped";
    EXPECT_GT(runs_until_done(command(stopped, {"--checkpoint-every", "0.05"}), 0.15), 1);
    expect_same(reference, stopped);

    const fs::path ranks = scratch_ / "ranks";
    ASSERT_EQ(Process(mpirun(2, command(ranks, {"--share-gpus", "--threads", "1"})), scratch_).wait().status, 0);
    expect_same(reference, ranks);

    const fs::path small = scratch_ / "small";
    setenv("AELLE_EMULATED_MEMORY", "100000", 1);
    const Outcome outcome = aelle(command(small));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("variants at once instead of"), std::string::npos) << outcome.err;
    expect_same(reference, small);
}

TEST_F(DeviceSignalStudy, ADeviceThatFailsCostsNothingThatWasFinished) {
    const fs::path reference = scratch_ / "reference", failed = scratch_ / "failed";
    ASSERT_EQ(aelle(command(reference)).status, 0);
    setenv("AELLE_EMULATED_FAILURE", "5", 1);  // for good
    Outcome outcome = aelle(command(failed));
    EXPECT_EQ(outcome.status, 74) << outcome.err;
    EXPECT_NE(outcome.err.find("aelle: GPU 0: "), std::string::npos) << outcome.err;
    setenv("AELLE_EMULATED_FAILURE", "-5", 1);  // once
    outcome = aelle(command(failed));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("tried once more"), std::string::npos) << outcome.err;
    expect_same(reference, failed);
}

}  // namespace
}  // namespace aelle::test
