#pragma once
/// How much rounding can have changed the exponents, from what the factorisations themselves show.
///
/// A block of n steps multiplies Q by J_n ... J_1 and factors the result Z = Q' R. A perturbation F of Z is one of the tangents, Z = Q (1 + E)
/// with E = R^-1 Q'^T F: it changes r_jj by the fraction |E_jj|, and for k > l it turns column l of Q' towards column k by |(Q'^T F)_kl| / r_ll.
/// What rounding does to Z:
///
/// - n = 1, accurate QR: an error of row i is relative to that row, so (Q'^T F)_jl is about u * max_i |Q'_ij| |z_i|. That is the j-th largest
///   row, unless columns cross; entries of Q' as small as rounding are left out, since the graded ones below it are not known.
/// - n = 1, library QR: errors are relative to the largest column.
/// - n > 1: the error made at step m grows under J_n ... J_{m+1}, in any direction, also outside the span of the tangents. A probe
///   vector carries random perturbations of the size of the tangents, added at every step, so its final norm times sqrt(D) is an
///   estimate of max_m |J_n ... J_{m+1}|_F |Z_m|, for non-normal transients as well as for exponents.
///
/// A turned direction stays and grows where the chain is not normal or later columns grow more than earlier ones: tangents Q (1 + D), D strictly
/// lower triangular, become Z (1 + D) = Q' W R with W = (R D + G) R^-1 + 1, so that the next factorisation finds log|r_jj| changed by W_jj and
/// columns turned by the lower part of W. A chain of saturated cells amplifies rounding by 1e13 that way in 28 steps (H = 64), which no
/// single factorisation shows. ChainErrors carries one random D along, in units of u and in single precision.

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/archive.hpp"
#include "aelle/base/matrix.hpp"

namespace aelle {
struct DoubleDouble;
}

namespace aelle::lyapunov {

template <class T>
struct Precision {
    static constexpr double unit = std::numeric_limits<T>::epsilon() / 2;
    static constexpr double smallest = std::numeric_limits<T>::denorm_min();
    /// Bound of the relative error of |r_jj| of a block of automatic length: below 1e-9 per step in double.
    static constexpr double block_tolerance = sizeof(T) == 8 ? 5e-10 : 1e-5;
    /// A step whose largest error is above this is factored in two, where that helps.
    static constexpr double split_tolerance = sizeof(T) == 8 ? 1e-11 : 1e-5;
    /// An exponent whose errors may add up to more than this per step is not reliable.
    static constexpr double exponent_tolerance = sizeof(T) == 8 ? 1e-7 : 1e-3;
    /// The same for the difference of the sum of all exponents and mean log|det J|.
    static constexpr double determinant_tolerance = sizeof(T) == 8 ? 1e-6 : 1e-2;
};

/// Double-double arithmetic, with what exp loses. Its tolerances are those of double.
template <>
struct Precision<DoubleDouble> {
    static constexpr double unit = 0x1p-94;
    static constexpr double exponent_tolerance = Precision<double>::exponent_tolerance;
};

/// Rows of a (n x n) matrix in single precision, padded as the kernels of base/triangular.hpp want them.
constexpr int64_t padded_rows(int64_t n) { return (n + 15) / 16 * 16; }

/// One factorisation Z = Q' R as the bounds need it.
struct Factorisation {
    std::vector<double> log_r;
    std::vector<double> scales;  ///< of column j: size of (Q'^T F)_j in units of u; 0 for r_jj = 0 that is exact
    Matrix<float> ratios;        ///< (padded_rows(K) x K) R with its rows divided by r_jj
    bool exact_product = false;  ///< Z is free of rounding: that of the factorisation is also relative to every column
    double growth = 1.0;         ///< of errors in a sum of D products, those of unlike sign mostly cancelling

    explicit Factorisation(int64_t columns = 0) : log_r(static_cast<std::size_t>(columns)), ratios(padded_rows(columns), columns) {}
    MatrixView<float> unit_r() { return {ratios.data(), ratios.cols(), ratios.cols(), ratios.rows()}; }
    MatrixView<const float> unit_r() const { return {ratios.data(), ratios.cols(), ratios.cols(), ratios.rows()}; }

    template <class T>
    void before(backend::QrMethod method, MatrixView<const T> z);
    /// `unit`: of the arithmetic that q comes from.
    template <class T>
    void after(backend::QrMethod method, MatrixView<const T> q, double unit = Precision<T>::unit);
    void of_block(double probe);  ///< replaces scales
    /// scales and growth where rounding of Z is relative to its columns, all of like size, the largest as long as `norm`; instead of before() and after().
    void of_columns(int64_t rows, double norm);

private:
    std::vector<double> rows_, sorted_;  ///< largest entry of every row of Z, as they stand and descending
};

/// |R^-1|_1; infinite when R is singular to working precision. Reuses its memory.
class InverseNorm {
public:
    double operator()(const Factorisation& f);

private:
    std::vector<double> r_, diagonal_, work_;
    std::vector<int> integers_;
};

/// Largest change that rounding of Z makes to a log|r_jj|.
template <class T>
double local_error(const Factorisation& f);

/// What rounding has done to the columns of Q and to sums of log|r_jj|, over a chain of factorisations.
template <class T>
class ChainErrors {
public:
    explicit ChainErrors(int64_t columns);

    /// The next factorisation of the chain; `counts`: its logs are added to the exponents.
    void add(const Factorisation& f, bool counts);
    /// The columns of Q were disturbed, each in every direction, by `size` units of u.
    void disturb(double size);
    /// Estimates of the errors of sums of log|r_jj|, all changes taken as of one sign.
    std::vector<double> sums() const;

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);

private:
    /// What rounding does to the product and to its factorisation, into turned_.
    void disturb_product(const Factorisation& f);
    const float* noise(int64_t i, int64_t j) const { return noise_.data() + i + j * 241 % shifts + shift_; }

    static constexpr float most = static_cast<float>(1 / Precision<T>::unit);  ///< a direction wholly wrong
    static constexpr int64_t shifts = 2053;
    std::vector<double> sums_;
    Matrix<float> direction_, turned_;
    std::vector<float> noise_;  ///< uniform with variance 1; every use begins elsewhere in it
    int64_t shift_ = 0;
    std::vector<float> weight_;
    std::vector<double> growth_, size_;
};

template <class T>
double largest_column_norm(MatrixView<const T> z);

}  // namespace aelle::lyapunov
