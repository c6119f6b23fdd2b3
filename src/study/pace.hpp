#pragma once
/// How much of something is done between two looks at the clock.

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace aelle::study {

/// What takes about a quarter of a second. Results do not depend on it.
class Pace {
public:
    int64_t amount() const { return amount_; }
    template <class F>
    void time(F&& f) {
        const auto start = std::chrono::steady_clock::now();
        f();
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const double factor = std::clamp(wanted / std::max(seconds, 1e-6), 0.25, 2.0);
        amount_ = std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(amount_) * factor), 1, 1 << 20);
    }

private:
    static constexpr double wanted = 0.25;  // seconds
    int64_t amount_ = 1;
};

}  // namespace aelle::study
