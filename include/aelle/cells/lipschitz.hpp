#pragma once
/// Lipschitz RNN (Erichson, Azencot, Queiruga, Hodgkinson, Mahoney, ICLR 2021, equations 3 and 4, as in its authors' code).
///
///     A = (1 - beta) (M + M^T) + beta (M - M^T) - gamma I        weight_a_l0 (H, H) = M of A, beta_a, gamma_a
///     W likewise                                                 weight_hh_l0 (H, H) = M of W, beta_w, gamma_w
///     t = tanh(W h + W_ih x + b)                                 weight_ih_l0 (H, I), bias_ih_l0 (H)
///     h' = h + eps (A h + t)
///
/// Jacobian: J = I + eps A + eps diag(1 - t^2) W.

#include "aelle/cells/contract.hpp"
#include "aelle/cells/terms.hpp"

namespace aelle::cells {

/// A h into pre-activation 0, W h + W_ih x + b into pre-activation 1.
inline Terms lipschitz_terms() {
    return joined({{{.slot = 0, .form = Form::symmetric_skew, .tensor = "weight_a_l0", .beta = "beta_a", .gamma = "gamma_a"},
                    {.slot = 1, .form = Form::symmetric_skew, .tensor = "weight_hh_l0", .beta = "beta_w", .gamma = "gamma_w"}},
                   input_terms(1)});
}

struct Lipschitz {
    static constexpr int blocks = 1;
    static constexpr std::array<int, 1> slots = {2};
    struct Scalars {
        double eps, beta, beta_a, beta_w, gamma_a, gamma_w;
    };

    static CellSpec spec() {
        using enum Extent;
        using Width = Initial::Width;
        const Initial varied = Initial::uniform(Width::p), matrix = Initial::normal(Width::per_hidden, 6.0);  // init_std of the driver
        return {.name = "lipschitz",
                .source = "Erichson et al., ICLR 2021, equations 3 and 4",
                .blocks = blocks,
                .stages = {{.slots = 2, .terms = lipschitz_terms()}},
                .tensors = {{"weight_ih_l0", {hidden, input}, false, varied, Initial::normal(Width::xavier)},
                            {"weight_hh_l0", {hidden, hidden}, false, varied, matrix},
                            {"weight_a_l0", {hidden, hidden}, false, varied, matrix},
                            {"bias_ih_l0", {hidden}, true, Initial::constant(0), Initial::constant(0)}},
                .scalars = {{"eps", 0.03, 0.0, 10.0},
                            {"beta", 0.75, 0.5, 1.0},
                            {"beta_a", 0.75, 0.5, 1.0, "beta"},
                            {"beta_w", 0.75, 0.5, 1.0, "beta"},
                            {"gamma_a", 0.001, -100.0, 100.0},
                            {"gamma_w", 0.001, -100.0, 100.0}}};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars& p, S* next) {
        next[0] = s[0] + S(T(p.eps)) * (a[0] + tanh(a[1]));
    }
};

}  // namespace aelle::cells
