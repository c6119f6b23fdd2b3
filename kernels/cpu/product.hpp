#pragma once
/// Products of matrices. Those that stay in cache are taken straight from where they lie: BLAS packs both factors first, which costs a tenth of a
/// training step and more where one factor is small.

#include <cstdint>

#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {

/// c = op(a) op(b) + beta c, op(x) = x or x^T: by `product` where it suits, otherwise by BLAS.
template <class T>
void multiply(bool a_transposed, bool b_transposed, MatrixView<const T> a, MatrixView<const T> b, T beta, MatrixView<T> c);

/// c (m x n) = a b, or c += a b with `add`. a (m x k) and c column-major with leading dimensions lda, ldc; b(p, j) at b[p * row_step + j * column_step].
/// k is at least 1, lda at least a vector_length. An entry's sum is taken in the order of p, product_depth of them at a time.
template <class T>
using Product = void (*)(int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, const T* b, int64_t row_step, int64_t column_step, T* c,
                         int64_t ldc, bool add);

inline constexpr int64_t product_depth = 256;

/// For T = float and double.
template <class T>
Product<T> product(InstructionSet set);

}  // namespace aelle::cpu
