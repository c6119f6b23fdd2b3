// aelle analyze: autoencoder, embedding and classifiers anew from study.h5 as it stands.

#include <optional>

#include "aelle/study/merge.hpp"
#include "analysis.hpp"
#include "commands.hpp"

namespace aelle::app {
namespace {

struct AnalyzeOptions {
    CommonOptions common;
    std::filesystem::path folder;
    std::filesystem::path analysis;
    std::string name;
};

/// The study's own [analysis] table, overridden key by key by the file's.
embed::AnalysisOptions combined_options(const AnalyzeOptions& options) {
    const study::StudyFolder folder(options.folder);
    const auto data = study::read_study(folder.study_file());
    const auto document = study::TomlDocument::parse(data.text, folder.study_file().string() + " (attribute study)");
    study::TomlTable root(document);
    embed::AnalysisOptions analysis = read_analysis_options(root.table("analysis"));
    if (!options.analysis.empty()) {
        const auto overrides = study::TomlDocument::read(options.analysis);
        study::TomlTable table(overrides);
        analysis = read_analysis_options(table.table("analysis"), analysis);
        table.finish();
    }
    return analysis;
}

void analyze(Session& session, const AnalyzeOptions& options) {
    const study::StudyFolder folder(options.folder);
    std::optional<study::FolderLock> lock;
    session.at_rank_0([&] {
        combined_options(options);
        lock.emplace(folder);
    });
    analyze_folder(session, folder, combined_options(options), options.name);
}

}  // namespace

void add_analyze(CLI::App& program, Action& action) {
    auto options = std::make_shared<AnalyzeOptions>();
    CLI::App* command = program.add_subcommand("analyze", "Autoencoder, embedding and classifiers anew from DIR/study.h5");
    command->add_option("dir", options->folder, "Output folder of a study")->required()->type_name("DIR");
    command->add_option("--analysis", options->analysis, "File with an [analysis] table that overrides the study's key by key")
        ->type_name("FILE.toml");
    command->add_option("--as", options->name, "Keep this analysis beside the main one, as DIR/analyses/NAME/; the report shows them side by side")
        ->type_name("NAME")
        ->check(CLI::Validator(
            [](const std::string& name) {
                const bool plain = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == std::string::npos;
                return plain ? std::string() : "found '" + name + "', expected letters, digits, - and _";
            },
            "", "name"));
    add_common_options(*command, options->common);
    command->callback([options, &action] {
        action = [options] { return run_command(options->common, [&](Session& session) { analyze(session, *options); }); };
    });
}

}  // namespace aelle::app
