#pragma once
/// MLP autoencoder with a linear predictor of the loss on its latent vector (the paper's AeLLE; AEPredNet in its code).
///
/// Layers L - hidden... - latent - hidden reversed... - L; tanh after hidden layers, latent and output linear; the predictor is one linear unit
/// on the latent vector. Objective over n samples, as in the paper, section "autoencoder", and `cells.md` 3:
///     mean |Z - Z'|^p over samples and positions + alpha * mean |T - T'|^l over samples,  p, l in {1, 2}.
/// Samples are columns. T is float for work; double serves the tests of the gradient.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/base/matrix.hpp"
#include "aelle/base/random.hpp"

namespace aelle::embed {

struct Objective {
    double alpha = 5.0;
    int reconstruction_norm = 2;  ///< p
    int prediction_norm = 2;      ///< l
};

struct Losses {
    double reconstruction = 0.0;
    double prediction = 0.0;
};

template <class T>
class Autoencoder {
public:
    struct Layer {
        int64_t inputs = 0, outputs = 0;
        int64_t weight = 0;  ///< offset in `parameters` of the weight, (outputs x inputs) column-major
        int64_t bias = 0;    ///< offset of the bias, (outputs)
        bool tanh = false;
    };

    Autoencoder() = default;
    Autoencoder(int64_t input, std::vector<int64_t> hidden, int64_t latent);

    /// PyTorch's default of linear layers: weights and biases U(-1/sqrt(inputs), 1/sqrt(inputs)).
    void initialise(RandomStream& random);

    int64_t input() const { return layers_.front().inputs; }
    int64_t latent() const { return predictor_.inputs; }
    const std::vector<Layer>& layers() const { return layers_; }  ///< first to last, without the predictor
    int64_t latent_layer() const { return latent_layer_; }        ///< index of the layer whose output is the latent vector
    const Layer& predictor() const { return predictor_; }
    std::vector<T>& parameters() { return parameters_; }
    const std::vector<T>& parameters() const { return parameters_; }

    Matrix<T> encode(MatrixView<const T> z) const;          ///< (latent x n)
    Matrix<T> decode(MatrixView<const T> latent) const;     ///< (input x n) reconstructions
    std::vector<T> predict(MatrixView<const T> latent) const;  ///< (n)
    /// Both losses without dropout.
    Losses evaluate(MatrixView<const T> z, std::span<const T> target, const Objective& objective) const;

private:
    Matrix<T> apply_layers(MatrixView<const T> input, int64_t first, int64_t end) const;

    std::vector<Layer> layers_;
    Layer predictor_;
    int64_t latent_layer_ = 0;
    std::vector<T> parameters_;
};

/// Loss and gradient by back-propagation, with its work space for up to `most` samples.
template <class T>
class AutoencoderGradient {
public:
    AutoencoderGradient(const Autoencoder<T>& net, int64_t most);

    /// Dropout factors, 0 or 1 / (1 - dropout), of the n samples at hand: one (outputs x most) matrix for each layer, the latent one's
    /// unused; all ones when made. Only the output layer's and the hidden layers' are applied.
    Matrix<T>& dropout(int64_t layer) { return dropout_[static_cast<std::size_t>(layer)]; }

    Losses operator()(const Autoencoder<T>& net, MatrixView<const T> z, std::span<const T> target, const Objective& objective);
    const std::vector<T>& gradient() const { return gradient_; }  ///< of the last call, in the order of `Autoencoder::parameters`

private:
    Losses forward(const Autoencoder<T>& net, MatrixView<const T> z, std::span<const T> target, const Objective& objective);
    void backward(const Autoencoder<T>& net, MatrixView<const T> z);

    std::vector<Matrix<T>> output_;   ///< of each layer, after tanh, before dropout
    std::vector<Matrix<T>> kept_;     ///< after dropout
    std::vector<Matrix<T>> delta_;    ///< derivative by each layer's pre-activation
    std::vector<Matrix<T>> dropout_;
    std::vector<T> prediction_slope_; ///< derivative by each prediction
    std::vector<T> gradient_;
};

/// Adam as in PyTorch: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
/// w -= rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon), t = 1, 2, ...
template <class T>
class Adam {
public:
    explicit Adam(std::size_t count, double rate) : rate_(rate), mean_(count), square_(count) {}
    void step(std::span<T> weights, std::span<const T> gradient);

private:
    static constexpr double first_decay = 0.9, second_decay = 0.999, epsilon = 1e-8;
    double rate_;
    int64_t steps_ = 0;
    std::vector<T> mean_, square_;
};

struct AutoencoderOptions {
    std::vector<int64_t> hidden{64};           ///< units of the encoder's hidden layers; the decoder mirrors them
    int64_t latent = 32;
    double dropout = 0.1;
    bool output_dropout = false;               ///< also on the output, as the paper's code
    std::vector<double> alpha{5, 5, 10, 20};   ///< weight of the prediction in equal parts of the training
    int reconstruction_norm = 2;               ///< 1 or 2
    int prediction_norm = 2;                   ///< 1 or 2
    int64_t steps = 7500;
    int64_t batch = 32;
    bool reshuffle = true;                     ///< before every pass over the samples; false: one random order, as the paper's code
    double learning_rate = 1e-3;
    bool keep_best = false;                    ///< weights of the least validation prediction loss among the curve's points, instead of the last
    int64_t curve_points = 100;                ///< of the learning curves, beside the one before training
};

/// The weight alpha of update `step` of 0 .. steps-1.
double alpha_at(const AutoencoderOptions& options, int64_t step);

/// Losses without dropout, before training and at equal distances up to the last step.
struct LearningCurve {
    std::vector<int64_t> step;
    std::vector<double> reconstruction_train, reconstruction_validation, prediction_train, prediction_validation;
};

struct TrainedAutoencoder {
    Autoencoder<float> net;
    LearningCurve curve;
    int64_t step = 0;  ///< whose weights were kept
};

/// Trains on the columns of `training`; validation samples enter the curves, and the weights only with `keep_best`. All random numbers come
/// from (seed, repeat), so equal inputs give equal bytes.
TrainedAutoencoder train_autoencoder(MatrixView<const float> training, std::span<const float> training_target,
                                     MatrixView<const float> validation, std::span<const float> validation_target,
                                     const AutoencoderOptions& options, uint64_t seed, int64_t repeat);

}  // namespace aelle::embed
