#include "aelle/study/merge.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/embed/spectra.hpp"
#include "aelle/io/format.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "scales.hpp"

namespace aelle::study {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// All results of a study as columns, in the order of variants.
struct Columns {
    std::vector<std::string> cell, status;
    std::vector<int64_t> variant, hidden, seed, diverged_epoch, dimension;
    std::vector<double> init, loss_final, loss_best, loss, accuracy, loss_every_epoch, spectrum;
    std::vector<KindSpectra> spectra;  // (V, E, largest) of each kind
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

/// `largest`: the largest number of exponents of each kind.
void append_variant(Columns& columns, const Variant& variant, const VariantResult& result, const StudyTask& task,
                    const std::vector<int64_t>& largest, int64_t spectra) {
    const int64_t dimension = task.exponent_count(variant);
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
    columns.spectra.resize(largest.size());
    for (std::size_t kind = 0; kind < largest.size(); ++kind) {
        append_padded(columns.spectra[kind].exponents, result.spectra[kind].exponents, spectra, largest[kind], nan);
        append_padded(columns.spectra[kind].reliable, result.spectra[kind].reliable, spectra, largest[kind], uint8_t{0});
    }
    for (int64_t e = 0; e < spectra; ++e) {
        const std::span<const double> exponents(result.spectra[0].exponents.data() + e * dimension, static_cast<std::size_t>(dimension));
        append(columns.spectrum, embed::interpolate_linear(exponents, largest[0]));
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

void label(io::H5Writer& file, const std::string& name, const std::vector<std::string>& scales, const std::string& units,
           const std::string& long_name) {
    for (std::size_t axis = 0; axis < scales.size(); ++axis) file.attach_scale(name, static_cast<int>(axis), scales[axis]);
    if (!units.empty()) file.attribute(name, "units", units);
    file.attribute(name, "long_name", long_name);
}

/// Results of the example variants.
struct Examples {
    std::vector<int64_t> variant;
    std::vector<double> loss;
    std::vector<VariantResult> results;
};

void write_examples(io::H5Writer& file, const Examples& examples, const StudyTask& task, const ResultShape& shape) {
    const auto count = static_cast<int64_t>(examples.variant.size());
    if (count == 0) return;
    file.write("example/variant", examples.variant, {count});
    file.make_scale("example/variant", "variant");
    file.write("example/loss", examples.loss, {count});
    file.attach_scale("example/loss", 0, "example/variant");
    task.write_shared_examples(file);
    for (std::size_t i = 0; i < shape.example.size(); ++i) {
        const ExampleField& field = shape.example[i];
        const std::string name = "example/" + field.name;
        std::vector<double> values;
        for (const VariantResult& result : examples.results) append(values, result.example[i]);
        io::Dims dims{count};
        dims.insert(dims.end(), field.dims.begin(), field.dims.end());
        if (field.integer) file.write(name, std::vector<int64_t>(values.begin(), values.end()), dims);
        else file.write(name, values, dims);
        // Readers of netCDF want all dimensions labelled, or none.
        std::vector<std::string> axes{"example/variant"};
        for (const std::string& axis : field.axes) axes.push_back("example/" + axis);
        label(file, name, axes, "", field.meaning);
    }
    file.attribute("example", "order", std::string("best, median and worst final loss"));
}

void write_spectra(io::H5Writer& file, const Columns& columns, const std::vector<std::string>& kinds, const std::vector<int64_t>& largest) {
    const auto count = static_cast<int64_t>(columns.variant.size());
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
        const std::string index = kind_dataset("exponent_index", kinds, kind), exponents = kind_dataset("exponents", kinds, kind),
                          reliable = kind_dataset("reliable", kinds, kind);
        const lyapunov::SpectrumKind& method = lyapunov::find_kind(kinds[kind]);
        write_scale(file, index, counting(largest[kind]), method.as_published ? "column" : "position in the descending spectrum");
        const io::Dims dims{count, static_cast<int64_t>(columns.spectra[kind].exponents.size()) / (count * largest[kind]), largest[kind]};
        const std::vector<std::string> scales{"variant", "epoch", index};
        file.write(exponents, columns.spectra[kind].exponents, dims);
        label(file, exponents, scales, "nats per step",
              method.as_published ? "Lyapunov exponents in the order of columns" : "Lyapunov exponents, descending");
        file.attribute(exponents, "kind", kinds[kind]);
        file.attribute(exponents, "meaning", std::string(method.meaning));
        file.write(reliable, columns.spectra[kind].reliable, dims);
        label(file, reliable, scales, "1", "1 where rounding cannot have spoiled the exponent");
        if (kind > 0) continue;
        file.write("spectrum", columns.spectrum, dims);
        label(file, "spectrum", scales, "nats per step", "exponents interpolated to a common length");
    }
}

void write_columns(io::H5Writer& file, const Columns& columns, const StudyConfig& config, const StudyTask& task,
                   const std::vector<int64_t>& largest) {
    const auto count = static_cast<int64_t>(columns.variant.size());
    const auto spectra = static_cast<int64_t>(config.spectrum.epochs.size());
    write_scale(file, "variant", columns.variant, "number of the variant in the study's order");
    write_scale(file, "epoch", config.spectrum.epochs, "training epochs before the spectrum");
    write_scale(file, "training_epoch", counting(config.epochs, 1), "training epoch");
    const std::vector<std::string> v{"variant"}, ve{"variant", "epoch"};

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
    write_spectra(file, columns, config.spectrum.kinds, largest);
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
    std::vector<int64_t> largest(shape.kinds.size(), 0);
    for (const Variant& variant : variants) {
        for (std::size_t kind = 0; kind < largest.size(); ++kind) largest[kind] = std::max(largest[kind], task.exponent_count(variant, kind));
    }
    Columns columns;
    for (const Group& group : groups) {
        const std::vector<VariantResult> results = read_shard(folder, group, shape);
        for (std::size_t i = 0; i < results.size(); ++i) {
            const Variant& variant = variants[static_cast<std::size_t>(group.variants[i])];
            append_variant(columns, variant, results[i], task, largest, shape.spectra);
        }
    }
    Examples examples;
    for (const std::size_t v : example_variants(columns.loss_final)) {
        const auto owner = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
            return std::binary_search(group.variants.begin(), group.variants.end(), static_cast<int64_t>(v));
        });
        const auto results = read_shard(folder, *owner, shape);
        examples.variant.push_back(static_cast<int64_t>(v));
        examples.loss.push_back(columns.loss_final[v]);
        examples.results.push_back(results[v - static_cast<std::size_t>(owner->variants.front())]);
    }
    io::H5Writer file;
    write_root(file, document, config, task, device_kind);
    write_columns(file, columns, config, task, largest);
    write_examples(file, examples, task, shape);
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
