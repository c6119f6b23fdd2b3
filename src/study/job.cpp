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
    for (const auto* values : {&loss, &accuracy, &loss_every_epoch}) archive.array(*values);
    archive.value(loss_final);
    archive.value(loss_best);
    archive.value(static_cast<uint64_t>(spectra.size()));
    for (const KindSpectra& kind : spectra) {
        archive.array(kind.exponents);
        archive.array(kind.reliable);
    }
    archive.value(static_cast<uint64_t>(example.size()));
    for (const auto& values : example) archive.array(values);
    archive.value(static_cast<uint64_t>(weights.size()));
    for (const auto& [name, values] : weights) {
        archive.array(name);
        archive.array(values);
    }
}

void VariantResult::load(ArchiveReader& archive) {
    archive.value(status);
    archive.value(diverged_epoch);
    for (auto* values : {&loss, &accuracy, &loss_every_epoch}) archive.array(*values);
    archive.value(loss_final);
    archive.value(loss_best);
    spectra.clear();
    for (auto left = archive.value<uint64_t>(); left > 0; --left) {
        KindSpectra& kind = spectra.emplace_back();
        archive.array(kind.exponents);
        archive.array(kind.reliable);
    }
    example.clear();
    for (auto left = archive.value<uint64_t>(); left > 0; --left) archive.array(example.emplace_back());
    weights.clear();
    for (auto left = archive.value<uint64_t>(); left > 0; --left) {
        std::string name;
        archive.array(name);
        archive.array(weights[name]);
    }
}

}  // namespace aelle::study
