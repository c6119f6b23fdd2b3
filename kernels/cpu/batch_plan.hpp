#pragma once
/// How the linear terms of a cell become few large matrix products for a batch.

#include <cstdint>
#include <vector>

#include "aelle/base/matrix.hpp"
#include "kernels/batch_terms.hpp"

namespace aelle::cpu {

/// One pre-activation per unit of a stage.
struct BatchSlot {
    int stage = 0, index = 0;
    int row = -1;  ///< its place, in blocks of H rows, in the stacked pre-activations; -1 when no product adds to it
    std::vector<kernels::BatchTerm> constants, noises;
};

/// Slots in consecutive places that read the same vector: one product.
struct BatchGroup {
    struct Part {
        int slot = 0;  ///< number in BatchPlan::slots
        kernels::BatchTerm term;
    };
    cells::Source source = cells::Source::state;
    int stage = 0;  ///< in which an updated block is read; 0 for the other sources
    int block = 0;
    bool squashed = false;  ///< by tanh
    int first_row = 0, rows = 0;
    int64_t columns = 0;
    std::vector<Part> parts;
};

struct BatchPlan {
    std::vector<BatchSlot> slots;  ///< stage by stage
    std::vector<BatchGroup> groups;
    int rows = 0;  ///< stacked slots

    int slot_number(int stage, int index) const;
};

/// Slots are stacked in the order that needs the fewest products.
BatchPlan batch_plan(const cells::CellSpec& cell, const cells::ParameterLayout& layout, const cells::Parameters& parameters);

}  // namespace aelle::cpu
