#pragma once
/// Random splits of networks into training, validation and test.

#include <cstdint>
#include <span>
#include <vector>

namespace aelle::embed {

/// Codes as stored in analysis.h5.
enum Part : int8_t { left_out = -1, training = 0, validation = 1, test = 2 };

inline constexpr int64_t fewest_networks = 5;

/// Part of every variant. Depends on (seed, repeat, usable) only, never on losses: a random order of the usable variants is cut into
/// round(train_fraction n) training (at least 2), round(validation_fraction n) validation (at least 1), and the rest test (at least 1).
/// Splits are by network: all spectra of a variant share its part. DataError with fewer than 5 usable variants.
std::vector<int8_t> split_networks(std::span<const uint8_t> usable, uint64_t seed, int64_t repeat, double train_fraction,
                                   double validation_fraction);

}  // namespace aelle::embed
