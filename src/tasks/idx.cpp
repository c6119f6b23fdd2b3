#include "idx.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/gzip.hpp"

namespace aelle::tasks {
namespace {

/// Bytes from memory, unpacked on the way if they are gzip.
class Source {
public:
    Source(std::span<const std::byte> content, const std::string& origin) : content_(content) {
        if (io::is_gzip(content)) gzip_ = std::make_unique<io::GzipReader>(content, origin);
    }
    std::size_t read(std::span<std::byte> out) {
        if (gzip_) return gzip_->read(out);
        const std::size_t count = std::min(out.size(), content_.size());
        std::copy_n(content_.begin(), count, out.begin());
        content_ = content_.subspan(count);
        return count;
    }

private:
    std::span<const std::byte> content_;
    std::unique_ptr<io::GzipReader> gzip_;
};

uint32_t big_endian_word(Source& source, const std::string& origin) {
    std::array<std::byte, 4> bytes;
    if (source.read(bytes) != bytes.size()) throw DataError(origin + ": found fewer bytes than the header of an IDX file has");
    uint32_t word = 0;
    for (const std::byte byte : bytes) word = word << 8 | std::to_integer<uint32_t>(byte);
    return word;
}

std::string hexadecimal(uint32_t word) {
    std::array<char, 16> text;
    std::snprintf(text.data(), text.size(), "0x%08x", word);
    return text.data();
}

std::string to_text(const std::vector<std::optional<int64_t>>& dims) {
    std::vector<std::string> words;
    for (const auto& size : dims) words.push_back(size ? std::to_string(*size) : "any");
    return join(words, " x ");
}

std::vector<int64_t> read_header(Source& source, const std::string& origin, const std::vector<std::optional<int64_t>>& expected) {
    const uint32_t magic = big_endian_word(source, origin);
    const auto wanted = static_cast<uint32_t>(0x800 + expected.size());
    if (magic != wanted) {
        throw DataError(origin + ": magic number: found " + hexadecimal(magic) + ", expected " + hexadecimal(wanted) + ", an IDX file of bytes in " +
                        std::to_string(expected.size()) + " dimensions");
    }
    std::vector<int64_t> dims;
    for (std::size_t i = 0; i < expected.size(); ++i) dims.push_back(big_endian_word(source, origin));
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (expected[i] ? dims[i] == *expected[i] : dims[i] >= 1 && dims[i] <= most_idx_items) continue;
        const std::vector<std::optional<int64_t>> found(dims.begin(), dims.end());
        throw DataError(origin + ": sizes in the header: found " + to_text(found) + ", expected " + to_text(expected) +
                        (expected[i] ? "" : ", any being 1 to " + std::to_string(most_idx_items)));
    }
    return dims;
}

}  // namespace

Idx parse_idx(std::span<const std::byte> content, const std::string& origin, const std::vector<std::optional<int64_t>>& expected) {
    Source source(content, origin);
    Idx idx;
    idx.dims = read_header(source, origin, expected);
    std::size_t size = 1;
    for (const int64_t d : idx.dims) size *= static_cast<std::size_t>(d);
    // Memory grows with the bytes that are really there, whatever the header says.
    constexpr std::size_t piece = std::size_t{1} << 20;
    while (idx.values.size() < size) {
        const std::size_t before = idx.values.size(), wanted = std::min(piece, size - before);
        idx.values.resize(before + wanted);
        const std::size_t count = source.read(std::as_writable_bytes(std::span(idx.values).subspan(before)));
        if (count == wanted) continue;
        throw DataError(origin + ": found " + std::to_string(before + count) + " bytes behind the header, expected " + std::to_string(size) +
                        ": the file is truncated");
    }
    std::byte more;
    if (source.read({&more, 1}) != 0) throw DataError(origin + ": found more than the " + std::to_string(size) + " bytes that the header says");
    return idx;
}

}  // namespace aelle::tasks
