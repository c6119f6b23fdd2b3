#include "aelle/embed/spectra.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace aelle::embed {

bool is_usable(std::span<const double> spectrum) {
    return !spectrum.empty() && std::all_of(spectrum.begin(), spectrum.end(), [](double x) {
        return x < std::numeric_limits<double>::infinity();  // false for NaN
    });
}

void to_unit(std::span<double> spectrum, LogBase log) {
    if (log == LogBase::e) return;
    for (double& x : spectrum) x *= std::numbers::log2e;
}

int64_t raise_to_floor(std::span<double> spectrum, double floor) {
    int64_t raised = 0;
    for (double& x : spectrum) {
        if (x < floor) {
            x = floor;
            ++raised;
        }
    }
    return raised;
}

std::vector<double> interpolate_linear(std::span<const double> spectrum, int64_t length) {
    const auto dimension = static_cast<int64_t>(spectrum.size());
    if (dimension == 0) return std::vector<double>(static_cast<std::size_t>(length), std::numeric_limits<double>::quiet_NaN());
    std::vector<double> samples(static_cast<std::size_t>(length));
    for (int64_t j = 0; j < length; ++j) {
        // Positions as exact fractions: no rounding decides which neighbours a sample has.
        const int64_t numerator = j * (dimension - 1);
        const int64_t denominator = std::max<int64_t>(1, length - 1);
        const int64_t below = numerator / denominator;
        const int64_t remainder = numerator % denominator;
        const double x = spectrum[static_cast<std::size_t>(below)];
        double& sample = samples[static_cast<std::size_t>(j)];
        if (remainder == 0) {
            sample = x;  // also keeps -inf next to it out: 0 * inf is NaN
            continue;
        }
        const double next = spectrum[static_cast<std::size_t>(below + 1)];
        const double share = static_cast<double>(remainder) / static_cast<double>(denominator);
        sample = (1.0 - share) * x + share * next;
    }
    return samples;
}

std::vector<double> interpolate_doubling(std::span<const double> spectrum, int64_t length) {
    std::vector<double> samples(spectrum.begin(), spectrum.end());
    while (!samples.empty() && static_cast<int64_t>(samples.size()) < length) {
        const std::size_t count = samples.size();
        std::vector<double> finer(2 * count);
        for (std::size_t i = 0; i < count; ++i) {
            finer[2 * i] = samples[i];
            if (i + 1 < count) finer[2 * i + 1] = 0.5 * (samples[i] + samples[i + 1]);
        }
        const double last = samples[count - 1];
        const bool steps_down = count > 1 && std::isfinite(last);
        finer[2 * count - 1] = steps_down ? last - 0.5 * (samples[count - 2] - last) : last;
        samples = std::move(finer);
    }
    if (static_cast<int64_t>(samples.size()) != length) {
        throw DataError("interpolation \"doubling\": found " + std::to_string(spectrum.size()) + " exponents and length " + std::to_string(length) +
                        ", expected a length that is a power of two times the number of exponents");
    }
    return samples;
}

std::vector<double> interpolate(std::span<const double> spectrum, int64_t length, Interpolation method) {
    return method == Interpolation::linear ? interpolate_linear(spectrum, length) : interpolate_doubling(spectrum, length);
}

Statistics statistics(std::span<const double> spectrum) {
    Statistics result;
    const auto count = static_cast<double>(spectrum.size());
    for (const double x : spectrum) result.mean += x / count;
    double squares = 0.0;
    for (const double x : spectrum) squares += (x - result.mean) * (x - result.mean);
    result.deviation = std::sqrt(squares / count);
    result.maximum = *std::max_element(spectrum.begin(), spectrum.end());
    result.kaplan_yorke = kaplan_yorke_dimension(spectrum);
    return result;
}

double kaplan_yorke_dimension(std::span<const double> spectrum) {
    double sum = 0.0;
    for (std::size_t j = 0; j < spectrum.size(); ++j) {
        const double next = sum + spectrum[j];
        if (next < 0.0) return static_cast<double>(j) + sum / std::fabs(spectrum[j]);
        sum = next;
    }
    return static_cast<double>(spectrum.size());
}

}  // namespace aelle::embed
