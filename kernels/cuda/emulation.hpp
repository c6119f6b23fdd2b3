#pragma once
/// Blocks of threads on the host, for testing kernels where there is no device: every thread is a fibre, barriers and shuffles hand over to the
/// next one. Clusters of blocks run one after another, so races between them do not show in results; those within one do, since the order in which
/// threads run between two barriers is chosen by `order()`, and results must not depend on it. Shared memory starts as NaN. `make race` watches
/// every access for both.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

namespace aelle::cuda::emulation {

/// In which order the threads of a block run between barriers. In ascending order all warps go on together, in the others one goes as far as it can
/// before the next begins: each finds missing barriers that the other does not.
enum class Order { ascending, descending, shuffled };
Order& order();

/// What a detector of races (tests/cuda/race_runtime.hpp) is told, in a program compiled with AELLE_RACES; in others nobody asks.
namespace races {
/// The threads that a barrier orders: those of a warp, of a block, of a cluster, or none. A shuffle orders none.
enum class Scope { none, warp, block, cluster };
struct Memory {
    const void* begin = nullptr;
    std::size_t bytes = 0;
};
/// Blocks of one cluster, from `first` on, and memory: shared of all its blocks, and two pieces that no two threads share on a device.
struct Cluster {
    int64_t first = 0;
    int blocks = 0, threads = 0;
    Memory shared, stacks, exchanged;
};
#if defined(AELLE_RACES)
void launch();
void cluster(const Cluster& started);
/// From here on the thread `member` of the cluster runs, having passed a barrier.
void goes_on(int member, Scope passed);
void stops();
#else
inline void launch() {}
inline void cluster(const Cluster&) {}
inline void goes_on(int, Scope) {}
inline void stops() {}
#endif
}  // namespace races

struct Barrier {
    int expected = 0, arrived = 0;
    int64_t generation = 0;
};

class Crew;

/// One thread of a block. Its number is that in the block; so is its warp's.
class Fibre {
public:
    Fibre(Crew& crew, int member) : crew_(&crew), member_(member) {}
    int thread() const { return member_ % threads(); }
    int threads() const;
    int rank() const { return member_ / threads(); }
    int cluster() const;
    int block() const;
    char* shared() const;
    void sync();
    void sync_warp();
    void sync_cluster();

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

    /// read(values of every lane of the warp), each of which hands in its own. All lanes of the warp call it.
    template <int Count, class Read>
    void together(const double (&mine)[Count], const Read& read) {
        static_assert(Count <= most_together);
        auto* all = reinterpret_cast<double(*)[Count]>(warp_values());
        std::memcpy(all[member_ % 32], mine, sizeof mine);
        meet_warp();
        read(all);
        meet_warp();
    }
    static constexpr int most_together = 8;

private:
    double* warp_values();
    void meet_warp();
    uint64_t exchange_bits(uint64_t value, int lane);

    Crew* crew_;
    int member_;
};

/// Runs `body` as every thread of every block, `cluster` blocks together. InternalError when threads wait for others that have ended.
void run(int64_t blocks, int threads, std::size_t shared_bytes, const std::function<void(Fibre&)>& body, int cluster = 1);

}  // namespace aelle::cuda::emulation
