// aelle predict: a pre-trained AeLLE applied to new spectra.

#include <algorithm>
#include <numeric>
#include <optional>

#include "aelle/base/build_info.hpp"
#include "aelle/base/text.hpp"
#include "aelle/embed/model.hpp"
#include "aelle/embed/spectra_file.hpp"
#include "aelle/io/h5.hpp"
#include "commands.hpp"
#include "session.hpp"

namespace aelle::app {
namespace {

struct PredictCommand {
    CommonOptions common;
    std::filesystem::path model, output;
    std::string spectra;  // FILE or FILE:dataset
    std::optional<int64_t> epoch;
};

/// One dataset over networks, its meaning and what else there is to say.
template <class T>
void write_dataset(io::H5Writer& file, const std::string& name, const std::vector<T>& values, const io::Dims& dims, const std::string& meaning) {
    file.write(name, values, dims);
    file.attach_scale(name, 0, "network");
    if (dims.size() > 1) file.attach_scale(name, 1, "component");
    file.attribute(name, "units", std::string("1"));
    file.attribute(name, "long_name", meaning);
}

void write_scale(io::H5Writer& file, const std::string& name, int64_t count, const std::string& meaning) {
    std::vector<int64_t> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), int64_t{0});
    file.write(name, numbers, {count});
    file.make_scale(name, name);
    file.attribute(name, "units", std::string("1"));
    file.attribute(name, "long_name", meaning);
}

void write_class(io::H5Writer& file, const std::string& name, const std::vector<int8_t>& positive, const std::string& classifier,
                 const embed::Threshold& threshold, const std::string& of) {
    const std::vector<int32_t> values(positive.begin(), positive.end());
    write_dataset(file, name, values, {static_cast<int64_t>(values.size())},
                  "class by " + of + ": 1 good (loss below the threshold), 0 bad, -1 undefined (the spectrum holds NaN or +inf, or nothing)");
    file.attribute(name, "classifier", classifier);
    file.attribute(name, "boundary", threshold.boundary);
    file.attribute(name, "side", int64_t{threshold.side});
    file.attribute(name, "rule", std::string(threshold.side > 0 ? "good above the boundary" : "good at or below the boundary"));
}

void write_result(const PredictCommand& options, const embed::Model& model, int64_t boundary_index, const embed::SpectraFile& spectra,
                  const embed::Placement& placement) {
    const auto n = static_cast<int64_t>(placement.predicted_loss.size());
    const int64_t d = model.net.latent();
    io::H5Writer file;
    write_scale(file, "network", n, "row of the spectra");
    write_scale(file, "component", d, "latent unit or principal component");
    write_dataset(file, "latent", placement.latent, {n, d}, "latent vectors; NaN where undefined");
    write_dataset(file, "pc", placement.pc, {n, d}, "principal components of the latent vectors; NaN where undefined");
    write_dataset(file, "predicted_loss", placement.predicted_loss, {n}, "loss predicted by the autoencoder, in units of the study's loss; NaN where undefined");
    const auto at = static_cast<std::size_t>(boundary_index);
    write_class(file, "positive", placement.positive, "aelle-pc1", model.by_component[at], "the first principal component");
    write_class(file, "positive_by_prediction", placement.positive_by_prediction, "aelle-prediction", model.by_predicted_loss[at], "the predicted loss");
    file.attribute("/", "model", options.model.string());
    file.attribute("/", "spectra", options.spectra);
    file.attribute("/", "dataset", spectra.dataset);
    if (spectra.epoch) file.attribute("/", "epoch", *spectra.epoch);
    file.attribute("/", "boundary_epoch", model.epochs[at]);
    file.attribute("/", "length", model.length);
    file.attribute("/", "threshold", model.threshold);
    file.attribute("/", "version", build_info().version);
    file.commit(options.output);
}

std::string summary(const PredictCommand& options, const embed::SpectraFile& spectra, const embed::Placement& placement) {
    const auto count = [](const std::vector<int8_t>& values, int8_t wanted) {
        return std::to_string(std::count(values.begin(), values.end(), wanted));
    };
    std::string text;
    if (placement.positive.size() <= 10) {  // few enough to read
        const auto word = [](int8_t positive) { return std::string(positive < 0 ? "undefined" : positive > 0 ? "good" : "bad"); };
        for (std::size_t i = 0; i < placement.positive.size(); ++i) {
            text += "network " + std::to_string(i) + ": " + std::to_string(spectra.spectra[i].size()) + " exponents, predicted loss " +
                    rounded(placement.predicted_loss[i]) + ", " + word(placement.positive[i]) + " by the first component, " +
                    word(placement.positive_by_prediction[i]) + " by the predicted loss\n";
        }
    }
    return text + "wrote " + options.output.string() + ": of " + std::to_string(placement.positive.size()) + " networks " +
           count(placement.positive, 1) + " good by the first component, " + count(placement.positive_by_prediction, 1) +
           " by the predicted loss, " + count(placement.positive, -1) + " undefined";
}

/// Where the model knows leading exponents only, another number of them is most likely another part of the spectrum.
std::string warning_of_lengths(const embed::Model& model, const embed::SpectraFile& spectra) {
    const auto unlike = std::count_if(spectra.spectra.begin(), spectra.spectra.end(), [&](const auto& exponents) {
        return !exponents.empty() && static_cast<int64_t>(exponents.size()) != model.leading;
    });
    if (model.leading == 0 || unlike == 0) return "";
    return "the model was fitted to the " + std::to_string(model.leading) + " leading exponents of each network; " + std::to_string(unlike) + " of " +
           std::to_string(spectra.spectra.size()) + " spectra have another number of them, and are stretched or compressed to that length";
}

void predict(Session& session, const PredictCommand& options) {
    check_output(options.output);
    const bool folder = std::filesystem::is_directory(options.model) || options.model.extension() != ".h5";
    const embed::Model model = embed::read_model(folder ? options.model / "analysis.h5" : options.model);
    const FileAndDataset place = locate_dataset(options.spectra);
    const embed::SpectraFile spectra = embed::read_spectra(place.file, place.dataset, options.epoch, model.kind);
    if (const std::string text = warning_of_lengths(model, spectra); !text.empty()) session.console().warning(text);
    const int64_t boundary_index = model.boundary_index(spectra.epoch ? spectra.epoch : options.epoch);
    const embed::Placement placement = embed::apply(model, spectra.spectra, boundary_index);
    write_result(options, model, boundary_index, spectra, placement);
    session.console().result(summary(options, spectra, placement));
}

}  // namespace

void add_predict(CLI::App& program, Action& action) {
    auto options = std::make_shared<PredictCommand>();
    CLI::App* command = program.add_subcommand("predict", "A pre-trained AeLLE applied to new spectra: place, predicted loss and class");
    command->add_option("--model", options->model, "Output folder of a study whose analysis.h5 holds the AeLLE")->required()->type_name("DIR");
    command
        ->add_option("--spectra", options->spectra,
                     "Exponents in nats per step, one network a row: HDF5 dataset 'exponents' or 'spectrum', or CSV. A file of aelle spectrum is one "
                     "network, the mean over its sequences; FILE:exponents makes each sequence one")
        ->required()
        ->type_name("FILE[:DATASET]");
    command->add_option("-o,--output", options->output, "HDF5 file to write")->required()->type_name("OUT");
    command->add_option("--epoch", options->epoch, "Age of the networks, for spectra of a whole study.h5 or a model with a boundary for each epoch (default the last)")
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
        ->type_name("N");
    add_common_options(*command, options->common);
    command->callback([options, &action] {
        action = [options] {
            return run_command(options->common, [&](Session& session) { session.at_rank_0([&] { predict(session, *options); }); });
        };
    });
}

}  // namespace aelle::app
