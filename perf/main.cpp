// aelle_perf: how fast, against what the machine can do and against what people use today.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <regex>

#include "aelle/backend/blas.hpp"
#include "aelle/base/error.hpp"
#include "cases.hpp"
#include "gpu.hpp"
#include "output.hpp"
#include "peers.hpp"
#include "process.hpp"

namespace {

using namespace aelle;
using namespace aelle::perf;

struct Options {
    Plan plan;
    std::vector<std::string> select, peers;
    std::string json;
    bool list = false, gpu = false, tiny = false;
    double seconds = 0;
    int rounds = 0;
};

void add_options(CLI::App& program, Options& options) {
    program.add_option("--select", options.select, "only cases whose name contains a match of one of these")->type_name("REGEX");
    program.add_flag("--full", options.plan.full, "all cases, at length; otherwise the quick ones, in under 5 minutes on 2 cores");
    auto* list = program.add_flag("--list", options.list, "names and units of the cases, nothing measured");
    auto* gpu = program.add_flag("--gpu", options.gpu, "the GPU's cases instead, in --seconds in all (95)");
    program.add_flag("--tiny", options.tiny, "sizes for the emulated GPU of tests, whose times mean nothing")->needs(gpu);
    list->excludes(gpu);
    program.add_option("--seconds", options.seconds, "of one side in one round (0.2; with --full 1)")->check(CLI::PositiveNumber);
    program.add_option("--rounds", options.rounds, "in which the sides take turns (3; with --full 5)")->check(CLI::Range(1, 1000));
    program.add_option("--peers", options.peers, "interpreters to run the peers in, or none (the environment's AELLE_PEERS, or python3)")
        ->delimiter(',')
        ->type_name("PYTHON");
    program.add_option("--peer-script", options.plan.peer_script, "the peers' script")->capture_default_str();
    program.add_option("--json", options.json, "also one JSON object a line into this file")->type_name("FILE");
    program.add_option("--threads", options.plan.threads, "workers at the same time, each on a core of its own")
        ->check(CLI::Range(1, core_count()))
        ->capture_default_str();
}

std::vector<std::regex> patterns_of(const Options& options) {
    std::vector<std::regex> patterns;
    for (const std::string& pattern : options.select) {
        try {
            patterns.emplace_back(pattern);
        } catch (const std::regex_error&) {
            throw UsageError("--select: found '" + pattern + "', expected a regular expression");
        }
    }
    return patterns;
}

std::vector<Case> selected_cases(const Options& options) {
    std::vector<Case> all, chosen;
    for (const auto add :
         {add_spectra_cases, add_training_cases, add_force_cases, add_autoencoder_cases, add_kernel_cases, add_scaling_cases})
        add(options.plan, all);
    const std::vector<std::regex> patterns = patterns_of(options);
    const auto wanted = [&](const Case& each) {
        return patterns.empty() ||
               std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return std::regex_search(each.name, p); });
    };
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), wanted);
    if (chosen.empty()) throw UsageError("--select: no case has such a name; --list shows them");
    return chosen;
}

void find_peers(Options& options, Output& output) {
    Plan& plan = options.plan;
    if (options.peers == std::vector<std::string>{"none"}) return;
    if (!std::filesystem::exists(plan.peer_script)) return output.say("no peers: " + plan.peer_script + " is missing");
    plan.pythons = options.peers.empty() ? usual_pythons() : options.peers;
    if (plan.pythons == std::vector<std::string>{"none"}) return plan.pythons.clear();
    std::erase_if(plan.pythons, [&](const std::string& python) {
        const Finished finished = run_command({python, "-c", "pass"});
        if (finished.status != 0)
            output.say("no peers in " + python + ": it ends with status " + std::to_string(finished.status) + ", expected 0");
        return finished.status != 0;
    });
    if (plan.pythons.empty()) output.say("no peers: no interpreter that can import torch; --peers or AELLE_PEERS names some");
}

/// False when a case failed.
bool run(Options& options) {
    const std::vector<Case> cases = selected_cases(options);
    if (options.list) {
        for (const Case& each : cases) std::printf("%-44s %s\n", each.name.c_str(), each.unit.c_str());
        return true;
    }
    Output output(options.json);
    find_peers(options, output);
    Roofline roofline;
    output.machine(this_machine(), options.plan);
    output.roofs(roofline, options.plan.threads, "before");
    output.header();
    bool good = true;
    for (const Case& each : cases) {
        try {
            output.row(measure(each, options.plan, roofline));
        } catch (const std::exception& error) {
            good = false;
            output.failed(each, error.what());
        }
    }
    output.say("");
    output.roofs(roofline, options.plan.threads, "after");
    return good;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // a peer that died is told by the write that fails
    backend::set_blas_threads(1);
    Options options;
    options.plan.threads = std::min(2, core_count());
    options.plan.peer_script = AELLE_PEER_SCRIPT;
    const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "aelle";
    if (std::filesystem::exists(beside)) options.plan.program = beside;
    CLI::App program("aelle_perf: measures aelle against the machine's limits and against other people's programs");
    add_options(program, options);
    CLI11_PARSE(program, argc, argv);
    options.plan.seconds = options.seconds > 0 ? options.seconds : options.plan.full ? 1.0 : 0.2;
    options.plan.rounds = options.rounds > 0 ? options.rounds : options.plan.full ? 5 : 3;
    try {
        if (options.gpu) {
            Output output(options.json);
            output.machine(this_machine(), options.plan);
            return run_gpu({.seconds = options.seconds > 0 ? options.seconds : 95.0, .tiny = options.tiny, .select = patterns_of(options)},
                           output);
        }
        return run(options) ? 0 : 1;
    } catch (const Error& error) {
        std::fprintf(stderr, "aelle_perf: %s\n", error.what());
        return static_cast<int>(error.status());
    }
}
