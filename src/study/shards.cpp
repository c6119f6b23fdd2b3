#include "aelle/study/shards.hpp"

#include <filesystem>
#include <type_traits>

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

/// One array per variant, end to end; `member` finds it in a result. All must have `length` values.
template <class Member>
auto stacked(std::vector<VariantResult>& results, int64_t length, Member member) {
    std::remove_reference_t<decltype(member(results.front()))> all;
    for (VariantResult& result : results) {
        const auto& values = member(result);
        require(static_cast<int64_t>(values.size()) == length, "a variant's result has another shape than its study");
        all.insert(all.end(), values.begin(), values.end());
    }
    return all;
}

template <class Member>
void unstack(const io::H5Reader& file, const std::string& name, const Dims& dims, std::vector<VariantResult>& results, Member member) {
    using Values = std::remove_reference_t<decltype(member(results.front()))>;
    const Values all = file.read<typename Values::value_type>(name, dims);
    const std::size_t length = all.size() / results.size();
    for (std::size_t i = 0; i < results.size(); ++i) {
        const auto first = all.begin() + static_cast<std::ptrdiff_t>(i * length);
        member(results[i]).assign(first, first + static_cast<std::ptrdiff_t>(length));
    }
}

/// Calls visit(name, dims of one variant, member) for every array of reals of a result but those of spectra.
template <class Visit>
void for_each_array(const ResultShape& shape, Visit visit) {
    using Reals = std::vector<double>&;
    visit("loss", Dims{shape.spectra}, [](VariantResult& result) -> Reals { return result.loss; });
    visit("accuracy", Dims{shape.spectra}, [](VariantResult& result) -> Reals { return result.accuracy; });
    visit("loss_every_epoch", Dims{shape.epochs}, [](VariantResult& result) -> Reals { return result.loss_every_epoch; });
    for (std::size_t i = 0; i < shape.example.size(); ++i) {
        visit("example_" + shape.example[i].name, shape.example[i].dims, [i](VariantResult& result) -> Reals { return result.example[i]; });
    }
}

Dims with_front(int64_t count, const Dims& dims) {
    Dims all{count};
    all.insert(all.end(), dims.begin(), dims.end());
    return all;
}

int64_t product(const Dims& dims) {
    int64_t count = 1;
    for (const int64_t extent : dims) count *= extent;
    return count;
}

auto exponents_of(std::size_t kind) {
    return [kind](VariantResult& result) -> std::vector<double>& { return result.spectra[kind].exponents; };
}

auto flags_of(std::size_t kind) {
    return [kind](VariantResult& result) -> std::vector<uint8_t>& { return result.spectra[kind].reliable; };
}

}  // namespace

ResultShape result_shape(const StudyConfig& config, const StudyTask& task) {
    return {static_cast<int64_t>(config.spectrum.epochs.size()), config.epochs, config.spectrum.kinds, task.example_fields()};
}

std::string kind_dataset(const std::string& name, const std::vector<std::string>& kinds, std::size_t kind) {
    return kind == 0 ? name : name + "_" + kinds[kind];
}

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
    io::H5Writer file;
    write_identity(file, work.group);
    file.write("status", status, {count});
    file.write("diverged_epoch", diverged_epoch, {count});
    file.write("loss_final", loss_final, {count});
    file.write("loss_best", loss_best, {count});
    for_each_array(shape, [&](const std::string& name, const Dims& dims, auto member) {
        file.write(name, stacked(results, product(dims), member), with_front(count, dims));
    });
    for (std::size_t kind = 0; kind < shape.kinds.size(); ++kind) {
        const auto values = static_cast<int64_t>(results.front().spectra.at(kind).exponents.size());
        const Dims dims{count, shape.spectra, values / shape.spectra};
        file.write(kind_dataset("exponents", shape.kinds, kind), stacked(results, values, exponents_of(kind)), dims);
        file.write(kind_dataset("reliable", shape.kinds, kind), stacked(results, values, flags_of(kind)), dims);
    }
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
    for (VariantResult& result : results) {
        result.spectra.resize(shape.kinds.size());
        result.example.resize(shape.example.size());
    }
    for_each_array(shape, [&](const std::string& name, const Dims& dims, auto member) {
        unstack(file, name, with_front(count, dims), results, member);
    });
    for (std::size_t kind = 0; kind < shape.kinds.size(); ++kind) {
        unstack(file, kind_dataset("exponents", shape.kinds, kind), {count, shape.spectra, -1}, results, exponents_of(kind));
        unstack(file, kind_dataset("reliable", shape.kinds, kind), {count, shape.spectra, -1}, results, flags_of(kind));
    }
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
