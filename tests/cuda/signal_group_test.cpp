// Variants of a signal study side by side on the emulated device: stops after any slice change nothing, and divergence of training or of a test
// leaves what was measured before it, as on the host.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/study/signal_task.hpp"
#include "aelle/study/toml.hpp"
#include "aelle/study/variants.hpp"
#include "tests/cuda/emulated_engine.hpp"

namespace aelle::study {
namespace {

constexpr const char* text = R"(
[study]
name = "s"
task = "signal"
seed = 3
[variants]
cells = ["rank1"]
hidden = [20]
count = 3
init_values = [0.8, 1.0]
[training]
epochs = 4
keep_weights = true
[signal]
steps_per_epoch = 40
test_epochs = 2
test_after = "every"
[spectrum]
epochs = [0, 2, 4]
kinds = ["full", "paper-code"]
steps = 8
exponents = 2
)";

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The emulated device, but the training of one network, or one of its tests, goes wrong where asked, or it takes small networks only.
class Sabotaged : public backend::GroupEngine {
public:
    int64_t network = 1;
    int64_t training_fails_at = -1;  ///< step
    int64_t test_fails = -1;         ///< number among its tests
    int64_t largest = 1024;

    std::string device_kind() const override { return "sabotaged"; }
    std::string description() const override { return "sabotaged"; }
    bool usable() const override { return true; }
    int64_t wanted() const override { return 1; }
    std::unique_ptr<backend::DeviceSequences> sequences(const backend::SequenceTable&) const override { return nullptr; }
    std::unique_ptr<backend::TrainingGroup> training(const cells::CellSpec&, const cells::ParameterLayout&, const cells::Parameters&,
                                                     const backend::GroupTraining&, const backend::SequenceTable&, int64_t) const override {
        return nullptr;
    }
    std::unique_ptr<backend::ChainGroup> chains(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                const cells::Parameters& parameters, std::span<const std::vector<double>> packed,
                                                const backend::ChainProblem& problem) const override {
        return cuda::emulated_engine().chains(cell, layout, parameters, packed, problem);
    }
    int64_t largest_force() const override { return largest; }
    std::unique_ptr<backend::ForceGroup> force(const cells::Shape& shape, std::span<const cells::Parameters> networks, double alpha,
                                               int64_t longest) const override {
        return std::make_unique<Group>(*this, cuda::emulated_engine().force(shape, networks, alpha, longest));
    }

private:
    struct Loops : backend::FrozenGroup {
        Loops(std::unique_ptr<backend::FrozenGroup> group, int64_t part, int64_t test)
            : inner(std::move(group)), fails(part), number(test) {}
        int64_t loops(int64_t part) const override { return inner->loops(part); }
        backend::ForceState get(int64_t part, int64_t loop) const override { return inner->get(part, loop); }
        void run(std::span<const Work> work) override {
            inner->run(work);
            for (const Work& w : work)
                if (w.part == fails && number >= 0 && number < w.output.rows) w.output(number, w.output.cols - 1) = nan;
        }
        std::unique_ptr<backend::FrozenGroup> inner;
        int64_t fails, number;
    };
    struct Group : backend::ForceGroup {
        Group(const Sabotaged& engine, std::unique_ptr<backend::ForceGroup> group) : me(engine), inner(std::move(group)) {}
        int64_t size() const override { return inner->size(); }
        void set(int64_t i, const backend::ForceState& state) override { inner->set(i, state); }
        backend::ForceState get(int64_t i, bool with_p) const override { return inner->get(i, with_p); }
        void run(int64_t learn_every, std::span<const Work> work) override {
            for (const Work& w : work) {
                const int64_t before = me.training_fails_at - w.first_step;
                if (w.network != me.network || before < 0 || before >= static_cast<int64_t>(w.target.size())) continue;
                const auto some = static_cast<std::size_t>(before);
                const Work start{w.network, w.first_step, w.target.first(some), w.output.first(some)};
                inner->run(learn_every, {&start, 1});
                backend::ForceState state = inner->get(w.network, true);
                state.x[0] = nan;
                inner->set(w.network, state);
                const Work rest{w.network, me.training_fails_at, w.target.subspan(some), w.output.subspan(some)};
                inner->run(learn_every, {&rest, 1});
                std::vector<Work> others;
                std::ranges::copy_if(work, std::back_inserter(others), [&](const Work& other) { return other.network != me.network; });
                return inner->run(learn_every, others);
            }
            inner->run(learn_every, work);
        }
        std::unique_ptr<backend::FrozenGroup> frozen(std::span<const backend::ForceGroup::Loops> parts, int64_t longest) const override {
            const auto at = std::ranges::find(parts, me.network, &backend::ForceGroup::Loops::network);
            return std::make_unique<Sabotaged::Loops>(inner->frozen(parts, longest), at - parts.begin(), me.test_fails);
        }
        const Sabotaged& me;
        std::unique_ptr<backend::ForceGroup> inner;
    };
};

class SignalGroup : public ::testing::Test {
protected:
    void read(const std::vector<std::string>& overrides = {}) {
        const auto document = TomlDocument::parse(text, "file.toml", overrides);
        TomlTable root(document);
        const StudyConfig config = read_config(root);
        task_ = make_task(root, config);
        variants_ = sample_variants(config);
        root.finish();
    }
    std::unique_ptr<GroupJob> job() const { return task_->group_jobs(engine_, *host_.backend, 2)(variants_); }
    static bool done(const GroupJob& job) {
        for (std::size_t i = 0; i < job.size(); ++i)
            if (!job.done(i)) return false;
        return true;
    }
    std::vector<VariantResult> finished(std::unique_ptr<GroupJob> job) const {
        while (!done(*job)) job->advance();
        std::vector<VariantResult> results;
        for (std::size_t i = 0; i < job->size(); ++i) results.push_back(job->result(i));
        return results;
    }
    /// All `slices` advances, saved and taken up by a job of its own. More advances after some that led nowhere: where a step takes long a slice has fewer.
    std::vector<VariantResult> interrupted(int slices) const {
        auto job = this->job();
        std::vector<double> progress(job->size(), 0.0);
        for (int interruptions = 0; interruptions < 1000; ++interruptions) {
            for (int k = 0; k < slices && !done(*job); ++k) job->advance();
            if (done(*job)) {
                EXPECT_GT(interruptions, 2);
                return finished(std::move(job));
            }
            auto next = this->job();
            bool further = false;
            for (std::size_t i = 0; i < job->size(); ++i) {
                EXPECT_GE(job->progress(i), progress[i]);
                further = further || job->progress(i) > progress[i];
                progress[i] = job->progress(i);
                ArchiveWriter archive;
                job->save(i, archive);
                const auto snapshot = archive.take();
                ArchiveReader reader(snapshot);
                next->load(i, reader);
                EXPECT_TRUE(reader.empty());
            }
            job = std::move(next);
            if (!further) ++slices;
        }
        ADD_FAILURE() << "it does not come to an end";
        return {};
    }
    /// Which sign a NaN has is for the compiler to say on the host; a device knows one NaN only.
    static std::vector<std::byte> bytes(VariantResult result) {
        for (auto& [name, values] : result.weights)
            for (auto& x : values)
                if (std::isnan(x)) x = std::numeric_limits<double>::quiet_NaN();
        ArchiveWriter archive;
        result.save(archive);
        return archive.take();
    }
    static void expect_same(const std::vector<VariantResult>& found, const std::vector<VariantResult>& expected) {
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(bytes(found[i]), bytes(expected[i])) << i;
    }
    /// What was measured at the first epochs is `expected`'s, the rest NaN.
    static void expect_the_start_of(const VariantResult& expected, const VariantResult& found, std::size_t losses, std::size_t spectra) {
        for (std::size_t i = 1; i < expected.loss.size(); ++i) {
            if (i < losses) EXPECT_EQ(found.loss[i], expected.loss[i]) << i;
            else EXPECT_TRUE(std::isnan(found.loss[i])) << i;
        }
        for (std::size_t kind = 0; kind < 2; ++kind) {
            const auto &a = found.spectra[kind].exponents, &b = expected.spectra[kind].exponents;
            const std::size_t each = b.size() / expected.loss.size();
            for (std::size_t i = 0; i < b.size(); ++i) {
                if (i / each < spectra) EXPECT_EQ(a[i], b[i]) << i;
                else EXPECT_TRUE(std::isnan(a[i])) << i;
            }
        }
        EXPECT_TRUE(std::isnan(found.loss_final));
        EXPECT_TRUE(std::isnan(found.example[1].front()) && std::isnan(found.example[1].back()));
    }

    Sabotaged engine_;
    backend::Choice host_ = backend::choose(backend::Device::cpu);
    std::unique_ptr<StudyTask> task_;
    std::vector<Variant> variants_;
};

TEST_F(SignalGroup, StopsAfterAnySliceChangeNothing) {
    for (const char* after : {"last", "every"}) {
        read({std::string("signal.test_after=\"") + after + "\""});
        const auto whole = finished(job());
        for (const VariantResult& result : whole) EXPECT_EQ(result.status, VariantStatus::ok);
        for (const int slices : {9, 14}) expect_same(interrupted(slices), whole);  // spectra in work begin anew, and take up to 9 slices
    }
}

TEST_F(SignalGroup, AVariantIsTheSameAlone) {
    read();
    const auto together = finished(job());
    const std::vector<Variant> all = variants_;
    for (const std::size_t i : {0, 2}) {
        variants_ = {all[i]};
        expect_same(finished(job()), {together[i]});
    }
}

TEST_F(SignalGroup, TrainingThatDivergesLeavesTheTestsBeforeItAndOtherVariants) {
    read();
    const auto whole = finished(job());
    engine_.training_fails_at = 2 * 40 + 10;
    const auto found = finished(job());
    EXPECT_EQ(found[1].status, VariantStatus::diverged);
    EXPECT_EQ(found[1].diverged_epoch, 3);
    expect_the_start_of(whole[1], found[1], 2, 2);
    for (const std::size_t i : {0, 2}) EXPECT_EQ(bytes(found[i]), bytes(whole[i]));
    EXPECT_EQ(found[1].loss_every_epoch[1], whole[1].loss_every_epoch[1]);
    EXPECT_TRUE(std::isnan(found[1].loss_every_epoch[2]));
    EXPECT_TRUE(std::isnan(found[1].weights.at("x")[0]));
    expect_same(interrupted(12), found);  // its weights too
}

TEST_F(SignalGroup, ATestThatDivergesEndsItsVariantAtItsEpoch) {
    read();
    const auto whole = finished(job());
    engine_.test_fails = 1;  // of epoch 2
    const auto found = finished(job());
    EXPECT_EQ(found[1].status, VariantStatus::diverged);
    EXPECT_EQ(found[1].diverged_epoch, 2);
    expect_the_start_of(whole[1], found[1], 1, 1);
    EXPECT_EQ(bytes(found[2]), bytes(whole[2]));
}

TEST_F(SignalGroup, NetworksTooLargeForTheDeviceAreTheHosts) {
    read();
    engine_.largest = 19;
    std::vector<VariantResult> expected;
    for (const Variant& variant : variants_) {
        const auto one = task_->job(variant, *host_.backend);
        while (!one->done()) one->advance();
        expected.push_back(one->result());
    }
    expect_same(finished(job()), expected);
    expect_same(interrupted(2), expected);
}

}  // namespace
}  // namespace aelle::study
