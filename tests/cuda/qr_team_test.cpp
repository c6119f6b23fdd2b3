// QR by teams of blocks: what Backend::qr promises, against the reference backend, and the same bits for any number of blocks and order of threads.

#include "kernels/cuda/qr_team.hpp"

#include <cstring>
#include <numbers>

#include "tests/cuda/qr_cases.hpp"

namespace aelle::cuda {
namespace {

Factors<double> by_team(const Matrix<double>& z, int size) {
    Factors<double> f = empty_factors(z);
    const int rows = static_cast<int>(z.rows()), cols = static_cast<int>(z.cols());
    const std::size_t bytes = accurate_qr_team_work(rows, cols);
    struct alignas(128) Line {
        char bytes[128];
    };
    std::vector<Line> work(bytes / sizeof(Line));
    std::memset(work.data(), 0xFF, bytes);
    const BatchedQrTeam kernel{
        f.q.data(), rows, cols, z.size(), f.log_r.data(), f.ratios.data(), work[0].bytes, static_cast<int64_t>(bytes)};
    launch(nullptr, size, accurate_qr_team_shared(rows), kernel, size);
    return f;
}

Method<double> team(int size) {
    return {"a team of " + std::to_string(size), [size](const Matrix<double>& z) { return by_team(z, size); }};
}

void check(const Matrix<double>& z, double tolerance, double ratio_tolerance, const std::string& what, bool product = false) {
    check_against_reference(z, {team(z.cols() > 64 ? 2 : 1)}, tolerance, ratio_tolerance, what, product);
}

// The condition of a random square matrix is a few times n: u times that for r, at the most, and for ratios no more than rounding to float.
TEST(CudaQrTeam, AgreesWithTheReference) {
    const std::pair<int, int> sizes[] = {{1, 1},   {2, 1},     {5, 5},   {16, 16},  {17, 17},  {40, 40},  {64, 33},
                                         {96, 96}, {130, 130}, {300, 6}, {270, 40}, {390, 70}, {513, 20}, {700, 33}};
    for (const auto& [rows, cols] : sizes) {
        const Matrix<double> z = random_matrix<double>(rows, cols, static_cast<uint64_t>(100 * rows + cols));
        check(z, 1e-12, 2e-7, std::to_string(rows) + " x " + std::to_string(cols), true);
    }
}

// Sorted rows are accurate relative to each row: what is left is the condition of the random matrix without its grades, of about 1e3.
TEST(CudaQrTeam, KeepsSmallDiagonalsOfGradedMatrices) {
    for (const int n : {40, 70}) {
        for (const double decades : {20.0, 280.0}) check(graded_matrix<double>(n, decades, 0, 3), 1e-12, 1e-6, "rows");
        check(graded_matrix<double>(n, 0, 290, 4), 1e-12, 1e-6, "columns");
        check(graded_matrix<double>(n, 150, 150, 5), 1e-12, 1e-6, "both");
    }
}

// Within a panel, where its T has to hold what the reflectors of large rows have in small ones.
TEST(CudaQrTeam, KeepsSmallDiagonalsWhereRowsFallByAllTheDecadesOfDoubles) {
    for (const int at : {3, 17, 30}) {
        for (const double factor : {1e-100, 1e-200, 1e-290}) {
            Matrix<double> z = random_matrix<double>(40, 40, 6);
            for (int j = 0; j < 40; ++j)
                for (int i = at; i < 40; ++i) z(i, j) *= factor;
            check(z, 1e-12, 1e-6, "step");
        }
    }
    Matrix<double> z = random_matrix<double>(40, 40, 7);
    for (int j = 0; j < 40; ++j)
        for (int i = 0; i < 40; ++i) z(i, j) *= i < 5 ? 1e150 : i < 9 ? 1e50 : i < 13 ? 1e-60 : i < 30 ? 1e-110 : 1e-140;
    check(z, 1e-12, 1e-6, "steps");
}

// The largest gain has rows of zeros, and as many columns without a diagonal.
TEST(CudaQrTeam, KeepsSmallDiagonalsOfSaturatedNetworks) {
    for (const double gain : {1.0, 100.0, 300.0}) check(saturated_matrix<double>(64, gain, 7), 1e-12, 1e-6, "saturated");
    check(saturated_matrix<double>(100, 100.0, 8), 1e-12, 1e-6, "saturated");
}

// log r of nearly orthonormal columns is as small as what is off: it comes without the rounding of logarithms of scales.
TEST(CudaQrTeam, LosesNothingOfSmallLogarithmsToScales) {
    constexpr int n = 40;
    Matrix<double> z(n, n);
    for (int i = 0; i < n; ++i) z(i, i) = 1.0 + std::ldexp(1.0 + 0.01 * i, -20);
    const Factors<double> f = by_team(z, 1);
    for (int j = 0; j < n; ++j)
        ASSERT_NEAR(f.log_r[j], std::log1p(z(j, j) - 1.0), 2.3e-16);  // r = 1 is off by a unit in the last place at most
}

// Powers of two change no bit of Q.
TEST(CudaQrTeam, IsUnaffectedByScalesOutOfTheRangeOfSquares) {
    const Matrix<double> z = random_matrix<double>(40, 40, 3);
    const Factors<double> plain = by_team(z, 1);
    for (const int shift : {1020, -960}) {
        const Factors<double> far = by_team(shifted(z, [=](int) { return shift; }), 1);
        EXPECT_TRUE(std::equal(plain.q.data(), plain.q.data() + plain.q.size(), far.q.data()));
        EXPECT_TRUE(std::equal(plain.ratios.data(), plain.ratios.data() + plain.ratios.size(), far.ratios.data()));
        for (int j = 0; j < 40; ++j) EXPECT_NEAR(far.log_r[j], plain.log_r[j] + shift * std::numbers::ln2, 1e-12);
    }
    check(shifted(z, [](int j) { return j % 3 == 0 ? 1020 : j % 3 == 1 ? -960 : 0; }), 1e-12, 1e-6, "mixed");
    Matrix<double> subnormal = random_matrix<double>(13, 13, 5);
    for (int64_t i = 0; i < subnormal.size(); ++i) subnormal.data()[i] = std::ldexp(std::round(std::ldexp(subnormal.data()[i], 20)), -1070);
    check(subnormal, 1e-12, 1e-6, "subnormal");
}

/// Zero columns in `places`: logs of the others and Q are those of the matrix without them.
void check_zero_columns(int64_t rows, int64_t cols, const std::vector<int>& places) {
    constexpr double tolerance = 1e4 * std::numeric_limits<double>::epsilon();
    Matrix<double> z = random_matrix<double>(rows, cols, 8), kept(rows, cols - static_cast<int64_t>(places.size()));
    std::vector<int> others;
    for (int j = 0; j < cols; ++j) {
        if (std::find(places.begin(), places.end(), j) != places.end()) {
            std::fill_n(z.column(j), rows, 0.0);
        } else {
            std::copy_n(z.column(j), rows, kept.column(static_cast<int64_t>(others.size())));
            others.push_back(j);
        }
    }
    const Factors<double> f = by_team(z, 2), alone = by_team(kept, 1);
    for (const int j : places) EXPECT_EQ(f.log_r[j], -infinity);
    for (std::size_t j = 0; j < others.size(); ++j) {
        EXPECT_NEAR(f.log_r[others[j]], alone.log_r[j], tolerance);
        for (int64_t i = 0; i < rows; ++i) ASSERT_NEAR(f.q(i, others[j]), alone.q(i, static_cast<int64_t>(j)), tolerance);
    }
    check_against_reference(z, {team(1)}, 1e-11, 1e-6, "zero columns");
}

TEST(CudaQrTeam, ZeroColumnsGiveMinusInfinityAndSpoilNothing) {
    check_zero_columns(10, 6, {2, 5});
    check_zero_columns(40, 40, {0, 1, 15, 16, 31, 39});
    std::vector<int> first(50);
    for (int j = 0; j < 50; ++j) first[j] = j;
    for (const int j : {60, 61, 62, 89}) first.push_back(j);
    check_zero_columns(100, 90, first);
}

TEST(CudaQrTeam, ColumnsThatDependOnThoseBeforeGiveMinusInfinityAndKeepTheirRatios) {
    check(staircase<double>(40, 11, {1, 4, 5, 10}), 1e-12, 1e-6, "staircase");
    check(staircase<double>(96, 96, {1, 15, 16, 31, 40, 63, 64, 65, 66, 95}), 1e-12, 1e-6, "staircase");
}

TEST(CudaQrTeam, OfTheZeroMatrixIsMinusInfinityWithOrthonormalQ) {
    for (const auto& [rows, cols] : {std::pair{5, 3}, {1, 1}, {70, 70}}) {
        const Factors<double> f = by_team(Matrix<double>(rows, cols), 2);
        EXPECT_EQ(orthogonality_error(f.q), 0.0);
        for (int j = 0; j < cols; ++j) {
            EXPECT_EQ(f.log_r[j], -infinity);
            for (int k = 0; k < cols; ++k) EXPECT_EQ(f.ratios(j, k), j == k ? 1.0f : 0.0f);
        }
    }
}

// What is left of the second of two equal columns is rounding; the columns before it are exact, Q stays orthonormal and Q R = Z.
TEST(CudaQrTeam, EqualColumnsKeepQOrthonormal) {
    for (const auto& [rows, cols] : {std::pair{20, 9}, {100, 90}}) {
        Matrix<double> z = random_matrix<double>(rows, cols, 2);
        std::copy_n(z.column(1), rows, z.column(5));
        std::copy_n(z.column(1), rows, z.column(cols - 1));
        const Factors<double> expected = by_reference(z), f = by_team(z, 2);
        EXPECT_LT(orthogonality_error(f.q), orthogonality_limit<double>(rows));
        for (int j = 0; j < 5; ++j) EXPECT_NEAR(f.log_r[j], expected.log_r[j], 1e-12);
        EXPECT_LT(f.log_r[5], std::log(1e-14 * rows));
        EXPECT_LT(f.log_r[cols - 1], std::log(1e-14 * rows));
        check_product(z, f, "equal columns");
    }
}

TEST(CudaQrTeam, LeavesNonFiniteInputAndReportsIt) {
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity}) {
        Matrix<double> z = random_matrix<double>(40, 40, 1);
        z(7, 29) = bad;
        for (const int size : {1, 4}) {
            const Factors<double> f = by_team(z, size);
            for (const double x : f.log_r) EXPECT_TRUE(std::isnan(x));
            EXPECT_EQ(f.q(3, 3), z(3, 3));
            EXPECT_EQ(f.ratios(1, 3), untouched);
        }
    }
}

void check_bits(const Matrix<double>& z, std::initializer_list<int> sizes) {
    const Factors<double> expected = by_team(z, 1);
    for (const int size : sizes) EXPECT_TRUE(by_team(z, size) == expected) << size;
    for (const Order order : {Order::descending, Order::shuffled}) {
        const EmulationOrder guard(order);
        EXPECT_TRUE(by_team(z, 2) == expected);
    }
}

TEST(CudaQrTeam, BitsDependOnNeitherTheNumberOfBlocksNorTheOrderOfThreads) {
    check_bits(random_matrix<double>(90, 90, 1), {2, 4});
    check_bits(graded_matrix<double>(33, 280, 0, 1), {16});
    check_bits(random_matrix<double>(330, 40, 2), {4});
    check_bits(random_matrix<double>(530, 20, 2), {2});  // rows beyond what a block holds in registers
    check_bits(staircase<double>(60, 50, {1, 4, 5, 10, 15, 16, 17, 49}), {4});
}

TEST(CudaQrTeam, OfABatchHasTheBitsOfEachAloneAndTouchesNothingElse) {
    constexpr int rows = 40, cols = 33, count = 3, size = 2, stride = rows * cols + 10;
    std::vector<double> all(stride * count, 5.0), logs(cols * count);
    std::vector<Factors<double>> alone;
    for (int b = 0; b < count; ++b) {
        const Matrix<double> z = random_matrix<double>(rows, cols, static_cast<uint64_t>(b + 1));
        std::copy_n(z.data(), rows * cols, all.data() + b * stride);
        alone.push_back(by_team(z, size));
    }
    const std::size_t bytes = accurate_qr_team_work(rows, cols);
    std::vector<char> work(bytes * count + 128);
    char* aligned = work.data() + (128 - reinterpret_cast<uintptr_t>(work.data()) % 128);
    launch(nullptr, count * size, accurate_qr_team_shared(rows),
           BatchedQrTeam{all.data(), rows, cols, stride, logs.data(), nullptr, aligned, static_cast<int64_t>(bytes)}, size);
    for (int b = 0; b < count; ++b) {
        EXPECT_TRUE(std::equal(alone[b].q.data(), alone[b].q.data() + rows * cols, all.data() + b * stride));
        EXPECT_TRUE(std::equal(alone[b].log_r.begin(), alone[b].log_r.end(), logs.data() + b * cols));
        for (int i = rows * cols; i < stride; ++i) EXPECT_EQ(all[static_cast<std::size_t>(b * stride + i)], 5.0);
    }
}

TEST(CudaQrTeam, FitsIntoSharedMemory) {
    for (int rows = 1; rows <= 1024; ++rows) EXPECT_LE(accurate_qr_team_shared(rows), 200u * 1024u);
}

}  // namespace
}  // namespace aelle::cuda
