#pragma once
/// One variant's work, from its seed to its result, in slices that can be stopped, saved and resumed with the same bits.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/base/archive.hpp"

namespace aelle::study {

enum class VariantStatus : int32_t { ok = 0, diverged = 1, failed = 2 };

/// "ok", "diverged", "failed".
std::string to_string(VariantStatus status);

/// What a finished variant leaves. E = number of spectrum epochs, K = exponents per spectrum; NaN where diverged or not measured.
struct VariantResult {
    VariantStatus status = VariantStatus::ok;
    int64_t diverged_epoch = -1;           ///< training epoch in which it diverged, -1 otherwise
    std::vector<double> loss;              ///< (E) validation loss
    std::vector<double> accuracy;          ///< (E)
    std::vector<double> loss_every_epoch;  ///< (epochs)
    double loss_final = 0.0;
    double loss_best = 0.0;
    std::vector<double> exponents;         ///< (E, K)
    std::vector<uint8_t> reliable;         ///< (E, K)
    std::vector<double> example_target;    ///< (S) to draw
    std::vector<double> example_output;    ///< (S)

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);
};

/// Belongs to one thread at a time.
class Job {
public:
    virtual ~Job() = default;
    virtual bool done() const = 0;
    /// One slice, well below a second: between slices a run can be stopped.
    virtual void advance() = 0;
    /// Work done so far as a share of the whole, 0 to 1, never decreasing.
    virtual double progress() const = 0;
    virtual void save(ArchiveWriter& archive) const = 0;
    virtual void load(ArchiveReader& archive) = 0;
    virtual VariantResult result() const = 0;  ///< once done
};

}  // namespace aelle::study
