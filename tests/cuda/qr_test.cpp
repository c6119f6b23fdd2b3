// QR by blocks of threads: what Backend::qr promises, against the reference backend, and the same bits for any number and order of threads.

#include "kernels/cuda/qr.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "kernels/cuda/qr_registers.hpp"
#include "tests/cuda/qr_cases.hpp"

namespace aelle::cuda {
namespace {

template <class T, int Threads, bool Staged>
Factors<T> by_block(const Matrix<T>& z) {
    using Kernel = BatchedQr<T, Threads, Staged>;
    Factors<T> f = empty_factors(z);
    const int rows = static_cast<int>(z.rows()), cols = static_cast<int>(z.cols());
    launch(nullptr, 1, Kernel::shared_bytes(rows, cols), Kernel{f.q.data(), rows, cols, z.size(), f.log_r.data(), f.ratios.data()});
    return f;
}

template <int N, int Threads>
Factors<double> by_registers(const Matrix<double>& z) {
    using Kernel = BatchedQrRegisters<N, Threads>;
    Factors<double> f = empty_factors(z);
    launch(nullptr, 1, Kernel::shared_bytes, Kernel{f.q.data(), z.size(), f.log_r.data(), f.ratios.data()});
    return f;
}

/// One for each kernel that factors matrices of this shape.
template <class T>
std::vector<Method<T>> methods(int64_t rows, int64_t cols) {
    std::vector<Method<T>> all = {{"shared", by_block<T, 128, true>}, {"in place", by_block<T, 64, false>}};
    if constexpr (std::is_same_v<T, double>) {
        if (rows == 64 && cols == 64) {
            all.push_back({"registers, 128 threads", by_registers<64, 128>});
            all.push_back({"registers, 256 threads", by_registers<64, 256>});
        }
        if (rows == 128 && cols == 128) all.push_back({"registers, 512 threads", by_registers<128, 512>});
    }
    return all;
}

template <class T>
void check_against_reference(const Matrix<T>& z, double tolerance, double ratio_tolerance, const std::string& what, bool product = false) {
    check_against_reference(z, methods<T>(z.rows(), z.cols()), tolerance, ratio_tolerance, what, product);
}

template <class T>
void check_sizes(double tolerance, double ratio_tolerance) {
    const std::pair<int, int> sizes[] = {{1, 1},   {2, 1},  {3, 3},  {13, 13}, {33, 33}, {64, 64},
                                         {70, 70}, {17, 5}, {64, 7}, {50, 49}, {300, 6}, {128, 128}};
    for (const auto& [rows, cols] : sizes) {
        if (std::is_same_v<T, float> && rows == 128) continue;  // there for the registers
        const Matrix<T> z = random_matrix<T>(rows, cols, static_cast<uint64_t>(100 * rows + cols));
        const std::string what = std::to_string(rows) + " x " + std::to_string(cols);
        check_against_reference(z, tolerance, ratio_tolerance, what, true);
    }
}

// The condition of a random square matrix is a few times n: u times that for r, at the most, and for ratios in double no more than rounding to float.
TEST(CudaQr, AgreesWithTheReferenceInDouble) { check_sizes<double>(1e-12, 2e-7); }
TEST(CudaQr, AgreesWithTheReferenceInSingle) { check_sizes<float>(2e-3, 2e-3); }

// Sorted rows are accurate relative to each row: what is left is the condition of the random matrix without its grades, of about 1e3.
TEST(CudaQr, KeepsSmallDiagonalsOfGradedMatricesInDouble) {
    for (const int n : {40, 64}) {
        for (const double decades : {20.0, 280.0}) check_against_reference(graded_matrix<double>(n, decades, 0, 3), 1e-12, 1e-6, "rows");
        check_against_reference(graded_matrix<double>(n, 0, 290, 4), 1e-12, 1e-6, "columns");
        check_against_reference(graded_matrix<double>(n, 150, 150, 5), 1e-12, 1e-6, "both");
    }
}
TEST(CudaQr, KeepsSmallDiagonalsOfGradedMatricesInSingle) {
    check_against_reference(graded_matrix<float>(40, 30, 0, 3), 1e-3, 1e-2, "rows");
    check_against_reference(graded_matrix<float>(40, 0, 30, 3), 1e-3, 1e-2, "columns");
}

// The largest gain has rows of zeros, and as many columns without a diagonal.
TEST(CudaQr, KeepsSmallDiagonalsOfSaturatedNetworks) {
    for (const double gain : {1.0, 100.0, 300.0}) check_against_reference(saturated_matrix<double>(64, gain, 7), 1e-12, 1e-6, "saturated");
    check_against_reference(saturated_matrix<double>(128, 100.0, 8), 1e-12, 1e-6, "saturated");
    check_against_reference(saturated_matrix<float>(33, 15.0, 9), 1e-3, 1e-2, "saturated");
}

// log r of nearly orthonormal columns is as small as what is off: it comes without the rounding of logarithms of scales.
TEST(CudaQr, LosesNothingOfSmallLogarithmsToScales) {
    for (const int n : {13, 64}) {
        Matrix<double> z(n, n);
        for (int i = 0; i < n; ++i) z(i, i) = 1.0 + std::ldexp(1.0 + 0.01 * i, -20);
        for (const auto& method : methods<double>(n, n)) {
            const Factors<double> f = method.factor(z);
            for (int j = 0; j < n; ++j) {
                ASSERT_NEAR(f.log_r[j], std::log1p(z(j, j) - 1.0), 2.3e-16)
                    << method.name;  // r = 1 is off by a unit in the last place at most
            }
        }
    }
}

// Powers of two change no bit of Q; those of single columns change the order of rows, and so the signs of columns of Q and rounding.
TEST(CudaQr, IsUnaffectedByScalesOutOfTheRangeOfSquares) {
    for (const int n : {12, 64}) {
        const Matrix<double> z = random_matrix<double>(n, n, 3);
        for (const auto& method : methods<double>(n, n)) {
            const Factors<double> plain = method.factor(z);
            for (const int shift : {1020, -960}) {
                const Factors<double> far = method.factor(shifted(z, [=](int) { return shift; }));
                EXPECT_TRUE(std::equal(plain.q.data(), plain.q.data() + plain.q.size(), far.q.data())) << method.name;
                EXPECT_TRUE(std::equal(plain.ratios.data(), plain.ratios.data() + plain.ratios.size(), far.ratios.data())) << method.name;
                for (int j = 0; j < n; ++j) EXPECT_NEAR(far.log_r[j], plain.log_r[j] + shift * std::numbers::ln2, 1e-12) << method.name;
            }
            const auto mixed = [](int j) { return j % 3 == 0 ? 1020 : j % 3 == 1 ? -960 : 0; };
            const Factors<double> far = method.factor(shifted(z, mixed));
            for (int j = 0; j < n; ++j) EXPECT_NEAR(far.log_r[j], plain.log_r[j] + mixed(j) * std::numbers::ln2, 1e-12) << method.name;
        }
    }
}

// Subnormal entries have few digits of their own, but those are kept.
TEST(CudaQr, FactorsSubnormalMatrices) {
    Matrix<double> z = random_matrix<double>(13, 13, 5);
    for (int64_t i = 0; i < z.size(); ++i) z.data()[i] = std::ldexp(std::round(std::ldexp(z.data()[i], 20)), -1070);
    check_against_reference(z, 1e-12, 1e-6, "subnormal");
}

/// Zero columns in `places`: logs of the others and Q are those of the matrix without them.
template <class T>
void check_zero_columns(int64_t rows, int64_t cols, const std::vector<int>& places) {
    const T unit = std::numeric_limits<T>::epsilon();
    Matrix<T> z = random_matrix<T>(rows, cols, 8), kept(rows, cols - static_cast<int64_t>(places.size()));
    std::vector<int> others;
    for (int j = 0; j < cols; ++j) {
        if (std::find(places.begin(), places.end(), j) != places.end()) {
            std::fill_n(z.column(j), rows, T(0));
        } else {
            std::copy_n(z.column(j), rows, kept.column(static_cast<int64_t>(others.size())));
            others.push_back(j);
        }
    }
    const Factors<T> expected = by_reference(z), alone = by_block<T, 32, true>(kept);
    for (const auto& method : methods<T>(rows, cols)) {
        const Factors<T> f = method.factor(z);
        EXPECT_LT(orthogonality_error(f.q), orthogonality_limit<T>(rows)) << method.name;
        for (const int j : places) EXPECT_EQ(f.log_r[j], -infinity) << method.name;
        for (std::size_t j = 0; j < others.size(); ++j) {
            EXPECT_NEAR(f.log_r[others[j]], alone.log_r[j], 1e4 * unit) << method.name;
            for (int64_t i = 0; i < rows; ++i)
                ASSERT_NEAR(f.q(i, others[j]), alone.q(i, static_cast<int64_t>(j)), 1e4 * unit) << method.name;
        }
        for (int64_t k = 0; k < cols; ++k)
            for (int64_t j = 0; j < cols; ++j)
                ASSERT_NEAR(f.ratios(j, k), expected.ratios(j, k), (1e4 * unit + 1e-6) * std::max(1.0f, std::fabs(expected.ratios(j, k))))
                    << method.name << " (" << j << ", " << k << ")";
    }
}

TEST(CudaQr, ZeroColumnsGiveMinusInfinityAndSpoilNothing) {
    check_zero_columns<double>(10, 6, {2, 5});
    check_zero_columns<float>(10, 6, {2, 5});
    check_zero_columns<double>(13, 13, {0, 12});
    check_zero_columns<double>(64, 64, {63});
    check_zero_columns<double>(64, 64, {0, 1, 15, 16, 31, 40, 63});
    std::vector<int> first_half(64);
    for (int j = 0; j < 64; ++j) first_half[j] = j;
    check_zero_columns<double>(128, 128, first_half);
}

TEST(CudaQr, ColumnsThatDependOnThoseBeforeGiveMinusInfinityAndKeepTheirRatios) {
    check_against_reference(staircase<double>(40, 11, {1, 4, 5, 10}), 1e-12, 1e-6, "staircase");
    check_against_reference(staircase<float>(12, 11, {1, 4, 5, 10}), 1e-5, 1e-4, "staircase");
    check_against_reference(staircase<double>(64, 64, {1, 15, 16, 31, 40, 63}), 1e-12, 1e-6, "staircase");
    check_against_reference(staircase<double>(128, 128, {3, 64, 65, 66, 127}), 1e-12, 1e-6, "staircase");
}

TEST(CudaQr, OfTheZeroMatrixIsMinusInfinityWithOrthonormalQ) {
    for (const auto& [rows, cols] : {std::pair{5, 3}, {1, 1}, {64, 64}, {128, 128}}) {
        for (const auto& method : methods<double>(rows, cols)) {
            const Factors<double> f = method.factor(Matrix<double>(rows, cols));
            EXPECT_EQ(orthogonality_error(f.q), 0.0) << method.name;
            for (int j = 0; j < cols; ++j) {
                EXPECT_EQ(f.log_r[j], -infinity) << method.name;
                for (int k = 0; k < cols; ++k) EXPECT_EQ(f.ratios(j, k), j == k ? 1.0f : 0.0f) << method.name;
            }
        }
    }
}

// What is left of the second of two equal columns is rounding; the columns before it are exact, Q stays orthonormal and Q R = Z.
TEST(CudaQr, EqualColumnsKeepQOrthonormal) {
    for (const auto& [rows, cols] : {std::pair{20, 9}, {64, 64}}) {
        Matrix<double> z = random_matrix<double>(rows, cols, 2);
        std::copy_n(z.column(1), rows, z.column(5));
        std::copy_n(z.column(1), rows, z.column(cols - 1));
        const Factors<double> expected = by_reference(z);
        for (const auto& method : methods<double>(rows, cols)) {
            const Factors<double> f = method.factor(z);
            EXPECT_LT(orthogonality_error(f.q), orthogonality_limit<double>(rows)) << method.name;
            for (int j = 0; j < 5; ++j) EXPECT_NEAR(f.log_r[j], expected.log_r[j], 1e-12) << method.name;
            EXPECT_LT(f.log_r[5], std::log(1e-14 * rows)) << method.name;
            EXPECT_LT(f.log_r[cols - 1], std::log(1e-14 * rows)) << method.name;
            check_product(z, f, method.name);
        }
    }
}

TEST(CudaQr, LeavesNonFiniteInputAndReportsIt) {
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity}) {
        for (const int n : {9, 64, 128}) {
            Matrix<double> z = random_matrix<double>(n, n, 1);
            z(7, 2) = bad;
            for (const auto& method : methods<double>(n, n)) {
                const Factors<double> f = method.factor(z);
                for (const double x : f.log_r) EXPECT_TRUE(std::isnan(x)) << method.name;
                EXPECT_EQ(f.q(3, 3), z(3, 3)) << method.name;
                EXPECT_EQ(f.ratios(1, 3), untouched) << method.name;
            }
        }
    }
}

template <class T>
void check_bits(const Matrix<T>& z) {
    const Factors<T> expected = by_block<T, 32, true>(z);
    for (const Order order : orders) {
        const EmulationOrder guard(order);
        EXPECT_TRUE((by_block<T, 32, true>(z) == expected));
        EXPECT_TRUE((by_block<T, 128, true>(z) == expected));
        EXPECT_TRUE((by_block<T, 256, true>(z) == expected));
        EXPECT_TRUE((by_block<T, 96, false>(z) == expected));
    }
}

TEST(CudaQr, BitsDependOnNeitherTheNumberNorTheOrderOfThreads) {
    check_bits(graded_matrix<double>(33, 280, 0, 1));
    check_bits(graded_matrix<float>(37, 30, 0, 1));
    check_bits(random_matrix<double>(70, 21, 2));
    check_bits(random_matrix<double>(270, 3, 2));  // rows beyond what a warp holds in registers
    check_bits(staircase<double>(40, 11, {1, 4, 5, 10}));
}

template <int N, int Threads>
void check_register_bits(const Matrix<double>& z) {
    const Factors<double> expected = by_registers<N, Threads>(z);
    for (const Order order : orders) {
        const EmulationOrder guard(order);
        EXPECT_TRUE((by_registers<N, Threads>(z) == expected));
    }
}

TEST(CudaQr, BitsOfRegistersDoNotDependOnTheOrderOfThreads) {
    Matrix<double> z = graded_matrix<double>(64, 280, 0, 1);
    for (const int j : {0, 20, 21, 62}) std::fill_n(z.column(j), 64, 0.0);
    check_register_bits<64, 128>(z);
    check_register_bits<64, 256>(z);
    check_register_bits<128, 512>(saturated_matrix<double>(128, 300, 1));
    EXPECT_TRUE((by_registers<64, 128>(z) == by_registers<64, 256>(z)));
}

TEST(CudaQr, OfABatchHasTheBitsOfEachAloneAndTouchesNothingElse) {
    constexpr int n = 64, count = 3, stride = n * n + 10;
    std::vector<double> all(stride * count, 5.0), logs(n * count);
    std::vector<double> registers;
    std::vector<Factors<double>> alone, alone_registers;
    for (int b = 0; b < count; ++b) {
        const Matrix<double> z = random_matrix<double>(n, n, static_cast<uint64_t>(b + 1));
        std::copy_n(z.data(), n * n, all.data() + b * stride);
        alone.push_back(by_block<double, 128, true>(z));
        alone_registers.push_back(by_registers<n, 128>(z));
    }
    registers = all;
    const auto check = [&](const std::vector<double>& q, const std::vector<Factors<double>>& expected) {
        for (int b = 0; b < count; ++b) {
            EXPECT_TRUE(std::equal(expected[b].q.data(), expected[b].q.data() + n * n, q.data() + b * stride));
            EXPECT_TRUE(std::equal(expected[b].log_r.begin(), expected[b].log_r.end(), logs.data() + b * n));
            for (int i = n * n; i < stride; ++i) EXPECT_EQ(q[static_cast<std::size_t>(b * stride + i)], 5.0);
        }
    };
    using Kernel = BatchedQr<double, 128>;
    launch(nullptr, count, Kernel::shared_bytes(n, n), Kernel{all.data(), n, n, stride, logs.data(), nullptr});
    check(all, alone);
    using Registers = BatchedQrRegisters<n, 128>;
    launch(nullptr, count, Registers::shared_bytes, Registers{registers.data(), stride, logs.data(), nullptr});
    check(registers, alone_registers);
}

/// Of views that are part of a larger matrix.
template <bool Registers>
struct PartOfAMatrix {
    static constexpr int threads = 128, blocks_per_multiprocessor = 1;
    View<double> z;
    double* log_r;
    View<float> ratios;
    AELLE_DEVICE void operator()(const Block& block) const {
        if constexpr (Registers) accurate_qr_registers<64, 128>(block, z, log_r, ratios, block.shared());
        if constexpr (!Registers) accurate_qr<double>(block, z, log_r, ratios, block.shared());
    }
};

template <bool Registers>
void check_part() {
    constexpr int n = 64;
    const Matrix<double> z = random_matrix<double>(n, n, 1);
    const Factors<double> expected = Registers ? by_registers<n, 128>(z) : by_block<double, 128, true>(z);
    Matrix<double> whole(n + 6, n + 3);
    Matrix<float> ratios(n + 2, n + 1);
    std::fill_n(whole.data(), whole.size(), 5.0);
    std::fill_n(ratios.data(), ratios.size(), untouched);
    for (int j = 0; j < n; ++j) std::copy_n(z.column(j), n, whole.column(j + 1) + 2);
    std::vector<double> log_r(n);
    const std::size_t work = Registers ? accurate_qr_registers_work<n, 128>() : accurate_qr_work<double>(n, n);
    launch(nullptr, 1, work, PartOfAMatrix<Registers>{{whole.column(1) + 2, n, n, n + 6}, log_r.data(), {ratios.data(), n, n, n + 2}});
    EXPECT_EQ(log_r, expected.log_r);
    for (int j = 0; j < n + 3; ++j) {
        for (int i = 0; i < n + 6; ++i) {
            const bool inside = j >= 1 && j <= n && i >= 2 && i < n + 2;
            ASSERT_EQ(whole(i, j), inside ? expected.q(i - 2, j - 1) : 5.0);
        }
    }
    for (int j = 0; j < n + 1; ++j)
        for (int i = 0; i < n + 2; ++i) ASSERT_EQ(ratios(i, j), i < n && j < n ? expected.ratios(i, j) : untouched);
}

TEST(CudaQr, LeavesWhatIsOutsideAViewAlone) {
    check_part<false>();
    check_part<true>();
}

}  // namespace
}  // namespace aelle::cuda
