#pragma once
/// Where the tensors of one network lie in one packed vector of parameters: in the order of the spec, each in row-major order as in PyTorch,
/// absent ones left out. Training, gradients and optimisers work on such vectors.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "aelle/cells/spec.hpp"

namespace aelle::cells {

class ParameterLayout {
public:
    struct Entry {
        std::string_view name;
        int64_t offset = 0;
        int64_t count = 0;
    };

    /// The tensors that `present` holds; it must have passed `complete`.
    ParameterLayout(const CellSpec& cell, const Shape& shape, const Parameters& present);

    const Shape& shape() const { return shape_; }
    int64_t size() const { return size_; }
    std::span<const Entry> entries() const { return entries_; }
    int64_t offset(std::string_view name) const;  ///< -1 when absent

    /// T is float or double.
    template <class T>
    std::vector<T> pack(const Parameters& parameters) const;
    template <class T>
    void unpack(std::span<const T> packed, Parameters& parameters) const;  ///< replaces the tensors

private:
    Shape shape_;
    int64_t size_ = 0;
    std::vector<Entry> entries_;
};

}  // namespace aelle::cells
