#pragma once
/// Results of finished groups and snapshots of groups in flight, each one file, written whole or not at all and checked when read.

#include <optional>
#include <string>
#include <vector>

#include "aelle/study/executor.hpp"
#include "aelle/study/folder.hpp"
#include "aelle/study/job.hpp"
#include "aelle/study/task.hpp"

namespace aelle::study {

/// What every shard of a study shares.
struct ResultShape {
    int64_t spectra = 0;  ///< E
    int64_t epochs = 0;
    std::vector<std::string> kinds;  ///< of spectra
    std::vector<ExampleField> example;
};

ResultShape result_shape(const StudyConfig& config, const StudyTask& task);

/// "exponents" or "reliable" for the first kind, "exponents_KIND" for the others.
std::string kind_dataset(const std::string& name, const std::vector<std::string>& kinds, std::size_t kind);

/// Results in the order of `group.variants`; all slots of `work` must be finished. Weights are not stored.
void write_shard(const StudyFolder& folder, const GroupWork& work, const ResultShape& shape);

/// DataError when it is damaged or of another study or version; MissingInput when absent.
std::vector<VariantResult> read_shard(const StudyFolder& folder, const Group& group, const ResultShape& shape);

void write_checkpoint(const StudyFolder& folder, const GroupWork& work);

/// The group as last saved, or nothing when there is no checkpoint. DataError when it is damaged.
std::optional<GroupWork> read_checkpoint(const StudyFolder& folder, const Group& group);

}  // namespace aelle::study
