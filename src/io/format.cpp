#include "aelle/io/format.hpp"

#include <string>

#include "aelle/base/error.hpp"

namespace aelle::io {

void check_format_version(const H5Reader& file) {
    const auto version = static_cast<int64_t>(file.number("/", "format_version"));
    if (version == format_version) return;
    throw DataError(file.file().string() + ": format_version: found " + std::to_string(version) + ", expected " +
                    std::to_string(format_version) + ": written by another version of aelle");
}

}  // namespace aelle::io
