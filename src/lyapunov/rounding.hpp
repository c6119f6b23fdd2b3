#pragma once
/// How much rounding can have changed log|r_jj| of one block, from what the block itself shows.
///
/// A block of n steps multiplies Q by J_n ... J_1 and factors the result Z = Q' R. A perturbation F of Z changes r_jj by the fraction
/// |(Q'^T F R^-1)_jj| <= max_i |f_i| * |R^-1|_1. What rounding does to Z:
///
/// - n = 1, accurate QR: an error of row i is relative to that row, so after sorting column j loses u * (j-th largest row) / |r_jj|.
/// - n = 1, library QR: errors are relative to the largest column.
/// - n > 1: the error made at step m grows under J_n ... J_{m+1}, in any direction, also outside the span of the tangents. A probe
///   vector carries random perturbations of the size of the tangents, added at every step, so its final norm times sqrt(D) is an
///   estimate of max_m |J_n ... J_{m+1}|_F |Z_m|, for non-normal transients as well as for exponents.

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/matrix.hpp"

namespace aelle::lyapunov {

template <class T>
struct Precision {
    static constexpr double unit = std::numeric_limits<T>::epsilon() / 2;
    static constexpr double smallest = std::numeric_limits<T>::denorm_min();
    /// Largest relative error of |r_jj| that a block of automatic length may have: far below 1e-9 per step in double.
    static constexpr double block_tolerance = sizeof(T) == 8 ? 1e-11 : 1e-5;
    /// A step whose largest error is above this is factored in two, where that helps.
    static constexpr double split_tolerance = sizeof(T) == 8 ? 1e-11 : 1e-5;
    /// An exponent whose errors may add up to more than this per step is not reliable.
    static constexpr double exponent_tolerance = sizeof(T) == 8 ? 1e-7 : 1e-3;
    /// The same for the difference of the sum of all exponents and mean log|det J|.
    static constexpr double determinant_tolerance = sizeof(T) == 8 ? 1e-6 : 1e-2;
};

/// |R^-1|_1 for R = q^T z; infinite when R is singular to working precision. Reuses its memory.
template <class T>
class InverseNorm {
public:
    double operator()(MatrixView<const T> q, MatrixView<const T> z);

private:
    std::vector<T> product_;
    std::vector<double> r_, work_;
    std::vector<int> integers_;
};

/// Magnitudes that errors of columns 0, 1, ... of z are relative to, one per row of z, descending, for a factorisation by `method`.
template <class T>
void error_scales(backend::QrMethod method, MatrixView<const T> z, std::vector<double>& scales);

/// error[j] = bound on the relative error of |r_jj|, never decreasing with j because a wrong direction spoils later ones.
/// log_r must not include a factor that scales lack. A zero column is exact when no row is left over for it.
template <class T>
void relative_errors(std::span<const double> log_r, std::span<const double> scales, std::span<double> error);

template <class T>
double largest_column_norm(MatrixView<const T> z);

}  // namespace aelle::lyapunov
