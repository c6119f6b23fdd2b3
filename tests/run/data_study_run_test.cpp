// Whole studies of sequential MNIST and of the next character, on small data made here: same bytes for any ranks and after kills, several kinds of
// spectra, kept weights, examples, and what is said of data that are missing or damaged.
#include "program.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "fixtures/data_files.hpp"

namespace aelle::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

constexpr const char* digits = R"([study]
name = "digits"
task = "smnist"
seed = 3
[variants]
cells = ["rnn", "gru", "noisy", "lem"]
hidden = [8, 12]
count = 3
init_range = [0.05, 2.0]
init_distribution = "log-uniform"
group_size = 2
[training]
epochs = 3
batch = 20
keep_weights = true
[data]
train = 300
validation = 60
[cell.noisy]
eps = 0.02
[spectrum]
epochs = [0, 1, 3]
kinds = ["full", "hidden", "paper-code"]
sequences = 3
[analysis]
repeats = 2
steps = 100
)";

constexpr const char* words = R"([study]
name = "words"
task = "charrnn"
[variants]
cells = ["lstm"]
hidden = [4, 9]
count = 6
init_values = [0.1, 0.5, 2.0]
[training]
epochs = 2
batch = 8
[data]
window = 20
validation = 0.3
loss = "every"
batch_fraction = 0.5
[spectrum]
epochs = [2]
sequences = 2
[analysis]
repeats = 2
steps = 100
)";

class DataStudy : public ProgramTest {
protected:
    void SetUp() override {
        ProgramTest::SetUp();
        data_ = scratch_ / "data";
        write_digits(data_, 400);
        write_words(data_, 8000);
        std::ofstream(scratch_ / "digits.toml") << digits;
        std::ofstream(scratch_ / "words.toml") << words;
    }
    std::vector<std::string> command(const std::string& study, const fs::path& output, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all{"run", scratch_ / (study + ".toml"), "-o", output, "--data", data_, "--quiet"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    void finish(const std::string& study, const fs::path& output, const std::vector<std::string>& more = {}) const {
        const Outcome outcome = aelle(command(study, output, more));
        ASSERT_EQ(outcome.status, 0) << outcome.err;
    }
    static void expect_same_weights(const fs::path& a, const fs::path& b, int count) {
        int compared = 0;
        for (const auto& entry : fs::directory_iterator(a / "weights")) {
            const io::H5Reader left(entry.path()), right(b / "weights" / entry.path().filename());
            ASSERT_EQ(left.datasets(), right.datasets());
            for (const std::string& name : left.datasets()) EXPECT_EQ(left.raw_bytes(name), right.raw_bytes(name)) << entry.path() << name;
            ++compared;
        }
        EXPECT_EQ(compared, count);
    }

    fs::path data_;
};

TEST_F(DataStudy, GivesTheSameBytesForAnyRanksAndAfterKills) {
    const fs::path reference = scratch_ / "reference";
    finish("digits", reference, {"--threads", "1"});
    for (const int ranks : {2, 4}) {
        const fs::path output = scratch_ / ("ranks-" + std::to_string(ranks));
        ASSERT_EQ(Process(mpirun(ranks, command("digits", output, {"--threads", "1"})), scratch_).wait().status, 0);
        expect_same_datasets(reference, output);
        expect_same_weights(reference, output, 24);
    }
    const fs::path output = scratch_ / "killed";
    std::mt19937 random(5);
    int kills = 0;
    for (int attempt = 0; attempt < 40 && kills < 6; ++attempt) {
        auto words_of_it = command("digits", output, {"--threads", "2", "--checkpoint-every", "0.05"});
        words_of_it.insert(words_of_it.begin(), program);
        Process process(words_of_it, scratch_);
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(50, 400)(random)));
        if (!process.running()) {  // finished before it could be killed: once more from the start
            fs::remove_all(output);
            continue;
        }
        process.kill_session();
        process.wait();
        ++kills;
    }
    EXPECT_EQ(kills, 6);
    finish("digits", output);
    expect_same_datasets(reference, output);
    expect_same_weights(reference, output, 24);
}

TEST_F(DataStudy, HoldsEveryKindOfSpectrumAndExamples) {
    const fs::path output = scratch_ / "out";
    finish("digits", output);
    const io::H5Reader file(output / "study.h5");
    EXPECT_EQ(file.dims("exponents"), (io::Dims{24, 3, 24}));  // lem has 2 H
    EXPECT_EQ(file.dims("exponents_hidden"), (io::Dims{24, 3, 12}));
    EXPECT_EQ(file.dims("reliable_paper-code"), (io::Dims{24, 3, 12}));
    EXPECT_EQ(file.dims("spectrum"), (io::Dims{24, 3, 24}));
    const auto dimension = file.read<int64_t>("dimension");
    const auto full = file.read<double>("exponents"), hidden = file.read<double>("exponents_hidden");
    for (int64_t v = 0; v < 24; ++v) {
        EXPECT_EQ(dimension[v], (v < 18 ? 1 : 2) * (v % 6 < 3 ? 8 : 12));
        for (int64_t i = 0; i < 3 * 24; ++i) {
            EXPECT_EQ(std::isnan(full[v * 72 + i]), i % 24 >= dimension[v]) << v << " " << i;
            if (i % 24 > 0 && i % 24 < dimension[v]) {
                EXPECT_GE(full[v * 72 + i - 1], full[v * 72 + i]);
            }
        }
        if (v < 18) {  // a state of one block: the hidden block is all of it
            EXPECT_EQ(full[v * 72], hidden[v * 36]);
        }
    }
    const auto loss = file.read<double>("loss", {24, 3}), every = file.read<double>("loss_every_epoch", {24, 3}), last = file.read<double>("loss_final", {24});
    for (int64_t v = 0; v < 24; ++v) {
        EXPECT_EQ(loss[3 * v + 1], every[3 * v]);
        EXPECT_EQ(loss[3 * v + 2], last[v]);
    }
    EXPECT_EQ(file.dims("example/inputs"), (io::Dims{10, 28, 28}));
    EXPECT_EQ(file.dims("example/probabilities"), (io::Dims{3, 10, 10}));
    EXPECT_TRUE(fs::exists(output / "report" / "index.html"));
}

TEST_F(DataStudy, EveryKindIsAnalysedAndPredictTakesTheModelsKind) {
    const fs::path output = scratch_ / "out";
    finish("digits", output);
    for (const std::string kind : {"", "full", "hidden", "paper-code"}) {
        std::ofstream(scratch_ / "kind.toml") << "[analysis]\nspectrum = \"" << kind << "\"\n";
        const Outcome analyzed = aelle({"analyze", output, "--analysis", scratch_ / "kind.toml"});
        ASSERT_EQ(analyzed.status, 0) << analyzed.err;
        const Outcome predicted = aelle({"predict", "--model", output, "--spectra", output / "study.h5", "-o", scratch_ / "p.h5"});
        ASSERT_EQ(predicted.status, 0) << predicted.err;
        const io::H5Reader analysis(output / "analysis.h5"), places(scratch_ / "p.h5");
        EXPECT_EQ(analysis.text("/", "spectrum_kind"), kind.empty() ? "full" : kind);  // the study's first
        EXPECT_EQ(places.text("/", "dataset"), kind.empty() || kind == "full" ? "exponents" : "exponents_" + kind);
        const auto all = analysis.read<double>("predicted_loss", {24, 3}), found = places.read<double>("predicted_loss", {24});
        for (int64_t v = 0; v < 24; ++v) EXPECT_EQ(found[v], all[3 * v + 2]) << kind << " " << v;  // at the last epoch
    }
    EXPECT_EQ(aelle({"report", output}).status, 0);
}

/// An analysis file of runs/analysis/ with fewer updates and splits.
std::string quick_analysis(const std::string& name) {
    std::ifstream file(fs::path(AELLE_SOURCE) / "runs" / "analysis" / name);
    std::string text, line;
    while (std::getline(file, line)) text += (line.starts_with("steps = ") ? "steps = 50" : line.starts_with("repeats = ") ? "repeats = 2" : line) + "\n";
    return text;
}

TEST_F(DataStudy, TheAuthorsAnalysisStandsBesideASoundOne) {
    const fs::path output = scratch_ / "out";
    finish("digits", output, {"--set", "variants.hidden=[8]", "--set", "variants.count=6", "--until", "study"});
    std::ofstream(scratch_ / "sound.toml") << quick_analysis("sound.toml");
    std::ofstream(scratch_ / "authors.toml") << quick_analysis("authors.toml");
    const Outcome sound = aelle({"analyze", output, "--analysis", scratch_ / "sound.toml"});
    ASSERT_EQ(sound.status, 0) << sound.err;
    const io::H5Reader before(output / "analysis.h5");
    const auto score = before.raw_bytes("score");
    const Outcome authors = aelle({"analyze", output, "--analysis", scratch_ / "authors.toml", "--as", "authors"});
    ASSERT_EQ(authors.status, 0) << authors.err;
    EXPECT_TRUE(contains(authors.out, "WHICH LEAKS")) << authors.out;
    EXPECT_EQ(io::H5Reader(output / "analysis.h5").raw_bytes("score"), score);  // untouched
    EXPECT_EQ(io::H5Reader(output / "analyses" / "authors" / "analysis.h5").text("/", "analysis.split"), "spectra");
    EXPECT_TRUE(fs::exists(output / "analyses" / "authors" / "tables" / "table2.csv"));
    ASSERT_EQ(aelle({"report", output}).status, 0);
    const std::string page = slurp(output / "report" / "index.html");
    for (const char* part : {"Other analyses of the same networks", "<th scope=\"col\">authors</th>", "transform_scale", "Options that differ"}) {
        EXPECT_TRUE(contains(page, part)) << part;
    }
    EXPECT_TRUE(fs::exists(output / "report" / "analyses.csv"));
    EXPECT_EQ(aelle({"analyze", output, "--as", "../elsewhere"}).status, 64);
}

TEST_F(DataStudy, KeptWeightsAreThoseOfAelleTrainAndGiveTheStudysSpectrum) {
    const fs::path output = scratch_ / "out";
    finish("digits", output, {"--until", "study"});
    const io::H5Reader file(output / "study.h5");
    const int64_t v = 13;  // noisy
    const std::string number = std::to_string(file.read<int64_t>("seed")[v]);
    char p[32];
    std::snprintf(p, sizeof p, "%.17g", file.read<double>("init")[v]);
    ASSERT_EQ(file.read_strings("cell")[v], "noisy");
    const Outcome trained = aelle({"train", "--cell", "noisy", "--task", "smnist", "-o", scratch_ / "net.h5", "--data", data_, "--hidden", "8", "--init", p, "--seed",
                                   number, "--epochs", "3", "--batch", "20", "--limit-train", "300", "--limit-validation", "60", "--param", "eps=0.02"});
    ASSERT_EQ(trained.status, 0) << trained.err;
    const io::H5Reader kept(output / "weights" / "variant-000013.h5"), net(scratch_ / "net.h5");
    for (const char* name : {"weight_hh_l0", "weight_a_l0", "weight_ih_l0", "bias_ih_l0", "step_l0", "fc.weight", "fc.bias"}) {
        EXPECT_EQ(kept.read<double>(name), net.read<double>(name)) << name;
    }
    EXPECT_EQ(net.read<double>("loss").back(), file.read<double>("loss_final")[v]);
    EXPECT_EQ(kept.number("/", "eps"), 0.02);
    io::H5Writer inputs;
    inputs.write("inputs", std::vector<double>(2 * 28 * 28, 0.5), {2, 28, 28});
    inputs.commit(scratch_ / "x.h5");
    const Outcome spectrum = aelle({"spectrum", "--cell", "noisy", "--weights", output / "weights" / "variant-000013.h5", "--inputs", scratch_ / "x.h5", "-o",
                                    scratch_ / "s.h5"});
    EXPECT_EQ(spectrum.status, 0) << spectrum.err;
    EXPECT_EQ(io::H5Reader(scratch_ / "s.h5").dims("exponents"), (io::Dims{2, 8}));
}

TEST_F(DataStudy, NextCharactersOfUnlikeSizesAreAnalysedAndShown) {
    const fs::path output = scratch_ / "out";
    finish("words", output, {"--threads", "1"});
    ASSERT_EQ(Process(mpirun(2, command("words", scratch_ / "ranks", {"--threads", "1"})), scratch_).wait().status, 0);
    expect_same_datasets(output, scratch_ / "ranks");
    EXPECT_FALSE(fs::exists(output / "weights"));
    const io::H5Reader file(output / "study.h5");
    EXPECT_EQ(file.dims("exponents"), (io::Dims{12, 1, 18}));
    const auto vocabulary = file.read_strings("example/vocabulary"), text = file.read_strings("example/text");
    const auto symbols = file.read<int64_t>("example/inputs", {5, 20});
    std::string read;
    for (int i = 0; i < 20; ++i) read += vocabulary[symbols[i]];
    EXPECT_EQ(read, text[0]);
    EXPECT_EQ(file.dims("example/likely_symbols"), (io::Dims{3, 5, 20, 5}));
    for (const int64_t symbol : file.read<int64_t>("example/likely_symbols")) {
        EXPECT_TRUE(symbol >= 0 && symbol < static_cast<int64_t>(vocabulary.size()));
    }
    const std::string page = slurp(output / "report" / "index.html");
    EXPECT_TRUE(contains(page, "cross-entropy"));
}

TEST_F(DataStudy, MissingAndDamagedDataAreNamedBeforeAnyTraining) {
    const auto refuse = [&](const std::string& study, const fs::path& data, int status, const std::string& what) {
        for (const bool dry : {true, false}) {
            auto all = command(study, scratch_ / "none", {"--data", data});
            all.erase(std::find(all.begin(), all.end(), "--data"), std::find(all.begin(), all.end(), "--data") + 2);
            if (dry) all.push_back("--dry-run");
            const Outcome outcome = aelle(all);
            EXPECT_EQ(outcome.status, status) << outcome.err;
            EXPECT_TRUE(contains(outcome.err, what)) << outcome.err;
            EXPECT_FALSE(fs::exists(scratch_ / "none"));
        }
    };
    refuse("digits", scratch_ / "nowhere", 66, "train-images-idx3-ubyte");
    refuse("words", scratch_ / "nowhere", 66, "input.txt");
    fs::resize_file(data_ / "mnist" / "train-images-idx3-ubyte", 1000);
    refuse("digits", data_, 65, "train-images-idx3-ubyte");
    std::ofstream(data_ / "war_and_peace" / "input.txt") << "not \xff UTF-8";
    refuse("words", data_, 65, "input.txt");
}

TEST_F(DataStudy, ADryRunCountsAndTrainsNothing) {
    const Outcome outcome = aelle(command("digits", scratch_ / "none", {"--dry-run"}));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(contains(outcome.out, "24 in 16 groups")) << outcome.out;
    EXPECT_FALSE(fs::exists(scratch_ / "none"));
}

}  // namespace
}  // namespace aelle::test
