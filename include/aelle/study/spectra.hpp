#pragma once
/// The spectra that a study takes of one network at one epoch: of every kind asked for, the mean over some sequences, in slices.

#include <cstdint>
#include <memory>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/archive.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "aelle/study/config.hpp"
#include "aelle/study/job.hpp"

namespace aelle::study {

/// Input sequences from which spectra are taken, each (T x I) row-major; one empty sequence for autonomous cells.
struct SpectrumInputs {
    std::vector<std::vector<double>> sequences;
    int64_t steps = 0;                  ///< averaged steps T, warm-up not counted
    std::vector<double> initial_state;  ///< of all of them (D)
    uint64_t seed = 0;                  ///< of random initial tangent vectors
};

/// Options of a chain of the kind at that position.
lyapunov::SpectrumOptions chain_options(const SpectrumConfig& config, const SpectrumInputs& inputs, const cells::CellSpec& cell,
                                        std::size_t kind);

/// Spectra of one network as they are added up over sequences, kind by kind.
class SpectraSums {
public:
    /// The first of a kind begins it; kinds come in order.
    void add(std::size_t kind, const lyapunov::Spectrum& spectrum);
    /// All sequences of `other`'s first kind at once.
    void add(std::size_t kind, const SpectraSums& other);
    /// Writes means over `sequences` at epoch index `epoch`; reliable where those of all sequences are.
    void store(std::vector<KindSpectra>& spectra, std::size_t epoch, std::size_t sequences) const;
    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);

private:
    std::vector<KindSpectra> sums_;  ///< (K) for each kind: sums of exponents, products of flags
};

class SpectraRun {
public:
    /// Backend and inputs must outlive the run; `parameters` must have passed cells::complete.
    SpectraRun(const backend::Backend& backend, const SpectrumConfig& config, const cells::CellSpec& cell, const cells::Shape& shape,
               cells::Parameters parameters, const SpectrumInputs& inputs);
    ~SpectraRun();

    bool done() const;
    int64_t steps_done() const;  ///< of all chains
    static int64_t all_steps(const SpectrumConfig& config, int64_t sequences, int64_t steps);
    /// One block of steps and its QR.
    void advance();

    /// Writes the spectra at epoch index `epoch`: exponents of each sequence descending (kinds as published: in the order of columns), then their
    /// mean; reliable where those of all sequences are. Once done.
    void store(std::vector<KindSpectra>& spectra, std::size_t epoch) const;
    /// The sums of a run of a single kind, as those of a kind of `sums`. Once done.
    void add_to(SpectraSums& sums, std::size_t kind) const;

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace aelle::study
