#pragma once
/// Lyapunov spectra as feature vectors: validity, floor, common length, statistics.
///
/// A spectrum is descending. An exponent of -inf (exactly singular Jacobian) is legitimate; NaN and +inf are not.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/embed/choices.hpp"

namespace aelle::embed {

/// False when an exponent is NaN or +inf, or there is none: such spectra are left out of the analysis.
bool is_usable(std::span<const double> spectrum);

/// Natural logarithms per step to the unit: divided by ln 2 for two.
void to_unit(std::span<double> spectrum, LogBase log);

/// Raises everything below `floor`, -inf too, to `floor`; returns how many exponents that were.
int64_t raise_to_floor(std::span<double> spectrum, double floor);

/// Sample j of `length` at position j (D - 1) / (length - 1) of the D exponents, linear in between; exact copies where the position is an
/// integer, so length = D returns the spectrum itself. NaN and infinities of a sample's neighbours pass on to it.
std::vector<double> interpolate_linear(std::span<const double> spectrum, int64_t length);

/// The paper's code: original points at even places, midpoints in between, the last point extrapolated by half a step, repeated until
/// `length`. DataError unless length / D is a power of two.
std::vector<double> interpolate_doubling(std::span<const double> spectrum, int64_t length);

std::vector<double> interpolate(std::span<const double> spectrum, int64_t length, Interpolation method);

struct Statistics {
    double mean = 0.0;
    double maximum = 0.0;
    double deviation = 0.0;    ///< standard deviation, divided by D
    double kaplan_yorke = 0.0;
};

/// Of a finite spectrum (raise it to the floor first).
Statistics statistics(std::span<const double> spectrum);

/// j + (l_1 + ... + l_j) / |l_{j+1}|, j the largest number of leading exponents with a sum >= 0; 0 when l_1 < 0, D when the sum of all is
/// >= 0 (with the leading exponents only: a lower bound).
double kaplan_yorke_dimension(std::span<const double> spectrum);

}  // namespace aelle::embed
