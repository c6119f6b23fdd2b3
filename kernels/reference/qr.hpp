#pragma once
/// QR and determinant in extended precision with plain loops: the definition of correct.

#include <span>

#include "aelle/backend/backend.hpp"

namespace aelle::reference {

/// See backend::Backend::qr. Householder in long double, rows sorted by decreasing max-abs for QrMethod::accurate.
template <class T>
void householder_qr(backend::QrMethod method, MatrixView<T> z, std::span<double> log_r, MatrixView<float> ratios);

/// Gaussian elimination in long double with partial pivoting of the row-equilibrated matrix.
double log_abs_det(MatrixView<double> a);

}  // namespace aelle::reference
