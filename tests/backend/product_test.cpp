// Products without packing against plain sums, for every instruction set that this processor has: all edges of tiles, both orders of b, rows that end
// where memory ends.

#include "kernels/cpu/product.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "aelle/base/random.hpp"

namespace aelle::cpu {
namespace {

std::vector<InstructionSet> sets() {
    std::vector<InstructionSet> all{InstructionSet::baseline};
    if (best_instruction_set() != InstructionSet::baseline) all.push_back(InstructionSet::avx2);
    if (best_instruction_set() == InstructionSet::avx512) all.push_back(InstructionSet::avx512);
    return all;
}

/// Exactly `count` numbers from the heap, so that a sanitizer sees every step beyond them.
template <class T>
struct Block {
    std::unique_ptr<T[]> data;
    Block(int64_t count, uint64_t seed) : data(new T[static_cast<std::size_t>(count)]) {
        RandomStream random(seed, 0, Purpose::weights);
        for (int64_t i = 0; i < count; ++i) data[static_cast<std::size_t>(i)] = static_cast<T>(random.uniform(-1.0, 1.0));
    }
    T operator[](int64_t i) const { return data[static_cast<std::size_t>(i)]; }
};

template <class T>
class ProductTest : public testing::Test {};
using Precisions = testing::Types<float, double>;
TYPED_TEST_SUITE(ProductTest, Precisions);

TYPED_TEST(ProductTest, IsTheSumOfProducts) {
    using T = TypeParam;
    const double unit = std::numeric_limits<T>::epsilon();
    for (const int64_t m : {16, 17, 28, 63, 64, 65, 100})
        for (const int64_t n : {1, 2, 5, 6, 9, 32})
            for (const int64_t k : {1, 2, 64, 255, 256, 257, 515})
                for (const bool transposed : {false, true}) {
                    const int64_t lda = m + 3, ldb = (transposed ? n : k) + 1, ldc = m + 2;
                    const Block<T> a(lda * (k - 1) + m, 1), b(ldb * (transposed ? k : n), 2), before(ldc * n, 3);
                    const int64_t row_step = transposed ? ldb : 1, column_step = transposed ? 1 : ldb;
                    for (const InstructionSet set : sets())
                        for (const bool add : {false, true}) {
                            Block<T> c(ldc * n, 3);
                            product<T>(set)(m, n, k, a.data.get(), lda, b.data.get(), row_step, column_step, c.data.get(), ldc, add);
                            for (int64_t j = 0; j < n; ++j) {
                                for (int64_t i = 0; i < ldc; ++i) {
                                    double sum = add || i >= m ? double{before[i + j * ldc]} : 0.0;
                                    for (int64_t p = 0; p < k && i < m; ++p)
                                        sum += double{a[i + p * lda]} * b[p * row_step + j * column_step];
                                    ASSERT_NEAR(c[i + j * ldc], sum, i < m ? 32 * unit * std::sqrt(static_cast<double>(k)) : 0.0)
                                        << name(set) << " " << m << " x " << n << " x " << k << ", entry " << i << " " << j;
                                }
                            }
                        }
                }
}

TYPED_TEST(ProductTest, MultiplyTakesEveryForm) {
    using T = TypeParam;
    const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-4;
    for (const int64_t m : {3, 20, 800})
        for (const int64_t n : {4, 30})
            for (const int64_t k : {5, 70})
                for (const bool a_transposed : {false, true})
                    for (const bool b_transposed : {false, true})
                        for (const double beta : {0.0, 1.0, 0.5}) {
                            const Block<T> a(m * k, 1), b(k * n, 2), before(m * n, 3);
                            Block<T> c(m * n, 3);
                            const MatrixView<const T> left{a.data.get(), a_transposed ? k : m, a_transposed ? m : k, a_transposed ? k : m};
                            const MatrixView<const T> right{b.data.get(), b_transposed ? n : k, b_transposed ? k : n, b_transposed ? n : k};
                            multiply<T>(a_transposed, b_transposed, left, right, static_cast<T>(beta), {c.data.get(), m, n, m});
                            for (int64_t j = 0; j < n; ++j)
                                for (int64_t i = 0; i < m; ++i) {
                                    double sum = beta * before[i + j * m];
                                    for (int64_t p = 0; p < k; ++p)
                                        sum += double{a_transposed ? left(p, i) : left(i, p)} * (b_transposed ? right(j, p) : right(p, j));
                                    ASSERT_NEAR(c[i + j * m], sum, tolerance) << m << " x " << n << " x " << k << ", beta " << beta;
                                }
                        }
}

}  // namespace
}  // namespace aelle::cpu
