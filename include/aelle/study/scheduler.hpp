#pragma once
/// Spreads groups over ranks and threads, saves what they leave, and stops on request.
///
/// Rank 0 hands out groups, longest first, one at a time to whoever asks; it works too. A rank asks while it has fewer waiting variants
/// than its threads take, so that none is idle while work is left. The scheduler knows groups by id, key and cost only.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "aelle/study/comm.hpp"
#include "aelle/study/executor.hpp"
#include "aelle/study/folder.hpp"
#include "aelle/study/shards.hpp"
#include "aelle/study/stop.hpp"

namespace aelle::study {

/// How far the study is; counts of variants unless said otherwise.
struct Progress {
    int64_t groups = 0;
    int64_t groups_finished = 0;
    int64_t groups_running = 0;
    int64_t groups_finished_now = 0;  ///< in this run
    int64_t variants = 0;
    int64_t variants_finished = 0;      ///< rank 0 hears of them at once
    int64_t variants_finished_now = 0;  ///< in this run
    double seconds = 0.0;               ///< since the start of this run
};

struct SchedulerSettings {
    int threads = 1;
    double checkpoint_seconds = 60.0;
    Deadline deadline{std::nullopt};
    BlankResult blank = nullptr;  ///< as in Executor
    /// Called with every result before its group's shard is written, at the rank that has it; keeps what shards do not hold.
    std::function<void(int64_t variant, const VariantResult& result)> keep = nullptr;
};

/// Trains all groups that have no shard yet, and again the failed variants of those that have one. Collective: all ranks call it with the same groups. Returns false when stopped on request, then
/// with everything in hand saved. `on_progress` is called at rank 0 several times a second; `on_warning` anywhere, for a damaged shard or
/// checkpoint whose work is done again.
bool run_groups(Comm& comm, const StudyFolder& folder, const std::vector<Group>& groups, const ResultShape& shape, JobSource source,
                const SchedulerSettings& settings, const std::function<void(const Progress&)>& on_progress,
                const std::function<void(const std::string&)>& on_warning);

/// log/progress.toml: what a running study last said of itself; nothing when it has said nothing yet.
void write_progress(const StudyFolder& folder, const Progress& progress);
std::optional<Progress> read_progress(const StudyFolder& folder);

}  // namespace aelle::study
