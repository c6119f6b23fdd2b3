// One parameter update's forward and backward pass, without loss and optimiser: the nets of the sequential-MNIST study (H 64, I 28, 28 steps,
// batch 128, a loss at the last step) and of the next-character study (LSTM, 82 one-hot inputs, 100 steps, batch 32, a loss at every step).
// Floor: the products alone, 2 H (3 H gr + 2 I gi) FLOP per sequence and step (one-hot inputs: gi = 0), at the rate of BLAS's sgemm of
// 512 x 512 x 512 in the same run: `floor` is that time in ms, `share` the floor over the processor time taken.
// `error`: of the gradient on two sequences of at most ten steps, the largest difference from the reference in double precision over the
// tensor's largest value, of all tensors the worst.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "aelle/backend/backend.hpp"
#include "aelle/backend/blas.hpp"
#include "aelle/base/random.hpp"
#include "aelle/cells/spec.hpp"

namespace {

using namespace aelle;

const backend::Backend& cpu() {
    static const auto choice = backend::choose(backend::Device::cpu);
    return *choice.backend;
}

/// Time of this thread on a processor: other programs on the machine count less.
double processor_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Best rate of sgemm over some tries, FLOP/s.
double sgemm_peak() {
    static const double peak = [] {
        constexpr int64_t n = 512;
        backend::set_blas_threads(1);
        Matrix<float> a(n, n), b(n, n), c(n, n);
        std::fill_n(a.data(), n * n, 0.5f);
        std::fill_n(b.data(), n * n, 0.25f);
        double best = 0;
        for (int i = 0; i < 30; ++i) {
            const double start = processor_seconds();
            cpu().multiply(false, false, static_cast<const Matrix<float>&>(a).view(), static_cast<const Matrix<float>&>(b).view(), 0.0f, c.view());
            best = std::max(best, 2.0 * n * n * n / (processor_seconds() - start));
        }
        return best;
    }();
    return peak;
}

struct Problem {
    const cells::CellSpec& cell;
    cells::Shape shape;
    int64_t steps, batch;
    bool symbols;

    bool noisy() const {
        for (const auto& stage : cell.stages)
            for (const auto& term : stage.terms)
                if (term.source == cells::Source::additive_noise) return true;
        return false;
    }
    /// FLOP of the products of one update, from the structure of the cell.
    double flop() const {
        double recurrent = 0, input = 0;
        for (const auto& stage : cell.stages) {
            for (const auto& term : stage.terms) {
                if (term.source == cells::Source::state || term.source == cells::Source::updated_state) recurrent += 1;
                if (term.source == cells::Source::input && !symbols) input += 1;
            }
        }
        const auto h = static_cast<double>(shape.hidden), i = static_cast<double>(shape.input);
        return 2 * h * (3 * h * recurrent + 2 * i * input) * static_cast<double>(steps * batch);
    }
};

cells::Parameters parameters_of(const Problem& p) {
    cells::Parameters parameters;
    RandomStream random(1, 0, Purpose::weights);
    const double width = 1 / std::sqrt(static_cast<double>(p.shape.hidden));
    for (const auto& tensor : p.cell.tensors) {
        std::vector<double> values(static_cast<std::size_t>(cells::element_count(tensor, p.shape)));
        for (double& x : values) x = random.uniform(-width, width);
        parameters.tensors[std::string(tensor.name)] = values;
    }
    cells::complete(p.cell, p.shape, parameters);
    return parameters;
}

/// Inputs and the gradient of a loss with respect to the readout of `losses` steps.
template <class T>
struct Data {
    std::vector<T> values;
    std::vector<int32_t> symbols;
    Matrix<T> d_readout;
    backend::SequenceBatch<T> inputs;

    Data(const Problem& p, int64_t losses) : d_readout(p.shape.hidden, losses * p.batch) {
        RandomStream random(2, 0, Purpose::sampling);
        inputs = {.steps = p.steps, .batch = p.batch};
        for (int64_t i = 0; i < p.steps * p.batch; ++i) {
            if (p.symbols) symbols.push_back(static_cast<int32_t>(random.below(p.shape.input)));
            else
                for (int64_t k = 0; k < p.shape.input; ++k) values.push_back(static_cast<T>(static_cast<float>(random.uniform())));
        }
        if (p.symbols) inputs.symbols = symbols.data();
        else inputs.values = values.data();
        for (int64_t i = 0; i < d_readout.size(); ++i) d_readout.data()[i] = static_cast<T>(static_cast<float>(random.normal()));
    }
};

template <class T>
std::vector<T> gradient(backend::BatchNetwork<T>& network, const Data<T>& data, const backend::NoiseKey* noise, int64_t size) {
    std::vector<T> g(static_cast<std::size_t>(size));
    network.forward(data.inputs, noise, true);
    network.backward(data.d_readout.view(), g);
    return g;
}

double error(Problem p) {
    p.batch = 2;
    p.steps = std::min<int64_t>(p.steps, 10);
    const cells::Parameters parameters = parameters_of(p);
    const cells::ParameterLayout layout(p.cell, p.shape, parameters);
    const backend::NoiseKey key{.seed = 1}, *noise = p.noisy() ? &key : nullptr;
    const auto network = cpu().batch_network(p.cell, layout, parameters);
    const auto reference = backend::make_reference()->batch_network_double(p.cell, layout, parameters);
    const auto found = gradient(*network, Data<float>(p, 1), noise, layout.size());
    const auto expected = gradient(*reference, Data<double>(p, 1), noise, layout.size());
    double worst = 0;
    for (const auto& entry : layout.entries()) {
        double difference = 0, largest = 0;
        for (int64_t i = entry.offset; i < entry.offset + entry.count; ++i) {
            difference = std::max(difference, std::fabs(static_cast<double>(found[i]) - expected[i]));
            largest = std::max(largest, std::fabs(expected[i]));
        }
        if (largest > 0) worst = std::max(worst, difference / largest);
    }
    return worst;
}

void update(benchmark::State& state, const Problem& p, int64_t losses) {
    const double peak = sgemm_peak();
    const cells::Parameters parameters = parameters_of(p);
    const cells::ParameterLayout layout(p.cell, p.shape, parameters);
    const auto network = cpu().batch_network(p.cell, layout, parameters);
    const std::vector<float> packed = layout.pack<float>(parameters);
    const Data<float> data(p, losses);
    std::vector<float> g(packed.size());
    backend::NoiseKey key{.seed = 1};
    const double start = processor_seconds();
    for (auto _ : state) {
        ++key.update;
        network->set_parameters(packed);
        network->forward(data.inputs, p.noisy() ? &key : nullptr, true);
        network->backward(data.d_readout.view(), g);
    }
    const double seconds = (processor_seconds() - start) / static_cast<double>(state.iterations());
    state.counters["GFLOP/s"] = p.flop() / seconds * 1e-9;
    state.counters["sgemm"] = peak * 1e-9;
    state.counters["floor"] = p.flop() / peak * 1e3;
    state.counters["share"] = p.flop() / peak / seconds;
    state.counters["error"] = error(p);
}

}  // namespace

int main(int argc, char** argv) {
    for (const cells::CellSpec& cell : cells::all_cells()) {
        if (cell.name == "rank1") continue;  // reads no input; trained by FORCE
        benchmark::RegisterBenchmark(("mnist/" + std::string(cell.name)).c_str(), [&cell](benchmark::State& state) {
            update(state, {cell, {.hidden = 64, .input = 28}, 28, 128, false}, 1);
        })->Unit(benchmark::kMillisecond);
    }
    for (const int64_t hidden : {64, 128, 256, 512}) {
        benchmark::RegisterBenchmark(("characters/lstm/" + std::to_string(hidden)).c_str(), [hidden](benchmark::State& state) {
            update(state, {cells::find_cell("lstm"), {.hidden = hidden, .input = 82}, 100, 32, true}, 100);
        })->Unit(benchmark::kMillisecond);
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
