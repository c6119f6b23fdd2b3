#pragma once
/// The output folder of a study: names, ownership, and who may write.
///
///     study.toml      the study as run             shards/       one file per finished group
///     manifest.toml   format, device kind          checkpoints/  groups in flight
///     lock            held while a run works        log/          times, hosts, ranks: all that may differ between equal runs
///     weights/        final weights of each variant, where the study keeps them
///     study.h5, analysis.h5, tables/, report/       results

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "aelle/base/format.hpp"
#include "aelle/study/toml.hpp"

namespace aelle::study {

class StudyFolder {
public:
    explicit StudyFolder(std::filesystem::path root) : root_(std::move(root)) {}

    const std::filesystem::path& root() const { return root_; }
    std::filesystem::path study_toml() const { return root_ / "study.toml"; }
    std::filesystem::path manifest() const { return root_ / "manifest.toml"; }
    std::filesystem::path lock() const { return root_ / "lock"; }
    std::filesystem::path study_file() const { return root_ / "study.h5"; }
    std::filesystem::path analysis_file() const { return root_ / "analysis.h5"; }
    std::filesystem::path progress() const { return root_ / "log" / "progress.toml"; }
    std::filesystem::path shard(int64_t group) const;
    std::filesystem::path checkpoint(int64_t group) const;
    std::filesystem::path weights(int64_t variant) const;

    /// Appends a line with time and rank to log/rank-NNNN.log; a log that cannot be written is no reason to stop.
    void log(int rank, const std::string& line) const;

private:
    std::filesystem::path root_;
};

/// Held by one process per folder and dropped by the kernel when it dies. CannotCreate names the holder's host and process.
class FolderLock {
public:
    explicit FolderLock(const StudyFolder& folder);
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

private:
    int descriptor_ = -1;
};

/// "host, process 123" when some process holds the folder's lock now.
std::optional<std::string> lock_holder(const StudyFolder& folder);

/// Creates the folder where needed. CannotCreate when it cannot be, or when `fresh` and not `force` and it is not empty; with both, our own
/// files in it are deleted (after the lock is taken, by `prepare_folder`).
void create_folder(const StudyFolder& folder, bool fresh, bool force);

/// With the lock held: empties it when `fresh`, checks that it belongs to this study and kind of device (DataError says what differs), or
/// claims it; removes temporary files of killed runs. A study file that differs only in [analysis] replaces the stored one.
void prepare_folder(const StudyFolder& folder, const TomlDocument& study, const std::string& device_kind, bool fresh);

/// The device kind recorded in the folder. MissingInput when it is no study folder, DataError for another format.
std::string recorded_device_kind(const StudyFolder& folder);

}  // namespace aelle::study
