#pragma once
/// Plain files, written so that a crash or a full disk never leaves half of one.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aelle::io {

/// Writes `content` to a temporary name beside `file`, fsyncs it, renames it over `file` and fsyncs the folder.
/// CannotCreate when the folder is missing or not writable, IoError (naming the file and what the system said) for a full disk, a
/// quota or a file-size limit; the temporary file is removed then, and an existing `file` is left as it was.
void write_atomically(const std::filesystem::path& file, std::span<const std::byte> content);
void write_atomically(const std::filesystem::path& file, std::string_view content);

/// Whole file. MissingInput when it is absent, IoError when it cannot be read.
std::vector<std::byte> read_bytes(const std::filesystem::path& file);
std::string read_text(const std::filesystem::path& file);

/// True for names that `write_atomically` uses while writing; leftovers of a killed run may be deleted.
bool is_temporary(const std::filesystem::path& file);

/// Makes the folder and those above it, where they are not there. CannotCreate.
void create_folders(const std::filesystem::path& folder);

}  // namespace aelle::io
