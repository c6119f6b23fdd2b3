#include "aelle/study/job.hpp"

#include <utility>

namespace aelle::study {
namespace {

class Alone final : public GroupJob {
public:
    explicit Alone(std::unique_ptr<Job> job) : job_(std::move(job)) {}
    std::size_t size() const override { return 1; }
    bool done(std::size_t) const override { return job_->done(); }
    void advance() override { job_->advance(); }
    double progress(std::size_t) const override { return job_->progress(); }
    void save(std::size_t, ArchiveWriter& archive) const override { job_->save(archive); }
    void load(std::size_t, ArchiveReader& archive) override { job_->load(archive); }
    VariantResult result(std::size_t) const override { return job_->result(); }

private:
    std::unique_ptr<Job> job_;
};

}  // namespace

std::unique_ptr<GroupJob> alone(std::unique_ptr<Job> job) { return std::make_unique<Alone>(std::move(job)); }

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
