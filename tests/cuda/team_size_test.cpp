// How many blocks work on one problem: enough for every multiprocessor, and for what is read again and again to stay in the cache; never more than have work.

#include "kernels/cuda/team_size.hpp"

#include <gtest/gtest.h>

namespace aelle::cuda {
namespace {

DeviceFacts card(int multiprocessors = 132, int64_t cache = 50 << 20) {
    DeviceFacts facts;
    facts.multiprocessors = multiprocessors;
    facts.l2_cache = cache;
    return facts;
}

TEST(CudaTeamSize, SmallNetworksThatFillTheDeviceHaveABlockEach) {
    for (const int64_t networks : {132, 264, 1600}) EXPECT_EQ(team_size(card(), networks, 92 << 10, 4, 2), 1) << networks;
}

TEST(CudaTeamSize, FewNetworksTakeWhatWouldBeIdleUpToTheirWork) {
    EXPECT_EQ(team_size(card(), 1, 92 << 10, 4, 2), 4);
    EXPECT_EQ(team_size(card(), 1, 92 << 10, 64, 2), Team::largest);
    EXPECT_EQ(team_size(card(), 1, 92 << 10, 1, 2), 1);
    EXPECT_EQ(team_size(card(), 100, 92 << 10, 4, 2), 2);  // 200 blocks of 264
}

TEST(CudaTeamSize, LargeNetworksShareTheCache) {
    EXPECT_EQ(team_size(card(), 300, 280 << 10, 16, 2), 2);    // 132 at once, 36 MiB
    EXPECT_EQ(team_size(card(), 300, 1100 << 10, 16, 2), 8);   // 33 at once, 35 MiB
    EXPECT_EQ(team_size(card(), 300, 4400 << 10, 16, 2), 16);  // as far as they can
    EXPECT_EQ(team_size(card(132, 1 << 30), 300, 4400 << 10, 16, 2), 2);
}

TEST(CudaTeamSize, IsAPowerOfTwoAndNeverBeyondTheWork) {
    for (int64_t problems = 1; problems < 600; problems += 7) {
        for (const int64_t most : {1, 3, 6, 16, 100}) {
            const int32_t size = team_size(card(), problems, 3 << 20, most, 1);
            EXPECT_EQ(size & (size - 1), 0);
            EXPECT_LE(size, std::min<int64_t>(most, Team::largest));
        }
    }
    EXPECT_EQ(team_size(DeviceFacts{}, 5, 1 << 20, 1, 1), 1);  // a device that says nothing of itself
}

}  // namespace
}  // namespace aelle::cuda
