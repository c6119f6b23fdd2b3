#pragma once
/// Vanilla (Elman) RNN, PyTorch's nn.RNN with tanh.
///
///     a = W x + b_ih + U h + b_hh                weight_ih_l0 (H, I), weight_hh_l0 (H, H), bias_ih_l0, bias_hh_l0 (H)
///     h' = tanh(a)
///
/// Jacobian: J = diag(1 - tanh(a)^2) U.

#include "aelle/cells/contract.hpp"
#include "aelle/cells/terms.hpp"

namespace aelle::cells {

struct Rnn {
    static constexpr int blocks = 1;
    static constexpr std::array<int, 1> slots = {1};
    struct Scalars {};

    static CellSpec spec() {
        return {.name = "rnn",
                .source = "Elman 1990; PyTorch nn.RNN",
                .blocks = blocks,
                .stages = {{.slots = 1, .terms = gate_terms(0)}},
                .tensors = pytorch_tensors(Extent::hidden),
                .scalars = {}};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S*, const Scalars&, S* next) {
        next[0] = tanh(a[0]);
    }
};

}  // namespace aelle::cells
