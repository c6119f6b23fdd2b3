#pragma once
/// Sequences to learn from: what a task offers a trainer. Read by many threads at once.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"

namespace aelle::learn {

/// Some sequences side by side, as a network reads them. Column t * batch + b belongs to step t of sequence b.
struct Minibatch {
    int64_t steps = 0, batch = 0;
    std::vector<float> values;     ///< (features x steps * batch); empty for symbols
    std::vector<int32_t> symbols;  ///< (steps * batch), one-hot inputs by their index; empty for values
    std::vector<int32_t> targets;  ///< (target_steps * batch): the classes to predict at the last target_steps steps

    backend::SequenceBatch<float> inputs() const {
        return {steps, batch, values.empty() ? nullptr : values.data(), symbols.empty() ? nullptr : symbols.data()};
    }
};

/// A set of sequences of equal length with classes to predict.
class Sequences {
public:
    virtual ~Sequences() = default;
    virtual int64_t size() const = 0;          ///< number of sequences
    virtual int64_t steps() const = 0;         ///< T
    virtual int64_t features() const = 0;      ///< I
    virtual int64_t classes() const = 0;       ///< C
    virtual int64_t target_steps() const = 0;  ///< steps with a target: 1 (the last) or T (every one)
    /// Fills `out` with the sequences numbered `indices`; its vectors are reused.
    virtual void gather(std::span<const int64_t> indices, Minibatch& out) const = 0;
};

}  // namespace aelle::learn
