#pragma once
/// The one list of architectures. A new cell is its header and one entry here.

#include "aelle/cells/rank1.hpp"

namespace aelle::cells {

using AllCells = CellList<Rank1>;

}  // namespace aelle::cells
