#pragma once
/// Groups of networks that a device works on side by side. Where there is a device it is offered beside the host's Backend, which the same run
/// uses for all else; implementations live in kernels/.
///
/// A network's numbers do not depend on the networks beside it, nor on how its work is cut into calls. An engine may be shared by threads; the objects it
/// makes belong to one thread at a time, and must not outlive it.

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/error.hpp"

namespace aelle::backend {

/// The device has not enough memory for so many networks at once; fewer may fit.
class OutOfDeviceMemory : public std::bad_alloc {
public:
    explicit OutOfDeviceMemory(std::string message) : message_(std::move(message)) {}
    const char* what() const noexcept override { return message_.c_str(); }

private:
    std::string message_;
};

/// The device failed: what it worked on is lost since it was last taken from it.
class DeviceError : public Error {
public:
    explicit DeviceError(const std::string& message) : Error(ExitStatus::io, message) {}
};

/// Sequences of equal length, one after another, with the classes to predict at their last target steps.
struct SequenceTable {
    int64_t count = 0, steps = 0, features = 0, classes = 0, target_steps = 0;
    std::vector<float> values;     ///< (count x steps x features), features fastest; empty for symbols
    std::vector<int32_t> symbols;  ///< (count x steps), or empty
    std::vector<int32_t> targets;  ///< (count x target_steps)
};

/// Sequences where the device reads them.
class DeviceSequences {
public:
    virtual ~DeviceSequences() = default;
};

/// The optimisers, losses and readout of learn/bptt.hpp.
struct GroupTraining {
    bool adam = true;  ///< otherwise SGD
    double learning_rate = 1e-3, momentum = 0.0, clip = 0.0, dropout = 0.0;
    int64_t batch = 128;
    int64_t classes = 0;
    bool fc_bias = true;
};

/// What training keeps of one network: packed parameters (cells::ParameterLayout, then fc.weight (C, H) row-major, fc.bias (C)) and the optimiser's
/// moments, of the same size or empty as the optimiser needs them; `mean` is SGD's velocity.
struct TrainingState {
    std::vector<float> parameters, mean, square;
};

/// Of one batch.
struct GroupLoss {
    double sum = 0.0;  ///< cross-entropies in nats, added up
    int64_t correct = 0;
};

/// Networks of one cell, shape and set of tensors, trained side by side.
class TrainingGroup {
public:
    virtual ~TrainingGroup() = default;
    virtual int64_t size() const = 0;
    virtual void set(int64_t network, const TrainingState& state) = 0;
    virtual TrainingState get(int64_t network) const = 0;

    /// The part of one network in a call. No network may appear twice.
    struct Work {
        int64_t network = 0;
        std::span<const int64_t> order;  ///< sequences, batch after batch; the last batch may be short
        uint64_t seed = 0, variant = 0;  ///< of noise and dropout, as in NoiseKey and learn::Dropout
        int64_t first_update = 0;        ///< updates made before
    };
    struct Outcome {
        std::vector<GroupLoss> losses;  ///< of every batch before its update, up to the last one made
        bool finite = true;  ///< false: the last loss, or a parameter after it, was not finite, and the network was stopped there
    };
    /// One update for every batch.
    virtual std::vector<Outcome> train(const DeviceSequences& data, std::span<const Work> work) = 0;
    /// Losses only, without noise or dropout. `probabilities`, if given, receives those of each network's last batch, (C x target_steps * batch) one after
    /// another.
    virtual std::vector<Outcome> evaluate(const DeviceSequences& data, std::span<const Work> work,
                                          std::vector<float>* probabilities = nullptr) = 0;
};

/// The spectra of some networks of one cell, shape and set of tensors along the same input sequences: chain n * sequences + s is that of network n along
/// sequence s. QrMethod::accurate at every step, in double precision.
struct ChainProblem {
    TangentSpace space = TangentSpace::full;
    int64_t exponents = 0;  ///< K leading ones, at least 1
    int64_t steps = 0, warmup = 0;
    std::vector<double> inputs;  ///< (sequences x (warmup + steps) x I), features fastest
    int64_t sequences = 1;
    std::vector<double> initial_state;     ///< (D) of all chains, (sequences x D), or (networks x sequences x D)
    std::vector<double> initial_tangents;  ///< (dimension x K) column-major, orthonormal; empty: leading columns of 1
};

struct ChainResult {
    std::vector<double> log_sum;  ///< (K) of log|r_jj| over the averaged steps, in the order of columns
    std::vector<double> error;    ///< (K) estimates of what rounding has done to them (lyapunov/rounding.hpp)
    bool finite = true;
};

class ChainGroup {
public:
    virtual ~ChainGroup() = default;
    virtual int64_t steps_done() const = 0;                ///< of every chain, warm-up included
    virtual void advance(int64_t steps) = 0;               ///< of every chain, at most to the end
    virtual std::vector<ChainResult> results() const = 0;  ///< of all chains, once all steps are done
};

/// What FORCE keeps of one network. P is held as what it was when last written, and the updates since:
///
///     P = P0 - sum_k c_k v_k v_k^T
struct ForceState {
    std::vector<double> x;      ///< (N)
    double z = 0.0;             ///< output fed back in the next step
    std::vector<double> w_out;  ///< (N)
    std::vector<double> p;      ///< lower triangle of P0 packed by columns, N(N+1)/2; empty: I / alpha
    std::vector<double> v;      ///< (N x updates since P0 was written), column-major
    std::vector<double> c;      ///< of each of them
};

/// Closed loops with frozen weights, of several networks of a ForceGroup, which must outlive them: FrozenLoops of each, one part a network.
class FrozenGroup {
public:
    virtual ~FrozenGroup() = default;
    virtual int64_t loops(int64_t part) const = 0;
    /// Without p, v and c.
    virtual ForceState get(int64_t part, int64_t loop) const = 0;

    struct Work {
        int64_t part = 0;           ///< of which each may appear once
        MatrixView<double> output;  ///< (loops x steps) receives z' of each loop and step; ld = loops
    };
    virtual void run(std::span<const Work> work) = 0;
};

/// Networks of one size trained side by side by FORCE: the equations of ForceLoop, each with an M, w_f and dt of its own.
class ForceGroup {
public:
    virtual ~ForceGroup() = default;
    virtual int64_t size() const = 0;
    virtual void set(int64_t network, const ForceState& state) = 0;
    /// Going on from get() gives the bits of never having stopped. `with_p` = false leaves p, v and c empty, which is much cheaper.
    virtual ForceState get(int64_t network, bool with_p = true) const = 0;

    /// The part of one network in a call, as ForceLoop::run has it. No network may appear twice.
    struct Work {
        int64_t network = 0, first_step = 0;
        std::span<const double> target;  ///< (steps)
        std::span<double> output;        ///< (steps) receives z' before the update of its step
    };
    virtual void run(int64_t learn_every, std::span<const Work> work) = 0;

    /// At least one loop of every part.
    struct Loops {
        int64_t network = 0;
        std::vector<ForceState> start;  ///< p, v and c are not looked at
    };
    /// `longest`: steps of one call at most. OutOfDeviceMemory.
    virtual std::unique_ptr<FrozenGroup> frozen(std::span<const Loops> parts, int64_t longest) const = 0;
};

class GroupEngine {
public:
    virtual ~GroupEngine() = default;
    /// Kind of device that results may depend on: "cuda sm_90".
    virtual std::string device_kind() const = 0;
    /// For people: number, name, memory.
    virtual std::string description() const = 0;
    /// Whether the device still answers; CUDA's gravest errors end all use of it in this process.
    virtual bool usable() const = 0;
    /// Networks worth having in flight at once; memory may allow fewer (OutOfDeviceMemory).
    virtual int64_t wanted() const = 0;

    virtual std::unique_ptr<DeviceSequences> sequences(const SequenceTable& table) const = 0;
    /// `layout` and the scalars of `parameters` are those of all networks. `data`: whose shapes training and evaluation will use.
    virtual std::unique_ptr<TrainingGroup> training(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                    const cells::Parameters& parameters, const GroupTraining& options,
                                                    const SequenceTable& data, int64_t networks) const = 0;
    /// packed: the cell's parameters of every network.
    virtual std::unique_ptr<ChainGroup> chains(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                               const cells::Parameters& parameters, std::span<const std::vector<double>> packed,
                                               const ChainProblem& problem) const = 0;
    /// Units of the largest networks that FORCE can train on this device.
    virtual int64_t largest_force() const = 0;
    /// Networks of cell rank1, complete, of one size; each starts as Backend::force_loop says. `longest`: steps of one call at most.
    virtual std::unique_ptr<ForceGroup> force(const cells::Shape& shape, std::span<const cells::Parameters> networks, double alpha,
                                              int64_t longest) const = 0;
};

}  // namespace aelle::backend
