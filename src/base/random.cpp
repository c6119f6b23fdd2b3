#include "aelle/base/random.hpp"

#include <cmath>
#include <numbers>

namespace aelle {

// Counter words: block index | step | variant | purpose and the high bits of step and variant.
RandomStream::RandomStream(uint64_t seed, uint64_t variant, Purpose purpose, uint64_t step)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, static_cast<uint32_t>(step), static_cast<uint32_t>(variant),
               static_cast<uint32_t>(purpose) << 24 ^ static_cast<uint32_t>(step >> 32) << 12 ^
                   static_cast<uint32_t>(variant >> 32)} {}

uint32_t RandomStream::bits() {
    if (used_ == 4) {
        block_ = philox(counter_, key_);
        ++counter_[0];
        used_ = 0;
    }
    return block_[static_cast<std::size_t>(used_++)];
}

double RandomStream::uniform() {
    const uint64_t high = bits() >> 5;  // 27 bits
    const uint64_t low = bits() >> 6;   // 26 bits
    return (static_cast<double>(high << 26 | low) + 0.5) * 0x1p-53;
}

double RandomStream::uniform(double low, double high) { return low + (high - low) * uniform(); }

double RandomStream::normal() {
    if (has_spare_) {
        has_spare_ = false;
        return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    const double angle = 2.0 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
}

int64_t RandomStream::below(int64_t n) {
    const uint64_t bound = static_cast<uint64_t>(n);
    const uint64_t limit = (uint64_t{1} << 32) / bound * bound;  // reject the last, incomplete copy of 0 .. n-1
    uint64_t draw = bits();
    while (draw >= limit) draw = bits();
    return static_cast<int64_t>(draw % bound);
}

}  // namespace aelle
