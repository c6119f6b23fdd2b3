#pragma once
/// The sequential-MNIST study: images read row by row, the digit predicted at the last of 28 steps.
///
/// [data] train (images from the start of the training file; "auto": all before those of validation), validation (images at its end).
/// The test file is not touched. Examples: ten images of validation, the same for all variants, with the probabilities of the ten digits.

#include "aelle/study/bptt_task.hpp"

namespace aelle::study {

class SmnistTask final : public BpttTask {
public:
    SmnistTask(TomlTable& root, const StudyConfig& config);

    std::vector<ExampleField> example_fields() const override;
    void write_shared_examples(io::H5Writer& file) const override;
    std::vector<std::vector<double>> example_values(MatrixView<const float> probabilities) const override;

private:
    void load(const std::filesystem::path& folder, BpttData& data) override;
    int64_t example_count() const override { return 10; }

    int64_t train_, validation_;
};

}  // namespace aelle::study
