#pragma once
/// The pointwise function of a cell's stage and its partials, shared by the backends that run on the host.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <memory>
#include <utility>
#include <vector>

#include "aelle/base/dual.hpp"
#include "aelle/base/error.hpp"
#include "aelle/cells/contract.hpp"

namespace aelle::kernels {

/// The cell's Scalars from named values; the struct holds the spec's scalars as doubles in the spec's order.
template <cells::Cell C>
typename C::Scalars scalars_of(const cells::Parameters& parameters) {
    typename C::Scalars scalars{};
    const cells::CellSpec spec = C::spec();
    if (spec.scalars.empty()) return scalars;
    require(sizeof scalars == spec.scalars.size() * sizeof(double), "a cell's Scalars and its spec name different numbers of scalars");
    std::vector<double> values;
    for (const cells::ScalarSpec& scalar : spec.scalars) values.push_back(parameters.scalars.find(scalar.name)->second);
    std::memcpy(&scalars, values.data(), sizeof scalars);
    return scalars;
}

/// Applies stage `Stage` unit by unit.
///
/// a (slots x H, slot by slot) the pre-activations; state (blocks x H) is replaced by the stage's result;
/// d_a (blocks x slots x H) gets ds'_b/da_k at [(b * slots + k) * H + i],
/// d_s (blocks x blocks x H) ds'_b/ds_c at [(b * blocks + c) * H + i].
template <cells::Cell C, int Stage, class T>
void linearise_stage(int64_t hidden, const T* a, T* state, const typename C::Scalars& scalars, T* d_a, T* d_s) {
    constexpr int slots = C::slots[Stage];
    constexpr int blocks = C::blocks;
    using D = Dual<T, slots + blocks>;
    for (int64_t i = 0; i < hidden; ++i) {
        std::array<D, slots> pre;
        std::array<D, blocks> old;
        for (int k = 0; k < slots; ++k) pre[k] = D::variable(a[k * hidden + i], k);
        for (int b = 0; b < blocks; ++b) old[b] = D::variable(state[b * hidden + i], slots + b);
        std::array<D, blocks> next = old;
        C::template pointwise<Stage, T>(pre.data(), old.data(), scalars, next.data());
        for (int b = 0; b < blocks; ++b) {
            state[b * hidden + i] = next[b].value;
            for (int k = 0; k < slots; ++k) d_a[(b * slots + k) * hidden + i] = next[b].d[k];
            for (int c = 0; c < blocks; ++c) d_s[(b * blocks + c) * hidden + i] = next[b].d[slots + c];
        }
    }
}

/// Calls f.template operator()<Stage>() for every stage in order.
template <cells::Cell C, class F>
void for_each_stage(F&& f) {
    [&]<std::size_t... S>(std::index_sequence<S...>) { (f.template operator()<static_cast<int>(S)>(), ...); }
    (std::make_index_sequence<C::slots.size()>{});
}

/// Makes `Net<Cell, T>` for the cell of the list that has the spec's name.
template <template <class, class> class Net, class T, class Base, class... Cells, class... Args>
std::unique_ptr<Base> make_for(cells::CellList<Cells...>, const cells::CellSpec& spec, const Args&... args) {
    std::unique_ptr<Base> made;
    static_cast<void>(((spec.name == Cells::spec().name ? (made = std::make_unique<Net<Cells, T>>(args...), true) : false) || ...));
    require(made != nullptr, "this backend was not instantiated for the cell");
    return made;
}

}  // namespace aelle::kernels
