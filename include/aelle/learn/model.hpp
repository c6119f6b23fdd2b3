#pragma once
/// A network with its readout: what is trained, stored and measured.
///
///     logits = W_fc dropout(h) + b_fc            fc.weight (C, H), fc.bias (C)

#include <cstdint>
#include <optional>
#include <vector>

#include "aelle/cells/spec.hpp"

namespace aelle::learn {

struct Model {
    const cells::CellSpec* cell = nullptr;
    cells::Shape shape;
    cells::Parameters parameters;   ///< of the cell, complete
    int64_t classes = 0;            ///< C
    std::vector<double> fc_weight;  ///< (C, H) row-major
    std::vector<double> fc_bias;    ///< (C), or empty: the readout has no bias
};

/// How a network starts. Values are drawn in double from RandomStream(seed, variant, Purpose::weights, number of the tensor in the spec; readout
/// after them) and rounded to float, so that training and spectra before it see the same numbers.
struct InitOptions {
    std::optional<double> p;     ///< the spec's `study` law with this p; without it the `standard` law
    bool unit_inputs = false;    ///< weight_ih_l0 ~ U(0, 1) whatever p: a defect of the published code (cells.md 6, item 5), for comparison
};

/// `scalars` go before the cell's defaults. The readout is PyTorch's default: U(-1/sqrt(H), 1/sqrt(H)). DataError for a cell without initial laws
/// (rank1 has its own, learn/force.hpp), a scalar out of range or a p that is negative or not finite.
Model initial_model(const cells::CellSpec& cell, const cells::Shape& shape, int64_t classes, const cells::Parameters& scalars,
                    const InitOptions& options, uint64_t seed, uint64_t variant);

/// Draws the readout alone, as initial_model does; cell, shape and classes must be set.
void draw_readout(Model& model, uint64_t seed, uint64_t variant);

}  // namespace aelle::learn
