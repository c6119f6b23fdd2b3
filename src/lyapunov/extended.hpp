#pragma once
/// A chain of Jacobians and QRs in double-double arithmetic along a trajectory in another precision; every step is factored.

#include <cstdint>
#include <vector>

#include "aelle/base/archive.hpp"
#include "aelle/base/double_double.hpp"
#include "aelle/base/matrix.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "src/lyapunov/rounding.hpp"

namespace aelle::lyapunov {

class ExtendedChain {
public:
    /// q: the first tangents, orthonormal to about the precision T.
    template <class T>
    explicit ExtendedChain(MatrixView<const T> q);

    /// The step that the system took last; `counts`: it is averaged; `closes`: no step after it belongs to the same average. False when
    /// something is not finite.
    template <class T>
    bool add(TangentSystem<T>& system, bool counts, bool closes);

    const std::vector<double>& log_sum() const { return log_sum_; }
    std::vector<double> errors() const { return errors_.sums(); }

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);

private:
    /// z becomes orthonormal; what that takes enters the exponents.
    bool factor(bool counts);

    Matrix<DoubleDouble> q_, z_, j_;
    Matrix<double> rounded_;
    Factorisation factorisation_;
    ChainErrors<DoubleDouble> errors_;
    std::vector<double> log_sum_;
    bool exact_ = true;  ///< q is part of the identity
};

}  // namespace aelle::lyapunov
