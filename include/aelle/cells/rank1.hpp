#pragma once
/// Rank-1 RNN: a random recurrent network closed by one trained feedback loop (Sussillo & Abbott, Neuron 2009; FORCE).
///
///     r = tanh(x)
///     a = M r + w_f (w_o . r)                  weight_hh_l0 (N, N), weight_fb (N), weight_out (N)
///     x' = (1 - dt) x + dt a                   dt in units of the time constant
///
/// Jacobian of the closed loop: J = (1 - dt) I + dt (M + w_f w_o^T) diag(1 - tanh(x)^2).

#include "aelle/cells/contract.hpp"

namespace aelle::cells {

struct Rank1 {
    static constexpr int blocks = 1;
    static constexpr std::array<int, 1> slots = {1};
    struct Scalars {
        double dt;
    };

    static CellSpec spec() {
        using enum Extent;
        return {.name = "rank1",
                .source = "Sussillo & Abbott 2009, equations 1 and 2",
                .blocks = blocks,
                .readout_block = 0,
                .stages = {{.slots = 1,
                            .terms = {{.slot = 0, .through = Through::tanh, .tensor = "weight_hh_l0"},
                                      {.slot = 0,
                                       .through = Through::tanh,
                                       .form = Form::outer,
                                       .tensor = "weight_fb",
                                       .tensor2 = "weight_out"}}}},
                .tensors = {{"weight_hh_l0", {hidden, hidden}}, {"weight_fb", {hidden}}, {"weight_out", {hidden}}},
                .scalars = {{"dt", 0.1, 1e-6, 1.0}}};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars& p, S* next) {
        next[0] = S(T(1 - p.dt)) * s[0] + S(T(p.dt)) * a[0];
    }
};

}  // namespace aelle::cells
