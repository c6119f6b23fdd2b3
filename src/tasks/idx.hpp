#pragma once
/// IDX files (LeCun, Cortes & Burges, "The MNIST database"): a big-endian header, 0 0 8 RANK and RANK sizes of 32 bits, and unsigned bytes.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace aelle::tasks {

/// Files with more images or labels than this are refused, so that neither a header nor packed data can ask for any amount of memory.
/// The largest of the MNIST family has 814,255.
inline constexpr int64_t most_idx_items = 1'000'000;

struct Idx {
    std::vector<int64_t> dims;
    std::vector<uint8_t> values;  ///< row-major
};

/// The file `content`, plain or gzip. Sizes must be `expected` (nothing: any). DataError naming `origin`, found and expected for another magic
/// number, other sizes, too few or too many bytes.
Idx parse_idx(std::span<const std::byte> content, const std::string& origin, const std::vector<std::optional<int64_t>>& expected);

}  // namespace aelle::tasks
