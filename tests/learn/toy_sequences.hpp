#pragma once
/// Small sets of sequences, made by formula, with a class that a network can learn.

#include <cmath>
#include <cstdint>
#include <vector>

#include "aelle/base/random.hpp"
#include "aelle/learn/sequences.hpp"

namespace aelle::test {

/// Real inputs: noise, on which feature `class` is raised at the first step. At every step or the last the class has to be told.
class RaisedFeature final : public learn::Sequences {
public:
    RaisedFeature(int64_t size, int64_t steps, int64_t features, bool every_step) : size_(size), steps_(steps), features_(features), every_(every_step) {}
    int64_t size() const override { return size_; }
    int64_t steps() const override { return steps_; }
    int64_t features() const override { return features_; }
    int64_t classes() const override { return features_; }
    int64_t target_steps() const override { return every_ ? steps_ : 1; }
    void gather(std::span<const int64_t> indices, learn::Minibatch& out) const override {
        out.steps = steps_;
        out.batch = static_cast<int64_t>(indices.size());
        out.values.resize(static_cast<std::size_t>(features_ * steps_ * out.batch));
        out.targets.resize(static_cast<std::size_t>(target_steps() * out.batch));
        for (int64_t b = 0; b < out.batch; ++b) {
            const int64_t index = indices[static_cast<std::size_t>(b)];
            RandomStream random(9, static_cast<uint64_t>(index), Purpose::target);
            const int64_t target = index % features_;
            for (int64_t t = 0; t < steps_; ++t) {
                for (int64_t i = 0; i < features_; ++i) {
                    const double raised = t == 0 && i == target ? 1.0 : 0.0;
                    out.values[static_cast<std::size_t>((t * out.batch + b) * features_ + i)] = static_cast<float>(0.2 * random.normal() + raised);
                }
            }
            for (int64_t t = 0; t < target_steps(); ++t) out.targets[static_cast<std::size_t>(t * out.batch + b)] = static_cast<int32_t>(target);
        }
    }

private:
    int64_t size_, steps_, features_;
    bool every_;
};

/// Symbols: sequence n counts upwards modulo `classes` from n; the next symbol has to be told at every step.
class Counting final : public learn::Sequences {
public:
    Counting(int64_t size, int64_t steps, int64_t classes) : size_(size), steps_(steps), classes_(classes) {}
    int64_t size() const override { return size_; }
    int64_t steps() const override { return steps_; }
    int64_t features() const override { return classes_; }
    int64_t classes() const override { return classes_; }
    int64_t target_steps() const override { return steps_; }
    void gather(std::span<const int64_t> indices, learn::Minibatch& out) const override {
        out.steps = steps_;
        out.batch = static_cast<int64_t>(indices.size());
        out.symbols.resize(static_cast<std::size_t>(steps_ * out.batch));
        out.targets.resize(out.symbols.size());
        for (int64_t t = 0; t < steps_; ++t) {
            for (int64_t b = 0; b < out.batch; ++b) {
                const int64_t symbol = indices[static_cast<std::size_t>(b)] + t;
                out.symbols[static_cast<std::size_t>(t * out.batch + b)] = static_cast<int32_t>(symbol % classes_);
                out.targets[static_cast<std::size_t>(t * out.batch + b)] = static_cast<int32_t>((symbol + 1) % classes_);
            }
        }
    }

private:
    int64_t size_, steps_, classes_;
};

}  // namespace aelle::test
