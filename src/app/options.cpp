#include "options.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sched.h>
#include <system_error>
#include <unistd.h>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::app {
namespace {

std::optional<double> number(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

}  // namespace

double parse_time_limit(const std::string& text) {
    const auto refuse = [&]() -> double {
        throw UsageError("--time-limit: found '" + text + "', expected seconds or [D-]HH:MM:SS");
    };
    double days = 0;
    std::string rest = text;
    if (const std::size_t dash = text.find('-'); dash != std::string::npos && dash > 0) {
        days = number(text.substr(0, dash)).value_or(-1);
        rest = text.substr(dash + 1);
    }
    if (rest.find(':') == std::string::npos) {
        const auto seconds = number(rest);
        if (!seconds || *seconds <= 0 || rest.size() != text.size()) return refuse();
        return *seconds;
    }
    double total = 0;
    int fields = 0;
    for (std::size_t at = 0; at <= rest.size(); ++fields) {
        const std::size_t colon = std::min(rest.find(':', at), rest.size());
        const std::string field = rest.substr(at, colon - at);
        const bool digits = !field.empty() && std::all_of(field.begin(), field.end(), [](unsigned char c) { return std::isdigit(c); });
        const double value = digits ? number(field).value_or(-1) : -1;
        if (value < 0 || (fields > 0 && value >= 60)) return refuse();
        total = total * 60 + value;
        at = colon + 1;
    }
    if (fields != 3 || days < 0 || total + days <= 0) return refuse();
    return days * 86400 + total;
}

std::map<std::string, double, std::less<>> parse_params(const std::vector<std::string>& pairs) {
    std::map<std::string, double, std::less<>> values;
    for (const std::string& pair : pairs) {
        const std::size_t equals = pair.find('=');
        const auto value = equals == std::string::npos ? std::nullopt : number(pair.substr(equals + 1));
        if (!value) throw UsageError("--param: found '" + pair + "', expected NAME=NUMBER");
        values[pair.substr(0, equals)] = *value;
    }
    return values;
}

CLI::Validator real_between(double low, double high) {
    const std::string range = "a number from " + rounded(low, 6) + " to " + rounded(high, 6);
    return CLI::Validator(
        [low, high, range](std::string& text) {
            const auto value = number(text);
            const bool good = value && *value >= low && *value <= high;
            return good ? std::string() : "found " + text + ", expected " + range;
        },
        "in [" + rounded(low, 6) + " - " + rounded(high, 6) + "]");
}

void check_params(const std::string& cell, const std::vector<std::string>& pairs, const std::vector<cells::ScalarSpec>& others) {
    std::vector<cells::ScalarSpec> known = cells::find_cell(cell).scalars;
    known.insert(known.end(), others.begin(), others.end());
    std::vector<std::string> names;
    for (const cells::ScalarSpec& scalar : known) names.emplace_back(scalar.name);
    for (const auto& [name, value] : parse_params(pairs)) {
        const auto found = std::find_if(known.begin(), known.end(), [&](const cells::ScalarSpec& scalar) { return scalar.name == name; });
        if (found == known.end()) throw UsageError("--param: found '" + name + "', expected for cell " + cell + ": " + (names.empty() ? "none" : join(names, ", ")));
        if (!(value >= found->low && value <= found->high)) {
            throw UsageError("--param " + name + ": found " + rounded(value, 6) + ", expected from " + rounded(found->low, 6) + " to " +
                             rounded(found->high, 6));
        }
    }
}

void check_output(const std::filesystem::path& file) {
    namespace fs = std::filesystem;
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    std::error_code error;
    if (fs::is_directory(file, error)) throw CannotCreate(file.string() + ": found a folder, expected a file to write");
    if (!fs::is_directory(folder, error)) throw CannotCreate(file.string() + ": found no folder " + folder.string() + ", expected one");
    if (access(folder.c_str(), W_OK) != 0) throw CannotCreate(file.string() + ": the folder " + folder.string() + " is not writable");
}

std::vector<std::string> cell_names() {
    std::vector<std::string> names;
    for (const cells::CellSpec& cell : cells::all_cells()) names.emplace_back(cell.name);
    return names;
}

const cells::CellSpec& chosen_cell(const std::string& name, bool gated) {
    const cells::CellSpec& cell = cells::find_cell(name);
    if (!gated || !cell.gated_form_of.empty()) return cell;
    std::vector<std::string> plain;
    for (const cells::CellSpec& other : cells::all_cells()) {
        if (other.gated_form_of == name) return other;
        if (!other.gated_form_of.empty()) plain.emplace_back(other.gated_form_of);
    }
    throw UsageError("--gated: found cell " + name + ", expected one that has a gated form: " + join(plain, ", "));
}

FileAndDataset locate_dataset(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || std::filesystem::exists(text)) return {text, ""};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

void add_common_options(CLI::App& command, CommonOptions& options) {
    static const std::map<std::string, backend::Device> devices = {
        {"auto", backend::Device::automatic}, {"cpu", backend::Device::cpu}, {"cuda", backend::Device::cuda}};
    command.add_option("--threads", options.threads, "Threads of this rank (default: its share of the available cores)")
        ->check(CLI::Range(1, 4096))
        ->type_name("N");
    command.add_option("--device", options.device, "Where to compute (default auto)")
        ->transform(CLI::Transformer(devices))
        ->option_text("auto|cpu|cuda");
    command.add_flag("--share-gpus", options.share_gpus, "Let several ranks of a node use one GPU");
    if (const char* data = std::getenv("AELLE_DATA")) options.data = data;
    command.add_option("--data", options.data, "Folder of data sets (default $AELLE_DATA)")->type_name("DIR");
    command.add_option_function<std::string>(
            "--time-limit", [&options](const std::string& text) { options.time_limit = parse_time_limit(text); },
            "Stop with status 75, ready to continue, after SECONDS or [D-]HH:MM:SS")
        ->type_name("TIME");
    command.add_flag("--quiet", options.quiet, "No progress and no notes on standard error");
    command.add_flag("--verbose", options.verbose, "More notes on standard error");
}

int available_cores() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return 1;
}

int choose_threads(const CommonOptions& options, const study::Comm& comm) {
    if (options.threads > 0) return options.threads;
    return std::max(1, available_cores() / comm.ranks_sharing_cores());
}

}  // namespace aelle::app
