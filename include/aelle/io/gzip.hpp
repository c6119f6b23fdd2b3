#pragma once
/// gzip data (RFC 1952), unpacked piece by piece, so that nobody takes memory for more than he asked for.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace aelle::io {

/// True when the bytes start as gzip data do.
bool is_gzip(std::span<const std::byte> bytes);

/// Unpacks one gzip stream, or several one behind another, as gunzip does.
class GzipReader {
public:
    /// `packed` must outlive the reader; `origin` stands for the file's name in messages.
    GzipReader(std::span<const std::byte> packed, std::string origin);
    ~GzipReader();
    GzipReader(const GzipReader&) = delete;
    GzipReader& operator=(const GzipReader&) = delete;

    /// Fills `out` as far as there are bytes and returns how many; fewer than asked for only at the end. DataError when the data are damaged or
    /// truncated, or when something else follows them.
    std::size_t read(std::span<std::byte> out);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace aelle::io
