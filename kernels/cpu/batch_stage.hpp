#pragma once
/// A stage's pointwise function over all units of a batch, forward and backward, in vector registers of the processor at hand.

#include <array>
#include <cstdint>
#include <vector>

#include "aelle/cells/contract.hpp"
#include "kernels/cpu/pack.hpp"
#include "kernels/cpu/simd.hpp"
#include "kernels/linearise.hpp"

namespace aelle::cpu {

/// One stage of one step of a batch. Matrices are (H x batch).
template <class T>
struct StageTask {
    /// A pre-activation is the sum of what is not null.
    struct Slot {
        const T* constant = nullptr;  ///< (H), always there
        const T* sum = nullptr;       ///< of the linear terms, leading dimension `ld`
        const T* symbol = nullptr;    ///< (H x I): the column of each sequence's symbol, leading dimension `symbol_ld`
        int64_t symbol_ld = 0;
        const T* noise = nullptr;  ///< leading dimension H
        T* gradient = nullptr;     ///< backward: gets the gradient of the pre-activation unless null, leading dimension `ld`; may be `sum`
        T* constant_gradient = nullptr;  ///< backward: (H) has its sum over the batch added unless null
    };
    int64_t hidden = 0, batch = 0, ld = 0;
    const void* scalars = nullptr;  ///< the cell's Scalars
    const int32_t* symbols = nullptr;
    std::vector<Slot> slots;
    /// Per block, leading dimension H.
    std::vector<const T*> state;
    std::vector<T*> next;   ///< forward: where the stage writes; null for blocks that it leaves
    std::vector<T*> delta;  ///< backward: in the gradient of the state after the stage, out of that before it
};

template <class T>
struct StageKernels {
    void (*forward)(const StageTask<T>&) = nullptr;
    void (*backward)(const StageTask<T>&) = nullptr;
    /// kernels::linearise_stage, of one state
    void (*linearise)(int64_t hidden, const T* a, T* state, const void* scalars, T* d_a, T* d_s) = nullptr;
};

/// Loops over arrays that no cell defines.
template <class T>
struct Elementwise {
    void (*tanh)(int64_t count, const T* x, T* y);                            ///< y = tanh(x)
    void (*add_through_tanh)(int64_t count, const T* x, const T* d, T* sum);  ///< sum += (1 - tanh(x)^2) d
    void (*add)(int64_t count, const T* x, T* sum);                           ///< sum += x
    T (*largest)(int64_t count, const T* x);                                  ///< of count >= 1 numbers
    T (*normalise)(int64_t count, T* x, T top);  ///< x = exp(x - top) / sum of these, top at least as large as every x; returns the sum
};
template <class T>
const Elementwise<T>& elementwise(InstructionSet set);

template <class T, int Bytes>
struct StageColumn {
    std::array<const T*, 3> parts{};  ///< sum, symbol, noise of this column
    const T* constant = nullptr;

    AELLE_INLINE StageColumn() {}
    AELLE_INLINE StageColumn(const StageTask<T>& task, const typename StageTask<T>::Slot& slot, int64_t column) : constant(slot.constant) {
        if (slot.sum) parts[0] = slot.sum + column * task.ld;
        if (slot.symbol) parts[1] = slot.symbol + task.symbols[column] * slot.symbol_ld;
        if (slot.noise) parts[2] = slot.noise + column * task.hidden;
    }
    AELLE_INLINE Pack<T, Bytes> at(int64_t unit, int64_t count) const {
        Pack<T, Bytes> a = Pack<T, Bytes>::load(constant + unit, count);
        for (const T* part : parts)
            if (part) a += Pack<T, Bytes>::load(part + unit, count);
        return a;
    }
};

/// The units of one column, register by register: f(first unit, count of units), count a constant in all but a last, partial register.
template <class T, int Bytes, class F>
AELLE_INLINE void for_registers(int64_t hidden, F f) {
    constexpr int64_t lanes = Pack<T, Bytes>::lanes;
    int64_t i = 0;
    for (; i + lanes <= hidden; i += lanes) f(i, lanes);
    if (i < hidden) f(i, hidden - i);
}

template <class C, int S, class T, int Bytes>
AELLE_INLINE void stage_forward_body(const StageTask<T>& task) {
    using P = Pack<T, Bytes>;
    constexpr int slots = C::slots[S], blocks = C::blocks;
    const auto& scalars = *static_cast<const typename C::Scalars*>(task.scalars);
    for (int64_t column = 0; column < task.batch; ++column) {
        StageColumn<T, Bytes> pre[slots + 1];
        for (int k = 0; k < slots; ++k) pre[k] = StageColumn<T, Bytes>(task, task.slots[k], column);
        for_registers<T, Bytes>(task.hidden, [&] [[gnu::always_inline]] (int64_t i, int64_t count) {
            const int64_t at = column * task.hidden + i;
            P a[slots + 1], s[blocks], next[blocks];
            for (int k = 0; k < slots; ++k) a[k] = pre[k].at(i, count);
            for (int b = 0; b < blocks; ++b) next[b] = s[b] = P::load(task.state[b] + at, count);
            C::template pointwise<S, T>(a, s, scalars, next);
            for (int b = 0; b < blocks; ++b)
                if (task.next[b]) next[b].store(task.next[b] + at, count);
        });
    }
}

template <class C, int S, class T, int Bytes>
AELLE_INLINE void stage_backward_body(const StageTask<T>& task) {
    using P = Pack<T, Bytes>;
    constexpr int slots = C::slots[S], blocks = C::blocks;
    using D = Dual<P, slots + blocks>;
    const auto& scalars = *static_cast<const typename C::Scalars*>(task.scalars);
    for (int64_t column = 0; column < task.batch; ++column) {
        StageColumn<T, Bytes> pre[slots + 1];
        for (int k = 0; k < slots; ++k) pre[k] = StageColumn<T, Bytes>(task, task.slots[k], column);
        for_registers<T, Bytes>(task.hidden, [&] [[gnu::always_inline]] (int64_t i, int64_t count) {
            const int64_t at = column * task.hidden + i;
            D a[slots + 1], s[blocks], next[blocks];
            for (int k = 0; k < slots; ++k) a[k] = D::variable(pre[k].at(i, count), k);
            for (int b = 0; b < blocks; ++b) next[b] = s[b] = D::variable(P::load(task.state[b] + at, count), slots + b);
            C::template pointwise<S, T>(a, s, scalars, next);
            P delta[slots + blocks];
            for (int b = 0; b < blocks; ++b) {
                const P above = P::load(task.delta[b] + at, count);
                if (task.next[b]) {
                    for (int k = 0; k < slots + blocks; ++k) delta[k] += above * next[b].d[k];
                } else {
                    delta[slots + b] += above;
                }
            }
            for (int k = 0; k < slots; ++k) {
                const auto& slot = task.slots[k];
                if (slot.gradient) delta[k].store(slot.gradient + column * task.ld + i, count);
                if (slot.constant_gradient)
                    (P::load(slot.constant_gradient + i, count) + delta[k]).store(slot.constant_gradient + i, count);
            }
            for (int b = 0; b < blocks; ++b) delta[slots + b].store(task.delta[b] + at, count);
        });
    }
}

template <class C, int S, class T, int Bytes>
AELLE_INLINE void stage_linearise_body(int64_t hidden, const T* pre, T* state, const typename C::Scalars& scalars, T* d_a, T* d_s) {
    using P = Pack<T, Bytes>;
    constexpr int slots = C::slots[S], blocks = C::blocks;
    using D = Dual<P, slots + blocks>;
    for_registers<T, Bytes>(hidden, [&] [[gnu::always_inline]] (int64_t i, int64_t count) {
        D a[slots + 1], s[blocks], next[blocks];
        for (int k = 0; k < slots; ++k) a[k] = D::variable(P::load(pre + k * hidden + i, count), k);
        for (int b = 0; b < blocks; ++b) next[b] = s[b] = D::variable(P::load(state + b * hidden + i, count), slots + b);
        C::template pointwise<S, T>(a, s, scalars, next);
        for (int b = 0; b < blocks; ++b) {
            next[b].value.store(state + b * hidden + i, count);
            for (int k = 0; k < slots; ++k) next[b].d[k].store(d_a + (b * slots + k) * hidden + i, count);
            for (int c = 0; c < blocks; ++c) next[b].d[slots + c].store(d_s + (b * blocks + c) * hidden + i, count);
        }
    });
}

#define AELLE_STAGE(NAME, BYTES, TARGET)                                                                                           \
    template <class C, int S, class T>                                                                                             \
    struct NAME {                                                                                                                  \
        TARGET [[gnu::flatten]] static void forward(const StageTask<T>& task) { stage_forward_body<C, S, T, BYTES>(task); }        \
        TARGET [[gnu::flatten]] static void backward(const StageTask<T>& task) { stage_backward_body<C, S, T, BYTES>(task); }      \
        TARGET [[gnu::flatten]] static void linearise(int64_t hidden, const T* a, T* state, const void* scalars, T* d_a, T* d_s) { \
            stage_linearise_body<C, S, T, BYTES>(hidden, a, state, *static_cast<const typename C::Scalars*>(scalars), d_a, d_s);   \
        }                                                                                                                          \
        static constexpr StageKernels<T> table{forward, backward, linearise};                                                      \
    };
AELLE_STAGE(BaselineStage, 16, )
#if defined(__x86_64__)
AELLE_STAGE(Avx2Stage, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_STAGE(Avx512Stage, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_STAGE

/// The kernels of every stage of a cell.
template <cells::Cell C, class T>
std::vector<StageKernels<T>> stage_kernels(InstructionSet set) {
    std::vector<StageKernels<T>> all;
    kernels::for_each_stage<C>([&]<int S>() {
#if defined(__x86_64__)
        if (set == InstructionSet::avx512) return all.push_back(Avx512Stage<C, S, T>::table);
        if (set == InstructionSet::avx2) return all.push_back(Avx2Stage<C, S, T>::table);
#endif
        all.push_back(BaselineStage<C, S, T>::table);
    });
    return all;
}

}  // namespace aelle::cpu
