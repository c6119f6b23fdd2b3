#pragma once
/// Options that all subcommands share, and how they read their values.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aelle/backend/choose.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/study/comm.hpp"

namespace aelle::app {

struct CommonOptions {
    int threads = 0;  ///< 0: the cores this process may use, divided among the ranks that share them
    backend::Device device = backend::Device::automatic;
    bool share_gpus = false;
    std::filesystem::path data;
    std::optional<double> time_limit;  ///< seconds
    bool quiet = false;
    bool verbose = false;
};

/// Adds --threads, --device, --share-gpus, --data, --time-limit, --quiet and --verbose.
void add_common_options(CLI::App& command, CommonOptions& options);

/// SECONDS or [D-]HH:MM:SS; UsageError otherwise.
double parse_time_limit(const std::string& text);

/// "NAME=VALUE" pairs; UsageError names the pair.
std::map<std::string, double, std::less<>> parse_params(const std::vector<std::string>& pairs);

/// A real number from low to high; refuses NaN, which CLI::Range lets pass.
CLI::Validator real_between(double low, double high);

/// "NAME=VALUE" pairs whose names and values the cell knows, or that are among `others` (name, low, high); UsageError otherwise.
void check_params(const std::string& cell, const std::vector<std::string>& pairs, const std::vector<cells::ScalarSpec>& others = {});

/// CannotCreate unless `file` could be written: its folder exists and is writable, and it is no folder itself. Before long work, not after.
void check_output(const std::filesystem::path& file);

/// Names of all cells, for CLI::IsMember.
std::vector<std::string> cell_names();

/// The cell of that name, or its gated form; UsageError when it has none.
const cells::CellSpec& chosen_cell(const std::string& name, bool gated);

struct FileAndDataset {
    std::string file, dataset;  ///< dataset empty when none was named
};

/// FILE or FILE:dataset. A file whose own name has a colon wins.
FileAndDataset locate_dataset(const std::string& text);

/// Cores in this process's affinity mask.
int available_cores();

/// The number of threads to use at this rank.
int choose_threads(const CommonOptions& options, const study::Comm& comm);

}  // namespace aelle::app
