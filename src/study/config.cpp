#include "aelle/study/config.hpp"

#include <algorithm>

#include "aelle/cells/spec.hpp"

namespace aelle::study {
namespace {

std::vector<std::string> cell_names() {
    std::vector<std::string> names;
    for (const cells::CellSpec& cell : cells::all_cells()) names.emplace_back(cell.name);
    return names;
}

void read_variants(TomlTable table, StudyConfig& config) {
    config.cells = table.strings("cells", std::nullopt, cell_names());
    config.hidden = table.integers("hidden", std::nullopt, 1, 65536);
    config.count = table.integer("count", std::nullopt, 1, max_variants);
    config.init_values = table.reals("init_values", std::nullopt, 0.0, 1e6);
    config.group_size = table.integer("group_size", 8, 1, 65536);
    const auto combinations = static_cast<int64_t>(config.cells.size() * config.hidden.size());
    if (combinations * config.count > max_variants) {
        table.fail("count", "found " + std::to_string(config.count) + " for each of " + std::to_string(combinations) +
                                " combinations of cell and size, expected at most " + std::to_string(max_variants) +
                                " variants in all");
    }
}

void read_spectrum(TomlTable table, StudyConfig& config) {
    SpectrumConfig& spectrum = config.spectrum;
    spectrum.epochs = table.integers("epochs", std::nullopt, 0, config.epochs);
    if (!std::is_sorted(spectrum.epochs.begin(), spectrum.epochs.end(), std::less_equal<>())) {
        table.fail("epochs", "expected ascending epochs, each once");
    }
    // Other kinds come with the cells for which they differ.
    spectrum.kinds = table.strings("kinds", std::vector<std::string>{"full"}, {"full"});
    spectrum.steps = table.integer("steps", 0, 0, 100'000'000);
    spectrum.warmup = table.integer("warmup", 0, 0, 100'000'000);
    spectrum.interval = table.integer_or_auto("interval", 1, 1'000'000);
    spectrum.exponents = table.integer("exponents", 0, 0, 1'000'000);
    spectrum.qr = table.choice("qr", "auto", {"auto", "accurate", "library"}) == "library" ? backend::QrMethod::library
                                                                                         : backend::QrMethod::accurate;
    spectrum.random_start = table.choice("q0", "identity", {"identity", "random"}) == "random";
    const int64_t smallest = *std::min_element(config.hidden.begin(), config.hidden.end());
    const bool unlike = std::any_of(config.hidden.begin(), config.hidden.end(), [&](int64_t hidden) { return hidden != smallest; });
    if (spectrum.exponents > 0 && unlike) {
        table.fail("exponents", "found " + std::to_string(spectrum.exponents) +
                                    ", expected 0 (all) for variants of unlike dimension: leading parts of unlike spectra cannot be compared");
    }
    if (spectrum.exponents > smallest) {
        table.fail("exponents", "found " + std::to_string(spectrum.exponents) + ", expected at most " + std::to_string(smallest) +
                                    ", the dimension of the smallest variant (0 asks for all)");
    }
}

}  // namespace

StudyConfig read_config(TomlTable& root) {
    StudyConfig config;
    TomlTable study = root.table("study");
    config.name = study.string("name", std::nullopt);
    config.task = study.choice("task", std::nullopt, {"signal"});
    config.seed = static_cast<uint64_t>(study.integer("seed", 1, 0, INT64_MAX));
    config.epochs = root.table("training").integer("epochs", std::nullopt, 1, 1'000'000);
    read_variants(root.table("variants"), config);
    read_spectrum(root.table("spectrum"), config);
    return config;
}

}  // namespace aelle::study
