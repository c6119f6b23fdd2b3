#pragma once
/// A column-major matrix in memory that all threads of a block see: element (i, j) at data[i + j * ld].

#include <cstdint>

#include "kernels/cuda/block.hpp"

namespace aelle::cuda {

template <class T>
struct View {
    T* data = nullptr;
    int rows = 0, cols = 0;
    int64_t ld = 0;

    AELLE_DEVICE T& operator()(int64_t i, int64_t j) const { return data[i + j * ld]; }
    AELLE_DEVICE T* column(int64_t j) const { return data + j * ld; }
};

}  // namespace aelle::cuda
