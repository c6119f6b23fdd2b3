#pragma once
/// Lyapunov spectra of many networks along the same sequences, on a device. Chains whose exponents rounding may have spoiled are taken once more on the
/// host, as lyapunov/spectrum.hpp takes them, where it would end in double-double arithmetic.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace aelle::lyapunov {

/// Networks of one cell, shape and set of tensors and scalars, and the sequences that drive them.
struct GroupProblem {
    const cells::CellSpec* cell = nullptr;
    cells::Shape shape;
    backend::TangentSpace space = backend::TangentSpace::full;
    std::vector<cells::Parameters> networks;     ///< complete
    std::vector<std::vector<double>> sequences;  ///< (warmup + steps x I) row-major each; one empty sequence for autonomous cells
    std::vector<double> initial_state;           ///< (D) of all chains, (sequences x D), or (networks x sequences x D)
    SpectrumOptions options;
};

/// Runs f(i) for i in [0, count), on threads or not.
using ParallelFor = std::function<void(int64_t count, const std::function<void(int64_t)>& f)>;

class GroupSpectra {
public:
    /// Whether a device can take spectra so: accurate QR, in double precision, not transposed. Its interval is always 1, with which an automatic one agrees to
    /// 1e-9; any other is refused.
    static bool possible(const SpectrumOptions& options);

    /// Engine and backend must outlive it. OutOfDeviceMemory when the chains do not fit.
    GroupSpectra(const backend::GroupEngine& engine, const backend::Backend& backend, GroupProblem problem);
    ~GroupSpectra();

    bool done() const;
    int64_t steps_done() const;  ///< of every chain
    void advance(int64_t steps);
    /// Of network n along sequence s at n * sequences + s. The second passes run through `parallel`.
    std::vector<Spectrum> results(const ParallelFor& parallel) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace aelle::lyapunov
