#pragma once
/// Noisy RNN (Lim, Erichson, Hodgkinson, Mahoney, NeurIPS 2021, as in its authors' code): the Lipschitz RNN with a trainable step per unit and
/// noise while it trains.
///
///     h' = h + d m (A h + t) + sigma_add xi,     d = step_l0 (H), eps where absent;  A, t as in cells/lipschitz.hpp
///     m = 1 - sigma_mult (1 - u), u ~ U(0, 1);   xi ~ N(0, 1), not scaled by a square root of the step; both fresh per unit, sample and step
///
/// Evaluation and spectra are without noise (m = 1, xi = 0): J = I + diag(d) (A + diag(1 - t^2) W).

#include "aelle/cells/lipschitz.hpp"

namespace aelle::cells {

struct Noisy {
    static constexpr int blocks = 1;
    static constexpr std::array<int, 1> slots = {5};  // A h, the argument of t, d, m, sigma_add xi
    struct Scalars {
        double eps, beta, beta_a, beta_w, gamma_a, gamma_w, sigma_add, sigma_mult;
    };

    static CellSpec spec() {
        using enum Extent;
        using Width = Initial::Width;
        const Initial varied = Initial::uniform(Width::p), matrix = Initial::normal(Width::per_hidden, 0.1);
        const Initial map = Initial::uniform(Width::per_root_input), step = Initial::equal_to("eps");
        return {.name = "noisy",
                .source = "Lim et al., NeurIPS 2021",
                .blocks = blocks,
                .stages = {{.slots = 5,
                            .terms = joined({lipschitz_terms(),
                                             {{.slot = 2, .source = Source::one, .tensor = "step_l0", .scalar = "eps"},
                                              {.slot = 3, .source = Source::factor_noise, .scalar = "sigma_mult"},
                                              {.slot = 4, .source = Source::additive_noise, .scalar = "sigma_add"}}})}},
                .tensors = {{"weight_ih_l0", {hidden, input}, false, varied, map},
                            {"weight_hh_l0", {hidden, hidden}, false, varied, matrix},
                            {"weight_a_l0", {hidden, hidden}, false, varied, matrix},
                            {"bias_ih_l0", {hidden}, true, map, map},
                            {"step_l0", {hidden}, true, step, step}},
                .scalars = {{"eps", 0.01, 0.0, 10.0},
                            {"beta", 0.75, 0.5, 1.0},
                            {"beta_a", 0.75, 0.5, 1.0, "beta"},
                            {"beta_w", 0.75, 0.5, 1.0, "beta"},
                            {"gamma_a", 0.001, -100.0, 100.0},
                            {"gamma_w", 0.001, -100.0, 100.0},
                            {"sigma_add", 0.02, 0.0, 100.0},
                            {"sigma_mult", 0.02, 0.0, 1.0}}};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars&, S* next) {
        next[0] = s[0] + a[2] * a[3] * (a[0] + tanh(a[1])) + a[4];
    }
};

}  // namespace aelle::cells
