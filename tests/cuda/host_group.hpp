#pragma once
/// A group of networks whose kernels run on the host: memory of all of them, poisoned, and sequences in the layout of the device.

#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "aelle/learn/sequences.hpp"
#include "kernels/cuda/training.hpp"
#include "tests/cuda/emulation_order.hpp"

namespace aelle::cuda {

/// Every sequence of a set as the device holds it.
struct HostSequences {
    std::vector<float> values;
    std::vector<int32_t> symbols, targets;
    SequenceData data;

    explicit HostSequences(const learn::Sequences& set) {
        learn::Minibatch one;
        for (int64_t i = 0; i < set.size(); ++i) {
            set.gather(std::span(&i, 1), one);
            values.insert(values.end(), one.values.begin(), one.values.end());
            symbols.insert(symbols.end(), one.symbols.begin(), one.symbols.end());
            targets.insert(targets.end(), one.targets.begin(), one.targets.end());
        }
        data = {.values = values.empty() ? nullptr : values.data(),
                .symbols = symbols.empty() ? nullptr : symbols.data(),
                .targets = targets.data(),
                .steps = static_cast<int32_t>(set.steps()),
                .features = static_cast<int32_t>(set.features()),
                .target_steps = static_cast<int32_t>(set.target_steps()),
                .classes = static_cast<int32_t>(set.classes())};
    }
};

template <class Cell>
class HostGroup {
public:
    /// One network for each packed vector of parameters.
    HostGroup(const TrainingPlan& plan, const HostSequences& sequences, const std::vector<std::vector<float>>& parameters)
        : plan_(plan), sequences_(sequences) {
        for (const std::vector<float>& packed : parameters) {
            memory_.emplace_back(static_cast<std::size_t>(plan.memory), std::numeric_limits<float>::quiet_NaN());
            float* memory = memory_.back().data();
            std::copy(packed.begin(), packed.end(), memory + plan.parameters);
            if (plan.adam || plan.momentum > 0) std::fill_n(memory + plan.mean, plan.size, 0.0f);
            if (plan.adam) std::fill_n(memory + plan.square, plan.size, 0.0f);
        }
        updates_.assign(parameters.size(), 0);
    }

    /// The sequences of `order` of each network, in batches.
    void run(const std::vector<std::vector<int32_t>>& order, bool learning, std::vector<float>* probabilities = nullptr) {
        std::vector<TrainingWork> work;
        losses.resize(memory_.size());
        correct.resize(memory_.size());
        finite.assign(memory_.size(), 0);
        for (std::size_t n = 0; n < memory_.size(); ++n) {
            const auto batches = (order[n].size() + static_cast<std::size_t>(plan_.batch) - 1) / static_cast<std::size_t>(plan_.batch);
            losses[n].assign(batches, -1.0);
            correct[n].assign(batches, -1);
            work.push_back({.memory = memory_[n].data(),
                            .order = order[n].data(),
                            .count = static_cast<int32_t>(order[n].size()),
                            .learning = learning,
                            .first_update = updates_[n],
                            .seed = 5 + n,
                            .variant = n,
                            .losses = losses[n].data(),
                            .correct = correct[n].data(),
                            .probabilities = probabilities ? probabilities->data() : nullptr,
                            .finite = &finite[n]});
            if (learning) updates_[n] += static_cast<int64_t>(batches);
        }
        ASSERT_EQ(launch(nullptr, static_cast<int64_t>(work.size()) * team, Training<Cell>::shared_bytes,
                         Training<Cell>{&plan_, sequences_.data, work.data()}, team),
                  0);
    }

    std::vector<float> part(std::size_t network, int64_t offset) const {
        const float* from = memory_[network].data() + offset;
        return {from, from + plan_.size};
    }
    std::vector<float> parameters(std::size_t n) const { return part(n, plan_.parameters); }
    std::vector<float> gradient(std::size_t n) const { return part(n, plan_.gradient); }

    int team = 1;  ///< blocks of each network
    std::vector<std::vector<double>> losses;
    std::vector<std::vector<int32_t>> correct;
    std::vector<int32_t> finite;

private:
    TrainingPlan plan_;
    const HostSequences& sequences_;
    std::vector<std::vector<float>> memory_;
    std::vector<int64_t> updates_;
};

inline std::vector<int32_t> numbers(int count, int first = 0) {
    std::vector<int32_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), first);
    return all;
}

}  // namespace aelle::cuda
