#pragma once
/// What a study needs to know of a task: how its variants are trained and measured. One class per task, one line in `make_task`.

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/backend/groups.hpp"
#include "aelle/io/h5.hpp"
#include "aelle/study/config.hpp"
#include "aelle/study/job.hpp"
#include "aelle/study/variants.hpp"

namespace aelle::study {

/// An array that every variant leaves for group `example` of study.h5, there (variants drawn, dims...).
struct ExampleField {
    std::string name;
    io::Dims dims;
    std::vector<std::string> axes;  ///< one a dimension: datasets of the group that label it
    std::string meaning;
    bool integer = false;  ///< stored as integers
};

class StudyTask {
public:
    StudyTask(const StudyConfig& config) : config_(config) {}
    virtual ~StudyTask() = default;
    virtual std::string init_name() const = 0;  ///< "g" or "p"
    virtual std::string loss_name() const = 0;  ///< for axes and tables, for example "mean absolute error"

    /// Reads the task's files below `folder`. MissingInput when they are not there; DataError when they are damaged or hold less than the
    /// study asks for. Before everything below.
    virtual void read_data(const std::filesystem::path& folder) = 0;

    virtual cells::Shape shape(const Variant& variant) const = 0;
    /// Number of exponents of a spectrum of the kind at that position.
    int64_t exponent_count(const Variant& variant, std::size_t kind = 0) const;
    /// Estimated floating-point operations of one variant.
    virtual double work(const Variant& variant) const = 0;
    /// Bytes that one variant in work needs.
    virtual double memory(const Variant& variant) const = 0;
    /// Bytes of the weights kept of one variant.
    double weights_size(const Variant& variant) const;

    virtual std::vector<ExampleField> example_fields() const = 0;
    /// Writes into group `example` what its variants share, the labels of the fields' axes among it.
    virtual void write_shared_examples(io::H5Writer& file) const = 0;

    /// A result of the right shape with nothing measured.
    VariantResult blank_result(const Variant& variant) const;
    /// The backend must outlive the job.
    virtual std::unique_ptr<Job> job(const Variant& variant, const backend::Backend& backend) const = 0;

    /// Jobs of many variants on a device, which must outlive them as the backend must; on `threads` threads what the host does for them. Null where the task's
    /// networks are not trained on devices.
    using GroupJobs = std::function<std::unique_ptr<GroupJob>(std::span<const Variant> variants)>;
    virtual GroupJobs group_jobs(const backend::GroupEngine& engine, const backend::Backend& backend, int threads) const;

    /// The weights of a result as a file that `aelle spectrum` and `aelle train` read.
    void write_weights(const std::filesystem::path& file, const Variant& variant, const VariantResult& result) const;

protected:
    /// The cell's scalars as the study has them.
    virtual cells::Parameters scalars(const Variant& variant) const = 0;

    StudyConfig config_;
};

/// Reads the task's own tables from the study file.
std::unique_ptr<StudyTask> make_task(TomlTable& root, const StudyConfig& config);

}  // namespace aelle::study
