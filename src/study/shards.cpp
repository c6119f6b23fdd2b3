#include "aelle/study/shards.hpp"

#include <filesystem>

#include "aelle/base/error.hpp"
#include "aelle/io/format.hpp"

namespace aelle::study {
namespace {

using io::Dims;

void check_identity(const io::H5Reader& file, const Group& group) {
    io::check_format_version(file);
    if (file.text("/", "study") != group.study) {
        throw DataError(file.file().string() + ": study: found " + file.text("/", "study") + ", expected " + group.study +
                        ": it belongs to another study");
    }
    if (file.read<int64_t>("variant") != group.variants) {
        throw DataError(file.file().string() + ": variant: found other variants than those of group " + std::to_string(group.id));
    }
}

void write_identity(io::H5Writer& file, const Group& group) {
    file.attribute("/", "format_version", format_version);
    file.attribute("/", "study", group.study);
    file.write("variant", group.variants, {static_cast<int64_t>(group.variants.size())});
}

/// One array per variant, end to end. All must have `length` values.
template <class T>
std::vector<T> stacked(const std::vector<VariantResult>& results, std::vector<T> VariantResult::* member, int64_t length) {
    std::vector<T> all;
    for (const VariantResult& result : results) {
        require(static_cast<int64_t>((result.*member).size()) == length, "a variant's result has another shape than its study");
        all.insert(all.end(), (result.*member).begin(), (result.*member).end());
    }
    return all;
}

template <class T>
void unstack(const io::H5Reader& file, const std::string& name, const Dims& dims, std::vector<VariantResult>& results,
             std::vector<T> VariantResult::* member) {
    const std::vector<T> all = file.read<T>(name, dims);
    const std::size_t length = all.size() / results.size();
    for (std::size_t i = 0; i < results.size(); ++i) {
        const auto first = all.begin() + static_cast<std::ptrdiff_t>(i * length);
        (results[i].*member).assign(first, first + static_cast<std::ptrdiff_t>(length));
    }
}

}  // namespace

void write_shard(const StudyFolder& folder, const GroupWork& work, const ResultShape& shape) {
    const auto count = static_cast<int64_t>(work.slots.size());
    std::vector<VariantResult> results(work.slots.size());
    std::vector<int32_t> status;
    std::vector<int64_t> diverged_epoch;
    std::vector<double> loss_final, loss_best;
    for (std::size_t i = 0; i < work.slots.size(); ++i) {
        ArchiveReader archive(work.slots[i].snapshot);
        results[i].load(archive);
        status.push_back(static_cast<int32_t>(results[i].status));
        diverged_epoch.push_back(results[i].diverged_epoch);
        loss_final.push_back(results[i].loss_final);
        loss_best.push_back(results[i].loss_best);
    }
    const int64_t exponents = static_cast<int64_t>(results.front().exponents.size()) / shape.spectra;
    io::H5Writer file;
    write_identity(file, work.group);
    file.write("status", status, {count});
    file.write("diverged_epoch", diverged_epoch, {count});
    file.write("loss_final", loss_final, {count});
    file.write("loss_best", loss_best, {count});
    file.write("loss", stacked(results, &VariantResult::loss, shape.spectra), {count, shape.spectra});
    file.write("accuracy", stacked(results, &VariantResult::accuracy, shape.spectra), {count, shape.spectra});
    file.write("loss_every_epoch", stacked(results, &VariantResult::loss_every_epoch, shape.epochs), {count, shape.epochs});
    const Dims spectra{count, shape.spectra, exponents};
    file.write("exponents", stacked(results, &VariantResult::exponents, shape.spectra * exponents), spectra);
    file.write("reliable", stacked(results, &VariantResult::reliable, shape.spectra * exponents), spectra);
    const Dims examples{count, shape.example_steps};
    file.write("example_target", stacked(results, &VariantResult::example_target, shape.example_steps), examples);
    file.write("example_output", stacked(results, &VariantResult::example_output, shape.example_steps), examples);
    file.commit(folder.shard(work.group.id), io::Checksum::trailer);
}

std::vector<VariantResult> read_shard(const StudyFolder& folder, const Group& group, const ResultShape& shape) {
    const io::H5Reader file(folder.shard(group.id), io::Checksum::trailer);
    check_identity(file, group);
    const auto count = static_cast<int64_t>(group.variants.size());
    std::vector<VariantResult> results(group.variants.size());
    const auto status = file.read<int32_t>("status", {count});
    const auto diverged_epoch = file.read<int64_t>("diverged_epoch", {count});
    const auto loss_final = file.read<double>("loss_final", {count});
    const auto loss_best = file.read<double>("loss_best", {count});
    for (std::size_t i = 0; i < results.size(); ++i) {
        results[i].status = static_cast<VariantStatus>(status[i]);
        results[i].diverged_epoch = diverged_epoch[i];
        results[i].loss_final = loss_final[i];
        results[i].loss_best = loss_best[i];
    }
    unstack(file, "loss", {count, shape.spectra}, results, &VariantResult::loss);
    unstack(file, "accuracy", {count, shape.spectra}, results, &VariantResult::accuracy);
    unstack(file, "loss_every_epoch", {count, shape.epochs}, results, &VariantResult::loss_every_epoch);
    unstack(file, "exponents", {count, shape.spectra, -1}, results, &VariantResult::exponents);
    unstack(file, "reliable", {count, shape.spectra, -1}, results, &VariantResult::reliable);
    unstack(file, "example_target", {count, shape.example_steps}, results, &VariantResult::example_target);
    unstack(file, "example_output", {count, shape.example_steps}, results, &VariantResult::example_output);
    return results;
}

void write_checkpoint(const StudyFolder& folder, const GroupWork& work) {
    const auto count = static_cast<int64_t>(work.slots.size());
    std::vector<int32_t> state;
    std::vector<double> progress;
    std::vector<int64_t> size;
    std::vector<std::byte> bytes;
    for (const Slot& slot : work.slots) {
        state.push_back(static_cast<int32_t>(slot.state));
        progress.push_back(slot.progress);
        size.push_back(static_cast<int64_t>(slot.snapshot.size()));
        bytes.insert(bytes.end(), slot.snapshot.begin(), slot.snapshot.end());
    }
    io::H5Writer file;
    write_identity(file, work.group);
    file.write("state", state, {count});
    file.write("progress", progress, {count});
    file.write("size", size, {count});
    file.write("snapshot", bytes, {static_cast<int64_t>(bytes.size())});
    file.commit(folder.checkpoint(work.group.id), io::Checksum::trailer);
}

std::optional<GroupWork> read_checkpoint(const StudyFolder& folder, const Group& group) {
    if (!std::filesystem::exists(folder.checkpoint(group.id))) return std::nullopt;
    const io::H5Reader file(folder.checkpoint(group.id), io::Checksum::trailer);
    check_identity(file, group);
    const auto count = static_cast<int64_t>(group.variants.size());
    const auto state = file.read<int32_t>("state", {count});
    const auto progress = file.read<double>("progress", {count});
    const auto size = file.read<int64_t>("size", {count});
    const auto bytes = file.read<std::byte>("snapshot");
    GroupWork work{group, std::vector<Slot>(group.variants.size())};
    auto at = bytes.begin();
    for (std::size_t i = 0; i < work.slots.size(); ++i) {
        if (size[i] < 0 || size[i] > bytes.end() - at) throw DataError(file.file().string() + ": size: exceeds the snapshot's length");
        work.slots[i] = {static_cast<SlotState>(state[i]), progress[i], {at, at + size[i]}};
        at += size[i];
    }
    return work;
}

}  // namespace aelle::study
