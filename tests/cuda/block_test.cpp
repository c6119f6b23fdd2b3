// Blocks of threads on the host: barriers, shuffles and reductions do what those of a device do, in whatever order threads run.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "aelle/base/error.hpp"
#include "kernels/cuda/block.hpp"
#include "kernels/cuda/team.hpp"
#include "tests/cuda/emulation_order.hpp"

namespace aelle::cuda {
namespace {

using emulation::Order;

/// Reverses each block's values through shared memory, and sums them.
struct Reverse {
    static constexpr int threads = 96, blocks_per_multiprocessor = 1;
    const double* from;
    double* to;
    double* sums;
    bool with_barrier = true;
    void operator()(const Block& block) const {
        auto* shared = reinterpret_cast<double*>(block.shared());
        const int64_t first = int64_t{block.index()} * threads;
        shared[block.thread()] = from[first + block.thread()];
        if (with_barrier) block.sync();
        to[first + block.thread()] = shared[threads - 1 - block.thread()];
        const double sum = block.sum(from[first + block.thread()], shared + threads);
        if (block.thread() == 0) sums[block.index()] = sum;
    }
};

TEST(CudaEmulation, ThreadsMeetAtBarriersInAnyOrder) {
    for (const Order order : orders) {
        const EmulationOrder guard(order);
        std::vector<double> from(3 * 96), to(from.size()), sums(3);
        for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<double>(i);
        ASSERT_EQ(launch(nullptr, 3, 100 * sizeof(double), Reverse{from.data(), to.data(), sums.data()}), 0);
        for (int b = 0; b < 3; ++b) {
            for (int i = 0; i < 96; ++i) EXPECT_EQ(to[b * 96 + i], from[b * 96 + 95 - i]);
            EXPECT_EQ(sums[b], 96 * (96 * b + 47.5));
        }
    }
}

TEST(CudaEmulation, AMissingBarrierIsSeen) {
    std::vector<double> from(96, 1.0), to(96), sums(1);
    launch(nullptr, 1, 100 * sizeof(double), Reverse{from.data(), to.data(), sums.data(), false});
    EXPECT_TRUE(std::isnan(to[0]));  // what shared memory starts with
}

struct Shuffles {
    static constexpr int threads = 64, blocks_per_multiprocessor = 1;
    int* swapped;
    int* told;
    double* largest;
    void operator()(const Block& block) const {
        swapped[block.thread()] = block.shuffle_xor(block.thread(), 5);
        told[block.thread()] = block.shuffle(block.thread(), 3);
        largest[block.thread()] = block.warp_max(block.lane() == 17 ? std::nan("") : 0.5 * block.thread());
    }
};

TEST(CudaEmulation, ShufflesStayWithinWarps) {
    for (const Order order : orders) {
        const EmulationOrder guard(order);
        int swapped[64], told[64];
        double largest[64];
        launch(nullptr, 1, 0, Shuffles{swapped, told, largest});
        for (int t = 0; t < 64; ++t) {
            EXPECT_EQ(swapped[t], t ^ 5);
            EXPECT_EQ(told[t], t / 32 * 32 + 3);
            EXPECT_EQ(largest[t], 0.5 * (t / 32 * 32 + 31));
        }
    }
}

struct Stuck {
    static constexpr int threads = 32, blocks_per_multiprocessor = 1;
    void operator()(const Block& block) const {
        if (block.thread() != 7) block.sync();
    }
};

TEST(CudaEmulation, ThreadsThatWaitForOthersThatEndedAreReported) { EXPECT_THROW(launch(nullptr, 1, 0, Stuck{}), InternalError); }

struct Throws {
    static constexpr int threads = 32, blocks_per_multiprocessor = 1;
    void operator()(const Block& block) const {
        require(block.thread() != 7, "seven");
        block.sync();
    }
};

TEST(CudaEmulation, WhatAThreadThrowsArrives) { EXPECT_THROW(launch(nullptr, 1, 0, Throws{}), InternalError); }

/// Every block adds to what the others wrote.
struct Relay {
    static constexpr int threads = 64, blocks_per_multiprocessor = 1;
    const double* from;
    double *between, *to, *sums, *scratch;
    int count;
    void operator()(const Block& block) const {
        const Team team(block);
        auto* shared = reinterpret_cast<double*>(block.shared());
        shared[block.thread()] = team.rank();
        const int64_t first = int64_t{team.index()} * count;
        team.each(count, [&](int64_t i) { between[first + i] = 2 * from[first + i]; });
        team.each(count, [&](int64_t i) { to[first + i] = between[first + count - 1 - i]; });
        double* mine = scratch + team.index() * Team::sum_scratch;
        for (int turn = 0; turn < 2; ++turn) {
            const double sum = team.sum(count, mine, [&](int64_t i) { return to[first + i] + turn; });
            if (team.thread() == 0) sums[2 * team.index() + turn] = sum;
        }
        if (shared[(block.thread() + 1) % threads] != team.rank()) to[first] = -1;  // shared memory is a block's own
    }
};

TEST(CudaEmulation, BlocksOfATeamSeeWhatTheOthersWroteAndSumInOneOrder) {
    constexpr int count = 1001, teams = 3;
    std::vector<double> from(teams * count);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = std::sin(static_cast<double>(i)) * std::pow(10.0, i % 7);
    std::vector<double> first_sums;
    for (const int size : {1, 2, 4, 16}) {
        for (const Order order : orders) {
            const EmulationOrder guard(order);
            std::vector<double> between(from.size(), NAN), to(from.size(), NAN), sums(2 * teams), scratch(teams * Team::sum_scratch, NAN);
            const Relay relay{from.data(), between.data(), to.data(), sums.data(), scratch.data(), count};
            ASSERT_EQ(launch(nullptr, teams * size, 64 * sizeof(double), relay, size), 0);
            for (int t = 0; t < teams; ++t) {
                double plain = 0;
                for (int i = 0; i < count; ++i) {
                    ASSERT_EQ(to[t * count + i], 2 * from[t * count + count - 1 - i]) << size << " " << i;
                    plain += to[t * count + i];
                }
                EXPECT_NEAR(sums[2 * t], plain, 1e-8);
                EXPECT_NEAR(sums[2 * t + 1], plain + count, 1e-8);
            }
            if (first_sums.empty()) first_sums = sums;
            EXPECT_EQ(sums, first_sums) << size;
        }
    }
}

TEST(CudaEmulation, BlocksComeInWholeTeams) { EXPECT_THROW(launch(nullptr, 3, 0, Stuck{}, 2), InternalError); }

struct MatrixUnits {
    static constexpr int threads = 64, blocks_per_multiprocessor = 1;
    const double *a, *b;  // (16 x 8), (8 x 8) of every warp, row-major
    double* c;            // (16 x 8)
    void operator()(const Block& block) const {
        const double *x = a + block.warp() * 128, *y = b + block.warp() * 64;
        double* z = c + block.warp() * 128;
        const int g = block.lane() / 4, t = block.lane() % 4;
        double sum[4] = {z[g * 8 + 2 * t], z[g * 8 + 2 * t + 1], z[(g + 8) * 8 + 2 * t], z[(g + 8) * 8 + 2 * t + 1]};
        block.multiply_16x8x8(sum, {x[g * 8 + t], x[(g + 8) * 8 + t], x[g * 8 + t + 4], x[(g + 8) * 8 + t + 4]},
                              {y[t * 8 + g], y[(t + 4) * 8 + g]});
        z[g * 8 + 2 * t] = sum[0], z[g * 8 + 2 * t + 1] = sum[1], z[(g + 8) * 8 + 2 * t] = sum[2], z[(g + 8) * 8 + 2 * t + 1] = sum[3];
    }
};

TEST(CudaEmulation, MatrixUnitsMultiply) {
    std::vector<double> a(2 * 128), b(2 * 64), c(2 * 128);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<double>(i * i % 17) - 5, c[i] = static_cast<double>(i % 5);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<double>(i * 7 % 13) - 6;
    std::vector<double> expected = c;
    for (int w = 0; w < 2; ++w)
        for (int i = 0; i < 16; ++i)
            for (int j = 0; j < 8; ++j)
                for (int k = 0; k < 8; ++k) expected[w * 128 + i * 8 + j] += a[w * 128 + i * 8 + k] * b[w * 64 + k * 8 + j];
    launch(nullptr, 1, 0, MatrixUnits{a.data(), b.data(), c.data()});
    EXPECT_EQ(c, expected);  // whole numbers
}

}  // namespace
}  // namespace aelle::cuda
