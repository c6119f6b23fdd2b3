#pragma once
/// The linear terms of a cell as the training backends see them: where their parameters lie in the packed vector, their effective matrices and
/// the way back from the gradient of such a matrix to the parameters.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/base/error.hpp"
#include "aelle/cells/layout.hpp"
#include "aelle/cells/spec.hpp"

namespace aelle::kernels {

struct BatchTerm {
    cells::LinearTerm spec;
    int64_t columns = 1;       ///< of its matrix: I, H, or 1 for a bias
    int64_t offset = -1;       ///< of its first parameter in the packed vector, -1 for none
    int64_t offset2 = -1;      ///< of `tensor2`
    double beta = 1.0, gamma = 0.0;
    double strength = 0.0;     ///< value of `scalar`
    int gamma_index = -1;      ///< of the scalar called `gamma` in the spec's order, -1 for none
    uint32_t noise_index = 0;  ///< number of this noise among the cell's noise terms in the spec's order

    bool noise() const { return spec.source == cells::Source::factor_noise || spec.source == cells::Source::additive_noise; }
    bool reads_state() const { return spec.source == cells::Source::state || spec.source == cells::Source::updated_state; }
    /// A noise's value in a pass without noise.
    double quiet() const { return spec.source == cells::Source::factor_noise ? 1.0 : 0.0; }
};

/// The terms of every stage that have an effect: those whose tensors are present, biases with a fallback, noises.
inline std::vector<std::vector<BatchTerm>> batch_terms(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                       const cells::Parameters& parameters) {
    const int64_t hidden = layout.shape().hidden;
    const auto value = [&](std::string_view scalar, double otherwise) {
        return scalar.empty() ? otherwise : parameters.scalars.find(scalar)->second;
    };
    std::vector<std::vector<BatchTerm>> stages;
    uint32_t noises = 0;
    for (const cells::StageSpec& stage : cell.stages) {
        stages.emplace_back();
        for (const cells::LinearTerm& spec : stage.terms) {
            BatchTerm term;
            term.spec = spec;
            term.columns = spec.source == cells::Source::input ? layout.shape().input : term.reads_state() ? hidden : 1;
            require(term.reads_state() || (spec.through == cells::Through::identity && spec.form == cells::Form::dense),
                    "a cell's term that reads no state is neither squashed nor structured");
            term.strength = value(spec.scalar, 0.0);
            term.beta = value(spec.beta, 1.0);
            term.gamma = value(spec.gamma, 0.0);
            for (std::size_t i = 0; i < cell.scalars.size(); ++i)
                if (!spec.gamma.empty() && cell.scalars[i].name == spec.gamma) term.gamma_index = static_cast<int>(i);
            if (term.noise()) {
                term.noise_index = noises++;
            } else {
                term.offset = layout.offset(spec.tensor);
                if (term.offset >= 0) term.offset += spec.row_block * hidden * term.columns;
                if (spec.form == cells::Form::outer) term.offset2 = layout.offset(spec.tensor2);
                const bool fallback = spec.source == cells::Source::one && !spec.scalar.empty();
                if (term.offset < 0 && !fallback) continue;
                if (spec.form == cells::Form::outer && term.offset2 < 0) continue;
            }
            stages.back().push_back(term);
        }
    }
    return stages;
}

/// matrix (hidden x columns, row-major) += the term's effective matrix.
template <class T>
void add_matrix(const BatchTerm& term, int64_t hidden, const T* packed, T* matrix) {
    const T* m = packed + term.offset;
    const int64_t columns = term.columns;
    if (term.offset < 0) {
        for (int64_t i = 0; i < hidden; ++i) matrix[i] += static_cast<T>(term.strength);
        return;
    }
    switch (term.spec.form) {
        case cells::Form::dense:
            for (int64_t i = 0; i < hidden * columns; ++i) matrix[i] += m[i];
            return;
        case cells::Form::outer:
            for (int64_t i = 0; i < hidden; ++i)
                for (int64_t j = 0; j < columns; ++j) matrix[i * columns + j] += m[i] * packed[term.offset2 + j];
            return;
        case cells::Form::symmetric_skew: {
            const T mirrored = static_cast<T>(1 - 2 * term.beta), shift = static_cast<T>(term.gamma);
            for (int64_t i = 0; i < hidden; ++i) {
                for (int64_t j = 0; j < hidden; ++j) matrix[i * hidden + j] += m[i * hidden + j] + mirrored * m[j * hidden + i];
                matrix[i * hidden + i] -= shift;
            }
            return;
        }
    }
}

/// Adds to the packed gradient, and to that of the scalars, what a gradient `g` (hidden x columns, row-major) of the effective matrix means for
/// the term's parameters.
template <class T>
void pull_back(const BatchTerm& term, int64_t hidden, const T* packed, const T* g, std::span<T> gradient, std::span<double> scalars) {
    if (term.offset < 0) return;
    T* d = gradient.data() + term.offset;
    const int64_t columns = term.columns;
    switch (term.spec.form) {
        case cells::Form::dense:
            for (int64_t i = 0; i < hidden * columns; ++i) d[i] += g[i];
            return;
        case cells::Form::outer:
            for (int64_t i = 0; i < hidden; ++i) {
                T sum = T(0);
                for (int64_t j = 0; j < columns; ++j) {
                    sum += g[i * columns + j] * packed[term.offset2 + j];
                    gradient[term.offset2 + j] += g[i * columns + j] * packed[term.offset + i];
                }
                d[i] += sum;
            }
            return;
        case cells::Form::symmetric_skew: {
            const T mirrored = static_cast<T>(1 - 2 * term.beta);
            double trace = 0.0;
            for (int64_t i = 0; i < hidden; ++i) {
                for (int64_t j = 0; j < hidden; ++j) d[i * hidden + j] += g[i * hidden + j] + mirrored * g[j * hidden + i];
                trace += static_cast<double>(g[i * hidden + i]);
            }
            if (term.gamma_index >= 0) scalars[static_cast<std::size_t>(term.gamma_index)] -= trace;
            return;
        }
    }
}

}  // namespace aelle::kernels
