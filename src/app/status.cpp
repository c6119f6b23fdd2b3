// aelle status: how far a study is, also while it runs.

#include <filesystem>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/study/folder.hpp"
#include "aelle/study/scheduler.hpp"
#include "commands.hpp"
#include "session.hpp"

namespace aelle::app {
namespace {

int64_t count_files(const std::filesystem::path& folder) {
    int64_t count = 0;
    if (!std::filesystem::is_directory(folder)) return 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) count += entry.path().extension() == ".h5" ? 1 : 0;
    return count;
}

void status(Session& session, const std::filesystem::path& path) {
    const study::StudyFolder folder(path);
    const std::string device = study::recorded_device_kind(folder);
    const auto holder = study::lock_holder(folder);
    const auto progress = study::read_progress(folder);
    const int64_t shards = count_files(path / "shards");
    std::string text = "folder     " + path.string() + "\nstate      ";
    const bool complete = progress && shards >= progress->groups;
    text += holder ? "running, by " + *holder : complete ? "training finished" : "not running; aelle run continues it";
    text += "\ndevice     " + device + "\n";
    if (progress) {
        const int64_t running = holder ? progress->groups_running : 0;
        text += "groups     " + std::to_string(shards) + " of " + std::to_string(progress->groups) + " done, " + std::to_string(running) +
                " running, " + std::to_string(std::max<int64_t>(0, progress->groups - shards - running)) + " left; " +
                std::to_string(progress->groups_finished_now) + " done by " + (holder ? "this" : "the last") + " run in " +
                duration(progress->seconds) + "\nvariants   " + std::to_string(progress->variants_finished) + " of " +
                std::to_string(progress->variants) + " trained\n";
    } else {
        text += "groups     " + std::to_string(shards) + " done\n";
    }
    text += "saved      " + std::to_string(count_files(path / "checkpoints")) + " groups in work have a checkpoint\n";
    for (const char* name : {"study.h5", "analysis.h5", "report/index.html"}) {
        text += std::string(std::filesystem::exists(path / name) ? "present    " : "not yet    ") + name + "\n";
    }
    session.console().result(text);
}

}  // namespace

void add_status(CLI::App& program, Action& action) {
    struct Options {
        CommonOptions common;
        std::filesystem::path folder;
    };
    auto options = std::make_shared<Options>();
    CLI::App* command = program.add_subcommand("status", "How far a running or interrupted study is");
    command->add_option("dir", options->folder, "Output folder of a study")->required()->type_name("DIR");
    add_common_options(*command, options->common);
    command->callback([options, &action] {
        action = [options] {
            return run_command(options->common, [&](Session& session) { session.at_rank_0([&] { status(session, options->folder); }); });
        };
    });
}

}  // namespace aelle::app
