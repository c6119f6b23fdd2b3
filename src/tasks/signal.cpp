#include "aelle/tasks/signal.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

namespace aelle::tasks {
namespace {

void check(const FourSines& sines, int64_t steps) {
    for (const int64_t s : sines.divisors)
        if (s < 1) throw DataError("four sines: divisor: found " + std::to_string(s) + ", expected an integer from 1");
    for (const int64_t q : sines.multiples)
        if (q < 1) throw DataError("four sines: multiple: found " + std::to_string(q) + ", expected an integer from 1");
    // Two samples or fewer per wave can all fall on zeros.
    const int64_t fastest = *std::ranges::max_element(sines.multiples);
    if (steps <= 2 * fastest) {
        throw DataError("four sines: steps of a period: found " + std::to_string(steps) + ", expected more than " +
                        std::to_string(2 * fastest) + ", twice the waves of the fastest sine");
    }
}

}  // namespace

FourSines random_four_sines(uint64_t seed, uint64_t variant) {
    RandomStream random(seed, variant, Purpose::target);
    FourSines sines;
    for (int64_t& s : sines.divisors) s = 1 + random.below(10);
    for (int64_t& q : sines.multiples) q = 1 + random.below(5);
    return sines;
}

std::vector<double> one_period(const FourSines& sines, int64_t steps) {
    check(sines, steps);
    std::vector<double> f(static_cast<std::size_t>(steps), 0.0);
    for (std::size_t k = 0; k < sines.divisors.size(); ++k) {
        for (int64_t i = 0; i < steps; ++i) {
            // q pi t / 60 with t = 120 i / steps; whole turns are taken off in integers, where nothing rounds
            const int64_t turn = sines.multiples[k] % steps * i % steps;
            const double angle = 2.0 * std::numbers::pi * static_cast<double>(turn) / static_cast<double>(steps);
            f[static_cast<std::size_t>(i)] += std::sin(angle) / static_cast<double>(sines.divisors[k]);
        }
    }
    const auto [low, high] = std::ranges::minmax(f);
    for (double& value : f) value = value / ((high - low) / 2.0) - (high + low) / 2.0;
    return f;
}

}  // namespace aelle::tasks
