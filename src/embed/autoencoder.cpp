#include "aelle/embed/autoencoder.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "blas.hpp"
#include "elementwise.hpp"

namespace aelle::embed {
namespace {

template <class T>
using Layer = typename Autoencoder<T>::Layer;

template <class T>
MatrixView<const T> weight_of(const Autoencoder<T>& net, const Layer<T>& layer) {
    return {net.parameters().data() + layer.weight, layer.outputs, layer.inputs, layer.outputs};
}

/// y = activation(W x + b)
template <class T>
void apply_layer(const Autoencoder<T>& net, const Layer<T>& layer, MatrixView<const T> x, MatrixView<T> y) {
    const T* bias = net.parameters().data() + layer.bias;
    for (int64_t j = 0; j < y.cols; ++j) std::copy_n(bias, y.rows, y.column(j));
    multiply(false, false, weight_of(net, layer), x, T(1), y);
    if (layer.tanh) {
        for (int64_t j = 0; j < y.cols; ++j) tanh_in_place(y.column(j), y.rows);
    }
}

template <class T>
T predict_one(const Autoencoder<T>& net, const T* latent) {
    const Layer<T>& unit = net.predictor();
    const T* weight = net.parameters().data() + unit.weight;
    T sum = net.parameters()[static_cast<std::size_t>(unit.bias)];
    for (int64_t i = 0; i < unit.inputs; ++i) sum += weight[i] * latent[i];
    return sum;
}

double power(double difference, int norm) { return norm == 1 ? std::fabs(difference) : difference * difference; }

/// Derivative of |x|^norm; 0 at 0.
template <class T>
T slope(T x, int norm) {
    return norm == 1 ? static_cast<T>((x > T(0)) - (x < T(0))) : T(2) * x;
}

template <class T>
MatrixView<const T> first_columns(const Matrix<T>& matrix, int64_t count) {
    return matrix.view().columns(0, count);
}

}  // namespace

template <class T>
Autoencoder<T>::Autoencoder(int64_t input, std::vector<int64_t> hidden, int64_t latent) {
    std::vector<int64_t> sizes{input};
    sizes.insert(sizes.end(), hidden.begin(), hidden.end());
    sizes.push_back(latent);
    sizes.insert(sizes.end(), hidden.rbegin(), hidden.rend());
    sizes.push_back(input);
    latent_layer_ = static_cast<int64_t>(hidden.size());
    int64_t offset = 0;
    const auto append = [&](int64_t inputs, int64_t outputs, bool tanh) {
        Layer layer{inputs, outputs, offset, offset + inputs * outputs, tanh};
        offset += (inputs + 1) * outputs;
        return layer;
    };
    const auto count = static_cast<int64_t>(sizes.size()) - 1;
    for (int64_t l = 0; l < count; ++l) {
        layers_.push_back(append(sizes[static_cast<std::size_t>(l)], sizes[static_cast<std::size_t>(l + 1)], l != latent_layer_ && l + 1 != count));
    }
    predictor_ = append(latent, 1, false);
    parameters_.assign(static_cast<std::size_t>(offset), T(0));
}

template <class T>
void Autoencoder<T>::initialise(RandomStream& random) {
    const auto draw = [&](const Layer& layer) {
        const double bound = 1.0 / std::sqrt(static_cast<double>(layer.inputs));
        for (int64_t i = layer.weight; i < layer.bias + layer.outputs; ++i) {
            parameters_[static_cast<std::size_t>(i)] = static_cast<T>(random.uniform(-bound, bound));
        }
    };
    for (const Layer& layer : layers_) draw(layer);
    draw(predictor_);
}

template <class T>
Matrix<T> Autoencoder<T>::encode(MatrixView<const T> z) const {
    require(z.rows == input(), "spectra have the autoencoder's length");
    return apply_layers(z, 0, latent_layer_ + 1);
}

template <class T>
Matrix<T> Autoencoder<T>::decode(MatrixView<const T> latent_vectors) const {
    require(latent_vectors.rows == latent(), "latent vectors have the autoencoder's dimension");
    return apply_layers(latent_vectors, latent_layer_ + 1, static_cast<int64_t>(layers_.size()));
}

template <class T>
Matrix<T> Autoencoder<T>::apply_layers(MatrixView<const T> input, int64_t first, int64_t end) const {
    Matrix<T> from, to;
    for (int64_t l = first; l < end; ++l) {
        const Layer& layer = layers_[static_cast<std::size_t>(l)];
        to = Matrix<T>(layer.outputs, input.cols);
        apply_layer(*this, layer, l == first ? input : std::as_const(from).view(), to.view());
        std::swap(from, to);
    }
    return from;
}

template <class T>
std::vector<T> Autoencoder<T>::predict(MatrixView<const T> latent) const {
    std::vector<T> predictions;
    for (int64_t j = 0; j < latent.cols; ++j) predictions.push_back(predict_one(*this, latent.column(j)));
    return predictions;
}

template <class T>
Losses Autoencoder<T>::evaluate(MatrixView<const T> z, std::span<const T> target, const Objective& objective) const {
    Losses losses;
    const Matrix<T> code = encode(z);
    const std::vector<T> predictions = predict(code.view());
    for (std::size_t j = 0; j < target.size(); ++j) losses.prediction += power(double(predictions[j]) - double(target[j]), objective.prediction_norm);
    const Matrix<T> decoded = decode(code.view());
    for (int64_t j = 0; j < z.cols; ++j) {
        for (int64_t i = 0; i < z.rows; ++i) losses.reconstruction += power(double(decoded(i, j)) - double(z(i, j)), objective.reconstruction_norm);
    }
    losses.prediction /= static_cast<double>(z.cols);
    losses.reconstruction /= static_cast<double>(z.cols * z.rows);
    return losses;
}

template <class T>
AutoencoderGradient<T>::AutoencoderGradient(const Autoencoder<T>& net, int64_t most)
    : prediction_slope_(static_cast<std::size_t>(most)), gradient_(net.parameters().size()) {
    for (const auto& layer : net.layers()) {
        output_.emplace_back(layer.outputs, most);
        kept_.emplace_back(layer.outputs, most);
        delta_.emplace_back(layer.outputs, most);
        dropout_.emplace_back(layer.outputs, most);
        std::fill_n(dropout_.back().data(), dropout_.back().size(), T(1));
    }
}

template <class T>
Losses AutoencoderGradient<T>::operator()(const Autoencoder<T>& net, MatrixView<const T> z, std::span<const T> target,
                                          const Objective& objective) {
    require(z.rows == net.input() && z.cols <= output_.front().cols() && z.cols == static_cast<int64_t>(target.size()),
            "samples fit the autoencoder's work space");
    const Losses losses = forward(net, z, target, objective);
    backward(net, z);
    return losses;
}

/// Leaves the derivatives by the output (before its dropout) and by the predictions.
template <class T>
Losses AutoencoderGradient<T>::forward(const Autoencoder<T>& net, MatrixView<const T> z, std::span<const T> target,
                                       const Objective& objective) {
    const int64_t count = z.cols;
    const auto layers = static_cast<int64_t>(net.layers().size());
    for (int64_t l = 0; l < layers; ++l) {
        const auto k = static_cast<std::size_t>(l);
        apply_layer(net, net.layers()[k], l == 0 ? z : first_columns(kept_[k - 1], count), output_[k].view().columns(0, count));
        const int64_t size = output_[k].rows() * count;
        const T* factor = dropout_[k].data();
        const T* output = output_[k].data();
        T* kept = kept_[k].data();
        if (l == net.latent_layer()) std::copy_n(output, size, kept);
        else for (int64_t i = 0; i < size; ++i) kept[i] = factor[i] * output[i];
    }
    Losses losses;
    const Matrix<T>& latent = kept_[static_cast<std::size_t>(net.latent_layer())];
    for (int64_t j = 0; j < count; ++j) {
        const T difference = predict_one(net, latent.column(j)) - target[static_cast<std::size_t>(j)];
        losses.prediction += power(double(difference), objective.prediction_norm);
        prediction_slope_[static_cast<std::size_t>(j)] =
            static_cast<T>(objective.alpha / static_cast<double>(count)) * slope(difference, objective.prediction_norm);
    }
    const auto share = static_cast<T>(1.0 / static_cast<double>(count * z.rows));
    for (int64_t j = 0; j < count; ++j) {
        T sum = 0;  // of one sample: few enough for single precision
        for (int64_t i = 0; i < z.rows; ++i) {
            const T difference = kept_.back()(i, j) - z(i, j);
            sum += objective.reconstruction_norm == 1 ? std::fabs(difference) : difference * difference;
            delta_.back()(i, j) = share * slope(difference, objective.reconstruction_norm) * dropout_.back()(i, j);
        }
        losses.reconstruction += double(sum);
    }
    losses.prediction /= static_cast<double>(count);
    losses.reconstruction /= static_cast<double>(count * z.rows);
    return losses;
}

template <class T>
void AutoencoderGradient<T>::backward(const Autoencoder<T>& net, MatrixView<const T> z) {
    const int64_t count = z.cols;
    for (int64_t l = static_cast<int64_t>(net.layers().size()) - 1; l >= 0; --l) {
        const auto k = static_cast<std::size_t>(l);
        const auto& layer = net.layers()[k];
        const MatrixView<T> delta = delta_[k].view().columns(0, count);
        const MatrixView<const T> below = l == 0 ? z : first_columns(kept_[k - 1], count);
        multiply(false, true, delta, below, T(0), {gradient_.data() + layer.weight, layer.outputs, layer.inputs, layer.outputs});
        T* bias = gradient_.data() + layer.bias;
        std::fill_n(bias, layer.outputs, T(0));
        for (int64_t j = 0; j < count; ++j) {
            for (int64_t i = 0; i < layer.outputs; ++i) bias[i] += delta(i, j);
        }
        if (l == 0) break;

        const MatrixView<T> delta_below = delta_[k - 1].view().columns(0, count);
        multiply(true, false, weight_of(net, layer), delta, T(0), delta_below);
        if (l - 1 == net.latent_layer()) {
            const auto& unit = net.predictor();
            const T* weight = net.parameters().data() + unit.weight;
            T* weight_gradient = gradient_.data() + unit.weight;
            std::fill_n(weight_gradient, unit.inputs + 1, T(0));
            for (int64_t j = 0; j < count; ++j) {
                const T rise = prediction_slope_[static_cast<std::size_t>(j)];
                for (int64_t i = 0; i < unit.inputs; ++i) {
                    weight_gradient[i] += rise * below(i, j);
                    delta_below(i, j) += rise * weight[i];
                }
                weight_gradient[unit.inputs] += rise;  // the bias follows the weights
            }
        } else {
            const T* output = output_[k - 1].data();
            const T* factor = dropout_[k - 1].data();
            T* d = delta_below.data;
            for (int64_t i = 0; i < delta_below.rows * count; ++i) d[i] *= factor[i] * (T(1) - output[i] * output[i]);
        }
    }
}

template <class T>
void Adam<T>::step(std::span<T> weights, std::span<const T> gradient) {
    require(weights.size() == mean_.size() && gradient.size() == mean_.size(), "as many gradients as weights");
    ++steps_;
    const double t = static_cast<double>(steps_);
    const AdamStep<T> constants{T(first_decay), T(second_decay), T(rate_ / (1.0 - std::pow(first_decay, t))),
                                T(1.0 / std::sqrt(1.0 - std::pow(second_decay, t))), T(epsilon)};
    adam_step(constants, static_cast<int64_t>(weights.size()), gradient.data(), mean_.data(), square_.data(), weights.data());
}

template class Autoencoder<float>;
template class Autoencoder<double>;
template class AutoencoderGradient<float>;
template class AutoencoderGradient<double>;
template class Adam<float>;
template class Adam<double>;

}  // namespace aelle::embed
