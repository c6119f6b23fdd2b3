#pragma once
/// Recurrent weights of R-FORCE (Zheng & Shlizerman 2020, "R-FORCE: Robust Learning for Random Recurrent Neural Networks", and its authors' code; cells.md
/// "R-FORCE"): a normal matrix whose eigenvalues lie on four circles.
///
/// With r = 0.9 g, 0.7 g, 0.72 g and 1.2 g, n = N / 2 conjugate pairs are shared among the circles:
/// - 1.2 g > 1.55: floor(0.99 n) pairs on the first three, in proportion to |r - 1.15|^(-2 g), the first two floored and at least a tenth of these pairs (but
///   no more than are left: near g = 1.28 the first circle takes nearly all), the third the rest; the others on the outer one;
/// - else in proportion to 1 + tanh(-2 |r - 1.15|) over all four, the first three floored, the outer one the rest. The authors' programs fail there (a vector of
///   counts too short); this is what they evidently mean.
/// Angles are evenly spaced over a range, both ends included (one pair: the lower end):
///   g < 1.8: [0.02, pi/3], [pi/3, 2 pi/3], [2 pi/3, pi - 0.02]; else [4 pi/5, pi - 0.02], [2 pi/5, 4 pi/5], [0.02, 2 pi/5];
///   outer circle: [0, 1.2 pi / (3 g^2)] for g < 1.4, else [0.4 pi, 0.6 pi].
///
/// M = Re(V L V^-1), V the eigenvectors of G - G^T with G Gaussian. The distribution of G is that of Q G Q^T for every orthogonal Q, so these are random
/// orthonormal pairs v = (a + i b) / sqrt(2), and M is the sum over pairs of |l| [cos t (a a^T + b b^T) + sin t (a b^T - b a^T)], l = |l| e^(i t). They are
/// drawn as such, from Gaussian vectors made orthonormal. Odd N: one eigenvalue 0 more. M is dense.

#include <complex>
#include <cstdint>
#include <vector>

#include "aelle/base/random.hpp"

namespace aelle::learn {

/// One of each conjugate pair, with imaginary part >= 0, circle after circle: floor(N / 2) values. g > 0.
std::vector<std::complex<double>> r_force_eigenvalues(int64_t hidden, double gain);

/// M (N x N), row-major, as tensor `weight_hh_l0` of rank1.
std::vector<double> r_force_weights(int64_t hidden, double gain, RandomStream& random);

}  // namespace aelle::learn
