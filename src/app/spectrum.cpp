// aelle spectrum: Lyapunov spectra of one given network along given inputs.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <mutex>

#include "aelle/backend/extended.hpp"
#include "aelle/base/error.hpp"
#include "aelle/lyapunov/group.hpp"
#include "aelle/study/parallel.hpp"
#include "commands.hpp"
#include "session.hpp"
#include "spectrum_files.hpp"

namespace aelle::app {
namespace {

int64_t parse_interval(const std::string& text) {
    if (text == "auto") return 0;
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1) {
        throw UsageError("--interval: found '" + text + "', expected auto or an integer from 1");
    }
    return value;
}

lyapunov::SpectrumOptions engine_options(const SpectrumCommand& options, const GivenSequences& sequences, int64_t dimension) {
    lyapunov::SpectrumOptions engine;
    if (options.exponents > dimension) {
        throw UsageError("--exponents: found " + std::to_string(options.exponents) + ", expected at most " + std::to_string(dimension) +
                         ", the dimension of the tangent space");
    }
    engine.exponents = options.exponents;
    engine.steps = sequences.steps - options.warmup;
    engine.warmup = options.warmup;
    engine.interval = parse_interval(options.interval);
    engine.extended_up_to = options.extended_up_to;
    engine.qr = options.qr == "library" ? backend::QrMethod::library : backend::QrMethod::accurate;
    return engine;
}

/// One sequence; T is the precision of trajectory and tangents.
template <class T>
lyapunov::Spectrum one_spectrum(Session& session, std::unique_ptr<backend::Network<T>> cell, const GivenSequences& sequences, int64_t index,
                                const lyapunov::SpectrumOptions& engine,
                                std::unique_ptr<backend::Network<DoubleDouble>> extended = nullptr) {
    const auto slice = [&](const std::vector<double>& all, int64_t length) {
        const auto first = all.begin() + index * length;
        return std::vector<T>(first, first + length);
    };
    auto inputs = slice(sequences.inputs, sequences.features > 0 ? sequences.steps * sequences.features : 0);
    auto initial = slice(sequences.initial, cell->state_dimension());
    const auto system = lyapunov::network_system<T>(std::move(cell), std::move(inputs), std::move(initial), std::move(extended));
    lyapunov::SpectrumRun<T> run(session.backend(), *system, engine);
    while (!run.done()) {
        session.check_stop();
        run.advance();
    }
    return run.result();
}

lyapunov::Spectrum one_spectrum(Session& session, const SpectrumCommand& options, const GivenNetwork& network,
                                const GivenSequences& sequences, int64_t index, const lyapunov::SpectrumOptions& engine) {
    const auto space = options.state == "hidden" ? backend::TangentSpace::hidden : backend::TangentSpace::full;
    const auto& backend = session.backend();
    if (options.precision == "single") {
        return one_spectrum<float>(session, backend.network_single(*network.cell, network.shape, network.parameters, space), sequences,
                                   index, engine);
    }
    const bool small = network.tangent_dimension(options.state) <= engine.extended_up_to;
    return one_spectrum<double>(session, backend.network(*network.cell, network.shape, network.parameters, space), sequences, index, engine,
                                small ? backend::extended_network(*network.cell, network.shape, network.parameters, space) : nullptr);
}

/// Every rank fills the rows it worked on; rank 0 receives the others', and the seconds of the slowest.
void collect(study::Comm& comm, int64_t count, int64_t width, SpectrumResults& results, double& seconds) {
    ArchiveWriter mine;
    mine.value(seconds);
    mine.array(results.exponents);
    mine.array(results.reliable);
    mine.array(results.defect);
    mine.array(results.finite);
    const auto all = comm.gather(mine.bytes());
    for (std::size_t rank = 1; rank < all.size(); ++rank) {
        SpectrumResults theirs;
        ArchiveReader archive(all[rank]);
        seconds = std::max(seconds, archive.value<double>());
        archive.array(theirs.exponents);
        archive.array(theirs.reliable);
        archive.array(theirs.defect);
        archive.array(theirs.finite);
        for (auto i = static_cast<int64_t>(rank); i < count; i += comm.size()) {
            const auto row = static_cast<std::size_t>(i);
            std::copy_n(theirs.exponents.begin() + i * width, width, results.exponents.begin() + i * width);
            std::copy_n(theirs.reliable.begin() + i * width, width, results.reliable.begin() + i * width);
            results.defect[row] = theirs.defect[row];
            results.finite[row] = theirs.finite[row];
        }
    }
}

/// Whether the GPU takes these spectra; single precision, library QR and fixed intervals are the host's.
bool on_device(Session& session, const SpectrumCommand& options, const lyapunov::SpectrumOptions& engine) {
    return session.groups() != nullptr && options.precision == "double" && lyapunov::GroupSpectra::possible(engine);
}

/// This rank's sequences on its GPU.
void device_spectra(Session& session, const SpectrumCommand& options, const GivenNetwork& network, const GivenSequences& sequences,
                    const lyapunov::SpectrumOptions& engine, int64_t width, SpectrumResults& results, double& seconds) {
    const auto start = std::chrono::steady_clock::now();
    const auto slice = [](const std::vector<double>& all, int64_t index, int64_t length) {
        return std::vector<double>(all.begin() + index * length, all.begin() + (index + 1) * length);
    };
    lyapunov::GroupProblem problem;
    problem.cell = network.cell;
    problem.shape = network.shape;
    problem.networks = {network.parameters};
    problem.options = engine;
    problem.space = options.state == "hidden" ? backend::TangentSpace::hidden : backend::TangentSpace::full;
    std::vector<int64_t> mine;
    for (int64_t i = session.comm().rank(); i < sequences.count; i += session.comm().size()) {
        mine.push_back(i);
        problem.sequences.push_back(slice(sequences.inputs, i, sequences.features > 0 ? sequences.steps * sequences.features : 0));
        const std::vector<double> state = slice(sequences.initial, i, network.state_dimension());
        problem.initial_state.insert(problem.initial_state.end(), state.begin(), state.end());
    }
    if (mine.empty()) return;
    lyapunov::GroupSpectra run(*session.groups(), session.backend(), std::move(problem));
    const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
    while (!run.done()) {
        session.check_stop();
        run.advance(1);
        session.console().progress("steps", run.steps_done(), sequences.steps, run.steps_done(), elapsed());
    }
    session.console().end_progress();
    const std::vector<lyapunov::Spectrum> all = run.results(study::on_threads(session.threads()));
    for (std::size_t n = 0; n < mine.size(); ++n) results.store(mine[n], width, all[n]);
    seconds = elapsed();
}

/// All sequences, shared among ranks and threads; complete at rank 0. `seconds`: until the last of them was done.
SpectrumResults all_spectra(Session& session, const SpectrumCommand& options, const GivenNetwork& network, const GivenSequences& sequences,
                            const lyapunov::SpectrumOptions& engine, int64_t width, double& seconds) {
    const auto count = static_cast<std::size_t>(sequences.count), cells = count * static_cast<std::size_t>(width);
    SpectrumResults results{std::vector<double>(cells), std::vector<uint8_t>(cells), std::vector<double>(count),
                            std::vector<uint8_t>(count)};
    if (on_device(session, options, engine)) {
        device_spectra(session, options, network, sequences, engine, width, results, seconds);
        collect(session.comm(), sequences.count, width, results, seconds);
        return results;
    }
    const auto start = std::chrono::steady_clock::now();
    std::mutex mutex;
    session.share(sequences.count, "sequences", [&](int64_t i) {
        const lyapunov::Spectrum one = one_spectrum(session, options, network, sequences, i, engine);
        results.store(i, width, one);
        const std::lock_guard lock(mutex);
        seconds = std::max(seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    });
    collect(session.comm(), sequences.count, width, results, seconds);
    return results;
}

void spectrum(Session& session, const SpectrumCommand& options) {
    session.at_rank_0([&] {
        check_output(options.output);
        const GivenNetwork network = read_network(options);
        engine_options(options, read_sequences(options, network), network.tangent_dimension(options.state));
    });
    const GivenNetwork network = read_network(options);
    const GivenSequences sequences = read_sequences(options, network);
    const int64_t dimension = network.tangent_dimension(options.state);
    const lyapunov::SpectrumOptions engine = engine_options(options, sequences, dimension);
    const int64_t width = engine.exponents > 0 ? engine.exponents : dimension;
    const bool device = on_device(session, options, engine);
    if (session.groups() != nullptr && !device && session.first())
        session.console().note("single precision, --qr library and fixed intervals are computed on the host, not on the GPU");
    SpectrumRecord record{device ? session.device_kind() : session.backend().device_kind(), session.threads(), session.comm().size(), 0.0};
    const SpectrumResults results = all_spectra(session, options, network, sequences, engine, width, record.seconds);
    session.at_rank_0([&] {
        write_spectrum(options, network, results, sequences.count, width, record);
        const auto diverged = std::count(results.finite.begin(), results.finite.end(), uint8_t{0});
        if (diverged > 0) {
            session.console().warning(std::to_string(diverged) + " of " + std::to_string(sequences.count) +
                                      " sequences diverged: their exponents are not numbers");
        }
        session.console().result("wrote " + options.output.string() + ": " + std::to_string(width) + " exponents of " +
                                 std::to_string(sequences.count) + " sequences");
    });
}

void check_usage(const SpectrumCommand& options) {
    parse_interval(options.interval);
    check_params(std::string(chosen_cell(options.cell, options.gated).name), options.params);
}

void add_method_options(CLI::App& command, SpectrumCommand& options) {
    const auto choice = [&](const char* name, std::string& value, const std::vector<std::string>& names, const char* help) {
        command.add_option(name, value, help)->check(CLI::IsMember(names))->capture_default_str();
    };
    choice("--state", options.state, {"full", "hidden"}, "Jacobian of the full state, or its hidden-to-hidden block: full, hidden");
    command.add_option("--warmup", options.warmup, "Steps before the average")
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
        ->capture_default_str();
    command.add_option("--exponents", options.exponents, "Leading exponents only (default all)")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
        ->type_name("K");
    command.add_option("--interval", options.interval, "Steps between re-orthonormalisations: auto or a number")
        ->type_name("N")
        ->capture_default_str();
    choice("--precision", options.precision, {"double", "single"}, "double or single, trajectory and tangents alike");
    command
        .add_option(
            "--extended-up-to", options.extended_up_to,
            "Tangent spaces of at most D dimensions are done once more in double-double where rounding spoils an exponent; 0: never")
        ->check(CLI::Range(int64_t{0}, int64_t{100'000}))
        ->type_name("D")
        ->capture_default_str();
    choice("--log", options.log, {"e", "2"}, "Base of the logarithm: e or 2");
    choice("--qr", options.qr, {"auto", "accurate", "library"}, "auto, accurate (rows sorted) or library (LAPACK)");
}

}  // namespace

void add_spectrum(CLI::App& program, Action& action) {
    auto options = std::make_shared<SpectrumCommand>();
    CLI::App* command = program.add_subcommand("spectrum", "Lyapunov spectrum of one given network along given inputs");
    command->add_option("--cell", options->cell, "Architecture")->required()->check(CLI::IsMember(cell_names()))->type_name("CELL");
    command->add_option("--weights", options->weights, "safetensors or HDF5 file with the cell's tensors, named as in PyTorch")
        ->required()
        ->type_name("W");
    command->add_option("--layer", options->layer, "Layer of a network with several, from 0")->check(CLI::Range(0, 10000))->type_name("N");
    command->add_flag("--gated", options->gated, "The gated form of asrnn, also when the weights do not show it");
    command->add_option("--inputs", options->inputs, "HDF5 dataset (n, T, d), 'inputs' unless named: sequences, steps, features")
        ->required()
        ->type_name("FILE[:DATASET]");
    command->add_option("-o,--output", options->output, "HDF5 file to write")->required()->type_name("OUT");
    command
        ->add_option("--initial-state", options->initial_state,
                     "HDF5 dataset (n, D), 'initial_state' unless named, instead of the zero state")
        ->type_name("FILE[:DATASET]");
    command->add_option("--param", options->params, "A scalar of the cell, for example dt=0.1 (repeatable)")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    add_method_options(*command, *options);
    add_common_options(*command, options->common);
    command->callback([options, &action] {
        check_usage(*options);
        action = [options] { return run_command(options->common, [&](Session& session) { spectrum(session, *options); }); };
    });
}

}  // namespace aelle::app
