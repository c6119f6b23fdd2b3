#pragma once
/// The readout of one minibatch by one block of threads: dropout, logits, softmax, cross-entropy, and the way back.

#include <array>
#include <cmath>

#include "aelle/base/random_formulas.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/training_plan.hpp"

namespace aelle::cuda {

struct Readout {
    static constexpr int threads = 256;
    const Block& block;
    const TrainingPlan& plan;
    float* memory;
    float* panel;
    double* reals;
    int* integers;
    int batch = 0;
    bool dropping = false;

    AELLE_DEVICE int64_t columns() const { return int64_t{plan.target_steps} * batch; }
    AELLE_DEVICE float* weights(int64_t packed) const { return memory + packed + plan.cell.parameters; }
    AELLE_DEVICE float* bias(int64_t packed) const { return weights(packed) + int64_t{plan.classes} * plan.cell.hidden; }

    /// What the readout sees. states: its block after each target step, those of neighbouring steps plan.cell.state_size() * plan.batch apart. Unit i of column
    /// j is dropped where number i of row j of the field is below the rate (learn/classifier.hpp).
    AELLE_PHASE void load(const float* states, double rate, uint64_t seed, uint64_t variant, uint64_t update) {
        dropping = rate > 0;
        const int hidden = plan.cell.hidden;
        float* features = memory + plan.features;
        float* factors = memory + plan.factors;
        const auto key = random_formulas::field_key(seed, variant, Purpose::dropout, update, 0);
        const auto least = static_cast<float>(rate), kept = static_cast<float>(1 / (1 - rate));
        const int64_t apart = plan.cell.state_size() * plan.batch;
        block.each(columns() * hidden, [&](int64_t e) {
            const int64_t i = e % hidden, j = e / hidden;
            float h = states[j / batch * apart + j % batch * hidden + i];
            if (dropping) {
                const bool drop = random_formulas::field_uniform(key, 0, static_cast<uint32_t>(j), static_cast<uint32_t>(i)) < least;
                factors[e] = drop ? 0.0f : kept;
                h *= factors[e];
            }
            features[e] = h;
        });
    }

    /// Sum of cross-entropies; `logits` become probabilities or, where a backward pass follows, gradients of the mean. targets.target(j): the class of column j.
    template <class Targets>
    AELLE_PHASE double loss(const Targets& targets, bool learning, int& correct) const {
        const int hidden = plan.cell.hidden, classes = plan.classes;
        const float* w = weights(plan.parameters);
        const float* constant = bias(plan.parameters);
        const float* features = memory + plan.features;
        float* logits = memory + plan.logits;
        const bool with_bias = plan.fc_bias;
        product<threads, Along::inner, Along::inner>(
            block, classes, static_cast<int>(columns()), hidden, panel, [&](int c, int k) { return w[int64_t{c} * hidden + k]; },
            [&](int k, int j) { return features[k + int64_t{j} * hidden]; },
            [&](int c, int j, float sum) { logits[c + int64_t{j} * classes] = with_bias ? sum + constant[c] : sum; });
        const float scale = 1.0f / static_cast<float>(columns());
        double sum = 0.0;
        int right = 0;
        block.each(columns(), [&](int64_t j) {
            sum += column_loss(logits + j * classes, targets.target(j), right);
            if (!learning) return;
            for (int c = 0; c < classes; ++c) logits[j * classes + c] *= scale;
            logits[j * classes + targets.target(j)] -= scale;
        });
        correct = block.sum(right, integers);
        return block.sum(sum, reals);
    }

    /// -log softmax of the target, without overflow, and exact where it rounds to 0 or 1 (kernels/softmax.hpp).
    AELLE_DEVICE double column_loss(float* p, int target, int& right) const {
        float top = p[0];
        for (int c = 1; c < plan.classes; ++c) top = top < p[c] ? p[c] : top;
        bool first = std::isfinite(p[target]) && p[target] == top;
        for (int c = 0; first && c < target; ++c) first = p[c] != top;
        right += first ? 1 : 0;
        const float margin = p[target] - top;
        float sum = 0.0f;
        for (int c = 0; c < plan.classes; ++c) sum += p[c] = std::exp(p[c] - top);
        for (int c = 0; c < plan.classes; ++c) p[c] /= sum;
        return std::log(static_cast<double>(sum)) - static_cast<double>(margin);
    }

    AELLE_DEVICE void copy_probabilities(float* to) const {
        const float* p = memory + plan.logits;
        block.each(columns() * plan.classes, [&](int64_t e) { to[e] = p[e]; });
    }

    /// Gradients of the readout's parameters, and of what it saw into plan.d_features.
    AELLE_PHASE void backward() const {
        const int hidden = plan.cell.hidden, classes = plan.classes, count = static_cast<int>(columns());
        const float* w = weights(plan.parameters);
        const float* features = memory + plan.features;
        const float* factors = memory + plan.factors;
        const float* d = memory + plan.logits;
        float* d_w = weights(plan.gradient);
        product<threads, Along::outer, Along::outer>(
            block, classes, hidden, count, panel, [&](int c, int k) { return d[c + int64_t{k} * classes]; },
            [&](int k, int i) { return features[i + int64_t{k} * hidden]; },
            [&](int c, int i, float sum) { d_w[int64_t{c} * hidden + i] = sum; });
        if (plan.fc_bias) {
            float* d_bias = bias(plan.gradient);
            block.each(classes, [&](int64_t c) {
                float sum = 0.0f;
                for (int64_t j = 0; j < count; ++j) sum += d[c + j * classes];
                d_bias[c] = sum;
            });
        }
        float* d_features = memory + plan.d_features;
        const bool drop = dropping;
        product<threads, Along::outer, Along::inner>(
            block, hidden, count, classes, panel, [&](int i, int c) { return w[int64_t{c} * hidden + i]; },
            [&](int c, int j) { return d[c + int64_t{j} * classes]; },
            [&](int i, int j, float sum) {
                const int64_t e = i + int64_t{j} * hidden;
                d_features[e] = drop ? sum * factors[e] : sum;
            });
    }
};

}  // namespace aelle::cuda
