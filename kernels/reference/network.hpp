#pragma once
/// One network of cell C with plain dense loops: the definition of correct.

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "kernels/linearise.hpp"

namespace aelle::reference {

template <class C, class T>
class CellNetwork final : public backend::Network<T> {
public:
    CellNetwork(const cells::Shape& shape, const cells::Parameters& parameters, backend::TangentSpace space)
        : spec_(C::spec()), hidden_(shape.hidden), input_(shape.input), space_(space), scalars_(kernels::scalars_of<C>(parameters)),
          patterns_(kernels::patterns_of<C>(scalars_)) {
        for (std::size_t s = 0; s < spec_.stages.size(); ++s) {
            stages_.emplace_back();
            Stage& stage = stages_.back();
            stage.slots = spec_.stages[s].slots;
            stage.d_a.resize(static_cast<std::size_t>(C::blocks * stage.slots * hidden_));
            stage.d_s.resize(static_cast<std::size_t>(C::blocks * C::blocks * hidden_));
            for (const cells::LinearTerm& term : spec_.stages[s].terms) add_term(stage, term, parameters);
        }
    }

    int64_t state_dimension() const override { return C::blocks * hidden_; }
    int64_t input_dimension() const override { return input_; }
    int64_t tangent_dimension() const override { return space_ == backend::TangentSpace::full ? state_dimension() : hidden_; }

    void step(const T* state, const T* input, T* next) override {
        const std::vector<T> old(state, state + state_dimension());
        std::vector<T> current = old;
        kernels::for_each_stage<C>([&]<int S>() {
            Stage& stage = stages_[S];
            std::vector<T> a(static_cast<std::size_t>(stage.slots * hidden_), T(0));
            for (Term& term : stage.terms) add_product(term, old, current, input, a);
            kernels::linearise_stage<C, S, T>(hidden_, a.data(), current.data(), scalars_, stage.d_a.data(), stage.d_s.data());
        });
        std::copy(current.begin(), current.end(), next);
    }

    void tangent(MatrixView<const T> v, MatrixView<T> w) override { propagate(v, w, false); }
    void jacobian(MatrixView<T> j) override { propagate(identity().view(), j, false); }

    void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) override { propagate(v, w, full()); }
    void unsheared_jacobian(MatrixView<T> s) override { propagate(identity().view(), s, full()); }

    void shear(MatrixView<T> v) override {
        if (!full()) return;
        for (int64_t k = 0; k < v.cols; ++k) {
            // The last stage on the blocks that S left out, the others zero; then those themselves and what S gave the others.
            std::vector<T> left_out(v.column(k), v.column(k) + v.rows);
            keep_blocks(left_out, true);
            const std::vector<T> moved = stage_tangent(stages_.back(), std::vector<T>(left_out.size(), T(0)), left_out);
            for (int b = 0; b < C::blocks; ++b)
                if (patterns_.back().writes[b])
                    for (int64_t i = b * hidden_; i < (b + 1) * hidden_; ++i) v(i, k) += moved[i];
        }
    }

private:
    struct Term {
        cells::LinearTerm spec;
        std::vector<T> matrix;  ///< (H x columns) row-major; a bias is one column
        int64_t columns = 0;
        std::vector<T> slope;  ///< derivative of `through` at the last step's source
    };
    struct Stage {
        int slots = 0;
        std::vector<Term> terms;
        std::vector<T> d_a, d_s;
    };

    bool full() const { return space_ == backend::TangentSpace::full; }
    int64_t tangent_offset() const { return full() ? 0 : spec_.readout_block * hidden_; }

    Matrix<T> identity() const {
        Matrix<T> matrix(tangent_dimension(), tangent_dimension());
        for (int64_t i = 0; i < matrix.rows(); ++i) matrix(i, i) = T(1);
        return matrix;
    }

    void add_term(Stage& stage, const cells::LinearTerm& term, const cells::Parameters& parameters) {
        const bool reads_vector = kernels::reads_state(term) || term.source == cells::Source::input;
        Term made{term, {}, reads_vector ? (term.source == cells::Source::input ? input_ : hidden_) : 1, {}};
        const auto left = parameters.tensors.find(term.tensor), right = parameters.tensors.find(term.tensor2);
        if (!reads_vector) {
            const std::vector<double> constant = kernels::term_constant(term, hidden_, parameters);
            made.matrix.assign(constant.begin(), constant.end());
        } else if (term.form != cells::Form::outer) {
            using Exact = std::conditional_t<std::is_floating_point_v<T>, double, T>;
            const std::vector<Exact> matrix = kernels::term_matrix<Exact>(term, hidden_, made.columns, parameters);
            made.matrix.assign(matrix.begin(), matrix.end());
        } else if (left != parameters.tensors.end() && right != parameters.tensors.end()) {
            for (int64_t i = 0; i < hidden_; ++i)
                for (int64_t c = 0; c < made.columns; ++c) made.matrix.push_back(T(left->second[i]) * T(right->second[c]));
        }
        if (made.matrix.empty()) return;
        made.slope.assign(static_cast<std::size_t>(made.columns), T(1));
        stage.terms.push_back(std::move(made));
    }

    void add_product(Term& term, const std::vector<T>& old, const std::vector<T>& current, const T* input, std::vector<T>& a) {
        std::vector<T> source(static_cast<std::size_t>(term.columns), T(1));
        for (int64_t c = 0; c < term.columns; ++c) {
            if (term.spec.source == cells::Source::input) source[c] = input[c];
            if (term.spec.source == cells::Source::state) source[c] = old[term.spec.block * hidden_ + c];
            if (term.spec.source == cells::Source::updated_state) source[c] = current[term.spec.block * hidden_ + c];
            if (term.spec.through == cells::Through::tanh) {
                term.slope[c] = tanh_derivative(source[c]);
                using std::tanh;
                source[c] = tanh(source[c]);
            }
        }
        for (int64_t i = 0; i < hidden_; ++i) {
            T sum = T(0);
            for (int64_t c = 0; c < term.columns; ++c) sum += term.matrix[i * term.columns + c] * source[c];
            a[term.spec.slot * hidden_ + i] += sum;
        }
    }

    /// w = J v, or S v when `without_shear`.
    void propagate(MatrixView<const T> v, MatrixView<T> w, bool without_shear) {
        for (int64_t k = 0; k < v.cols; ++k) {
            std::vector<T> old(static_cast<std::size_t>(state_dimension()), T(0));
            std::copy_n(v.column(k), v.rows, old.begin() + tangent_offset());
            std::vector<T> current = old;
            for (std::size_t s = 0; s < stages_.size(); ++s) {
                std::vector<T> seen = current;
                if (without_shear && s + 1 == stages_.size()) keep_blocks(seen, false);
                const std::vector<T> next = stage_tangent(stages_[s], old, seen);
                for (int b = 0; b < C::blocks; ++b)
                    if (patterns_[s].writes[b]) std::copy_n(next.begin() + b * hidden_, hidden_, current.begin() + b * hidden_);
            }
            std::copy_n(current.begin() + tangent_offset(), w.rows, w.column(k));
        }
    }

    /// Keeps the sheared blocks, or the others, and sets the rest to zero.
    void keep_blocks(std::vector<T>& state, bool sheared) const {
        const std::vector<bool> blocks = kernels::sheared_blocks(patterns_);
        for (int b = 0; b < C::blocks; ++b)
            if (blocks[b] != sheared) std::fill_n(state.begin() + b * hidden_, hidden_, T(0));
    }

    /// ds' of one stage for one tangent vector: old is the tangent of s_t, current of the blocks as earlier stages left them.
    std::vector<T> stage_tangent(const Stage& stage, const std::vector<T>& old, const std::vector<T>& current) const {
        std::vector<T> a(static_cast<std::size_t>(stage.slots * hidden_), T(0));
        for (const Term& term : stage.terms) {
            if (!kernels::reads_state(term.spec)) continue;
            const T* source = (term.spec.source == cells::Source::state ? old : current).data() + term.spec.block * hidden_;
            T* to = a.data() + term.spec.slot * hidden_;
            for (int64_t c = 0; c < hidden_; ++c) {
                if (source[c] == T(0)) continue;  // most of a unit vector
                const T scaled = term.slope[c] * source[c];
                for (int64_t i = 0; i < hidden_; ++i) to[i] += term.matrix[i * hidden_ + c] * scaled;
            }
        }
        std::vector<T> next(current.size(), T(0));
        for (int b = 0; b < C::blocks; ++b) {
            for (int64_t i = 0; i < hidden_; ++i) {
                T sum = T(0);
                for (int k = 0; k < stage.slots; ++k) sum += stage.d_a[(b * stage.slots + k) * hidden_ + i] * a[k * hidden_ + i];
                for (int c = 0; c < C::blocks; ++c) sum += stage.d_s[(b * C::blocks + c) * hidden_ + i] * current[c * hidden_ + i];
                next[b * hidden_ + i] = sum;
            }
        }
        return next;
    }

    cells::CellSpec spec_;
    int64_t hidden_, input_;
    backend::TangentSpace space_;
    typename C::Scalars scalars_;
    std::vector<kernels::StagePattern> patterns_;
    std::vector<Stage> stages_;
};

}  // namespace aelle::reference
