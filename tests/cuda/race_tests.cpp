// The detector of races: barriers left out on purpose, and the same kernels with them; and random histories of accesses, each compared with all before.

#include <gtest/gtest.h>

#include <random>

#include "kernels/cuda/block.hpp"
#include "tests/cuda/emulation_order.hpp"
#include "tests/cuda/race_runtime.hpp"

namespace aelle::cuda {
namespace {

using races::Between;
using races::Race;

enum class With { nothing, shuffle, warp, block, cluster };

void barrier(const Block& block, With with) {
    if (with == With::shuffle) block.shuffle_xor(block.thread(), 1);
    if (with == With::warp) block.sync_warp();
    if (with == With::block) block.sync();
    if (with == With::cluster) block.sync_cluster();
}

/// Every thread writes a number and reads that of another, a lane, a warp or a block away.
struct Neighbours {
    static constexpr int threads = 64, blocks_per_multiprocessor = 1;
    double* device;  ///< numbers of all threads, or null: in shared memory
    int away;        ///< 1, 32, 64
    With with;
    double* read;
    void operator()(const Block& block) const {
        const int thread = block.index() * threads + block.thread();
        auto* numbers = device ? device : reinterpret_cast<double*>(block.shared()) - block.index() * threads;
        numbers[thread] = thread;
        barrier(block, with);
        read[thread] = numbers[thread ^ away];
    }
};

/// All threads of the launch read a number; then the thread `writer` of the block `block` writes to it.
struct ReadThenWrite {
    static constexpr int threads = 64, blocks_per_multiprocessor = 1;
    double* number;
    int block, writer;
    With with;
    double* read;
    void operator()(const Block& b) const {
        for (int again = 0; again < 3; ++again) read[b.index() * threads + b.thread()] = *number;
        barrier(b, with);
        if (b.index() == block && b.thread() == writer) *number = 1.0;
    }
};

template <class Kernel>
std::vector<Race> races_of(emulation::Order order, int blocks, int cluster, const Kernel& kernel) {
    const EmulationOrder guard(order);
    launch(nullptr, blocks, 64 * sizeof(double), kernel, cluster);
    return races::take();
}

/// In every order of threads: without races, or all between such threads.
template <class Kernel>
void expect(Between between, int blocks, int cluster, const Kernel& kernel, bool shared = false) {
    for (const emulation::Order order : orders) {
        const std::vector<Race> found = races_of(order, blocks, cluster, kernel);
        EXPECT_EQ(found.empty(), between == Between::nothing);
        for (const Race& race : found) {
            EXPECT_EQ(race.between, between);
            EXPECT_EQ(race.shared, shared);
        }
    }
}

TEST(CudaRaces, LanesNeedABarrierOfTheWarp) {
    std::vector<double> read(64);
    for (const With with : {With::nothing, With::shuffle}) expect(Between::lanes, 1, 1, Neighbours{nullptr, 1, with, read.data()}, true);
    for (const With with : {With::warp, With::block, With::cluster})
        expect(Between::nothing, 1, 1, Neighbours{nullptr, 1, with, read.data()}, true);
}

TEST(CudaRaces, WarpsNeedABarrierOfTheBlock) {
    std::vector<double> read(64), device(64);
    for (double* memory : {static_cast<double*>(nullptr), device.data()}) {
        for (const With with : {With::nothing, With::warp})
            expect(Between::warps, 1, 1, Neighbours{memory, 32, with, read.data()}, memory == nullptr);
        expect(Between::nothing, 1, 1, Neighbours{memory, 32, With::block, read.data()});
    }
}

TEST(CudaRaces, BlocksNeedABarrierOfTheCluster) {
    std::vector<double> read(4 * 64), device(4 * 64);
    for (const With with : {With::nothing, With::warp, With::block})
        expect(Between::blocks, 4, 2, Neighbours{device.data(), 64, with, read.data()});
    expect(Between::nothing, 4, 2, Neighbours{device.data(), 64, With::cluster, read.data()});
}

TEST(CudaRaces, NothingOrdersClusters) {
    std::vector<double> read(4 * 64);
    double number = 0.0;
    for (int block = 0; block < 4; ++block) expect(Between::clusters, 4, 1, ReadThenWrite{&number, block, 0, With::cluster, read.data()});
    for (int launch = 0; launch < 2; ++launch) expect(Between::nothing, 1, 1, ReadThenWrite{&number, 0, 0, With::cluster, read.data()});
    // Their shared memory is one after another's.
    expect(Between::nothing, 4, 1, Neighbours{nullptr, 1, With::block, read.data()});
}

TEST(CudaRaces, NoReaderIsForgotten) {
    std::vector<double> read(2 * 64);
    double number = 0.0;
    for (const int writer : {0, 31, 32, 63}) {
        expect(Between::warps, 1, 1, ReadThenWrite{&number, 0, writer, With::warp, read.data()});
        expect(Between::nothing, 1, 1, ReadThenWrite{&number, 0, writer, With::block, read.data()});
        for (int block = 0; block < 2; ++block)
            expect(Between::blocks, 2, 2, ReadThenWrite{&number, block, writer, With::block, read.data()});
    }
}

TEST(CudaRaces, ReportsNameTheLines) {
    std::vector<double> read(64);
    const std::vector<Race> found = races_of(emulation::Order::ascending, 1, 1, Neighbours{nullptr, 32, With::nothing, read.data()});
    const std::vector<std::string> texts = races::describe(found);
    ASSERT_FALSE(texts.empty());
    for (const std::string& text : texts) {
        EXPECT_NE(text.find("shared memory by warps of one block, without a barrier of the block"), std::string::npos) << text;
        const auto first = text.find("lane 0 at race_tests.cpp:");
        ASSERT_NE(first, std::string::npos) << text;
        EXPECT_NE(text.find("at race_tests.cpp:", first + 20), std::string::npos) << text;
    }
}

/// Accesses to one number by lanes 0 and 1 of both warps of two blocks, told to the detector without an emulation, and all of them remembered.
class History {
public:
    void launch() {
        emulation::races::launch();
        all_.clear();
    }
    void cluster(int number) {
        emulation::races::cluster({.first = 2 * number, .blocks = 2, .threads = 64, .shared = {}, .stacks = {}, .exchanged = {}});
        cluster_ = number;
        for (auto& passed : passed_)
            for (int& count : passed) count = 0;
    }
    /// Of the warp, block or cluster of an actor.
    void pass(int actor, emulation::races::Scope scope) {
        for (int other = 0; other < actors; ++other) {
            const int size = 2 << (static_cast<int>(scope) - 1);
            if (other / size != actor / size) continue;
            emulation::races::goes_on(member(other), scope);
            emulation::races::stops();
            ++passed_[other][static_cast<int>(scope)];
        }
    }
    /// Whether it races.
    bool use(int actor, bool write) {
        const Step step{cluster_, actor, write, passed_[actor][1], passed_[actor][2], passed_[actor][3]};
        bool races = false;
        for (const Step& before : all_) races = races || ((before.write || write) && !ordered(before, step));
        all_.push_back(step);
        emulation::races::goes_on(member(actor), emulation::races::Scope::none);
        if (write) number_ = 1;
        else static_cast<void>(number_);
        emulation::races::stops();
        return races;
    }
    static constexpr int actors = 8;

private:
    struct Step {
        int cluster, actor;
        bool write;
        int of_warp, of_block, of_cluster;  ///< barriers before it
    };
    static int member(int actor) { return actor / 2 * 32 + actor % 2; }
    static bool ordered(const Step& a, const Step& b) {
        if (a.cluster != b.cluster) return false;
        if (a.actor == b.actor || a.of_cluster != b.of_cluster) return true;
        if (a.actor / 4 == b.actor / 4 && a.of_block != b.of_block) return true;
        return a.actor / 2 == b.actor / 2 && a.of_warp != b.of_warp;
    }
    int cluster_ = 0;
    int passed_[actors][4] = {};
    std::vector<Step> all_;
    static inline volatile int number_ = 0;
};

TEST(CudaRaces, AreThoseThatAllAccessesTogetherTell) {
    std::mt19937 random(1);
    const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
    History history;
    int with_race = 0;
    constexpr int trials = 30000;
    for (int trial = 0; trial < trials; ++trial) {
        history.launch();
        bool raced = false;
        const int writes_in = 1 + below(12), barriers_in = 1 + below(4);
        for (int step = 0; step < 40 && !raced; ++step) {
            if (step % 20 == 0) history.cluster(step / 20);
            const int actor = below(History::actors);
            if (below(4) < barriers_in) history.pass(actor, static_cast<emulation::races::Scope>(1 + below(3)));
            else raced = history.use(actor, below(static_cast<unsigned>(writes_in)) == 0);
            ASSERT_EQ(!races::take().empty(), raced) << "trial " << trial << ", step " << step;
        }
        with_race += raced ? 1 : 0;
    }
    EXPECT_GT(with_race, trials / 10);
    EXPECT_LT(with_race, trials * 9 / 10);
}

}  // namespace
}  // namespace aelle::cuda
