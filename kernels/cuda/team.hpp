#pragma once
/// Blocks of threads that work on one problem together: a cluster of a device, of 1, 2, 4, 8 or 16 blocks. What they tell each other goes through device
/// memory; shared memory is a block's own. A barrier of a team of one block is that of the block.
///
/// Results must not depend on the size of the team: whatever is added up, is added up in an order that the problem alone decides.

#include "kernels/cuda/block.hpp"

namespace aelle::cuda {

class Team {
public:
    static constexpr int largest = 16;       ///< blocks
    static constexpr int sum_scratch = 128;  ///< numbers, for sum()

    AELLE_DEVICE explicit Team(const Block& block) : block_(block), rank_(block.cluster_rank()), size_(block.cluster_size()) {}

    AELLE_DEVICE const Block& block() const { return block_; }
    /// Of this block in the team.
    AELLE_DEVICE int rank() const { return rank_; }
    AELLE_DEVICE int size() const { return size_; }
    /// Of the team in the launch.
    AELLE_DEVICE int index() const { return block_.index() / size_; }
    AELLE_DEVICE int thread() const { return rank_ * block_.threads() + block_.thread(); }
    AELLE_DEVICE int threads() const { return size_ * block_.threads(); }
    AELLE_DEVICE int warp() const { return thread() / warp_size; }
    AELLE_DEVICE int warps() const { return threads() / warp_size; }

    /// All threads of all blocks; what was written to device memory before is seen after.
    AELLE_DEVICE void sync() const {
        if (size_ > 1) block_.sync_cluster();
        else block_.sync();
    }

    /// f(i) for i in [0, count), shared among all threads; then a barrier.
    template <class F>
    AELLE_DEVICE void each(int64_t count, F&& f) const {
        for (int64_t i = thread(); i < count; i += threads()) f(i);
        sync();
    }

    /// Sum of term(i) over i in [0, count), the same in all threads. `scratch`: sum_scratch numbers of device memory. Ends with a barrier.
    template <class T, class F>
    AELLE_DEVICE T sum(int64_t count, T* scratch, F&& term) const {
        const int64_t length = (count + sum_scratch - 1) / sum_scratch;
        for (int part = warp(); part < sum_scratch; part += warps()) {
            const int64_t begin = part * length, end = begin + length < count ? begin + length : count;
            T value = 0;
            for (int64_t i = begin + block_.lane(); i < end; i += warp_size) value += term(i);
            value = block_.warp_sum(value);
            if (block_.lane() == 0) scratch[part] = value;
        }
        sync();
        T total = 0;
        for (int part = block_.lane(); part < sum_scratch; part += warp_size) total += scratch[part];
        total = block_.warp_sum(total);
        sync();
        return total;
    }

    /// Sum of a whole number over all threads, the same in all of them. `scratch`: count_scratch numbers of device memory. Ends with a barrier.
    AELLE_DEVICE int count(int value, int* scratch) const {
        value = block_.warp_sum(value);
        if (block_.lane() == 0) scratch[warp()] = value;
        sync();
        int total = 0;
        for (int w = block_.lane(); w < warps(); w += warp_size) total += scratch[w];
        total = block_.warp_sum(total);
        sync();
        return total;
    }
    static constexpr int count_scratch = 32 * largest;  ///< the most warps there are
    /// Whether any thread says so.
    AELLE_DEVICE bool any(bool value, int* scratch) const { return count(value ? 1 : 0, scratch) > 0; }

private:
    const Block& block_;
    int rank_, size_;
};

}  // namespace aelle::cuda
