// Training of the autoencoder with predictor as an analysis does it, from its initial weights on.
// FLOP: the products of the forward pass and both gradients; the first layer passes none on. Error: of the gradient of the objective on 32 samples in single
// precision, the largest difference from that in double over the largest value.

#include <algorithm>

#include "aelle/base/random.hpp"
#include "aelle/embed/autoencoder.hpp"
#include "cases.hpp"

namespace aelle::perf {
namespace {

constexpr int64_t rows = 1120, inputs = 1024, epochs = 10;

embed::AutoencoderOptions options() {
    embed::AutoencoderOptions options{.hidden = {128, 64}, .latent = 32};
    const int64_t all = options.steps;
    options.steps = epochs * ((rows + options.batch - 1) / options.batch);
    options.curve_points = std::max<int64_t>(1, options.curve_points * options.steps / all);  // as often as in a whole training
    return options;
}

template <class T>
std::vector<double> gradient(int64_t samples) {
    const embed::AutoencoderOptions o = options();
    embed::Autoencoder<T> net(inputs, o.hidden, o.latent);
    RandomStream weights(1, 0, Purpose::autoencoder), numbers(2, 0, Purpose::sampling);
    net.initialise(weights);
    Matrix<T> z(inputs, samples);
    std::vector<T> target(static_cast<std::size_t>(samples));
    for (int64_t i = 0; i < z.size(); ++i) z.data()[i] = static_cast<T>(static_cast<float>(numbers.uniform()));
    for (T& t : target) t = static_cast<T>(static_cast<float>(numbers.uniform()));
    embed::AutoencoderGradient<T> work(net, samples);
    work(net, std::as_const(z).view(), target, {});
    return {work.gradient().begin(), work.gradient().end()};
}

double flop() {
    const embed::AutoencoderOptions o = options();
    const embed::Autoencoder<float> net(inputs, o.hidden, o.latent);
    double products = -static_cast<double>(net.layers().front().inputs * net.layers().front().outputs);
    for (const auto& layer : net.layers()) products += 3.0 * static_cast<double>(layer.inputs * layer.outputs);
    return 2.0 * products * static_cast<double>(rows * epochs);
}

Work training() {
    Matrix<float> z(inputs, rows);
    std::vector<float> target(static_cast<std::size_t>(rows));
    RandomStream numbers(3, 0, Purpose::sampling);
    for (int64_t i = 0; i < z.size(); ++i) z.data()[i] = static_cast<float>(numbers.uniform());
    for (float& t : target) t = static_cast<float>(numbers.uniform());
    return [z = std::move(z), target = std::move(target)] {
        const MatrixView<const float> few = z.view().columns(0, 1);
        embed::train_autoencoder(z.view(), target, few, std::span(target).first(1), options(), 1, 0);
    };
}

}  // namespace

void add_autoencoder_cases(const Plan&, std::vector<Case>& cases) {
    const auto text = [](int64_t value) { return std::to_string(value); };
    Case made;
    made.name = "autoencoder/1024-128-64-32";
    made.parameters = {{"rows", text(rows)}, {"inputs", text(inputs)}, {"epochs", text(epochs)}, {"batch", text(options().batch)}};
    made.unit = "training for " + text(epochs) + " epochs";
    made.amount = flop();
    made.roof = Roof::sgemm;
    made.check = [] { return Check{.error = relative_difference(gradient<float>(32), gradient<double>(32))}; };
    made.side = crew_of(training);
    made.peer = PeerWork{"autoencoder", made.parameters};
    cases.push_back(made);
}

}  // namespace aelle::perf
