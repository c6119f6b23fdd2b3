#pragma once
/// Snapshots of running work as plain bytes, for checkpoints on the same kind of machine.
///
/// A class that can be interrupted has `save(ArchiveWriter&) const` and `load(ArchiveReader&)`, which write and read the same
/// values in the same order. Integrity is the container's concern (`io` checks sums); a snapshot that is too short throws DataError.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "aelle/base/error.hpp"

namespace aelle {

class ArchiveWriter {
public:
    template <class T>
        requires std::is_trivially_copyable_v<T>
    void value(const T& v) {
        append(&v, sizeof v);
    }
    template <class Container>  // contiguous, of trivially copyable elements; its length is stored
    void array(const Container& values) {
        value(static_cast<uint64_t>(values.size()));
        append(values.data(), values.size() * sizeof(*values.data()));
    }
    const std::vector<std::byte>& bytes() const { return bytes_; }
    std::vector<std::byte> take() { return std::move(bytes_); }

private:
    void append(const void* data, std::size_t count) {
        const auto* first = static_cast<const std::byte*>(data);
        bytes_.insert(bytes_.end(), first, first + count);
    }
    std::vector<std::byte> bytes_;
};

class ArchiveReader {
public:
    explicit ArchiveReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    template <class T>
        requires std::is_trivially_copyable_v<T>
    void value(T& v) {
        extract(&v, sizeof v);
    }
    template <class T>
        requires std::is_trivially_copyable_v<T>
    T value() {
        T v;
        value(v);
        return v;
    }
    /// Resizes `values` to the stored length.
    template <class Container>
    void array(Container& values) {
        const auto count = value<uint64_t>();
        if (count > bytes_.size() / sizeof(*values.data())) throw DataError("checkpoint: snapshot is truncated");
        values.resize(count);
        extract(values.data(), count * sizeof(*values.data()));
    }
    bool empty() const { return bytes_.empty(); }

private:
    void extract(void* to, std::size_t count) {
        if (count > bytes_.size()) throw DataError("checkpoint: snapshot is truncated");
        if (count > 0) std::memcpy(to, bytes_.data(), count);
        bytes_ = bytes_.subspan(count);
    }
    std::span<const std::byte> bytes_;
};

}  // namespace aelle
