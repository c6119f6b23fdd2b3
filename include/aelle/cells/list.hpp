#pragma once
/// The one list of architectures. A new cell is its header and one entry here.

#include "aelle/cells/asrnn.hpp"
#include "aelle/cells/cornn.hpp"
#include "aelle/cells/gru.hpp"
#include "aelle/cells/lem.hpp"
#include "aelle/cells/lipschitz.hpp"
#include "aelle/cells/lstm.hpp"
#include "aelle/cells/noisy.hpp"
#include "aelle/cells/rank1.hpp"
#include "aelle/cells/rnn.hpp"

namespace aelle::cells {

using AllCells =
    CellList<Rnn, Lstm, Gru, AntisymmetricRnn, GatedAntisymmetricRnn, CoRnn, Lipschitz, Noisy, Lem, Rank1>;

}  // namespace aelle::cells
