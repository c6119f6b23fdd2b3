#pragma once
/// Dense matrices: non-owning column-major views, as in BLAS, and one owning type.
///
/// Letters used throughout: T steps, N networks, B trajectories, H units, D state dimension, K tangent vectors.
/// Element (i, j) of a view lies at data[i + j * ld]. Sizes are int64_t; calls into BLAS and LAPACK check narrowing.

#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

namespace aelle {

template <class T>
struct MatrixView {
    T* data = nullptr;
    int64_t rows = 0;
    int64_t cols = 0;
    int64_t ld = 0;  ///< distance between columns, >= rows

    T& operator()(int64_t i, int64_t j) const { return data[i + j * ld]; }
    T* column(int64_t j) const { return data + j * ld; }
    MatrixView columns(int64_t first, int64_t count) const { return {data + first * ld, rows, count, ld}; }
    MatrixView block(int64_t row, int64_t column, int64_t row_count, int64_t column_count) const {
        return {data + row + column * ld, row_count, column_count, ld};
    }
    /// A view of T may be passed where a view of const T is wanted.
    operator MatrixView<const T>() const
        requires(!std::is_const_v<T>)
    {
        return {data, rows, cols, ld};
    }
};

/// Allocator for cache-line aligned storage, so that vector loads never split lines.
template <class T>
struct AlignedAllocator {
    using value_type = T;
    static constexpr std::align_val_t alignment{64};
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
    void deallocate(T* p, std::size_t) { ::operator delete(p, alignment); }
    template <class U>
    bool operator==(const AlignedAllocator<U>&) const {
        return true;
    }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

/// Owning column-major matrix with ld = rows; zero when created.
template <class T>
class Matrix {
public:
    Matrix() = default;
    Matrix(int64_t rows, int64_t cols) : rows_(rows), cols_(cols), data_(static_cast<std::size_t>(rows * cols)) {}

    int64_t rows() const { return rows_; }
    int64_t cols() const { return cols_; }
    int64_t size() const { return rows_ * cols_; }
    T* data() { return data_.data(); }
    const T* data() const { return data_.data(); }
    T& operator()(int64_t i, int64_t j) { return data_[static_cast<std::size_t>(i + j * rows_)]; }
    const T& operator()(int64_t i, int64_t j) const { return data_[static_cast<std::size_t>(i + j * rows_)]; }
    T* column(int64_t j) { return data() + j * rows_; }
    const T* column(int64_t j) const { return data() + j * rows_; }
    MatrixView<T> view() { return {data(), rows_, cols_, rows_}; }
    MatrixView<const T> view() const { return {data(), rows_, cols_, rows_}; }

private:
    int64_t rows_ = 0;
    int64_t cols_ = 0;
    AlignedVector<T> data_;
};

}  // namespace aelle
