// Whole studies: same bytes for any ranks and threads, and after any interruption.
#include "program.hpp"

#include <random>

namespace aelle::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class StudyRun : public ProgramTest {
protected:
    void run_to_end(const std::vector<std::string>& words) const {
        const Outcome outcome = Process(words, scratch_).wait();
        ASSERT_EQ(outcome.status, 0) << outcome.err;
    }
    void finish(const fs::path& output, const std::vector<std::string>& more = {}) const {
        auto words = small_run(output, 4, more);
        words.insert(words.begin(), program);
        run_to_end(words);
    }
    /// Until that rank has begun to work; a loaded machine may need many seconds to start MPI.
    static void wait_for_work(Process& process, const fs::path& output, int rank = 0) {
        const fs::path log = output / "log" / ("rank-000" + std::to_string(rank) + ".log");
        while (process.running() && !contains(slurp(log), "start group")) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        ASSERT_TRUE(process.running()) << "the study is too short for this test";
    }
    static int64_t shards(const fs::path& output) {
        int64_t count = 0;
        if (!fs::exists(output / "shards")) return 0;
        for (const auto& entry : fs::directory_iterator(output / "shards")) count += entry.path().extension() == ".h5";
        return count;
    }
    static std::string logs(const fs::path& output) {
        std::string text;
        if (!fs::exists(output / "log")) return text;
        for (const auto& entry : fs::directory_iterator(output / "log")) {
            if (entry.path().extension() == ".log") text += slurp(entry.path());
        }
        return text;
    }
};

TEST_F(StudyRun, GivesTheSameBytesForAnyRanksAndThreads) {
    const fs::path reference = scratch_ / "reference";
    finish(reference, {"--threads", "1"});
    finish(scratch_ / "two-threads", {"--threads", "2"});
    expect_same_datasets(reference, scratch_ / "two-threads");
    for (const int ranks : {2, 4, 9}) {  // nine ranks are more than there are groups
        const fs::path output = scratch_ / ("ranks-" + std::to_string(ranks));
        run_to_end(mpirun(ranks, small_run(output, 4, {"--threads", "1"})));
        expect_same_datasets(reference, output);
    }
}

TEST_F(StudyRun, SurvivesSigkillAtRandomMoments) {
    const fs::path reference = scratch_ / "reference", output = scratch_ / "killed";
    finish(reference);
    std::mt19937 random(20);
    int kills = 0;
    for (int attempt = 0; attempt < 60 && kills < 10; ++attempt) {
        auto words = small_run(output, 4, {"--threads", "1", "--checkpoint-every", "0.1"});
        words.insert(words.begin(), program);
        Process process(words, scratch_);
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(50, 500)(random)));
        if (!process.running()) {  // finished before it could be killed: once more from the start
            fs::remove_all(output);
            continue;
        }
        process.kill_session();
        process.wait();
        ++kills;
    }
    EXPECT_EQ(kills, 10);
    finish(output);
    expect_same_datasets(reference, output);
}

TEST_F(StudyRun, SurvivesSigkillOfAllRanks) {
    const fs::path reference = scratch_ / "reference", output = scratch_ / "killed";
    finish(reference);
    std::mt19937 random(7);
    for (int kills = 0; kills < 4; ++kills) {
        Process process(mpirun(2, small_run(output, 4, {"--threads", "1", "--checkpoint-every", "0.1"})), scratch_);
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(600, 1500)(random)));
        process.kill_session();
        process.wait();
    }
    run_to_end(mpirun(2, small_run(output, 4, {"--threads", "1"})));
    expect_same_datasets(reference, output);
}

TEST_F(StudyRun, StopsOnSignalsAndContinues) {
    const fs::path reference = scratch_ / "reference";
    finish(reference);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
        const fs::path output = scratch_ / ("signal-" + std::to_string(signal));
        auto words = small_run(output, 4, {"--threads", "1"});
        words.insert(words.begin(), program);
        Process process(words, scratch_);
        wait_for_work(process, output);
        process.signal(signal);
        const auto asked = std::chrono::steady_clock::now();
        const Outcome outcome = process.wait();
        EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(5));
        EXPECT_EQ(outcome.status, 75) << outcome.err;
        EXPECT_FALSE(fs::exists(output / "study.h5"));
        finish(output);
        expect_same_datasets(reference, output);
    }
}

// One rank has run out of work when the stop comes; the other's work is saved all the same.
TEST_F(StudyRun, AStopSavesBusyRanksWhenOthersAreIdle) {
    const fs::path output = scratch_ / "uneven";
    auto words = small_run(output, 80, {"--threads", "2", "--until", "study", "--set", "variants.hidden=[300]", "--set", "variants.count=9", "--set",
                                        "variants.group_size=8"});
    Process process(mpirun(2, words), scratch_);
    while (process.running() && !contains(logs(output), "finished group 1")) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(process.running()) << "the groups are too short for this test";
    process.signal(SIGUSR1);
    EXPECT_EQ(process.wait().status, 75);
    EXPECT_TRUE(fs::exists(output / "checkpoints" / "group-000000.h5")) << logs(output);
}

TEST_F(StudyRun, ASignalThatComesTwiceAtOnceCountsOnce) {
    const fs::path output = scratch_ / "twice";
    auto words = small_run(output, 15, {"--threads", "1"});
    words.insert(words.begin(), program);
    Process process(words, scratch_);
    wait_for_work(process, output);
    process.signal(SIGTERM);
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait().status, 75);
    EXPECT_TRUE(contains(logs(output), "asked to stop by SIGTERM")) << logs(output);
}

TEST_F(StudyRun, StopsAtTheTimeLimitUnderMpi) {
    const fs::path output = scratch_ / "limited";
    const Outcome outcome = Process(mpirun(2, small_run(output, 1000, {"--time-limit", "1", "--threads", "1"})), scratch_).wait();
    EXPECT_EQ(outcome.status, 75) << outcome.err;
    EXPECT_LT(outcome.seconds, 8.0);
    EXPECT_TRUE(contains(logs(output), "time limit reached"));
}

// One rank of several is told to stop: all do.
TEST_F(StudyRun, ASignalToOneRankStopsAll) {
    const fs::path output = scratch_ / "one";
    Process process(mpirun(2, small_run(output, 60, {"--threads", "1"})), scratch_);
    wait_for_work(process, output, 1);
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string environment = slurp(entry.path() / "environ");
        if (!contains(environment, "OMPI_COMM_WORLD_RANK=1") || !contains(slurp(entry.path() / "cmdline"), output.string())) continue;
        kill(static_cast<pid_t>(std::stol(entry.path().filename())), SIGTERM);
    }
    EXPECT_EQ(process.wait().status, 75);
    const std::string text = logs(output);
    EXPECT_TRUE(contains(text, "asked to stop by SIGTERM")) << text;
}

// The log holds what each checkpoint had and where the group was resumed: a kill costs one interval, not the group's start.
TEST_F(StudyRun, AKillCostsAGroupAtMostOneCheckpointInterval) {
    const fs::path output = scratch_ / "long";
    const double interval = 0.25;
    auto words = small_run(output, 20, {"--threads", "1", "--checkpoint-every", "0.25", "--set", "variants.count=1", "--set",
                                        "variants.hidden=[512]", "--set", "training.epochs=480", "--until", "study"});
    words.insert(words.begin(), program);
    fs::file_time_type killed;
    {
        Process process(words, scratch_);
        const auto checkpoints = [&] {
            const std::string log = logs(output);
            int count = 0;
            for (std::size_t at = log.find("checkpoint group"); at != std::string::npos; at = log.find("checkpoint group", at + 1)) ++count;
            return count;
        };
        while (process.running() && checkpoints() < 4) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));  // well before the next, whose line comes after its file
        ASSERT_TRUE(process.running()) << "the group is too short for this test";
        process.kill_session();
        killed = fs::file_time_type::clock::now();
        process.wait();
    }
    const std::string before = logs(output);
    const std::size_t last = before.rfind("checkpoint group 0 at ");
    const std::string saved = before.substr(last + 22, before.find('\n', last) - last - 22);
    EXPECT_GT(std::stod(saved), 0.0);
    // Half a second for a loaded machine.
    EXPECT_LT(std::chrono::duration<double>(killed - fs::last_write_time(output / "checkpoints" / "group-000000.h5")).count(), interval + 0.5);
    run_to_end(words);
    EXPECT_TRUE(contains(logs(output), "resume group 0 at " + saved + "\n")) << logs(output);
}

TEST_F(StudyRun, AFullDiskIs74AndLosesNothing) {
    const fs::path reference = scratch_ / "reference", output = scratch_ / "limited";
    finish(reference);
    auto words = small_run(output, 4, {"--threads", "1", "--checkpoint-every", "0.2"});
    words.insert(words.begin(), program);
    const Outcome outcome = Process(words, scratch_, 40000).wait();  // no file beyond 40 kB
    EXPECT_EQ(outcome.status, 74) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, output.string())) << outcome.err;
    run_to_end(words);
    expect_same_datasets(reference, output);
}

TEST_F(StudyRun, OneRunPerFolderAtATime) {
    const fs::path output = scratch_ / "shared";
    auto words = small_run(output, 15, {"--threads", "1"});
    words.insert(words.begin(), program);
    Process first(words, scratch_);
    wait_for_work(first, output);
    const Outcome second = Process(words, scratch_).wait();
    EXPECT_EQ(second.status, 73);
    EXPECT_TRUE(contains(second.err, "process " + std::to_string(first.pid()))) << second.err;
    const Outcome status = aelle({"status", output});
    EXPECT_EQ(status.status, 0);
    EXPECT_TRUE(contains(status.out, "running, by")) << status.out;
}

TEST_F(StudyRun, FinishedFoldersTrainNothingAndRefuseOtherStudies) {
    const fs::path output = scratch_ / "done";
    finish(output);
    const std::string first = logs(output);
    finish(output);
    EXPECT_EQ(logs(output), first);
    auto other = small_run(output, 4, {"--set", "force.alpha=2.0"});
    const Outcome refused = aelle(other);
    EXPECT_EQ(refused.status, 65);
    EXPECT_TRUE(contains(refused.err, "force.alpha: here 2.0, there 1.0")) << refused.err;
    other.insert(other.end(), {"--fresh"});
    EXPECT_EQ(aelle(other).status, 73);
    other.insert(other.end(), {"--force", "--until", "study"});
    EXPECT_EQ(aelle(other).status, 0);
    EXPECT_FALSE(fs::exists(output / "analysis.h5"));
}

TEST_F(StudyRun, AnOutputFolderKeepsToItsKindOfDevice) {
    const fs::path output = scratch_ / "device";
    finish(output, {"--until", "study"});
    std::string manifest = slurp(output / "manifest.toml");
    manifest.replace(manifest.find("cpu "), 4, "gpu ");
    std::ofstream(output / "manifest.toml") << manifest;
    const Outcome outcome = aelle(small_run(output, 4));
    EXPECT_EQ(outcome.status, 65);
    EXPECT_TRUE(contains(outcome.err, "device_kind")) << outcome.err;
}

TEST_F(StudyRun, StudyFilesOfAnotherVersionAre65) {
    const fs::path output = scratch_ / "version";
    finish(output, {"--until", "study"});
    fs::remove(output / "study.h5");
    io::H5Writer file;
    file.attribute("/", "format_version", int64_t{99});
    file.commit(output / "study.h5");
    const Outcome outcome = aelle({"analyze", output});
    EXPECT_EQ(outcome.status, 65);
    EXPECT_TRUE(contains(outcome.err, "format_version: found 99, expected 1")) << outcome.err;
    EXPECT_EQ(aelle({"report", output}).status, 66);  // no analysis.h5 yet
}

TEST_F(StudyRun, MissingAndTruncatedShardsAreTrainedAgain) {
    const fs::path reference = scratch_ / "reference", output = scratch_ / "shards";
    finish(reference);
    finish(output);
    fs::remove(output / "shards" / "group-000001.h5");
    fs::resize_file(output / "shards" / "group-000003.h5", 1000);
    finish(output);
    expect_same_datasets(reference, output);
    EXPECT_EQ(shards(output), 6);
}

TEST_F(StudyRun, AnalyzeAndReportStandAlone) {
    const fs::path output = scratch_ / "parts";
    finish(output, {"--until", "study"});
    std::ofstream(scratch_ / "analysis.toml") << "[analysis]\nrepeats = 2\nsteps = 100\n";
    const Outcome outcome = aelle({"analyze", output, "--analysis", scratch_ / "analysis.toml", "--quiet"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(contains(outcome.out, "aelle-pc1")) << outcome.out;
    EXPECT_EQ(io::H5Reader(output / "analysis.h5").dims("split")[0], 2);
    EXPECT_EQ(aelle({"report", output, "--quiet"}).status, 0);
    finish(output);  // the study's own analysis again
    EXPECT_EQ(io::H5Reader(output / "analysis.h5").dims("split")[0], 3);
    EXPECT_TRUE(fs::exists(output / "report" / "index.html"));
}

}  // namespace
}  // namespace aelle::test
