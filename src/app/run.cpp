// aelle run: the whole study, resumable.

#include <filesystem>
#include <optional>
#include <span>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/embed/analysis_file.hpp"
#include "aelle/io/file.hpp"
#include "aelle/study/merge.hpp"
#include "aelle/study/scheduler.hpp"
#include "aelle/study/task.hpp"
#include "analysis.hpp"
#include "commands.hpp"
#include "session.hpp"

namespace aelle::app {
namespace fs = std::filesystem;
namespace {

struct RunOptions {
    CommonOptions common;
    fs::path study;
    fs::path output;
    std::string until = "report";
    std::vector<std::string> overrides;
    bool fresh = false;
    bool force = false;
    bool dry_run = false;
    double checkpoint_every = 60.0;
};

/// Longest text that an HDF5 attribute holds in the format that all readers know, with room to spare.
constexpr std::size_t largest_text = 60000;

/// A study file with everything that follows from it.
struct Study {
    study::TomlDocument document;
    study::StudyConfig config;
    std::unique_ptr<study::StudyTask> task;
    embed::AnalysisOptions analysis;
    std::vector<study::Variant> variants;
    std::vector<study::Group> groups;
    study::ResultShape shape;
};

Study read_study_file(const RunOptions& options) {
    Study study{study::TomlDocument::read(options.study, options.overrides), {}, nullptr, {}, {}, {}, {}};
    study::TomlTable root(study.document);
    study.config = study::read_config(root);
    study.task = study::make_task(root, study.config);
    study.analysis = read_analysis_options(root.table("analysis"));
    root.finish();
    study.task->read_data(options.common.data);
    study.variants = study::sample_variants(study.config);
    study.groups = study::make_groups(study.variants, study.config.group_size, study.document.fingerprint("analysis"),
                                      [&](const study::Variant& variant) { return study.task->work(variant); });
    const std::string place = options.study.string() + ": ";
    if (study.document.text().size() > largest_text) {
        throw DataError(place + "found " + std::to_string(study.document.text().size()) + " bytes, expected at most " +
                        std::to_string(largest_text) + ", since results carry the text");
    }
    if (options.until != "study" && study.variants.size() < 5) {
        throw DataError(place + "variants.count: found " + std::to_string(study.variants.size()) +
                        " variants in all, expected at least 5 to analyze, or --until study");
    }
    study.shape = study::result_shape(study.config, *study.task);
    return study;
}

/// Bytes of study.h5 and of the shards, which hold as much, and of weights that are kept.
double output_size(const Study& study) {
    const auto spectra = static_cast<double>(study.shape.spectra);
    double examples = 0;
    for (const study::ExampleField& field : study.shape.example) {
        double count = 1;
        for (const int64_t extent : field.dims) count *= static_cast<double>(extent);
        examples += count;
    }
    double bytes = 0;
    for (const study::Variant& variant : study.variants) {
        double exponents = 0;
        for (std::size_t kind = 0; kind < study.shape.kinds.size(); ++kind) {
            exponents += static_cast<double>(study.task->exponent_count(variant, kind));
        }
        bytes += 8.0 * (2.0 * spectra * (2.2 * exponents + 2) + 2.0 * static_cast<double>(study.shape.epochs) + examples + 24);
        if (study.config.keep_weights) bytes += study.task->weights_size(variant);
    }
    return bytes;
}

fs::path nearest_existing(fs::path path) {
    path = fs::absolute(path);
    while (!fs::exists(path) && path.has_relative_path()) path = path.parent_path();
    return path;
}

void describe(Session& session, const Study& study, const fs::path& output) {
    double work = 0;
    double memory = 0;
    for (const study::Variant& variant : study.variants) {
        work += study.task->work(variant);
        memory = std::max(memory, study.task->memory(variant));
    }
    const double size = output_size(study);
    const double available = static_cast<double>(fs::space(nearest_existing(output)).available);
    std::string text = "study      " + study.config.name + ": task " + study.config.task + ", seed " + std::to_string(study.config.seed) +
                       "\nvariants   " + std::to_string(study.variants.size()) + " in " + std::to_string(study.groups.size()) +
                       " groups\nwork       " + rounded(work, 3) + " floating-point operations\nmemory     " +
                       byte_size(memory * session.threads()) + " for " + std::to_string(session.threads()) +
                       " threads a rank\noutput     " + byte_size(size) + " in " + output.string() + ", " + byte_size(available) +
                       " free\n\n" + "variant  cell       hidden  " + study.task->init_name() + "\n";
    for (const study::Variant& variant : study.variants) {
        char line[128];
        std::snprintf(line, sizeof line, "%7lld  %-9s  %6lld  %s\n", static_cast<long long>(variant.id), variant.cell.c_str(),
                      static_cast<long long>(variant.hidden), rounded(variant.init, 6).c_str());
        text += line;
    }
    session.console().result(text);
    if (size > available) {
        throw IoError(output.string() + ": found " + byte_size(available) + " of free disk space, expected at least " + byte_size(size));
    }
}

/// True when study.h5 was made from these shards and this text.
bool merged(const study::StudyFolder& folder, const Study& study) {
    if (!fs::exists(folder.study_file())) return false;
    for (const study::Group& group : study.groups) {
        if (fs::last_write_time(folder.shard(group.id)) > fs::last_write_time(folder.study_file())) return false;
    }
    try {
        return study::read_study(folder.study_file()).text == study.document.text();
    } catch (const Error&) {
        return false;
    }
}

bool newer(const fs::path& file, const fs::path& than) {
    return fs::exists(file) && fs::last_write_time(file) >= fs::last_write_time(than);
}

/// Threads that keep a device busy: while one looks at results, another has work there.
constexpr int threads_of_device = 2;

study::StudyTask::GroupJobs group_jobs(Session& session, const Study& study) {
    if (session.groups() == nullptr) return nullptr;
    auto jobs = study.task->group_jobs(*session.groups(), session.backend(), session.threads());
    if (!jobs && session.first())
        session.console().note("task " + study.config.task + ": networks are trained on the host, not on the GPU");
    return jobs;
}

bool train(Session& session, const study::StudyFolder& folder, const Study& study, const RunOptions& options) {
    Console& console = session.console();
    const auto variant = [&](int64_t id) -> const study::Variant& { return study.variants[static_cast<std::size_t>(id)]; };
    study::SchedulerSettings settings{session.threads(), options.checkpoint_every, session.deadline()};
    settings.blank = [&](int64_t id) { return study.task->blank_result(variant(id)); };
    settings.keep = [&](int64_t id, const study::VariantResult& result) {
        if (result.weights.empty()) return;
        const fs::path file = folder.weights(id);
        fs::create_directories(file.parent_path());
        study.task->write_weights(file, variant(id), result);
    };
    study::JobSource source([&](int64_t id) { return study.task->job(variant(id), session.backend()); });
    if (const auto groups = group_jobs(session, study)) {
        const auto many = [groups, variant](std::span<const int64_t> ids) {
            std::vector<study::Variant> variants;
            for (const int64_t id : ids) variants.push_back(variant(id));
            return groups(variants);
        };
        const auto fair = static_cast<int64_t>(study.variants.size()) / (session.comm().size() * threads_of_device) + 1;
        source = study::JobSource(many, std::min(session.groups()->wanted(), fair));
        source.usable = [&engine = *session.groups()] { return engine.usable(); };
        settings.threads = threads_of_device;
    }
    double last_written = -1e9;
    const auto on_progress = [&](const study::Progress& progress) {
        console.progress(progress);
        // Not at every call: each write is synced, which shared file systems feel.
        if (progress.seconds < last_written + 2.0 && progress.variants_finished < progress.variants) return;
        study::write_progress(folder, progress);
        last_written = progress.seconds;
    };
    const bool complete = study::run_groups(session.comm(), folder, study.groups, study.shape, source, settings, on_progress,
                                            [&](const std::string& text) { console.warning(text); });
    console.end_progress();
    return complete;
}

void run(Session& session, const RunOptions& options) {
    const fs::path output = options.output.empty() ? fs::path("out") / options.study.stem() : options.output;
    const study::StudyFolder folder(output);
    std::optional<study::FolderLock> lock;
    std::optional<Study> checked;
    session.at_rank_0([&] {
        checked = read_study_file(options);
        const Study& study = *checked;
        if (options.dry_run) return describe(session, study, output);
        study::create_folder(folder, options.fresh, options.force);
        lock.emplace(folder);
        study::prepare_folder(folder, study.document, session.device_kind(), options.fresh);
        session.console().note("study " + study.config.name + ": " + std::to_string(study.variants.size()) + " variants, " +
                               std::to_string(session.comm().size()) + " ranks, " + std::to_string(session.threads()) +
                               " threads each, output in " + output.string());
    });
    if (options.dry_run) return;
    if (const bool gpu = session.groups() != nullptr; gpu) {
        const std::string map = session.device_map();
        if (session.first()) session.console().note(map);
    }
    const Study study = checked ? std::move(*checked) : read_study_file(options);
    if (!train(session, folder, study, options)) {
        session.at_rank_0([] { throw Interrupted("interrupted; what was finished is saved, and the same command continues"); });
    }
    session.at_rank_0([&] {
        if (merged(folder, study)) return;
        study::merge_study(folder, study.document, study.config, *study.task, study.variants, study.groups, study.shape,
                           session.device_kind());
        session.console().note("wrote " + folder.study_file().string());
    });
    if (options.until == "study") return;
    bool current =
        session.first() && newer(folder.analysis_file(), folder.study_file()) && embed::made_with(folder.analysis_file(), study.analysis);
    current = session.comm().broadcast(current ? 1 : 0) == 1;
    if (current) {
        session.at_rank_0([&] { print_tables(session, folder); });
    } else {
        analyze_folder(session, folder, study.analysis);
    }
    if (options.until == "analysis") return;
    session.at_rank_0([&] { report_folder(session, folder); });
}

}  // namespace

void add_run(CLI::App& program, Action& action) {
    auto options = std::make_shared<RunOptions>();
    CLI::App* command = program.add_subcommand("run", "Run a study: train every variant, take spectra, analyze, report; or continue one");
    command->add_option("study", options->study, "Study file (see runs/)")->required()->type_name("STUDY.toml");
    command->add_option("-o,--output", options->output, "Output folder (default out/ and the file's stem)")->type_name("DIR");
    command->add_option("--until", options->until, "Stop after this stage: study, analysis or report")
        ->check(CLI::IsMember({"study", "analysis", "report"}))
        ->type_name("STAGE")
        ->capture_default_str();
    command->add_option("--set", options->overrides, "Override a key of the study file (repeatable)")
        ->type_name("KEY.PATH=VALUE")
        ->allow_extra_args(false);
    CLI::Option* fresh = command->add_flag("--fresh", options->fresh, "Start in an empty folder only");
    command->add_flag("--force", options->force, "With --fresh: delete an earlier study in the folder first")->needs(fresh);
    command->add_flag("--dry-run", options->dry_run, "Check everything, print variants, work and size, and train nothing");
    command->add_option("--checkpoint-every", options->checkpoint_every, "Seconds between checkpoints of groups in work")
        ->check(real_between(0.05, 1e6))
        ->type_name("SECONDS")
        ->capture_default_str();
    add_common_options(*command, options->common);
    command->callback([options, &action] {
        action = [options] { return run_command(options->common, [&](Session& session) { run(session, *options); }); };
    });
}

}  // namespace aelle::app
