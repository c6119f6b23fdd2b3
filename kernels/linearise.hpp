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

/// A number that only remembers which variables went into it.
struct Dependence {
    uint64_t variables = 0;
    bool untouched = false;  ///< still the preset value

    Dependence() = default;
    template <class T>
    explicit Dependence(T) {}  // a constant
    static Dependence on(int variable) {
        Dependence d;
        d.variables = uint64_t{1} << variable;
        return d;
    }
    friend Dependence both(Dependence a, Dependence b) {
        Dependence d;
        d.variables = a.variables | b.variables;
        return d;
    }
    friend Dependence operator+(Dependence a, Dependence b) { return both(a, b); }
    friend Dependence operator-(Dependence a, Dependence b) { return both(a, b); }
    friend Dependence operator*(Dependence a, Dependence b) { return both(a, b); }
    friend Dependence operator/(Dependence a, Dependence b) { return both(a, b); }
    friend Dependence operator-(Dependence a) { return both(a, a); }
    friend Dependence tanh(Dependence a) { return both(a, a); }
    friend Dependence sigmoid(Dependence a) { return both(a, a); }
};

/// Which partials of a stage can be other than those of the identity, whatever the weights.
struct StagePattern {
    int slots = 0;
    std::vector<bool> writes;          ///< per block: false when the stage leaves it as it is
    std::vector<uint64_t> depends_on;  ///< per block: bit k for pre-activation k, bit slots + c for block c

    bool reads_slot(int block, int slot) const { return depends_on[block] >> slot & 1; }
    bool reads_block(int block, int other) const { return depends_on[block] >> (slots + other) & 1; }
};

template <cells::Cell C, int Stage>
StagePattern pattern_of_stage(const typename C::Scalars& scalars) {
    constexpr int slots = C::slots[Stage], blocks = C::blocks;
    static_assert(slots + blocks <= 64);
    std::array<Dependence, slots + 1> a;  // a stage may have no pre-activations
    std::array<Dependence, blocks> s, next;
    for (int k = 0; k < slots; ++k) a[k] = Dependence::on(k);
    for (int b = 0; b < blocks; ++b) {
        s[b] = next[b] = Dependence::on(slots + b);
        next[b].untouched = true;
    }
    C::template pointwise<Stage, double>(a.data(), s.data(), scalars, next.data());
    StagePattern pattern{.slots = slots, .writes = {}, .depends_on = {}};
    for (int b = 0; b < blocks; ++b) {
        pattern.writes.push_back(!next[b].untouched);
        pattern.depends_on.push_back(next[b].variables);
    }
    return pattern;
}

/// One pattern a stage.
template <cells::Cell C>
std::vector<StagePattern> patterns_of(const typename C::Scalars& scalars) {
    return [&]<std::size_t... S>(std::index_sequence<S...>) {
        return std::vector<StagePattern>{pattern_of_stage<C, static_cast<int>(S)>(scalars)...};
    }(std::make_index_sequence<C::slots.size()>{});
}

/// For J = P S (backend::Network): the blocks that earlier stages wrote and the last one only reads.
inline std::vector<bool> sheared_blocks(const std::vector<StagePattern>& stages) {
    std::vector<bool> sheared(stages.back().writes.size(), false);
    for (std::size_t s = 0; s + 1 < stages.size(); ++s)
        for (std::size_t b = 0; b < sheared.size(); ++b) sheared[b] = sheared[b] || stages[s].writes[b];
    for (std::size_t b = 0; b < sheared.size(); ++b) sheared[b] = sheared[b] && !stages.back().writes[b];
    return sheared;
}

inline bool reads_state(const cells::LinearTerm& term) {
    return term.source == cells::Source::state || term.source == cells::Source::updated_state;
}

/// The matrix (H x columns, row-major) of a term of Form::dense or Form::symmetric_skew; empty where its tensor is absent.
template <class T = double>
std::vector<T> term_matrix(const cells::LinearTerm& term, int64_t hidden, int64_t columns, const cells::Parameters& parameters) {
    const auto tensor = parameters.tensors.find(term.tensor);
    if (tensor == parameters.tensors.end()) return {};
    if (term.form == cells::Form::dense) {
        const auto first = tensor->second.begin() + term.row_block * hidden * columns;
        return std::vector<T>(first, first + hidden * columns);
    }
    require(term.form == cells::Form::symmetric_skew, "the matrix of a term: unknown form");
    const auto value = [&](std::string_view name, double otherwise) { return name.empty() ? otherwise : parameters.scalars.find(name)->second; };
    const T weight = T(1) - T(2) * T(value(term.beta, 1.0)), gamma = T(value(term.gamma, 0.0));
    const std::vector<T> m(tensor->second.begin(), tensor->second.end());
    std::vector<T> a(m.size());
    for (int64_t i = 0; i < hidden; ++i)
        for (int64_t j = 0; j < hidden; ++j) a[i * hidden + j] = m[i * hidden + j] + weight * m[j * hidden + i] - (i == j ? gamma : T(0));
    return a;
}

/// What a term that reads no vector adds to each unit's pre-activation, noise being off: a bias, its fallback, or a noise's mean effect.
inline std::vector<double> term_constant(const cells::LinearTerm& term, int64_t hidden, const cells::Parameters& parameters) {
    if (term.source == cells::Source::one && parameters.tensors.contains(term.tensor)) return term_matrix(term, hidden, 1, parameters);
    double value = 0.0;
    if (term.source == cells::Source::factor_noise) value = 1.0;
    if (term.source == cells::Source::one && !term.scalar.empty()) value = parameters.scalars.find(term.scalar)->second;
    return std::vector<double>(static_cast<std::size_t>(hidden), value);
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
        std::array<D, slots + 1> pre;  // a stage may have no pre-activations
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
