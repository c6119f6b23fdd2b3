#include "aelle/base/triangular.hpp"
#include "aelle/base/nan_max.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "aelle/base/matrix.hpp"
#include "aelle/base/random.hpp"

namespace aelle {
namespace {

constexpr int64_t sizes[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100};

int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

/// (padded rows x n) with entries in [-1, 1) in the first `rows` rows; ones of size 1 to 2 on the diagonal.
template <class T>
Matrix<T> random_matrix(int64_t rows, int64_t n, uint64_t seed) {
    RandomStream random(seed, 0, Purpose::tangent);
    Matrix<T> a(padded(rows), n);
    for (int64_t j = 0; j < n; ++j)
        for (int64_t i = 0; i < rows; ++i)
            a(i, j) = static_cast<T>(i == j ? random.uniform(1.0, 2.0) : random.uniform(-1.0, 1.0) / std::sqrt(static_cast<double>(n)));
    return a;
}

template <class T>
class Triangular : public testing::Test {};
using Precisions = testing::Types<float, double>;
TYPED_TEST_SUITE(Triangular, Precisions);

TYPED_TEST(Triangular, SolutionTimesMatrixIsTheRightSide) {
    using T = TypeParam;
    const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-4;
    for (const auto* set : all_triangular_functions<T>())
        for (const int64_t n : sizes)
            for (const int64_t rows : {n, n + 5})
                for (const bool unit : {false, true}) {
                    const Matrix<T> u = random_matrix<T>(n, n, 1), b = random_matrix<T>(rows, n, 2);
                    std::vector<T> inverse;
                    for (int64_t i = 0; i < n; ++i) inverse.push_back(1 / u(i, i));
                    Matrix<T> x = b;
                    set->solve_from_right(x.data(), x.rows(), n, u.data(), 1, u.rows(), unit ? nullptr : inverse.data(), false);
                    double worst = 0.0;
                    for (int64_t j = 0; j < n; ++j)
                        for (int64_t i = 0; i < rows; ++i) {
                            double sum = unit ? double{x(i, j)} : double{x(i, j)} * u(j, j);
                            for (int64_t k = 0; k < j; ++k) sum += double{x(i, k)} * u(k, j);
                            worst = nan_max(worst, std::fabs(sum - b(i, j)));
                        }
                    EXPECT_LT(worst, tolerance) << n << " columns, " << rows << " rows, " << (unit ? "unit" : "general") << " diagonal";
                }
}

TYPED_TEST(Triangular, TransposedStorageAndLowerPartGiveTheSameSolution) {
    using T = TypeParam;
    for (const auto* set : all_triangular_functions<T>())
        for (const int64_t n : sizes) {
            const Matrix<T> u = random_matrix<T>(n, n, 3), b = random_matrix<T>(n, n, 4);
            Matrix<T> transposed(padded(n), n), all = b, lower = b;
            for (int64_t j = 0; j < n; ++j)
                for (int64_t i = 0; i < n; ++i) transposed(j, i) = u(i, j);
            set->solve_from_right(all.data(), all.rows(), n, u.data(), 1, u.rows(), nullptr, false);
            set->solve_from_right(lower.data(), lower.rows(), n, transposed.data(), transposed.rows(), 1, nullptr, true);
            for (int64_t j = 0; j < n; ++j)
                for (int64_t i = j; i < n; ++i)
                    EXPECT_NEAR(lower(i, j), all(i, j), sizeof(T) == 8 ? 1e-13 : 1e-4) << n << " " << i << " " << j;
        }
}

TYPED_TEST(Triangular, LowerPartOfTheProductIsThatOfTheSums) {
    using T = TypeParam;
    for (const auto* set : all_triangular_functions<T>())
        for (const int64_t n : sizes) {
            Matrix<T> u = random_matrix<T>(n, n, 5), l = random_matrix<T>(n, n, 6), c(padded(n), n);
            for (int64_t j = 0; j < n; ++j) {
                for (int64_t i = j + 1; i < n; ++i) u(i, j) = 0;
                for (int64_t i = 0; i <= j; ++i) l(i, j) = 0;
            }
            set->lower_part_of_product(u.data(), l.data(), c.data(), c.rows(), n);
            for (int64_t j = 0; j < n; ++j)
                for (int64_t i = j; i < n; ++i) {
                    double sum = 0.0;
                    for (int64_t k = i; k < n; ++k) sum += double{u(i, k)} * l(k, j);
                    EXPECT_NEAR(c(i, j), sum, sizeof(T) == 8 ? 1e-14 : 1e-5) << n << " " << i << " " << j;
                }
        }
}

TYPED_TEST(Triangular, GramMatrixHoldsTheProductsOfColumns) {
    using T = TypeParam;
    for (const auto* set : all_triangular_functions<T>())
        for (const int64_t n : sizes)
            for (const int64_t rows : {n, n + 5}) {
                const Matrix<double> a = random_matrix<double>(rows, n, 9);
                Matrix<double> z(rows, n);  // of any leading dimension
                Matrix<T> g(padded(n), n), scratch(padded(n), rows);
                for (int64_t j = 0; j < n; ++j) std::copy_n(a.column(j), rows, z.column(j));
                set->gram(z.data(), z.rows(), rows, n, g.data(), g.rows(), scratch.data());
                for (int64_t j = 0; j < n; ++j)
                    for (int64_t i = j; i < n; ++i) {
                        double sum = 0.0;
                        for (int64_t k = 0; k < rows; ++k) sum += z(k, i) * z(k, j);
                        EXPECT_NEAR(g(i, j), sum, sizeof(T) == 8 ? 1e-13 : 1e-4) << n << " columns, " << rows << " rows: " << i << " " << j;
                    }
            }
}

TYPED_TEST(Triangular, CholeskyFactorTimesItsTransposeIsTheMatrix) {
    using T = TypeParam;
    for (const auto* set : all_triangular_functions<T>())
        for (const int64_t n : sizes) {
            const Matrix<double> a = random_matrix<double>(n, n, 7);
            Matrix<T> g(padded(n), n);
            for (int64_t j = 0; j < n; ++j)
                for (int64_t i = 0; i < n; ++i) {
                    double sum = i == j ? 1.0 : 0.0;
                    for (int64_t k = 0; k < n; ++k) sum += a(k, i) * a(k, j);
                    g(i, j) = static_cast<T>(sum);
                }
            Matrix<T> r = g;
            std::vector<T> inverse(static_cast<std::size_t>(n));
            ASSERT_TRUE(set->cholesky(r.data(), r.rows(), n, T(1e-10), inverse.data()));
            const double unit = std::numeric_limits<T>::epsilon();
            for (int64_t j = 0; j < n; ++j) {
                EXPECT_NEAR(double{inverse[j]} * r(j, j), 1.0, 4 * unit);
                for (int64_t i = j; i < n; ++i) {  // row j of R lies in column j
                    double sum = 0.0;
                    for (int64_t k = 0; k <= j; ++k) sum += double{r(j, k)} * r(i, k);
                    EXPECT_NEAR(sum, g(i, j), 500 * unit) << n << " " << i << " " << j;
                }
            }
        }
}

TYPED_TEST(Triangular, CholeskyRefusesAPivotThatIsNotAboveTheSmallest) {
    using T = TypeParam;
    for (const auto* set : all_triangular_functions<T>())
        for (const int64_t n : {3, 17, 64})
            for (const double pivot : {-1.0, 0.0, 0.25, std::nan("")}) {
                Matrix<T> g(padded(n), n);
                for (int64_t i = 0; i < n; ++i) g(i, i) = static_cast<T>(i == n / 2 ? pivot : 1.0);
                std::vector<T> inverse(static_cast<std::size_t>(n));
                EXPECT_FALSE(set->cholesky(g.data(), g.rows(), n, T(0.25), inverse.data())) << n << " " << pivot;
            }
}

}  // namespace
}  // namespace aelle
