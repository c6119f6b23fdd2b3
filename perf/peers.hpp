#pragma once
/// Other people's programs as opponents: `PYTHON perf/peers/peer.py WORK key=value ...`.
///
/// The script says {"peer": ..., "form": ..., "unit": ..., "error": x or null} on one line when it is ready. For each integer N read it does N
/// units and says the seconds; it ends with its input. Two such processes, one thread and one core each, work at the same time ("2x1"); at
/// length also one process with a thread on every core ("1x2"). The fastest of all that can do the work is the opponent.

#include <memory>
#include <string>
#include <vector>

#include "harness.hpp"

namespace aelle::perf {

/// AELLE_PEERS, or python3 where it can import torch.
std::vector<std::string> usual_pythons();

struct Challenger {
    Opponent facts;
    std::unique_ptr<Side> side;  ///< null: there is none, and the notes say why
    std::vector<std::string> notes;
};

Challenger fastest_peer(const PeerWork& work, const Plan& plan);

}  // namespace aelle::perf
