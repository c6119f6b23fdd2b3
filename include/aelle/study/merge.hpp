#pragma once
/// study.h5: all shards of a study in one labelled file, and reading it back.
///
/// Layout (V variants, E spectrum epochs, K exponents, L common length): datasets `variant`, `cell`, `hidden`, `init`, `seed`,
/// `status`, `diverged_epoch`, `loss_final`, `loss_best`, `dimension` (V); `epoch` (E); `training_epoch` (epochs); `loss`, `accuracy` (V, E);
/// `loss_every_epoch` (V, epochs); `exponents`, `reliable` (V, E, K), NaN beyond `dimension`, of the first kind of spectrum;
/// `exponents_KIND`, `reliable_KIND` of the others; `spectrum` (V, E, L); group `example` for the best, median and worst variant: `variant`, `loss`
/// (3), the fields of StudyTask::example_fields() (3, ...) and what the variants share.
/// Root attributes: study (TOML text), name, task, seed, version, format_version, cells, device, init_name, loss_name.

#include <string>
#include <vector>

#include "aelle/study/config.hpp"
#include "aelle/study/folder.hpp"
#include "aelle/study/shards.hpp"
#include "aelle/study/task.hpp"
#include "aelle/study/variants.hpp"

namespace aelle::study {

/// Writes study.h5 from the shards of all groups. The same shards give the same bytes in every dataset.
void merge_study(const StudyFolder& folder, const TomlDocument& document, const StudyConfig& config, const StudyTask& task,
                 const std::vector<Variant>& variants, const std::vector<Group>& groups, const ResultShape& shape,
                 const std::string& device_kind);

/// What the analysis needs of a study.h5. Arrays are row-major as in the file.
struct StudyData {
    std::string text;  ///< the study file as run
    std::string name, task, init_name, loss_name;
    uint64_t seed = 0;
    std::vector<int64_t> epochs;                ///< (E)
    std::vector<int64_t> variant;               ///< (V)
    std::vector<std::string> cell;              ///< (V)
    std::vector<int64_t> hidden;                ///< (V)
    std::vector<double> init;                   ///< (V)
    std::vector<std::string> status;            ///< (V)
    std::vector<double> loss_final, loss_best;  ///< (V)
    std::vector<double> loss;                   ///< (V, E)
    std::vector<int64_t> dimension;             ///< (V)
    int64_t largest_dimension = 0;              ///< K of `exponents`
    std::vector<double> exponents;              ///< (V, E, K)
};

/// MissingInput when there is none; DataError for another version or a file that lacks something.
StudyData read_study(const std::filesystem::path& file);

}  // namespace aelle::study
