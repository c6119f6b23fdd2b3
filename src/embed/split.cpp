#include "aelle/embed/split.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

namespace aelle::embed {

std::vector<int8_t> split_networks(std::span<const uint8_t> usable, uint64_t seed, int64_t repeat, double train_fraction,
                                   double validation_fraction) {
    std::vector<std::size_t> order;
    for (std::size_t v = 0; v < usable.size(); ++v) {
        if (usable[v]) order.push_back(v);
    }
    const auto count = static_cast<int64_t>(order.size());
    if (count < fewest_networks) {
        throw DataError("analysis: found " + std::to_string(count) + " variants with a finite spectrum of " + std::to_string(usable.size()) +
                        ", expected at least " + std::to_string(fewest_networks));
    }
    RandomStream random(seed, static_cast<uint64_t>(repeat), Purpose::split);
    for (int64_t i = count - 1; i > 0; --i) {
        std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
    }
    const int64_t train_count = std::clamp<int64_t>(std::llround(train_fraction * static_cast<double>(count)), 2, count - 2);
    const int64_t validation_count =
        std::clamp<int64_t>(std::llround(validation_fraction * static_cast<double>(count)), 1, count - train_count - 1);
    std::vector<int8_t> part(usable.size(), Part::left_out);
    for (int64_t i = 0; i < count; ++i) {
        const Part assigned = i < train_count ? Part::training : i < train_count + validation_count ? Part::validation : Part::test;
        part[order[static_cast<std::size_t>(i)]] = assigned;
    }
    return part;
}

}  // namespace aelle::embed
