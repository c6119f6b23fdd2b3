#include "aelle/io/gzip.hpp"

#include <algorithm>
#include <limits>
#include <zlib.h>

#include "aelle/base/error.hpp"

namespace aelle::io {
namespace {

constexpr int gzip_only = 16 + MAX_WBITS;

}  // namespace

struct GzipReader::Impl {
    std::span<const std::byte> packed;
    std::string origin;
    z_stream stream{};
    bool between = true;  ///< before the first or behind a whole gzip stream

    [[noreturn]] void fail(const std::string& what) const {
        const std::size_t at = packed.size() - stream.avail_in - left_over();
        throw DataError(origin + ": gzip data " + what + " (byte " + std::to_string(at) + " of " + std::to_string(packed.size()) + ")");
    }
    /// Packed bytes that zlib has not been given yet.
    std::size_t left_over() const {
        return static_cast<std::size_t>(packed.data() + packed.size() - reinterpret_cast<const std::byte*>(stream.next_in)) - stream.avail_in;
    }
    void feed() {
        stream.avail_in += static_cast<uInt>(std::min<std::size_t>(left_over(), std::numeric_limits<uInt>::max() - stream.avail_in));
    }
};

bool is_gzip(std::span<const std::byte> bytes) {
    return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

GzipReader::GzipReader(std::span<const std::byte> packed, std::string origin) : impl_(std::make_unique<Impl>()) {
    impl_->packed = packed;
    impl_->origin = std::move(origin);
    impl_->stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));  // zlib does not write there
    require(inflateInit2(&impl_->stream, gzip_only) == Z_OK, "zlib cannot be started");
}

GzipReader::~GzipReader() { inflateEnd(&impl_->stream); }

std::size_t GzipReader::read(std::span<std::byte> out) {
    z_stream& stream = impl_->stream;
    std::size_t done = 0;
    while (done < out.size()) {
        impl_->feed();
        if (impl_->between && stream.avail_in == 0) break;
        const auto room = static_cast<uInt>(std::min<std::size_t>(out.size() - done, std::numeric_limits<uInt>::max()));
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
        stream.avail_out = room;
        impl_->between = false;
        const int status = inflate(&stream, Z_NO_FLUSH);
        done += room - stream.avail_out;
        if (status == Z_STREAM_END) {
            inflateReset(&stream);
            impl_->between = true;
        } else if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && impl_->left_over() == 0 && stream.avail_out > 0)) {
            impl_->fail("end too early");
        } else if (status != Z_OK) {
            impl_->fail(std::string("are damaged: ") + (stream.msg == nullptr ? "unknown reason" : stream.msg));
        }
    }
    return done;
}

}  // namespace aelle::io
