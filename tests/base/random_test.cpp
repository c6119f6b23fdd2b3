#include "aelle/base/random.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <numbers>
#include <set>
#include <vector>

namespace aelle {
namespace {

// Known answers of Philox4x32-10 from the Random123 distribution (Salmon et al. 2011), file kat_vectors.
TEST(Philox, GivesThePublishedKnownAnswers) {
    using Block = std::array<uint32_t, 4>;
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, IsAFunctionOfItsKeyAlone) {
    RandomStream a(7, 3, Purpose::weights, 5);
    RandomStream b(7, 3, Purpose::weights, 5);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(a.bits(), b.bits());
}

TEST(RandomStream, DiffersWithEveryPartOfItsKey) {
    const std::vector<RandomStream> streams = {
        {7, 3, Purpose::weights, 5}, {8, 3, Purpose::weights, 5},           {7, 4, Purpose::weights, 5},
        {7, 3, Purpose::target, 5},  {7, 3, Purpose::weights, 6},           {7 + (uint64_t{1} << 32), 3, Purpose::weights, 5},
        {7, 3, Purpose::weights, 5 + (uint64_t{1} << 32)}};
    std::set<uint32_t> first;
    for (RandomStream stream : streams) first.insert(stream.bits());
    EXPECT_EQ(first.size(), streams.size());
}

// Means of n draws have standard error sigma / sqrt(n); five of them is a one in 1.7 million event.
TEST(RandomStream, HasTheMomentsOfItsDistributions) {
    constexpr int n = 200000;
    RandomStream stream(1, 0, Purpose::noise);
    double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0, fourth = 0;
    for (int i = 0; i < n; ++i) {
        const double u = stream.uniform();
        ASSERT_GT(u, 0.0);
        ASSERT_LT(u, 1.0);
        sum += u;
        squares += u * u;
        const double x = stream.normal();
        normal_sum += x;
        normal_squares += x * x;
        fourth += x * x * x * x;
    }
    const double error = 5.0 / std::sqrt(static_cast<double>(n));
    EXPECT_NEAR(sum / n, 0.5, error * std::sqrt(1.0 / 12));
    EXPECT_NEAR(squares / n, 1.0 / 3, error * std::sqrt(4.0 / 45));
    EXPECT_NEAR(normal_sum / n, 0.0, error);
    EXPECT_NEAR(normal_squares / n, 1.0, error * std::sqrt(2.0));
    EXPECT_NEAR(fourth / n, 3.0, error * std::sqrt(96.0));
}

TEST(RandomStream, DrawsIntegersBelowABoundEvenly) {
    RandomStream stream(1, 0, Purpose::split);
    constexpr int n = 70000;
    std::vector<int> counts(7);
    for (int i = 0; i < n; ++i) {
        const int64_t draw = stream.below(7);
        ASSERT_GE(draw, 0);
        ASSERT_LT(draw, 7);
        ++counts[static_cast<std::size_t>(draw)];
    }
    double chi_squared = 0;
    for (const int count : counts) chi_squared += std::pow(count - n / 7.0, 2) / (n / 7.0);
    EXPECT_LT(chi_squared, 30.0);  // six degrees of freedom: beyond 30 with probability 4e-5
}

// The definition in base/random.hpp, word by word.
TEST(RandomField, FollowsItsDefinition) {
    const uint64_t seed = 0x123456789abcdef0, variant = 77, step = (uint64_t{3} << 32) + 9;
    const uint32_t time = 21, stream = 2, row = 1000003;
    std::array<uint32_t, 4> words{};
    RandomStream blocks(seed, variant, Purpose::noise, step);
    for (uint32_t block = 0; block <= time; ++block)
        for (uint32_t& word : words) word = blocks.bits();
    const std::array<uint32_t, 2> key = {words[0], words[1]};
    const RandomField field(seed, variant, Purpose::noise, step, time);
    for (const std::size_t count : {1, 5, 64, 67, 131}) {  // part of a tile, whole tiles, some more
        std::vector<float> uniform(count), normal(count);
        field.uniform(stream, row, uniform);
        field.normal(stream, row, normal);
        for (std::size_t i = 0; i < count; ++i) {
            const auto block = philox({static_cast<uint32_t>(i / 4), row, stream, 0}, key);
            EXPECT_EQ(uniform[i], (static_cast<double>(block[i % 4] >> 9) + 0.5) * 0x1p-23);
            const uint32_t first = block[i % 4 / 2 * 2], second = block[i % 4 / 2 * 2 + 1];
            const double radius = std::sqrt(-2 * std::log((static_cast<double>(first >> 1) + 0.5) * 0x1p-31));
            const double angle = 2 * std::numbers::pi * (static_cast<double>(second >> 9) + 0.5) * 0x1p-23;
            EXPECT_NEAR(normal[i], radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle)), 1e-6);
        }
    }
}

TEST(RandomField, HasTheMomentsOfItsDistributions) {
    constexpr std::size_t columns = 1000, rows = 200;
    constexpr double n = columns * rows;
    const RandomField field(1, 0, Purpose::noise, 0, 0);
    std::vector<float> numbers(columns);
    double uniform = 0, uniform2 = 0, normal = 0, normal2 = 0, normal4 = 0, neighbours = 0;
    for (uint32_t row = 0; row < rows; ++row) {
        field.uniform(0, row, numbers);
        for (const double u : numbers) {
            EXPECT_TRUE(u > 0 && u < 1);
            uniform += u / n;
            uniform2 += u * u / n;
        }
        field.normal(1, row, numbers);
        for (std::size_t i = 0; i < columns; ++i) {
            const double x = numbers[i];
            normal += x / n;
            normal2 += x * x / n;
            normal4 += x * x * x * x / n;
            if (i > 0) neighbours += x * numbers[i - 1] / n;
        }
    }
    const double five = 5 / std::sqrt(n);  // standard errors
    EXPECT_NEAR(uniform, 0.5, five * std::sqrt(1.0 / 12));
    EXPECT_NEAR(uniform2, 1.0 / 3, five * std::sqrt(4.0 / 45));
    EXPECT_NEAR(normal, 0, five);
    EXPECT_NEAR(normal2, 1, five * std::sqrt(2.0));
    EXPECT_NEAR(normal4, 3, five * std::sqrt(96.0));
    EXPECT_NEAR(neighbours, 0, five);
}

TEST(RandomField, DiffersWithEveryPartOfItsKey) {
    const auto first = [](const RandomField& field, uint32_t stream, uint32_t row) {
        float number = 0;
        field.uniform(stream, row, {&number, 1});
        return number;
    };
    const std::set<float> numbers = {first({7, 3, Purpose::noise, 5, 0}, 0, 0), first({8, 3, Purpose::noise, 5, 0}, 0, 0),
                                     first({7, 4, Purpose::noise, 5, 0}, 0, 0), first({7, 3, Purpose::dropout, 5, 0}, 0, 0),
                                     first({7, 3, Purpose::noise, 6, 0}, 0, 0), first({7, 3, Purpose::noise, 5, 1}, 0, 0),
                                     first({7, 3, Purpose::noise, 5, 0}, 1, 0), first({7, 3, Purpose::noise, 5, 0}, 0, 1)};
    EXPECT_EQ(numbers.size(), 8u);
}

}  // namespace
}  // namespace aelle
