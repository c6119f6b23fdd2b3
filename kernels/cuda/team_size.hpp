#pragma once
/// How many blocks work on one problem together. No result depends on it.

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/api.hpp"
#include "kernels/cuda/team.hpp"

namespace aelle::cuda {

/// Of `problems` in a launch, blocks of each: a power of two, at most Team::largest and `most`, the blocks that one problem keeps busy. As many as it takes to
/// give every multiprocessor work, and for what the problems in work read again and again, `bytes` each, to stay in the L2 cache: a problem whose
/// weights come from device memory waits for them (performance.md 4.2).
inline int32_t team_size(const DeviceFacts& facts, int64_t problems, int64_t bytes, int64_t most, int64_t blocks_per_multiprocessor) {
    const int64_t blocks = std::max<int64_t>(blocks_per_multiprocessor * facts.multiprocessors, 1), cache = facts.l2_cache / 4 * 3;
    int64_t size = 1;
    while (2 * size <= std::min<int64_t>(Team::largest, most)) {
        const int64_t at_once = std::min(problems, blocks / size);
        const bool idle = size * problems < facts.multiprocessors && 2 * size * problems <= blocks,
                   spills = at_once > 1 && at_once * bytes > cache;
        if (!idle && !spills) break;
        size *= 2;
    }
    return static_cast<int32_t>(size);
}

}  // namespace aelle::cuda
