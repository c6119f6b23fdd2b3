#include "aelle/io/file.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::io {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view mark = ".aelle-writing-";

/// Beside the file, so that the rename stays within one file system; unique over hosts, processes and calls.
fs::path temporary_name(const fs::path& file) {
    static std::atomic<unsigned> calls{0};
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    fs::path name = file;
    name += std::string(mark) + host.data() + "-" + std::to_string(getpid()) + "-" + std::to_string(calls++);
    return name;
}

[[noreturn]] void fail_creating(const fs::path& file, int error) {
    const std::string message = file.string() + ": cannot be created: " + std::strerror(error);
    if (error == ENOSPC || error == EDQUOT || error == EIO) throw IoError(message);
    throw CannotCreate(message);
}

class Descriptor {
public:
    explicit Descriptor(int value) : value_(value) {}
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return value_; }
    int close() { return ::close(std::exchange(value_, -1)); }

private:
    int value_;
};

/// 0, or the error number of the first call that failed.
int write_all(int descriptor, std::span<const std::byte> content) {
    while (!content.empty()) {
        const ssize_t written = ::write(descriptor, content.data(), std::min<std::size_t>(content.size(), std::size_t{1} << 30));
        if (written < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        content = content.subspan(static_cast<std::size_t>(written));
    }
    return fsync(descriptor) == 0 ? 0 : errno;
}

/// Makes the rename itself durable; file systems that cannot sync folders need not.
void sync_folder(const fs::path& file) {
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.get() >= 0) fsync(descriptor.get());
}

}  // namespace

void write_atomically(const fs::path& file, std::span<const std::byte> content) {
    const fs::path temporary = temporary_name(file);
    Descriptor descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (descriptor.get() < 0) fail_creating(file, errno);
    int error = write_all(descriptor.get(), content);
    if (descriptor.close() != 0 && error == 0) error = errno;
    if (error != 0) {
        ::unlink(temporary.c_str());
        throw IoError(file.string() + ": writing " + byte_size(static_cast<double>(content.size())) + " failed: " + std::strerror(error));
    }
    if (std::rename(temporary.c_str(), file.c_str()) != 0) {
        error = errno;
        ::unlink(temporary.c_str());
        fail_creating(file, error);
    }
    sync_folder(file);
}

void write_atomically(const fs::path& file, std::string_view content) {
    write_atomically(file, std::as_bytes(std::span(content.data(), content.size())));
}

std::vector<std::byte> read_bytes(const fs::path& file) {
    const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (descriptor.get() < 0) {
        if (errno == ENOENT || errno == ENOTDIR) throw MissingInput(file.string() + ": not found");
        throw IoError(file.string() + ": cannot be opened: " + std::strerror(errno));
    }
    struct stat status {};
    if (fstat(descriptor.get(), &status) != 0) throw IoError(file.string() + ": " + std::strerror(errno));
    if (S_ISDIR(status.st_mode)) throw IoError(file.string() + ": is a folder, expected a file");
    std::vector<std::byte> content;
    std::array<std::byte, 65536> chunk;
    for (;;) {  // not by st_size: pipes and /dev files have none
        const ssize_t count = ::read(descriptor.get(), chunk.data(), chunk.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw IoError(file.string() + ": reading failed: " + std::strerror(errno));
        if (count == 0) return content;
        content.insert(content.end(), chunk.begin(), chunk.begin() + count);
    }
}

std::string read_text(const fs::path& file) {
    const std::vector<std::byte> bytes = read_bytes(file);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_temporary(const fs::path& file) { return file.filename().string().find(mark) != std::string::npos; }

void create_folders(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw CannotCreate(folder.string() + ": found " + error.message() + ", expected a folder that can be made");
}

}  // namespace aelle::io
