#pragma once
/// Training by backpropagation through time, one network at a time, in single precision.
///
/// Loss: mean cross-entropy in nats per prediction, at the last step or at every step, as the Sequences say. Each update takes the
/// next `batch` sequences of the epoch's order; a last partial batch is used too.
///
///     Adam (Kingma & Ba, ICLR 2015, algorithm 1, with PyTorch's order of operations): m, v, bias-corrected; beta = (0.9, 0.999), 1e-8
///     SGD: v = momentum v + g, theta -= lr v (PyTorch; the first v is g)
///     clipping: g *= min(1, clip / (|g| + 1e-6)), |g| over all parameters, before the optimiser (PyTorch's clip_grad_norm_)

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/archive.hpp"
#include "aelle/learn/model.hpp"
#include "aelle/learn/sequences.hpp"

namespace aelle::learn {

enum class Optimizer { adam, sgd };

struct BpttOptions {
    Optimizer optimizer = Optimizer::adam;
    double learning_rate = 1e-3;
    double momentum = 0.0;   ///< of SGD
    double clip = 0.0;       ///< largest norm of the gradient; 0 = no clipping
    double dropout = 0.0;    ///< between cell and readout, in training only
    int64_t batch = 128;
    bool shuffle = true;     ///< a new order every epoch; otherwise the order of `indices`
};

class BpttTrainer {
public:
    /// `indices`: the sequences of `data` to train on. `data` and `backend` must outlive the trainer. Order, dropout and noise are functions of
    /// seed, variant and the number of the epoch or update. DataError names an option out of range.
    BpttTrainer(const backend::Backend& backend, Model model, const BpttOptions& options, const Sequences& data,
                std::vector<int64_t> indices, uint64_t seed, uint64_t variant);
    ~BpttTrainer();
    BpttTrainer(BpttTrainer&&) noexcept;

    int64_t updates_per_epoch() const;
    int64_t updates_done() const;
    int64_t epochs_done() const;  ///< whole epochs
    /// One parameter update. Bits do not depend on what happens between calls.
    void update();
    /// Mean loss over the sequences of the current or last finished epoch of training, each before its update.
    double training_loss() const;
    /// False once a loss or a parameter is not finite: the network has diverged. It is not updated any more.
    bool finite() const;

    Model model() const;  ///< as trained so far

    void save(ArchiveWriter&) const;  ///< parameters and optimiser; not the data
    void load(ArchiveReader&);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Loss and accuracy of a network on given sequences, without dropout or noise, batch by batch.
class Evaluation {
public:
    Evaluation(const backend::Backend& backend, const Model& model, const Sequences& data, std::vector<int64_t> indices, int64_t batch);
    ~Evaluation();
    Evaluation(Evaluation&&) noexcept;

    bool done() const;
    void advance();           ///< one batch
    double loss() const;      ///< nats per prediction over the sequences so far; not finite when the network has diverged
    double accuracy() const;  ///< share of predictions whose likeliest class is the target
    /// Class probabilities of the last batch, (C x target_steps * batch).
    MatrixView<const float> probabilities() const;
    void save(ArchiveWriter&) const;
    void load(ArchiveReader&);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace aelle::learn
