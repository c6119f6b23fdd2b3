#pragma once
/// FORCE training of the Rank-1 RNN (cells.md "rank1"; Sussillo & Abbott 2009).
///
/// Double precision throughout: the closed loop is chaotic. An epoch is one period of the target. A test runs the closed loop with frozen
/// weights from a snapshot of training, which it leaves untouched. Tests of one network share M and w_f, so that several side by side cost
/// little more than one: keep snapshots and test them all after training.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/archive.hpp"
#include "aelle/cells/spec.hpp"

namespace aelle::learn {

/// How the recurrent weights M are drawn.
enum class ForceInit { gaussian, r_force };  ///< sparse Gaussian (cells.md "rank1"), or on circles of eigenvalues (r_force.hpp)
inline constexpr std::array<const char*, 2> force_init_names{"gaussian", "r-force"};
/// InternalError for any other name.
ForceInit force_init(const std::string& name);

/// Constants of the initial network and of RLS; defaults are those of the authors' code (cells.md "Constants [C]").
struct ForceOptions {
    int64_t hidden = 512;         ///< N
    ForceInit initialisation = ForceInit::gaussian;
    double gain = 1.5;            ///< g: nonzeros of M are N(0,1) g / sqrt(density N), or radii of circles are in proportion to it
    double density = 0.1;         ///< of gaussian: exactly round(density N^2) nonzeros at random positions
    double dt = 0.1;              ///< step in units of the time constant
    double alpha = 1.0;           ///< P_0 = I / alpha: ridge penalty
    int64_t learn_every = 2;      ///< steps between RLS updates
    double initial_scale = 0.5;   ///< x_0 and z_0 are this times N(0,1)

    /// Of the entries of M.
    double nonzero_share() const { return initialisation == ForceInit::gaussian ? density : 1.0; }
};

/// Initial M, w_f ~ U(-1,1) and w_o = 0 as Parameters of cell rank1; a function of options, seed and variant alone.
cells::Parameters initial_rank1(const ForceOptions& options, uint64_t seed, uint64_t variant);

class ForceTrainer {
public:
    /// `period` is one epoch's target. Starts from the random x_0, z_0 of ForceOptions and P = I / alpha; a scalar dt in `parameters`
    /// goes before the option. DataError names the option or tensor, found and expected.
    ForceTrainer(const backend::Backend& backend, cells::Parameters parameters, const ForceOptions& options,
                 std::vector<double> period, uint64_t seed, uint64_t variant);
    ~ForceTrainer();
    ForceTrainer(ForceTrainer&&) noexcept;

    /// Replaces state x and output z before the first step. Any values: divergence is a result.
    void start_from(std::span<const double> x, double z);

    int64_t steps_done() const;
    int64_t epochs_done() const;  ///< whole epochs
    /// Trains `steps` more steps. `output` (steps) receives z' of each, before that step's update. Weights are updated in steps whose
    /// number, counted from 0 over all of training, is a multiple of learn_every. Bits do not depend on how training is cut into calls.
    void train(int64_t steps, std::span<double> output);
    /// Mean |f - z'| over the finished part of the current or last finished epoch of training.
    double training_error() const;
    /// False once state, output or weights are not finite: the variant has diverged.
    bool finite() const;

    /// Where a test starts: readout, state and phase of the target at some moment of training. p is empty.
    struct Snapshot {
        int64_t first_step = 0;  ///< steps of training before it
        backend::ForceLoop::State state;

        void save(ArchiveWriter&) const;
        void load(ArchiveReader&);
    };
    Snapshot snapshot() const;

    /// Tests in progress, side by side: closed loops with frozen weights. What one finds depends neither on the others nor on how it is cut.
    class Tests {
    public:
        ~Tests();
        Tests(Tests&&) noexcept;
        int64_t count() const;
        /// Runs every test output.cols steps more and adds to its error; `output` (count x steps) receives z'.
        void run(MatrixView<double> output);
        int64_t steps_done() const;
        double error(int64_t test) const;  ///< mean |f - z'| so far; NaN before the first step
        void save(ArchiveWriter&) const;
        void load(ArchiveReader&);  ///< into as many tests of the same network

    private:
        friend class ForceTrainer;
        struct Impl;
        explicit Tests(std::unique_ptr<Impl>);
        std::unique_ptr<Impl> impl_;
    };
    /// One test for each snapshot, at least one; DataError where one is of a network of another size.
    Tests start_tests(std::span<const Snapshot> snapshots) const;

    /// Current network: M, w_f as given, w_o as trained.
    cells::Parameters parameters() const;
    std::vector<double> state() const;  ///< x (N)
    double output() const;              ///< z

    void save(ArchiveWriter&) const;  ///< M and w_f are not stored: they come from the seed
    void load(ArchiveReader&);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace aelle::learn
