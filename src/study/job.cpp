#include "aelle/study/job.hpp"

namespace aelle::study {

std::string to_string(VariantStatus status) {
    switch (status) {
        case VariantStatus::ok: return "ok";
        case VariantStatus::diverged: return "diverged";
        case VariantStatus::failed: break;
    }
    return "failed";
}

void VariantResult::save(ArchiveWriter& archive) const {
    archive.value(status);
    archive.value(diverged_epoch);
    for (const auto* values : {&loss, &accuracy, &loss_every_epoch, &exponents, &example_target, &example_output}) {
        archive.array(*values);
    }
    archive.array(reliable);
    archive.value(loss_final);
    archive.value(loss_best);
}

void VariantResult::load(ArchiveReader& archive) {
    archive.value(status);
    archive.value(diverged_epoch);
    for (auto* values : {&loss, &accuracy, &loss_every_epoch, &exponents, &example_target, &example_output}) {
        archive.array(*values);
    }
    archive.array(reliable);
    archive.value(loss_final);
    archive.value(loss_best);
}

}  // namespace aelle::study
