#include "aelle/study/merge.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/embed/spectra.hpp"
#include "aelle/io/format.hpp"

namespace aelle::study {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// All results of a study as columns, in the order of variants.
struct Columns {
    std::vector<std::string> cell, status;
    std::vector<int64_t> variant, hidden, seed, diverged_epoch, dimension;
    std::vector<double> init, loss_final, loss_best, loss, accuracy, loss_every_epoch, exponents, spectrum;
    std::vector<uint8_t> reliable;
};

void append(std::vector<double>& to, const std::vector<double>& from) { to.insert(to.end(), from.begin(), from.end()); }

/// Appends (E, K) as (E, largest), the rest filled.
template <class T>
void append_padded(std::vector<T>& to, const std::vector<T>& from, int64_t spectra, int64_t largest, T filler) {
    const int64_t count = static_cast<int64_t>(from.size()) / spectra;
    for (int64_t e = 0; e < spectra; ++e) {
        to.insert(to.end(), from.begin() + e * count, from.begin() + (e + 1) * count);
        to.insert(to.end(), static_cast<std::size_t>(largest - count), filler);
    }
}

void append_variant(Columns& columns, const Variant& variant, const VariantResult& result, int64_t dimension, int64_t largest,
                    int64_t spectra) {
    columns.variant.push_back(variant.id);
    columns.cell.push_back(variant.cell);
    columns.hidden.push_back(variant.hidden);
    columns.init.push_back(variant.init);
    columns.seed.push_back(static_cast<int64_t>(variant.seed));
    columns.status.push_back(to_string(result.status));
    columns.diverged_epoch.push_back(result.diverged_epoch);
    columns.dimension.push_back(dimension);
    columns.loss_final.push_back(result.loss_final);
    columns.loss_best.push_back(result.loss_best);
    append(columns.loss, result.loss);
    append(columns.accuracy, result.accuracy);
    append(columns.loss_every_epoch, result.loss_every_epoch);
    append_padded(columns.exponents, result.exponents, spectra, largest, nan);
    append_padded(columns.reliable, result.reliable, spectra, largest, uint8_t{0});
    for (int64_t e = 0; e < spectra; ++e) {
        const std::span<const double> exponents(result.exponents.data() + e * dimension, static_cast<std::size_t>(dimension));
        append(columns.spectrum, embed::interpolate_linear(exponents, largest));
    }
}

/// Best, median and worst of the variants with a finite loss; fewer when there are none.
std::vector<std::size_t> example_variants(const std::vector<double>& loss) {
    std::vector<std::size_t> order;
    for (std::size_t v = 0; v < loss.size(); ++v) {
        if (std::isfinite(loss[v])) order.push_back(v);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return loss[a] < loss[b]; });
    if (order.empty()) return {};
    return {order.front(), order[(order.size() - 1) / 2], order.back()};
}

struct Examples {
    std::vector<int64_t> variant;
    std::vector<double> loss, target, output;
};

void write_examples(io::H5Writer& file, const Examples& examples, int64_t samples, double time_step) {
    const auto count = static_cast<int64_t>(examples.variant.size());
    if (count == 0) return;
    std::vector<double> time(static_cast<std::size_t>(samples));
    for (std::size_t i = 0; i < time.size(); ++i) time[i] = static_cast<double>(i) * time_step;
    file.write("example/variant", examples.variant, {count});
    file.make_scale("example/variant", "variant");
    file.write("example/time", time, {samples});
    file.make_scale("example/time", "time");
    file.attribute("example/time", "units", std::string("time constants"));
    file.write("example/loss", examples.loss, {count});
    file.attach_scale("example/loss", 0, "example/variant");
    for (const auto& [name, values] : {std::pair{"example/target", &examples.target}, std::pair{"example/output", &examples.output}}) {
        file.write(name, *values, {count, samples});
        file.attach_scale(name, 0, "example/variant");  // readers of netCDF want all dimensions labelled, or none
        file.attach_scale(name, 1, "example/time");
    }
    file.attribute("example", "order", std::string("best, median and worst final loss"));
}

void label(io::H5Writer& file, const std::string& name, const std::vector<std::string>& scales, const std::string& units,
           const std::string& long_name) {
    for (std::size_t axis = 0; axis < scales.size(); ++axis) file.attach_scale(name, static_cast<int>(axis), scales[axis]);
    if (!units.empty()) file.attribute(name, "units", units);
    file.attribute(name, "long_name", long_name);
}

void write_scale(io::H5Writer& file, const std::string& name, const std::vector<int64_t>& values, const std::string& long_name) {
    file.write(name, values, {static_cast<int64_t>(values.size())});
    file.make_scale(name, name);
    file.attribute(name, "long_name", long_name);
}

std::vector<int64_t> counting(int64_t count, int64_t first) {
    std::vector<int64_t> values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), first);
    return values;
}

void write_columns(io::H5Writer& file, const Columns& columns, const StudyConfig& config, const StudyTask& task, int64_t largest) {
    const auto count = static_cast<int64_t>(columns.variant.size());
    const auto spectra = static_cast<int64_t>(config.spectrum.epochs.size());
    write_scale(file, "variant", columns.variant, "number of the variant in the study's order");
    write_scale(file, "epoch", config.spectrum.epochs, "training epochs before the spectrum");
    write_scale(file, "training_epoch", counting(config.epochs, 1), "training epoch");
    write_scale(file, "exponent_index", counting(largest, 0), "position in the descending spectrum");
    const std::vector<std::string> v{"variant"}, ve{"variant", "epoch"}, vek{"variant", "epoch", "exponent_index"};

    file.write_strings("cell", columns.cell, {count});
    label(file, "cell", v, "", "architecture");
    file.write_strings("status", columns.status, {count});
    label(file, "status", v, "", "ok, diverged or failed");
    const auto integers = [&](const std::string& name, const std::vector<int64_t>& values, const std::string& long_name) {
        file.write(name, values, {count});
        label(file, name, v, "1", long_name);
    };
    integers("hidden", columns.hidden, "hidden units");
    integers("seed", columns.seed, "seed of all random numbers of the variant");
    integers("diverged_epoch", columns.diverged_epoch, "training epoch of divergence, -1 otherwise");
    integers("dimension", columns.dimension, "number of exponents");
    const auto reals = [&](const std::string& name, const std::vector<double>& values, const io::Dims& dims,
                           const std::vector<std::string>& scales, const std::string& units, const std::string& long_name) {
        file.write(name, values, dims);
        label(file, name, scales, units, long_name);
    };
    reals("init", columns.init, {count}, v, "1", "initialisation parameter " + task.init_name());
    reals("loss_final", columns.loss_final, {count}, v, "1", "validation loss at the end of training: " + task.loss_name());
    reals("loss_best", columns.loss_best, {count}, v, "1", "least validation loss: " + task.loss_name());
    reals("loss", columns.loss, {count, spectra}, ve, "1", "validation loss: " + task.loss_name());
    reals("accuracy", columns.accuracy, {count, spectra}, ve, "1", "share of right answers");
    reals("loss_every_epoch", columns.loss_every_epoch, {count, config.epochs}, {"variant", "training_epoch"}, "1", "learning curve");
    const io::Dims dims{count, spectra, largest};
    reals("exponents", columns.exponents, dims, vek, "nats per step", "Lyapunov exponents, descending");
    file.write("reliable", columns.reliable, dims);
    label(file, "reliable", vek, "1", "1 where rounding cannot have spoiled the exponent");
    reals("spectrum", columns.spectrum, dims, vek, "nats per step", "exponents interpolated to a common length");
}

void write_root(io::H5Writer& file, const TomlDocument& document, const StudyConfig& config, const StudyTask& task,
                const std::string& device_kind) {
    file.attribute("/", "format_version", format_version);
    file.attribute("/", "study", document.text());
    file.attribute("/", "name", config.name);
    file.attribute("/", "task", config.task);
    file.attribute("/", "seed", static_cast<int64_t>(config.seed));
    file.attribute("/", "version", build_info().version);
    file.attribute("/", "cells", config.cells);
    file.attribute("/", "device", device_kind);
    file.attribute("/", "init_name", task.init_name());
    file.attribute("/", "loss_name", task.loss_name());
}

/// As an integer: a double would lose digits of a 63-bit seed.
uint64_t seed_of(const io::H5Reader& file) {
    const auto attribute = file.attribute("/", "seed");
    if (!attribute || !std::holds_alternative<int64_t>(*attribute)) {
        throw DataError(file.file().string() + ": attribute seed: missing, expected an integer");
    }
    return static_cast<uint64_t>(std::get<int64_t>(*attribute));
}

}  // namespace

void merge_study(const StudyFolder& folder, const TomlDocument& document, const StudyConfig& config, const StudyTask& task,
                 const std::vector<Variant>& variants, const std::vector<Group>& groups, const ResultShape& shape,
                 const std::string& device_kind) {
    int64_t largest = 0;
    for (const Variant& variant : variants) largest = std::max(largest, task.exponent_count(variant));
    Columns columns;
    for (const Group& group : groups) {
        const std::vector<VariantResult> results = read_shard(folder, group, shape);
        for (std::size_t i = 0; i < results.size(); ++i) {
            const Variant& variant = variants[static_cast<std::size_t>(group.variants[i])];
            append_variant(columns, variant, results[i], task.exponent_count(variant), largest, shape.spectra);
        }
    }
    Examples examples;
    for (const std::size_t v : example_variants(columns.loss_final)) {
        const auto owner = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
            return std::binary_search(group.variants.begin(), group.variants.end(), static_cast<int64_t>(v));
        });
        const auto results = read_shard(folder, *owner, shape);
        const VariantResult& result = results[v - static_cast<std::size_t>(owner->variants.front())];
        examples.variant.push_back(static_cast<int64_t>(v));
        examples.loss.push_back(columns.loss_final[v]);
        append(examples.target, result.example_target);
        append(examples.output, result.example_output);
    }
    io::H5Writer file;
    write_root(file, document, config, task, device_kind);
    write_columns(file, columns, config, task, largest);
    write_examples(file, examples, shape.example_steps, task.example_time_step());
    file.commit(folder.study_file());
}

StudyData read_study(const std::filesystem::path& path) {
    const io::H5Reader file(path);
    io::check_format_version(file);
    StudyData data;
    data.text = file.text("/", "study");
    data.name = file.text("/", "name");
    data.task = file.text("/", "task");
    data.init_name = file.text("/", "init_name");
    data.loss_name = file.text("/", "loss_name");
    data.seed = seed_of(file);
    data.variant = file.read<int64_t>("variant", {-1});
    data.epochs = file.read<int64_t>("epoch", {-1});
    const auto count = static_cast<int64_t>(data.variant.size());
    const auto spectra = static_cast<int64_t>(data.epochs.size());
    data.cell = file.read_strings("cell");
    data.status = file.read_strings("status");
    data.hidden = file.read<int64_t>("hidden", {count});
    data.init = file.read<double>("init", {count});
    data.loss_final = file.read<double>("loss_final", {count});
    data.loss_best = file.read<double>("loss_best", {count});
    data.loss = file.read<double>("loss", {count, spectra});
    data.dimension = file.read<int64_t>("dimension", {count});
    data.exponents = file.read<double>("exponents", {count, spectra, -1});
    data.largest_dimension = file.dims("exponents").back();
    for (const auto* strings : {&data.cell, &data.status}) {
        if (static_cast<int64_t>(strings->size()) != count) {
            throw DataError(path.string() + ": cell, status: found " + std::to_string(strings->size()) + " values, expected " +
                            std::to_string(count));
        }
    }
    for (const int64_t dimension : data.dimension) {
        if (dimension < 1 || dimension > data.largest_dimension) {
            throw DataError(path.string() + ": dimension: found " + std::to_string(dimension) + ", expected from 1 to " +
                            std::to_string(data.largest_dimension));
        }
    }
    return data;
}

}  // namespace aelle::study
