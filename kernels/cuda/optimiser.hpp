#pragma once
/// Parameter updates of one network by a team of blocks, and the pull-back of structured matrices (kernels/batch_terms.hpp).

#include <cmath>
#include <limits>

#include "kernels/cuda/training_plan.hpp"

namespace aelle::cuda {

/// Adds to the packed gradient what a gradient `g` (H x H, row-major) of a term's effective matrix means for its parameters. One thread an element.
AELLE_PHASE void pull_back(const Team& team, const TermPlan& term, int64_t hidden, const float* packed, const float* g, float* gradient) {
    if (term.form == cells::Form::symmetric_skew) {
        float* d = gradient + term.offset;
        team.each(hidden * hidden, [&](int64_t e) {
            const int64_t i = e / hidden, j = e % hidden;
            d[e] += g[e] + static_cast<float>(term.mirrored) * g[j * hidden + i];
        });
        return;
    }
    const float* left = packed + term.offset;
    const float* right = packed + term.offset2;
    team.each(2 * hidden, [&](int64_t n) {
        const int64_t i = n % hidden;
        float sum = 0.0f;
        for (int64_t j = 0; j < hidden; ++j) sum += n < hidden ? g[i * hidden + j] * right[j] : g[j * hidden + i] * left[j];
        gradient[(n < hidden ? term.offset : term.offset2) + i] += sum;
    });
}

/// Clipping, then Adam's or SGD's update number `step`, from 1, of the packed parameters (learn/bptt.hpp); whether they are all finite after it.
AELLE_PHASE bool descend(const Team& team, const TrainingPlan& plan, float* memory, int64_t step) {
    float* theta = memory + plan.parameters;
    float* g = memory + plan.gradient;
    float* m = memory + plan.mean;
    float* v = memory + plan.square;
    auto* sums = reinterpret_cast<double*>(memory + plan.sums);
    if (plan.clip > 0) {
        const double squares = team.sum(plan.size, sums, [&](int64_t i) { return static_cast<double>(g[i]) * static_cast<double>(g[i]); });
        const double factor = plan.clip / (std::sqrt(squares) + 1e-6);
        if (!(factor >= 1)) team.each(plan.size, [&](int64_t i) { g[i] *= static_cast<float>(factor); });
    }
    bool good = true;
    const auto keep_watch = [&](float x) { good = good && std::fabs(x) <= std::numeric_limits<float>::max(); };  // false for NaN
    if (plan.adam) {
        constexpr double beta1 = 0.9, beta2 = 0.999;
        const auto decay1 = static_cast<float>(beta1), decay2 = static_cast<float>(beta2);
        const auto gain1 = static_cast<float>(1 - beta1), gain2 = static_cast<float>(1 - beta2);
        const auto rate = static_cast<float>(plan.learning_rate / (1 - std::pow(beta1, static_cast<double>(step))));
        const auto root = static_cast<float>(std::sqrt(1 - std::pow(beta2, static_cast<double>(step))));
        team.each(plan.size, [&](int64_t i) {
            m[i] = decay1 * m[i] + gain1 * g[i];
            v[i] = decay2 * v[i] + gain2 * g[i] * g[i];
            theta[i] -= rate * (m[i] / (std::sqrt(v[i]) / root + 1e-8f));
            keep_watch(theta[i]);
        });
    } else {
        const auto rate = static_cast<float>(plan.learning_rate), keep = static_cast<float>(plan.momentum);
        team.each(plan.size, [&](int64_t i) {
            float move = g[i];
            if (plan.momentum != 0) move = m[i] = keep * m[i] + move;
            theta[i] -= rate * move;
            keep_watch(theta[i]);
        });
    }
    return !team.any(!good, reinterpret_cast<int*>(sums));
}

}  // namespace aelle::cuda
