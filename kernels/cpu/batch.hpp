#pragma once
/// Training of one network of cell C; see kernels/cpu/batch_engine.hpp.

#include "kernels/cpu/batch_engine.hpp"

namespace aelle::cpu {

/// Made before the engine that points to it.
template <class C>
struct CellScalars {
    typename C::Scalars scalars;
};

template <class C, class T>
class BatchCell final : private CellScalars<C>, public BatchEngine<T> {
public:
    BatchCell(const cells::ParameterLayout& layout, const cells::Parameters& parameters, InstructionSet set = best_instruction_set())
        : CellScalars<C>{kernels::scalars_of<C>(parameters)},
          BatchEngine<T>({C::spec(), stage_kernels<C, T>(set), kernels::patterns_of<C>(CellScalars<C>::scalars), &(CellScalars<C>::scalars)},
                         layout, parameters, set) {}
    BatchCell(const BatchCell&) = delete;
    BatchCell& operator=(const BatchCell&) = delete;
};

}  // namespace aelle::cpu
