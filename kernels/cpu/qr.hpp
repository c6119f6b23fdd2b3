#pragma once
/// QR factorisations and determinants for Lyapunov spectra, of one matrix on one core; see backend::Backend::qr.

#include <span>

#include "aelle/backend/backend.hpp"
#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {

/// Householder QR of the matrix with its rows sorted by decreasing max-abs.
///
/// The permutation leaves R unchanged; with it, small rows never meet rounding errors of large ones, so that products of strongly
/// graded matrices keep small |r_jj| to high relative accuracy (Powell & Reid 1969; Cox & Higham 1998, theorem 2, who pivot columns as
/// well: here columns must keep their order, and accuracy is checked after the fact by `lyapunov`).
template <class T>
void accurate_qr(InstructionSet set, MatrixView<T> z, std::span<double> log_r, backend::Backend::QrWork& work,
                 MatrixView<float> ratios = {});

/// LAPACK geqrf and orgqr.
template <class T>
void library_qr(const Kernels<T>& kernels, MatrixView<T> z, std::span<double> log_r, backend::Backend::QrWork& work,
                MatrixView<float> ratios = {});

/// See backend::Backend::gram_qr. Cholesky factorisation of the Gram matrix: all of it products, no reflections.
double gram_qr(MatrixView<double> z, backend::GramArithmetic arithmetic, double least, std::span<double> log_r,
               backend::Backend::QrWork& work, MatrixView<float> ratios);

/// log|det a| by LU of the matrix with rows, then columns, scaled by powers of two to maxima in [1/2, 1).
double log_abs_det(const Kernels<double>& kernels, MatrixView<double> a, backend::Backend::QrWork& work);

}  // namespace aelle::cpu
