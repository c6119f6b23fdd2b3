#pragma once
/// The readout of one minibatch by a team of blocks: dropout, logits, softmax, cross-entropy, and the way back.

#include <array>
#include <cmath>

#include "aelle/base/random_formulas.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/row_sums.hpp"
#include "kernels/cuda/training_plan.hpp"

namespace aelle::cuda {

struct Readout {
    static constexpr int threads = 256;
    const Team& team;
    const TrainingPlan& plan;
    float* memory;
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
        team.each(columns() * hidden, [&](int64_t e) {
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
        product<Along::inner, Along::inner>(
            team, classes, static_cast<int>(columns()), hidden, lines(w, hidden), lines(features, hidden),
            [=](int c, int j, float sum) { logits[c + int64_t{j} * classes] = with_bias ? sum + constant[c] : sum; });
        const float scale = 1.0f / static_cast<float>(columns());
        auto* losses = reinterpret_cast<double*>(memory + plan.column_losses);
        auto* sums = reinterpret_cast<double*>(memory + plan.sums);
        int right = 0;
        for (int64_t j = team.warp(); j < columns(); j += team.warps()) {
            const double loss = column_loss(logits + j * classes, targets.target(j), learning, scale, right);
            if (team.block().lane() == 0) losses[j] = loss;
        }
        correct = team.count(team.block().lane() == 0 ? right : 0, reinterpret_cast<int*>(sums));
        return team.sum(columns(), sums, [&](int64_t j) { return losses[j]; });
    }

    /// By a warp: -log softmax of the target, without overflow, and exact where it rounds to 0 or 1 (kernels/softmax.hpp). p becomes probabilities, or
    /// gradients times `scale`.
    AELLE_DEVICE double column_loss(float* p, int target, bool learning, float scale, int& right) const {
        const Block& block = team.block();
        float top = p[target];
        for (int c = block.lane(); c < plan.classes; c += warp_size) top = top < p[c] ? p[c] : top;
        top = block.warp_max(top);
        const float aim = p[target];
        float sum = 0.0f;
        int before = 0;  // classes that are as likely as the target and come first
        block.sync_warp();
        for (int c = block.lane(); c < plan.classes; c += warp_size) {
            before += c < target && p[c] == top ? 1 : 0;
            sum += p[c] = std::exp(p[c] - top);
        }
        sum = block.warp_sum(sum);
        right += std::isfinite(aim) && aim == top && block.warp_sum(before) == 0 ? 1 : 0;
        for (int c = block.lane(); c < plan.classes; c += warp_size) {
            p[c] /= sum;
            if (learning) p[c] = p[c] * scale - (c == target ? scale : 0.0f);
        }
        return std::log(static_cast<double>(sum)) - static_cast<double>(aim - top);
    }

    AELLE_DEVICE void copy_probabilities(float* to) const {
        const float* p = memory + plan.logits;
        team.each(columns() * plan.classes, [&](int64_t e) { to[e] = p[e]; });
    }

    /// Gradients of the readout's parameters, and of what it saw into plan.d_features.
    AELLE_PHASE void backward() const {
        const int hidden = plan.cell.hidden, classes = plan.classes, count = static_cast<int>(columns());
        const float* w = weights(plan.parameters);
        const float* features = memory + plan.features;
        const float* factors = memory + plan.factors;
        const float* d = memory + plan.logits;
        float* d_w = weights(plan.gradient);
        product<Along::outer, Along::outer>(team, classes, hidden, count, lines(d, classes), lines(features, hidden),
                                            [=](int c, int i, float sum) { d_w[int64_t{c} * hidden + i] = sum; });
        if (plan.fc_bias) {
            float* d_bias = bias(plan.gradient);
            row_sums(team, classes, count, d, classes, memory + plan.partial_sums, [&](int64_t c, float sum) { d_bias[c] = sum; });
        }
        float* d_features = memory + plan.d_features;
        const bool drop = dropping;
        product<Along::outer, Along::inner>(team, hidden, count, classes, lines(w, hidden), lines(d, classes),
                                            [=](int i, int j, float sum) {
                                                const int64_t e = i + int64_t{j} * hidden;
                                                d_features[e] = drop ? sum * factors[e] : sum;
                                            });
    }
};

}  // namespace aelle::cuda
