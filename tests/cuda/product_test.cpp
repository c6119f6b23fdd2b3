// Products by teams of blocks: every tile shape, operands of every kind, sizes that fill no tile; the same bits for any team and order of threads.

#include "kernels/cuda/product.hpp"
#include "tests/cuda/emulation_order.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/fixtures/random_network.hpp"

namespace aelle::cuda {
namespace {

using emulation::Order;

struct Sizes {
    int m, n, k;
};

/// Of all shapes: large, tall, square and small ones; whole tiles and others, panels that are whole and shorter than one.
constexpr Sizes all_sizes[] = {{1, 1, 0},     {3, 5, 7},      {65, 33, 17},  {129, 130, 40}, {128, 128, 24}, {64, 128, 64},
                               {33, 64, 9},   {200, 32, 100}, {128, 20, 44}, {96, 31, 6},    {40, 32, 300},  {17, 70, 65},
                               {32, 32, 128}, {65, 20, 129},  {68, 66, 1},   {80, 96, 0},    {100, 128, 130}};
constexpr int margin = 3;  // rows of C that do not belong to the product
constexpr double untouched = 77.0;

/// An operand, its lines `ld` apart.
struct Stored {
    const float* data;
    int lines, length, ld;
};

enum class Kind { even_lines, any_lines, changed_lines };

/// What changed operands are: finish() of twice the number's half.
struct Doubled {
    float operator()(float number) const { return number + number; }
};

template <Along AlongA, Along AlongB, Kind Given>
struct Multiply {
    static constexpr int threads = 256, blocks_per_multiprocessor = 2;
    static constexpr std::size_t shared_bytes = product_scratch * sizeof(float);
    Sizes size;
    Stored a, b;    // halves of A and B where they are changed
    float* c;       // (m + margin) x n
    int* stored;    // how often each element was
    bool* outside;  // whether any other was, or an operand was asked for what it does not have

    void operator()(const Block& block) const {
        const Team team(block);
        const int ld = size.m + margin;
        const auto inside = [this](int i, int j) {
            const bool good = i >= 0 && i < size.m && j >= 0 && j < size.n;
            if (!good) *outside = true;
            return good;
        };
        const auto put = [&](int i, int j, float sum) {
            if (!inside(i, j)) return;
            c[i + j * ld] = sum;
            ++stored[i + j * size.m];
        };
        const auto line_of = [this](const Stored& from) {
            return [this, from](int l) {
                if (l < 0 || l >= from.lines) *outside = true;
                return from.data + int64_t{l} * from.ld;
            };
        };
        const auto run = [&](const auto& of_a, const auto& of_b, const auto& store) {
            product<AlongA, AlongB>(team, size.m, size.n, size.k, of_a, of_b, store);
        };
        const auto even_a = lines(a.data, a.ld), even_b = lines(b.data, b.ld);
        if constexpr (Given == Kind::even_lines) run(even_a, even_b, put);
        if constexpr (Given == Kind::any_lines) run(Lines{line_of(a), even_a.aligned}, Lines{line_of(b), even_b.aligned, Doubled{}}, put);
        if constexpr (Given == Kind::changed_lines)
            run(lines(a.data, a.ld, Doubled{}), lines(b.data, b.ld, Doubled{}),
                ReadThenStore{[&](int i, int j) { return inside(i, j) ? c[i + j * ld] : 0.0f; },
                              [&](int i, int j, float sum, float) { put(i, j, sum); }});
        if (block.thread() == 0 && size.k > 0 && std::isnan(c[0])) *outside = true;  // the barrier at the end: all see all
    }
};

/// Lines of a matrix, `extra` numbers longer than they are, which nobody may use.
std::vector<float> random_lines(int lines, int length, int extra, uint64_t seed) {
    std::vector<float> made(static_cast<std::size_t>(lines) * static_cast<std::size_t>(length + extra),
                            std::numeric_limits<float>::quiet_NaN());
    const std::vector<double> values = fixtures::random_vector(int64_t{lines} * length, 1.0, seed);
    for (int l = 0; l < lines; ++l)
        for (int e = 0; e < length; ++e)
            made[static_cast<std::size_t>(l) * static_cast<std::size_t>(length + extra) + static_cast<std::size_t>(e)] =
                static_cast<float>(values[static_cast<std::size_t>(l) * static_cast<std::size_t>(length) + static_cast<std::size_t>(e)]);
    return made;
}

/// A problem, its operands and what a plain loop makes of it.
template <Along AlongA, Along AlongB>
class Problem {
public:
    Problem(Sizes size, int extra) : size_(size) {
        const int lines_a = AlongA == Along::inner ? size.m : size.k, length_a = AlongA == Along::inner ? size.k : size.m;
        const int lines_b = AlongB == Along::inner ? size.n : size.k, length_b = AlongB == Along::inner ? size.k : size.n;
        a_ = random_lines(lines_a, length_a, extra, 1);
        b_ = random_lines(lines_b, length_b, extra, 2);
        stored_a_ = {a_.data(), lines_a, length_a, length_a + extra};
        stored_b_ = {b_.data(), lines_b, length_b, length_b + extra};
    }

    template <Kind Given>
    std::vector<float> by_team(int blocks, Order order) const {
        const EmulationOrder guard(order);
        const std::size_t ld = static_cast<std::size_t>(size_.m + margin), n = static_cast<std::size_t>(size_.n);
        std::vector<float> c(ld * n, static_cast<float>(untouched));
        for (std::size_t j = 0; j < n; ++j)
            for (std::size_t i = 0; i + margin < ld; ++i) c[i + j * ld] = std::numeric_limits<float>::quiet_NaN();
        std::vector<int> stored((ld - margin) * n);
        bool outside = false;
        using Kernel = Multiply<AlongA, AlongB, Given>;
        launch(nullptr, blocks, Kernel::shared_bytes, Kernel{size_, stored_a_, stored_b_, c.data(), stored.data(), &outside}, blocks);
        EXPECT_FALSE(outside) << name();
        for (const int times : stored) EXPECT_EQ(times, 1) << name();
        return c;
    }

    /// `factor`: of the numbers before they are multiplied.
    void check(const std::vector<float>& c, double factor) const {
        const int ld = size_.m + margin;
        for (int j = 0; j < size_.n; ++j) {
            for (int i = 0; i < size_.m; ++i) {
                double sum = 0.0, largest = 0.0;
                for (int k = 0; k < size_.k; ++k) {
                    const double term = factor * factor * a(i, k) * b(k, j);
                    sum += term;
                    largest += std::fabs(term);
                }
                const double limit = static_cast<double>(std::numeric_limits<float>::epsilon()) * (8 + 0.1 * size_.k) * largest;
                ASSERT_NEAR(static_cast<double>(c[static_cast<std::size_t>(i + j * ld)]), sum, limit) << name() << ": " << i << ", " << j;
            }
            for (int i = size_.m; i < ld; ++i) ASSERT_EQ(static_cast<double>(c[static_cast<std::size_t>(i + j * ld)]), untouched) << name();
        }
    }

    std::string name() const { return std::to_string(size_.m) + " x " + std::to_string(size_.n) + " x " + std::to_string(size_.k); }

private:
    double a(int i, int k) const { return static_cast<double>(element(stored_a_, AlongA == Along::inner, i, k)); }
    double b(int k, int j) const { return static_cast<double>(element(stored_b_, AlongB == Along::inner, j, k)); }
    static float element(const Stored& from, bool inward, int outer, int inner) {
        return from.data[static_cast<std::size_t>((inward ? outer : inner) * from.ld + (inward ? inner : outer))];
    }

    Sizes size_;
    std::vector<float> a_, b_;
    Stored stored_a_, stored_b_;
};

/// Against a plain loop, whether read by quads or not, which `extra` decides; the same bits for lines of any kind, and operands that are finished later.
template <Along AlongA, Along AlongB>
void check() {
    for (const Sizes size : all_sizes) {
        for (const int extra : {0, 1, 4}) {
            const Problem<AlongA, AlongB> problem(size, extra);
            const std::vector<float> c = problem.template by_team<Kind::even_lines>(1, Order::ascending);
            problem.check(c, 1.0);
            EXPECT_EQ((problem.template by_team<Kind::even_lines>(4, Order::shuffled)), c) << problem.name();
            std::vector<float> twice = c;
            for (float& number : twice) number = number == float(untouched) ? number : 2 * number;
            EXPECT_EQ((problem.template by_team<Kind::any_lines>(1, Order::descending)), twice) << problem.name();
            if (extra == 1) continue;
            const std::vector<float> changed = problem.template by_team<Kind::changed_lines>(2, Order::descending);
            problem.check(changed, 2.0);
        }
    }
}

TEST(CudaProduct, AgreesWithAPlainLoop) {
    check<Along::inner, Along::inner>();
    check<Along::inner, Along::outer>();
    check<Along::outer, Along::inner>();
    check<Along::outer, Along::outer>();
}

TEST(CudaProduct, BitsDependNeitherOnTheTeamNorOnTheOrderOfThreads) {
    for (const Sizes size : {Sizes{129, 130, 40}, Sizes{300, 32, 90}, Sizes{65, 70, 131}, Sizes{100, 32, 300}}) {
        const Problem<Along::outer, Along::inner> problem(size, 0);
        const auto c = problem.by_team<Kind::changed_lines>(1, Order::ascending);
        for (const int blocks : {1, 2, 4, 16})
            for (const Order order : orders)
                EXPECT_EQ(problem.by_team<Kind::changed_lines>(blocks, order), c) << problem.name() << " by " << blocks;
    }
}

TEST(CudaProduct, TheLargestTeamsAreBusyWithTheLargestNetworks) {
    EXPECT_EQ(tile_size(2048, 32, 512).count(2048, 32), 16);
    EXPECT_EQ(tile_size(512, 32, 2048).count(512, 32), 16);
    EXPECT_EQ(tile_size(2048, 512, 3200).count(2048, 512), 64);
    EXPECT_EQ(tile_size(512, 256, 3200).count(512, 256), 32);
}

}  // namespace
}  // namespace aelle::cuda
