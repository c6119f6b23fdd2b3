#pragma once
/// The linear map by which one step moves tangents, in the form that a run multiplies by: S of J = P S, J itself, or J^T.

#include <cstdint>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/matrix.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace aelle::lyapunov {

template <class T>
class StepMap {
public:
    enum class Form { whole, regrouped, transposed };

    StepMap(const backend::Backend& backend, TangentSystem<T>& system, Form form)
        : backend_(backend), system_(system), form_(form), dimension_(system.dimension()) {}

    void advance(int64_t step) {
        system_.advance(step);
        assembled_ = false;
    }
    /// w = M v for the last step, M = S (regrouped), J (whole) or J^T (transposed).
    void multiply(MatrixView<const T> v, MatrixView<T> w);
    /// v is replaced by P v where M is S; the Frobenius norm of (P - I) v.
    double shear(MatrixView<T> v);

    /// log|det J|; -infinity when singular.
    double log_abs_det(backend::Backend::QrWork& work);

    /// M = (M D^-1) D with a diagonal D of powers of two that makes the columns of M alike once its rows are. A QR of D v and another one
    /// of (M D^-1) Q keep the small |r_jj| of a matrix that is well conditioned but for the scales of its rows and columns, where M v
    /// would drown them: a saturated LSTM's columns of c. False when D = 1.
    bool split();
    void multiply_scale(MatrixView<const T> v, MatrixView<T> w) const;  ///< w = D v
    void multiply_rest(MatrixView<const T> v, MatrixView<T> w) const;   ///< w = (M D^-1) v

private:
    void assemble();
    /// Multiplies `log_det` by the entries that stand alone in their row or column, and leaves the rest.
    Matrix<double> without_singletons(double& log_det);

    const backend::Backend& backend_;
    TangentSystem<T>& system_;
    Form form_;
    int64_t dimension_;
    Matrix<T> map_, rest_, before_;
    std::vector<int> exponent_;  ///< D = diag(2^exponent)
    bool assembled_ = false;
};

}  // namespace aelle::lyapunov
