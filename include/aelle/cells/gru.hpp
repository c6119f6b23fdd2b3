#pragma once
/// GRU as in PyTorch's nn.GRU: the reset gate acts after the recurrent product. Gate order r, z, n.
///
///     r, z = sigmoid(W x + b_ih + U h + b_hh)    weight_ih_l0 (3H, I), weight_hh_l0 (3H, H), bias_ih_l0, bias_hh_l0 (3H)
///     m = U_n h + b_hn
///     n = tanh(W_n x + b_in + r m)
///     h' = (1 - z) n + z h
///
/// Jacobian, e = (1 - z) (1 - n^2): J = diag(z) + diag((h - n) z') U_z + diag(e m r') U_r + diag(e r) U_n.

#include "aelle/cells/contract.hpp"
#include "aelle/cells/terms.hpp"

namespace aelle::cells {

struct Gru {
    static constexpr int blocks = 1;
    static constexpr std::array<int, 1> slots = {4};  // r, z, m, and the input's part of n
    struct Scalars {};

    static CellSpec spec() {
        return {.name = "gru",
                .source = "Cho et al. 2014 (first version); PyTorch nn.GRU",
                .blocks = blocks,
                .stages = {{.slots = 4, .terms = joined({gate_terms(0, 0), gate_terms(1, 1), recurrent_terms(2, 2), input_terms(3, 2)})}},
                .tensors = pytorch_tensors(Extent::hidden3),
                .scalars = {}};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars&, S* next) {
        // sigmoid(-a) is 1 - sigmoid(a) to full relative accuracy, also when the gate is saturated
        next[0] = sigmoid(-a[1]) * tanh(a[3] + sigmoid(a[0]) * a[2]) + sigmoid(a[1]) * s[0];
    }
};

}  // namespace aelle::cells
