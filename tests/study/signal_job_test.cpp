// One Rank-1 network trained by FORCE in a study: tests after training find what tests at once would, interruptions change nothing, and
// divergence of training or of a test leaves what was measured before it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/backend/choose.hpp"
#include "aelle/study/signal_task.hpp"
#include "aelle/study/toml.hpp"
#include "aelle/study/variants.hpp"
#include "aelle/tasks/signal.hpp"

namespace aelle::study {
namespace {

constexpr const char* text = R"(
[study]
name = "s"
task = "signal"
seed = 3
[variants]
cells = ["rank1"]
hidden = [40]
count = 1
init_values = [1.3]
[training]
epochs = 6
[signal]
steps_per_epoch = 230
test_epochs = 2
test_after = "every"
[spectrum]
epochs = [0, 2, 4, 6]
steps = 20
exponents = 3
)";

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The cpu backend, but training and tests go wrong where asked.
class Sabotaged : public backend::Backend {
public:
    int64_t training_fails_at = -1;  ///< step
    int64_t test_fails = -1;         ///< number among the tests

    std::string_view name() const override { return "sabotaged"; }
    std::string device_kind() const override { return "none"; }
    std::unique_ptr<backend::Network<double>> network(const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& p,
                                                      backend::TangentSpace space) const override {
        return cpu_->network(cell, shape, p, space);
    }
    std::unique_ptr<backend::Network<float>> network_single(const cells::CellSpec& cell, const cells::Shape& shape,
                                                            const cells::Parameters& p, backend::TangentSpace space) const override {
        return cpu_->network_single(cell, shape, p, space);
    }
    std::unique_ptr<backend::BatchNetwork<float>> batch_network(const cells::CellSpec&, const cells::ParameterLayout&,
                                                                const cells::Parameters&) const override {
        return nullptr;
    }
    std::unique_ptr<backend::BatchNetwork<double>> batch_network_double(const cells::CellSpec&, const cells::ParameterLayout&,
                                                                        const cells::Parameters&) const override {
        return nullptr;
    }
    void multiply(bool, bool, MatrixView<const float>, MatrixView<const float>, float, MatrixView<float>) const override {}
    void multiply(bool, bool, MatrixView<const double>, MatrixView<const double>, double, MatrixView<double>) const override {}
    backend::SoftmaxLoss softmax(std::span<const int32_t>, MatrixView<float>) const override { return {}; }
    backend::SoftmaxLoss softmax(std::span<const int32_t>, MatrixView<double>) const override { return {}; }
    void qr(backend::QrMethod method, MatrixView<double> z, std::span<double> log_r, QrWork& work,
            MatrixView<float> ratios) const override {
        cpu_->qr(method, z, log_r, work, ratios);
    }
    void qr(backend::QrMethod method, MatrixView<float> z, std::span<double> log_r, QrWork& work, MatrixView<float> ratios) const override {
        cpu_->qr(method, z, log_r, work, ratios);
    }
    double log_abs_det(MatrixView<double> a, QrWork& work) const override { return cpu_->log_abs_det(a, work); }

    std::unique_ptr<backend::ForceLoop> force_loop(const cells::Shape& shape, const cells::Parameters& p, double alpha) const override {
        return std::make_unique<Training>(cpu_->force_loop(shape, p, alpha), training_fails_at);
    }
    std::unique_ptr<backend::FrozenLoops> frozen_loops(const cells::Shape& shape, const cells::Parameters& p,
                                                       int64_t count) const override {
        return std::make_unique<Tests>(cpu_->frozen_loops(shape, p, count), test_fails);
    }

private:
    struct Training : backend::ForceLoop {
        Training(std::unique_ptr<backend::ForceLoop> loop, int64_t at) : inner(std::move(loop)), fails_at(at) {}
        void set(const State& state) override { inner->set(state); }
        State get(bool with_p) const override { return inner->get(with_p); }
        void run(int64_t first, int64_t every, std::span<const double> target, std::span<double> output) override {
            inner->run(first, every, target, output);
            if (fails_at < first || fails_at >= first + static_cast<int64_t>(output.size())) return;
            State state = inner->get();
            state.x[0] = nan;
            inner->set(state);
        }
        std::unique_ptr<backend::ForceLoop> inner;
        int64_t fails_at;
    };
    struct Tests : backend::FrozenLoops {
        Tests(std::unique_ptr<backend::FrozenLoops> loops, int64_t test) : inner(std::move(loops)), fails(test) {}
        int64_t count() const override { return inner->count(); }
        void set(int64_t loop, const backend::ForceLoop::State& state) override { inner->set(loop, state); }
        backend::ForceLoop::State get(int64_t loop) const override { return inner->get(loop); }
        void run(MatrixView<double> output) override {
            inner->run(output);
            if (fails >= 0 && fails < count()) output(fails, output.cols - 1) = nan;
        }
        std::unique_ptr<backend::FrozenLoops> inner;
        int64_t fails;
    };
    std::unique_ptr<backend::Backend> cpu_ = backend::choose(backend::Device::cpu).backend;
};

class SignalStudy : public ::testing::Test {
protected:
    struct Study {
        std::unique_ptr<StudyTask> task;
        Variant variant;
    };
    static Study read(const std::vector<std::string>& overrides = {}) {
        const auto document = TomlDocument::parse(text, "file.toml", overrides);
        TomlTable root(document);
        const StudyConfig config = read_config(root);
        Study study{make_task(root, config), sample_variants(config).front()};
        root.finish();
        return study;
    }
    VariantResult finished(const Study& study) const {
        const auto job = study.task->job(study.variant, backend_);
        while (!job->done()) job->advance();
        return job->result();
    }
    static std::vector<std::byte> bytes(const VariantResult& result) {
        ArchiveWriter archive;
        result.save(archive);
        return archive.take();
    }
    /// Losses, and exponents at spectrum epochs, are `expected`'s before the given index and NaN from there on.
    static void expect_the_start_of(const VariantResult& expected, const VariantResult& found, std::size_t losses, std::size_t spectra) {
        for (std::size_t i = 0; i < expected.loss.size(); ++i) {
            if (i < losses && i > 0) EXPECT_EQ(found.loss[i], expected.loss[i]) << i;
            else EXPECT_TRUE(std::isnan(found.loss[i])) << i;
        }
        const auto &a = found.spectra[0].exponents, &b = expected.spectra[0].exponents;
        const std::size_t each = b.size() / expected.loss.size();
        for (std::size_t i = 0; i < b.size(); ++i) {
            if (i / each < spectra) EXPECT_EQ(a[i], b[i]) << i;
            else EXPECT_TRUE(std::isnan(a[i])) << i;
            EXPECT_EQ(found.spectra[0].reliable[i], i / each < spectra ? expected.spectra[0].reliable[i] : 0) << i;
        }
        EXPECT_TRUE(std::isnan(found.loss_final));
        EXPECT_TRUE(std::isnan(found.example[1].front()) && std::isnan(found.example[1].back()));
    }
    Sabotaged backend_;
};

TEST_F(SignalStudy, InterruptionsAfterEverySliceChangeNothing) {
    for (const char* after : {"last", "every"}) {
        const Study study = read({std::string("signal.test_after=\"") + after + "\"", "training.keep_weights=true"});
        const VariantResult whole = finished(study);
        EXPECT_EQ(whole.status, VariantStatus::ok);
        auto job = study.task->job(study.variant, backend_);
        int slices = 0;
        double last = 0.0;
        while (!job->done()) {
            job->advance();
            EXPECT_GE(job->progress(), last);
            last = job->progress();
            ArchiveWriter archive;
            job->save(archive);
            job = study.task->job(study.variant, backend_);
            const auto snapshot = archive.take();
            ArchiveReader reader(snapshot);
            job->load(reader);
            EXPECT_TRUE(reader.empty());
            ++slices;
        }
        EXPECT_EQ(last, 1.0);
        EXPECT_GT(slices, 12);
        EXPECT_EQ(bytes(job->result()), bytes(whole));
    }
}

TEST_F(SignalStudy, TestsAfterTrainingFindWhatTestsAtOnceFind) {
    const VariantResult every = finished(read()), spectra = finished(read({"signal.test_after=\"spectra\""})),
                        last = finished(read({"signal.test_after=\"last\""}));
    const Study study = read();
    learn::ForceOptions options;
    options.hidden = 40;
    options.gain = study.variant.init;
    const auto period = tasks::one_period(tasks::random_four_sines(study.variant.seed, 0), 230);
    learn::ForceTrainer trainer(backend_, learn::initial_rank1(options, study.variant.seed, 0), options, period, study.variant.seed, 0);
    std::vector<double> z(230), errors{nan};
    for (int64_t epoch = 1; epoch <= 6; ++epoch) {
        trainer.train(230, z);
        EXPECT_EQ(every.loss_every_epoch[static_cast<std::size_t>(epoch - 1)], trainer.training_error());
        const auto now = trainer.snapshot();
        auto test = trainer.start_tests({&now, 1});
        for (int k = 0; k < 2; ++k) test.run({z.data(), 1, 230, 1});
        errors.push_back(test.error(0));
    }
    for (std::size_t i = 1; i < 4; ++i) {
        EXPECT_EQ(every.loss[i], errors[2 * i]);
        EXPECT_EQ(spectra.loss[i], errors[2 * i]);
    }
    for (const VariantResult* result : {&every, &spectra, &last}) {
        EXPECT_EQ(result->loss_final, errors[6]);
        EXPECT_EQ(result->example[1], z);
        EXPECT_EQ(result->spectra[0].exponents, every.spectra[0].exponents);
    }
    EXPECT_EQ(every.loss_best, *std::min_element(errors.begin() + 1, errors.end()));
    EXPECT_EQ(last.loss_best, errors[6]);
}

TEST_F(SignalStudy, ATestThatDivergesEndsTheVariantAtItsEpoch) {
    const Study study = read();
    const VariantResult whole = finished(study);
    backend_.test_fails = 3;  // of epoch 4, whose spectrum comes after it
    const VariantResult found = finished(study);
    EXPECT_EQ(found.status, VariantStatus::diverged);
    EXPECT_EQ(found.diverged_epoch, 4);
    expect_the_start_of(whole, found, 2, 2);
    for (std::size_t i = 0; i < 6; ++i) {
        if (i < 4) EXPECT_EQ(found.loss_every_epoch[i], whole.loss_every_epoch[i]);
        else EXPECT_TRUE(std::isnan(found.loss_every_epoch[i]));
    }
    EXPECT_TRUE(std::isfinite(found.loss_best));
}

TEST_F(SignalStudy, TrainingThatDivergesLeavesTheTestsBeforeIt) {
    const Study study = read();
    const VariantResult whole = finished(study);
    backend_.training_fails_at = 4 * 230 + 10;
    VariantResult found = finished(study);
    EXPECT_EQ(found.status, VariantStatus::diverged);
    EXPECT_EQ(found.diverged_epoch, 5);
    expect_the_start_of(whole, found, 3, 3);
    backend_.test_fails = 1;  // an earlier epoch
    found = finished(study);
    EXPECT_EQ(found.diverged_epoch, 2);
    expect_the_start_of(whole, found, 1, 1);
    backend_.training_fails_at = 10;  // before anything could be tested
    found = finished(study);
    EXPECT_EQ(found.diverged_epoch, 1);
    expect_the_start_of(whole, found, 1, 1);
}

}  // namespace
}  // namespace aelle::study
