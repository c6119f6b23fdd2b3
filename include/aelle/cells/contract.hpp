#pragma once
/// The contract of a cell. Adding an architecture is one header that satisfies `Cell` and one line in `cells/list.hpp`.
///
///     struct MyCell {
///         static CellSpec spec();                            // names, stages, tensors, scalars
///         static constexpr int blocks = 1;                   // state blocks
///         static constexpr std::array<int, 1> slots = {1};   // pre-activations per unit, one entry a stage
///         struct Scalars { double dt; };                     // the scalars of spec(), in its order
///         template <int Stage, class T, class S>             // T: float or double; S: T or Dual<T, slots + blocks>
///         AELLE_HOST_DEVICE static void pointwise(const S* a, const S* s, const Scalars&, S* next);
///     };
///
/// `pointwise` sees one unit: a[slots] the pre-activations of the stage, s[blocks] the state (blocks that earlier stages wrote hold
/// their new values), next[blocks] preset to s; it writes the blocks that this stage updates. It is called on duals to obtain the
/// partials, and on whole vector registers, and so may use only +, - (also unary), *, /, tanh and sigmoid, found by argument-dependent lookup
/// or from aelle/base/dual.hpp, and no branches on values. No block is written by two stages (kernels/cuda/plan.hpp). Marked AELLE_HOST_DEVICE, it runs on GPUs.

#include <array>
#include <concepts>

#include "aelle/base/dual.hpp"
#include "aelle/cells/spec.hpp"

namespace aelle::cells {

template <class C>
concept Cell = requires {
    { C::spec() } -> std::same_as<CellSpec>;
    { C::blocks } -> std::convertible_to<int>;
    { C::slots.size() } -> std::convertible_to<std::size_t>;
    typename C::Scalars;
};

template <Cell... Cells>
struct CellList {};

}  // namespace aelle::cells
