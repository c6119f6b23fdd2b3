#pragma once
/// Training of one network of cell C with plain loops, sequence by sequence: the definition of correct.

#include <algorithm>
#include <cmath>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/random.hpp"
#include "kernels/batch_terms.hpp"
#include "kernels/linearise.hpp"

namespace aelle::reference {

template <class C, class T>
class BatchCell final : public backend::BatchNetwork<T> {
public:
    BatchCell(const cells::ParameterLayout& layout, const cells::Parameters& parameters)
        : readout_(C::spec().readout_block),
          hidden_(layout.shape().hidden),
          input_(layout.shape().input),
          scalars_(kernels::scalars_of<C>(parameters)),
          packed_(layout.pack<T>(parameters)),
          scalar_gradient_(C::spec().scalars.size()) {
        for (const auto& stage : kernels::batch_terms(C::spec(), layout, parameters)) {
            stages_.emplace_back();
            for (const kernels::BatchTerm& term : stage) stages_.back().push_back({term, size(hidden_ * term.columns), {}});
        }
        set_parameters(packed_);
    }

    void set_parameters(std::span<const T> packed) override {
        require(packed.size() == packed_.size(), "training: parameters of another size");
        packed_.assign(packed.begin(), packed.end());
        for (Stage& stage : stages_) {
            for (Term& term : stage) {
                std::fill(term.matrix.begin(), term.matrix.end(), T(0));
                if (!term.noise()) kernels::add_matrix(term, hidden_, packed_.data(), term.matrix.data());
            }
        }
    }

    MatrixView<const T> forward(const backend::SequenceBatch<T>& inputs, const backend::NoiseKey* noise, bool) override {
        inputs_ = inputs;
        records_.assign(static_cast<std::size_t>(inputs.steps * inputs.batch), {});
        output_ = Matrix<T>(hidden_, inputs.steps * inputs.batch);
        for (int64_t b = 0; b < inputs.batch; ++b) {
            std::vector<T> state = size(C::blocks * hidden_);
            for (int64_t t = 0; t < inputs.steps; ++t) {
                step(t, b, noise, state);
                std::copy_n(state.begin() + readout_ * hidden_, hidden_, output_.column(t * inputs.batch + b));
            }
        }
        return static_cast<const Matrix<T>&>(output_).view();
    }

    void backward(MatrixView<const T> d_readout, std::span<T> gradient) override {
        require(d_readout.rows == hidden_ && d_readout.cols <= output_.cols() && gradient.size() == packed_.size(),
                "training: a gradient of another size");
        for (Stage& stage : stages_)
            for (Term& term : stage) term.gradient = size(hidden_ * term.columns);
        const int64_t unseen = output_.cols() - d_readout.cols;  // the columns before those of d_readout
        for (int64_t b = 0; b < inputs_.batch; ++b) {
            std::vector<T> delta = size(C::blocks * hidden_);
            for (int64_t t = inputs_.steps - 1; t >= 0; --t) {
                const int64_t column = t * inputs_.batch + b;
                if (column >= unseen)
                    for (int64_t i = 0; i < hidden_; ++i) delta[readout_ * hidden_ + i] += d_readout(i, column - unseen);
                step_back(column, delta);
            }
        }
        std::fill(gradient.begin(), gradient.end(), T(0));
        std::fill(scalar_gradient_.begin(), scalar_gradient_.end(), 0.0);
        for (Stage& stage : stages_)
            for (Term& term : stage) kernels::pull_back(term, hidden_, packed_.data(), term.gradient.data(), gradient, scalar_gradient_);
    }

    std::span<const double> scalar_gradient() const override { return scalar_gradient_; }

private:
    struct Term : kernels::BatchTerm {
        std::vector<T> matrix;    ///< (H x columns) row-major
        std::vector<T> gradient;  ///< of the matrix
        Term(const kernels::BatchTerm& term, std::vector<T> m, std::vector<T> g) : BatchTerm(term), matrix(std::move(m)), gradient(std::move(g)) {}
    };
    using Stage = std::vector<Term>;
    /// What one stage of one step of one sequence saw.
    struct Seen {
        std::vector<T> pre, state;  ///< pre-activations; the state as earlier stages left it
    };
    struct Record {
        std::vector<T> state;  ///< s_t
        std::vector<Seen> stages;
    };

    static std::vector<T> size(int64_t count) { return std::vector<T>(static_cast<std::size_t>(count), T(0)); }

    /// The source of a term before it is squashed; a noise's source is its value.
    std::vector<T> source(const Term& term, int64_t column, const std::vector<T>& old, const std::vector<T>& current) const {
        std::vector<T> x = size(term.columns);
        switch (term.spec.source) {
            case cells::Source::input:
                if (inputs_.symbols) x.at(static_cast<std::size_t>(inputs_.symbols[column])) = T(1);
                else std::copy_n(inputs_.values + column * input_, input_, x.begin());
                break;
            case cells::Source::state: std::copy_n(old.begin() + term.spec.block * hidden_, hidden_, x.begin()); break;
            case cells::Source::updated_state: std::copy_n(current.begin() + term.spec.block * hidden_, hidden_, x.begin()); break;
            default: x[0] = T(1);
        }
        return x;
    }

    std::vector<T> noise_values(const Term& term, int64_t step, int64_t sample, const backend::NoiseKey* key) const {
        std::vector<T> values(static_cast<std::size_t>(hidden_), static_cast<T>(term.quiet()));
        if (!key) return values;
        const RandomField field(key->seed, key->variant, Purpose::noise, key->update, static_cast<uint32_t>(step));
        std::vector<float> drawn(values.size());
        const bool factor = term.spec.source == cells::Source::factor_noise;
        if (factor) field.uniform(term.noise_index, static_cast<uint32_t>(sample), drawn);
        else field.normal(term.noise_index, static_cast<uint32_t>(sample), drawn);
        const T v = static_cast<T>(term.strength);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = factor ? T(1) - v * (T(1) - T(drawn[i])) : v * T(drawn[i]);
        return values;
    }

    void step(int64_t t, int64_t b, const backend::NoiseKey* noise, std::vector<T>& state) {
        const int64_t column = t * inputs_.batch + b;
        Record& record = records_[static_cast<std::size_t>(column)];
        record.state = state;
        kernels::for_each_stage<C>([&]<int S>() {
            Seen seen{size(C::slots[S] * hidden_), state};
            for (const Term& term : stages_[S]) {
                T* a = seen.pre.data() + term.spec.slot * hidden_;
                if (term.noise()) {
                    const std::vector<T> values = noise_values(term, t, b, noise);
                    for (int64_t i = 0; i < hidden_; ++i) a[i] += values[i];
                    continue;
                }
                std::vector<T> x = source(term, column, record.state, state);
                if (term.spec.through == cells::Through::tanh)
                    for (T& value : x) value = std::tanh(value);
                for (int64_t i = 0; i < hidden_; ++i) {
                    T sum = T(0);
                    for (int64_t j = 0; j < term.columns; ++j) sum += term.matrix[i * term.columns + j] * x[j];
                    a[i] += sum;
                }
            }
            std::vector<T> d_a = size(C::blocks * C::slots[S] * hidden_), d_s = size(C::blocks * C::blocks * hidden_);
            kernels::linearise_stage<C, S, T>(hidden_, seen.pre.data(), state.data(), scalars_, d_a.data(), d_s.data());
            record.stages.push_back(std::move(seen));
        });
    }

    /// delta: in the gradient with respect to s_{t+1}, out that with respect to s_t.
    void step_back(int64_t column, std::vector<T>& delta) {
        const Record& record = records_[static_cast<std::size_t>(column)];
        std::vector<T> d_old = size(C::blocks * hidden_);
        constexpr int last = static_cast<int>(C::slots.size()) - 1;
        kernels::for_each_stage<C>([&]<int Forward>() {
            constexpr int S = last - Forward;
            stage_back<S>(record.stages[S], record.state, column, delta, d_old);
        });
        for (std::size_t i = 0; i < delta.size(); ++i) delta[i] += d_old[i];
    }

    template <int S>
    void stage_back(const Seen& seen, const std::vector<T>& old, int64_t column, std::vector<T>& delta, std::vector<T>& d_old) {
        constexpr int slots = C::slots[S], blocks = C::blocks;
        std::vector<T> d_a = size(blocks * slots * hidden_), d_s = size(blocks * blocks * hidden_), next = seen.state;
        kernels::linearise_stage<C, S, T>(hidden_, seen.pre.data(), next.data(), scalars_, d_a.data(), d_s.data());
        std::vector<T> delta_a = size(slots * hidden_), before = size(blocks * hidden_);
        for (int64_t i = 0; i < hidden_; ++i) {
            for (int b = 0; b < blocks; ++b) {
                const T d = delta[b * hidden_ + i];
                for (int k = 0; k < slots; ++k) delta_a[k * hidden_ + i] += d_a[(b * slots + k) * hidden_ + i] * d;
                for (int c = 0; c < blocks; ++c) before[c * hidden_ + i] += d_s[(b * blocks + c) * hidden_ + i] * d;
            }
        }
        delta = before;
        for (Term& term : stages_[S]) {
            if (term.noise()) continue;
            const std::vector<T> x = source(term, column, old, seen.state);
            const bool squashed = term.spec.through == cells::Through::tanh;
            std::vector<T>& d_source = term.spec.source == cells::Source::state ? d_old : delta;
            const T* d = delta_a.data() + term.spec.slot * hidden_;
            for (int64_t j = 0; j < term.columns; ++j) {
                T sum = T(0);
                for (int64_t i = 0; i < hidden_; ++i) {
                    term.gradient[i * term.columns + j] += d[i] * (squashed ? std::tanh(x[j]) : x[j]);
                    sum += term.matrix[i * term.columns + j] * d[i];
                }
                if (term.reads_state()) d_source[term.spec.block * hidden_ + j] += squashed ? tanh_derivative(x[j]) * sum : sum;
            }
        }
    }

    int readout_;
    int64_t hidden_, input_;
    typename C::Scalars scalars_;
    std::vector<T> packed_;
    std::vector<double> scalar_gradient_;
    std::vector<Stage> stages_;
    backend::SequenceBatch<T> inputs_;
    std::vector<Record> records_;
    Matrix<T> output_;
};

}  // namespace aelle::reference
