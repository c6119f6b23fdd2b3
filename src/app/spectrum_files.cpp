#include "spectrum_files.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/h5.hpp"
#include "aelle/learn/weights.hpp"

namespace aelle::app {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string shape_text(const io::Dims& dims) {
    std::vector<std::string> words;
    for (const int64_t d : dims) words.push_back(std::to_string(d));
    return "(" + join(words, ", ") + ")";
}

/// DataError naming the first value that is NaN or infinite: a spectrum along it would be NaN for no visible reason.
void refuse_not_finite(const std::string& name, const std::vector<double>& values, const io::Dims& dims) {
    const auto bad = std::find_if(values.begin(), values.end(), [](double x) { return !std::isfinite(x); });
    if (bad == values.end()) return;
    int64_t left = bad - values.begin();
    io::Dims index(dims.size());
    for (std::size_t axis = dims.size(); axis-- > 0; left /= dims[axis]) index[axis] = left % dims[axis];
    throw DataError(name + "found " + exact(*bad) + " at index " + shape_text(index) + ", expected finite numbers");
}

std::vector<double> read_initial(const SpectrumCommand& options, int64_t count, int64_t dimension) {
    if (options.initial_state.empty()) return std::vector<double>(static_cast<std::size_t>(count * dimension), 0.0);
    FileAndDataset place = locate_dataset(options.initial_state);
    if (place.dataset.empty()) place.dataset = "initial_state";
    auto values = io::H5Reader(place.file).read<double>(place.dataset, {count, dimension});
    refuse_not_finite(place.file + ": " + place.dataset + ": ", values, {count, dimension});
    return values;
}

/// Mean and standard deviation of one exponent over the sequences. -inf is legitimate: equal values have deviation 0 there too.
std::pair<double, double> over_sequences(const std::vector<double>& exponents, int64_t count, int64_t width, int64_t k) {
    const auto value = [&](int64_t i) { return exponents[static_cast<std::size_t>(i * width + k)]; };
    double sum = 0.0, squares = 0.0;
    bool equal = true;
    for (int64_t i = 0; i < count; ++i) {
        sum += value(i);
        equal = equal && value(i) == value(0);
    }
    const double mean = sum / static_cast<double>(count);
    for (int64_t i = 0; i < count; ++i) squares += std::pow(value(i) - mean, 2);
    return {mean, equal ? 0.0 : std::sqrt(squares / static_cast<double>(count))};
}

void write_scale(io::H5Writer& file, const std::string& name, int64_t count, const std::string& meaning) {
    std::vector<int64_t> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), int64_t{0});
    file.write(name, numbers, {count});
    file.make_scale(name, name);
    file.attribute(name, "units", std::string("1"));
    file.attribute(name, "long_name", meaning);
}

void label(io::H5Writer& file, const std::string& name, const std::vector<std::string>& scales, const std::string& units, const std::string& meaning) {
    for (std::size_t axis = 0; axis < scales.size(); ++axis) file.attach_scale(name, static_cast<int>(axis), scales[axis]);
    file.attribute(name, "units", units);
    file.attribute(name, "long_name", meaning);
}

void write_options(io::H5Writer& file, const SpectrumCommand& options, const GivenNetwork& network) {
    const auto text = [&](const char* name, const std::string& value) { file.attribute("/", name, value); };
    text("cell", std::string(network.cell->name));
    text("weights", options.weights.string());
    text("inputs", options.inputs);
    text("initial_state", options.initial_state.empty() ? "zero" : options.initial_state);
    text("state", options.state);
    text("interval", options.interval);
    text("precision", options.precision);
    text("log", options.log);
    text("qr", options.qr);
    text("version", build_info().version);
    file.attribute("/", "layer", options.layer.value_or(0));
    file.attribute("/", "gated", int64_t{!network.cell->gated_form_of.empty()});
    file.attribute("/", "hidden", network.shape.hidden);
    file.attribute("/", "warmup", options.warmup);
    file.attribute("/", "extended_up_to", options.extended_up_to);
    for (const auto& [name, value] : network.parameters.scalars) file.attribute("/", name, value);
}

}  // namespace

GivenNetwork read_network(const SpectrumCommand& options) {
    learn::WeightsOptions wanted;
    wanted.layer = options.layer;
    wanted.gated = options.gated;
    learn::WeightsFile file = learn::read_weights(options.weights, cells::find_cell(options.cell), wanted);
    GivenNetwork network{file.cell, file.shape, std::move(file.parameters)};
    auto& scalars = network.parameters.scalars;
    const auto given = parse_params(options.params);
    for (const cells::ScalarSpec& scalar : network.cell->scalars) {
        // One value for several, as beta for beta_a and beta_w, goes before what the file says of each.
        if (given.contains(scalar.otherwise)) scalars.erase(std::string(scalar.name));
    }
    for (const auto& [name, value] : given) scalars[name] = value;
    cells::complete(*network.cell, network.shape, network.parameters);
    return network;
}

GivenSequences read_sequences(const SpectrumCommand& options, const GivenNetwork& network) {
    FileAndDataset place = locate_dataset(options.inputs);
    if (place.dataset.empty()) place.dataset = "inputs";
    const io::H5Reader file(place.file);
    const io::Dims dims = file.dims(place.dataset);
    const std::string name = place.file + ": " + place.dataset + ": ";
    if (dims.size() != 3) {
        throw DataError(name + "found " + std::to_string(dims.size()) + " dimensions, expected 3: (sequences, steps, features)");
    }
    if (dims[0] < 1 || dims[1] < 1) throw DataError(name + "found shape " + shape_text(dims) + ", expected at least one sequence and one step");
    if (network.shape.input > 0 && dims[2] != network.shape.input) {
        throw DataError(name + "found " + std::to_string(dims[2]) + " features, expected " + std::to_string(network.shape.input) +
                        ", the input size of the weights" + (options.layer.value_or(0) > 0 ? ": a later layer sees the outputs of the one before" : ""));
    }
    GivenSequences sequences{dims[0], dims[1], network.shape.input, {}, {}};
    if (options.warmup >= sequences.steps) {
        throw UsageError("--warmup: found " + std::to_string(options.warmup) + ", expected less than the " + std::to_string(dims[1]) +
                         " steps of the inputs");
    }
    if (sequences.features > 0) {
        sequences.inputs = file.read<double>(place.dataset);
        refuse_not_finite(name, sequences.inputs, dims);
    }
    sequences.initial = read_initial(options, sequences.count, network.state_dimension());
    return sequences;
}

void write_spectrum(const SpectrumCommand& options, const GivenNetwork& network, const SpectrumResults& results, int64_t count, int64_t width,
                    const SpectrumRecord& record) {
    const double unit = options.log == "2" ? 1.0 / std::log(2.0) : 1.0;
    std::vector<double> exponents = results.exponents, mean, deviation;
    for (double& exponent : exponents) exponent *= unit;
    for (int64_t k = 0; k < width; ++k) {
        const auto [average, spread] = over_sequences(exponents, count, width, k);
        mean.push_back(average);
        deviation.push_back(spread);
    }
    io::H5Writer file;
    write_scale(file, "sequence", count, "input sequence");
    write_scale(file, "exponent_index", width, "place in the descending spectrum");
    file.write("exponents", exponents, {count, width});
    file.write("reliable", results.reliable, {count, width});
    file.write("spectrum", mean, {width});
    file.write("spectrum_std", deviation, {width});
    const std::string units = options.log == "2" ? "bits per step" : "nats per step";
    label(file, "exponents", {"sequence", "exponent_index"}, units, "Lyapunov exponents along each sequence");
    label(file, "reliable", {"sequence", "exponent_index"}, "1", "0 where rounding may have spoiled the exponent");
    label(file, "spectrum", {"exponent_index"}, units, "mean of the exponents over the sequences");
    label(file, "spectrum_std", {"exponent_index"}, units, "standard deviation of the exponents over the sequences");
    for (const char* name : {"exponents", "spectrum"}) file.attribute(name, "kind", options.state);
    write_options(file, options, network);
    double defect = 0.0;
    for (const double d : results.defect) defect = std::isnan(d) || std::isnan(defect) ? nan : std::max(defect, d);
    file.attribute("/", "exponents", width);
    file.attribute("/", "logdet_defect", defect * unit);
    file.attribute("/", "diverged", static_cast<int64_t>(std::count(results.finite.begin(), results.finite.end(), uint8_t{0})));
    file.attribute("/", "device", record.device);
    file.attribute("/", "threads", int64_t{record.threads});
    file.attribute("/", "ranks", int64_t{record.ranks});
    file.attribute("/", "seconds", record.seconds);
    file.commit(options.output);
}

}  // namespace aelle::app
