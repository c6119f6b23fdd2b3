#include "aelle/study/folder.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/io/file.hpp"

namespace aelle::study {
namespace fs = std::filesystem;
namespace {

std::string numbered(const char* pattern, int64_t number) {
    std::array<char, 48> text;
    std::snprintf(text.data(), text.size(), pattern, static_cast<long long>(number));
    return text.data();
}

std::string this_process() {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    return std::string(host.data()) + ", process " + std::to_string(getpid());
}

std::string first_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line.empty() ? "another process" : line;
}

std::string toml_string(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "\"";
}

struct Manifest {
    int64_t format = 0;
    std::string device_kind;
};

Manifest read_manifest(const StudyFolder& folder) {
    const TomlDocument document = TomlDocument::read(folder.manifest());
    TomlTable table(document);
    Manifest manifest;
    manifest.format = table.integer("format", std::nullopt, 0, INT64_MAX);
    if (manifest.format != format_version) {
        table.fail("format", "found " + std::to_string(manifest.format) + ", expected " + std::to_string(format_version) +
                                 ": written by another version of aelle");
    }
    manifest.device_kind = table.string("device_kind", std::nullopt);
    return manifest;
}

void remove_own_files(const StudyFolder& folder) {
    // The manifest last: while it is there, the folder is not another study's.
    for (const char* name : {"shards", "checkpoints", "study.h5", "analysis.h5", "analyses", "log", "tables", "report", "weights", "study.toml",
                             "manifest.toml"}) {
        fs::remove_all(folder.root() / name);
    }
}

void remove_temporary_files(const StudyFolder& folder) {
    for (const char* name : {"", "shards", "checkpoints", "weights", "log", "tables", "report"}) {
        const fs::path place = folder.root() / name;
        if (!fs::is_directory(place)) continue;
        for (const auto& entry : fs::directory_iterator(place)) {
            if (io::is_temporary(entry.path())) fs::remove(entry.path());
        }
    }
}

void claim(const StudyFolder& folder, const TomlDocument& study, const std::string& device_kind) {
    if (fs::exists(folder.study_file())) {
        throw DataError(folder.root().string() + ": found study.h5 but no manifest.toml, expected a folder that aelle run made");
    }
    io::write_atomically(folder.study_toml(), study.text());
    const std::string text = "# Written when the folder was made; results depend on the kind of device.\nformat = " +
                             std::to_string(format_version) + "\ndevice_kind = " + toml_string(device_kind) + "\nversion = " +
                             toml_string(build_info().version) + "\n";
    io::write_atomically(folder.manifest(), text);  // last: its presence means that the folder is claimed
}

void check_owner(const StudyFolder& folder, const TomlDocument& study, const std::string& device_kind) {
    const Manifest manifest = read_manifest(folder);
    if (manifest.device_kind != device_kind) {
        throw DataError(folder.manifest().string() + ": device_kind: found '" + manifest.device_kind + "', expected '" + device_kind +
                        "', the device of this run: a study keeps to the kind of device it began with; choose another folder with -o");
    }
    const TomlDocument stored = TomlDocument::read(folder.study_toml());
    if (const auto difference = study.first_difference(stored, "analysis")) {
        throw DataError(folder.root().string() + " belongs to another study: " + *difference +
                        "; choose another folder with -o, or start over with --fresh --force");
    }
    if (stored.text() != study.text()) io::write_atomically(folder.study_toml(), study.text());
}

}  // namespace

fs::path StudyFolder::shard(int64_t group) const { return root_ / "shards" / numbered("group-%06lld.h5", group); }

fs::path StudyFolder::weights(int64_t variant) const { return root_ / "weights" / numbered("variant-%06lld.h5", variant); }

fs::path StudyFolder::checkpoint(int64_t group) const { return root_ / "checkpoints" / numbered("group-%06lld.h5", group); }

void StudyFolder::log(int rank, const std::string& line) const {
    const auto now = std::chrono::system_clock::now();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::array<char, 40> stamp;
    const std::size_t length = std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(stamp.data() + length, stamp.size() - length, ".%03dZ", static_cast<int>(milliseconds));
    std::ofstream stream(root_ / "log" / numbered("rank-%04lld.log", rank), std::ios::app);
    stream << stamp.data() << " " << line << "\n";
}

FolderLock::FolderLock(const StudyFolder& folder) {
    descriptor_ = open(folder.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) throw CannotCreate(folder.lock().string() + ": cannot be created: " + std::strerror(errno));
    int error = flock(descriptor_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    for (int attempt = 0; attempt < 10 && error == EWOULDBLOCK; ++attempt) {  // lock_holder asks for a moment
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        error = flock(descriptor_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    }
    if (error != 0) {
        close(descriptor_);
        if (error == EWOULDBLOCK) {
            throw CannotCreate(folder.root().string() + " is in use by " + first_line(folder.lock()) + ": expected one run per folder");
        }
        throw CannotCreate(folder.lock().string() + ": cannot be locked: " + std::strerror(error));
    }
    const std::string owner = this_process() + "\n";
    if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, owner.data(), owner.size(), 0) < 0) {
        // The text only helps messages; the lock itself holds, also on a full disk.
    }
}

FolderLock::~FolderLock() { close(descriptor_); }

std::optional<std::string> lock_holder(const StudyFolder& folder) {
    const int descriptor = open(folder.lock().c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return std::nullopt;
    const bool free = flock(descriptor, LOCK_SH | LOCK_NB) == 0;
    close(descriptor);
    if (free) return std::nullopt;
    return first_line(folder.lock());
}

void create_folder(const StudyFolder& folder, bool fresh, bool force) {
    std::error_code error;
    fs::create_directories(folder.root(), error);
    if (error || !fs::is_directory(folder.root())) {
        throw CannotCreate(folder.root().string() + ": the output folder cannot be created: " +
                           (error ? error.message() : "a file of that name exists"));
    }
    if (fresh && !force) {
        for (const auto& entry : fs::directory_iterator(folder.root())) {
            throw CannotCreate(folder.root().string() + ": found " + entry.path().filename().string() +
                               ", expected an empty folder for --fresh; --fresh --force deletes an earlier study in it");
        }
    }
}

void prepare_folder(const StudyFolder& folder, const TomlDocument& study, const std::string& device_kind, bool fresh) {
    try {
        if (fresh) remove_own_files(folder);
        remove_temporary_files(folder);
        for (const char* name : {"shards", "checkpoints", "log"}) fs::create_directories(folder.root() / name);
    } catch (const fs::filesystem_error& error) {
        throw CannotCreate(error.path1().string() + ": " + error.code().message());
    }
    if (fs::exists(folder.manifest())) {
        check_owner(folder, study, device_kind);
    } else {
        claim(folder, study, device_kind);
    }
}

std::string recorded_device_kind(const StudyFolder& folder) {
    if (!fs::exists(folder.manifest())) {
        throw MissingInput(folder.manifest().string() + ": not found, expected a folder that aelle run made");
    }
    return read_manifest(folder).device_kind;
}

}  // namespace aelle::study
