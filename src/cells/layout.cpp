#include "aelle/cells/layout.hpp"

#include "aelle/base/error.hpp"

namespace aelle::cells {

ParameterLayout::ParameterLayout(const CellSpec& cell, const Shape& shape, const Parameters& present) : shape_(shape) {
    for (const TensorSpec& tensor : cell.tensors) {
        if (!present.tensors.contains(tensor.name)) continue;
        entries_.push_back({tensor.name, size_, element_count(tensor, shape)});
        size_ += entries_.back().count;
    }
}

int64_t ParameterLayout::offset(std::string_view name) const {
    for (const Entry& entry : entries_)
        if (entry.name == name) return entry.offset;
    return -1;
}

template <class T>
std::vector<T> ParameterLayout::pack(const Parameters& parameters) const {
    std::vector<T> packed;
    packed.reserve(static_cast<std::size_t>(size_));
    for (const Entry& entry : entries_) {
        const std::vector<double>& values = parameters.tensors.find(entry.name)->second;
        require(static_cast<int64_t>(values.size()) == entry.count, "packed parameters: a tensor of another size");
        for (const double value : values) packed.push_back(static_cast<T>(value));
    }
    return packed;
}

template <class T>
void ParameterLayout::unpack(std::span<const T> packed, Parameters& parameters) const {
    require(static_cast<int64_t>(packed.size()) == size_, "packed parameters: a vector of another size");
    for (const Entry& entry : entries_) {
        const auto first = packed.begin() + entry.offset;
        parameters.tensors[std::string(entry.name)].assign(first, first + entry.count);
    }
}

template std::vector<float> ParameterLayout::pack(const Parameters&) const;
template std::vector<double> ParameterLayout::pack(const Parameters&) const;
template void ParameterLayout::unpack(std::span<const float>, Parameters&) const;
template void ParameterLayout::unpack(std::span<const double>, Parameters&) const;

}  // namespace aelle::cells
