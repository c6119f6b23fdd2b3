#pragma once
/// Lyapunov spectrum by repeated QR of Jacobian products.
///
///     Z_{t+1} = J_t Q_t,  Z_{t+1} = Q_{t+1} R_{t+1},  lambda_i = (1/T) sum_t ln|(R_t)_ii|
///
/// (Benettin et al. 1980; Shimada & Nagashima 1979; Vogt, Zheng & Shlizerman, equations 1 to 3, with J_ij = ds'_i/ds_j: the paper's code
/// multiplies by the transpose, which is the spectrum of the product in reverse order of time.) Exponents are natural logarithms
/// per step. J_t is taken at (s_t, x_t), before the step.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/archive.hpp"
#include "aelle/base/matrix.hpp"

namespace aelle {
struct DoubleDouble;
}

namespace aelle::lyapunov {

/// A dynamical system together with its tangent space. The whole mutable state is `state()`: restoring it repeats the steps exactly.
template <class T>
class TangentSystem {
public:
    virtual ~TangentSystem() = default;
    virtual int64_t dimension() const = 0;  ///< of the tangent space
    virtual std::span<T> state() = 0;
    /// Advances the state by step number `step` (from 0) and keeps the linearisation for the calls below.
    virtual void advance(int64_t step) = 0;
    /// w = J v for the last advance; (dimension x K), not aliasing.
    virtual void tangent(MatrixView<const T> v, MatrixView<T> w) = 0;
    /// The last advance's Jacobian.
    virtual void jacobian(MatrixView<T> j) = 0;

    /// J = P S as in backend::Network; P = I unless a system says otherwise.
    virtual void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) { tangent(v, w); }
    virtual void unsheared_jacobian(MatrixView<T> s) { jacobian(s); }
    virtual void shear(MatrixView<T>) {}
    virtual bool shears() const { return true; }  ///< false: shear does nothing at any time

    /// Whether the two below may be called.
    virtual bool extended() const { return false; }
    /// S of the last advance, at the state and input as they are, and P, in double-double arithmetic.
    virtual void extended_jacobian(MatrixView<DoubleDouble>) {}
    virtual void extended_shear(MatrixView<DoubleDouble>) {}
};

/// A network driven by one input sequence, (T steps x I) row-major; empty for autonomous cells. `extended`: the same network for
/// extended_jacobian, or null. Networks hold the last step only: systems that take turns may share them.
template <class T>
std::unique_ptr<TangentSystem<T>> network_system(std::shared_ptr<backend::Network<T>> network, std::vector<T> inputs,
                                                 std::vector<T> initial_state,
                                                 std::shared_ptr<backend::Network<DoubleDouble>> extended = nullptr);

/// SpectrumOptions::extended_up_to of the program: at 128 a step costs about 10 ms then.
inline constexpr int64_t usual_extended_up_to = 128;

struct SpectrumOptions {
    int64_t exponents = 0;  ///< K leading ones; 0 = all
    int64_t steps = 0;      ///< averaged steps T, at least 1
    int64_t warmup = 0;     ///< steps before them that move state and Q but are not averaged
    int64_t interval = 0;   ///< steps between re-orthonormalisations; 0 = automatic, agreeing with 1 to 1e-9
    backend::QrMethod qr = backend::QrMethod::accurate;
    bool random_start = false;  ///< Q_0 from the QR of a Gaussian matrix instead of leading columns of I
    uint64_t seed = 0;          ///< for random_start
    /// Multiply by J^T: the spectrum of the product in reverse order of time, for comparison with the authors' code.
    bool transposed = false;
    bool sorted = true;  ///< exponents descending; otherwise in the order of columns of Q
    /// A spectrum with an exponent that is not reliable is taken once more, along the same trajectory, with Jacobians, products and QR (at
    /// every step) in double-double arithmetic: where the system offers it, its tangent space has at most this dimension, QR is accurate and not transposed.
    int64_t extended_up_to = 0;
    bool check_determinant = true;  ///< when K is the dimension: accumulate log|det J_t| for `logdet_defect`
};

struct Spectrum {
    std::vector<double> exponents;  ///< (K) descending unless asked otherwise, natural log per step; -inf where J is singular
    std::vector<uint8_t> reliable;  ///< (K) 0 where rounding may have moved the exponent by more than about 1e-7 (single: 1e-3)
    /// |sum of exponents - mean log|det J||, the determinants in precision T, over the steps of every 64th averaged block from the first on; NaN when not
    /// checked.
    double logdet_defect = 0.0;
    bool finite = true;          ///< false when the trajectory or an exponent became NaN or +inf
    int64_t factorisations = 0;  ///< QR factorisations made of blocks
    bool extended = false;       ///< taken once more in double-double arithmetic
};

/// One chain, advanced piece by piece so that long work can be stopped, saved and resumed with the same bits.
template <class T>
class SpectrumRun {
public:
    /// The backend and the system must outlive the run. UsageError names an option out of range.
    SpectrumRun(const backend::Backend& backend, TangentSystem<T>& system, const SpectrumOptions& options);
    ~SpectrumRun();
    SpectrumRun(SpectrumRun&&) noexcept;

    bool done() const;
    int64_t steps_done() const;  ///< warm-up included
    /// Advances by one block of at most `interval` steps and its QR.
    void advance();
    Spectrum result() const;  ///< once done

    void save(ArchiveWriter& archive) const;  ///< the system's state included
    void load(ArchiveReader& archive);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The whole chain at once.
template <class T>
Spectrum compute_spectrum(const backend::Backend& backend, TangentSystem<T>& system, const SpectrumOptions& options);

}  // namespace aelle::lyapunov
