#pragma once
/// Races between the threads of emulated kernels (kernels/cuda/emulation.hpp). Tests are compiled with -fsanitize=thread, so that GCC calls a function
/// at every access to memory, and linked with race_runtime.cpp, which has those functions, instead of the thread sanitizer, which knows no fibres.
///
/// Two accesses to the same four bytes race if one writes and no barrier of both threads lies between them: of the warp for lanes of one warp, of the
/// block for warps of one block, of the cluster for its blocks, and none orders two clusters of one launch. Which threads ran first does not matter:
/// a race is found in every order. Not watched: a thread's own stack, atomic operations, copies by memcpy() and memset(), and code that was not
/// compiled for it.

#include <cstdint>
#include <string>
#include <vector>

namespace aelle::cuda::races {

/// What lies between two threads that race.
enum class Between : uint32_t { nothing, lanes, warps, blocks, clusters };

struct Use {
    bool writes = false;
    int64_t block = 0;  ///< in the launch
    int thread = 0;     ///< in the block
    uintptr_t code = 0;
};

struct Race {
    Between between = Between::nothing;
    Use before, after;  ///< as the emulation happened to run them
    uintptr_t address = 0;
    bool shared = false;  ///< memory of a block
};

/// Those found since the last take(), one for each pair of places in the code: between the threads that are farthest apart.
const std::vector<Race>& found();
std::vector<Race> take();

/// In words, with files and lines; one for each pair of lines, since one line has many places where it is inlined.
std::vector<std::string> describe(const std::vector<Race>& found);
/// Those found(), to stderr, where memory may be in no state to allocate any: how to have the places named.
void last_words();

struct Effort {
    int64_t accesses = 0, barriers = 0;
    std::size_t most_bytes = 0;  ///< that the table of accesses needed
};
Effort effort();

}  // namespace aelle::cuda::races
