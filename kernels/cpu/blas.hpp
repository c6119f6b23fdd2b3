#pragma once
/// The few BLAS calls that the cpu backend makes, for float and double.

#include <cblas.h>

#include <cstdint>
#include <limits>

#include "aelle/base/error.hpp"
#include "aelle/base/matrix.hpp"

namespace aelle::cpu {

inline int blas_size(int64_t n) {
    require(n >= 0 && n <= std::numeric_limits<int>::max(), "a matrix is too large for BLAS");
    return static_cast<int>(n);
}

/// y += A x, A (rows x cols) row-major.
inline void multiply_vector(int64_t rows, int64_t cols, const double* a, const double* x, double* y) {
    cblas_dgemv(CblasRowMajor, CblasNoTrans, blas_size(rows), blas_size(cols), 1.0, a, blas_size(cols), x, 1, 1.0, y, 1);
}
inline void multiply_vector(int64_t rows, int64_t cols, const float* a, const float* x, float* y) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, blas_size(rows), blas_size(cols), 1.0f, a, blas_size(cols), x, 1, 1.0f, y, 1);
}

/// w += A v, A (w.rows x v.rows) row-major.
inline void multiply_block(const double* a, MatrixView<const double> v, MatrixView<double> w) {
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, blas_size(w.rows), blas_size(w.cols), blas_size(v.rows), 1.0, a, blas_size(v.rows),
                v.data, blas_size(v.ld), 1.0, w.data, blas_size(w.ld));
}
inline void multiply_block(const float* a, MatrixView<const float> v, MatrixView<float> w) {
    cblas_sgemm(CblasColMajor, CblasTrans, CblasNoTrans, blas_size(w.rows), blas_size(w.cols), blas_size(v.rows), 1.0f, a,
                blas_size(v.rows), v.data, blas_size(v.ld), 1.0f, w.data, blas_size(w.ld));
}

/// c = op(a) op(b) + beta c
inline void blas_multiply(bool a_transposed, bool b_transposed, MatrixView<const double> a, MatrixView<const double> b, double beta,
                          MatrixView<double> c) {
    cblas_dgemm(CblasColMajor, a_transposed ? CblasTrans : CblasNoTrans, b_transposed ? CblasTrans : CblasNoTrans, blas_size(c.rows),
                blas_size(c.cols), blas_size(a_transposed ? a.rows : a.cols), 1.0, a.data, blas_size(a.ld), b.data, blas_size(b.ld), beta,
                c.data, blas_size(c.ld));
}
inline void blas_multiply(bool a_transposed, bool b_transposed, MatrixView<const float> a, MatrixView<const float> b, float beta,
                          MatrixView<float> c) {
    cblas_sgemm(CblasColMajor, a_transposed ? CblasTrans : CblasNoTrans, b_transposed ? CblasTrans : CblasNoTrans, blas_size(c.rows),
                blas_size(c.cols), blas_size(a_transposed ? a.rows : a.cols), 1.0f, a.data, blas_size(a.ld), b.data, blas_size(b.ld), beta,
                c.data, blas_size(c.ld));
}

/// y = v^T x
inline void project(MatrixView<const double> v, const double* x, double* y) {
    cblas_dgemv(CblasColMajor, CblasTrans, blas_size(v.rows), blas_size(v.cols), 1.0, v.data, blas_size(v.ld), x, 1, 0.0, y, 1);
}
inline void project(MatrixView<const float> v, const float* x, float* y) {
    cblas_sgemv(CblasColMajor, CblasTrans, blas_size(v.rows), blas_size(v.cols), 1.0f, v.data, blas_size(v.ld), x, 1, 0.0f, y, 1);
}

/// w += x y^T
inline void add_outer(const double* x, const double* y, MatrixView<double> w) {
    cblas_dger(CblasColMajor, blas_size(w.rows), blas_size(w.cols), 1.0, x, 1, y, 1, w.data, blas_size(w.ld));
}
inline void add_outer(const float* x, const float* y, MatrixView<float> w) {
    cblas_sger(CblasColMajor, blas_size(w.rows), blas_size(w.cols), 1.0f, x, 1, y, 1, w.data, blas_size(w.ld));
}

}  // namespace aelle::cpu
