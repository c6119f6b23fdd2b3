#pragma once
/// libaelle_cuda.so, opened at run time, so that one installation serves machines with and without a driver.

#include <memory>
#include <string>

#include "kernels/cuda/api.hpp"

namespace aelle::cuda {

/// The library's functions, for one device.
class Library {
public:
    Library(const Table& table, int device) : table_(table), device_(device) {}
    const Table& table() const { return table_; }
    int device() const { return device_; }
    /// OutOfDeviceMemory or DeviceError with what was attempted, for a status other than 0.
    void check(int status, const std::string& attempt) const;

private:
    Table table_;
    int device_;
};

/// Memory of the device that is given back at the end.
class DeviceMemory {
public:
    DeviceMemory() = default;
    DeviceMemory(const Library& library, std::size_t bytes, const std::string& what);
    ~DeviceMemory();
    DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
    DeviceMemory& operator=(DeviceMemory&& other) noexcept {
        swap(other);
        return *this;
    }

    template <class T>
    T* as() const {
        return static_cast<T*>(address_);
    }
    std::size_t bytes() const { return bytes_; }
    void upload(const void* from, std::size_t bytes, std::size_t offset = 0) const;
    void download(void* to, std::size_t bytes, std::size_t offset = 0) const;
    /// `rows` pieces of `bytes` each, one after another on the host, `stride` bytes apart here from `offset` on.
    void upload_rows(const void* from, std::size_t bytes, std::size_t rows, std::size_t stride, std::size_t offset) const;
    void download_rows(void* to, std::size_t bytes, std::size_t rows, std::size_t stride, std::size_t offset) const;
    void clear() const;

private:
    void swap(DeviceMemory& other) noexcept;
    const Library* library_ = nullptr;
    void* address_ = nullptr;
    std::size_t bytes_ = 0;
};

/// The device's copy of an array.
template <class T>
DeviceMemory on_device(const Library& library, const T* values, std::size_t count, const std::string& what) {
    DeviceMemory memory(library, count * sizeof(T), what);
    memory.upload(values, count * sizeof(T));
    return memory;
}

/// Where the library was looked for and what it answered.
struct Opened {
    Table table{};
    bool ok = false;
    std::string note;
    std::string file = {};  ///< that was opened; others lie beside it (companion.hpp)
};
/// $AELLE_CUDA_LIBRARY if set, else libaelle_cuda.so beside the program or in the library folder of the installation. It stays open to the end of the program.
Opened open_library();

}  // namespace aelle::cuda
