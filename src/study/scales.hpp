#pragma once
/// Datasets that label dimensions, one way for all of study.h5.

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "aelle/io/h5.hpp"

namespace aelle::study {

/// A scale; its label is the last part of its name.
inline void write_scale(io::H5Writer& file, const std::string& name, const std::vector<int64_t>& values, const std::string& long_name) {
    file.write(name, values, {static_cast<int64_t>(values.size())});
    file.make_scale(name, name.substr(name.rfind('/') + 1));
    file.attribute(name, "long_name", long_name);
}

/// first, first + 1, ...
inline std::vector<int64_t> counting(int64_t count, int64_t first = 0) {
    std::vector<int64_t> values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), first);
    return values;
}

}  // namespace aelle::study
