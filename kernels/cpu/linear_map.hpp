#pragma once
/// The matrix of one linear term in the form that is cheapest to apply: dense, compressed sparse rows or rank one.

#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {

/// Matrices with fewer nonzeros than this share are stored sparse: below it the sparse product is faster than BLAS (perf/qr_bench.cpp).
inline constexpr double sparse_below = 0.25;

/// Compressed rows of a matrix that is worth it; no rows where it is better kept dense.
template <class T>
Sparse<T> compressed(int64_t rows, int64_t cols, const double* row_major);

template <class T>
class LinearMap {
public:
    struct Scratch {
        AlignedVector<T> tile;    ///< for Kernels::sparse_block
        AlignedVector<T> block;   ///< a scaled copy of the tangents
        AlignedVector<T> vector;  ///< the scaled right vector of an outer product, then its product with the tangents
    };

    /// dense or sparse; `row_major` has rows * cols values
    static LinearMap from_matrix(int64_t rows, int64_t cols, const double* row_major);
    static LinearMap from_outer(std::span<const double> left, std::span<const double> right);

    int64_t rows() const { return rows_; }
    int64_t cols() const { return cols_; }

    /// y += W x
    void apply(const Kernels<T>& kernels, const T* x, T* y) const;
    /// w += W diag(slope) v; slope may be null for 1.
    void apply(const Kernels<T>& kernels, const T* slope, MatrixView<const T> v, MatrixView<T> w, Scratch& scratch) const;
    /// w += diag(weight) W' diag(slope), w (count x cols), W' rows first_row ... of W.
    void assemble(int64_t first_row, int64_t count, const T* weight, const T* slope, MatrixView<T> w) const;

    bool is_dense() const { return storage_ == Storage::dense; }
    /// Row i of W; it must be dense.
    const T* row(int64_t i) const { return dense_.data() + i * cols_; }

private:
    enum class Storage { dense, sparse, outer };
    Storage storage_ = Storage::dense;
    int64_t rows_ = 0, cols_ = 0;
    AlignedVector<T> dense_;  ///< row-major
    Sparse<T> sparse_;
    AlignedVector<T> left_, right_;
};

}  // namespace aelle::cpu
