#pragma once
/// Blocks of threads on the host, for testing kernels where there is no device: every thread is a fibre, barriers and shuffles hand over to the
/// next one. Blocks run one after another, so races between blocks are not seen; those within a block are, since the order in which
/// threads run between two barriers is chosen by `order()`, and results must not depend on it. Shared memory starts as NaN.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

namespace aelle::cuda::emulation {

/// In which order the threads of a block run between barriers.
enum class Order { ascending, descending, shuffled };
Order& order();

struct Barrier {
    int expected = 0, arrived = 0;
    int64_t generation = 0;
};

class Crew;

/// One thread of a block.
class Fibre {
public:
    Fibre(Crew& crew, int thread) : crew_(&crew), thread_(thread) {}
    int thread() const { return thread_; }
    int threads() const;
    int block() const;
    char* shared() const;
    void sync();
    void sync_warp();

    /// What the thread `lane` of the same warp hands in.
    template <class T>
    T exchange(T value, int lane) {
        static_assert(sizeof(T) <= sizeof(uint64_t));
        uint64_t mine = 0, theirs = 0;
        std::memcpy(&mine, &value, sizeof value);
        theirs = exchange_bits(mine, lane);
        T result;
        std::memcpy(&result, &theirs, sizeof result);
        return result;
    }

private:
    uint64_t exchange_bits(uint64_t value, int lane);

    Crew* crew_;
    int thread_;
};

/// Runs `body` as every thread of every block. InternalError when threads wait for others that have ended.
void run(int64_t blocks, int threads, std::size_t shared_bytes, const std::function<void(Fibre&)>& body);

}  // namespace aelle::cuda::emulation
