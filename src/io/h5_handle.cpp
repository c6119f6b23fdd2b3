#include "h5_handle.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <zlib.h>

namespace aelle::io {

H5Lock::H5Lock() {
    static std::recursive_mutex mutex;
    lock_ = std::unique_lock(mutex);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // per thread where HDF5 is built thread-safe
}

std::string h5_error() {
    std::string message = "unknown HDF5 error";
    H5Ewalk2(
        H5E_DEFAULT, H5E_WALK_UPWARD,
        [](unsigned position, const H5E_error2_t* error, void* to) -> herr_t {
            if (position == 0 && error->desc != nullptr) *static_cast<std::string*>(to) = error->desc;
            return 0;
        },
        &message);
    return message;
}

std::string make_trailer(const std::byte* data, std::size_t size) {
    uLong crc = crc32(0, nullptr, 0);
    constexpr std::size_t piece = std::size_t{1} << 30;
    for (std::size_t at = 0; at < size; at += piece) {
        const auto length = static_cast<uInt>(std::min(piece, size - at));
        crc = crc32(crc, reinterpret_cast<const Bytef*>(data + at), length);
    }
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%08lx %016zx\n", crc, size);
    return std::string(trailer_mark) + text.data();
}

}  // namespace aelle::io
