// One variant trained by backpropagation through time: what it measures, and that interruptions change nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <unistd.h>

#include "aelle/base/error.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "aelle/study/bptt_task.hpp"
#include "fixtures/data_files.hpp"

namespace aelle::study {
namespace {

namespace fs = std::filesystem;

constexpr const char* digits = R"(
[study]
name = "digits"
task = "smnist"
seed = 5
[variants]
cells = ["rnn", "lstm"]
hidden = [5]
count = 3
init_range = [0.1, 1.0]
init_distribution = "log-uniform"
[training]
epochs = 2
batch = 16
learning_rate = 0.01
[data]
train = 40
validation = 24
[spectrum]
epochs = [0, 2]
kinds = ["full", "hidden", "paper-code"]
sequences = 3
)";

constexpr const char* words = R"(
[study]
name = "words"
task = "charrnn"
[variants]
cells = ["lstm"]
hidden = [4]
count = 2
init_values = [0.3]
[training]
epochs = 1
batch = 8
[data]
window = 12
validation = 0.4
batch_fraction = 0.5
[spectrum]
epochs = [1]
sequences = 2
)";

class BpttStudy : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        data_ = fs::temp_directory_path() / ("aelle-bptt-" + std::to_string(getpid()));
        test::write_digits(data_, 80);
        test::write_words(data_, 2000);
    }
    static void TearDownTestSuite() { fs::remove_all(data_); }

    struct Study {
        StudyConfig config;
        std::unique_ptr<StudyTask> task;
        std::vector<Variant> variants;
        const BpttTask& bptt() const { return dynamic_cast<const BpttTask&>(*task); }
    };

    static Study read(const std::string& text, const std::vector<std::string>& overrides = {}) {
        const auto document = TomlDocument::parse(text, "file.toml", overrides);
        TomlTable root(document);
        Study study{read_config(root), nullptr, {}};
        study.task = make_task(root, study.config);
        root.finish();
        study.task->read_data(data_);
        study.variants = sample_variants(study.config);
        return study;
    }

    static std::string message_of(const std::string& text, const std::vector<std::string>& overrides) {
        try {
            read(text, overrides);
        } catch (const Error& error) {
            EXPECT_EQ(error.status(), ExitStatus::data);
            return error.what();
        }
        return "no error";
    }

    VariantResult finished(const Study& study, std::size_t variant) const {
        const auto job = study.task->job(study.variants[variant], *backend_);
        while (!job->done()) job->advance();
        return job->result();
    }

    static std::vector<std::byte> bytes(const VariantResult& result) {
        ArchiveWriter archive;
        result.save(archive);
        return archive.take();
    }

    static inline fs::path data_;
    std::unique_ptr<backend::Backend> backend_ = backend::make_reference();
};

TEST_F(BpttStudy, InterruptionsAfterEverySliceChangeNothing) {
    for (const auto& [text, variant] : {std::pair{digits, 0}, {digits, 4}, {words, 0}}) {
        const Study study = read(text, {"training.keep_weights=true"});
        const auto index = static_cast<std::size_t>(variant);
        const VariantResult whole = finished(study, index);
        EXPECT_EQ(whole.status, VariantStatus::ok);
        EXPECT_FALSE(whole.weights.empty());
        auto job = study.task->job(study.variants[index], *backend_);
        int slices = 0;
        double last = 0.0;
        while (!job->done()) {
            job->advance();
            EXPECT_GE(job->progress(), last);
            last = job->progress();
            ArchiveWriter archive;
            job->save(archive);
            job = study.task->job(study.variants[index], *backend_);
            const auto snapshot = archive.take();
            ArchiveReader reader(snapshot);
            job->load(reader);
            EXPECT_TRUE(reader.empty());
            ++slices;
        }
        EXPECT_EQ(last, 1.0);
        EXPECT_GT(slices, 5);
        EXPECT_EQ(bytes(job->result()), bytes(whole));
    }
}

TEST_F(BpttStudy, RepeatsTheTrainerOfOneNetworkWithTheVariantsSeed) {
    const Study study = read(digits);
    const Variant& variant = study.variants[4];
    const VariantResult result = finished(study, 4);
    const BpttTask& task = study.bptt();
    learn::InitOptions init;
    init.p = variant.init;
    const auto& cell = cells::find_cell("lstm");
    learn::BpttTrainer trainer(*backend_, learn::initial_model(cell, {5, 28}, 10, {}, init, variant.seed, 0), task.settings().training,
                               *task.data().training, task.data().training_indices, variant.seed, 0);
    for (int64_t epoch = 0; epoch <= 2; ++epoch) {
        while (trainer.epochs_done() < epoch) trainer.update();
        learn::Evaluation evaluation(*backend_, trainer.model(), *task.data().validation, task.data().validation_indices, 16);
        while (!evaluation.done()) evaluation.advance();
        EXPECT_EQ(epoch == 0 ? result.loss[0] : result.loss_every_epoch[static_cast<std::size_t>(epoch - 1)], evaluation.loss());
        if (epoch == 1) continue;  // no spectrum then
        EXPECT_EQ(result.accuracy[epoch == 0 ? 0 : 1], evaluation.accuracy());
    }
    EXPECT_EQ(result.loss_final, result.loss_every_epoch[1]);
    EXPECT_EQ(result.loss[1], result.loss_final);
    EXPECT_EQ(result.loss_best, std::min(result.loss_every_epoch[0], result.loss_every_epoch[1]));
}

TEST_F(BpttStudy, SpectraAreMeansOverTheSameSequencesForAllVariants) {
    const Study study = read(digits, {"spectrum.epochs=[0]"});
    EXPECT_EQ(study.bptt().data().spectrum.sequences.size(), 3u);
    EXPECT_NE(study.bptt().data().spectrum.sequences[0], study.bptt().data().spectrum.sequences[1]);
    EXPECT_EQ(read(digits).bptt().data().spectrum.sequences, study.bptt().data().spectrum.sequences);
    EXPECT_NE(read(digits, {"study.seed=6"}).bptt().data().spectrum.sequences, study.bptt().data().spectrum.sequences);
    const VariantResult result = finished(study, 4);
    const learn::Model model = study.bptt().initial_model(study.variants[4]);
    for (std::size_t kind = 0; kind < 3; ++kind) {
        const auto& method = lyapunov::find_kind(study.config.spectrum.kinds[kind]);
        const auto count = static_cast<std::size_t>(lyapunov::tangent_dimension(method, *model.cell, model.shape));
        EXPECT_EQ(count, kind == 0 ? 10u : 5u);
        std::vector<double> mean(count, 0.0);
        for (const auto& inputs : study.bptt().data().spectrum.sequences) {
            auto system = lyapunov::network_system<double>(backend_->network(*model.cell, model.shape, model.parameters, method.space), inputs,
                                                           std::vector<double>(10, 0.0));
            lyapunov::SpectrumOptions options;
            options.steps = 28;
            lyapunov::apply(method, *model.cell, options);
            const auto spectrum = lyapunov::compute_spectrum(*backend_, *system, options);
            for (std::size_t k = 0; k < count; ++k) mean[k] += spectrum.exponents[k] / 3.0;
        }
        ASSERT_EQ(result.spectra[kind].exponents.size(), count);
        for (std::size_t k = 0; k < count; ++k) EXPECT_NEAR(result.spectra[kind].exponents[k], mean[k], 1e-12) << kind << " " << k;
        EXPECT_EQ(result.spectra[kind].reliable, std::vector<uint8_t>(count, 1));
    }
}

TEST_F(BpttStudy, DivergenceIsAResultAndKeepsWhatWasMeasured) {
    const Study study = read(digits, {"training.optimizer=sgd", "training.learning_rate=1000", "training.epochs=30", "variants.cells=[\"lipschitz\"]",
                                      "spectrum.epochs=[0,30]", "variants.init_range=[4.0, 5.0]"});
    const VariantResult result = finished(study, 0);
    ASSERT_EQ(result.status, VariantStatus::diverged);
    EXPECT_GE(result.diverged_epoch, 1);
    EXPECT_TRUE(std::isnan(result.loss_final));
    EXPECT_TRUE(std::isfinite(result.loss[0]));
    EXPECT_TRUE(std::isfinite(result.spectra[0].exponents[0]));
    EXPECT_TRUE(std::isnan(result.spectra[0].exponents[5]));
    EXPECT_EQ(result.spectra[0].exponents.size(), 10u);
}

TEST_F(BpttStudy, EveryVariantSeesItsOwnShareOfTheBatches) {
    const Study study = read(words);
    const auto first = study.bptt().training_indices(study.variants[0]), second = study.bptt().training_indices(study.variants[1]);
    const auto all = static_cast<double>(study.bptt().data().training_indices.size());
    EXPECT_NEAR(static_cast<double>(first.size()), 0.5 * all, 8.0);
    EXPECT_EQ(std::set<int64_t>(first.begin(), first.end()).size(), first.size());
    EXPECT_NE(first, second);
    EXPECT_EQ(first, study.bptt().training_indices(study.variants[0]));
    EXPECT_LT(study.bptt().validation_indices(study.variants[0]).size(), study.bptt().data().validation_indices.size());
    const Study whole = read(words, {"data.batch_fraction=1.0"});
    EXPECT_EQ(whole.bptt().training_indices(whole.variants[0]), whole.bptt().data().training_indices);
}

TEST_F(BpttStudy, ExamplesAreProbabilities) {
    const VariantResult images = finished(read(digits), 0);
    ASSERT_EQ(images.example.size(), 1u);
    ASSERT_EQ(images.example[0].size(), 100u);
    for (int i = 0; i < 10; ++i) {
        double sum = 0;
        for (int digit = 0; digit < 10; ++digit) sum += images.example[0][static_cast<std::size_t>(10 * i + digit)];
        EXPECT_NEAR(sum, 1.0, 1e-5);
    }
    const VariantResult text = finished(read(words), 0);
    ASSERT_EQ(text.example.size(), 2u);
    ASSERT_EQ(text.example[0].size(), 5u * 12 * 5);
    for (std::size_t i = 0; i < text.example[1].size(); ++i) {
        EXPECT_GT(text.example[1][i], 0.0);
        EXPECT_LE(text.example[1][i], i % 5 > 0 ? text.example[1][i - 1] : 1.0);
    }
}

TEST_F(BpttStudy, RefusesWhatDoesNotFit) {
    const auto expect = [&](const char* text, const std::string& change, const std::string& message) {
        EXPECT_NE(message_of(text, {change}).find(message), std::string::npos) << message_of(text, {change});
    };
    expect(digits, "data.train=60", "data.train: found 60 images for training and 24 for validation, expected at most the 80");
    expect(digits, "spectrum.sequences=25", "spectrum.sequences: found 25, expected at most 24");
    expect(digits, "data.validation=9", "data.validation: found 9 sequences, expected at least 10");
    expect(digits, "spectrum.steps=29", "spectrum.steps: found 29");
    expect(digits, "spectrum.warmup=28", "spectrum.warmup: found 28");
    expect(digits, "spectrum.kinds=[\"ful\"]", "expected a list of some of: full, hidden, paper-code");
    expect(digits, "spectrum.kinds=[\"full\",\"full\"]", "each once");
    expect(digits, "spectrum.exponents=3", "expected 0 (all) for variants of unlike dimension");
    expect(digits, "variants.cells=[\"rank1\"]", "which reads no input");
    expect(digits, "variants.init_values=[1.0]", "found beside init_values");
    expect(digits, "variants.init_range=[1.0, 0.5]", "low at most high");
    expect(digits, "variants.init_range=[0, 0.5]", "both positive");
    expect(digits, "training.momentum=0.9", "expected it with \"sgd\"");
    expect(digits, "cell.lstm.eps=0.9", "cell.lstm.eps: unknown key");
    expect(digits, "cell.lem.dt=-1", "cell.lem.dt: found -1");
    expect(digits, "cell.lsm.eps=0.9", "cell.lsm: unknown key, did you mean 'lstm'?");
    expect(digits, "data.window=3", "data.window: unknown key");
    expect(words, "data.validation=0.01", "data.validation: found a share of 1 of the text's");
    expect(words, "variants.init_distribution=uniform", "found without init_range");
}

TEST_F(BpttStudy, DrawsTheVariedParameterAtFullPrecision) {
    const auto values = [&](const std::vector<std::string>& overrides) {
        std::vector<double> all;
        for (const Variant& variant : read(digits, overrides).variants) all.push_back(variant.init);
        return all;
    };
    const std::vector<std::string> many{"variants.count=500", "variants.init_range=[0.01, 1.0]"};
    auto log_uniform = values(many);
    EXPECT_EQ(std::set<double>(log_uniform.begin(), log_uniform.end()).size(), 1000u);
    const auto below = [](const std::vector<double>& all, double limit) {
        return static_cast<double>(std::count_if(all.begin(), all.end(), [limit](double p) { return p < limit; })) / static_cast<double>(all.size());
    };
    EXPECT_NEAR(below(log_uniform, 0.1), 0.5, 0.06);
    EXPECT_GE(*std::min_element(log_uniform.begin(), log_uniform.end()), 0.01);
    auto even = many;
    even.push_back("variants.init_distribution=uniform");
    EXPECT_NEAR(below(values(even), 0.505), 0.5, 0.06);
}

}  // namespace
}  // namespace aelle::study
