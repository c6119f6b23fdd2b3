#include "kernels/cuda/loader.hpp"

#include <dlfcn.h>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/cells/list.hpp"

namespace aelle::cuda {
namespace fs = std::filesystem;
namespace {

constexpr const char* file_name = "libaelle_cuda.so";

std::vector<fs::path> candidates() {
    if (const char* given = std::getenv("AELLE_CUDA_LIBRARY")) return {given};
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
    return {program / file_name, program / ".." / AELLE_LIBDIR / file_name};
}

Opened open_file(const fs::path& file) {
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* reason = dlerror();
        return {.note = file.string() + " cannot be opened: " + (reason ? reason : "no reason given")};
    }
    const auto open = reinterpret_cast<Open>(dlsym(handle, open_name));
    if (open == nullptr) return {.note = file.string() + ": found no function " + open_name + ", expected the GPU kernels of this program"};
    Opened opened;
    const int status = open(build_info().id.c_str(), fingerprint(cells::AllCells{}), &opened.table);
    opened.ok = status == 0;
    opened.file = file.string();
    if (status == wrong_build)
        opened.note = file.string() + ": found the GPU kernels of another build, expected those of " + build_info().id;
    if (status == wrong_cells) opened.note = file.string() + ": found GPU kernels for another list of cells";
    return opened;
}

}  // namespace

Opened open_library() {
    for (const fs::path& file : candidates()) {
        std::error_code error;
        if (fs::exists(file, error)) return open_file(file);
    }
    if (const char* given = std::getenv("AELLE_CUDA_LIBRARY")) return {.note = std::string("AELLE_CUDA_LIBRARY: found no file ") + given};
    return {.note = std::string("no ") + file_name + " beside the program: it was built without a CUDA toolkit or with AELLE_CUDA=OFF"};
}

void Library::check(int status, const std::string& attempt) const {
    if (status == 0) return;
    const std::string text =
        "GPU " + std::to_string(device_) + ": " + attempt + ": " + table_.message(status) + " (status " + std::to_string(status) + ")";
    if (status == out_of_memory) throw backend::OutOfDeviceMemory(text);
    throw backend::DeviceError(text);
}

DeviceMemory::DeviceMemory(const Library& library, std::size_t bytes, const std::string& what) : library_(&library), bytes_(bytes) {
    if (bytes == 0) return;
    library.check(library.table().allocate(library.device(), &address_, bytes), byte_size(static_cast<double>(bytes)) + " for " + what);
}

DeviceMemory::~DeviceMemory() {
    if (address_ != nullptr) library_->table().release(library_->device(), address_);  // a failed device gives nothing back
}

void DeviceMemory::swap(DeviceMemory& other) noexcept {
    std::swap(library_, other.library_);
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
}

void DeviceMemory::upload(const void* from, std::size_t bytes, std::size_t offset) const {
    require(offset + bytes <= bytes_, "GPU: a copy beyond the memory");
    if (bytes > 0) library_->check(library_->table().upload(library_->device(), as<char>() + offset, from, bytes), "copy to the device");
}

void DeviceMemory::download(void* to, std::size_t bytes, std::size_t offset) const {
    require(offset + bytes <= bytes_, "GPU: a copy beyond the memory");
    if (bytes > 0) library_->check(library_->table().download(library_->device(), to, as<char>() + offset, bytes), "copy from the device");
}

void DeviceMemory::upload_rows(const void* from, std::size_t bytes, std::size_t rows, std::size_t stride, std::size_t offset) const {
    require(rows == 0 || (bytes <= stride && offset + (rows - 1) * stride + bytes <= bytes_), "GPU: a copy beyond the memory");
    if (rows > 0 && bytes > 0)
        library_->check(library_->table().upload_rows(library_->device(), as<char>() + offset, stride, from, bytes, rows),
                        "copy to the device");
}

void DeviceMemory::download_rows(void* to, std::size_t bytes, std::size_t rows, std::size_t stride, std::size_t offset) const {
    require(rows == 0 || (bytes <= stride && offset + (rows - 1) * stride + bytes <= bytes_), "GPU: a copy beyond the memory");
    if (rows > 0 && bytes > 0)
        library_->check(library_->table().download_rows(library_->device(), to, as<char>() + offset, stride, bytes, rows),
                        "copy from the device");
}

void DeviceMemory::clear() const {
    if (bytes_ > 0) library_->check(library_->table().clear(library_->device(), address_, bytes_), "clearing memory");
}

}  // namespace aelle::cuda
