#pragma once
/// Which kernel an entry point of a library launches.

#include "aelle/cells/list.hpp"
#include "kernels/cuda/api.hpp"
#include "kernels/cuda/memory.hpp"

namespace aelle::cuda {

/// f.template operator()<Cell>() for the cell at that place of the list.
template <class F, class... Cells>
int with_cell(cells::CellList<Cells...>, int place, F&& f) {
    int at = 0, status = unknown_cell;
    static_cast<void>(((at++ == place ? (status = f.template operator()<Cells>(), true) : false) || ...));
    return status;
}

/// Waits for what was launched, so that callers can time it, and another thread, whose stream is another, may go on with what it left.
inline int finished(int status) {
#if defined(__CUDACC__)
    return status != 0 ? status : memory::wait();
#else
    return status;
#endif
}

}  // namespace aelle::cuda
