// Spectra of one network, the mean over some input sequences, as a study takes them: study::SpectraRun, with what it sets up for each sequence.
// FLOP: 2 N^3 a step for the product and 4/3 N^3 a factorisation, N the dimension of the tangent space; with QR at every step 10/3 N^3
// (Q need not be formed). Weights U(-p, p): mild, p = 0.2, and saturated, p = 3, whose spectra double precision cannot all resolve;
// `extended` rows take those once more in double-double. Columns: reliable, share of the exponents; qr, factorisations a step.
// Error, on the first sequence, differences over the largest exponent: from the reference backend over a few steps with QR at every step, and over
// all steps from QR at every step, or, saturated, of the reliable exponents from that in double-double where any is not reliable.

#include <algorithm>
#include <cmath>

#include "aelle/backend/extended.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "aelle/study/spectra.hpp"
#include "cases.hpp"

namespace aelle::perf {
namespace {

constexpr int64_t characters = 82;  // one-hot inputs of the next-character study

struct Problem {
    const cells::CellSpec* cell;
    std::string kind;  ///< "full" or "hidden"
    int64_t hidden, input, steps, sequences;
    double width;
    int64_t interval = 0, extended_up_to = 0;
    std::string form = "best";  ///< of the peer

    cells::Shape shape() const { return {.hidden = hidden, .input = input}; }
    int64_t dimension() const { return lyapunov::tangent_dimension(lyapunov::find_kind(kind), *cell, shape()); }
    bool saturated() const { return width > 1; }
};

study::SpectrumInputs inputs_of(const Problem& p) {
    study::SpectrumInputs inputs;
    inputs.steps = p.steps;
    inputs.initial_state.resize(static_cast<std::size_t>(p.cell->blocks * p.hidden));
    for (int64_t s = 0; s < p.sequences; ++s) {
        RandomStream random(2, static_cast<uint64_t>(s), Purpose::sequences);
        auto& sequence = inputs.sequences.emplace_back(static_cast<std::size_t>(p.input * p.steps));
        if (p.input == characters) {
            for (int64_t t = 0; t < p.steps; ++t) sequence[static_cast<std::size_t>(t * p.input + random.below(p.input))] = 1.0;
        } else {
            for (double& x : sequence) x = random.uniform();
        }
    }
    return inputs;
}

lyapunov::Spectrum first_spectrum(const backend::Backend& engine, const Problem& p, int64_t steps, int64_t interval,
                                  int64_t extended_up_to) {
    const auto space = lyapunov::find_kind(p.kind).space;
    const auto parameters = uniform_parameters(*p.cell, p.shape(), p.width);
    const study::SpectrumInputs inputs = inputs_of(p);
    const auto system = lyapunov::network_system<double>(
        engine.network(*p.cell, p.shape(), parameters, space), inputs.sequences.front(), inputs.initial_state,
        extended_up_to > 0 ? backend::extended_network(*p.cell, p.shape(), parameters, space) : nullptr);
    return lyapunov::compute_spectrum(engine, *system, {.steps = steps, .interval = interval, .extended_up_to = extended_up_to});
}

double difference(const lyapunov::Spectrum& a, const lyapunov::Spectrum& b) {
    double worst = 0, scale = 0;
    for (std::size_t j = 0; j < a.exponents.size(); ++j) {
        if (!a.reliable[j] || !b.reliable[j]) continue;
        worst = nan_max(worst, std::fabs(a.exponents[j] - b.exponents[j]));
        scale = std::max(scale, std::fabs(b.exponents[j]));
    }
    return scale > 0 ? worst / scale : 0;
}

/// From the reference backend over a few steps, before chaos spreads rounding; its plain loops take their time.
double reference_error(const Problem& p) {
    const int64_t few = std::min<int64_t>(p.steps, p.dimension() > 128 ? 2 : p.saturated() ? 3 : 10);
    return difference(first_spectrum(cpu(), p, few, 1, 0), first_spectrum(*backend::make_reference(), p, few, 1, 0));
}

double spectrum_error(const Problem& p, const lyapunov::Spectrum& found) {
    const double error = reference_error(p);
    const bool extended = p.saturated() && p.dimension() <= lyapunov::usual_extended_up_to;
    if (p.interval == 1 && !extended) return error;
    return nan_max(error, difference(found, first_spectrum(cpu(), p, p.steps, 1, extended ? p.dimension() : 0)));
}

Check check(const Problem& p) {
    const lyapunov::Spectrum found = first_spectrum(cpu(), p, p.steps, p.interval, p.extended_up_to);
    Check result;
    result.error = spectrum_error(p, found);
    const auto n = static_cast<double>(p.dimension());
    // Blocks done again at half the interval, or in double-double, are not work that had to be done.
    const auto factorisations = static_cast<double>(std::min(found.factorisations, p.steps));
    result.amount = static_cast<double>(p.sequences) * n * n * n * (2.0 * static_cast<double>(p.steps) + 4.0 / 3.0 * factorisations);
    result.columns["reliable"] = static_cast<double>(std::count(found.reliable.begin(), found.reliable.end(), uint8_t{1})) /
                                 static_cast<double>(found.reliable.size());
    result.columns["qr"] = static_cast<double>(found.factorisations) / static_cast<double>(p.steps);
    return result;
}

std::function<Work()> spectra(const Problem& p) {
    return [p] {
        study::SpectrumConfig config{.epochs = {0}, .kinds = {p.kind}, .interval = p.interval, .extended_up_to = p.extended_up_to};
        const auto size = static_cast<std::size_t>(p.dimension());
        return [p, config, size, inputs = inputs_of(p), parameters = uniform_parameters(*p.cell, p.shape(), p.width),
                found = std::vector<study::KindSpectra>{{std::vector<double>(size), std::vector<uint8_t>(size)}}]() mutable {
            study::SpectraRun run(cpu(), config, *p.cell, p.shape(), parameters, inputs);
            while (!run.done()) run.advance();
            run.store(found, 0);
        };
    };
}

Case spectrum_case(const Problem& p) {
    const auto text = [](int64_t value) { return std::to_string(value); };
    const std::string cell(p.cell->name);
    Case made;
    made.name = "spectra/" + cell + "/" + p.kind + "/" + text(p.hidden) + "/" +
                (p.interval == 1 ? "every"
                 : p.saturated() ? "auto/saturated"
                                 : "auto/mild") +
                (p.extended_up_to > 0 ? "/extended" : "") + (p.form == "best" ? "" : "/" + p.form);
    made.parameters = {{"steps", text(p.steps)}, {"sequences", text(p.sequences)}, {"weights", p.saturated() ? "3" : "0.2"}};
    made.unit = "one network's spectrum over " + text(p.sequences) + " sequences of " + text(p.steps) + " steps";
    made.roof = Roof::dgemm;
    made.check = [p] { return check(p); };
    made.side = crew_of(spectra(p));
    if (p.kind == "hidden" && cell == "lstm") {  // what users of other programs have
        made.peer = PeerWork{"spectrum",
                             {{"cell", cell},
                              {"hidden", text(p.hidden)},
                              {"steps", text(p.steps)},
                              {"sequences", text(p.sequences)},
                              {"weights", made.parameters["weights"]},
                              {"form", p.form}}};
    }
    return made;
}

}  // namespace

void add_spectra_cases(const Plan& plan, std::vector<Case>& cases) {
    const auto add = [&](const Problem& p) { cases.push_back(spectrum_case(p)); };
    constexpr double mild = 0.2, saturated = 3;
    const auto& lstm = cells::find_cell("lstm");
    const std::string implicit_q = "geqrf+ormqr";  // what holds for any weights; the best peer of mild ones takes the Gram matrix, as we do
    add({&lstm, "hidden", 64, characters, 100, 15, mild, 1});
    add({&lstm, "hidden", 64, characters, 100, 15, mild, 1, 0, implicit_q});
    add({&lstm, "hidden", 64, characters, 100, 15, mild, 0});
    add({&lstm, "hidden", 64, characters, 100, 15, mild, 0, 0, implicit_q});
    add({&lstm, "hidden", 64, characters, 100, 15, saturated, 0});
    add({&lstm, "hidden", 512, characters, plan.full ? 100 : 40, plan.full ? 4 : 1, mild, 1});
    add({&lstm, "hidden", 512, characters, plan.full ? 100 : 40, plan.full ? 4 : 1, mild, 0});
    if (plan.full) {
        add({&lstm, "hidden", 128, characters, 100, 15, mild, 1});
        add({&lstm, "hidden", 256, characters, 100, 5, mild, 1});
        add({&lstm, "hidden", 512, characters, 20, 4, saturated, 0});
    }
    for (const cells::CellSpec& cell : cells::all_cells()) {
        if (cell.name == "rank1" || !cell.gated_form_of.empty()) continue;
        const Problem base{&cell, "full", 64, 28, 28, plan.full ? 15 : 4, mild};
        for (const double width : {mild, saturated}) {
            Problem p = base;
            p.width = width;
            add(p);
            if (!plan.full || width == mild) continue;
            p.extended_up_to = lyapunov::usual_extended_up_to;
            add(p);
        }
    }
}

}  // namespace aelle::perf
