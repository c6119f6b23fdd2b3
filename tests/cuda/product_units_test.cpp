// Products of doubles by the units for matrices against a plain loop: sizes that fill no tile, operands read along either index, teams of blocks.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "aelle/base/random.hpp"
#include "kernels/cuda/product_units.hpp"
#include "tests/cuda/host_group.hpp"

namespace aelle::cuda {
namespace {

struct Size {
    int m, n, k;
};

/// C += A B, with A and B as they lie along the inner index or the outer one.
template <int Threads, Along AlongA, Along AlongB, int Height>
struct Multiply {
    static constexpr int threads = Threads, blocks_per_multiprocessor = 1;
    Size size;
    const double *a, *b;
    double* c;

    void operator()(const Block& block) const {
        const auto [m, n, k] = size;
        product_units<Threads, AlongA, AlongB, Height>(
            Team(block), m, n, k, reinterpret_cast<double*>(block.shared()),
            [this, ld = k, m = m](int i, int inner) { return a[AlongA == Along::inner ? i * ld + inner : i + inner * m]; },
            [this, ld = k, n = n](int inner, int j) { return b[AlongB == Along::inner ? j * ld + inner : j + inner * n]; },
            [this, m = m](int i, int j, double sum) { c[i + j * m] += sum; });
    }
};

std::vector<double> numbers(int count, uint64_t seed) {
    std::vector<double> x(static_cast<std::size_t>(count));
    RandomStream random(seed, 0, Purpose::tangent);
    for (double& value : x) value = random.normal();
    return x;
}

template <int Threads, Along AlongA, Along AlongB, int Height>
std::vector<double> run(const Size& size, int team) {
    const std::vector<double> a = numbers(size.m * size.k, 1), b = numbers(size.k * size.n, 2);
    std::vector<double> c = numbers(size.m * size.n, 3);
    EXPECT_EQ(launch(nullptr, team, product_units_scratch(Threads, Height) * sizeof(double),
                     Multiply<Threads, AlongA, AlongB, Height>{size, a.data(), b.data(), c.data()}, team),
              0);
    return c;
}

template <Along AlongA, Along AlongB>
std::vector<double> plain(const Size& size) {
    const std::vector<double> a = numbers(size.m * size.k, 1), b = numbers(size.k * size.n, 2);
    std::vector<double> c = numbers(size.m * size.n, 3);
    for (int j = 0; j < size.n; ++j)
        for (int i = 0; i < size.m; ++i)
            for (int k = 0; k < size.k; ++k)
                c[static_cast<std::size_t>(i + j * size.m)] +=
                    a[static_cast<std::size_t>(AlongA == Along::inner ? i * size.k + k : i + k * size.m)] *
                    b[static_cast<std::size_t>(AlongB == Along::inner ? j * size.k + k : j + k * size.n)];
    return c;
}

template <int Threads, Along AlongA, Along AlongB, int Height>
void compare(const Size& size) {
    SCOPED_TRACE(testing::Message() << size.m << " x " << size.n << " x " << size.k << " by " << Threads << " threads, height " << Height);
    const std::vector<double> found = run<Threads, AlongA, AlongB, Height>(size, 1), expected = plain<AlongA, AlongB>(size);
    for (std::size_t e = 0; e < expected.size(); ++e) ASSERT_NEAR(found[e], expected[e], 1e-13 * std::sqrt(size.k + 1.0)) << e;
}

constexpr Size sizes[] = {{1, 1, 0}, {1, 1, 1}, {9, 5, 3}, {64, 64, 64}, {65, 33, 17}, {70, 130, 41}};

TEST(CudaProductUnits, AreThoseOfAPlainLoop) {
    for (const Size& size : sizes) {
        compare<256, Along::inner, Along::inner, 1>(size);
        compare<256, Along::inner, Along::outer, 2>(size);
        compare<256, Along::outer, Along::inner, 2>(size);
        compare<128, Along::outer, Along::outer, 1>(size);
    }
}

TEST(CudaProductUnits, BitsDependNeitherOnTheTeamNorOnTheOrderOfThreads) {
    const Size size{130, 150, 37};
    const std::vector<double> alone = run<256, Along::inner, Along::inner, 1>(size, 1);
    for (const auto order : {emulation::Order::ascending, emulation::Order::descending, emulation::Order::shuffled}) {
        const EmulationOrder guard(order);
        for (const int team : {1, 2, 4}) EXPECT_EQ((run<256, Along::inner, Along::inner, 1>(size, team)), alone) << team;
        EXPECT_EQ((run<256, Along::inner, Along::inner, 2>(size, 2)), alone);
    }
}

}  // namespace
}  // namespace aelle::cuda
