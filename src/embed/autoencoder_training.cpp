#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "aelle/embed/autoencoder.hpp"
#include "elementwise.hpp"

namespace aelle::embed {
namespace {

/// The samples in the order of one pass.
std::vector<int64_t> shuffled(int64_t count, uint64_t seed, int64_t repeat, int64_t pass) {
    std::vector<int64_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), int64_t{0});
    RandomStream random(seed, static_cast<uint64_t>(repeat), Purpose::batches, static_cast<uint64_t>(pass));
    for (int64_t i = count - 1; i > 0; --i) {
        std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
    }
    return order;
}

class Training {
public:
    Training(MatrixView<const float> z, std::span<const float> target, const AutoencoderOptions& options, uint64_t seed, int64_t repeat)
        : z_(z), target_(target), options_(options), seed_(seed), repeat_(repeat), batch_size_(std::min(options.batch, z.cols)),
          net_(z.rows, options.hidden, options.latent), gradient_(net_, batch_size_), adam_(net_.parameters().size(), options.learning_rate),
          batch_(z.rows, batch_size_), batch_target_(static_cast<std::size_t>(batch_size_)) {
        RandomStream random(seed, static_cast<uint64_t>(repeat), Purpose::autoencoder);
        net_.initialise(random);
    }

    const Autoencoder<float>& net() const { return net_; }

    void step(int64_t step) {
        const int64_t batches = (z_.cols + batch_size_ - 1) / batch_size_;
        if (step % batches == 0 && (step == 0 || options_.reshuffle)) order_ = shuffled(z_.cols, seed_, repeat_, step / batches);
        const int64_t first = step % batches * batch_size_;
        const int64_t count = std::min(batch_size_, z_.cols - first);  // the last batch of a pass may be smaller
        for (int64_t j = 0; j < count; ++j) {
            const int64_t sample = order_[static_cast<std::size_t>(first + j)];
            std::copy_n(z_.column(sample), z_.rows, batch_.column(j));
            batch_target_[static_cast<std::size_t>(j)] = target_[static_cast<std::size_t>(sample)];
        }
        draw_dropout(step, count);
        gradient_(net_, std::as_const(batch_).view().columns(0, count),
                  std::span<const float>(batch_target_).first(static_cast<std::size_t>(count)), objective(step));
        adam_.step(net_.parameters(), gradient_.gradient());
    }

    Objective objective(int64_t step) const {
        return {alpha_at(options_, step), options_.reconstruction_norm, options_.prediction_norm};
    }

private:
    void draw_dropout(int64_t step, int64_t count) {
        if (options_.dropout == 0.0) return;
        const auto layers = static_cast<int64_t>(net_.layers().size());
        for (int64_t l = 0; l < layers; ++l) {
            const bool output = l + 1 == layers;
            if (l == net_.latent_layer() || (output && !options_.output_dropout)) continue;
            Matrix<float>& factors = gradient_.dropout(l);
            dropout_factors(seed_, static_cast<uint32_t>(step * layers + l), static_cast<uint32_t>(repeat_), options_.dropout, factors.data(),
                            factors.rows() * count);
        }
    }

    MatrixView<const float> z_;
    std::span<const float> target_;
    const AutoencoderOptions& options_;
    uint64_t seed_;
    int64_t repeat_;
    int64_t batch_size_;
    Autoencoder<float> net_;
    AutoencoderGradient<float> gradient_;
    Adam<float> adam_;
    std::vector<int64_t> order_;
    Matrix<float> batch_;
    std::vector<float> batch_target_;
};

}  // namespace

double alpha_at(const AutoencoderOptions& options, int64_t step) {
    const auto parts = static_cast<int64_t>(options.alpha.size());
    const int64_t part = std::min(parts - 1, step * parts / std::max<int64_t>(1, options.steps));
    return options.alpha[static_cast<std::size_t>(part)];
}

TrainedAutoencoder train_autoencoder(MatrixView<const float> training, std::span<const float> training_target,
                                     MatrixView<const float> validation, std::span<const float> validation_target,
                                     const AutoencoderOptions& options, uint64_t seed, int64_t repeat) {
    Training work(training, training_target, options, seed, repeat);
    TrainedAutoencoder result;
    double best = std::numeric_limits<double>::infinity();
    const auto record = [&](int64_t step) {
        const Losses train = work.net().evaluate(training, training_target, work.objective(step));
        const Losses held_out = work.net().evaluate(validation, validation_target, work.objective(step));
        result.curve.step.push_back(step);
        result.curve.reconstruction_train.push_back(train.reconstruction);
        result.curve.reconstruction_validation.push_back(held_out.reconstruction);
        result.curve.prediction_train.push_back(train.prediction);
        result.curve.prediction_validation.push_back(held_out.prediction);
        if (options.keep_best && held_out.prediction < best) {
            best = held_out.prediction;
            result.net = work.net();
            result.step = step;
        }
    };
    record(0);
    const int64_t points = std::min(options.curve_points, options.steps);
    int64_t recorded = 0;
    for (int64_t step = 0; step < options.steps; ++step) {
        work.step(step);
        if (points > 0 && step + 1 == (recorded + 1) * options.steps / points) {
            record(step + 1);
            ++recorded;
        }
    }
    if (!options.keep_best || result.net.parameters().empty()) {
        result.net = work.net();
        result.step = options.steps;
    }
    return result;
}

}  // namespace aelle::embed
