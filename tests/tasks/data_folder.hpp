#pragma once
/// A folder of data made for one test, and the real one where there is one.

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aelle/io/file.hpp"
#include "io/gzip_text.hpp"
#include "io/scratch.hpp"

namespace aelle::test {

/// An IDX file of bytes with this header and content.
inline std::string idx(uint32_t magic, const std::vector<uint32_t>& sizes, std::string_view content) {
    std::string text;
    const auto word = [&](uint32_t value) {
        for (const int shift : {24, 16, 8, 0}) text += static_cast<char>(static_cast<unsigned char>(value >> shift));
    };
    word(magic);
    for (const uint32_t size : sizes) word(size);
    return text.append(content);
}

inline void put(const std::filesystem::path& file, std::string_view content) {
    std::filesystem::create_directories(file.parent_path());
    io::write_atomically(file, content);
}

/// The folder of real data: $AELLE_DATA, else ../shared/data beside the source.
inline std::optional<std::filesystem::path> real_data(const std::string& part) {
    const char* given = std::getenv("AELLE_DATA");
    const std::filesystem::path folder = given != nullptr ? std::filesystem::path(given) : std::filesystem::path(AELLE_SOURCE) / "../shared/data";
    if (std::filesystem::exists(folder / part)) return folder;
    return std::nullopt;
}

}  // namespace aelle::test
