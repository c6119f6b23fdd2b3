#pragma once
/// The BLAS calls of this room, for float and double.

#include <cblas.h>

#include <cstdint>
#include <limits>

#include "aelle/base/error.hpp"
#include "aelle/base/matrix.hpp"

namespace aelle::embed {

inline int blas_size(int64_t n) {
    require(n >= 0 && n <= std::numeric_limits<int>::max(), "a matrix is too large for BLAS");
    return static_cast<int>(n);
}

/// c = op(a) op(b) + beta c
inline void multiply(bool a_transposed, bool b_transposed, MatrixView<const float> a, MatrixView<const float> b, float beta,
                     MatrixView<float> c) {
    cblas_sgemm(CblasColMajor, a_transposed ? CblasTrans : CblasNoTrans, b_transposed ? CblasTrans : CblasNoTrans, blas_size(c.rows),
                blas_size(c.cols), blas_size(a_transposed ? a.rows : a.cols), 1.0f, a.data, blas_size(a.ld), b.data, blas_size(b.ld), beta,
                c.data, blas_size(c.ld));
}
inline void multiply(bool a_transposed, bool b_transposed, MatrixView<const double> a, MatrixView<const double> b, double beta,
                     MatrixView<double> c) {
    cblas_dgemm(CblasColMajor, a_transposed ? CblasTrans : CblasNoTrans, b_transposed ? CblasTrans : CblasNoTrans, blas_size(c.rows),
                blas_size(c.cols), blas_size(a_transposed ? a.rows : a.cols), 1.0, a.data, blas_size(a.ld), b.data, blas_size(b.ld), beta,
                c.data, blas_size(c.ld));
}

}  // namespace aelle::embed
