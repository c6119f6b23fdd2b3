#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "aelle/backend/choose.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/nan_max.hpp"
#include "kernels/cpu/qr.hpp"
#include "tests/fixtures/quad.hpp"
#include "tests/fixtures/random_matrix.hpp"

namespace aelle::backend {
namespace {

using fixtures::orthogonality_error;
using fixtures::random_matrix;
using fixtures::random_vector;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Every way to factor a matrix of T on this machine, by name.
template <class T>
struct Factorisation {
    std::string name;
    bool graded;  ///< promises relative accuracy for graded rows
    std::function<void(MatrixView<T>, std::span<double>)> run;
};

template <class T>
std::vector<Factorisation<T>> factorisations() {
    static const auto cpu = choose(Device::cpu).backend;
    static const auto reference = make_reference();
    static Backend::QrWork work;  // shared by all sizes and types
    std::vector<Factorisation<T>> all;
    for (const Backend* backend : {cpu.get(), reference.get()})
        for (const QrMethod method : {QrMethod::accurate, QrMethod::library})
            all.push_back({std::string(backend->name()) + (method == QrMethod::accurate ? " accurate" : " library"),
                           method == QrMethod::accurate,
                           [=](MatrixView<T> z, std::span<double> log_r) { backend->qr(method, z, log_r, work); }});
    for (int set = 0; set < static_cast<int>(cpu::best_instruction_set()); ++set)
        all.push_back({std::string(cpu::name(static_cast<cpu::InstructionSet>(set))), true, [=](MatrixView<T> z, std::span<double> log_r) {
                           cpu::accurate_qr(static_cast<cpu::InstructionSet>(set), z, log_r, work);
                       }});
    return all;
}

/// R = Q^T Z in long double: upper triangular, its diagonal as log_r says, and Q R = Z; all relative to |Z|, in units of u.
template <class T>
void check_factors(const Matrix<T>& z, const Matrix<T>& q, const std::vector<double>& log_r, const std::string& name) {
    constexpr double unit = std::numeric_limits<T>::epsilon();
    const int64_t d = z.rows(), k = z.cols();
    double scale = 0;
    for (int64_t i = 0; i < z.size(); ++i) scale = std::max(scale, static_cast<double>(std::fabs(z.data()[i])));
    scale *= std::sqrt(static_cast<double>(d));
    EXPECT_LT(orthogonality_error(q), 8 * unit * std::sqrt(static_cast<double>(d))) << name;
    std::vector<long double> r(static_cast<std::size_t>(k * k));
    for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < k; ++j) {
            for (int64_t l = 0; l < d; ++l) r[i + j * k] += static_cast<long double>(q(l, i)) * z(l, j);
            if (i > j) {
                EXPECT_LT(std::fabs(static_cast<double>(r[i + j * k])), 8 * unit * scale) << name;
            }
        }
        EXPECT_NEAR(std::exp(log_r[i]) / scale, std::fabs(static_cast<double>(r[i + i * k])) / scale, 8 * unit) << name;
    }
    for (int64_t j = 0; j < k; ++j) {
        for (int64_t l = 0; l < d; ++l) {
            long double sum = 0;
            for (int64_t i = 0; i <= j; ++i) sum += q(l, i) * r[i + j * k];
            EXPECT_NEAR(static_cast<double>(sum) / scale, static_cast<double>(z(l, j)) / scale, 8 * unit) << name;
        }
    }
}

template <class T>
void check_all_sizes() {
    const std::pair<int64_t, int64_t> sizes[] = {{1, 1}, {2, 1}, {3, 3}, {8, 8}, {17, 5}, {33, 33}, {64, 7}, {50, 49}, {96, 96}};
    for (const auto& [d, k] : sizes) {
        for (const auto& factorisation : factorisations<T>()) {
            const Matrix<T> z = random_matrix<T>(d, k, static_cast<uint64_t>(d * 100 + k));
            Matrix<T> q = z;
            std::vector<double> log_r(static_cast<std::size_t>(k));
            factorisation.run(q.view(), log_r);
            check_factors(z, q, log_r, factorisation.name + " " + std::to_string(d) + " x " + std::to_string(k));
        }
    }
}

TEST(Qr, FactorsRandomMatricesInDouble) { check_all_sizes<double>(); }
TEST(Qr, FactorsRandomMatricesInSingle) { check_all_sizes<float>(); }

TEST(Qr, LeavesRowsOutsideAViewAlone) {
    Matrix<double> whole = random_matrix<double>(20, 6, 1);
    const Matrix<double> before = whole;
    for (const auto& factorisation : factorisations<double>()) {
        whole = before;
        std::vector<double> log_r(4);
        factorisation.run(whole.view().block(3, 1, 12, 4), log_r);
        for (int64_t j = 0; j < 6; ++j)
            for (int64_t i = 0; i < 20; ++i)
                if (i < 3 || i >= 15 || j < 1 || j >= 5) {
                    EXPECT_EQ(whole(i, j), before(i, j)) << factorisation.name;
                }
    }
}

/// Rows of a random matrix scaled over `decades` decades, in random order.
template <class T>
Matrix<T> graded_matrix(int64_t n, double decades, uint64_t seed) {
    Matrix<T> z = random_matrix<T>(n, n, seed);
    for (int64_t i = 0; i < n; ++i) {
        const double exponent = -decades * static_cast<double>((i * 37) % n) / static_cast<double>(n - 1);
        for (int64_t j = 0; j < n; ++j) z(i, j) = static_cast<T>(static_cast<double>(z(i, j)) * std::pow(10.0, exponent));
    }
    return z;
}

template <class T>
void check_graded(double decades, double tolerance) {
    constexpr int64_t n = 40;
    const Matrix<T> z = graded_matrix<T>(n, decades, 3);
    fixtures::QuadMatrix exact(n, n);
    for (int64_t i = 0; i < n * n; ++i) exact.data[static_cast<std::size_t>(i)] = z.data()[i];
    const std::vector<double> expected = fixtures::givens_qr(exact);
    for (const auto& factorisation : factorisations<T>()) {
        if (!factorisation.graded) continue;
        Matrix<T> q = z;
        std::vector<double> log_r(n);
        factorisation.run(q.view(), log_r);
        EXPECT_LT(orthogonality_error(q), 100 * std::numeric_limits<T>::epsilon()) << factorisation.name;
        for (int64_t j = 0; j < n; ++j) EXPECT_NEAR(log_r[j], expected[j], tolerance) << factorisation.name << " column " << j;
    }
}

TEST(Qr, KeepsSmallDiagonalsOfGradedMatricesInDouble) {
    // u times sqrt(n) times the condition number of the random matrix without its grading, about 1e3
    for (const double decades : {20, 100, 280}) check_graded<double>(decades, 1e-11);
}
TEST(Qr, KeepsSmallDiagonalsOfGradedMatricesInSingle) { check_graded<float>(30, 1e-3); }

TEST(Qr, PlainHouseholderLosesThem) {  // so the tests above can fail
    constexpr int64_t n = 40;
    const Matrix<double> z = graded_matrix<double>(n, 40, 3);
    Matrix<double> sorted = z, plain = z;
    std::vector<double> log_sorted(n), log_plain(n);
    const auto cpu = choose(Device::cpu).backend;
    Backend::QrWork work;
    cpu->qr(QrMethod::accurate, sorted.view(), log_sorted, work);
    cpu->qr(QrMethod::library, plain.view(), log_plain, work);
    EXPECT_GT(std::fabs(log_sorted[n - 1] - log_plain[n - 1]), 1.0);
}

TEST(Qr, IsUnaffectedByColumnScalesOutOfTheRangeOfSquares) {
    constexpr int64_t n = 12;
    const Matrix<double> z = random_matrix<double>(n, n, 3);
    std::vector<double> plain(n), scaled(n);
    for (const auto& factorisation : factorisations<double>()) {
        if (!factorisation.graded) continue;
        Matrix<double> q = z, p = z;
        for (int64_t j = 0; j < n; ++j)
            for (int64_t i = 0; i < n; ++i) p(i, j) = std::ldexp(z(i, j), j % 2 == 0 ? 900 : -900);
        factorisation.run(q.view(), plain);
        factorisation.run(p.view(), scaled);
        for (int64_t j = 0; j < n; ++j)
            EXPECT_NEAR(scaled[j], plain[j] + (j % 2 == 0 ? 900 : -900) * std::numbers::ln2, 1e-11) << factorisation.name;
    }
}

template <class T>
void check_zero_columns() {
    constexpr int64_t d = 10, k = 6;
    for (const auto& factorisation : factorisations<T>()) {
        Matrix<T> z = random_matrix<T>(d, k, 8), kept(d, k - 2);
        for (int64_t i = 0; i < d; ++i) z(i, 2) = z(i, 5) = T(0);
        for (int64_t j = 0, to = 0; j < k; ++j) {
            if (j == 2 || j == 5) continue;
            std::copy_n(z.column(j), d, kept.column(to++));
        }
        std::vector<double> log_r(k), log_kept(k - 2);
        factorisation.run(z.view(), log_r);
        factorisation.run(kept.view(), log_kept);
        EXPECT_EQ(log_r[2], -infinity) << factorisation.name;
        EXPECT_EQ(log_r[5], -infinity) << factorisation.name;
        EXPECT_LT(orthogonality_error(z), 20 * std::numeric_limits<T>::epsilon()) << factorisation.name;
        for (const double x : log_r) EXPECT_FALSE(std::isnan(x));
        if (!factorisation.graded) continue;  // LAPACK gives a direction away that a later column needs
        const std::array<int, 4> places = {0, 1, 3, 4};
        for (std::size_t j = 0; j < 4; ++j)
            EXPECT_NEAR(log_r[places[j]], log_kept[j], 20 * std::numeric_limits<T>::epsilon()) << factorisation.name;
    }
}

TEST(Qr, ZeroColumnsGiveMinusInfinityAndSpoilNothing) {
    check_zero_columns<double>();
    check_zero_columns<float>();
}

TEST(Qr, OfTheZeroMatrixIsMinusInfinityWithOrthonormalQ) {
    for (const auto& factorisation : factorisations<double>()) {
        Matrix<double> z(5, 3);
        std::vector<double> log_r(3);
        factorisation.run(z.view(), log_r);
        for (const double x : log_r) EXPECT_EQ(x, -infinity) << factorisation.name;
        EXPECT_EQ(orthogonality_error(z), 0.0) << factorisation.name;
    }
}

TEST(Qr, ReportsNonFiniteInput) {
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity}) {
        for (const auto& factorisation : factorisations<double>()) {
            Matrix<double> z = random_matrix<double>(9, 4, 1);
            z(7, 2) = bad;
            std::vector<double> log_r(4);
            factorisation.run(z.view(), log_r);
            for (const double x : log_r) EXPECT_TRUE(std::isnan(x)) << factorisation.name;
        }
    }
}

TEST(Qr, RefusesMoreColumnsThanRows) {
    for (const auto& factorisation : factorisations<double>()) {
        Matrix<double> z(3, 4);
        std::vector<double> log_r(4);
        EXPECT_THROW(factorisation.run(z.view(), log_r), InternalError) << factorisation.name;
    }
}

TEST(LogAbsDet, OfTriangularTimesPermutationIsTheSumOfLogs) {
    constexpr int64_t n = 30;
    const auto cpu = choose(Device::cpu).backend;
    const auto reference = make_reference();
    for (const Backend* backend : {cpu.get(), reference.get()}) {
        Matrix<double> a(n, n);
        double expected = 0;
        const std::vector<double> values = random_vector(n * n, 0.3, 5);
        for (int64_t j = 0; j < n; ++j) {
            const double diagonal = std::pow(10.0, -9.0 * static_cast<double>(j)) * (1 + 0.1 * static_cast<double>(j % 7));
            expected += std::log(diagonal);
            for (int64_t i = 0; i <= j; ++i)  // rows in reverse order; each row graded like its diagonal
                a(n - 1 - i, j) = i == j ? diagonal : values[i + j * n] * std::pow(10.0, -9.0 * static_cast<double>(i));
        }
        Backend::QrWork work;
        EXPECT_NEAR(backend->log_abs_det(a.view(), work), expected, 1e-10) << backend->name();
    }
}

TEST(LogAbsDet, EqualsTheSumOfLogsOfRForGradedMatrices) {
    constexpr int64_t n = 40;
    const auto cpu = choose(Device::cpu).backend;
    for (const double decades : {0.0, 50.0, 280.0}) {
        const Matrix<double> z = graded_matrix<double>(n, decades, 3);
        fixtures::QuadMatrix exact(n, n);
        for (int64_t i = 0; i < n * n; ++i) exact.data[static_cast<std::size_t>(i)] = z.data()[i];
        double expected = 0;
        for (const double x : fixtures::givens_qr(exact)) expected += x;
        Matrix<double> a = z;
        Backend::QrWork work;
        EXPECT_NEAR(cpu->log_abs_det(a.view(), work), expected, 1e-10);
    }
}

TEST(LogAbsDet, IsMinusInfinityForSingularAndNanForNonFinite) {
    const auto cpu = choose(Device::cpu).backend;
    const auto reference = make_reference();
    for (const Backend* backend : {cpu.get(), reference.get()}) {
        Backend::QrWork work;
        for (const bool row : {true, false}) {
            Matrix<double> a = random_matrix<double>(6, 6, 2);
            for (int64_t i = 0; i < 6; ++i) (row ? a(3, i) : a(i, 3)) = 0.0;
            EXPECT_EQ(backend->log_abs_det(a.view(), work), -infinity) << backend->name();
        }
        Matrix<double> ones(2, 2);
        std::fill_n(ones.data(), 4, 1.0);
        EXPECT_EQ(backend->log_abs_det(ones.view(), work), -infinity) << backend->name();
        Matrix<double> bad = random_matrix<double>(6, 6, 2);
        bad(1, 1) = infinity;
        EXPECT_TRUE(std::isnan(backend->log_abs_det(bad.view(), work))) << backend->name();
    }
}

TEST(Choice, SaysWhyThereIsNoGpu) {
    const Choice choice = choose(Device::automatic);
    ASSERT_NE(choice.backend, nullptr);
    EXPECT_FALSE(choice.gpu_note.empty());
    EXPECT_EQ(choose(Device::cpu).backend->name(), "cpu");
    if (choice.backend->name() != "cpu") return;
    try {
        choose(Device::cuda);
        FAIL();
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("--device: found cuda, expected cpu or auto: no "), std::string::npos);
        EXPECT_EQ(error.status(), ExitStatus::data);
    }
}

TEST(DeviceKind, NamesTheInstructionSet) {
    EXPECT_EQ(choose(Device::cpu).backend->device_kind().rfind("cpu " + std::string(cpu::name(cpu::best_instruction_set())), 0), 0U);
}

Matrix<double> near_identity(int64_t rows, int64_t k, double diagonal) {
    RandomStream random(11, 0, Purpose::tangent);
    Matrix<double> z(rows, k);
    for (int64_t i = 0; i < z.size(); ++i) z.data()[i] = random.normal() / std::sqrt(static_cast<double>(rows));
    for (int64_t j = 0; j < k; ++j) z(j, j) += diagonal;
    return z;
}

/// Largest entry of Q^T Q - 1.
double not_orthonormal(const Matrix<double>& q) {
    double worst = 0.0;
    for (int64_t j = 0; j < q.cols(); ++j)
        for (int64_t i = 0; i <= j; ++i) {
            double sum = i == j ? -1.0 : 0.0;
            for (int64_t m = 0; m < q.rows(); ++m) sum += q(m, i) * q(m, j);
            worst = nan_max(worst, std::fabs(sum));
        }
    return worst;
}

TEST(GramQr, InDoubleAgreesWithReflections) {
    const auto cpu = choose(Device::cpu).backend;
    Backend::QrWork work;
    for (const int64_t k : {1, 5, 16, 64, 65, 130, 300, 801})
        for (const int64_t rows : {k, k + 37}) {
            const Matrix<double> z = near_identity(rows, k, 3.0);
            Matrix<double> gram = z, q = z;
            std::vector<double> log_r(static_cast<std::size_t>(k)), log_gram(log_r.size());
            Matrix<float> ratios(k, k), gram_ratios(k, k);
            cpu->qr(QrMethod::accurate, q.view(), log_r, work, ratios.view());
            const double norm = cpu->gram_qr(gram.view(), GramArithmetic::double_precision, 0.0, log_gram, work, gram_ratios.view());
            double largest = 0.0;
            for (int64_t j = 0; j < k; ++j) {
                double squares = 0.0;
                for (int64_t i = 0; i < rows; ++i) squares += z(i, j) * z(i, j);
                largest = std::max(largest, std::sqrt(squares));
            }
            ASSERT_NEAR(norm, largest, 1e-12 * largest) << rows << " x " << k;
            for (int64_t j = 0; j < k; ++j) {
                EXPECT_NEAR(log_gram[j], log_r[j], 1e-12) << rows << " x " << k << ", " << j;
                double sign = 0.0;  // of a column, which reflections leave open
                for (int64_t i = 0; i < rows; ++i) sign += gram(i, j) * q(i, j);
                EXPECT_NEAR(std::fabs(sign), 1.0, 1e-11);
                for (int64_t i = 0; i < rows; ++i)
                    ASSERT_NEAR(std::copysign(1.0, sign) * gram(i, j), q(i, j), 1e-11) << rows << " x " << k << ", " << i << " " << j;
                for (int64_t i = 0; i < k; ++i)
                    ASSERT_NEAR(std::fabs(gram_ratios(i, j)), std::fabs(ratios(i, j)), 1e-5f)
                        << rows << " x " << k << ", " << i << " " << j;
            }
        }
}

// Its R may be rough, but is what Z was divided by: R of Q, found without loss, and R together are R of Z.
TEST(GramQr, InSingleFactorsWithoutLoss) {
    const auto cpu = choose(Device::cpu).backend;
    Backend::QrWork work;
    for (const int64_t k : {1, 5, 16, 64, 65, 130, 300, 801})
        for (const int64_t rows : {k, k + 37})
            for (const double least : {1.0, 5e-3, 2e-3}) {
                Matrix<double> z = near_identity(rows, k, 3.0);
                // The last column almost in the span of the others.
                if (k > 1)
                    for (int64_t i = 0; i < rows; ++i) z(i, k - 1) = least * z(i, k - 1) + (1 - least) * z(i, 0);
                Matrix<double> q = z;
                std::vector<double> log_r(static_cast<std::size_t>(k)), log_q(log_r.size()), expected(log_r.size());
                Matrix<float> ratios(k, k);
                const double norm = cpu->gram_qr(q.view(), GramArithmetic::single_precision, 0.0, log_r, work, ratios.view());
                ASSERT_GT(norm, 0.0) << rows << " x " << k << ", " << least;
                if (least > 2e-3) {
                    EXPECT_LT(not_orthonormal(q), least == 1.0 ? 1e-5 : 0.25) << rows << " x " << k;
                }
                cpu->qr(QrMethod::accurate, z.view(), expected, work);
                Matrix<double> again = q;
                cpu->qr(QrMethod::accurate, again.view(), log_q, work);
                for (int64_t j = 0; j < k; ++j)
                    EXPECT_NEAR(log_r[j] + log_q[j], expected[j], 1e-14 / least) << rows << " x " << k << ", " << j << " of " << least;
            }
}

// Rounding of the Gram matrix must not pass for what is left of a column: accepted or not, columns of Q are neither short nor long.
TEST(GramQr, RefusesColumnsThatDependOnOthers) {
    const auto cpu = choose(Device::cpu).backend;
    Backend::QrWork work;
    for (const int64_t n : {16, 64, 300, 801})
        for (const int64_t rows : {n, n + 9})
            for (uint64_t seed = 0; seed < (n < 100 ? 40U : 4U); ++seed)
                for (const double left : {0.0, 1e-20, 1e-6, 1e-4, 1e-3}) {
                    RandomStream random(seed, 1, Purpose::tangent);
                    Matrix<double> z(rows, n);
                    for (int64_t i = 0; i < z.size(); ++i) z.data()[i] = random.normal();
                    // All but `left` of the last column in the span of the others; or of one row, where there are no more rows than columns.
                    if (seed % 2 == 0) {
                        for (int64_t i = 0; i < rows; ++i) {
                            double sum = 0.0;
                            for (int64_t j = 0; j + 1 < n; ++j) sum += z(i, j) * std::cos(static_cast<double>(j));
                            z(i, n - 1) = left * z(i, n - 1) + sum / std::sqrt(static_cast<double>(n));
                        }
                    } else {
                        for (int64_t j = 0; j < n; ++j) z(n / 2, j) *= left;
                    }
                    for (const auto arithmetic : {GramArithmetic::single_precision, GramArithmetic::double_precision}) {
                        Matrix<double> q = z;
                        std::vector<double> log_r(static_cast<std::size_t>(n));
                        const bool accepted = cpu->gram_qr(q.view(), arithmetic, 0.0, log_r, work) > 0.0;
                        if (left <= 1e-6 && (rows == n || seed % 2 == 0)) {
                            EXPECT_FALSE(accepted) << rows << " x " << n << ", seed " << seed << ", " << left;
                        }
                        if (!accepted) continue;
                        for (int64_t j = 0; j < n; ++j) {
                            double squares = 0.0;
                            for (int64_t i = 0; i < rows; ++i) squares += q(i, j) * q(i, j);
                            EXPECT_NEAR(std::sqrt(squares), 1.25, 0.76) << rows << " x " << n << ", seed " << seed << ", " << left;
                        }
                    }
                }
}

TEST(GramQr, RefusesColumnsThatAreSmallOrNotFinite) {
    const auto cpu = choose(Device::cpu).backend;
    Backend::QrWork work;
    for (const auto arithmetic : {GramArithmetic::single_precision, GramArithmetic::double_precision}) {
        const double small = arithmetic == GramArithmetic::single_precision ? 9e-4 : 9e-5;
        for (const int64_t k : {4, 64, 300})
            for (const double last : {small, 0.0, infinity, std::nan("")}) {
                Matrix<double> z(k, k);
                for (int64_t j = 0; j < k; ++j) z(j, j) = j + 1 == k ? last : 1.0;
                const Matrix<double> before = z;
                std::vector<double> log_r(static_cast<std::size_t>(k));
                EXPECT_EQ(cpu->gram_qr(z.view(), arithmetic, 0.0, log_r, work), 0.0) << k << " " << last;
                if (!std::isnan(last)) {
                    EXPECT_TRUE(std::equal(before.data(), before.data() + before.size(), z.data())) << "z was changed";
                }
            }
        Matrix<double> huge(2, 2);
        huge(0, 0) = huge(1, 1) = arithmetic == GramArithmetic::single_precision ? 1e15 : 1e150;
        std::vector<double> log_r(2);
        EXPECT_EQ(cpu->gram_qr(huge.view(), arithmetic, 0.0, log_r, work), 0.0);
    }
}

}  // namespace
}  // namespace aelle::backend
