#include "aelle/embed/split.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

namespace aelle::embed {
namespace {

/// Numbers of the usable ones in random order.
std::vector<std::size_t> random_order(std::span<const uint8_t> usable, uint64_t seed, int64_t repeat, const std::string& what) {
    std::vector<std::size_t> order;
    for (std::size_t v = 0; v < usable.size(); ++v) {
        if (usable[v]) order.push_back(v);
    }
    const auto count = static_cast<int64_t>(order.size());
    if (count < fewest_networks) {
        throw DataError("analysis: found " + std::to_string(count) + " " + what + " of " + std::to_string(usable.size()) + ", expected at least " +
                        std::to_string(fewest_networks));
    }
    RandomStream random(seed, static_cast<uint64_t>(repeat), Purpose::split);
    for (int64_t i = count - 1; i > 0; --i) {
        std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
    }
    return order;
}

std::vector<int8_t> split_in_three(std::size_t size, const std::vector<std::size_t>& order, double train_fraction, double validation_fraction) {
    const auto count = static_cast<int64_t>(order.size());
    const int64_t train_count = std::clamp<int64_t>(std::llround(train_fraction * static_cast<double>(count)), 2, count - 2);
    const int64_t validation_count =
        std::clamp<int64_t>(std::llround(validation_fraction * static_cast<double>(count)), 1, count - train_count - 1);
    std::vector<int8_t> part(size, Part::left_out);
    for (int64_t i = 0; i < count; ++i) {
        const Part assigned = i < train_count ? Part::training : i < train_count + validation_count ? Part::validation : Part::test;
        part[order[static_cast<std::size_t>(i)]] = assigned;
    }
    return part;
}

}  // namespace

std::vector<int8_t> split_networks(std::span<const uint8_t> usable, uint64_t seed, int64_t repeat, double train_fraction,
                                   double validation_fraction) {
    const auto order = random_order(usable, seed, repeat, "variants with a finite spectrum");
    return split_in_three(usable.size(), order, train_fraction, validation_fraction);
}

std::vector<int8_t> split_spectra(std::span<const uint8_t> usable_spectra, uint64_t seed, int64_t repeat, double train_fraction,
                                  double validation_fraction) {
    const auto order = random_order(usable_spectra, seed, repeat, "finite spectra");
    return split_in_three(usable_spectra.size(), order, train_fraction, validation_fraction);
}

std::vector<int8_t> split_architectures(std::span<const uint8_t> usable, std::span<const uint8_t> held_out, uint64_t seed, int64_t repeat,
                                        double train_fraction, double validation_fraction) {
    require(usable.size() == held_out.size(), "as many variants held out or not as usable or not");
    std::vector<uint8_t> others(usable.begin(), usable.end());
    for (std::size_t v = 0; v < others.size(); ++v) others[v] = others[v] && !held_out[v];
    const auto order = random_order(others, seed, repeat, "variants of other architectures with a finite spectrum");
    const auto count = static_cast<int64_t>(order.size());
    const double share = validation_fraction / (train_fraction + validation_fraction);
    const int64_t validation_count = std::clamp<int64_t>(std::llround(share * static_cast<double>(count)), 1, count - 2);
    std::vector<int8_t> part(usable.size(), Part::left_out);
    for (int64_t i = 0; i < count; ++i) part[order[static_cast<std::size_t>(i)]] = i < validation_count ? Part::validation : Part::training;
    for (std::size_t v = 0; v < usable.size(); ++v) {
        if (usable[v] && held_out[v]) part[v] = Part::test;
    }
    return part;
}

}  // namespace aelle::embed
