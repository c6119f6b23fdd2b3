// aelle report: figures and the page, from study.h5 and analysis.h5.

#include "analysis.hpp"
#include "commands.hpp"

namespace aelle::app {

void add_report(CLI::App& program, Action& action) {
    struct Options {
        CommonOptions common;
        std::filesystem::path folder;
    };
    auto options = std::make_shared<Options>();
    CLI::App* command = program.add_subcommand("report", "Figures and one self-contained page from a finished analysis");
    command->add_option("dir", options->folder, "Output folder of a study")->required()->type_name("DIR");
    add_common_options(*command, options->common);
    command->callback([options, &action] {
        action = [options] {
            return run_command(options->common, [&](Session& session) {
                session.at_rank_0([&] {
                    const study::StudyFolder folder(options->folder);
                    study::recorded_device_kind(folder);  // says so when it is no study folder
                    const study::FolderLock lock(folder);
                    report_folder(session, folder);
                });
            });
        };
    });
}

}  // namespace aelle::app
