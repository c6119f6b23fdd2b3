#pragma once
/// HDF5 identifiers that close themselves, the room's lock, and HDF5's own words on an error.

#include <hdf5.h>
#include <mutex>
#include <string>
#include <utility>

namespace aelle::io {

/// Held by every public call that enters HDF5: one thread at a time, and HDF5 prints no errors, which we put into ours.
class H5Lock {
public:
    H5Lock();

private:
    std::unique_lock<std::recursive_mutex> lock_;
};

/// The innermost message of HDF5's error stack.
std::string h5_error();

class Handle {
public:
    Handle() = default;
    Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
    ~Handle() { reset(); }
    Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
    Handle& operator=(Handle&& other) noexcept {
        reset();
        id_ = std::exchange(other.id_, -1);
        close_ = other.close_;
        return *this;
    }
    hid_t get() const { return id_; }
    explicit operator bool() const { return id_ >= 0; }
    void reset() {
        if (id_ >= 0) close_(id_);
        id_ = -1;
    }

private:
    hid_t id_ = -1;
    herr_t (*close_)(hid_t) = nullptr;
};

template <class T>
hid_t h5_type();
template <>
inline hid_t h5_type<double>() {
    return H5T_NATIVE_DOUBLE;
}
template <>
inline hid_t h5_type<float>() {
    return H5T_NATIVE_FLOAT;
}
template <>
inline hid_t h5_type<int64_t>() {
    return H5T_NATIVE_INT64;
}
template <>
inline hid_t h5_type<int32_t>() {
    return H5T_NATIVE_INT32;
}
template <>
inline hid_t h5_type<uint8_t>() {
    return H5T_NATIVE_UINT8;
}
template <>
inline hid_t h5_type<std::byte>() {
    return H5T_NATIVE_UINT8;
}

/// Behind the HDF5 data of files with Checksum::trailer: this text, then CRC-32 and length in hexadecimal, then a newline.
inline constexpr std::string_view trailer_mark = "\naelle-crc32 ";
inline constexpr std::size_t trailer_size = trailer_mark.size() + 8 + 1 + 16 + 1;

std::string make_trailer(const std::byte* data, std::size_t size);

}  // namespace aelle::io
