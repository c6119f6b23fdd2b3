#pragma once
/// The linear part of a step of any cell: all pre-activations from input, state and the blocks that earlier stages wrote.
///
/// Pre-activations ("slots") of all stages are numbered through. Terms that read one source through one function are one product where
/// their slots are neighbours, whichever stage they belong to. Biases, their fallbacks and what noise leaves when it is off are summed once.

#include <vector>

#include "aelle/cells/spec.hpp"
#include "kernels/cpu/linear_map.hpp"
#include "kernels/linearise.hpp"

namespace aelle::cpu {

template <class T>
class Gates {
public:
    struct Reading {
        cells::Source source = cells::Source::state;  ///< input, state or updated_state
        int stage = 0;                                ///< the stage that an updated state is for
        int block = 0;
    };
    /// W times a source, or times tanh of it, added to `slots` consecutive pre-activations.
    struct Product {
        Reading of;
        int squashed = -1;  ///< index for value and slope, -1 for Through::identity
        int first_slot = 0, slots = 0;
        LinearMap<T> map;  ///< (slots * H x columns)
    };

    Gates(const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters,
          const std::vector<kernels::StagePattern>& patterns);

    int64_t hidden() const { return hidden_; }
    int slots() const { return static_cast<int>(first_slot_.back()); }
    int first_slot(int stage) const { return first_slot_[stage]; }

    /// pre (slots * H) = all but what reads an updated state.
    void start(const Kernels<T>& kernels, const T* state, const T* input, T* pre);
    /// Adds what reads the state `current` that the stages before `stage` left.
    void add_updated(const Kernels<T>& kernels, int stage, const T* current, T* pre);

    /// Those that read the state, old or updated.
    const std::vector<Product>& state_products() const { return state_; }
    /// Derivative of the product's function at the last step's source; null for 1.
    const T* slope(const Product& product) const { return product.squashed < 0 ? nullptr : squashed_[product.squashed].slope.data(); }

private:
    struct Squashed {
        Reading of;
        AlignedVector<T> value, slope;
    };
    struct Builder;

    /// Adds what reads `source`, for `stage` if that is an updated state; `from` is the whole input or state.
    void add(const Kernels<T>& kernels, cells::Source source, int stage, const T* from, T* pre);

    int64_t hidden_, input_;
    std::vector<int> first_slot_;  ///< (stages + 1)
    std::vector<Product> input_products_, state_;
    std::vector<Squashed> squashed_;
    AlignedVector<T> constant_;
};

}  // namespace aelle::cpu
