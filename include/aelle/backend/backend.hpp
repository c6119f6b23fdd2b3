#pragma once
/// What a compute backend offers. Implementations live in kernels/; nothing else names one.
///
/// A `Backend` is stateless and may be shared by threads; the objects it makes own their scratch memory and belong to one thread at
/// a time. Vectors and matrices are column-major views into host memory; results of one call do not depend on other calls, so the
/// same network gives the same bits alone or among many.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "aelle/base/matrix.hpp"
#include "aelle/cells/layout.hpp"
#include "aelle/cells/spec.hpp"

namespace aelle::backend {

/// Of many predictions.
struct SoftmaxLoss {
    double sum = 0.0;     ///< cross-entropies in nats, added up
    int64_t correct = 0;  ///< whose likeliest class, the first of equal ones, is the target
};

/// How Z = Q R is computed.
enum class QrMethod {
    accurate,  ///< ours: rows sorted by decreasing max-abs, Householder; graded matrices keep small |r_jj| to high relative accuracy
    library,   ///< LAPACK geqrf and orgqr
};

/// In which R of a Gram matrix is found.
enum class GramArithmetic { single_precision, double_precision };

/// Which block of the step's Jacobian tangents see.
enum class TangentSpace {
    full,    ///< ds'/ds of the whole state, D = blocks * H
    hidden,  ///< dh'/dh of the readout block with the others held fixed, H
};

/// One network with given weights, ready to step. T is the precision of trajectory and tangents.
template <class T>
class Network {
public:
    virtual ~Network() = default;
    virtual int64_t state_dimension() const = 0;    ///< D
    virtual int64_t input_dimension() const = 0;    ///< I
    virtual int64_t tangent_dimension() const = 0;  ///< D, or H for TangentSpace::hidden

    /// next = F(state, input). Keeps the linearisation at (state, input) for the calls below. `next` may alias `state`.
    virtual void step(const T* state, const T* input, T* next) = 0;
    /// w = J v for the last step, v and w (tangent_dimension x K), not aliasing.
    virtual void tangent(MatrixView<const T> v, MatrixView<T> w) = 0;
    /// The last step's Jacobian as a dense matrix, J_ij = ds'_i / ds_j.
    virtual void jacobian(MatrixView<T> j) = 0;

    /// J = P S. S leaves out what the last stage reads of blocks that earlier stages of the same step wrote, P = I + what it leaves out is
    /// unit triangular, so det J = det S. Assembling J would add terms of very unlike size (performance.md 3.1: the saturated LSTM); a
    /// chain of P_t S_t Q regrouped as S_{t+1} P_t Q does not. P = I for one stage and for TangentSpace::hidden.
    virtual void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) = 0;  ///< w = S v
    virtual void unsheared_jacobian(MatrixView<T> s) = 0;                        ///< S
    virtual void shear(MatrixView<T> v) = 0;                                     ///< v is replaced by P v
    virtual bool shears() const { return true; }                                 ///< false: P = 1 at all times
};

/// A batch of input sequences of equal length. Column t * batch + b of a matrix belongs to step t of sequence b.
template <class T>
struct SequenceBatch {
    int64_t steps = 0;
    int64_t batch = 0;
    const T* values = nullptr;         ///< (I x steps * batch), or null
    const int32_t* symbols = nullptr;  ///< (steps * batch) instead of values: input k of I is 1, the others 0
};

/// Which noise a training pass sees: a function of these three numbers alone. Unit i of sequence b sees at step t, in the n-th noise term of the
/// cell's spec (from 0, stage by stage), column i of row b of stream n of RandomField(seed, variant, Purpose::noise, update, t): for
/// Source::factor_noise of its uniform(), for Source::additive_noise of its normal() numbers. The same in every backend and precision.
struct NoiseKey {
    uint64_t seed = 0, variant = 0, update = 0;
};

/// One network trained in place, a batch of sequences at a time: forward through all steps from the zero state, and backward through time.
/// Parameters and gradients are packed as cells::ParameterLayout says.
template <class T>
class BatchNetwork {
public:
    virtual ~BatchNetwork() = default;
    virtual void set_parameters(std::span<const T> packed) = 0;

    /// The readout block of every step, (H x steps * batch), valid until the next forward pass. `noise`: a training pass of a cell with noise;
    /// null: none. `keep`: a backward pass will follow. The inputs must stay as they are until then; symbols must be below I. Sequences do not mix,
    /// but which sums a product takes first may depend on the size of the batch and on a sequence's place in it: to rounding alone.
    virtual MatrixView<const T> forward(const SequenceBatch<T>& inputs, const NoiseKey* noise, bool keep) = 0;

    /// d_readout (H x n * batch): the gradient of a loss with respect to the readout block at the last n steps of the last forward pass.
    /// `gradient` (packed) is overwritten. Once for a forward pass, which must have been told to keep.
    virtual void backward(MatrixView<const T> d_readout, std::span<T> gradient) = 0;

    /// dL/dgamma of the last backward pass for each scalar that is the gamma of a Form::symmetric_skew term, in the spec's order of scalars; 0 for
    /// the others.
    virtual std::span<const double> scalar_gradient() const = 0;
};

/// Recursive least squares in a closed loop: the inner loop of FORCE (cells.md "rank1", Sussillo & Abbott 2009, equations 4 and 5).
///
///     x' = (1 - dt) x + dt (M tanh(x) + w_f z),  r' = tanh(x'),  z' = w_o . r'
///     every `learn_every` steps (global step index a multiple of it):
///     v = P r', k = v / (1 + r'.v), P -= v k^T, w_o -= (z' - f) k
///
/// M, w_f and dt are fixed when the object is made; it owns x, z, w_o and P.
class ForceLoop {
public:
    virtual ~ForceLoop() = default;

    struct State {
        AlignedVector<double> x;      ///< (N)
        double z = 0.0;               ///< output fed back in the next step
        AlignedVector<double> w_out;  ///< (N)
        AlignedVector<double> p;      ///< lower triangle of P packed by columns, N(N+1)/2; empty: P = I / alpha
    };
    virtual void set(const State& state) = 0;
    /// Going on from get() gives the bits of never having stopped. `with_p` = false leaves p empty, which is much cheaper.
    virtual State get(bool with_p = true) const = 0;

    /// Runs target.size() steps; step i has global index first_step + i and target target[i]; output[i] = z' before that step's
    /// weight update. learn_every = 0 keeps the weights frozen (the target is not read then).
    virtual void run(int64_t first_step, int64_t learn_every, std::span<const double> target, std::span<double> output) = 0;
};

/// Closed loops of one network with frozen weights, side by side: the equations of ForceLoop without learning. M, w_f and dt are shared and
/// fixed when the object is made; each loop has its own x, z and w_o. A loop's bits depend neither on the other loops, whatever becomes of
/// them, nor on how a run is cut; they may differ from ForceLoop's by rounding.
class FrozenLoops {
public:
    virtual ~FrozenLoops() = default;
    virtual int64_t count() const = 0;
    virtual void set(int64_t loop, const ForceLoop::State& state) = 0;  ///< p is ignored
    virtual ForceLoop::State get(int64_t loop) const = 0;               ///< without p
    /// Runs all loops output.cols steps: output (count x steps) receives z' of each loop and step.
    virtual void run(MatrixView<double> output) = 0;
};

class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string_view name() const = 0;  ///< "reference", "cpu", "cuda"
    /// Kind of device and instruction set that results may depend on: "cpu avx512", for the record in an output folder.
    virtual std::string device_kind() const = 0;

    /// `parameters` must have passed cells::complete.
    virtual std::unique_ptr<Network<double>> network(const cells::CellSpec& cell, const cells::Shape& shape,
                                                     const cells::Parameters& parameters, TangentSpace space) const = 0;
    virtual std::unique_ptr<Network<float>> network_single(const cells::CellSpec& cell, const cells::Shape& shape,
                                                           const cells::Parameters& parameters, TangentSpace space) const = 0;

    /// For training; `layout` says which tensors there are and how they are packed. The scalars are those of `parameters`, its tensors the
    /// first values.
    virtual std::unique_ptr<BatchNetwork<float>> batch_network(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                               const cells::Parameters& parameters) const = 0;
    /// The same in double precision, for tests of gradients; speed does not matter.
    virtual std::unique_ptr<BatchNetwork<double>> batch_network_double(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                                       const cells::Parameters& parameters) const = 0;

    /// c = op(a) op(b) + beta c, op the transpose where asked; beta = 0 overwrites c whatever it holds. The product of a readout.
    virtual void multiply(bool a_transposed, bool b_transposed, MatrixView<const float> a, MatrixView<const float> b, float beta,
                          MatrixView<float> c) const = 0;
    virtual void multiply(bool a_transposed, bool b_transposed, MatrixView<const double> a, MatrixView<const double> b, double beta,
                          MatrixView<double> c) const = 0;

    /// Every column of logits (C x N) becomes its softmax, class probabilities; targets[N] are class numbers below C. The loss of a column whose target is c is
    /// -log p_c = log(sum exp(a - max a)) - (a_c - max a), in nats: no overflow, and exact where p_c rounds to 0 or 1.
    virtual SoftmaxLoss softmax(std::span<const int32_t> targets, MatrixView<float> logits) const = 0;
    virtual SoftmaxLoss softmax(std::span<const int32_t> targets, MatrixView<double> logits) const = 0;

    /// parameters: those of cell rank1. The ForceLoop starts with x = 0, z = 0, w_o = weight_out and P = I / alpha.
    virtual std::unique_ptr<ForceLoop> force_loop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha) const = 0;

    /// parameters: those of cell rank1. Each of the `count` >= 1 loops starts with x = 0, z = 0 and w_o = weight_out.
    virtual std::unique_ptr<FrozenLoops> frozen_loops(const cells::Shape& shape, const cells::Parameters& parameters,
                                                      int64_t count) const = 0;

    /// z (D x K, K <= D) is replaced by Q of its reduced QR factorisation, and log|r_jj| is stored (not added) in log_r[K]. Column signs
    /// of Q are arbitrary. A zero column gives -infinity, leaves Q with orthonormal columns and never yields NaN from finite input;
    /// non-finite input gives NaN in log_r. `work` is grown on first use. `ratios` (K x K), where given, receives r_jk / r_jj for j < k, 1 on the
    /// diagonal and 0 below it; the row of a zero column is that of the identity.
    struct QrWork {
        AlignedVector<double> reals;
        AlignedVector<int64_t> indices;
    };
    virtual void qr(QrMethod method, MatrixView<double> z, std::span<double> log_r, QrWork& work, MatrixView<float> ratios = {}) const = 0;
    virtual void qr(QrMethod method, MatrixView<float> z, std::span<double> log_r, QrWork& work, MatrixView<float> ratios = {}) const = 0;

    /// Z = Q R by Cholesky factorisation of Z^T Z in `arithmetic`, which costs much less: Q = Z R^-1 in double. Returns the norm of the largest column, to
    /// single precision at least; 0, with z as it was, unless every r_jj is at least `least` times that norm, and 1e-3 (single_precision) or 1e-4
    /// (double_precision) in any case, or where a backend has no such path. Q R differs from Z by rounding of double alone, but Q^T Q from 1 by rounding of
    /// `arithmetic` over the square of the smallest of these fractions; columns of Q have half to twice unit length. The product of the R of many steps
    /// is as good as by reflections all the same, once the last Q is factored without loss (performance.md section 3, rule 3, which has R in
    /// double; Yamamoto, Nakatsukasa, Yanagisawa & Fukaya, ETNA 44 (2015), for rounding of Gram matrices).
    virtual double gram_qr(MatrixView<double> /*z*/, GramArithmetic /*arithmetic*/, double /*least*/, std::span<double> /*log_r*/,
                           QrWork& /*work*/, MatrixView<float> /*ratios*/ = {}) const {
        return 0.0;
    }
    virtual double gram_qr(MatrixView<float>, GramArithmetic, double, std::span<double>, QrWork&, MatrixView<float> = {}) const {
        return 0.0;
    }

    /// log|det A| of a square matrix, which is overwritten; -infinity when singular. Rows and columns are equilibrated first, so that
    /// strongly graded matrices keep relative accuracy.
    virtual double log_abs_det(MatrixView<double> a, QrWork& work) const = 0;
};

/// One thread, plain loops: the definition of correct. For tests.
std::unique_ptr<Backend> make_reference();

}  // namespace aelle::backend
