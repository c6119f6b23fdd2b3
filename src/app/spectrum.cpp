// aelle spectrum: Lyapunov spectra of one given network along given inputs.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/io/h5.hpp"
#include "aelle/learn/weights.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "commands.hpp"
#include "session.hpp"

namespace aelle::app {
namespace {

struct SpectrumCommand {
    CommonOptions common;
    std::string cell;
    std::filesystem::path weights, output;
    std::string inputs, initial_state;  // FILE or FILE:dataset
    std::vector<std::string> params;
    std::string state = "full", interval = "auto", precision = "double", log = "e", qr = "auto";
    int64_t warmup = 0;
    int64_t exponents = 0;
};

struct Network {
    const cells::CellSpec* cell;
    cells::Shape shape;
    cells::Parameters parameters;
};

/// n sequences of T steps of d features, and one initial state each.
struct Sequences {
    int64_t count = 0, steps = 0, features = 0;
    std::vector<double> inputs;   // (n, T, d)
    std::vector<double> initial;  // (n, D)
};

/// Results of all sequences, filled by ranks and threads in any order.
struct Results {
    std::vector<double> exponents;  // (n, K)
    std::vector<uint8_t> reliable;  // (n, K)
    std::vector<double> defect;     // (n)
};

struct Location {
    std::string file, dataset;
};

/// FILE:dataset, or FILE with the default dataset. A file whose own name has a colon wins.
Location locate(const std::string& text, const std::string& fallback) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || std::filesystem::exists(text)) return {text, fallback};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

int64_t parse_interval(const std::string& text) {
    if (text == "auto") return 0;
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1) {
        throw UsageError("--interval: found '" + text + "', expected auto or an integer from 1");
    }
    return value;
}

Network read_network(const SpectrumCommand& options) {
    Network network{&cells::find_cell(options.cell), {}, {}};
    learn::WeightsFile file = learn::read_weights(options.weights, *network.cell);
    network.shape = file.shape;
    network.parameters = std::move(file.parameters);
    for (const auto& [name, value] : parse_params(options.params)) network.parameters.scalars[name] = value;
    cells::complete(*network.cell, network.shape, network.parameters);
    return network;
}

Sequences read_sequences(const SpectrumCommand& options, const Network& network) {
    const Location place = locate(options.inputs, "inputs");
    const io::H5Reader file(place.file);
    const io::Dims dims = file.dims(place.dataset);
    const std::string name = place.file + ": " + place.dataset + ": ";
    if (dims.size() != 3) throw DataError(name + "found " + std::to_string(dims.size()) + " dimensions, expected 3 (n, T, d)");
    if (dims[0] < 1 || dims[1] < 1) throw DataError(name + "found no sequences or no steps, expected n and T of at least 1");
    if (network.shape.input > 0 && dims[2] != network.shape.input) {
        throw DataError(name + "found " + std::to_string(dims[2]) + " features, expected " + std::to_string(network.shape.input) +
                        ", the input size of the weights");
    }
    Sequences sequences{dims[0], dims[1], network.shape.input, {}, {}};
    if (options.warmup >= sequences.steps) {
        throw UsageError("--warmup: found " + std::to_string(options.warmup) + ", expected less than the " + std::to_string(dims[1]) +
                         " steps of the inputs");
    }
    if (sequences.features > 0) sequences.inputs = file.read<double>(place.dataset);
    const int64_t dimension = network.cell->blocks * network.shape.hidden;
    if (options.initial_state.empty()) {
        sequences.initial.assign(static_cast<std::size_t>(sequences.count * dimension), 0.0);
    } else {
        const Location state = locate(options.initial_state, "initial_state");
        sequences.initial = io::H5Reader(state.file).read<double>(state.dataset, {sequences.count, dimension});
    }
    return sequences;
}

lyapunov::SpectrumOptions engine_options(const SpectrumCommand& options, const Sequences& sequences, int64_t dimension) {
    lyapunov::SpectrumOptions engine;
    if (options.exponents > dimension) {
        throw UsageError("--exponents: found " + std::to_string(options.exponents) + ", expected at most " + std::to_string(dimension) +
                         ", the dimension of the tangent space");
    }
    engine.exponents = options.exponents;
    engine.steps = sequences.steps - options.warmup;
    engine.warmup = options.warmup;
    engine.interval = parse_interval(options.interval);
    engine.qr = options.qr == "library" ? backend::QrMethod::library : backend::QrMethod::accurate;
    return engine;
}

/// One sequence; T is the precision of trajectory and tangents.
template <class T>
lyapunov::Spectrum one_spectrum(Session& session, std::unique_ptr<backend::Network<T>> cell, const Sequences& sequences, int64_t index,
                                const lyapunov::SpectrumOptions& engine) {
    const auto slice = [&](const std::vector<double>& all, int64_t length) {
        const auto first = all.begin() + index * length;
        return std::vector<T>(first, first + length);
    };
    auto inputs = slice(sequences.inputs, sequences.features > 0 ? sequences.steps * sequences.features : 0);
    auto initial = slice(sequences.initial, cell->state_dimension());
    const auto system = lyapunov::network_system<T>(std::move(cell), std::move(inputs), std::move(initial));
    lyapunov::SpectrumRun<T> run(session.backend(), *system, engine);
    while (!run.done()) {
        session.check_stop();
        run.advance();
    }
    return run.result();
}

lyapunov::Spectrum one_spectrum(Session& session, const SpectrumCommand& options, const Network& network, const Sequences& sequences,
                                int64_t index, const lyapunov::SpectrumOptions& engine) {
    const auto space = options.state == "hidden" ? backend::TangentSpace::hidden : backend::TangentSpace::full;
    const auto& backend = session.backend();
    if (options.precision == "single") {
        return one_spectrum<float>(session, backend.network_single(*network.cell, network.shape, network.parameters, space), sequences,
                                   index, engine);
    }
    return one_spectrum<double>(session, backend.network(*network.cell, network.shape, network.parameters, space), sequences, index,
                                engine);
}

/// Every rank fills the rows it worked on; rank 0 receives the others'.
void collect(study::Comm& comm, int64_t count, int64_t width, Results& results) {
    ArchiveWriter mine;
    mine.array(results.exponents);
    mine.array(results.reliable);
    mine.array(results.defect);
    const auto all = comm.gather(mine.bytes());
    for (std::size_t rank = 1; rank < all.size(); ++rank) {
        Results theirs;
        ArchiveReader archive(all[rank]);
        archive.array(theirs.exponents);
        archive.array(theirs.reliable);
        archive.array(theirs.defect);
        for (auto i = static_cast<int64_t>(rank); i < count; i += comm.size()) {
            std::copy_n(theirs.exponents.begin() + i * width, width, results.exponents.begin() + i * width);
            std::copy_n(theirs.reliable.begin() + i * width, width, results.reliable.begin() + i * width);
            results.defect[static_cast<std::size_t>(i)] = theirs.defect[static_cast<std::size_t>(i)];
        }
    }
}

void write_options(io::H5Writer& file, const SpectrumCommand& options, const Network& network) {
    const auto text = [&](const char* name, const std::string& value) { file.attribute("/", name, value); };
    text("cell", options.cell);
    text("weights", options.weights.string());
    text("inputs", options.inputs);
    text("initial_state", options.initial_state.empty() ? "zero" : options.initial_state);
    text("state", options.state);
    text("interval", options.interval);
    text("precision", options.precision);
    text("log", options.log);
    text("qr", options.qr);
    text("version", build_info().version);
    file.attribute("/", "warmup", options.warmup);
    for (const auto& [name, value] : network.parameters.scalars) file.attribute("/", name, value);
}

void write_result(const SpectrumCommand& options, const Network& network, Results& results, int64_t count, int64_t width,
                  double seconds) {
    const double unit = options.log == "2" ? 1.0 / std::log(2.0) : 1.0;
    std::vector<double> mean(static_cast<std::size_t>(width)), deviation(static_cast<std::size_t>(width));
    for (double& exponent : results.exponents) exponent *= unit;
    for (int64_t k = 0; k < width; ++k) {
        double sum = 0.0;
        for (int64_t i = 0; i < count; ++i) sum += results.exponents[static_cast<std::size_t>(i * width + k)];
        const double average = sum / static_cast<double>(count);
        double squares = 0.0;
        for (int64_t i = 0; i < count; ++i) squares += std::pow(results.exponents[static_cast<std::size_t>(i * width + k)] - average, 2);
        mean[static_cast<std::size_t>(k)] = average;
        deviation[static_cast<std::size_t>(k)] = std::sqrt(squares / static_cast<double>(count));
    }
    io::H5Writer file;
    file.write("exponents", results.exponents, {count, width});
    file.write("reliable", results.reliable, {count, width});
    file.write("spectrum", mean, {width});
    file.write("spectrum_std", deviation, {width});
    for (const char* name : {"exponents", "spectrum", "spectrum_std"}) {
        file.attribute(name, "units", std::string(options.log == "2" ? "bits per step" : "nats per step"));
    }
    write_options(file, options, network);
    file.attribute("/", "exponents", width);
    file.attribute("/", "seconds", seconds);
    double defect = 0.0;
    for (const double d : results.defect) defect = std::isnan(d) || std::isnan(defect) ? std::numeric_limits<double>::quiet_NaN() : std::max(defect, d);
    file.attribute("/", "logdet_defect", defect * unit);
    file.commit(options.output);
}

void spectrum(Session& session, const SpectrumCommand& options) {
    session.at_rank_0([&] {
        check_output(options.output);
        const Network network = read_network(options);
        const Sequences sequences = read_sequences(options, network);
        const int64_t dimension = (options.state == "hidden" ? 1 : network.cell->blocks) * network.shape.hidden;
        engine_options(options, sequences, dimension);
    });
    const Network network = read_network(options);
    const Sequences sequences = read_sequences(options, network);
    const int64_t dimension = (options.state == "hidden" ? 1 : network.cell->blocks) * network.shape.hidden;
    const lyapunov::SpectrumOptions engine = engine_options(options, sequences, dimension);
    const int64_t width = engine.exponents > 0 ? engine.exponents : dimension;
    const auto cells = static_cast<std::size_t>(sequences.count * width);
    Results results{std::vector<double>(cells), std::vector<uint8_t>(cells), std::vector<double>(static_cast<std::size_t>(sequences.count))};
    const auto start = std::chrono::steady_clock::now();
    session.share(sequences.count, "sequences", [&](int64_t i) {
        const lyapunov::Spectrum one = one_spectrum(session, options, network, sequences, i, engine);
        std::copy(one.exponents.begin(), one.exponents.end(), results.exponents.begin() + i * width);
        std::copy(one.reliable.begin(), one.reliable.end(), results.reliable.begin() + i * width);
        results.defect[static_cast<std::size_t>(i)] = one.logdet_defect;
    });
    collect(session.comm(), sequences.count, width, results);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    session.at_rank_0([&] {
        write_result(options, network, results, sequences.count, width, seconds);
        session.console().result("wrote " + options.output.string() + ": " + std::to_string(width) + " exponents of " +
                                 std::to_string(sequences.count) + " sequences");
    });
}

}  // namespace

void add_spectrum(CLI::App& program, Action& action) {
    auto options = std::make_shared<SpectrumCommand>();
    CLI::App* command = program.add_subcommand("spectrum", "Lyapunov spectrum of one given network along given inputs");
    const auto text = [&](const char* name, std::string& value, const char* help) { return command->add_option(name, value, help); };
    text("--cell", options->cell, "Architecture")->required()->check(CLI::IsMember(cell_names()))->type_name("CELL");
    command->add_option("--weights", options->weights, "HDF5 file with the cell's tensors")->required()->type_name("W");
    text("--inputs", options->inputs, "HDF5 dataset (n, T, d), 'inputs' unless named")->required()->type_name("FILE[:DATASET]");
    command->add_option("-o,--output", options->output, "HDF5 file to write")->required()->type_name("OUT");
    text("--initial-state", options->initial_state, "HDF5 dataset (n, D) instead of the zero state")->type_name("FILE[:DATASET]");
    command->add_option("--param", options->params, "A scalar of the cell, for example dt=0.1 (repeatable)")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    text("--state", options->state, "Jacobian of the full state, or its hidden-to-hidden block: full, hidden")
        ->check(CLI::IsMember({"full", "hidden"}))
        ->capture_default_str();
    command->add_option("--warmup", options->warmup, "Steps before the average")->check(CLI::Range(int64_t{0}, int64_t{1} << 40))->capture_default_str();
    command->add_option("--exponents", options->exponents, "Leading exponents only (default all)")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
        ->type_name("K");
    text("--interval", options->interval, "Steps between re-orthonormalisations: auto or a number")->type_name("N")->capture_default_str();
    text("--precision", options->precision, "double or single, trajectory and tangents alike")
        ->check(CLI::IsMember({"double", "single"}))
        ->capture_default_str();
    text("--log", options->log, "Base of the logarithm: e or 2")->check(CLI::IsMember({"e", "2"}))->capture_default_str();
    text("--qr", options->qr, "auto, accurate (rows sorted) or library (LAPACK)")
        ->check(CLI::IsMember({"auto", "accurate", "library"}))
        ->capture_default_str();
    add_common_options(*command, options->common);
    command->callback([options, &action] {
        parse_interval(options->interval);
        check_params(options->cell, options->params);
        action = [options] { return run_command(options->common, [&](Session& session) { spectrum(session, *options); }); };
    });
}

}  // namespace aelle::app
