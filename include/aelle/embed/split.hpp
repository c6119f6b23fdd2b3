#pragma once
/// Random splits of networks, or of single spectra, into training, validation and test.

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

/// Part of every spectrum (V, E), each drawn for itself: [P]'s split of the pre-trained study. LEAKS: spectra of one network at several epochs fall into
/// training and test, so that a test spectrum's network, and its label, have been seen. Counts as above, of spectra. DataError as above.
std::vector<int8_t> split_spectra(std::span<const uint8_t> usable_spectra, uint64_t seed, int64_t repeat, double train_fraction,
                                  double validation_fraction);

/// Part of every variant when one architecture is left out: its usable variants (`held_out` 1) are test; the others are cut into training and validation
/// in the ratio of the fractions. DataError with fewer than 5 others.
std::vector<int8_t> split_architectures(std::span<const uint8_t> usable, std::span<const uint8_t> held_out, uint64_t seed, int64_t repeat,
                                        double train_fraction, double validation_fraction);

}  // namespace aelle::embed
