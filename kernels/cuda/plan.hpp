#pragma once
/// What a kernel must know of a cell besides its pointwise function: its linear terms as flat data, made on the host from the cell's spec and
/// the tensors that are there. Plain data, copied to the device as it is.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "aelle/base/error.hpp"
#include "aelle/cells/layout.hpp"
#include "kernels/batch_terms.hpp"
#include "kernels/linearise.hpp"

namespace aelle::cuda {

inline constexpr int max_terms = 32, max_stages = 2, max_scalars = 16;

/// One linear map of a stage: pre-activations [slot * H, slot * H + rows) += matrix (rows x columns, row-major) times the source. Terms of one tensor
/// that read the same source into neighbouring slots are one map.
struct TermPlan {
    cells::Source source = cells::Source::state;
    cells::Through through = cells::Through::identity;
    cells::Form form = cells::Form::dense;
    int32_t slot = 0, rows = 0, columns = 1, block = 0;
    int64_t offset = -1, offset2 = -1;   ///< of its parameters in the packed vector; -1: none
    int64_t matrix = -1;                 ///< of its effective matrix among those that are built; -1: it is the parameters as they lie
    double mirrored = 0.0, shift = 0.0;  ///< 1 - 2 beta and gamma of Form::symmetric_skew
    double strength = 0.0;               ///< of a noise, or a bias without tensor
    int32_t noise_index = 0;

    AELLE_HOST_DEVICE bool reads_state() const { return source == cells::Source::state || source == cells::Source::updated_state; }
    AELLE_HOST_DEVICE bool noise() const { return source == cells::Source::factor_noise || source == cells::Source::additive_noise; }
};

struct CellPlan {
    int32_t hidden = 0, input = 0, blocks = 1, readout = 0, stages = 1;
    int32_t slots[max_stages] = {};
    int32_t first_term[max_stages + 1] = {};
    int32_t writer[8] = {};  ///< of every block: the stage that writes it, -1 for none
    TermPlan term[max_terms];
    double scalars[max_scalars] = {};
    int64_t parameters = 0;  ///< size of the packed vector
    int64_t matrices = 0;    ///< size of the effective matrices that are built

    AELLE_HOST_DEVICE int64_t state_size() const { return int64_t{blocks} * hidden; }
};

/// A cell's scalars: its struct holds the spec's as doubles in the spec's order.
template <cells::Cell C>
AELLE_HOST_DEVICE inline typename C::Scalars scalars_of(const CellPlan& plan) {
    typename C::Scalars scalars{};
    auto* to = reinterpret_cast<char*>(&scalars);
    const auto* from = reinterpret_cast<const char*>(plan.scalars);
    for (std::size_t i = 0; i < sizeof(scalars) && sizeof(scalars) >= sizeof(double); ++i)
        to[i] = from[i];  // an empty struct has a byte too
    return scalars;
}

/// Entry e, row-major, of the effective matrix (H x H) of a structured term; kernels/batch_terms.hpp, add_matrix.
template <class T>
AELLE_HOST_DEVICE inline T matrix_entry(const TermPlan& term, int64_t hidden, const T* packed, int64_t e) {
    const int64_t i = e / hidden, j = e % hidden;
    const T* m = packed + term.offset;
    if (term.form == cells::Form::outer) return m[i] * packed[term.offset2 + j];
    const T mixed = m[e] + static_cast<T>(term.mirrored) * m[j * hidden + i];
    return i == j ? mixed - static_cast<T>(term.shift) : mixed;
}

/// Whether the second of two neighbouring maps can be a part of the first.
inline bool continues(const TermPlan& first, const kernels::BatchTerm& next, int64_t hidden) {
    return first.form == cells::Form::dense && next.spec.form == cells::Form::dense && first.offset >= 0 &&
           first.source == next.spec.source && !next.noise() && first.block == next.spec.block && first.through == next.spec.through &&
           first.columns == next.columns && first.slot + first.rows / hidden == next.spec.slot &&
           first.offset + int64_t{first.rows} * first.columns == next.offset;
}

inline TermPlan plan_term(const kernels::BatchTerm& term, int64_t hidden, int64_t& matrices) {
    TermPlan made;
    made.source = term.spec.source;
    made.through = term.spec.through;
    made.form = term.spec.form;
    made.slot = term.spec.slot;
    made.rows = static_cast<int32_t>(hidden);
    made.columns = static_cast<int32_t>(term.columns);
    made.block = term.spec.block;
    made.offset = term.offset;
    made.offset2 = term.offset2;
    made.mirrored = 1 - 2 * term.beta;
    made.shift = term.gamma;
    made.strength = term.strength;
    made.noise_index = static_cast<int32_t>(term.noise_index);
    if (term.spec.form != cells::Form::dense) {
        made.matrix = matrices;
        matrices += hidden * term.columns;
    }
    return made;
}

/// `layout` says which tensors there are, `parameters` the scalars. InternalError for a cell whose structure kernels do not know: a block that two
/// stages write, or too many terms.
template <cells::Cell C>
CellPlan plan_cell(const cells::ParameterLayout& layout, const cells::Parameters& parameters) {
    const cells::CellSpec spec = C::spec();
    CellPlan plan;
    plan.hidden = static_cast<int32_t>(layout.shape().hidden);
    plan.input = static_cast<int32_t>(layout.shape().input);
    plan.blocks = C::blocks;
    plan.readout = spec.readout_block;
    plan.stages = static_cast<int32_t>(C::slots.size());
    plan.parameters = layout.size();
    require(C::slots.size() <= max_stages && C::blocks <= 8 && spec.scalars.size() <= max_scalars,
            "the GPU's plan of a cell: too many stages, blocks or scalars");
    std::size_t scalar = 0;
    for (const cells::ScalarSpec& s : spec.scalars) plan.scalars[scalar++] = parameters.scalars.find(s.name)->second;
    std::fill(std::begin(plan.writer), std::end(plan.writer), -1);
    const auto patterns = kernels::patterns_of<C>(kernels::scalars_of<C>(parameters));
    int32_t count = 0, stage_number = 0;
    for (const auto& stage : kernels::batch_terms(spec, layout, parameters)) {
        plan.slots[stage_number] = C::slots[static_cast<std::size_t>(stage_number)];
        const int32_t first = plan.first_term[stage_number] = count;
        for (const kernels::BatchTerm& term : stage) {
            const auto before =
                std::find_if(plan.term + first, plan.term + count, [&](const TermPlan& t) { return continues(t, term, plan.hidden); });
            if (before != plan.term + count) {
                before->rows += plan.hidden;
                continue;
            }
            require(count < max_terms, "the GPU's plan of a cell: too many terms");
            plan.term[count++] = plan_term(term, plan.hidden, plan.matrices);
        }
        for (int b = 0; b < C::blocks; ++b) {
            if (!patterns[static_cast<std::size_t>(stage_number)].writes[static_cast<std::size_t>(b)]) continue;
            require(plan.writer[b] < 0, "the GPU's plan of a cell: two stages write one block");
            plan.writer[b] = stage_number;
        }
        plan.first_term[++stage_number] = count;
    }
    return plan;
}

}  // namespace aelle::cuda
