#pragma once
/// Pieces of the memory that a factorisation's caller keeps.

#include <cstddef>

#include "aelle/backend/backend.hpp"
#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {

/// Hands out aligned pieces of the caller's scratch memory.
class Scratch {
public:
    Scratch(backend::Backend::QrWork& work, int64_t real_bytes, int64_t indices) {
        const auto reals = static_cast<std::size_t>(real_bytes / static_cast<int64_t>(sizeof(double)) + 8);
        if (work.reals.size() < reals) work.reals.resize(reals);
        if (work.indices.size() < static_cast<std::size_t>(indices)) work.indices.resize(static_cast<std::size_t>(indices));
        next_ = reinterpret_cast<std::byte*>(work.reals.data());
        next_index_ = work.indices.data();
    }
    /// `count` is rounded up to whole vectors.
    template <class T>
    T* take(int64_t count) {
        T* taken = reinterpret_cast<T*>(next_);
        next_ += padded<T>(count) * static_cast<int64_t>(sizeof(T));
        return taken;
    }
    int64_t* take_indices(int64_t count) {
        next_index_ += count;
        return next_index_ - count;
    }

private:
    std::byte* next_;
    int64_t* next_index_;
};

}  // namespace aelle::cpu
