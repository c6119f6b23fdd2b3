#pragma once
/// The inner loop of FORCE; see backend::ForceLoop.

#include <memory>

#include "aelle/backend/backend.hpp"
#include "aelle/cells/spec.hpp"

namespace aelle::cpu {

/// `parameters`: those of cell rank1, complete. Starts with x = 0, z = 0, w_o = weight_out and P = I / alpha.
std::unique_ptr<backend::ForceLoop> make_force_loop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha);

}  // namespace aelle::cpu
