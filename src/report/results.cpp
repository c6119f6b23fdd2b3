#include "aelle/report/results.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <variant>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/embed/analysis_file.hpp"
#include "aelle/io/format.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::report {
namespace {

std::string numbers_text(const std::vector<double>& values) {
    std::vector<std::string> words;
    for (const double value : values) words.push_back(rounded(value, 6));
    return join(words, ", ");
}

/// Attribute as text whatever its type; "" when it is missing.
std::string attribute_text(const io::H5Reader& file, const std::string& name) {
    const auto value = file.attribute("/", name);
    if (!value) return "";
    return std::visit(
        [](const auto& v) -> std::string {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::string>) return v;
            else if constexpr (std::is_same_v<T, std::vector<std::string>>) return join(v, ", ");
            else if constexpr (std::is_same_v<T, std::vector<double>>) return numbers_text(v);
            else if constexpr (std::is_same_v<T, double>) return rounded(v, 6);
            else if constexpr (std::is_same_v<T, bool>) return v ? "true" : "false";
            else if constexpr (std::is_same_v<T, int64_t>) return std::to_string(v);
            else return "";
        },
        *value);
}

int64_t attribute_count(const io::H5Reader& file, const std::string& name) {
    return file.attribute("/", name) ? static_cast<int64_t>(file.number("/", name)) : 0;
}

/// The dataset with the dimensions expected (-1: any); empty when it is missing.
std::vector<double> optional_values(const io::H5Reader& file, const std::string& name, const io::Dims& expected) {
    return file.has(name) ? file.read<double>(name, expected) : std::vector<double>{};
}

[[noreturn]] void fail(const io::H5Reader& file, const std::string& dataset, const std::string& found, const std::string& expected) {
    throw DataError(file.file().string() + ": " + dataset + ": found " + found + ", expected " + expected);
}

std::vector<std::string> required_strings(const io::H5Reader& file, const std::string& name, int64_t count) {
    auto values = file.read_strings(name);
    if (count >= 0 && static_cast<int64_t>(values.size()) != count) {
        fail(file, name, std::to_string(values.size()) + " values", std::to_string(count));
    }
    return values;
}

std::vector<int64_t> required_codes(const io::H5Reader& file, const std::string& name, const io::Dims& dims, int64_t low, int64_t high) {
    auto values = file.read<int64_t>(name, dims);
    for (const int64_t value : values) {
        if (value < low || value > high) {
            fail(file, name, std::to_string(value), "integers from " + std::to_string(low) + " to " + std::to_string(high));
        }
    }
    return values;
}

void read_study_file(const io::H5Reader& file, Results& results) {
    results.name = attribute_text(file, "name");
    results.task = attribute_text(file, "task");
    results.text = attribute_text(file, "study");
    results.version = attribute_text(file, "version");
    results.device = attribute_text(file, "device");
    results.cells = attribute_text(file, "cells");
    results.init_name = attribute_text(file, "init_name");
    results.loss_name = attribute_text(file, "loss_name");
    if (results.init_name.empty()) results.init_name = "p";
    if (results.loss_name.empty()) results.loss_name = "validation loss";
    // Not as a number: a double would lose digits of a 63-bit seed.
    const auto seed = file.attribute("/", "seed");
    if (seed && std::holds_alternative<int64_t>(*seed)) results.seed = std::get<int64_t>(*seed);

    results.variant = file.read<int64_t>("variant", {-1});
    results.epoch = file.read<int64_t>("epoch", {-1});
    const int64_t count = results.variants();
    if (results.epoch.empty()) fail(file, "epoch", "no epochs", "at least one");
    results.hidden = file.read<int64_t>("hidden", {count});
    results.variant_seed = file.read<int64_t>("seed", {count});
    results.init = file.read<double>("init", {count});
    results.cell = required_strings(file, "cell", count);
    results.status = required_strings(file, "status", count);
    results.exponents = optional_values(file, "exponents", {count, results.epochs(), -1});
    if (!results.exponents.empty()) results.exponent_count = file.dims("exponents").back();
    results.epoch_loss = optional_values(file, "loss", {count, results.epochs()});
    if (file.has("training_epoch")) {
        const auto trained = file.read<int64_t>("training_epoch", {-1});
        if (!trained.empty()) results.training_epochs = trained.back();
        results.learning = optional_values(file, "loss_every_epoch", {count, static_cast<int64_t>(trained.size())});
        if (results.training_epochs != static_cast<int64_t>(trained.size())) results.learning.clear();
    }
    results.examples = read_examples(file);
}

void read_curves(const io::H5Reader& file, Results& results) {
    if (!file.has("curve")) return;
    results.curve_step = optional_values(file, "curve/step", {-1});
    for (const char* name : {"reconstruction_train", "reconstruction_validation", "prediction_train", "prediction_validation"}) {
        auto values = optional_values(file, std::string("curve/") + name, {static_cast<int64_t>(results.curve_step.size())});
        if (!values.empty()) results.curves.push_back({name, std::move(values)});
    }
}

void read_direction(const io::H5Reader& file, Results& results) {
    if (!file.has("interpretation")) return;
    Direction& direction = results.direction;
    const std::string group = "interpretation/";
    direction.weight = file.read<double>(group + "weight", {-1});
    const auto dimensions = static_cast<int64_t>(direction.weight.size());
    direction.deviation = file.read<double>(group + "deviation", {dimensions});
    direction.share = file.read<double>(group + "share", {dimensions});
    direction.shift = file.read<double>(group + "shift", {-1});
    const auto shifts = static_cast<int64_t>(direction.shift.size());
    direction.prediction = file.read<double>(group + "prediction", {shifts});
    direction.encoded = file.read<double>(group + "encoded_prediction", {shifts});
    direction.spectrum = file.read<double>(group + "spectrum", {shifts, -1});
    direction.length = file.dims(group + "spectrum")[1];
}

void read_controls(const io::H5Reader& file, Results& results) {
    const int64_t count = results.variants(), epochs = results.epochs(), classifiers = results.classifiers();
    if (file.has("control")) {
        results.control_label = required_codes(file, "control/label", {count}, 0, 1);
        results.control_positive = required_codes(file, "control/positive", {classifiers, results.repeats, count, epochs}, -1, 1);
    }
    if (file.has("held_out")) {
        results.held_out = required_strings(file, "held_out/cell", -1);
        const auto cells = static_cast<int64_t>(results.held_out.size());
        results.held_out_split = required_codes(file, "held_out/split", {cells, count}, -1, 2);
        results.held_out_positive = required_codes(file, "held_out/positive", {classifiers, cells, count, epochs}, -1, 1);
    }
}

void read_analysis_file(const io::H5Reader& file, Results& results) {
    const int64_t count = results.variants();
    const int64_t epochs = results.epochs();
    if (file.read<int64_t>("variant", {-1}) != results.variant || file.read<int64_t>("epoch", {-1}) != results.epoch) {
        throw DataError(file.file().string() +
                        ": variant, epoch: found others than in study.h5, expected the same: run `aelle analyze` again");
    }
    results.classifier = required_strings(file, "classifier", -1);
    results.loss = file.read<double>("loss", {count});
    results.label = required_codes(file, "label", {count}, 0, 1);
    results.split = required_codes(file, "split", {-1, count}, -1, 2);
    results.repeats = file.dims("split").front();
    results.positive = required_codes(file, "positive", {results.classifiers(), results.repeats, count, epochs}, -1, 1);
    results.boundary = file.read<double>("boundary", {results.classifiers(), results.repeats, epochs});
    results.side = required_codes(file, "side", {results.classifiers(), results.repeats, epochs}, -1, 1);
    results.threshold = file.number("/", "threshold");
    results.diverged = attribute_count(file, "diverged");
    results.failed = attribute_count(file, "failed");
    results.left_out = attribute_count(file, "left_out");
    results.left_out_spectra = attribute_count(file, "left_out_spectra");
    results.clipped = attribute_count(file, "clipped");

    results.fit = attribute_text(file, "analysis.fit");
    results.split_by = attribute_text(file, "analysis.split");
    results.label_reference = attribute_text(file, "analysis.label");
    results.boundary_rule = attribute_text(file, "analysis.boundary_rule");
    for (const std::string& name : embed::option_names()) {
        if (file.attribute("/", "analysis." + name)) results.options[name] = attribute_text(file, "analysis." + name);
    }
    if (file.has("spectrum_split")) results.spectrum_split = required_codes(file, "spectrum_split", {results.repeats, count, epochs}, -1, 2);
    read_controls(file, results);

    results.pc = optional_values(file, "pc", {count, epochs, -1});
    if (!results.pc.empty()) results.latent = file.dims("pc").back();
    results.predicted_loss = optional_values(file, "predicted_loss", {count, epochs});
    results.statistic_mean = optional_values(file, "statistic/mean", {count, epochs});
    results.statistic_max = optional_values(file, "statistic/max", {count, epochs});
    results.statistic_std = optional_values(file, "statistic/std", {count, epochs});
    results.kaplan_yorke = optional_values(file, "statistic/kaplan_yorke", {count, epochs});
    results.le_pc = optional_values(file, "le_pc", {count, epochs, 2});
    results.score = optional_values(file, "score", {results.classifiers(), results.repeats, count, epochs});
    read_direction(file, results);
    read_curves(file, results);
}

}  // namespace

double Results::component(int64_t v, int64_t e, int64_t k) const {
    if (k >= latent) return std::numeric_limits<double>::quiet_NaN();
    return pc[static_cast<std::size_t>((v * epochs() + e) * latent + k)];
}

std::vector<double> Results::spectrum(int64_t v, int64_t e) const {
    if (exponents.empty()) return {};
    const auto first = exponents.begin() + (v * epochs() + e) * exponent_count;
    std::vector<double> values(first, first + exponent_count);
    std::erase_if(values, [](double value) { return std::isnan(value); });
    return values;
}

double Results::percent(int64_t e) const {
    if (training_epochs <= 0) return std::numeric_limits<double>::quiet_NaN();
    return 100.0 * static_cast<double>(epoch[static_cast<std::size_t>(e)]) / static_cast<double>(training_epochs);
}

bool Results::loss_is_label(int64_t e) const {
    if (epoch_loss.empty()) return false;
    for (int64_t v = 0; v < variants(); ++v) {
        const double then = epoch_loss[static_cast<std::size_t>(v * epochs() + e)], final = loss[static_cast<std::size_t>(v)];
        if (then != final && !(std::isnan(then) && std::isnan(final))) return false;
    }
    return true;
}

int64_t Results::find_classifier(const std::string& wanted) const {
    const auto found = std::find(classifier.begin(), classifier.end(), wanted);
    return found == classifier.end() ? -1 : found - classifier.begin();
}

std::string Results::option(const std::string& wanted, const std::string& otherwise) const {
    const auto found = options.find(wanted);
    return found == options.end() ? otherwise : found->second;
}

std::filesystem::path analysis_folder(const std::filesystem::path& folder, const std::string& name) {
    return name.empty() ? folder : folder / "analyses" / name;
}

Results read_results(const std::filesystem::path& folder) { return read_results(folder, folder); }

Results read_results(const std::filesystem::path& folder, const std::filesystem::path& analysis_folder) {
    Results results;
    results.folder = folder;
    const io::H5Reader study(folder / "study.h5"), analysis(analysis_folder / "analysis.h5");
    io::check_format_version(study);
    io::check_format_version(analysis);
    read_study_file(study, results);
    read_analysis_file(analysis, results);
    return results;
}

}  // namespace aelle::report
