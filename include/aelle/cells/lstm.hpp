#pragma once
/// LSTM as in PyTorch's nn.LSTM and cuDNN: no peepholes, no offset of the forget bias. Gate order i, f, g, o.
///
///     a = W x + b_ih + U h + b_hh                weight_ih_l0 (4H, I), weight_hh_l0 (4H, H), bias_ih_l0, bias_hh_l0 (4H)
///     c' = sigmoid(a_f) c + sigmoid(a_i) tanh(a_g)
///     h' = sigmoid(a_o) tanh(c')
///
/// State (h, c). The two lines are two stages, so that the step's Jacobian comes as a product (backend::Network::shear):
/// J = [[I, diag(e)], [0, I]] [[O, 0], [K, diag(f)]] with e = o (1 - tanh(c')^2), O = diag(tanh(c') o') U_o and
/// K = diag(g i') U_i + diag(c f') U_f + diag(i (1 - g^2)) U_g. log|det J| = sum log f + log|det O|.

#include "aelle/cells/contract.hpp"
#include "aelle/cells/terms.hpp"

namespace aelle::cells {

struct Lstm {
    static constexpr int blocks = 2;
    static constexpr std::array<int, 2> slots = {3, 1};
    struct Scalars {};

    static CellSpec spec() {
        return {.name = "lstm",
                .source = "Hochreiter & Schmidhuber 1997, Gers et al. 2000; PyTorch nn.LSTM",
                .blocks = blocks,
                .readout_block = 0,
                .stages = {{.slots = 3, .terms = joined({gate_terms(0, 0), gate_terms(1, 1), gate_terms(2, 2)})},
                           {.slots = 1, .terms = gate_terms(0, 3)}},
                .tensors = pytorch_tensors(Extent::hidden4),
                .scalars = {}};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars&, S* next) {
        if constexpr (Stage == 0) next[1] = sigmoid(a[1]) * s[1] + sigmoid(a[0]) * tanh(a[2]);
        if constexpr (Stage == 1) next[0] = sigmoid(a[0]) * tanh(s[1]);
    }
};

}  // namespace aelle::cells
