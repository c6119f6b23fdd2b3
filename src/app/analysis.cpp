#include "analysis.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/cells/spec.hpp"
#include "aelle/embed/analysis_file.hpp"
#include "aelle/io/file.hpp"
#include "aelle/io/h5.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "aelle/report/report.hpp"
#include "aelle/report/tables.hpp"
#include "aelle/study/merge.hpp"

namespace aelle::app {
namespace {

template <class E>
void read_choice(study::TomlTable& table, const std::string& key, E& value) {
    value = embed::from_name<E>(table.choice(key, embed::name_of(value), embed::all_names<E>()));
}

void read_autoencoder(study::TomlTable& table, embed::AutoencoderOptions& options) {
    options.hidden = table.integers("hidden", options.hidden, 1, 65536);
    options.latent = table.integer("latent", options.latent, 1, 65536);
    options.dropout = table.real("dropout", options.dropout, 0.0, 0.99);
    options.output_dropout = table.boolean("output_dropout", options.output_dropout);
    options.alpha = table.reals("alpha", options.alpha, 0.0, 1e9);
    options.reconstruction_norm = static_cast<int>(table.integer("reconstruction_norm", options.reconstruction_norm, 1, 2));
    options.prediction_norm = static_cast<int>(table.integer("prediction_norm", options.prediction_norm, 1, 2));
    options.steps = table.integer("steps", options.steps, 1, 1'000'000'000);
    options.batch = table.integer("batch", options.batch, 1, 1'000'000);
    options.reshuffle = table.boolean("reshuffle", options.reshuffle);
    options.learning_rate = table.real("learning_rate", options.learning_rate, 1e-12, 1e3);
    options.keep_best = table.boolean("keep_best", options.keep_best);
    options.curve_points = table.integer("curve_points", options.curve_points, 1, 1'000'000);
}

/// The kind of spectrum that a dataset of a study says it holds.
std::string stated_kind(const io::H5Reader& file, const std::string& dataset) {
    return file.attribute(dataset, "kind") ? file.text(dataset, "kind") : "";
}

/// Exponents of the kind asked for, where it is not the study's first (or empty). Variants may have fewer of them: NaN at the end at every epoch is padding.
void take_spectra(const std::filesystem::path& path, const std::string& kind, embed::AnalysisInput& input) {
    const io::H5Reader file(path);
    input.kind = stated_kind(file, "exponents");
    if (kind.empty() || kind == input.kind) return;
    const std::string name = "exponents_" + kind;
    if (!file.has(name)) {
        throw DataError(path.string() + ": analysis.spectrum: found \"" + kind + "\", expected a kind of spectrum that the study has taken (no dataset " +
                        name + ")");
    }
    const auto count = static_cast<int64_t>(input.variant.size()), epochs = static_cast<int64_t>(input.epochs.size());
    input.kind = kind;
    input.exponents = file.read<double>(name, {count, epochs, -1});
    input.largest_dimension = file.dims(name).back();
    for (int64_t v = 0; v < count; ++v) {
        int64_t used = 0;
        for (int64_t e = 0; e < epochs; ++e) {
            const double* row = input.exponents.data() + (v * epochs + e) * input.largest_dimension;
            for (int64_t i = 0; i < input.largest_dimension; ++i) {
                if (!std::isnan(row[i])) used = std::max(used, i + 1);
            }
        }
        input.dimension[static_cast<std::size_t>(v)] = used > 0 ? used : input.largest_dimension;  // all NaN: nothing usable
    }
}

/// The number of exponents where they are fewer than the tangent space has dimensions; a study takes fewer only where these are alike.
int64_t leading_exponents(const embed::AnalysisInput& input) {
    if (input.kind.empty() || input.variant.empty()) return 0;
    const int64_t all = lyapunov::tangent_dimension(lyapunov::find_kind(input.kind), cells::find_cell(input.cell[0]), {input.hidden[0], 0});
    return input.dimension[0] < all ? input.dimension[0] : 0;
}

embed::AnalysisInput analysis_input(const std::filesystem::path& file, const embed::AnalysisOptions& options) {
    const study::StudyData data = study::read_study(file);
    embed::AnalysisInput input;
    input.seed = data.seed;
    input.epochs = data.epochs;
    input.variant = data.variant;
    input.cell = data.cell;
    input.hidden = data.hidden;
    input.init = data.init;
    input.status = data.status;
    input.loss_final = data.loss_final;
    input.loss_best = data.loss_best;
    input.loss = data.loss;
    input.dimension = data.dimension;
    input.largest_dimension = data.largest_dimension;
    input.exponents = data.exponents;
    take_spectra(file, options.spectrum, input);
    input.leading = leading_exponents(input);
    return input;
}

/// This rank's repeats; at rank 0 all of them.
std::vector<embed::RepeatResult> all_repeats(Session& session, const embed::AnalysisInput& input, const embed::AnalysisOptions& options) {
    const int64_t fits = options.repeats + static_cast<int64_t>(embed::held_out_cells(input, options).size());
    std::vector<ArchiveWriter> archives(static_cast<std::size_t>(fits));
    session.share(fits, "repeats of the analysis", [&](int64_t repeat) {
        embed::analyze_repeat(input, options, repeat).save(archives[static_cast<std::size_t>(repeat)]);
    });
    ArchiveWriter mine;
    for (const ArchiveWriter& archive : archives) mine.array(archive.bytes());
    std::vector<embed::RepeatResult> repeats;
    for (const auto& bytes : session.comm().gather(mine.bytes())) {
        ArchiveReader reader(bytes);
        while (!reader.empty()) {
            std::vector<std::byte> one;
            reader.array(one);
            if (one.empty()) continue;  // another rank's
            ArchiveReader repeat(one);
            repeats.emplace_back().load(repeat);
        }
    }
    return repeats;
}

}  // namespace

embed::AnalysisOptions read_analysis_options(study::TomlTable table, const embed::AnalysisOptions& defaults) {
    embed::AnalysisOptions options = defaults;
    options.repeats = table.integer("repeats", options.repeats, 1, 100'000);
    options.train_fraction = table.real("train_fraction", options.train_fraction, 0.01, 0.98);
    options.validation_fraction = table.real("validation_fraction", options.validation_fraction, 0.01, 0.98);
    read_choice(table, "split", options.split);
    options.leave_one_out = table.boolean("leave_one_out", options.leave_one_out);
    options.spectrum = table.string("spectrum", options.spectrum);
    read_choice(table, "log", options.log);
    options.length = table.integer("length", options.length, 0, 1'000'000);
    read_choice(table, "interpolation", options.interpolation);
    options.floor = table.real("floor", options.floor, -1e300, 0.0);
    read_choice(table, "transform", options.transform);
    options.transform_scale = table.real("transform_scale", options.transform_scale, 1e-12, 1e12);
    options.standardise = table.boolean("standardise", options.standardise);
    read_choice(table, "loss", options.loss);
    if (table.has("threshold")) options.threshold = table.real("threshold", std::nullopt, -1e300, 1e300);
    read_choice(table, "label", options.label);
    options.architecture_control = table.boolean("architecture_control", options.architecture_control);
    read_choice(table, "target", options.target);
    options.loss_cap = table.real("loss_cap", options.loss_cap, 1e-300, 1e300);
    read_autoencoder(table, options.autoencoder);
    read_choice(table, "fit", options.fit);
    read_choice(table, "boundaries", options.boundaries);
    read_choice(table, "boundary_set", options.boundary_set);
    read_choice(table, "boundary_rule", options.boundary_rule);
    read_choice(table, "baseline", options.baseline);
    read_choice(table, "regressand", options.regressand);
    options.ridge = table.real("ridge", options.ridge, 0.0, 1e12);
    options.regression_components = table.integer("regression_components", options.regression_components, 1, 1'000'000);
    options.logistic_penalty = table.real("logistic_penalty", options.logistic_penalty, 1e-12, 1e12);
    if (table.has("init_centre")) options.init_centre = table.real("init_centre", std::nullopt, -1e300, 1e300);
    embed::check_options(options);
    return options;
}

void analyze_folder(Session& session, const study::StudyFolder& folder, const embed::AnalysisOptions& options, const std::string& name) {
    session.at_rank_0([&] { embed::check_input(analysis_input(folder.study_file(), options), options); });
    const embed::AnalysisInput input = analysis_input(folder.study_file(), options);
    std::vector<embed::RepeatResult> repeats = all_repeats(session, input, options);
    session.at_rank_0([&] {
        const embed::Analysis analysis = embed::assemble(input, options, std::move(repeats));
        const auto place = report::analysis_folder(folder.root(), name);
        io::create_folders(place);
        embed::write_analysis(place / "analysis.h5", input, options, analysis);
        session.console().note("wrote " + (place / "analysis.h5").string());
        print_tables(session, folder, name);
    });
}

void print_tables(Session& session, const study::StudyFolder& folder, const std::string& name) {
    const report::Tables tables = report::write_tables(folder.root(), name);
    session.console().result(tables.text);
    for (const auto& file : tables.files) session.console().detail("wrote " + file.string());
}

void report_folder(Session& session, const study::StudyFolder& folder) {
    const report::Report report = report::write_report(folder.root());
    for (const std::string& note : report.notes) session.console().note(note);
    session.console().result("report: " + report.path.string());
}

}  // namespace aelle::app
