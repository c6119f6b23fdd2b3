#pragma once
/// What this machine can do at most, measured while it runs: products of large matrices and sums of long vectors, on every core asked for at once.

#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "crew.hpp"

namespace aelle::perf {

/// dgemm, sgemm: BLAS, the better of n = 512 and 1024, FLOP/s. memory, l2: a = b + s c in double precision on arrays far larger than the last
/// cache, or half as large as a core's L2, in bytes/s, three numbers counted an element.
enum class Roof { none, dgemm, sgemm, memory, l2 };

inline constexpr Roof all_roofs[]{Roof::dgemm, Roof::sgemm, Roof::memory, Roof::l2};
std::string_view name(Roof roof);
bool counts_bytes(Roof roof);

class Roofline {
public:
    Roofline();
    ~Roofline();
    /// Best of some tries now, FLOP/s or bytes/s of all threads together. Takes about 50 ms a try.
    double rate(Roof roof, int threads, int tries = 2);
    void forget_arrays();  ///< gives the memory back

private:
    struct Bench;
    std::map<std::pair<Roof, int>, std::unique_ptr<Bench>> benches_;
};

}  // namespace aelle::perf
