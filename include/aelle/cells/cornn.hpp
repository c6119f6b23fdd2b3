#pragma once
/// coRNN, coupled oscillators with explicit damping (Rusch & Mishra, ICLR 2021, equation 3, as in its authors' code).
///
///     a = W_y y + W_z z + W x + b                weight_ih_l0 (H, I), weight_hy_l0, weight_hz_l0 (H, H), bias_l0 (H)
///     z' = z + dt (tanh(a) - gamma y - epsilon z)
///     y' = y + dt z'
///
/// State (y, z), two stages. With S = dt (diag(1 - tanh(a)^2) W_y - gamma I) and B = (1 - dt epsilon) I + dt diag(1 - tanh(a)^2) W_z:
/// J = [[I + dt S, dt B], [S, B]], det J = det B.

#include "aelle/cells/contract.hpp"
#include "aelle/cells/terms.hpp"

namespace aelle::cells {

struct CoRnn {
    static constexpr int blocks = 2;
    static constexpr std::array<int, 2> slots = {1, 0};
    struct Scalars {
        double dt, gamma, epsilon;
    };

    static CellSpec spec() {
        using enum Extent;
        using Width = Initial::Width;
        const Initial varied = Initial::uniform(Width::p), joint = Initial::uniform(Width::per_root_joint);
        return {.name = "cornn",
                .source = "Rusch & Mishra, ICLR 2021, equation 3",
                .blocks = blocks,
                .readout_block = 0,
                .stages = {{.slots = 1,
                            .terms = {{.slot = 0, .block = 0, .tensor = "weight_hy_l0"},
                                      {.slot = 0, .block = 1, .tensor = "weight_hz_l0"},
                                      {.slot = 0, .source = Source::input, .tensor = "weight_ih_l0"},
                                      {.slot = 0, .source = Source::one, .tensor = "bias_l0"}}},
                           {.slots = 0, .terms = {}}},
                .tensors = {{"weight_ih_l0", {hidden, input}, false, varied, joint},
                            {"weight_hy_l0", {hidden, hidden}, false, varied, joint},
                            {"weight_hz_l0", {hidden, hidden}, false, varied, joint},
                            {"bias_l0", {hidden}, true, Initial::uniform(Width::per_root_hidden), joint}},
                .scalars = {{"dt", 0.042, 1e-9, 10.0}, {"gamma", 2.7, 0.0, 1e6}, {"epsilon", 4.7, 0.0, 1e6}},
                .published_transposed = false};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars& p, S* next) {
        if constexpr (Stage == 0) next[1] = s[1] + S(T(p.dt)) * (tanh(a[0]) - S(T(p.gamma)) * s[0] - S(T(p.epsilon)) * s[1]);
        if constexpr (Stage == 1) next[0] = s[0] + S(T(p.dt)) * s[1];
    }
};

}  // namespace aelle::cells
