#include "aelle/study/scheduler.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <new>
#include <numeric>
#include <omp.h>
#include <thread>

#include "aelle/backend/blas.hpp"
#include "aelle/base/error.hpp"
#include "aelle/study/folder.hpp"

namespace aelle::study {
namespace {

namespace fs = std::filesystem;

/// A variant whose result is a sum over `slices` slices, so that lost or repeated slices show.
class CountingJob : public Job {
public:
    CountingJob(int64_t variant, int64_t slices, std::atomic<int64_t>& advances) : variant_(variant), slices_(slices), advances_(advances) {}
    bool done() const override { return done_ == slices_; }
    void advance() override {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        sum_ += static_cast<double>(variant_ + 1) / static_cast<double>(++done_);
        ++advances_;
    }
    double progress() const override { return static_cast<double>(done_) / static_cast<double>(slices_); }
    void save(ArchiveWriter& archive) const override {
        archive.value(done_);
        archive.value(sum_);
    }
    void load(ArchiveReader& archive) override {
        archive.value(done_);
        archive.value(sum_);
    }
    VariantResult result() const override {
        VariantResult result;
        result.loss = {sum_};
        result.accuracy = {0.0};
        result.loss_every_epoch = {sum_};
        result.loss_final = result.loss_best = sum_;
        result.spectra = {{{sum_, -sum_}, {1, 0}}, {{2 * sum_}, {1}}};
        result.example = {{sum_, 0.5}};
        return result;
    }

private:
    int64_t variant_, slices_;
    std::atomic<int64_t>& advances_;
    int64_t done_ = 0;
    double sum_ = 0.0;
};

class Scheduling : public ::testing::Test {
protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("aelle-scheduler-" + std::to_string(getpid()));
        fs::remove_all(root_);
        for (const char* name : {"shards", "checkpoints", "log"}) fs::create_directories(root_ / name);
        for (int64_t g = 0; g < 4; ++g) groups_.push_back({g, "k", static_cast<double>(g), {3 * g, 3 * g + 1, 3 * g + 2}, "study"});
    }
    void TearDown() override { fs::remove_all(root_); }

    bool run(const SchedulerSettings& settings) {
        const auto comm = start_comm();
        return run_groups(
            *comm, StudyFolder(root_), groups_, shape_,
            [&](int64_t variant) { return std::make_unique<CountingJob>(variant, slices_, advances_); }, settings,
            [&](const Progress& progress) { last_ = progress; }, [&](const std::string& text) { warnings_.push_back(text); });
    }

    void expect_all_results() {
        for (const Group& group : groups_) {
            const auto results = read_shard(StudyFolder(root_), group, shape_);
            for (std::size_t i = 0; i < results.size(); ++i) {
                double expected = 0;
                for (int64_t k = 1; k <= slices_; ++k) expected += static_cast<double>(group.variants[i] + 1) / static_cast<double>(k);
                EXPECT_EQ(results[i].loss_final, expected);
                EXPECT_EQ(results[i].spectra.at(0).exponents, (std::vector<double>{expected, -expected}));
                EXPECT_EQ(results[i].spectra.at(0).reliable, (std::vector<uint8_t>{1, 0}));
                EXPECT_EQ(results[i].spectra.at(1).exponents, (std::vector<double>{2 * expected}));
                EXPECT_EQ(results[i].example.at(0), (std::vector<double>{expected, 0.5}));
            }
        }
    }

    fs::path root_;
    std::vector<Group> groups_;
    ResultShape shape_{1, 1, {"full", "hidden"}, {{"drawn", {1, 2}, {"a", "b"}, ""}}};
    int64_t slices_ = 20;
    std::atomic<int64_t> advances_{0};
    Progress last_;
    std::vector<std::string> warnings_;
};

TEST_F(Scheduling, FinishesAllGroupsOnAnyNumberOfThreads) {
    for (const int threads : {1, 3}) {
        TearDown();
        groups_.clear();
        SetUp();
        EXPECT_TRUE(run({threads, 60.0, Deadline(std::nullopt)}));
        expect_all_results();
        EXPECT_EQ(last_.variants_finished, 12);
        EXPECT_EQ(last_.groups_finished_now, 4);
        EXPECT_EQ(last_.groups_running, 0);
    }
}

TEST_F(Scheduling, NeverRedoesFinishedGroups) {
    EXPECT_TRUE(run({2, 60.0, Deadline(std::nullopt)}));
    const int64_t before = advances_;
    EXPECT_TRUE(run({2, 60.0, Deadline(std::nullopt)}));
    EXPECT_EQ(advances_, before);
    EXPECT_EQ(last_.groups_finished, 4);
    EXPECT_EQ(last_.groups_finished_now, 0);
}

TEST_F(Scheduling, StopsAtTheDeadlineAndContinuesWithoutLosingASlice) {
    slices_ = 60;
    int runs = 0;
    while (!run({2, 60.0, Deadline(0.1)})) ASSERT_LT(++runs, 100);
    EXPECT_GT(runs, 1);
    EXPECT_EQ(advances_, 12 * slices_);  // nothing lost, nothing repeated
    expect_all_results();
    EXPECT_TRUE(fs::is_empty(root_ / "checkpoints"));
}

TEST_F(Scheduling, TrainsAgainWhatADamagedShardHeld) {
    EXPECT_TRUE(run({2, 60.0, Deadline(std::nullopt)}));
    const int64_t before = advances_;
    const StudyFolder folder(root_);
    fs::resize_file(folder.shard(2), fs::file_size(folder.shard(2)) / 2);
    EXPECT_TRUE(run({2, 60.0, Deadline(std::nullopt)}));
    ASSERT_EQ(warnings_.size(), 1u);
    EXPECT_NE(warnings_[0].find("group-000002.h5"), std::string::npos);
    EXPECT_EQ(advances_ - before, 3 * slices_);
    expect_all_results();
}

TEST_F(Scheduling, TrainsAgainWhatIsAnotherStudys) {
    EXPECT_TRUE(run({2, 60.0, Deadline(std::nullopt)}));
    const int64_t before = advances_;
    for (Group& group : groups_) group.study = "another";
    EXPECT_TRUE(run({2, 60.0, Deadline(std::nullopt)}));
    EXPECT_EQ(warnings_.size(), 4u);
    EXPECT_EQ(advances_, 2 * before);
}

TEST_F(Scheduling, StartsAGroupAnewWhenItsCheckpointIsDamaged) {
    slices_ = 200;
    EXPECT_FALSE(run({1, 60.0, Deadline(0.4)}));
    for (const auto& entry : fs::directory_iterator(root_ / "checkpoints")) fs::resize_file(entry.path(), fs::file_size(entry.path()) - 9);
    EXPECT_TRUE(run({1, 60.0, Deadline(std::nullopt)}));
    EXPECT_FALSE(warnings_.empty());
    expect_all_results();
}

TEST_F(Scheduling, WritesCheckpointsWhileWorking) {
    slices_ = 400;
    groups_.resize(1);
    EXPECT_TRUE(run({1, 0.1, Deadline(std::nullopt)}));
    std::ifstream log(root_ / "log" / "rank-0000.log");
    const std::string text((std::istreambuf_iterator<char>(log)), {});
    EXPECT_NE(text.find("checkpoint group 0 at 0."), std::string::npos);
    expect_all_results();
}

TEST_F(Scheduling, HandsOutTheLongestGroupsFirst) {
    EXPECT_TRUE(run({1, 60.0, Deadline(std::nullopt)}));
    std::ifstream log(root_ / "log" / "rank-0000.log");
    std::string line, order;
    while (std::getline(log, line)) {
        if (const auto at = line.find("start group "); at != std::string::npos) order += line.substr(at + 12);
    }
    EXPECT_EQ(order, "3210");
}

// An OpenBLAS built for OpenMP would use all cores in every new thread.
TEST_F(Scheduling, JobsRunWithOneThreadInsideBlas) {
    std::atomic<int> most{0};
    const auto comm = start_comm();
    const auto factory = [&](int64_t variant) {
        most = std::max({most.load(), backend::blas_threads(), omp_get_max_threads()});
        return std::make_unique<CountingJob>(variant, 1, advances_);
    };
    run_groups(*comm, StudyFolder(root_), groups_, shape_, factory, {2, 60.0, Deadline(std::nullopt)}, [](const Progress&) {},
               [](const std::string&) {});
    EXPECT_EQ(most, 1);
}

TEST_F(Scheduling, AJobsErrorEndsTheRunWithThatError) {
    const auto comm = start_comm();
    const auto failing = [](int64_t) -> std::unique_ptr<Job> { throw DataError("planted"); };
    EXPECT_THROW(run_groups(*comm, StudyFolder(root_), groups_, shape_, failing, {2, 60.0, Deadline(std::nullopt)},
                            [](const Progress&) {}, [](const std::string&) {}),
                 DataError);
}

// Memory is the machine's: the others go on, the result says so, and the next run tries again.
TEST_F(Scheduling, AVariantOutOfMemoryFailsAloneAndIsTriedAgain) {
    const auto comm = start_comm();
    bool enough = false;
    const auto factory = [&](int64_t variant) -> std::unique_ptr<Job> {
        if (variant == 4 && !enough) throw std::bad_alloc();
        return std::make_unique<CountingJob>(variant, slices_, advances_);
    };
    SchedulerSettings settings{2, 60.0, Deadline(std::nullopt)};
    settings.blank = [&](int64_t variant) { return CountingJob(variant, 1, advances_).result(); };
    std::map<int64_t, int> kept;
    settings.keep = [&](int64_t variant, const VariantResult&) { ++kept[variant]; };
    const auto warn = [&](const std::string& text) { warnings_.push_back(text); };
    EXPECT_TRUE(run_groups(*comm, StudyFolder(root_), groups_, shape_, factory, settings, [](const Progress&) {}, warn));
    ASSERT_EQ(warnings_.size(), 1u);
    EXPECT_NE(warnings_[0].find("variant 4 failed: out of memory"), std::string::npos);
    const auto results = read_shard(StudyFolder(root_), groups_[1], shape_);
    EXPECT_EQ(results[1].status, VariantStatus::failed);
    EXPECT_EQ(results[0].status, VariantStatus::ok);
    EXPECT_EQ(kept.size(), 12u);
    EXPECT_EQ(advances_, 11 * slices_);

    enough = true;
    Progress last;
    EXPECT_TRUE(run_groups(*comm, StudyFolder(root_), groups_, shape_, factory, settings, [&](const Progress& p) { last = p; }, warn));
    EXPECT_EQ(advances_, 12 * slices_);
    EXPECT_EQ(last.variants_finished, 12);
    EXPECT_EQ(last.variants_finished_now, 1);
    expect_all_results();
}

// Each of two jobs holds what the other wants. That the first has left its part when the second is looked at does not make the second too large.
TEST_F(Scheduling, JobsThatAreInEachOthersWayAreWorkedOnOneByOne) {
    struct ThirdJob : CountingJob {
        ThirdJob(const CountingJob& job, std::atomic<bool>& alive) : CountingJob(job), alive_(alive) { alive_ = true; }
        ~ThirdJob() override { alive_ = false; }
        std::atomic<bool>& alive_;
    };
    const auto comm = start_comm();
    std::atomic<int> calls{0}, beside_the_third{0};
    std::atomic<bool> third_is_alive{false};
    const auto factory = [&](int64_t variant) -> std::unique_ptr<Job> {
        const int call = ++calls;
        if (call <= 2) {
            while (calls < 2) std::this_thread::yield();
            if (call == 2) std::this_thread::sleep_for(std::chrono::milliseconds(50));
            throw std::bad_alloc();
        }
        const CountingJob job(variant, slices_, advances_);
        if (call == 3) return std::make_unique<ThirdJob>(job, third_is_alive);
        beside_the_third += third_is_alive ? 1 : 0;
        return std::make_unique<CountingJob>(job);
    };
    SchedulerSettings settings{2, 60.0, Deadline(std::nullopt)};
    settings.blank = [&](int64_t variant) { return CountingJob(variant, 1, advances_).result(); };
    const auto warn = [&](const std::string& text) { warnings_.push_back(text); };
    EXPECT_TRUE(run_groups(*comm, StudyFolder(root_), groups_, shape_, factory, settings, [](const Progress&) {}, warn));
    EXPECT_EQ(warnings_, std::vector<std::string>{});
    EXPECT_EQ(beside_the_third, 0);
    EXPECT_EQ(calls, 14);
    expect_all_results();
}

TEST_F(Scheduling, ProgressSurvivesItsFile) {
    const Progress progress{9, 3, 2, 1, 90, 31, 11, 12.5};
    write_progress(StudyFolder(root_), progress);
    const auto read = read_progress(StudyFolder(root_));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->groups_running, 2);
    EXPECT_EQ(read->variants_finished, 31);
    EXPECT_EQ(read->seconds, 12.5);
}

TEST(Groups, HoldConsecutiveVariantsOfEqualShape) {
    std::vector<Variant> variants;
    for (int64_t i = 0; i < 10; ++i) variants.push_back({i, "rank1", i < 5 ? 20 : 30, 1.0, 0});
    const auto groups = make_groups(variants, 4, "study", [](const Variant& variant) { return static_cast<double>(variant.hidden); });
    ASSERT_EQ(groups.size(), 4u);
    EXPECT_EQ(groups[0].variants, (std::vector<int64_t>{0, 1, 2, 3}));
    EXPECT_EQ(groups[1].variants, (std::vector<int64_t>{4}));
    EXPECT_EQ(groups[3].variants, (std::vector<int64_t>{9}));
    EXPECT_EQ(groups[2].cost, 120.0);
    EXPECT_NE(groups[1].key, groups[2].key);
}

}  // namespace
}  // namespace aelle::study
