#pragma once
/// What a backend offers, in double-double arithmetic (base/double_double.hpp): for the few spectra that rounding would spoil. On the host,
/// whatever the backend; one multiplication and addition costs about as much as 30 in double.

#include <memory>
#include <span>

#include "aelle/backend/backend.hpp"

namespace aelle {
struct DoubleDouble;
}

namespace aelle::backend {

/// As Backend::network.
std::unique_ptr<Network<DoubleDouble>> extended_network(const cells::CellSpec& cell, const cells::Shape& shape,
                                                        const cells::Parameters& parameters, TangentSpace space);

/// c = a b
void extended_multiply(MatrixView<const DoubleDouble> a, MatrixView<const DoubleDouble> b, MatrixView<DoubleDouble> c);

/// As Backend::qr with QrMethod::accurate.
void extended_qr(MatrixView<DoubleDouble> z, std::span<double> log_r, MatrixView<float> ratios);

}  // namespace aelle::backend
