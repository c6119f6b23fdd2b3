#include "aelle/study/config.hpp"

#include <algorithm>
#include <set>

#include "aelle/cells/spec.hpp"
#include "aelle/lyapunov/kinds.hpp"

namespace aelle::study {
namespace {

std::vector<std::string> cell_names() {
    std::vector<std::string> names;
    for (const cells::CellSpec& cell : cells::all_cells()) names.emplace_back(cell.name);
    return names;
}

std::vector<std::string> kind_names() {
    std::vector<std::string> names;
    for (const lyapunov::SpectrumKind& kind : lyapunov::spectrum_kinds()) names.emplace_back(kind.name);
    return names;
}

/// Either a list that is taken in turn or a range to draw from.
void read_init(TomlTable& table, StudyConfig& config) {
    const bool range = table.has("init_range");
    const bool values = table.has("init_values");
    if (range && values) table.fail("init_range", "found beside init_values, expected one of the two");
    const std::string law = table.choice("init_distribution", "uniform", {"uniform", "log-uniform"});
    if (!range) {
        if (table.has("init_distribution")) table.fail("init_distribution", "found without init_range = [low, high]");
        config.init_values = table.reals("init_values", std::nullopt, 0.0, 1e6);
        return;
    }
    const std::vector<double> ends = table.reals("init_range", std::nullopt, 0.0, 1e6);
    config.init_distribution = law == "uniform" ? InitDistribution::uniform : InitDistribution::log_uniform;
    const double lowest = law == "uniform" ? 0.0 : 1e-300;
    if (ends.size() != 2 || ends[0] > ends[1] || ends[0] < lowest) {
        table.fail("init_range", "expected [low, high] with low at most high" + std::string(law == "uniform" ? "" : ", both positive"));
    }
    config.init_low = ends[0];
    config.init_high = ends[1];
}

void refuse_repeats(TomlTable& table, const std::string& key, const std::vector<std::string>& values) {
    if (std::set<std::string>(values.begin(), values.end()).size() < values.size()) table.fail(key, "expected each once");
}

void read_variants(TomlTable table, StudyConfig& config) {
    config.cells = table.strings("cells", std::nullopt, cell_names());
    config.hidden = table.integers("hidden", std::nullopt, 1, 65536);
    config.count = table.integer("count", std::nullopt, 1, max_variants);
    refuse_repeats(table, "cells", config.cells);
    read_init(table, config);
    config.group_size = table.integer("group_size", 8, 1, 65536);
    const auto combinations = static_cast<int64_t>(config.cells.size() * config.hidden.size());
    if (combinations * config.count > max_variants) {
        table.fail("count", "found " + std::to_string(config.count) + " for each of " + std::to_string(combinations) +
                                " combinations of cell and size, expected at most " + std::to_string(max_variants) +
                                " variants in all");
    }
}

/// A number of leading exponents makes sense where all variants have as many, of every kind.
void check_exponents(TomlTable& table, const StudyConfig& config) {
    const int64_t wanted = config.spectrum.exponents;
    if (wanted == 0) return;
    for (const std::string& kind : config.spectrum.kinds) {
        std::set<int64_t> dimensions;
        for (const std::string& cell : config.cells) {
            for (const int64_t hidden : config.hidden) {
                dimensions.insert(lyapunov::tangent_dimension(lyapunov::find_kind(kind), cells::find_cell(cell), {hidden, 0}));
            }
        }
        if (dimensions.size() > 1) {
            table.fail("exponents", "found " + std::to_string(wanted) +
                                        ", expected 0 (all) for variants of unlike dimension: leading parts of unlike spectra cannot be compared");
        }
        if (wanted > *dimensions.begin()) {
            table.fail("exponents", "found " + std::to_string(wanted) + ", expected at most " + std::to_string(*dimensions.begin()) +
                                        ", the dimension of spectra of kind " + kind + " (0 asks for all)");
        }
    }
}

void read_spectrum(TomlTable table, StudyConfig& config) {
    SpectrumConfig& spectrum = config.spectrum;
    spectrum.epochs = table.integers("epochs", std::nullopt, 0, config.epochs);
    if (!std::is_sorted(spectrum.epochs.begin(), spectrum.epochs.end(), std::less_equal<>())) {
        table.fail("epochs", "expected ascending epochs, each once");
    }
    spectrum.kinds = table.strings("kinds", std::vector<std::string>{"full"}, kind_names());
    refuse_repeats(table, "kinds", spectrum.kinds);
    spectrum.steps = table.integer("steps", 0, 0, 100'000'000);
    spectrum.warmup = table.integer("warmup", 0, 0, 100'000'000);
    spectrum.interval = table.integer_or_auto("interval", 1, 1'000'000);
    spectrum.exponents = table.integer("exponents", 0, 0, 1'000'000);
    spectrum.qr = table.choice("qr", "auto", {"auto", "accurate", "library"}) == "library" ? backend::QrMethod::library
                                                                                         : backend::QrMethod::accurate;
    spectrum.random_start = table.choice("q0", "identity", {"identity", "random"}) == "random";
    spectrum.single_precision = table.choice("precision", "double", {"double", "single"}) == "single";
    spectrum.extended_up_to = table.integer("extended_up_to", lyapunov::usual_extended_up_to, 0, 100'000);
    check_exponents(table, config);
}

}  // namespace

StudyConfig read_config(TomlTable& root) {
    StudyConfig config;
    TomlTable study = root.table("study");
    config.name = study.string("name", std::nullopt);
    config.task = study.choice("task", std::nullopt, {"signal", "smnist", "charrnn"});
    config.seed = static_cast<uint64_t>(study.integer("seed", 1, 0, INT64_MAX));
    TomlTable training = root.table("training");
    config.epochs = training.integer("epochs", std::nullopt, 1, 1'000'000);
    config.keep_weights = training.boolean("keep_weights", false);
    read_variants(root.table("variants"), config);
    read_spectrum(root.table("spectrum"), config);
    return config;
}

}  // namespace aelle::study
