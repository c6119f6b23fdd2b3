#pragma once
/// One variant's work, from its seed to its result, in slices that can be stopped, saved and resumed with the same bits.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aelle/base/archive.hpp"

namespace aelle::study {

/// `failed`: the machine could not hold the variant's work (out of memory). Its results are NaN, and the next run of the study tries again.
enum class VariantStatus : int32_t { ok = 0, diverged = 1, failed = 2 };

/// "ok", "diverged", "failed".
std::string to_string(VariantStatus status);

/// The spectra of one kind. K = exponents per spectrum; NaN and 0 where not measured.
struct KindSpectra {
    std::vector<double> exponents;  ///< (E, K)
    std::vector<uint8_t> reliable;  ///< (E, K)
};

/// What a finished variant leaves. E = number of spectrum epochs; NaN where diverged or not measured.
struct VariantResult {
    VariantStatus status = VariantStatus::ok;
    int64_t diverged_epoch = -1;           ///< training epoch in which it diverged, -1 otherwise
    std::vector<double> loss;              ///< (E) validation loss
    std::vector<double> accuracy;          ///< (E)
    std::vector<double> loss_every_epoch;  ///< (epochs)
    double loss_final = 0.0;
    double loss_best = 0.0;
    std::vector<KindSpectra> spectra;                                 ///< one entry a kind, in the study's order
    std::vector<std::vector<double>> example;                         ///< one array a StudyTask::example_fields(), row-major
    std::map<std::string, std::vector<double>, std::less<>> weights;  ///< final tensors by name, where they are kept; not in shards

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);
};

/// Belongs to one thread at a time.
class Job {
public:
    virtual ~Job() = default;
    virtual bool done() const = 0;
    /// One slice, well below a second where one parameter update or QR is: between slices a run can be stopped.
    virtual void advance() = 0;
    /// Work done so far as a share of the whole, 0 to 1, never decreasing.
    virtual double progress() const = 0;
    virtual void save(ArchiveWriter& archive) const = 0;
    virtual void load(ArchiveReader& archive) = 0;
    virtual VariantResult result() const = 0;  ///< once done
};

/// Several variants of one cell and size, worked on together by one thread; each has its own state.
class GroupJob {
public:
    virtual ~GroupJob() = default;
    virtual std::size_t size() const = 0;
    virtual bool done(std::size_t i) const = 0;
    virtual void advance() = 0;  ///< one slice of some that are not done
    virtual double progress(std::size_t i) const = 0;
    virtual void save(std::size_t i, ArchiveWriter& archive) const = 0;
    virtual void load(std::size_t i, ArchiveReader& archive) = 0;
    virtual VariantResult result(std::size_t i) const = 0;
};

/// A variant by itself.
std::unique_ptr<GroupJob> alone(std::unique_ptr<Job> job);

}  // namespace aelle::study
