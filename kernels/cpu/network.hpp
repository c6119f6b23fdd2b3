#pragma once
/// One network of cell C: the linear parts and the derivative know no cell, only the pointwise functions do.

#include <algorithm>

#include "aelle/backend/backend.hpp"
#include "kernels/cpu/batch_stage.hpp"
#include "kernels/cpu/linearisation.hpp"

namespace aelle::cpu {

template <class C, class T>
class CellNetwork final : public backend::Network<T> {
public:
    CellNetwork(const cells::Shape& shape, const cells::Parameters& parameters, backend::TangentSpace space)
        : CellNetwork(C::spec(), kernels::scalars_of<C>(parameters), shape, parameters, space) {}

    CellNetwork(const CellNetwork&) = delete;  // linearisation_ refers to gates_
    CellNetwork& operator=(const CellNetwork&) = delete;

    int64_t state_dimension() const override { return C::blocks * hidden_; }
    int64_t input_dimension() const override { return input_; }
    int64_t tangent_dimension() const override { return linearisation_.dimension(); }

    void step(const T* state, const T* input, T* next) override {
        gates_.start(kernels_, state, input, pre_.data());
        std::copy_n(state, state_dimension(), current_.data());
        kernels::for_each_stage<C>([&]<int S>() {
            gates_.add_updated(kernels_, S, current_.data(), pre_.data());
            stages_[S].linearise(hidden_, pre_.data() + gates_.first_slot(S) * hidden_, current_.data(), &scalars_, linearisation_.d_a(S),
                                 linearisation_.d_s(S));
        });
        linearisation_.filled();
        std::copy_n(current_.data(), state_dimension(), next);
    }

    void tangent(MatrixView<const T> v, MatrixView<T> w) override { linearisation_.tangent(v, w); }
    void jacobian(MatrixView<T> j) override { linearisation_.jacobian(j); }
    void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) override { linearisation_.unsheared_tangent(v, w); }
    void unsheared_jacobian(MatrixView<T> s) override { linearisation_.unsheared_jacobian(s); }
    void shear(MatrixView<T> v) override { linearisation_.shear(v); }
    bool shears() const override { return linearisation_.shears(); }

private:
    CellNetwork(const cells::CellSpec& spec, const typename C::Scalars& scalars, const cells::Shape& shape,
                const cells::Parameters& parameters, backend::TangentSpace space)
        : hidden_(shape.hidden),
          input_(shape.input),
          scalars_(scalars),
          kernels_(cpu::kernels<T>(best_instruction_set())),
          stages_(stage_kernels<C, T>(best_instruction_set())),
          gates_(spec, shape, parameters, kernels::patterns_of<C>(scalars)),
          linearisation_(spec.readout_block, gates_, kernels::patterns_of<C>(scalars), space),
          current_(static_cast<std::size_t>(C::blocks * hidden_)),
          pre_(static_cast<std::size_t>(gates_.slots() * hidden_)) {}

    int64_t hidden_, input_;
    typename C::Scalars scalars_;
    const Kernels<T>& kernels_;
    std::vector<StageKernels<T>> stages_;
    Gates<T> gates_;
    Linearisation<T> linearisation_;
    AlignedVector<T> current_, pre_;
};

}  // namespace aelle::cpu
