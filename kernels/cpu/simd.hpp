#pragma once
/// Hot loops compiled for several instruction sets; the widest that the processor has is chosen at run time.
///
/// Sums are taken in lanes of the instruction set's vectors, so results of unlike sets differ by rounding.

#include <cstdint>
#include <string_view>
#include <vector>

#include "aelle/base/matrix.hpp"

namespace aelle::cpu {

/// Elements in 64 bytes, the widest vector; leading dimensions of blocks given to the kernels of reflectors.hpp are multiples of it.
template <class T>
inline constexpr int64_t vector_length = 64 / static_cast<int64_t>(sizeof(T));

template <class T>
constexpr int64_t padded(int64_t n) {
    return (n + vector_length<T> - 1) / vector_length<T> * vector_length<T>;
}

/// Compressed sparse rows.
template <class T>
struct Sparse {
    int64_t rows = 0;
    int64_t cols = 0;
    std::vector<int64_t> row_start;  ///< (rows + 1)
    std::vector<int32_t> column;
    AlignedVector<T> value;
};

/// Columns that one pass of sparse_block handles; its scratch holds cols * tile_columns elements.
template <class T>
inline constexpr int64_t tile_columns = 2 * vector_length<T>;

template <class T>
struct Kernels {
    /// y += A x
    void (*sparse_vector)(const Sparse<T>& a, const T* x, T* y);
    /// w += A diag(scale) v; scale may be null. `tile` is 64-byte aligned scratch of a.cols * tile_columns elements.
    void (*sparse_block)(const Sparse<T>& a, const T* scale, MatrixView<const T> v, MatrixView<T> w, T* tile);
    /// out = c_0 s_0 + c_1 s_1 + ..., elementwise over n; count >= 1
    void (*weighted_sum)(int64_t n, int64_t count, const T* const* c, const T* const* s, T* out);
    /// to_i = from[order_i] factor_0 factor_1
    void (*permute)(int64_t n, const int64_t* order, const T* from, const T* factor, T* to);
    /// to_i = from_i factor_0 factor_1; returns the sum of squares of to.
    T (*scale)(int64_t n, const T* from, const T* factor, T* to);
    /// to_k = x_k scale inverse_k, kept to +-1e18
    void (*quotients)(int64_t n, const T* x, double scale, const double* inverse, float* to);
    /// max |x_i|, 0 when n = 0
    T (*largest)(const T* x, int64_t n);
    /// largest[i] = max over columns of |z(i, j)|; false when an element is not finite.
    bool (*row_maxima)(MatrixView<const T> z, T* largest);
};

enum class InstructionSet { baseline, avx2, avx512 };

InstructionSet best_instruction_set();
std::string_view name(InstructionSet set);

/// For T = float and double.
template <class T>
const Kernels<T>& kernels(InstructionSet set);

}  // namespace aelle::cpu
