#pragma once
/// What a study needs to know of a task: how its variants are trained and measured. One class per task, one line in `make_task`.

#include <memory>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/study/config.hpp"
#include "aelle/study/job.hpp"
#include "aelle/study/variants.hpp"

namespace aelle::study {

class StudyTask {
public:
    virtual ~StudyTask() = default;
    virtual std::string init_name() const = 0;  ///< "g" or "p"
    virtual std::string loss_name() const = 0;  ///< for axes and tables, for example "mean absolute error"
    /// Number of exponents of the first kind of spectrum.
    virtual int64_t exponent_count(const Variant& variant) const = 0;
    /// Estimated floating-point operations of one variant.
    virtual double work(const Variant& variant) const = 0;
    /// Bytes that one variant in work needs.
    virtual double memory(const Variant& variant) const = 0;
    /// Samples of `example_target`, and the time between them.
    virtual int64_t example_steps() const = 0;
    virtual double example_time_step() const = 0;
    /// The backend must outlive the job.
    virtual std::unique_ptr<Job> job(const Variant& variant, const backend::Backend& backend) const = 0;
};

/// Reads the task's own tables from the study file.
std::unique_ptr<StudyTask> make_task(TomlTable& root, const StudyConfig& config);

}  // namespace aelle::study
