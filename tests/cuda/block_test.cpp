// Blocks of threads on the host: barriers, shuffles and reductions do what those of a device do, in whatever order threads run.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "aelle/base/error.hpp"
#include "kernels/cuda/block.hpp"

namespace aelle::cuda {
namespace {

using emulation::Order;

constexpr Order orders[] = {Order::ascending, Order::descending, Order::shuffled};

class OrderGuard {
public:
    explicit OrderGuard(Order order) { emulation::order() = order; }
    ~OrderGuard() { emulation::order() = Order::ascending; }
};

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
        const OrderGuard guard(order);
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
        const OrderGuard guard(order);
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

}  // namespace
}  // namespace aelle::cuda
