#pragma once
/// LEM, long expressive memory (Rusch, Mishra, Erichson, Mahoney, ICLR 2022, equation 3, as in its authors' code: two gates, tau-bar and tau).
///
///     z' = (1 - tau) z + tau tanh(a_g)           tau = dt sigmoid(a_tau)          a from x and y
///     y' = (1 - tau_bar) y + tau_bar tanh(a_q)   tau_bar = dt sigmoid(a_tau_bar)  a_q from x and the new z
///
/// weight_ih_l0 (4H, I), bias_ih_l0 (4H): row blocks tau-bar, tau, q, g. weight_hh_l0 (3H, H), bias_hh_l0 (3H), on y: tau-bar, tau, g.
/// weight_hz_l0 (H, H), bias_hz_l0 (H), on z'. State (y, z).
/// log|det J| = sum log(1 - tau) + log|det Y|, Y = diag(1 - tau_bar) + diag((tanh(a_q) - y) tau_bar') U_tau_bar.

#include "aelle/cells/contract.hpp"
#include "aelle/cells/terms.hpp"

namespace aelle::cells {

struct Lem {
    static constexpr int blocks = 2;
    static constexpr std::array<int, 2> slots = {2, 2};
    struct Scalars {
        double dt;
    };

    static CellSpec spec() {
        using enum Extent;
        using Width = Initial::Width;
        const Initial varied = Initial::uniform(Width::p), standard = Initial::uniform(Width::per_root_hidden);
        return {.name = "lem",
                .source = "Rusch et al., ICLR 2022, equation 3",
                .blocks = blocks,
                .readout_block = 0,
                .stages = {{.slots = 2, .terms = joined({input_terms(0, 1), recurrent_terms(0, 1), input_terms(1, 3), recurrent_terms(1, 2)})},
                           {.slots = 2,
                            .terms = joined({input_terms(0, 0), recurrent_terms(0, 0), input_terms(1, 2),
                                             {{.slot = 1, .source = Source::updated_state, .block = 1, .tensor = "weight_hz_l0"},
                                              {.slot = 1, .source = Source::one, .tensor = "bias_hz_l0"}}})}},
                .tensors = {{"weight_ih_l0", {hidden4, input}, false, varied, standard},
                            {"bias_ih_l0", {hidden4}, true, standard, standard},
                            {"weight_hh_l0", {hidden3, hidden}, false, varied, standard},
                            {"bias_hh_l0", {hidden3}, true, standard, standard},
                            {"weight_hz_l0", {hidden, hidden}, false, varied, standard},
                            {"bias_hz_l0", {hidden}, true, standard, standard}},
                .scalars = {{"dt", 1.0, 1e-9, 10.0}}};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars& p, S* next) {
        constexpr int block = Stage == 0 ? 1 : 0;
        const S keep = S(T(1 - p.dt)) + S(T(p.dt)) * sigmoid(-a[0]);  // 1 - tau to full relative accuracy, also when saturated
        next[block] = keep * s[block] + S(T(p.dt)) * sigmoid(a[0]) * tanh(a[1]);
    }
};

}  // namespace aelle::cells
