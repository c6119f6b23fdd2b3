#pragma once
/// One network of cell C: linear maps in their cheapest form, tangents moved stage by stage.
///
///     dA_slot = sum over terms of  W_term (through'(source) o dS_source)
///     dS'_b   = sum_slot D_a[b, slot] o dA_slot + sum_c D_s[b, c] o dS_c

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "kernels/cpu/linear_map.hpp"
#include "kernels/linearise.hpp"

namespace aelle::cpu {

template <class C, class T>
class CellNetwork final : public backend::Network<T> {
public:
    CellNetwork(const cells::Shape& shape, const cells::Parameters& parameters, backend::TangentSpace space)
        : spec_(C::spec()),
          hidden_(shape.hidden),
          input_(shape.input),
          space_(space),
          scalars_(kernels::scalars_of<C>(parameters)),
          kernels_(cpu::kernels<T>(best_instruction_set())),
          old_(size(C::blocks)),
          current_(size(C::blocks)),
          ones_(size(1), T(1)) {
        int most_slots = 1;
        for (const cells::StageSpec& stage : spec_.stages) {
            stages_.emplace_back();
            stages_.back().slots = stage.slots;
            stages_.back().d_a.resize(size(C::blocks * stage.slots));
            stages_.back().d_s.resize(size(C::blocks * C::blocks));
            for (const cells::LinearTerm& term : stage.terms) add_term(stages_.back(), term, parameters);
            most_slots = std::max(most_slots, stage.slots);
        }
        pre_.resize(size(most_slots));
    }

    int64_t state_dimension() const override { return C::blocks * hidden_; }
    int64_t input_dimension() const override { return input_; }
    int64_t tangent_dimension() const override { return full() ? state_dimension() : hidden_; }

    void step(const T* state, const T* input, T* next) override {
        std::copy_n(state, state_dimension(), old_.data());
        std::copy_n(state, state_dimension(), current_.data());
        kernels::for_each_stage<C>([&]<int S>() {
            Stage& stage = stages_[S];
            std::fill_n(pre_.begin(), stage.slots * hidden_, T(0));
            for (Squashed& squashed : stage.squashed) squash(squashed, input);
            for (const Term& term : stage.terms) {
                const T* x = term.squashed < 0 ? source(term.spec.source, term.spec.block, input)
                                               : stage.squashed[term.squashed].value.data();
                term.map.apply(kernels_, x, pre_.data() + term.spec.slot * hidden_);
            }
            kernels::linearise_stage<C, S, T>(hidden_, pre_.data(), current_.data(), scalars_, stage.d_a.data(), stage.d_s.data());
        });
        std::copy_n(current_.data(), state_dimension(), next);
    }

    void tangent(MatrixView<const T> v, MatrixView<T> w) override {
        std::array<Tangent, C::blocks> start{};
        for (int b = 0; b < C::blocks; ++b) {
            if (full()) start[b] = {Tangent::Kind::dense, v.block(b * hidden_, 0, hidden_, v.cols), 0};
            else if (b == spec_.readout_block) start[b] = {Tangent::Kind::dense, v, 0};
        }
        propagate(start, w);
    }

    void jacobian(MatrixView<T> j) override {
        std::array<Tangent, C::blocks> start{};
        for (int b = 0; b < C::blocks; ++b) {
            if (full()) start[b] = {Tangent::Kind::identity, {}, b * hidden_};
            else if (b == spec_.readout_block) start[b] = {Tangent::Kind::identity, {}, 0};
        }
        propagate(start, j);
    }

    void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) override { tangent(v, w); }
    void unsheared_jacobian(MatrixView<T> s) override { jacobian(s); }
    void shear(MatrixView<T>) override {}

private:
    struct Term {
        cells::LinearTerm spec;
        LinearMap<T> map;
        int64_t squashed = -1;  ///< index into the stage's `squashed`, -1 for Through::identity
    };
    /// A source passed through tanh, shared by the terms that read it.
    struct Squashed {
        cells::Source source;
        int block = 0;
        AlignedVector<T> value, slope;  ///< at the last step
    };
    struct Stage {
        int slots = 0;
        std::vector<Term> terms;
        std::vector<Squashed> squashed;
        AlignedVector<T> d_a, d_s;  ///< as in linearise_stage
    };
    /// The tangent of one state block: K columns of numbers, or the identity in columns first_column ... and zero elsewhere.
    struct Tangent {
        enum class Kind { zero, identity, dense };
        Kind kind = Kind::zero;
        MatrixView<const T> view;
        int64_t first_column = 0;
    };

    std::size_t size(int64_t vectors) const { return static_cast<std::size_t>(vectors * hidden_); }
    bool full() const { return space_ == backend::TangentSpace::full; }

    void add_term(Stage& stage, const cells::LinearTerm& term, const cells::Parameters& parameters) {
        const auto left = parameters.tensors.find(term.tensor);
        if (left == parameters.tensors.end()) return;
        const int64_t cols = term.source == cells::Source::one ? 1 : term.source == cells::Source::input ? input_ : hidden_;
        if (cols == 0) return;
        Term made{.spec = term, .map = {}};
        if (term.form == cells::Form::outer) {
            const auto right = parameters.tensors.find(term.tensor2);
            if (right == parameters.tensors.end()) return;
            made.map = LinearMap<T>::from_outer(left->second, right->second);
        } else {
            made.map = LinearMap<T>::from_matrix(hidden_, cols, left->second.data() + term.row_block * hidden_ * cols);
        }
        if (term.through == cells::Through::tanh) made.squashed = squashed_index(stage, term, cols);
        stage.terms.push_back(std::move(made));
    }

    static int64_t squashed_index(Stage& stage, const cells::LinearTerm& term, int64_t count) {
        const auto same = [&](const Squashed& s) { return s.source == term.source && s.block == term.block; };
        const auto found = std::find_if(stage.squashed.begin(), stage.squashed.end(), same);
        if (found != stage.squashed.end()) return found - stage.squashed.begin();
        stage.squashed.push_back({.source = term.source, .block = term.block, .value = {}, .slope = {}});
        stage.squashed.back().value.resize(static_cast<std::size_t>(count));
        stage.squashed.back().slope.resize(static_cast<std::size_t>(count));
        return static_cast<int64_t>(stage.squashed.size()) - 1;
    }

    const T* source(cells::Source from, int block, const T* input) const {
        switch (from) {
            case cells::Source::input: return input;
            case cells::Source::state: return old_.data() + block * hidden_;
            case cells::Source::updated_state: return current_.data() + block * hidden_;
            case cells::Source::one:
            case cells::Source::factor_noise:
            case cells::Source::additive_noise: break;
        }
        return ones_.data();
    }

    void squash(Squashed& squashed, const T* input) const {
        const T* from = source(squashed.source, squashed.block, input);
        for (std::size_t i = 0; i < squashed.value.size(); ++i) {
            squashed.value[i] = std::tanh(from[i]);
            squashed.slope[i] = tanh_derivative(from[i]);
        }
    }

    /// Sends the tangents of s_t through all stages; `out` (tangent_dimension x K) receives those of s_{t+1}.
    void propagate(const std::array<Tangent, C::blocks>& start, MatrixView<T> out) {
        const int64_t k = out.cols;
        std::array<Tangent, C::blocks> current = start;
        for (std::size_t s = 0; s < stages_.size(); ++s) {
            const Stage& stage = stages_[s];
            const bool last = s + 1 == stages_.size();
            grow(slots_, size(stage.slots) * static_cast<std::size_t>(k));
            for (int slot = 0; slot < stage.slots; ++slot) add_slot(stage, slot, start, current, slot_view(slot, k));
            AlignedVector<T>& stage_out = between_[s % 2];
            if (!last) grow(stage_out, size(C::blocks) * static_cast<std::size_t>(k));
            std::array<Tangent, C::blocks> next;
            for (int b = 0; b < C::blocks; ++b) {
                if (last && !full() && b != spec_.readout_block) continue;
                const MatrixView<T> to = last ? out.block(full() ? b * hidden_ : 0, 0, hidden_, k)
                                              : MatrixView<T>{stage_out.data() + b * hidden_ * k, hidden_, k, hidden_};
                combine(stage, b, current, to);
                next[b] = {Tangent::Kind::dense, to, 0};
            }
            current = next;
        }
    }

    MatrixView<T> slot_view(int slot, int64_t k) { return {slots_.data() + slot * hidden_ * k, hidden_, k, hidden_}; }

    void add_slot(const Stage& stage, int slot, const std::array<Tangent, C::blocks>& old, const std::array<Tangent, C::blocks>& current,
                  MatrixView<T> a) {
        std::fill_n(a.data, a.rows * a.cols, T(0));
        for (const Term& term : stage.terms) {
            const bool of_state = term.spec.source == cells::Source::state || term.spec.source == cells::Source::updated_state;
            if (term.spec.slot != slot || !of_state) continue;
            const Tangent& from = (term.spec.source == cells::Source::state ? old : current)[term.spec.block];
            const T* slope = term.squashed < 0 ? nullptr : stage.squashed[term.squashed].slope.data();
            if (from.kind == Tangent::Kind::dense) term.map.apply(kernels_, slope, from.view, a, scratch_);
            if (from.kind == Tangent::Kind::identity) term.map.assemble(slope, a.columns(from.first_column, hidden_));
        }
    }

    /// The tangent of block b after the stage.
    void combine(const Stage& stage, int b, const std::array<Tangent, C::blocks>& current, MatrixView<T> to) {
        constexpr int most = 16 + C::blocks;
        require(stage.slots <= 16, "a stage has more than 16 pre-activations per unit");
        for (int64_t k = 0; k < to.cols; ++k) {
            std::array<const T*, most> weight, column;
            int64_t count = 0;
            const auto add = [&](const T* w, const T* x) {
                weight[count] = w;
                column[count++] = x;
            };
            for (int slot = 0; slot < stage.slots; ++slot)
                add(stage.d_a.data() + (b * stage.slots + slot) * hidden_, slot_view(slot, to.cols).column(k));
            for (int c = 0; c < C::blocks; ++c)
                if (current[c].kind == Tangent::Kind::dense)
                    add(stage.d_s.data() + (b * C::blocks + c) * hidden_, current[c].view.column(k));
            kernels_.weighted_sum(hidden_, count, weight.data(), column.data(), to.column(k));
        }
        for (int c = 0; c < C::blocks; ++c) {
            if (current[c].kind != Tangent::Kind::identity) continue;
            const T* d_s = stage.d_s.data() + (b * C::blocks + c) * hidden_;
            for (int64_t i = 0; i < hidden_; ++i) to(i, current[c].first_column + i) += d_s[i];
        }
    }

    static void grow(AlignedVector<T>& buffer, std::size_t count) {
        if (buffer.size() < count) buffer.resize(count);
    }

    cells::CellSpec spec_;
    int64_t hidden_, input_;
    backend::TangentSpace space_;
    typename C::Scalars scalars_;
    const Kernels<T>& kernels_;
    std::vector<Stage> stages_;
    AlignedVector<T> old_, current_, pre_, ones_;
    AlignedVector<T> slots_, between_[2];
    typename LinearMap<T>::Scratch scratch_;
};

}  // namespace aelle::cpu
