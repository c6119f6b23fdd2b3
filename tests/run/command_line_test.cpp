// Exit statuses and messages of the command line, without long work.
#include "program.hpp"
#include "tasks/data_folder.hpp"

namespace aelle::test {
namespace {

using CommandLine = ProgramTest;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(CommandLine, HelpAndVersionWorkEverywhere) {
    EXPECT_EQ(aelle({"--help"}).status, 0);
    EXPECT_TRUE(contains(aelle({"--version"}).out, "aelle 0."));
    for (const char* command : {"run", "analyze", "report", "status", "spectrum", "train", "predict", "info"}) {
        const Outcome outcome = aelle({command, "--help"});
        EXPECT_EQ(outcome.status, 0) << command;
        EXPECT_TRUE(contains(outcome.out, "--time-limit")) << command;
    }
}

TEST_F(CommandLine, WrongUsageIs64) {
    EXPECT_EQ(aelle({}).status, 64);
    EXPECT_EQ(aelle({"rum"}).status, 64);
    EXPECT_EQ(aelle({"run"}).status, 64);
    EXPECT_EQ(aelle({"run", "x.toml", "--thread", "2"}).status, 64);
    EXPECT_EQ(aelle({"run", "x.toml", "--threads", "0"}).status, 64);
    EXPECT_EQ(aelle({"run", "x.toml", "--time-limit", "1:2"}).status, 64);
    EXPECT_EQ(aelle({"run", "x.toml", "--device", "tpu"}).status, 64);
    EXPECT_EQ(aelle({"run", "x.toml", "--force"}).status, 64);
    EXPECT_EQ(aelle({"run", "x.toml", "--checkpoint-every", "nan"}).status, 64);
    EXPECT_EQ(aelle({"spectrum", "--cell", "rank1"}).status, 64);
    EXPECT_EQ(aelle({"spectrum", "--cell", "rank1", "--weights", "w", "--inputs", "x", "-o", "o", "--interval", "often"}).status, 64);
}

// Before any file is opened: the files named here do not exist.
TEST_F(CommandLine, UsageIsCheckedBeforeFiles) {
    const auto refuse = [&](std::vector<std::string> words, const std::string& expected) {
        const Outcome outcome = aelle(words);
        EXPECT_EQ(outcome.status, 64) << expected;
        EXPECT_TRUE(contains(outcome.err, expected)) << outcome.err;
    };
    const std::vector<std::string> spectrum{"spectrum", "--cell", "rank1", "--weights", "w", "--inputs", "x", "-o", "o"};
    const std::vector<std::string> train{"train", "--cell", "rank1", "--task", "signal", "-o", "o", "--init-weights", "w"};
    const auto with = [](std::vector<std::string> words, const std::vector<std::string>& more) {
        words.insert(words.end(), more.begin(), more.end());
        return words;
    };
    refuse(with(spectrum, {"--param", "gamma=1"}), "--param: found 'gamma', expected for cell rank1: dt");
    refuse(with(spectrum, {"--param", "dt=7"}), "--param dt: found 7, expected from 1e-06 to 1");
    refuse(with(train, {"--param", "g=-1"}), "--param g: found -1");
    refuse(with(train, {"--init", "nan"}), "found nan");
    refuse(with(train, {"--learn-every", "0"}), "--learn-every");
    const auto of_cell = [&](const std::string& cell, const std::vector<std::string>& more) {
        return with({"spectrum", "--cell", cell, "--weights", "w", "--inputs", "x", "-o", "o"}, more);
    };
    refuse(of_cell("lsmt", {}), "--cell");
    refuse(of_cell("lstm", {"--gated"}), "--gated: found cell lstm, expected one that has a gated form: asrnn");
    refuse(of_cell("lstm", {"--param", "dt=1"}), "--param: found 'dt', expected for cell lstm: none");
    refuse(of_cell("lem", {"--param", "dt=-1"}), "--param dt: found -1");
    refuse(of_cell("cornn", {"--param", "epsilon"}), "--param: found 'epsilon', expected NAME=NUMBER");
    refuse(of_cell("noisy", {"--layer", "-1"}), "--layer");
    refuse({"predict", "--model", "m", "-o", "o"}, "--spectra");
    refuse({"predict", "--model", "m", "--spectra", "x", "-o", "o", "--epoch", "-1"}, "--epoch");
}

TEST_F(CommandLine, EveryScalarOfEveryCellIsTakenByName) {
    const std::map<std::string, std::vector<std::string>> scalars{
        {"asrnn", {"eps", "gamma"}},
        {"asrnn-gated", {"eps", "gamma"}},
        {"cornn", {"dt", "gamma", "epsilon"}},
        {"lipschitz", {"eps", "beta", "beta_a", "beta_w", "gamma_a", "gamma_w"}},
        {"noisy", {"eps", "beta", "beta_a", "beta_w", "gamma_a", "gamma_w", "sigma_add", "sigma_mult"}},
        {"lem", {"dt"}},
        {"rank1", {"dt"}}};
    for (const auto& [cell, names] : scalars) {
        std::vector<std::string> words{"spectrum", "--cell", cell, "--weights", "w", "--inputs", "x", "-o", scratch_ / "o"};
        for (const std::string& name : names) words.insert(words.end(), {"--param", name + "=0.6"});
        const Outcome outcome = aelle(words);
        EXPECT_EQ(outcome.status, 66) << cell << outcome.err;  // past usage: the weights are missing
    }
}

TEST_F(CommandLine, ResultsThatCannotBeWrittenAre73BeforeAnyWork) {
    for (const fs::path& output : {scratch_ / "nowhere" / "x.h5", scratch_}) {
        const Outcome outcome = aelle({"train", "--cell", "rank1", "--task", "signal", "--epochs", "1000000", "-o", output});
        EXPECT_EQ(outcome.status, 73);
        EXPECT_TRUE(contains(outcome.err, output.string())) << outcome.err;
    }
}

TEST_F(CommandLine, StudiesTooSmallToAnalyzeSayItBeforeTraining) {
    const std::string tiny = source / "runs" / "tiny.toml";
    const Outcome outcome = aelle({"run", tiny, "-o", scratch_ / "o", "--set", "variants.count=1"});
    EXPECT_EQ(outcome.status, 65);
    EXPECT_TRUE(contains(outcome.err, "expected at least 5")) << outcome.err;
    EXPECT_FALSE(fs::exists(scratch_ / "o"));
}

TEST_F(CommandLine, MissingInputIs66AndNamed) {
    const Outcome outcome = aelle({"run", "absent.toml"});
    EXPECT_EQ(outcome.status, 66);
    EXPECT_TRUE(contains(outcome.err, "absent.toml")) << outcome.err;
    EXPECT_EQ(aelle({"analyze", scratch_ / "nowhere"}).status, 66);
    EXPECT_EQ(aelle({"report", scratch_ / "nowhere"}).status, 66);
    EXPECT_EQ(aelle({"status", scratch_ / "nowhere"}).status, 66);
}

TEST_F(CommandLine, BadStudyFilesAre65WithPlaceAndKey) {
    const std::string tiny = source / "runs" / "tiny.toml";
    const auto refuse = [&](const std::string& set, const std::string& expected) {
        const Outcome outcome = aelle({"run", tiny, "-o", scratch_ / "o", "--set", set});
        EXPECT_EQ(outcome.status, 65) << set;
        EXPECT_TRUE(contains(outcome.err, expected)) << outcome.err;
    };
    refuse("variants.hidden=[-5]", "found -5");
    refuse("variants.count=0", "found 0");
    refuse("variants.count=1000000000", "found 1000000000");
    refuse("variants.init_values=[nan]", "found nan");
    refuse("variants.hiden=[5]", "did you mean 'hidden'?");
    refuse("analysis.repeat=5", "did you mean 'repeats'?");
    refuse("analysis.repeats=0", "analysis.repeats: found 0");
    EXPECT_FALSE(fs::exists(scratch_ / "o"));
    std::ofstream(scratch_ / "broken.toml") << "[study\nname=3";
    const Outcome broken = aelle({"run", scratch_ / "broken.toml"});
    EXPECT_EQ(broken.status, 65);
    EXPECT_TRUE(contains(broken.err, "broken.toml:1:")) << broken.err;
}

/// What a study file needs of the data folder, by its name; empty where it needs nothing.
std::vector<std::string> needed_files(const fs::path& study) {
    const std::string name = study.filename();
    if (name.starts_with("smnist")) return {"mnist/train-images-idx3-ubyte", "mnist/train-labels-idx1-ubyte"};
    if (name.starts_with("charrnn")) return {"war_and_peace/input.txt"};
    return {};
}

TEST_F(CommandLine, EveryStudyFilePassesItsDryRun) {
    fs::create_directories(scratch_ / "empty");
    for (const auto& entry : fs::directory_iterator(source / "runs")) {
        if (entry.path().extension() != ".toml") continue;
        const auto dry_run = [&](const fs::path& data) {
            return aelle({"run", entry.path(), "-o", scratch_ / "o", "--dry-run", "--data", data});
        };
        const auto needed = needed_files(entry.path());
        const auto data = needed.empty() ? scratch_ / "empty" : real_data(fs::path(needed.front()).parent_path());
        if (data) {
            const Outcome outcome = dry_run(*data);
            EXPECT_EQ(outcome.status, 0) << entry.path() << outcome.err;
            EXPECT_TRUE(contains(outcome.out, "floating-point operations")) << outcome.out;
        }
        if (needed.empty()) continue;
        const Outcome without = dry_run(scratch_ / "empty");
        EXPECT_EQ(without.status, 66) << entry.path();
        for (const std::string& file : needed) EXPECT_TRUE(contains(without.err, scratch_ / "empty" / file)) << file << " not in: " << without.err;
    }
    EXPECT_FALSE(fs::exists(scratch_ / "o"));
}

TEST_F(CommandLine, OutputThatCannotBeCreatedIs73) {
    const std::string tiny = source / "runs" / "tiny.toml";
    std::ofstream(scratch_ / "file") << "in the way";
    const Outcome outcome = aelle({"run", tiny, "-o", scratch_ / "file"});
    EXPECT_EQ(outcome.status, 73);
    EXPECT_TRUE(contains(outcome.err, "file")) << outcome.err;
    EXPECT_EQ(aelle({"run", tiny, "-o", scratch_ / "file" / "below"}).status, 73);
    fs::create_directories(scratch_ / "full");
    std::ofstream(scratch_ / "full" / "something") << "x";
    EXPECT_EQ(aelle({"run", tiny, "-o", scratch_ / "full", "--fresh"}).status, 73);
}

TEST_F(CommandLine, AGpuThatIsNotThereIs65) {
    setenv("CUDA_VISIBLE_DEVICES", "-1", 1);
    const Outcome outcome = aelle({"info", "--device", "cuda"});
    unsetenv("CUDA_VISIBLE_DEVICES");
    EXPECT_EQ(outcome.status, 65);
    EXPECT_TRUE(contains(outcome.err, "CUDA") || contains(outcome.err, "cuda")) << outcome.err;
}

TEST_F(CommandLine, InfoNamesLibrariesAndThreads) {
    const Outcome outcome = aelle({"info"});
    EXPECT_EQ(outcome.status, 0);
    for (const char* word : {"version", "BLAS", "MPI", "HDF5", "threads", "GPU", "rank1"}) EXPECT_TRUE(contains(outcome.out, word)) << word;
}

}  // namespace
}  // namespace aelle::test
