#include "kernels/cpu/linear_map.hpp"

#include <algorithm>

#include "kernels/cpu/blas.hpp"

namespace aelle::cpu {

template <class T>
Sparse<T> compressed(int64_t rows, int64_t cols, const double* row_major) {
    const int64_t nonzeros = rows * cols - std::count(row_major, row_major + rows * cols, 0.0);
    if (static_cast<double>(nonzeros) >= sparse_below * static_cast<double>(rows * cols)) return {};
    Sparse<T> sparse{.rows = rows, .cols = cols, .row_start = {0}, .column = {}, .value = {}};
    for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < cols; ++j) {
            const double value = row_major[i * cols + j];
            if (value == 0.0) continue;
            sparse.column.push_back(blas_size(j));
            sparse.value.push_back(static_cast<T>(value));
        }
        sparse.row_start.push_back(static_cast<int64_t>(sparse.column.size()));
    }
    return sparse;
}

template <class T>
LinearMap<T> LinearMap<T>::from_matrix(int64_t rows, int64_t cols, const double* row_major) {
    LinearMap map;
    map.rows_ = rows;
    map.cols_ = cols;
    map.sparse_ = compressed<T>(rows, cols, row_major);
    if (map.sparse_.rows > 0) {
        map.storage_ = Storage::sparse;
    } else {
        map.dense_.resize(static_cast<std::size_t>(rows * cols));
        std::transform(row_major, row_major + rows * cols, map.dense_.begin(), [](double x) { return static_cast<T>(x); });
    }
    return map;
}

template <class T>
LinearMap<T> LinearMap<T>::from_outer(std::span<const double> left, std::span<const double> right) {
    LinearMap map;
    map.storage_ = Storage::outer;
    map.rows_ = static_cast<int64_t>(left.size());
    map.cols_ = static_cast<int64_t>(right.size());
    map.left_.resize(left.size());
    map.right_.resize(right.size());
    std::transform(left.begin(), left.end(), map.left_.begin(), [](double x) { return static_cast<T>(x); });
    std::transform(right.begin(), right.end(), map.right_.begin(), [](double x) { return static_cast<T>(x); });
    return map;
}

template <class T>
void LinearMap<T>::apply(const Kernels<T>& kernels, const T* x, T* y) const {
    if (storage_ == Storage::dense) {
        multiply_vector(rows_, cols_, dense_.data(), x, y);
    } else if (storage_ == Storage::sparse) {
        kernels.sparse_vector(sparse_, x, y);
    } else {
        T dot = T(0);
        project({x, cols_, 1, cols_}, right_.data(), &dot);
        add_outer(left_.data(), &dot, {y, rows_, 1, rows_});
    }
}

template <class T>
void LinearMap<T>::apply(const Kernels<T>& kernels, const T* slope, MatrixView<const T> v, MatrixView<T> w, Scratch& scratch) const {
    const auto grow = [](AlignedVector<T>& buffer, int64_t size) {
        if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(static_cast<std::size_t>(size));
    };
    if (storage_ == Storage::sparse) {
        grow(scratch.tile, cols_ * tile_columns<T>);
        kernels.sparse_block(sparse_, slope, v, w, scratch.tile.data());
    } else if (storage_ == Storage::dense) {
        if (slope) {
            grow(scratch.block, cols_ * v.cols);
            for (int64_t k = 0; k < v.cols; ++k) {
                const T* column = v.column(k);
                kernels.weighted_sum(cols_, 1, &slope, &column, scratch.block.data() + k * cols_);
            }
            v = {scratch.block.data(), cols_, v.cols, cols_};
        }
        multiply_block(dense_.data(), v, w);
    } else {
        grow(scratch.vector, cols_ + v.cols);
        T* scaled = scratch.vector.data();
        T* product = scaled + cols_;
        for (int64_t i = 0; i < cols_; ++i) scaled[i] = slope ? slope[i] * right_[i] : right_[i];
        project(v, scaled, product);
        add_outer(left_.data(), product, w);
    }
}

template <class T>
void LinearMap<T>::assemble(int64_t first_row, int64_t count, const T* weight, const T* slope, MatrixView<T> w) const {
    const auto factor = [&](int64_t j) { return slope ? slope[j] : T(1); };
    if (storage_ == Storage::sparse) {
        for (int64_t i = 0; i < count; ++i)
            for (int64_t p = sparse_.row_start[first_row + i]; p < sparse_.row_start[first_row + i + 1]; ++p)
                w(i, sparse_.column[p]) += weight[i] * (sparse_.value[p] * factor(sparse_.column[p]));
        return;
    }
    constexpr int64_t together = 16;  // a block of the row-major matrix stays in cache while columns are written
    for (int64_t i0 = 0; i0 < count; i0 += together) {
        const int64_t i1 = std::min(i0 + together, count);
        for (int64_t j = 0; j < cols_; ++j) {
            const T scale = factor(j);
            T* column = w.column(j);
            if (storage_ == Storage::dense)
                for (int64_t i = i0; i < i1; ++i) column[i] += weight[i] * (row(first_row + i)[j] * scale);
            else
                for (int64_t i = i0; i < i1; ++i) column[i] += weight[i] * (left_[first_row + i] * (right_[j] * scale));
        }
    }
}

template Sparse<float> compressed(int64_t, int64_t, const double*);
template Sparse<double> compressed(int64_t, int64_t, const double*);
template class LinearMap<float>;
template class LinearMap<double>;

}  // namespace aelle::cpu
