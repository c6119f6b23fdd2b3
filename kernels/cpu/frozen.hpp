#pragma once
/// Closed loops with frozen weights side by side; see backend::FrozenLoops.

#include <memory>

#include "aelle/backend/backend.hpp"
#include "aelle/cells/spec.hpp"
#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {

/// `parameters`: those of cell rank1, complete. The processor must have the instruction set.
std::unique_ptr<backend::FrozenLoops> make_frozen_loops(const cells::Shape& shape, const cells::Parameters& parameters, int64_t count,
                                                        InstructionSet set);

}  // namespace aelle::cpu
