#pragma once
/// In which order emulated threads run (kernels/cuda/emulation.hpp), for a part of a test.

#include "kernels/cuda/emulation.hpp"

namespace aelle::cuda {

inline constexpr emulation::Order orders[] = {emulation::Order::ascending, emulation::Order::descending, emulation::Order::shuffled};

/// Ascending again at the end.
class EmulationOrder {
public:
    explicit EmulationOrder(emulation::Order order) { emulation::order() = order; }
    ~EmulationOrder() { emulation::order() = emulation::Order::ascending; }
};

}  // namespace aelle::cuda
