#pragma once
/// Antisymmetric RNN, plain and gated (Chang, Chen, Haber, Chi, ICLR 2019, equations 12 and 13).
///
///     A = U - U^T - gamma I                      weight_hh_l0 (H, H) = U, weight_ih_l0 (H, I), bias_ih_l0 (H)
///     t = tanh(A h + W x + b)
///     h' = h + eps t                             plain:  J = I + eps diag(1 - t^2) A
///     z = sigmoid(A h + W_z x + b_z)             gated:  weight_iz_l0 (H, I), bias_iz_l0 (H)
///     h' = h + eps z t                                   J = I + eps diag(z (1 - t^2) + t z (1 - z)) A

#include "aelle/cells/contract.hpp"
#include "aelle/cells/terms.hpp"

namespace aelle::cells {

struct AntisymmetricRnn {
    static constexpr int blocks = 1;
    static constexpr std::array<int, 1> slots = {1};
    struct Scalars {
        double eps, gamma;
    };

    /// A h into pre-activation 0.
    static Terms antisymmetric_terms() {
        return {{.slot = 0, .form = Form::symmetric_skew, .tensor = "weight_hh_l0", .gamma = "gamma"}};
    }
    static std::vector<TensorSpec> plain_tensors() {
        using enum Extent;
        using Width = Initial::Width;
        const Initial varied = Initial::uniform(Width::p);
        return {{"weight_ih_l0", {hidden, input}, false, varied, Initial::normal(Width::per_input)},
                {"weight_hh_l0", {hidden, hidden}, false, varied, Initial::normal(Width::per_hidden)},
                {"bias_ih_l0", {hidden}, true, Initial::constant(0), Initial::constant(0)}};
    }
    static std::vector<ScalarSpec> step_scalars() { return {{"eps", 0.01, 0.0, 10.0}, {"gamma", 0.01, -100.0, 100.0}}; }

    static CellSpec spec() {
        return {.name = "asrnn",
                .source = "Chang et al., ICLR 2019, equation 12",
                .blocks = blocks,
                .stages = {{.slots = 1, .terms = joined({antisymmetric_terms(), input_terms(0)})}},
                .tensors = plain_tensors(),
                .scalars = step_scalars()};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars& p, S* next) {
        next[0] = s[0] + S(T(p.eps)) * tanh(a[0]);
    }
};

struct GatedAntisymmetricRnn {
    static constexpr int blocks = 1;
    static constexpr std::array<int, 1> slots = {3};  // A h, W x + b, W_z x + b_z
    using Scalars = AntisymmetricRnn::Scalars;

    static CellSpec spec() {
        using enum Extent;
        const Terms gate = {{.slot = 2, .source = Source::input, .tensor = "weight_iz_l0"},
                            {.slot = 2, .source = Source::one, .tensor = "bias_iz_l0"}};
        std::vector<TensorSpec> tensors = AntisymmetricRnn::plain_tensors();
        tensors.push_back({"weight_iz_l0", {hidden, input}, false, Initial::uniform(Initial::Width::p), Initial::normal(Initial::Width::per_input)});
        tensors.push_back({"bias_iz_l0", {hidden}, true, Initial::constant(1), Initial::constant(1)});  // the gate starts open
        return {.name = "asrnn-gated",
                .source = "Chang et al., ICLR 2019, equation 13",
                .blocks = blocks,
                .stages = {{.slots = 3, .terms = joined({AntisymmetricRnn::antisymmetric_terms(), input_terms(1), gate})}},
                .tensors = std::move(tensors),
                .scalars = AntisymmetricRnn::step_scalars(),
                .gated_form_of = "asrnn"};
    }

    template <int Stage, class T, class S>
    AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars& p, S* next) {
        next[0] = s[0] + S(T(p.eps)) * sigmoid(a[0] + a[2]) * tanh(a[0] + a[1]);
    }
};

}  // namespace aelle::cells
