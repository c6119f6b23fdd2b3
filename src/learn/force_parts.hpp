#pragma once
/// What trainers by FORCE share, of one network on the host and of many on a device.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "aelle/base/matrix.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/learn/force.hpp"

namespace aelle::learn {

/// DataError names an option, or says of a target, what was found and expected.
void check_options(const ForceOptions& options);
void check_period(std::span<const double> period);

/// With dt from the options where none is given; checked and complete.
cells::Parameters completed(cells::Parameters parameters, const ForceOptions& options);

/// x_0 and z_0.
struct InitialState {
    std::vector<double> x;
    double z = 0.0;
};
InitialState initial_state(const ForceOptions& options, uint64_t seed, uint64_t variant);

inline bool all_finite(std::span<const double> values) {
    return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

/// Mean |f - z| as it grows, step by step, so that it does not depend on how a run is cut.
struct MeanError {
    double sum = 0.0;
    int64_t steps = 0;

    void add(std::span<const double> target, std::span<const double> output) {
        for (std::size_t i = 0; i < target.size(); ++i) sum += std::fabs(target[i] - output[i]);
        steps += static_cast<int64_t>(target.size());
    }
    double value() const { return steps > 0 ? sum / static_cast<double>(steps) : std::numeric_limits<double>::quiet_NaN(); }
};

/// Global index of a test's first step, which fixes the phase of the target, and its error so far.
struct TestProgress {
    int64_t first = 0;
    MeanError error{};

    /// Row `test` of what its loop gave after `done` steps.
    void add(const std::vector<double>& period, int64_t done, MatrixView<const double> output, int64_t test) {
        const auto length = static_cast<int64_t>(period.size());
        int64_t phase = (first + done) % length;
        for (int64_t t = 0; t < output.cols; ++t, phase = phase + 1 < length ? phase + 1 : 0)
            error.add({&period[static_cast<std::size_t>(phase)], 1}, {&output(test, t), 1});
    }
};

}  // namespace aelle::learn
