// One whole parameter update: minibatch, forward pass, loss, backward pass, Adam, dropout and noise, as `aelle train` does it.
// FLOP: the products alone, 2 H (3 H gr + 2 I gi) per sequence and step (one-hot inputs: gi = 0) and 6 H C per prediction of the readout.
// Error: of the gradient on two sequences of at most ten steps, the largest difference from the reference in double precision over the
// tensor's largest value, of all tensors the worst.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/cells/layout.hpp"
#include "aelle/learn/bptt.hpp"
#include "cases.hpp"
#include "synthetic.hpp"

namespace aelle::perf {
namespace {

struct Problem {
    const cells::CellSpec* cell;
    cells::Shape shape;
    int64_t steps, batch, classes;
    bool characters;

    bool noisy() const {
        for (const auto& stage : cell->stages)
            for (const auto& term : stage.terms)
                if (term.source == cells::Source::additive_noise) return true;
        return false;
    }

    double flop() const {
        double recurrent = 0, input = 0;
        for (const auto& stage : cell->stages) {
            for (const auto& term : stage.terms) {
                if (term.source == cells::Source::state || term.source == cells::Source::updated_state) recurrent += 1;
                if (term.source == cells::Source::input && !characters) input += 1;
            }
        }
        const auto h = static_cast<double>(shape.hidden), i = static_cast<double>(shape.input);
        const double predictions = static_cast<double>(batch * (characters ? steps : 1));
        return 2 * h * (3 * h * recurrent + 2 * i * input) * static_cast<double>(steps * batch) +
               6 * h * static_cast<double>(classes) * predictions;
    }
};

/// Inputs and the gradient of a loss with respect to the readout of the last step.
template <class T>
struct Data {
    std::vector<T> values;
    std::vector<int32_t> symbols;
    Matrix<T> d_readout;
    backend::SequenceBatch<T> inputs;

    explicit Data(const Problem& p) : d_readout(p.shape.hidden, p.batch) {
        RandomStream random(2, 0, Purpose::sampling);
        inputs = {.steps = p.steps, .batch = p.batch};
        for (int64_t i = 0; i < p.steps * p.batch; ++i) {
            if (p.characters) symbols.push_back(static_cast<int32_t>(random.below(p.shape.input)));
            else
                for (int64_t k = 0; k < p.shape.input; ++k) values.push_back(static_cast<T>(static_cast<float>(random.uniform())));
        }
        if (p.characters) inputs.symbols = symbols.data();
        else inputs.values = values.data();
        for (int64_t i = 0; i < d_readout.size(); ++i) d_readout.data()[i] = static_cast<T>(static_cast<float>(random.normal()));
    }
};

template <class T>
std::vector<T> gradient(backend::BatchNetwork<T>& network, const Problem& p, int64_t size) {
    const Data<T> data(p);
    const backend::NoiseKey noise{.seed = 1};
    std::vector<T> g(static_cast<std::size_t>(size));
    network.forward(data.inputs, p.noisy() ? &noise : nullptr, true);
    network.backward(data.d_readout.view(), g);
    return g;
}

double gradient_error(Problem p) {
    p.batch = 2;
    p.steps = std::min<int64_t>(p.steps, 10);
    const cells::Parameters parameters = uniform_parameters(*p.cell, p.shape, 1 / std::sqrt(static_cast<double>(p.shape.hidden)));
    const cells::ParameterLayout layout(*p.cell, p.shape, parameters);
    const auto found = gradient(*cpu().batch_network(*p.cell, layout, parameters), p, layout.size());
    const auto expected = gradient(*backend::make_reference()->batch_network_double(*p.cell, layout, parameters), p, layout.size());
    double worst = 0;
    for (const auto& entry : layout.entries()) {
        const std::vector<double> a(found.begin() + entry.offset, found.begin() + entry.offset + entry.count);
        const std::vector<double> b(expected.begin() + entry.offset, expected.begin() + entry.offset + entry.count);
        if (std::any_of(b.begin(), b.end(), [](double x) { return x != 0; })) worst = nan_max(worst, relative_difference(a, b));
    }
    return worst;
}

/// The data is shared, read only; the trainer is the worker's own.
std::function<Work()> updates(const Problem& p) {
    return [p] {
        const int64_t sequences = 20 * p.batch;
        const auto data = p.characters ? synthetic_charrnn(sequences, p.steps) : synthetic_smnist(sequences);
        std::vector<int64_t> indices(static_cast<std::size_t>(sequences));
        std::iota(indices.begin(), indices.end(), 0);
        // A small step keeps random targets from driving the weights anywhere that costs differently.
        const learn::BpttOptions options{.learning_rate = 1e-4, .dropout = 0.1, .batch = p.batch};
        const auto trainer = std::make_shared<learn::BpttTrainer>(cpu(), learn::initial_model(*p.cell, p.shape, p.classes, {}, {}, 1, 0),
                                                                  options, *data, indices, 1, 0);
        return [data, trainer] { trainer->update(); };
    };
}

Case update_case(const Problem& p, const std::string& task) {
    const auto text = [](int64_t value) { return std::to_string(value); };
    const std::string cell(p.cell->name);
    Case made;
    made.name = "training/" + task + "/" + cell + "/" + text(p.shape.hidden);
    made.parameters = {{"hidden", text(p.shape.hidden)}, {"batch", text(p.batch)}, {"steps", text(p.steps)}};
    made.unit = "one update on " + text(p.batch) + " sequences";
    made.amount = p.flop();
    made.roof = Roof::sgemm;
    made.check = [p] { return Check{.error = gradient_error(p)}; };
    made.side = crew_of(updates(p));
    made.peer = PeerWork{"train", {{"cell", cell}, {"hidden", text(p.shape.hidden)}, {"batch", text(p.batch)}, {"task", task}}};
    return made;
}

}  // namespace

void add_training_cases(const Plan& plan, std::vector<Case>& cases) {
    for (const cells::CellSpec& cell : cells::all_cells()) {
        if (cell.name == "rank1" || !cell.gated_form_of.empty()) continue;  // trained by FORCE; not in the studies
        cases.push_back(update_case({&cell, {.hidden = 64, .input = 28}, 28, 128, 10, false}, "smnist"));
    }
    for (const int64_t hidden : {64, 128, 256, 512}) {
        if (!plan.full && hidden != 64 && hidden != 512) continue;
        cases.push_back(update_case({&cells::find_cell("lstm"), {.hidden = hidden, .input = 82}, 100, 32, 82, true}, "charrnn"));
    }
}

}  // namespace aelle::perf
