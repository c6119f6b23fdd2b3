#include "aelle/backend/extended.hpp"

#include "aelle/base/double_double.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/reference/network.hpp"

namespace aelle::backend {

std::unique_ptr<Network<DoubleDouble>> extended_network(const cells::CellSpec& cell, const cells::Shape& shape,
                                                        const cells::Parameters& parameters, TangentSpace space) {
    return kernels::make_for<reference::CellNetwork, DoubleDouble, Network<DoubleDouble>>(cells::AllCells{}, cell, shape, parameters, space);
}

}  // namespace aelle::backend
