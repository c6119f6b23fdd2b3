#pragma once
/// Results of finished groups and snapshots of groups in flight, each one file, written whole or not at all and checked when read.

#include <optional>
#include <string>
#include <vector>

#include "aelle/study/executor.hpp"
#include "aelle/study/folder.hpp"
#include "aelle/study/job.hpp"

namespace aelle::study {

/// Sizes that every shard of a study shares. S = samples of the example signals.
struct ResultShape {
    int64_t spectra = 0;        ///< E
    int64_t epochs = 0;
    int64_t example_steps = 0;  ///< S
};

/// `results` in the order of `group.variants`; all slots of `work` must be finished.
void write_shard(const StudyFolder& folder, const GroupWork& work, const ResultShape& shape);

/// DataError when it is damaged or of another study or version; MissingInput when absent.
std::vector<VariantResult> read_shard(const StudyFolder& folder, const Group& group, const ResultShape& shape);

void write_checkpoint(const StudyFolder& folder, const GroupWork& work);

/// The group as last saved, or nothing when there is no checkpoint. DataError when it is damaged.
std::optional<GroupWork> read_checkpoint(const StudyFolder& folder, const Group& group);

}  // namespace aelle::study
