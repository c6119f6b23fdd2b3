#pragma once
/// A network with its readout, trained as one packed vector of parameters: loss and gradient of one batch.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/matrix.hpp"
#include "aelle/learn/model.hpp"

namespace aelle::learn {

/// Dropout of one update; its mask is a function of these numbers alone: unit i of prediction j (in the order of the targets) takes column i of row j
/// of RandomField(seed, variant, Purpose::dropout, update, 0), stream 0, and is dropped where that is less than the rate.
struct Dropout {
    double rate = 0.0;
    uint64_t seed = 0, variant = 0, update = 0;
};

/// What a batch of predictions amounts to.
struct BatchLoss {
    double sum = 0.0;         ///< cross-entropies in nats, added up
    int64_t predictions = 0;
    int64_t correct = 0;      ///< predictions whose likeliest class (the first of equal ones) is the target
};

/// Packed: the cell's tensors as in cells::ParameterLayout, fc.weight (C, H) row-major, fc.bias (C) where the model has one.
template <class T>
class Classifier {
public:
    Classifier(const backend::Backend& backend, const Model& model);

    std::span<T> parameters() { return parameters_; }
    std::span<const T> parameters() const { return parameters_; }
    std::span<T> gradient() { return gradient_; }
    void parameters_changed();  ///< after writing to parameters()

    /// targets: one for each column of the last n steps, n = targets.size() / inputs.batch. DataError for one that is no class.
    BatchLoss forward(const backend::SequenceBatch<T>& inputs, std::span<const int32_t> targets);
    /// The same in training; `noise` and `dropout` may be null. backward() follows.
    BatchLoss forward_training(const backend::SequenceBatch<T>& inputs, std::span<const int32_t> targets, const backend::NoiseKey* noise,
                               const Dropout* dropout);
    /// Gradient of the mean loss of the last forward_training.
    void backward();

    /// Class probabilities of the last pass, (C x n * batch).
    MatrixView<const T> probabilities() const { return {probabilities_.data(), classes_, columns_, classes_}; }

    Model model() const;

private:
    BatchLoss run(const backend::SequenceBatch<T>& inputs, std::span<const int32_t> targets, const backend::NoiseKey* noise, const Dropout* dropout,
                  bool keep);
    void drop(MatrixView<const T> h, const Dropout& dropout);
    BatchLoss softmax(std::span<const int32_t> targets, bool keep);
    MatrixView<T> readout(std::span<T> packed) const { return {packed.data() + cell_size_, hidden_, classes_, hidden_}; }  // (H x C)

    const backend::Backend& backend_;
    Model model_;  // names, shapes and scalars; its tensors are the initial ones
    cells::ParameterLayout layout_;
    int64_t hidden_, classes_, cell_size_, columns_ = 0;
    std::unique_ptr<backend::BatchNetwork<T>> network_;
    AlignedVector<T> parameters_, gradient_;
    AlignedVector<T> probabilities_, d_logits_, d_hidden_;
    AlignedVector<T> factors_, dropped_;  // of dropout, (H x n * batch)
    std::vector<float> draws_;            // (H)
    MatrixView<const T> features_;        // what the readout saw
    bool dropping_ = false;
};

}  // namespace aelle::learn
