#pragma once
/// What a trainer keeps of one network besides its numbers: how far it is, in which order it sees its sequences, and what it has lost so far.

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "aelle/base/archive.hpp"
#include "aelle/base/random.hpp"
#include "aelle/learn/bptt.hpp"
#include "prediction_tally.hpp"

namespace aelle::learn {

/// DataError names an option out of range.
void check_options(const BpttOptions& options);

struct TrainingCourse {
    std::vector<int64_t> indices;  ///< as given
    int64_t batch = 1;
    bool shuffle = true;
    uint64_t seed = 0, variant = 0;
    int64_t updates = 0;
    bool finite = true;
    PredictionTally tally{};  ///< of the epoch that the last update belongs to
    std::vector<int64_t> order{};
    int64_t order_epoch = -1;  ///< the epoch that `order` is of

    int64_t per_epoch() const { return (static_cast<int64_t>(indices.size()) + batch - 1) / batch; }
    /// Updates to the end of the epoch that the next one belongs to.
    int64_t left_in_epoch() const { return per_epoch() - updates % per_epoch(); }

    /// Sequences of the next `count` updates, which must not go beyond the epoch.
    std::span<const int64_t> next(int64_t count) {
        arrange(updates / per_epoch());
        const int64_t first = updates % per_epoch() * batch;
        return {order.data() + first, static_cast<std::size_t>(std::min(count * batch, static_cast<int64_t>(order.size()) - first))};
    }

    /// One update made, or passed over by a network that is not finite.
    void record(const BatchLoss& loss) {
        if (updates % per_epoch() == 0) tally = {};
        tally.add(loss);
        ++updates;
    }

    void save(ArchiveWriter& archive) const {
        archive.value(updates);
        archive.value(finite);
        archive.value(tally);
    }
    void load(ArchiveReader& archive) {
        archive.value(updates);
        archive.value(finite);
        archive.value(tally);
    }

private:
    /// Fisher and Yates.
    void arrange(int64_t epoch) {
        if (order_epoch == epoch) return;
        order = indices;
        order_epoch = epoch;
        if (!shuffle) return;
        RandomStream random(seed, variant, Purpose::batches, static_cast<uint64_t>(epoch));
        for (auto i = static_cast<int64_t>(order.size()) - 1; i > 0; --i)
            std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
    }
};

}  // namespace aelle::learn
