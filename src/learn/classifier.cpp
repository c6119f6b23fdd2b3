#include "classifier.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

namespace aelle::learn {
namespace {

template <class T>
std::unique_ptr<backend::BatchNetwork<T>> make_network(const backend::Backend& backend, const Model& model,
                                                       const cells::ParameterLayout& layout) {
    if constexpr (std::is_same_v<T, float>) return backend.batch_network(*model.cell, layout, model.parameters);
    else return backend.batch_network_double(*model.cell, layout, model.parameters);
}

/// The model with checked sizes and all scalars.
Model checked(Model model) {
    require(model.cell != nullptr, "a model without a cell");
    cells::complete(*model.cell, model.shape, model.parameters);
    const auto check = [](const char* name, std::size_t found, int64_t expected) {
        if (static_cast<int64_t>(found) == expected) return;
        throw DataError(std::string(name) + ": found " + std::to_string(found) + " values, expected " + std::to_string(expected));
    };
    check("fc.weight", model.fc_weight.size(), model.classes * model.shape.hidden);
    if (!model.fc_bias.empty()) check("fc.bias", model.fc_bias.size(), model.classes);
    return model;
}

}  // namespace

template <class T>
Classifier<T>::Classifier(const backend::Backend& backend, const Model& model)
    : backend_(backend),
      model_(checked(model)),
      layout_(*model_.cell, model_.shape, model_.parameters),
      hidden_(model_.shape.hidden),
      classes_(model_.classes),
      cell_size_(layout_.size()),
      network_(make_network<T>(backend, model_, layout_)) {
    const std::vector<T> packed = layout_.pack<T>(model_.parameters);
    parameters_.assign(packed.begin(), packed.end());
    for (const auto& values : {model_.fc_weight, model_.fc_bias}) {
        for (const double value : values) parameters_.push_back(static_cast<T>(value));
    }
    gradient_.resize(parameters_.size());
    parameters_changed();
}

template <class T>
void Classifier<T>::parameters_changed() {
    network_->set_parameters({parameters_.data(), static_cast<std::size_t>(cell_size_)});
}

template <class T>
BatchLoss Classifier<T>::forward(const backend::SequenceBatch<T>& inputs, std::span<const int32_t> targets) {
    return run(inputs, targets, nullptr, nullptr, false);
}

template <class T>
BatchLoss Classifier<T>::forward_training(const backend::SequenceBatch<T>& inputs, std::span<const int32_t> targets,
                                          const backend::NoiseKey* noise, const Dropout* dropout) {
    return run(inputs, targets, noise, dropout, true);
}

template <class T>
BatchLoss Classifier<T>::run(const backend::SequenceBatch<T>& inputs, std::span<const int32_t> targets, const backend::NoiseKey* noise,
                             const Dropout* dropout, bool keep) {
    columns_ = static_cast<int64_t>(targets.size());
    const int64_t all = inputs.steps * inputs.batch;
    require(inputs.batch > 0 && columns_ > 0 && columns_ <= all && columns_ % inputs.batch == 0, "targets of another size than the batch");
    for (const int32_t target : targets) {
        if (target >= 0 && target < classes_) continue;
        throw DataError("target: found class " + std::to_string(target) + ", expected from 0 to " + std::to_string(classes_ - 1));
    }
    features_ = network_->forward(inputs, noise, keep).columns(all - columns_, columns_);
    dropping_ = dropout != nullptr && dropout->rate > 0;
    if (dropping_) drop(features_, *dropout);
    probabilities_.resize(static_cast<std::size_t>(classes_ * columns_));
    const MatrixView<T> logits{probabilities_.data(), classes_, columns_, classes_};
    backend_.multiply(true, false, MatrixView<const T>(readout(parameters_)), features_, T(0), logits);
    if (!model_.fc_bias.empty()) {
        const T* bias = parameters_.data() + cell_size_ + classes_ * hidden_;
        for (int64_t j = 0; j < columns_; ++j) {
            for (int64_t c = 0; c < classes_; ++c) logits(c, j) += bias[c];
        }
    }
    return softmax(targets, keep);
}

template <class T>
void Classifier<T>::drop(MatrixView<const T> h, const Dropout& dropout) {
    const RandomField field(dropout.seed, dropout.variant, Purpose::dropout, dropout.update, 0);
    const auto rate = static_cast<float>(dropout.rate);
    const auto kept = static_cast<T>(1 / (1 - dropout.rate));
    draws_.resize(static_cast<std::size_t>(hidden_));
    factors_.resize(static_cast<std::size_t>(hidden_ * columns_));
    dropped_.resize(factors_.size());
    for (int64_t j = 0; j < columns_; ++j) {
        field.uniform(0, static_cast<uint32_t>(j), draws_);
        const T* from = h.column(j);
        T* factor = factors_.data() + j * hidden_;
        T* to = dropped_.data() + j * hidden_;
        for (int64_t i = 0; i < hidden_; ++i) {
            factor[i] = draws_[static_cast<std::size_t>(i)] < rate ? T(0) : kept;
            to[i] = from[i] * factor[i];
        }
    }
    features_ = {dropped_.data(), hidden_, columns_, hidden_};
}

/// Logits become probabilities.
template <class T>
BatchLoss Classifier<T>::softmax(std::span<const int32_t> targets, bool keep) {
    const backend::SoftmaxLoss loss = backend_.softmax(targets, MatrixView<T>{probabilities_.data(), classes_, columns_, classes_});
    if (keep) {
        d_logits_.resize(probabilities_.size());
        const T scale = T(1) / static_cast<T>(columns_);
        for (std::size_t i = 0; i < d_logits_.size(); ++i) d_logits_[i] = scale * probabilities_[i];
        for (int64_t j = 0; j < columns_; ++j)
            d_logits_[static_cast<std::size_t>(j * classes_ + targets[static_cast<std::size_t>(j)])] -= scale;
    }
    return {loss.sum, columns_, loss.correct};
}

template <class T>
void Classifier<T>::backward() {
    const MatrixView<const T> d_logits{d_logits_.data(), classes_, columns_, classes_};
    backend_.multiply(false, true, features_, d_logits, T(0), readout(gradient_));
    if (!model_.fc_bias.empty()) {
        T* d_bias = gradient_.data() + cell_size_ + classes_ * hidden_;
        std::fill(d_bias, d_bias + classes_, T(0));
        for (int64_t j = 0; j < columns_; ++j) {
            for (int64_t c = 0; c < classes_; ++c) d_bias[c] += d_logits(c, j);
        }
    }
    d_hidden_.resize(static_cast<std::size_t>(hidden_ * columns_));
    const MatrixView<T> d_hidden{d_hidden_.data(), hidden_, columns_, hidden_};
    backend_.multiply(false, false, MatrixView<const T>(readout(parameters_)), d_logits, T(0), d_hidden);
    if (dropping_) {
        for (std::size_t i = 0; i < d_hidden_.size(); ++i) d_hidden_[i] *= factors_[i];
    }
    network_->backward(d_hidden, {gradient_.data(), static_cast<std::size_t>(cell_size_)});
}

template <class T>
Model Classifier<T>::model() const {
    Model model = model_;
    layout_.unpack<T>({parameters_.data(), static_cast<std::size_t>(cell_size_)}, model.parameters);
    const auto fc = parameters_.begin() + cell_size_;
    const auto split = fc + classes_ * hidden_;
    model.fc_weight.assign(fc, split);
    model.fc_bias.assign(split, parameters_.end());
    return model;
}

template class Classifier<float>;
template class Classifier<double>;

}  // namespace aelle::learn
