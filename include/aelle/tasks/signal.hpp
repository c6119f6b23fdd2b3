#pragma once
/// The four-sine signal task (cells.md "rank1"; Sussillo & Abbott 2009, figure 2).
///
///     f(t) = sum_k sin(q_k pi t / 60) / s_k,  k = 1..4,  t = 0, dt, 2 dt, ...
///
/// normalised to f / ((max - min) / 2) - (max + min) / 2 with max and min of the raw f over one period, as in the authors' code.
/// The period is 120 time units.

#include <array>
#include <cstdint>
#include <vector>

namespace aelle::tasks {

struct FourSines {
    std::array<int64_t, 4> divisors{1, 2, 6, 3};    ///< s_k
    std::array<int64_t, 4> multiples{1, 2, 3, 4};   ///< q_k
};

/// s_k uniform on 1..10 and q_k uniform on 1..5, a function of seed and variant alone.
FourSines random_four_sines(uint64_t seed, uint64_t variant);

/// One period of the normalised signal, `steps` samples (1200 at dt = 0.1), all of period 120 / steps time units apart.
std::vector<double> one_period(const FourSines& sines, int64_t steps);

}  // namespace aelle::tasks
