#pragma once
/// The inner loop of FORCE; see backend::ForceLoop and backend::FrozenLoops.

#include <memory>

#include "aelle/backend/backend.hpp"
#include "aelle/cells/spec.hpp"

namespace aelle::reference {

/// `parameters`: those of cell rank1, complete. Starts with x = 0, z = 0, w_o = weight_out and P = I / alpha.
std::unique_ptr<backend::ForceLoop> make_force_loop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha);
/// `count` loops without learning, one after the other.
std::unique_ptr<backend::FrozenLoops> make_frozen_loops(const cells::Shape& shape, const cells::Parameters& parameters, int64_t count);

}  // namespace aelle::reference
